"""Clothing and vehicle colours in the eleven basic terms, with "unknown" where light does not tell.

No network: pixels of a body part, weighted towards the middle of the box, are named one by one in CIELAB, after the
light has been neutralised by what surrounds the object. The thresholds were read off labelled clothes and rounded
(`python -m bench.attributes` says how well they do on other people).
"""

import cv2
import numpy as np
import numpy.typing as npt

from models.appearance import cut
from models.rendition import USUAL, Rendition
from models.rgb import Rgb
from wire.features.packet import ColourShare
from wire.features.vocabulary import BodyPart, Colour, ObjectClass

Lab = npt.NDArray[np.float32]

_PERSON_SIZE = (32, 96)
_VEHICLE_SIZE = (64, 48)
# Rows of a body in shares of its height, measured from the top: the head is left out, and so
# are the shins, which are bare or not.
_PERSON_ROWS = {BodyPart.UPPER: (0.20, 0.46), BodyPart.LOWER: (0.52, 0.68), BodyPart.SHOES: (0.93, 0.985)}
# Of the garments together: where cloth is, on any person.
_CLOTH_ROWS, _CLOTH_COLUMNS = slice(19, 65), slice(10, 22)
# Bonnet, doors and boot; above are windows, below are tyres and shadow.
_VEHICLE_ROWS = {BodyPart.BODY: (0.40, 0.75)}
_MIDDLE_SIGMA = 0.16
# Below these nothing can be named: mean lightness of the crop, and the chroma that a coloured world has somewhere.
_DARK_L = 14.0
_GREY_WORLD_CHROMA = 3.0
# Sectors of hue in degrees; what is left is pink. Read off the clothes of the 650 people of Market-1501's `fit_ids`.
_SECTORS = (
    (17, 44, Colour.RED),
    (44, 82, Colour.ORANGE),
    (82, 124, Colour.YELLOW),
    (124, 215, Colour.GREEN),
    (215, 297, Colour.BLUE),
    (297, 345, Colour.PURPLE),
)
_NEUTRAL_CLOTH = (3.5, 0.05)
# Paint mirrors the sky.
_NEUTRAL_PAINT = (7.0, 0.06)
# Folds and shadow take the colour out of cloth, nothing puts it in: a unit of chroma adds this to a pixel's weight.
_TELLING = 0.03
_SHOES_FROM_PX = 120
# Between and beside the feet is ground: what lies on both sides of the box, this much of its width, gives its colour,
# and pixels nearer to it than this in CIELAB say nothing about shoes, unless nearly all are.
_BESIDE, _GROUND_DIFFERENCE, _LEAST_SHOES = 0.5, 10.0, 0.1
_MINIMUM_SHARE = 0.15
_MOST = 3


def describe(
    rgb: Rgb,
    box: npt.NDArray[np.float32],
    class_: ObjectClass,
    mask: npt.NDArray[np.bool_] | None = None,
    rendition: Rendition = USUAL,
) -> tuple[ColourShare, ...]:
    """Up to three colours per part, largest share first.

    Args:
        rgb: (h, w, 3) the whole picture; what surrounds the box gives the light.
        box: (4,) pixels.
        class_: people have UPPER, LOWER and (from 120 pixels of height) SHOES, vehicles have BODY.
        mask: (h, w) True on the object, for callers that know its outline.
        rendition: how this camera shows clothes; vehicles are named as they are shown.

    Returns:
        shares that sum to at most 1 per part; one UNKNOWN of share 1 per part in infra-red and darkness.

    Raises:
        ModelError: the box has no area inside the picture.
    """
    crop = cut(rgb, box)
    person = class_ == ObjectClass.PERSON
    rows = dict(_PERSON_ROWS if person else _VEHICLE_ROWS)
    if person and crop.shape[0] < _SHOES_FROM_PX:
        del rows[BodyPart.SHOES]
    surroundings = _lab(_around(rgb, box), (32, 32))
    size = _PERSON_SIZE if person else _VEHICLE_SIZE
    lab = _lab(crop, size)
    if not _tells_colour(surroundings, lab):
        return tuple(ColourShare(part, Colour.UNKNOWN, 1.0) for part in rows)
    factors = np.array(rendition.factors if person else (1, 1, 1), np.float32)
    surroundings = surroundings * factors
    lab = _neutralised(lab * factors, surroundings)
    names = name(lab, _NEUTRAL_CLOTH if person else _NEUTRAL_PAINT)
    weights = _weights(size, person=person) * (1 + _TELLING * np.minimum(np.hypot(lab[..., 1], lab[..., 2]), 40))
    if mask is not None:
        inside = cv2.resize(cut(mask.astype(np.uint8)[..., None].repeat(3, axis=2), box)[..., 0], size)
        weights = weights * (inside > 0)
    if BodyPart.SHOES in rows:
        _leave_out_ground(weights, lab, _beside(rgb, box) * factors, surroundings)
    return tuple(
        share
        for part, (top, bottom) in rows.items()
        for share in _shares(part, names, weights, slice(round(top * size[1]), round(bottom * size[1])))
    )


def cloth(rgb: Rgb, box: npt.NDArray[np.float32]) -> Lab:
    """(n, 3) CIELAB of what a person wears about the middle, for `models.rendition`; raises as `describe`."""
    return _lab(cut(rgb, box), _PERSON_SIZE)[_CLOTH_ROWS, _CLOTH_COLUMNS].reshape(-1, 3)


