"""The people of tests/people: poses, views, clothes.

Clothes come by chance from the name, so that each stays as it is when others are added.
"""

import zlib

import numpy as np
from people import poses, things
from people.dress import Clothes
from people.render import Person

_SKINS = ((232, 190, 160), (205, 160, 130), (170, 120, 90), (120, 82, 60), (88, 60, 46))
_HAIRS = ((30, 24, 20), (50, 36, 26), (92, 62, 38), (150, 112, 66), (128, 122, 116))
_UPPERS = (
    (46, 62, 98),
    (168, 52, 46),
    (70, 84, 66),
    (36, 36, 40),
    (196, 190, 178),
    (112, 108, 112),
    (196, 148, 60),
    (92, 52, 74),
    (84, 130, 160),
    (222, 222, 226),
)
_LOWERS = ((44, 50, 72), (34, 34, 38), (96, 88, 74), (70, 78, 96), (142, 128, 104), (52, 46, 44))
_SHOES = ((38, 34, 32), (92, 64, 44), (186, 184, 180), (54, 58, 66))
_THINGS = {
    things.chair: ((116, 82, 54), (70, 70, 74)),
    things.bench: ((126, 92, 60), (88, 90, 92)),
    things.wheelchair: ((38, 40, 48), (150, 152, 156), (40, 40, 42)),
    things.bicycle: ((40, 88, 108), (150, 150, 152), (38, 38, 40)),
    things.umbrella: ((128, 34, 42), (120, 120, 124)),
    things.backpack: ((62, 88, 70), (52, 74, 60)),
    things.bag: ((206, 196, 176), (120, 110, 96)),
    things.suitcase: ((52, 56, 70), (130, 130, 134)),
}


def _person(name, of, pose, azimuth, elevation, *held, tall_px=360, like=None, shape=None, **clothes):
    seed = np.random.default_rng(zlib.crc32((like or name).encode()))

    def one(values):
        return values[seed.integers(len(values))]

    drawn = {
        "skin": one(_SKINS),
        "hair_colour": one(_HAIRS),
        "upper": one(_UPPERS),
        "second": one(_UPPERS),
        "lower": one(_LOWERS),
        "shoes": one(_SHOES),
        "pattern": one(("plain", "plain", "stripes", "plaid", "blocks", "open")),
        "hair": one(("short", "short", "long", "bun")),
        "sleeve": one((0.97, 0.97, 0.42)),
        "loose": float(seed.uniform(0.010, 0.026)),
        "hem": float(seed.uniform(-0.16, -0.05)),
    }
    build = {
        "age": 0.7,
        "height": seed.uniform(0.42, 0.7),
        "weight": seed.uniform(0.35, 0.65),
        "muscle": seed.uniform(0.4, 0.6),
        "gender": seed.uniform(0.1, 0.9),
        "proportions": 0.7,
    }
    colours = tuple(colour for thing in held for colour in _THINGS[thing])
    key = float(seed.uniform(-70, 70)) + azimuth, float(seed.uniform(0.3, 0.5))
    return Person(
        name,
        of,
        pose,
        Clothes(**drawn | {"things": colours} | clothes),
        azimuth,
        elevation,
        build | (shape or {}),
        held,
        tall_px,
        key,
    )


def _walker(name, azimuth, elevation, **clothes):
    return [
        _person(f"{name}_{i}", "walking", poses.walking(i / 4), azimuth, elevation, like=name, **clothes)
        for i in range(4)
    ]


_CHILD = {"age": 0.36, "height": 0.5}
_SMALL = {"age": 0.26, "height": 0.5}


