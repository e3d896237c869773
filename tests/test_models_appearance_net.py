"""The trained network's codes: their shape, their repeatability, what rounding costs, and that nothing is mixed."""

from pathlib import Path

import numpy as np
import pytest

import models
from base.errors import ModelError
from firmware.describe.aggregation import mean_attributes
from models import appearance_net, attributes, coarse, selftest, similarity
from models.appearance import Stripes
from models.config import ModelsConfig
from models.registry import ModelRegistry
from models.runtime import InferenceSession
from wire.features.vocabulary import Attribute, CodeKind, ObjectClass

BOX = np.array([30, 10, 200, 318], np.float32)


@pytest.fixture(scope="module")
def net():
    config, registry = ModelsConfig(appearance="market64"), ModelRegistry.read()
    return appearance_net.load(
        config, registry, Stripes(InferenceSession.load("nanodet", config, registry), registry, config)
    )


@pytest.fixture(scope="module")
def crops():
    """Sixteen figures drawn in different clothes and light, (16, 128, 64, 3)."""
    rng = np.random.default_rng(7)
    pictures = np.empty((16, 128, 64, 3), np.uint8)
    for picture in pictures:
        picture[:] = rng.integers(60, 200, 3)
        picture[8:26, 24:40] = (190, 150, 130)
        picture[26:66, 16:48] = rng.integers(0, 255, 3)
        picture[66:116, 20:44] = rng.integers(0, 255, 3)
        picture[116:124, 18:46] = rng.integers(0, 100, 3)
    return np.clip(pictures + rng.normal(0, 6, pictures.shape), 0, 255).astype(np.uint8)


def cosines(x):
    x = x.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def values(codes):
    return np.stack([np.frombuffer(code.data, np.int8) for code in codes])


def test_a_person_is_64_signed_bytes_of_a_named_model(net):
    code = net.encode(selftest.picture(), BOX, ObjectClass.PERSON)
    entry = ModelRegistry.read().entry("market64")
    assert (code.model, code.kind, code.dims, len(code.data)) == (f"market64-{entry.version}", CodeKind.INT8, 64, 64)


def test_the_card_of_the_weights_says_research_only():
    entry = ModelRegistry.read().entry("market64")
    assert "research" in entry.licence
    assert "research" in (Path(models.__file__).parent / entry.card).read_text().lower()
    assert ModelsConfig().appearance != "market64"


def test_outputs_have_the_shapes_that_are_promised(net, crops):
    seen = net.read(crops)
    assert seen.embedding.shape == (16, appearance_net.EMBEDDING)
    assert seen.code.shape == (16, 64)
    assert seen.attributes.shape == (16, len(ModelRegistry.read().entry("market64").names))
    assert np.allclose(np.linalg.norm(seen.embedding, axis=1), 1, atol=1e-5)


def test_the_same_picture_gives_the_same_bytes(net, crops):
    alone = [net.encode_crops(crop[None])[0].data for crop in crops[:3]]
    assert alone == [net.encode_crops(crop[None])[0].data for crop in crops[:3]]


def test_a_batch_gives_what_one_by_one_gives(net, crops):
    together = values(net.encode_crops(crops)).astype(int)
    alone = values([net.encode_crops(crop[None])[0] for crop in crops]).astype(int)
    assert np.abs(together - alone).max() <= 1


def test_a_mirrored_person_is_the_same_person(net, crops):
    for crop in crops:
        left, right = net.encode_crops(np.stack([crop, crop[:, ::-1]]))
        assert similarity(left, right) > 0.999


def test_rounding_to_bytes_moves_no_similarity_by_more_than_a_hundredth(net, crops):
    exact, rounded = cosines(net.read(crops).code), cosines(values(net.encode_crops(crops)))
    assert np.abs(exact - rounded).max() < 0.01


@pytest.mark.parametrize("model", ["market64-2", "of somebody else"])
def test_bits_rank_like_bytes(net, crops, model):
    codes = values(net.encode_crops(crops))
    bits = coarse.bits(codes, model)
    assert bits.shape == (16, 64)
    assert bits.dtype == np.uint8
    apart = np.stack([coarse.distance(row, bits) for row in bits])
    assert not np.diag(apart).any()
    others = ~np.eye(16, dtype=bool)
    assert np.corrcoef(apart[others], cosines(codes)[others])[0, 1] < -0.9


@pytest.mark.parametrize("model", ["market64-2", "of somebody else"])
def test_bits_ignore_the_length_of_a_code(net, crops, model):
    codes = net.read(crops).code
    small, large = (np.round(codes * scale).astype(np.int8) for scale in (100, 250))
    differ = np.bitwise_count(coarse.bits(small, model) ^ coarse.bits(large, model)).sum(axis=1)
    assert differ.max() < 30