def name(lab: Lab, neutral: tuple[float, float] = _NEUTRAL_CLOTH) -> npt.NDArray[np.uint8]:
    """(..., 3) CIELAB (L 0..100) → (...) numbers of `Colour`.

    Args:
        neutral: chroma below which a pixel has no hue, at L = 0 and more for each unit of L: what sensors and skylight
            give to neutral surfaces.
    """
    lightness = lab[..., 0]
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360
    names = np.full(lightness.shape, Colour.PINK, np.uint8)
    for start, end, colour in _SECTORS:
        names[(hue >= start) & (hue < end)] = colour
    # CIELAB's lines of one hue bend: the more vivid a blue, the more violet its angle.
    names[(hue >= 297) & (hue < 310) & (chroma > 35)] = Colour.BLUE
    # Dark pinks are reds, dull oranges and dark yellows are browns.
    names[(names == Colour.PINK) & (lightness < 68)] = Colour.RED
    brown = ((names == Colour.ORANGE) & (lightness < 48)) | ((names == Colour.YELLOW) & (lightness < 37))
    names[brown] = Colour.BROWN
    # A hint of warmth marks earth colours; no light makes grey cloth dark and warm.
    least = (neutral[0] + neutral[1] * lightness) * np.where(brown, 0.4, 1.0)
    grey = chroma < least
    names[grey] = Colour.GREY
    names[grey & (lightness > 56)] = Colour.WHITE
    names[(grey & (lightness < 21)) | ((lightness < 13) & (chroma < 7.5))] = Colour.BLACK
    return names


def _lab(rgb: Rgb, size: tuple[int, int]) -> Lab:
    smaller = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(smaller.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _around(rgb: Rgb, box: npt.NDArray[np.float32]) -> Rgb:
    """The box grown by its own size, what the camera sees beside the object included."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2])
    return cut(rgb, np.concatenate([centre - half, centre + half]).astype(np.float32))


def _tells_colour(surroundings: Lab, lab: Lab) -> bool:
    chroma = np.concatenate([np.hypot(part[..., 1], part[..., 2]).ravel() for part in (surroundings, lab)])
    return bool(lab[..., 0].mean() >= _DARK_L and np.percentile(chroma, 95) >= _GREY_WORLD_CHROMA)


def _neutralised(lab: Lab, surroundings: Lab) -> Lab:
    """Grey-world, believed by 40 % and never by more than 8 units: a lawn is not a green light."""
    cast = np.clip(np.median(surroundings[..., 1:], axis=(0, 1)) * 0.4, -8, 8)
    return np.concatenate([lab[..., :1], lab[..., 1:] - cast], axis=-1).astype(np.float32)


def _weights(size: tuple[int, int], *, person: bool) -> npt.NDArray[np.float64]:
    width, height = size
    offset = (np.arange(width) + 0.5) / width - 0.5
    sigma = _MIDDLE_SIGMA if person else 2 * _MIDDLE_SIGMA
    return np.broadcast_to(np.exp(-0.5 * (offset / sigma) ** 2), (height, width)).copy()


def _beside(rgb: Rgb, box: npt.NDArray[np.float32]) -> Lab:
    """(n, 8, 3) What is on both sides of the feet, as far as it is in the picture."""
    x0, y0, x1, y1 = (float(edge) for edge in box)
    top, bottom = _PERSON_ROWS[BodyPart.SHOES]
    rows = slice(max(int(y0 + top * (y1 - y0)), 0), max(int(np.ceil(y0 + bottom * (y1 - y0))), 1))
    wide = _BESIDE * (x1 - x0)
    beside = [rgb[rows, max(int(left), 0) : max(int(left + wide), 0)] for left in (x0 - wide, x1)]
    return np.concatenate([np.zeros((0, 8, 3), np.float32), *(_lab(strip, (8, 8)) for strip in beside if strip.size)])


def _leave_out_ground(weights: npt.NDArray[np.float64], lab: Lab, beside: Lab, surroundings: Lab) -> None:
    """Set the `weights` of the shoes' rows: both feet alike, what looks like the ground beside them not at all."""
    top, bottom = _PERSON_ROWS[BodyPart.SHOES]
    feet = slice(round(top * len(weights)), round(bottom * len(weights)))
    weights[feet] = weights[feet].mean(axis=0).max() * (weights[feet] > 0)
    if not len(beside):
        return
    ground = np.median(_neutralised(beside, surroundings), axis=(0, 1))
    shoes = np.linalg.norm(lab[feet] - ground, axis=-1) >= _GROUND_DIFFERENCE
    if weights[feet][shoes].sum() >= _LEAST_SHOES * weights[feet].sum():
        weights[feet] *= shoes


def _shares(
    part: BodyPart, names: npt.NDArray[np.uint8], weights: npt.NDArray[np.float64], rows: slice
) -> list[ColourShare]:
    counted = np.bincount(names[rows].ravel(), weights[rows].ravel(), len(Colour))
    if not counted.sum():
        return [ColourShare(part, Colour.UNKNOWN, 1.0)]
    mass = counted / counted.sum()
    return [
        ColourShare(part, Colour(int(i)), float(mass[i]))
        for i in np.argsort(-mass)[:_MOST]
        if mass[i] >= _MINIMUM_SHARE
    ]