def people():
    """Everybody; `like` gives the pictures of one walk the same person."""
    return [
        _person("front_1", "standing_front", poses.STANDING, 6, 4),
        _person("front_2", "standing_front", poses.PHONE, -20, 14, pattern="open", sleeve=0.97),
        _person("front_3", "standing_front", poses.HANDS_ON_HIPS, 14, 24),
        _person("front_4", "standing_front", poses.WAVING, -10, 10, hair="long"),
        _person("front_5", "standing_front", poses.STANDING, 30, 34, things.bag, skirt=0.34, leg=0.0),
        _person("side_1", "standing_side", poses.STANDING, 82, 5, hair="short"),
        _person("side_2", "standing_side", poses.PHONE, -88, 16, hair="bun"),
        _person("side_3", "standing_side", poses.STANDING, 96, 28, things.backpack),
        _person("back_1", "standing_back", poses.STANDING, 178, 6, hair="short"),
        _person("back_2", "standing_back", poses.HANDS_ON_HIPS, 160, 18, hair="long"),
        _person("back_3", "standing_back", poses.STANDING, -165, 30, things.backpack, hair="short"),
        *_walker("walk_side", -84, 8, hair="short", pattern="plain"),
        *_walker("walk_near", 18, 14, hair="long", sleeve=0.97, skirt=0.52, skirt_of_upper=True, pattern="plain"),
        *_walker("walk_across", 66, 22, hair="short", sleeve=0.97),
        *_walker("walk_off", 166, 14, hair="long", pattern="open", sleeve=0.97),
        _person("walk_away", "walking", poses.walking(0.08), 170, 12, things.suitcase),
        _person("walk_high", "walking", poses.walking(0.55), 55, 35, things.bag, hat=True, hat_colour=(40, 44, 60)),
        _person("sit_1", "sitting", poses.sitting(), 12, 10, things.chair, tall_px=320),
        _person("sit_2", "sitting", poses.sitting(arms="side", lean=-4), 78, 8, things.chair, tall_px=320),
        _person("sit_3", "sitting", poses.sitting(), -32, 16, things.bench, tall_px=320),
        _person(
            "sit_4",
            "sitting",
            poses.sitting(lean=14),
            40,
            32,
            things.bench,
            tall_px=320,
            hat=True,
            hat_colour=(120, 36, 40),
        ),
        _person("kneel_1", "kneeling", poses.KNEELING, 62, 10, tall_px=300),
        _person("kneel_2", "kneeling", poses.KNEELING, -25, 26, tall_px=300),
        _person("crouch_1", "crouching", poses.CROUCHING, 48, 10, tall_px=300),
        _person("crouch_2", "crouching", poses.CROUCHING, -100, 22, tall_px=300),
        _person("lie_along_1", "lying_along", poses.ON_BACK, 10, 30, tall_px=300),
        _person("lie_along_2", "lying_along", poses.ON_FRONT, 170, 35, tall_px=300),
        _person("lie_across_1", "lying_across", poses.ON_BACK, 84, 22),
        _person("lie_across_2", "lying_across", poses.ON_SIDE, 76, 30),
        _person("lie_across_3", "lying_across", poses.ON_FRONT, 76, 26),
        _person("umbrella_1", "umbrella", poses.UMBRELLA, 12, 6, things.umbrella, pattern="plain"),
        _person(
            "umbrella_2",
            "umbrella",
            poses.UMBRELLA | {k: v for k, v in poses.walking(0.05).items() if "leg" in k},
            -75,
            9,
            things.umbrella,
        ),
        _person("child_1", "child", poses.STANDING, 10, 12, tall_px=300, shape=_CHILD, hair="short"),
        _person("child_2", "child", poses.walking(0.0), 70, 20, things.backpack, tall_px=300, shape=_CHILD),
        _person("child_3", "child", poses.walking(0.5), -28, 28, tall_px=300, shape=_SMALL, hair="short"),
        _person("bicycle_1", "bicycle", poses.CYCLING, 84, 8, things.bicycle),
        _person("bicycle_2", "bicycle", poses.CYCLING, -42, 14, things.bicycle),
        _person("bicycle_3", "bicycle", poses.CYCLING, 14, 26, things.bicycle),
        _person(
            "wheelchair_1", "wheelchair", poses.sitting(arms="rests", lean=2), 24, 8, things.wheelchair, tall_px=320
        ),
        _person(
            "wheelchair_2", "wheelchair", poses.sitting(arms="lap", lean=8), -86, 14, things.wheelchair, tall_px=320
        ),
        _person("wheelchair_3", "wheelchair", poses.sitting(arms="lap"), 150, 28, things.wheelchair, tall_px=320),
    ]
