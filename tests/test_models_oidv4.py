"""The second network: anchors and boxes by hand, known answers, and every way in which its file or its numbers fail."""

import shutil

import cv2
import numpy as np
import pytest

import models
from base.errors import ModelError
from models import selftest
from models.config import ModelsConfig
from models.convert.lite_model import convert
from models.detections import ious
from models.oidv4 import Oidv4, anchors, calibrated, decoded
from models.registry import WEIGHTS, ModelRegistry
from wire.features.vocabulary import ObjectClass

LOW_POWER = ModelsConfig(profile="low_power")
PERSON = np.array([[9, 9, 228, 318]], np.float32)


@pytest.fixture(scope="module")
def loaded():
    return models.load(LOW_POWER)


@pytest.fixture
def weights(tmp_path):
    for entry in ModelRegistry.read().models:
        (tmp_path / entry.file).symlink_to(WEIGHTS / entry.file)
    (tmp_path / "oidv4.onnx").unlink()
    return tmp_path


def test_anchors_are_those_that_the_network_was_trained_with():
    table = anchors(300)
    assert len(table) == 3 * 19 * 19 + 6 * (10 * 10 + 5 * 5 + 3 * 3 + 2 * 2 + 1)
    half = 300 / 19 / 2
    assert table[:3] == pytest.approx(
        np.array(
            [[half, half, 30, 30], [half, half, 60 * 2**0.5, 60 / 2**0.5], [half, half, 60 / 2**0.5, 60 * 2**0.5]]
        ),
        rel=1e-5,
    )
    assert table[-6:, :2] == pytest.approx(np.full((6, 2), 150))
    assert table[-6:, 2] == pytest.approx(
        300 * np.array([0.95, 0.95 * 2**0.5, 0.95 / 2**0.5, 0.95 * 3**0.5, 0.95 / 3**0.5, 0.95**0.5]), rel=1e-5
    )


def test_boxes_are_shifts_and_growth_of_their_anchors():
    place = np.array([[100, 60, 40, 80]], np.float32)
    assert decoded(np.zeros((1, 4), np.float32), place) == pytest.approx(np.array([[80, 20, 120, 100]]))
    moved = decoded(np.array([[10, -5, 5 * np.log(0.5), 5 * np.log(2)]], np.float32), place)
    assert moved == pytest.approx(np.array([[80 - 40, 140 - 20, 80 + 40, 140 + 20]]), rel=1e-5)
    assert np.isfinite(decoded(np.full((1, 4), 1e6, np.float32), place)).all()


def test_scores_keep_their_order_and_the_masking_threshold():
    scores = calibrated(np.array([0, 0.05, 0.2, 0.3, 0.9, 1], np.float32))
    assert (np.diff(scores) > 0).all()
    assert scores[2:4] == pytest.approx([0.2, 0.4], abs=0.01)
    assert 0 <= scores[0] < 0.01
    assert 0.99 < scores[-1] <= 1


@pytest.mark.parametrize("scene", [(640, 480, 100, 80, 1.0), (400, 900, 30, 500, 1.1)], ids=str)
def test_a_person_is_found_where_he_is(loaded, scene):
    width, height, x, y, scale = scene
    scene = np.full((height, width, 3), 110, np.uint8)
    pasted = cv2.resize(selftest.picture(), None, fx=scale, fy=scale)[: height - y, : width - x]
    scene[y : y + pasted.shape[0], x : x + pasted.shape[1]] = pasted
    found = loaded.detector.detect(scene, 0.4)
    people = found.where(found.classes == ObjectClass.PERSON)
    assert ious(people.boxes[:1], PERSON * scale + np.float32([x, y, x, y]))[0, 0] > 0.7
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [width, height, width, height]).all()