def test_bits_were_learnt_for_the_network_that_is_shipped_and_for_no_other_version(net):
    assert net.model == "market64-2"
    planes = coarse.planes_of(net.model)
    assert np.allclose(np.linalg.norm(planes.normals, axis=0), 1, atol=2e-3)
    assert coarse.planes_of("market64-1") is None
    assert coarse.planes_of("stripes-1") is None


@pytest.mark.parametrize("level", [0, 255])
def test_an_empty_picture_still_has_a_direction(net, level):
    code = net.encode(
        np.full((200, 100, 3), level, np.uint8), np.array([0, 0, 100, 200], np.float32), ObjectClass.PERSON
    )
    assert len(set(code.data)) > 1


def test_a_vehicle_keeps_the_permissive_code(net):
    assert net.encode(selftest.picture(), BOX, ObjectClass.CAR).model.startswith("stripes-")


def test_codes_of_two_models_are_never_compared(net):
    picture = selftest.picture()
    person, car = (net.encode(picture, BOX, class_) for class_ in (ObjectClass.PERSON, ObjectClass.CAR))
    with pytest.raises(ModelError, match="cannot be compared"):
        similarity(person, car)


def test_one_line_of_configuration_chooses_the_encoder():
    assert models.load(ModelsConfig(appearance="market64")).appearance.model.startswith("market64-")
    assert models.load(ModelsConfig(appearance="stripes")).appearance.model.startswith("stripes-")
    with pytest.raises(ModelError, match="not a known encoder"):
        models.load(ModelsConfig(appearance="somebody-elses"))


def test_the_network_stays_small():
    assert (
        ModelRegistry.read().entry("market64").bytes < 1_050_000
    )  # half a million weights of two bytes, and the graph


def test_nothing_that_a_person_is_born_with_is_told():
    assert not {"age", "gender", "skin", "race"} & set(ModelRegistry.read().entry("market64").names)


def test_attributes_are_probabilities_of_the_closed_list(net):
    told = net.attributes(selftest.picture(), BOX, ObjectClass.PERSON)
    assert set(told) == {
        Attribute.SLEEVE,
        Attribute.LOWER_LENGTH,
        Attribute.HAIR_LENGTH,
        Attribute.HAT,
        Attribute.BAG,
        Attribute.BACKPACK,
    }
    assert all(0 <= probability <= 1 for probability in told.values())
    assert net.attributes(selftest.picture(), BOX, ObjectClass.CAR) == {}


@pytest.mark.parametrize(
    ("label", "attribute", "second"),
    [
        ("up", Attribute.SLEEVE, False),
        ("down", Attribute.LOWER_LENGTH, False),
        ("hair", Attribute.HAIR_LENGTH, True),
        ("hat", Attribute.HAT, True),
        ("bag", Attribute.BAG, True),
        ("handbag", Attribute.BAG, True),
        ("backpack", Attribute.BACKPACK, True),
    ],
)
def test_a_sure_label_becomes_its_attribute(label, attribute, second):
    names = ModelRegistry.read().entry("market64").names
    logits = np.full(len(names), -9, np.float32)
    logits[names.index(label)] = 9
    yes = attributes.probabilities(logits, names)[attribute]
    no = attributes.probabilities(np.full(len(names), -9, np.float32), names)[attribute]
    assert (yes > 0.95, no < 0.05) == (second, second)
    assert (yes < 0.05, no > 0.95) == (not second, not second)


def test_what_was_common_in_training_is_not_taken_for_evidence():
    names = ModelRegistry.read().entry("market64").names
    common = np.zeros(len(names), np.float32)
    common[names.index("up")] = np.log(616 / 34)
    assert attributes.probabilities(common, names)[Attribute.SLEEVE] == pytest.approx(0.5, abs=1e-3)


def test_shots_are_averaged_by_quality_and_only_the_likely_is_said():
    shots = [{Attribute.HAT: 0.9, Attribute.BAG: 0.2}, {Attribute.HAT: 0.1, Attribute.BAG: 0.2}]
    told = mean_attributes(shots, [3, 1])
    assert [(value.attribute, value.word, round(value.confidence, 2)) for value in told] == [
        (Attribute.HAT, "yes", 0.7),
        (Attribute.BAG, "no", 0.8),
    ]
    assert [value.attribute for value in mean_attributes(shots, [1, 1])] == [Attribute.BAG]
    assert mean_attributes([{}, {}], [1, 1]) == ()
