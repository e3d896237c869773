"""What covers a body: which place belongs to which garment, how far cloth and hair stand off, skirts and long hair."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from people import mesh
from people.body import Body

SKIN, EYE, HAIR, UPPER, LOWER, SHOES, THINGS = range(1, 8)


@dataclass(frozen=True)
class Clothes:
    """Colours are sRGB, 0 to 255. Lengths are shares of the limb, heights metres above the hip's centre at rest.

    Args:
        sleeve, leg: how far down the limb cloth goes.
        hem: where the upper garment ends.
        loose: how far cloth stands off, in metres.
        skirt: the skirt's or the coat's lower end, below the hip; 0 for none.
        hair: "short", "long", "bun" or "none"; hat: whether a cap is worn, in the colour `hat_colour`.
        pattern: "plain", "stripes", "plaid", "blocks" or "open" (an open jacket over a lighter shirt).
    """

    skin: tuple = (205, 160, 130)
    hair_colour: tuple = (50, 36, 26)
    upper: tuple = (60, 80, 120)
    second: tuple = (210, 210, 205)
    lower: tuple = (45, 48, 62)
    shoes: tuple = (40, 36, 34)
    hat_colour: tuple = (40, 40, 48)
    sleeve: float = 0.97
    leg: float = 0.98
    hem: float = -0.09
    loose: float = 0.014
    skirt: float = 0.0
    skirt_of_upper: bool = False
    hair: str = "short"
    hat: bool = False
    pattern: str = "plain"
    things: tuple = field(default=())


class Head:
    """Coordinates of a head at rest in units of half the distance of the eyes: side, forward, up from between them."""

    def __init__(self, body):
        left, right = body.head_of("eye.L"), body.head_of("eye.R")
        self.centre = (left + right) / 2
        self.unit = abs(left[0] - right[0]) / 2

    def of(self, rest):
        at = (rest - self.centre) / self.unit
        return at[..., 0], -at[..., 1], at[..., 2]


@dataclass(frozen=True, eq=False)
class Dressed:
    """A body at rest, what it wears, and the noise by which cloth and hair are uneven."""

    body: Body
    clothes: Clothes
    noise: Callable
    head: Head


def hairy(head, rest, clothes):
    side, forward, up = head.of(rest)
    line = np.interp(forward, [-8, -4.6, -3.9, -2.7, -1.4, -0.3, 0.6], [-3.2, -3.2, -0.6, -0.3, 1.0, 1.75, 2.0])
    ear = (np.abs(side) > 2.55) & (up < 0.3) & (forward > -4.6)
    return (up > line) & ~ear if clothes.hair != "none" or clothes.hat else np.zeros(up.shape, bool)


def garment(dressed, region, rest, along):
    """Which of SKIN … THINGS covers each place."""
    clothes, body = dressed.clothes, dressed.body
    height = rest[..., 2] - body.head_of("upperleg01.L")[2]
    neck = body.head_of("neck01")[2] - 0.02 + 0.35 * np.maximum(rest[..., 1] - body.head_of("neck01")[1] + 0.02, 0)
    out = np.full(region.shape, SKIN)
    torso = region == mesh.TORSO
    upper = (torso | (region == mesh.LEG)) & (height > clothes.hem)
    upper |= (region == mesh.ARM) & (along < clothes.sleeve)
    upper = (upper | (region == mesh.HEAD)) & (rest[..., 2] < neck)
    lower = (torso & (height <= clothes.hem)) | ((region == mesh.LEG) & (height <= clothes.hem) & (along < clothes.leg))
    out[lower] = LOWER
    out[upper] = UPPER
    out[(region == mesh.FOOT) | ((region == mesh.LEG) & (along > 0.985) & (out == SKIN))] = SHOES
    out[region == mesh.EYE] = EYE
    out[(region == mesh.HAIR) | ((region == mesh.HEAD) & hairy(dressed.head, rest, clothes))] = HAIR
    out[region == mesh.SKIRT] = UPPER if clothes.skirt_of_upper else LOWER
    out[region >= mesh.THING] = THINGS
    out[region == 0] = 0
    return out


def stand_off(dressed):
    """How far each vertex of a body is moved along its normal."""
    clothes, body, head, noise = dressed.clothes, dressed.body, dressed.head, dressed.noise
    of = garment(dressed, body.region, body.rest, body.along)
    wave = noise(body.rest * (9, 9, 14)) - 0.5
    off = np.zeros(len(body.rest))
    cloth = (of == UPPER) | (of == LOWER)
    widen = np.where(of == LOWER, 0.6 + 1.2 * body.along, 1.0 + 0.4 * body.along)
    off[cloth] = (clothes.loose * widen + 0.012 * wave * (0.4 + clothes.loose / 0.02))[cloth]
    off[of == UPPER] += 0.004
    off[of == SHOES] = 0.006
    thick = 0.016 if clothes.hair != "none" else 0.003
    up = head.of(body.rest)[2]
    curls = noise(body.rest * 40) - 0.5
    off[of == HAIR] = (thick * np.clip(0.55 + 0.22 * up, 0.25, 1.1) + 0.012 * curls * (thick > 0.01))[of == HAIR]
    off[body.region == mesh.FOOT] = -0.004  # the shoe is a shape of its own, see `shoe`
    return off


def shoe(body, side):
    """A shoe round a foot, without toes: (mesh, weights)."""
    mine = (body.region == mesh.FOOT) & ((body.rest[:, 0] > 0) == (side == "L"))
    foot = body.rest[mine]
    back, front, sole = foot[:, 1].max() + 0.012, foot[:, 1].min() - 0.014, foot[:, 2].min() - 0.012
    ankle = np.sort(foot[:, 2])[-len(foot) // 12]
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    loops = []
    for share in np.linspace(0, 1, 16):
        y = back + share * (front - back)
        near = foot[np.abs(foot[:, 1] - np.clip(y, front + 0.03, back - 0.025)) < 0.02]
        middle, half = (near[:, 0].max() + near[:, 0].min()) / 2, np.ptp(near[:, 0]) / 2 + 0.008
        top = min(near[:, 2].max() + 0.010, ankle)
        end = np.sqrt(max(1 - max(abs(share - 0.5) * 2 - 0.72, 0) ** 2 / 0.28**2, 0.0))
        x = middle + half * end * np.sign(np.cos(around)) * np.abs(np.cos(around)) ** 0.6
        z = (sole + top) / 2 + (top - sole) / 2 * (0.45 + 0.55 * end) * np.sign(np.sin(around)) * np.abs(
            np.sin(around)
        ) ** 0.6
        loops.append(np.stack([x, y + 0 * x, np.maximum(z, sole)], -1))
    made = mesh.sheet(np.array(loops)[:, ::-1], mesh.FOOT, closed=True)
    return made, _bone_weights(body, len(made.position), {f"foot.{side}": 1.0})


def _bone_weights(body, count, shares):
    weights = np.zeros((count, len(body.parents)))
    for bone, share in shares.items():
        weights[:, body.bones[bone]] = share
    return weights


def skirt(clothes, body):
    """A cone from the waist to clothes.skirt below the hip, with folds, on pelvis and thighs: (mesh, weights)."""
    hip = body.head_of("upperleg01.L")
    down = np.linspace(0, 1, 14)
    around = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    trunk = body.rest[np.isin(body.region, (mesh.TORSO, mesh.LEG))]
    levels, wide, deep = hip[2] + 0.10 - (0.10 + clothes.skirt) * down, [], []
    for z in levels:
        near = trunk[np.abs(trunk[:, 2] - z) < 0.04]
        wide.append(np.ptp(near[:, 0]) / 2)
        deep.append(np.ptp(near[:, 1]) / 2)
    middle = (
        trunk[np.abs(trunk[:, 2] - hip[2]) < 0.05].max(axis=0) + trunk[np.abs(trunk[:, 2] - hip[2]) < 0.05].min(axis=0)
    ) / 2
    room = (0.028 + 0.02 * down + clothes.loose)[:, None]
    wide = np.maximum.accumulate(wide)[:, None] + room
    deep = np.maximum.accumulate(deep)[:, None] * 1.12 + room + 0.06 * down[:, None]
    down = down[:, None]
    folds = 1 + 0.05 * down * np.sin(around * 9 + 3 * np.sin(around * 2)) + 0.03 * down * np.sin(around * 17)
    grid = np.stack(
        [
            middle[0] + wide * folds * np.cos(around),
            middle[1] + deep * folds * np.sin(around),
            levels[:, None] + 0 * around,
        ],
        -1,
    )
    made = mesh.sheet(grid[:, ::-1], mesh.SKIRT, closed=True)
    left = 1 / (1 + np.exp(-made.position[:, 0] / 0.05))
    fall = np.clip(made.along * 0.85, 0, 0.8)
    return made, _bone_weights(
        body, len(made.position), {"root": 1 - fall, "upperleg01.L": fall * left, "upperleg01.R": fall * (1 - left)}
    )


def long_hair(dressed):
    """A curtain of hair round the back of the head down to the shoulders, or a bun: (mesh, weights)."""
    d, centre = dressed.head.unit, dressed.head.centre
    if dressed.clothes.hair == "bun":
        around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        polar = np.linspace(0, np.pi, 12)[:, None]
        radius = d * 1.5
        grid = (
            centre
            + np.array([0, 7.6 * d, 1.0 * d])
            + radius
            * np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar) + 0 * around], -1)
        )
    else:
        around = np.radians(np.linspace(-118, 118, 40))
        down = np.linspace(0, 1, 16)[:, None]
        wide = d * (3.0 + 0.5 * np.sin(down * np.pi)) * (1 + 0.03 * np.sin(around * 14))
        deep = d * (4.3 - 0.5 * down) * (1 + 0.02 * np.sin(around * 11))
        grid = np.stack(
            [
                centre[0] + wide * np.sin(around),
                centre[1] + 3.6 * d + deep * np.cos(around),
                centre[2] + d * (1.6 - 9.6 * down) + 0.25 * d * np.sin(around * 9),
            ],
            -1,
        )
    made = mesh.sheet(grid, mesh.HAIR, closed=dressed.clothes.hair == "bun")
    made.position += (dressed.noise(made.position * 30) - 0.5)[:, None] * 0.008
    return made, _bone_weights(dressed.body, len(made.position), {"head": 1.0})


def cap_brim(head, body):
    d, centre = head.unit, head.centre
    around = np.radians(np.linspace(-75, 75, 20))
    out = np.linspace(0, 1, 5)[:, None]
    grid = np.stack(
        [
            centre[0] + 2.6 * d * np.sin(around) * (1 + 0.05 * out),
            centre[1] + d * (2.0 - (2.0 + 2.6 * out) * np.cos(around)),
            centre[2] + d * (1.9 - 0.5 * out) + 0 * around,
        ],
        -1,
    )
    made = mesh.sheet(grid, mesh.HAIR)
    return made, _bone_weights(body, len(made.position), {"head": 1.0})