def test_a_window_is_looked_at_in_the_picture_s_coordinates(loaded):
    scene = np.full((720, 1280, 3), 90, np.uint8)
    scene[200:520, 600:920] = selftest.picture()
    inside = loaded.detector.region(scene, (560, 160, 960, 560), 0.4)
    assert ious(inside.boxes[:1], PERSON + np.float32([600, 200, 600, 200]))[0, 0] > 0.7


@pytest.mark.parametrize("value", [0, 255], ids=["black", "white"])
def test_an_empty_picture_holds_nobody(loaded, value):
    assert len(loaded.detector.detect(np.full((576, 768, 3), value, np.uint8), 0.4)) == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 1000, 3), (33, 31, 3)])
def test_odd_sizes_are_answered(loaded, shape):
    found = loaded.detector.detect(np.random.default_rng(1).integers(0, 256, shape, np.uint8))
    assert found.boxes.shape == (len(found), 4)


def test_what_people_carry_is_still_known(loaded):
    assert loaded.detector.network == "oidv4@1"
    assert loaded.things.network == "nanodet@1"


class Answering:
    """The network with its answers replaced by `value`."""

    def __init__(self, session, value):
        self._session, self._value = session, value
        self.entry = session.entry

    def normalised(self, rgb):
        return self._session.normalised(rgb)

    def run(self, image, outputs):
        return [np.full_like(result, self._value) for result in self._session.run(image, outputs)]


def test_a_blind_network_does_not_pass_the_self_test(loaded):
    with pytest.raises(ModelError, match="the detector must find one person"):
        selftest.check_detector(Oidv4(Answering(loaded.detector._session, 0.0)))


def test_a_network_that_sees_everything_does_not_pass_the_self_test(loaded):
    with pytest.raises(ModelError, match="the detector must find one person"):
        selftest.check_detector(Oidv4(Answering(loaded.detector._session, 1.0)))


def test_an_output_that_is_not_a_number_is_not_used(loaded):
    image = np.full((1, 3, 300, 300), np.nan, np.float32)
    with pytest.raises(ModelError, match=r"oidv4: output .* not a finite number"):
        loaded.detector._session.run(image, ("boxes", "scores"))


def test_a_missing_file(weights):
    with pytest.raises(ModelError, match=r"oidv4.*cannot be read"):
        models.load(ModelsConfig(profile="low_power", weights=weights))
    models.load(ModelsConfig(profile="smallest", precision="float", weights=weights))


def test_a_truncated_file(weights):
    (weights / "oidv4.onnx").write_bytes((WEIGHTS / "oidv4.onnx").read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"oidv4.*truncated"):
        models.load(ModelsConfig(profile="low_power", weights=weights))


def test_a_swapped_file(weights):
    shutil.copy(WEIGHTS / "nanodet.onnx", weights / "oidv4.onnx")
    with pytest.raises(ModelError, match=r"oidv4.*holds the model nanodet; the files were swapped"):
        models.load(ModelsConfig(profile="low_power", weights=weights))


def test_another_version(weights):
    blob = bytearray((WEIGHTS / "oidv4.onnx").read_bytes())
    blob[5_000_000] ^= 1
    (weights / "oidv4.onnx").write_bytes(blob)
    with pytest.raises(ModelError, match=r"oidv4.*another version or was altered"):
        models.load(ModelsConfig(profile="low_power", weights=weights))


def test_a_provider_that_is_not_there():
    with pytest.raises(ModelError, match="none of the execution providers NoSuchProvider is there"):
        models.load(ModelsConfig(profile="low_power", providers=("NoSuchProvider",)))


def test_it_has_no_eight_bits():
    with pytest.raises(ModelError, match="low_power has no network in eight bits"):
        models.load(ModelsConfig(profile="low_power", precision="int8"))


@pytest.mark.parametrize("blob", [b"", b"\x1c\0\0\0TFL2", b"not a model at all"])
def test_the_converter_refuses_what_is_no_model(blob):
    with pytest.raises(ModelError, match="not a TensorFlow Lite model"):
        convert(blob, outputs={}, probabilities=(), producer="")
