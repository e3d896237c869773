"""Textures of clothes are told on drawn people, and silent where nothing can be told; shoes are not the ground."""

import numpy as np
import pytest

from firmware.describe.aggregation import mean_textures
from models import colours, texture
from models.train.garments import draw
from wire.features.packet import AttributeValue, ColourShare, FeaturePacket, parse
from wire.features.vocabulary import CHOICES, Attribute, BodyPart, Colour, ObjectClass

BOX = np.float32([60, 40, 140, 240])
TOLD = (ColourShare(BodyPart.UPPER, Colour.RED, 1.0), ColourShare(BodyPart.LOWER, Colour.BLUE, 1.0))
PERSON = ObjectClass.PERSON


def dressed(kind):
    """A person of 200 pixels whose shirt is plain, striped across, or full of dots; trousers are plain."""
    rgb = np.full((280, 200, 3), 120, np.uint8)
    rgb[75:140, 70:130] = (170, 40, 40)
    rgb[140:230, 78:122] = (40, 50, 120)
    y, x = np.mgrid[75:140, 70:130]
    if kind == "striped":
        rgb[75:140, 70:130][y % 10 < 5] = (230, 230, 230)
    if kind == "patterned":
        rgb[75:140, 70:130][np.hypot(y % 12 - 6, x % 12 - 6) < 3.5] = (230, 230, 230)
    noise = np.random.default_rng(1).normal(0, 1, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", CHOICES[Attribute.TEXTURE])
def test_a_shirt_is_what_it_is(kind):
    seen = texture.describe(dressed(kind), BOX, PERSON, TOLD)
    assert set(seen) == {Attribute.TEXTURE, Attribute.LOWER_TEXTURE}
    said = {value.attribute: value.word for value in mean_textures([seen], [1.0])}
    assert said[Attribute.TEXTURE] == kind
    assert said.get(Attribute.LOWER_TEXTURE, "plain") == "plain"
    assert all(chances.sum() == pytest.approx(1) for chances in seen.values())


def test_drawn_people_are_told_apart():
    right, asked = 0, 0
    for seed in range(200_000, 200_020):
        one = draw(seed, heights=(220, 400))
        seen = texture.describe(one.rgb, one.box, PERSON, TOLD)
        for attribute, kind in ((Attribute.TEXTURE, one.upper), (Attribute.LOWER_TEXTURE, one.lower)):
            sure = attribute in seen and seen[attribute].max() >= 0.65
            asked += sure
            right += sure and int(seen[attribute].argmax()) == kind
    assert asked > 20
    assert right / asked > 0.7


@pytest.mark.parametrize(
    "told", [(), (ColourShare(BodyPart.UPPER, Colour.UNKNOWN, 1.0), ColourShare(BodyPart.LOWER, Colour.UNKNOWN, 1.0))]
)
def test_where_no_colour_is_known_no_texture_is(told):
    assert texture.describe(dressed("striped"), BOX, PERSON, told) == {}


def test_darkness_and_infra_red_stay_silent():
    for rgb in (dressed("striped") // 40, dressed("striped").mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, 2)):
        assert texture.describe(rgb, BOX, PERSON, colours.describe(rgb, BOX, PERSON)) == {}


@pytest.mark.parametrize("box", [[60, 40, 92, 120], [-500, -500, -400, -300], [190, 270, 400, 500], [60, 40, 60, 40]])
def test_what_is_small_or_outside_is_not_told(box):
    assert texture.describe(dressed("striped"), np.float32(box), PERSON, TOLD) == {}


def test_a_vehicle_wears_nothing():
    assert texture.describe(dressed("striped"), BOX, ObjectClass.CAR, TOLD) == {}


@pytest.mark.parametrize("value", [0, 77, 255])
def test_an_even_surface_is_plain(value):
    seen = texture.describe(np.full((280, 200, 3), value, np.uint8), BOX, PERSON, TOLD)
    assert [int(chances.argmax()) for chances in seen.values()] == [0, 0]


def test_shots_that_show_it_decide_and_doubt_says_nothing():
    plain, striped = np.array([0.9, 0.05, 0.05]), np.array([0.1, 0.85, 0.05])
    assert mean_textures([{}, {}], [1.0, 1.0]) == ()
    assert mean_textures([{Attribute.TEXTURE: plain}, {}], [1.0, 5.0]) == (
        AttributeValue(Attribute.TEXTURE, 0, pytest.approx(0.9)),
    )
    assert mean_textures([{Attribute.TEXTURE: plain}, {Attribute.TEXTURE: striped}], [1.0, 1.0]) == ()
    assert mean_textures([{Attribute.TEXTURE: plain}, {Attribute.TEXTURE: striped}], [1.0, 9.0])[0].word == "striped"


def test_a_packet_carries_both_textures_in_three_bytes_each():
    bare = FeaturePacket(
        camera_id=bytes(8),
        sequence=1,
        track_id=1,
        class_=PERSON,
        first_utc_ms=1,
        best_utc_ms=1,
        last_utc_ms=1,
        quality=0.5,
        box=(0, 0, 1, 1),
        attributes=(AttributeValue(Attribute.TEXTURE, 2, 1.0),),
    )
    both = parse(
        bytes(bare)[:4]
        + (len(bytes(bare)) + 3).to_bytes(4, "big")
        + bytes(bare)[8:-4]
        + bytes((6, 0, 2, 255, 12, 1, 255))
    )
    assert [value.word for value in both.attributes] == ["patterned", "striped"]
    assert len(bytes(both)) == len(bytes(bare)) + 3


def test_shoes_are_not_the_ground_beside_them():
    rgb = dressed("plain")
    rgb[225:] = (60, 140, 60)
    for x in (70, 110):
        rgb[225:240, x : x + 20] = (200, 30, 30)
    shoes = [share for share in colours.describe(rgb, BOX, PERSON) if share.part is BodyPart.SHOES]
    assert shoes[0].colour is Colour.RED
    assert shoes[0].share > 0.8
