"""Whether a garment is plain, striped or patterned; nothing where it is too small, too dark or without colour.

No network and no photograph: seven numbers of the cloth are weighed by a table that was fitted to drawn people in drawn
clothes (`python -m models.train.texture`), with plain held to be likelier beforehand, as it is on streets. Stripes put
the cloth's energy at one frequency, patterns spread it over all directions, folds and arms leave parts of it calm.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from models.rgb import Rgb
from wire.features.packet import ColourShare
from wire.features.vocabulary import Attribute, BodyPart, Colour, ObjectClass

Numbers = npt.NDArray[np.float64]

ATTRIBUTES = {BodyPart.UPPER: Attribute.TEXTURE, BodyPart.LOWER: Attribute.LOWER_TEXTURE}
# Rows and columns of the box in shares of its sides: cloth alone, as far as a box can tell; and the size above which
# brightness changes by folds and shade, in shares of the rows.
_CLOTH = {BodyPart.UPPER: ((0.21, 0.46), (0.32, 0.68), 0.16), BodyPart.LOWER: ((0.54, 0.72), (0.25, 0.75), 0.20)}
# Smaller than this nothing can be measured; larger ones are brought to this.
_LEAST_PX, _SIZE_PX = 18, 48
_SPECTRUM = 64
_ANGLES = 18
_BLOCKS = 4
# Frequencies: below the first, in periods of the patch, is shade; above the second, in periods of a pixel, is noise.
_SLOWEST, _FASTEST = 1.2, 0.45
_PEAK_RADIUS = 0.03
# Plain, striped, patterned: what each number of `measured` adds, and where they start.
_WEIGHTS = np.array(
    [
        [-2.61, 1.88, 0.73],
        [1.34, -1.34, 0.01],
        [0.79, 3.02, -3.80],
        [-3.82, 0.30, 3.52],
        [0.84, -0.75, -0.09],
        [-1.57, 1.12, 0.45],
        [-1.03, 0.60, 0.43],
    ]
)
_START = np.array([4.29, -3.83, -0.46])

_FREQUENCY = np.fft.fftfreq(_SPECTRUM)
_ACROSS, _DOWN = np.meshgrid(_FREQUENCY, _FREQUENCY)
_SPEED = np.hypot(_ACROSS, _DOWN)
_ANGLE = np.minimum((np.arctan2(_DOWN, _ACROSS) % np.pi / np.pi * _ANGLES).astype(int), _ANGLES - 1)


def describe(
    rgb: Rgb, box: npt.NDArray[np.float32], class_: ObjectClass, colour_shares: Sequence[ColourShare]
) -> dict[Attribute, Numbers]:
    """Probabilities of plain, striped and patterned for each garment that shows it.

    Args:
        rgb: (h, w, 3).
        box: (4,) pixels.
        class_: only people wear garments.
        colour_shares: the colours of the same crop; where they are unknown, so is the texture.
    """
    coloured = {share.part for share in colour_shares if share.colour is not Colour.UNKNOWN}
    found = {}
    for part, attribute in ATTRIBUTES.items():
        if class_ is not ObjectClass.PERSON or part not in coloured:
            continue
        numbers = measured(rgb, box, part)
        if numbers is not None:
            weights = np.exp(numbers @ _WEIGHTS + _START)
            found[attribute] = np.asarray(weights / weights.sum())
    return found


def measured(rgb: Rgb, box: npt.NDArray[np.float32], part: BodyPart) -> Numbers | None:
    """What the table weighs, (7,); None where the cloth is too small.

    Logarithms of the calmer blocks' and of the whole cloth's contrast; shares of the energy in the strongest direction,
    at right angles to it, and at the strongest frequency; logarithms of that frequency and of the contrast that is not
    along the strongest difference of colours.
    """
    (top, bottom), (left, right), shade = _CLOTH[part]
    x0, y0, x1, y1 = (float(edge) for edge in box)
    rows = slice(max(round(y0 + top * (y1 - y0)), 0), max(round(y0 + bottom * (y1 - y0)), 0))
    columns = slice(max(round(x0 + left * (x1 - x0)), 0), max(round(x0 + right * (x1 - x0)), 0))
    cloth = rgb[rows, columns]
    if min(cloth.shape[:2]) < _LEAST_PX:
        return None
    scale = min(_SIZE_PX / max(cloth.shape[:2]), 1.0)
    if scale < 1:
        cloth = np.asarray(cv2.resize(cloth, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    lab = cv2.cvtColor(cloth.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    rest = lab - cv2.GaussianBlur(lab, (0, 0), shade * len(lab))
    # Two colours lie on a line: along it is the weave, across it are shade, noise and third colours.
    variances, axes = np.linalg.eigh(np.cov(rest.reshape(-1, 3).T))
    weave = np.asarray(rest @ axes[:, -1], np.float64)
    blocks = [
        np.sqrt(np.mean(np.square(block)))
        for row in np.array_split(weave, _BLOCKS)
        for block in np.array_split(row, _BLOCKS, axis=1)
    ]
    strongest, beside, peak, periods = _directions(weave)
    return np.array(
        [
            np.log(np.quantile(blocks, 0.25) + 0.5),
            np.log(np.sqrt(max(variances[-1], 0)) + 0.5),
            strongest,
            beside,
            peak,
            np.log(periods),
            np.log(np.sqrt(max(variances[:-1].sum(), 0)) + 0.3),
        ]
    )


def _directions(weave: Numbers) -> tuple[float, float, float, float]:
    """What `measured` says of directions; the last of the four is the strongest frequency, in periods of the patch."""
    rows, columns = weave.shape
    window = np.hanning(rows + 2)[1:-1, None] * np.hanning(columns + 2)[None, 1:-1]
    centred = (weave - np.average(weave, weights=window)) * window
    power = np.abs(np.fft.fft2(centred, (_SPECTRUM, _SPECTRUM))) ** 2
    power[(_SLOWEST / max(rows, columns) >= _SPEED) | (_SPEED >= _FASTEST)] = 0
    total = power.sum() + 1e-9
    energy = np.bincount(_ANGLE.ravel(), power.ravel(), _ANGLES) / total
    wedges = energy + np.roll(energy, 1) + np.roll(energy, -1)
    best = int(wedges.argmax())
    at = np.unravel_index(power.argmax(), power.shape)
    down, across = float(_DOWN[at]), float(_ACROSS[at])
    near = np.zeros(power.shape, bool)
    for multiple in (-3, -2, -1, 1, 2, 3):
        near |= np.hypot(_DOWN - multiple * down, _ACROSS - multiple * across) < _PEAK_RADIUS
    periods = max(np.hypot(down, across) * max(rows, columns), _SLOWEST)
    beside = wedges[(best + _ANGLES // 2) % _ANGLES]
    return float(wedges[best]), float(beside), float(power[near].sum() / total), periods
