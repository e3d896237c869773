"""Drawn people in plain, striped and patterned clothes, as a camera would see them: what textures are measured on.

No photograph has such labels here. Clothes hang in folds around a body, in shade towards its sides; stripes run across,
along or aslant; patterns are checks, dots, flowers and camouflage. The camera adds distance, blur, dim or harsh light
of some colour, noise and JPEG. Pictures of one seed are always the same.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SIZE = (192, 448)
TEXTURES = ("plain", "striped", "patterned")
# Figures' parts in shares of the height and the width of the box.
SHOULDERS, WAIST, KNEES, ANKLES = 0.17, 0.50, 0.74, 0.93
# Stripes and figures of cloth in shares of the body's height: 3.5 to 13 centimetres on a person of 1.75 metres.
PERIOD = (0.02, 0.075)
# Colours of a cloth differ at least by this in CIELAB, or it would not be called striped.
LEAST_DIFFERENCE = 18.0


@dataclass(frozen=True)
class Dressed:
    """One picture: a person in `box` (4,) of `rgb`, textures as numbers of `TEXTURES`, shoes as sRGB 0..1."""

    rgb: np.ndarray
    box: np.ndarray
    upper: int
    lower: int
    shoes: np.ndarray
    ground: np.ndarray


def lab(colour):
    return cv2.cvtColor(np.float32(colour).reshape(1, 1, 3), cv2.COLOR_RGB2LAB)[0, 0]


def cloth(random):
    """A colour as clothes have it: often black, white, grey or blue, seldom vivid."""
    if random.random() < 0.45:
        return np.clip(random.choice([0.08, 0.15, 0.35, 0.5, 0.75, 0.9]) + random.normal(0, 0.03, 3), 0.02, 0.97)
    hsv = np.float32([[[random.random() * 360, random.beta(2, 2), random.uniform(0.2, 0.95)]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(float)


def contrasting(random, first):
    while True:
        second = cloth(random)
        if np.linalg.norm(lab(first) - lab(second)) >= LEAST_DIFFERENCE:
            return second


def smooth(random, shape, size):
    """Noise of unit variance whose features are about `size` pixels large."""
    field = cv2.GaussianBlur(random.normal(0, 1, shape).astype(np.float32), (0, 0), max(size / 2, 0.5))
    return field / max(float(field.std()), 1e-6)


def weave(kind, random, height, width):
    """(height, width) 0..1: where the second colour is. The body's height is that of the picture."""
    u = np.arcsin(np.linspace(-0.97, 0.97, width)) / np.pi + 0.5
    x, y = np.meshgrid(u * width, np.arange(height, dtype=float))
    y = y + 2.5 * smooth(random, (height, width), 40)
    period = random.uniform(*PERIOD) * SIZE[1]

    def bars(angle, share):
        return ((x * np.cos(angle) + y * np.sin(angle)) / period + random.random()) % 1 < share

    if kind == 1:
        turn = random.choice([np.pi / 2, 0.0, np.pi / 4, -np.pi / 4], p=[0.6, 0.25, 0.075, 0.075])
        return bars(turn + random.normal(0, 0.06), random.uniform(0.3, 0.7)).astype(float)
    figure = random.choice(["checks", "dots", "flowers", "camouflage"])
    if figure == "checks":
        share = random.uniform(0.35, 0.65)
        return 0.5 * bars(0, share) + 0.5 * bars(np.pi / 2, share)
    if figure == "dots":
        odd = np.floor(y / period) % 2
        cell = np.hypot((x / period + odd / 2) % 1 - 0.5, (y / period) % 1 - 0.5)
        return (cell < random.uniform(0.22, 0.36)).astype(float)
    size = period * (0.6 if figure == "flowers" else 1.0)
    return (smooth(random, (height, width), size) > random.uniform(0.0, 0.7)).astype(float)


