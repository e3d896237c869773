"""The networks find what is there, where it is, at any size; and nothing where nothing is."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from base.errors import ModelError
from models import detections, selftest
from models.carried import SEEN, carried
from models.detections import Detections, ious, suppressed
from models.detector import letterbox
from models.nanodet import NanoDet
from wire.features.vocabulary import Attribute, ObjectClass

PERSON = np.array([[9, 9, 228, 318]], np.float32)


@pytest.fixture(scope="module")
def loaded():
    return models.load()


@pytest.fixture(scope="module")
def picture():
    return selftest.picture()


def people(found):
    return found.where(found.classes == ObjectClass.PERSON)


@pytest.mark.parametrize(
    "scene",
    [
        (640, 480, 100, 80, 1.0),
        (1280, 720, 700, 50, 2.0),
        (320, 320, 0, 0, 1.0),
        (400, 900, 30, 500, 1.1),
    ],
    ids=str,
)
def test_a_person_is_found_where_he_is(loaded, picture, scene):
    width, height, x, y, scale = scene
    scene = np.full((height, width, 3), 110, np.uint8)
    pasted = cv2.resize(picture, None, fx=scale, fy=scale)[: height - y, : width - x]
    scene[y : y + pasted.shape[0], x : x + pasted.shape[1]] = pasted
    found = people(loaded.detector.detect(scene, 0.4))
    expected = PERSON * scale + np.array([x, y, x, y], np.float32)
    assert len(found) >= 1
    assert ious(found.boxes[:1], expected)[0, 0] > 0.75
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [width, height, width, height]).all()


@pytest.mark.parametrize("value", [0, 255], ids=["black", "white"])
def test_an_empty_picture_holds_nobody(loaded, value):
    empty = np.full((576, 768, 3), value, np.uint8)
    assert len(loaded.detector.detect(empty, 0.2)) == 0
    assert len(loaded.faces.find(empty)) == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 1000, 3), (1000, 7, 3), (33, 31, 3)])
def test_odd_sizes_are_answered(loaded, shape):
    noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    found = loaded.detector.detect(noise)
    assert found.boxes.shape == (len(found), 4)
    assert np.isfinite(loaded.faces.find(noise)).all()


def test_a_window_finds_what_is_whole_inside_it(loaded, picture):
    scene = np.full((720, 1280, 3), 90, np.uint8)
    scene[200:520, 600:920] = picture
    inside = people(loaded.detector.region(scene, (560, 160, 960, 560), 0.4))
    assert ious(inside.boxes[:1], PERSON + np.array([600, 200, 600, 200], np.float32))[0, 0] > 0.75
    cut = people(loaded.detector.region(scene, (560, 160, 740, 560), 0.4))
    assert not (cut.boxes[:, 2] > 738).any(), "an object that the window cuts must not be reported"
    assert len(loaded.detector.region(scene, (-50, -50, 10, 10))) == 0


def test_tiles_keep_what_the_whole_picture_shows(loaded, picture):
    scene = np.full((640, 960, 3), 90, np.uint8)
    scene[160:480, 320:640] = picture
    tiled = NanoDet(loaded.detector._session, tiles=(2, 1))
    assert ious(people(tiled.detect(scene, 0.4)).boxes[:1], PERSON + np.float32([320, 160, 320, 160]))[0, 0] > 0.7


@given(st.integers(1, 3000), st.integers(1, 3000))
@settings(max_examples=40, deadline=None)
def test_letterbox_keeps_the_shape_of_things(width, height):
    boxed, scale = letterbox(np.full((height, width, 3), 200, np.uint8), 416)
    assert boxed.shape[0] % 32 == boxed.shape[1] % 32 == 0
    assert max(boxed.shape) == 416
    assert abs(scale * max(width, height) - 416) < 1e-6


CORNERS = st.tuples(*[st.floats(0, 500, width=32)] * 4)
BOX = CORNERS.map(lambda b: [min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]) + 1, max(b[1], b[3]) + 1])


@given(st.lists(st.tuples(BOX, st.floats(0, 1, width=32), st.integers(0, 5)), max_size=30))
def test_suppression_keeps_the_strongest_and_leaves_no_pair(rows):
    boxes, scores, classes = ([row[i] for row in rows] for i in range(3))
    found = Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(classes, np.uint8)
    )
    groups = np.array([0, 1, 2, 1, 2, 2], np.uint8)
    kept = suppressed(found, 0.5, groups)
    assert list(kept.scores) == sorted(kept.scores, reverse=True)
    same = groups[kept.classes][:, None] == groups[kept.classes][None]
    overlap = (ious(kept.boxes, kept.boxes) > 0.5) & same & ~np.eye(len(kept), dtype=bool)
    assert not overlap.any()
    if rows:
        assert kept.scores[0] == found.scores.max()


def test_overlaps_are_symmetric_and_bounded():
    boxes = np.random.default_rng(3).uniform(0, 100, (50, 4)).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    value = ious(boxes, boxes)
    assert np.allclose(value, value.T)
    assert np.allclose(np.diag(value), 1)
    assert ((value >= 0) & (value <= 1 + 1e-6)).all()
    assert detections.areas(np.array([[5, 5, 4, 9]], np.float32))[0] == 0


def test_a_face_is_found_on_its_body_and_once(loaded, picture):
    faces = loaded.faces.on_bodies(picture, np.concatenate([PERSON, PERSON + 4]))
    assert len(faces) == 1
    assert ious(faces, loaded.faces.find(picture))[0, 0] > 0.5
    assert len(loaded.faces.on_bodies(picture, np.zeros((0, 4), np.float32))) == 0
    assert len(loaded.faces.on_bodies(picture, np.array([[-90, -90, -50, -50]], np.float32))) == 0


class Blind:
    """A network that loads, runs and returns zeros: what a wrong driver does."""

    def __init__(self, session):
        self._session = session
        self.entry = session.entry

    def normalised(self, rgb):
        return self._session.normalised(rgb)

    def run(self, image, outputs):
        return [np.zeros_like(result) for result in self._session.run(image, outputs)]


def test_a_blind_detector_does_not_pass_the_self_test(loaded):
    blind = NanoDet(Blind(loaded.detector._session))
    with pytest.raises(ModelError, match="the detector must find one person"):
        selftest.run(blind, loaded.faces, loaded.appearance)


def test_a_blind_face_detector_does_not_pass_the_self_test(loaded):
    blind = models.faces.Faces(Blind(loaded.faces._session))
    with pytest.raises(ModelError, match="the face detector must find one face"):
        selftest.run(loaded.detector, blind, loaded.appearance)


def test_a_missing_known_picture_stops_the_start(monkeypatch, tmp_path):
    monkeypatch.setattr(selftest, "PICTURE", tmp_path / "gone.jpg")
    with pytest.raises(ModelError, match=r"self-test: .* cannot be read"):
        models.load()


def test_what_a_person_carries_is_looked_for_on_the_person(loaded, picture):
    scores = carried(loaded.detector, picture, PERSON[0])
    assert set(scores) == {Attribute.BACKPACK, Attribute.BAG, Attribute.UMBRELLA}
    assert scores[Attribute.BACKPACK] > SEEN, "the suit's life support looks like one"
    assert scores[Attribute.UMBRELLA] < SEEN
    nothing = carried(loaded.detector, np.full((200, 100, 3), 120, np.uint8), np.float32([0, 0, 100, 200]))
    assert all(0 <= score < SEEN for score in nothing.values())
    with pytest.raises(ModelError, match="hardly any area"):
        carried(loaded.detector, picture, np.float32([-90, -90, -50, -50]))
