"""Codes that are comparable, refuse to be mixed, and colours that are what they are called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import models
from base.errors import ModelError
from models import colours, selftest
from models.appearance import CODE_BYTES, cut, quantised, similarity
from wire.features.packet import AppearanceCode
from wire.features.vocabulary import BodyPart, CodeKind, Colour, ObjectClass

BOX = np.array([10, 10, 70, 170], np.float32)
RGB = {
    Colour.BLACK: (15, 15, 17),
    Colour.WHITE: (240, 240, 238),
    Colour.GREY: (128, 128, 128),
    Colour.RED: (200, 20, 30),
    Colour.ORANGE: (245, 130, 20),
    Colour.YELLOW: (240, 220, 40),
    Colour.GREEN: (30, 140, 50),
    Colour.BLUE: (30, 60, 180),
    Colour.PURPLE: (120, 40, 150),
    Colour.PINK: (250, 150, 190),
    Colour.BROWN: (110, 65, 30),
}


@pytest.fixture(scope="module")
def encoder():
    return models.load().appearance


def person(upper, lower, seed=0):
    """A drawn figure in two colours before a neutral wall, 180 × 80."""
    picture = np.full((180, 80, 3), 140, np.uint8)
    picture[18:40, 32:48] = (190, 150, 130)
    picture[40:95, 20:60] = RGB[upper]
    picture[95:165, 24:56] = RGB[lower]
    noise = np.random.default_rng(seed).normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def shares(found, part):
    return {share.colour: share.share for share in found if share.part is part}


def test_the_same_clothes_are_more_alike_than_others(encoder):
    red = [encoder.encode(person(Colour.RED, Colour.BLACK, seed), BOX, ObjectClass.PERSON) for seed in (1, 2)]
    clothes = ((Colour.WHITE, Colour.BLUE), (Colour.GREEN, Colour.BROWN), (Colour.BLACK, Colour.RED))
    others = [encoder.encode(person(upper, lower), BOX, ObjectClass.PERSON) for upper, lower in clothes]
    assert similarity(*red) > 0.9
    assert all(similarity(red[0], other) < similarity(*red) - 0.2 for other in others)


def test_a_code_is_64_bytes_with_its_model(encoder):
    code = encoder.encode(selftest.picture(), np.array([9, 9, 228, 318], np.float32), ObjectClass.PERSON)
    assert (code.kind, code.dims, len(code.data)) == (CodeKind.INT8, CODE_BYTES, 64)
    assert code.model == encoder.model


@pytest.mark.parametrize("class_", [c for c in ObjectClass if c is not ObjectClass.PERSON])
def test_vehicles_have_codes_too(encoder, class_):
    scene = np.full((120, 200, 3), 120, np.uint8)
    scene[40:90, 30:170] = (180, 20, 20)
    red = encoder.encode(scene, np.array([28, 35, 172, 100], np.float32), class_)
    scene[40:90, 30:170] = (230, 230, 230)
    white = encoder.encode(scene, np.array([28, 35, 172, 100], np.float32), class_)
    assert similarity(red, red) == pytest.approx(1)
    assert similarity(red, white) < 0.7


def test_codes_of_different_models_are_never_compared(encoder):
    ours = encoder.encode(person(Colour.RED, Colour.BLUE), BOX, ObjectClass.PERSON)
    with pytest.raises(ModelError, match=r"stripes-1 .* and other-1 .* cannot be compared"):
        similarity(ours, AppearanceCode("other-1", CodeKind.INT8, 64, ours.data))
    with pytest.raises(ModelError, match="cannot be compared"):
        similarity(ours, AppearanceCode(ours.model, CodeKind.INT8, 32, ours.data[:32]))


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=64, max_size=64), st.floats(1e-3, 1e3))
def test_only_the_direction_counts(values, factor):
    vector = np.array(values, np.float32)
    if not np.abs(vector).max() > 1e-3:
        with pytest.raises(ModelError):
            quantised("m", np.zeros(64, np.float32))
        return
    code = quantised("m", vector)
    assert similarity(code, code) == pytest.approx(1)
    assert similarity(code, quantised("m", vector * np.float32(factor))) > 0.999
    cosine = (
        vector
        @ np.frombuffer(code.data, np.int8)
        / np.linalg.norm(vector)
        / np.linalg.norm(np.frombuffer(code.data, np.int8).astype(np.float32))
    )
    assert cosine > 0.999


@pytest.mark.parametrize("box", [[90, 10, 120, 100], [5, 5, 6, 100], [50, 50, 20, 20], [np.nan, 0, 10, 10]])
def test_a_box_outside_is_refused(encoder, box):
    with pytest.raises(ModelError):
        encoder.encode(person(Colour.RED, Colour.BLUE), np.array(box, np.float32), ObjectClass.PERSON)


def test_a_box_that_sticks_out_is_cut():
    assert cut(np.zeros((100, 50, 3), np.uint8), np.array([-5, 90, 20, 130], np.float32)).shape == (10, 20, 3)


@pytest.mark.parametrize("colour", RGB)
def test_clothes_are_called_by_their_colour(colour):
    other = Colour.BLUE if colour is not Colour.BLUE else Colour.GREY
    told = colours.describe(person(colour, other), BOX, ObjectClass.PERSON)
    assert max(shares(told, BodyPart.UPPER), key=shares(told, BodyPart.UPPER).get) is colour
    assert max(shares(told, BodyPart.LOWER), key=shares(told, BodyPart.LOWER).get) is other
    assert sum(shares(told, BodyPart.UPPER).values()) <= 1.0001


def test_infra_red_and_darkness_tell_no_colour():
    grey = person(Colour.RED, Colour.BLUE).mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    dark = (person(Colour.RED, Colour.BLUE) // 16).astype(np.uint8)
    for picture in (grey, dark):
        told = colours.describe(picture, BOX, ObjectClass.PERSON)
        assert {share.colour for share in told} == {Colour.UNKNOWN}
        assert {share.part for share in told} >= {BodyPart.UPPER, BodyPart.LOWER}


def test_only_what_the_mask_shows_counts():
    picture = person(Colour.RED, Colour.BLUE)
    picture[40:95, 20:40] = RGB[Colour.GREEN]
    mask = np.zeros(picture.shape[:2], bool)
    mask[:, 40:60] = True
    told = shares(colours.describe(picture, BOX, ObjectClass.PERSON, mask), BodyPart.UPPER)
    assert told.get(Colour.RED, 0) > 0.9
    assert Colour.GREEN not in told
    nothing = colours.describe(picture, BOX, ObjectClass.PERSON, np.zeros_like(mask))
    assert {share.colour for share in nothing} == {Colour.UNKNOWN}


def test_a_vehicle_has_one_part():
    scene = np.full((120, 200, 3), 120, np.uint8)
    scene[30:100, 30:170] = RGB[Colour.BLUE]
    told = colours.describe(scene, np.array([28, 28, 172, 102], np.float32), ObjectClass.CAR)
    assert {share.part for share in told} == {BodyPart.BODY}
    assert shares(told, BodyPart.BODY)[Colour.BLUE] > 0.8
