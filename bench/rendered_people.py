"""The rendered people of tests/people: reading them, and bringing one to a size with its shadow, ready to be laid over
a picture."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

FOLDER = Path(__file__).parent.parent / "tests/people"
# What a person of usual height measures; sizes of a scene are given for them.
TALL_M = 1.7
_SHADOW = 0.42


@dataclass(frozen=True, eq=False)
class Sprite:
    """Boxes are x0 y0 x1 y1 as shares of `bgra`; `walk` names the walk that the sprite is a step of."""

    name: str
    of: str
    bgra: np.ndarray
    head: np.ndarray
    person: np.ndarray
    height_m: float
    azimuth: float
    walk: str = ""
    step: int = 0

    def faces_left(self):
        return self.azimuth % 360 < 180


@dataclass(frozen=True, eq=False)
class Patch:
    """A person at a size: colour times coverage, what is left of the ground (0 to 255), where they themselves are.

    The sprite begins at column `left` of the patch and at its first row; the rest is margin for the shadow.
    """

    colour: np.ndarray
    remains: np.ndarray
    cover: np.ndarray
    left: int
    width: int
    height: int


@lru_cache(maxsize=1)
def sprites(folder: Path = FOLDER) -> dict[str, Sprite]:
    """All of them by name, in the order of the table."""
    rows = tomllib.loads((folder / "people.toml").read_text(encoding="utf-8"))["person"]
    found = {}
    for row in rows:
        bgra = cv2.imread(str(folder / row["file"]), cv2.IMREAD_UNCHANGED)
        name = row["file"].removesuffix(".png")
        found[name] = Sprite(
            name,
            row["class"],
            bgra,
            np.array([row[k] for k in ("head_left", "head_top", "head_right", "chin")]),
            np.array([row[k] for k in ("left", "top", "right", "bottom")]),
            row["height_m"],
            row["azimuth"],
            row.get("walk", ""),
            row.get("step", 0),
        )
    return found


@lru_cache(maxsize=1)
def walks() -> dict[str, list[Sprite]]:
    """The steps of each walk that has several, in order."""
    grouped: dict[str, list[Sprite]] = {}
    for sprite in sprites().values():
        if sprite.walk:
            grouped.setdefault(sprite.walk, []).append(sprite)
    return {walk: sorted(steps, key=lambda s: s.step) for walk, steps in grouped.items() if len(steps) > 1}


def mirrored_box(box):
    return np.array([1 - box[2], box[1], 1 - box[0], box[3]])


def patch(sprite: Sprite, height: int, *, mirror: bool, tone, shadow: float = _SHADOW, smear: int = 1) -> Patch:
    """`sprite` scaled to `height` picture elements.

    Args:
        tone: what the scene's light makes of colours: BGR floats 0..255 (n, 3) → the same.
        shadow: how dark the ground under them is, 0 to 1.
        smear: how many elements wide motion blurs them, 1 for none.
    """
    height = max(height, 2)
    width = max(round(height * sprite.bgra.shape[1] / sprite.bgra.shape[0]), 2)
    source = sprite.bgra[:, ::-1] if mirror else sprite.bgra
    flat = source.astype(np.float32)
    alpha = flat[..., 3:] / 255
    flat = np.concatenate([tone(flat[..., :3].reshape(-1, 3)).reshape(flat[..., :3].shape) * alpha, alpha], axis=2)
    shrinking = height < source.shape[0]
    scaled = cv2.resize(flat, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    box = mirrored_box(sprite.person) if mirror else sprite.person
    wide = (box[2] - box[0]) * width
    margin, below = round(wide / 3) + smear // 2 + 2, round(wide / 3) + 2
    full = np.zeros((height + below, width + 2 * margin, 4), np.float32)
    full[:height, margin : margin + width] = scaled
    if smear > 1:
        full = cv2.blur(full, (smear, 1))
    cover = full[..., 3]
    ground = np.zeros_like(cover)
    if shadow > 0:
        centre = margin + (box[0] + box[2]) / 2 * width, box[3] * height - 0.05 * wide
        axes = max(0.52 * wide, 2), max(0.13 * wide, 1)
        cv2.ellipse(ground, tuple(map(round, centre)), tuple(map(round, axes)), 0, 0, 360, shadow, -1)
        ground = cv2.GaussianBlur(ground, (0, 0), max(wide / 14, 0.8))
    remains = (1 - cover) * (1 - ground)
    return Patch(
        (full[..., :3]).round().clip(0, 255).astype(np.uint8),
        np.repeat((remains * 255).round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2),
        cover > 0.5,
        margin,
        width,
        height,
    )