def garment(kind, random, height, width):
    """(height, width, 3) of cloth on a body: its weave, its folds, its shade."""
    first = cloth(random)
    picture = np.tile(first, (height, width, 1))
    if kind:
        share = weave(kind, random, height, width)[..., None]
        picture = picture * (1 - share) + contrasting(random, first) * share
    across = np.linspace(-1, 1, width)
    shade = (1 - random.uniform(0.1, 0.4) * (across - random.uniform(-0.3, 0.3)) ** 2)[None, :, None]
    turned = cv2.warpAffine(
        smooth(random, (height, width), random.uniform(14, 40)),
        cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-90, 90), 1.0),
        (width, height),
        borderMode=cv2.BORDER_REFLECT,
    )
    stretched = cv2.resize(turned, (width, height // 3))
    folds = 1 + random.uniform(0.02, 0.12) * cv2.resize(stretched, (width, height))
    return picture * shade * folds[..., None]


def worn(random, above):
    """What makes no texture of a shirt: an open jacket, a print on the chest, the strap of a bag."""
    height, width = above.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    # The shirt is drawn from its own corner: its middle is at this column, its chest at this row.
    middle, chest = width * random.uniform(0.24, 0.3), 0.12 * height
    thing = random.choice(["nothing", "jacket", "print", "strap"], p=[0.55, 0.15, 0.15, 0.15])
    if thing == "jacket":
        above[np.abs(x - middle) < width * random.uniform(0.03, 0.07)] = cloth(random)
    elif thing == "print":
        above[np.hypot((x - middle) / 1.4, y - chest) < height * random.uniform(0.02, 0.05)] = cloth(random)
    elif thing == "strap":
        along = (x - middle) * random.choice([-1, 1]) - (y - chest) * random.uniform(0.4, 0.8)
        above[np.abs(along) < width * random.uniform(0.02, 0.04)] = cloth(random)
    return above


def draw(seed, *, heights=(110, 400)):
    """The picture of that seed."""
    random = np.random.default_rng(seed)
    width, height = SIZE
    ground = cloth(random) * 0.6 + 0.2
    scene = np.tile(ground, (height * 2, width * 2, 1)) + 0.05 * smooth(random, (height * 2, width * 2), 30)[..., None]
    left, top, middle = width // 2, height // 2, width + random.normal(0, 9)
    upper, lower = int(random.integers(3)), int(random.choice(3, p=[0.5, 0.25, 0.25]))
    wide = random.uniform(0.34, 0.62) * width

    def put(cloth_, y0, y1, x0, x1):
        y0, y1, x0, x1 = (int(v) for v in (top + y0 * height, top + y1 * height, x0, x1))
        part = cloth_[: y1 - y0, : x1 - x0] if cloth_.ndim == 3 else cloth_
        scene[y0:y1, x0:x1] = part

    bare = random.uniform(0.25, 0.9) * np.array([1, 0.78, 0.65])
    put(random.uniform(0.05, 0.5) * np.array([1, 0.85, 0.7]), 0.0, 0.06, middle - 0.12 * width, middle + 0.12 * width)
    put(bare, 0.05, SHOULDERS, middle - 0.1 * width, middle + 0.1 * width)
    below = garment(lower, random, height, width)
    step = random.uniform(0, 0.1) * width
    trousers = random.random() < 0.75
    shoes = cloth(random)
    for side in (-1, 1):
        centre = middle + side * (0.14 * width + step / 2)
        put(
            below[:, width // 2 :] if side > 0 else below,
            WAIST,
            ANKLES if trousers else KNEES,
            centre - 0.14 * width,
            centre + 0.14 * width,
        )
        if not trousers:
            put(bare, KNEES, ANKLES, centre - 0.1 * width, centre + 0.1 * width)
        put(shoes, ANKLES, 0.995, centre - 0.13 * width, centre + 0.13 * width)
    if not trousers:
        put(below, WAIST, KNEES, middle - 0.3 * width, middle + 0.3 * width)
    above = worn(random, garment(upper, random, height, width))
    put(above, SHOULDERS, WAIST, middle - wide / 2, middle + wide / 2)
    arm = 0.1 * width
    for side in (-1, 1):
        # Arms hang at the sides, or before the body where they are in the way.
        x = middle + side * (wide / 2 + arm / 2) * random.choice([1.0, 0.45], p=[0.75, 0.25])
        sleeve = random.uniform(0.26, 0.42)
        put(above, SHOULDERS + 0.01, sleeve, x - arm / 2, x + arm / 2)
        put(bare, sleeve, WAIST + 0.03, x - 0.4 * arm, x + 0.4 * arm)
    if random.random() < 0.25:
        x = middle + random.choice([-1, 1]) * random.uniform(0.15, 0.35) * width
        put(cloth(random), 0.36, random.uniform(0.5, 0.62), x - 0.13 * width, x + 0.13 * width)
    return _seen(scene, (left, top), (upper, lower, shoes, ground), random, heights)


def _seen(scene, corner, worn_, random, heights):
    """What a camera makes of it."""
    scale = float(np.exp(random.uniform(*np.log(heights)))) / SIZE[1]
    light = np.linspace(random.uniform(0.85, 1.15), random.uniform(0.8, 1.1), scene.shape[0])[:, None, None]
    scene = scene * light * random.uniform(0.55, 1.25) * (1 + random.normal(0, 0.05, 3))
    scene = np.clip(scene, 0, 1) ** random.uniform(0.8, 1.25)
    small = cv2.resize(scene, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), random.uniform(0.4, 1.3))
    small = small + random.normal(0, random.uniform(0.003, 0.025), small.shape)
    rgb = np.clip(small * 255, 0, 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(65, 95))])
    rgb = np.ascontiguousarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1])
    box = np.array([corner[0], corner[1], corner[0] + SIZE[0], corner[1] + SIZE[1]], np.float32)
    box += np.array([1, 1, 1, 1]) * random.normal(0, 0.02, 4) * np.array([SIZE[0], SIZE[1], SIZE[0], SIZE[1]])
    return Dressed(rgb, (box * scale).astype(np.float32), *worn_)
