"""Drawn places, and what light, weather and sensor make of a rendered scene. Everything follows from a seed."""

from dataclasses import dataclass

import cv2
import numpy as np

# Overlays are larger than the picture by this much, and are laid on at another offset each time.
_SPARE_PX = 64
_BANKS = 5
_GRAIN_PX = 331
_INFRA_RED_MIX = np.array([0.15, 0.25, 0.60], np.float32)
_HAZE = {"day": (196, 194, 190), "infra-red": (150, 150, 150)}


@dataclass(frozen=True)
class Look:
    """What the camera makes of the scene; strengths are 0 for none to 1 for as much as is ever seen.

    Args:
        infra_red: grey, bright in the middle and near, dark and of little contrast far away.
        light: 1 for daylight, .3 for dusk.
        blur_px: standard deviation of a picture out of focus.
        shutter_s: how long a picture is exposed: what moves is smeared by it.
        noise: standard deviation of the sensor's noise, in grey levels.
        shadow: how dark the ground under people is.
        sway_px: how far wind sways the camera, in either direction, about once in two seconds.
    """

    infra_red: bool = False
    light: float = 1.0
    contrast: float = 1.0
    fog: float = 0.0
    rain: float = 0.0
    snow: float = 0.0
    glare: float = 0.0
    blur_px: float = 0.0
    shutter_s: float = 0.0
    noise: float = 2.0
    shadow: float = 0.42
    sway_px: float = 0.0


def backdrop(width: int, height: int, seed: int, kind: str = "street") -> np.ndarray:
    """A drawn place, BGR: "street" (house fronts, pavement, road) or "room" (wall, floor, door, cupboards)."""
    rng = np.random.default_rng((seed, 1))

    def shade(low, high, tint=10):
        return rng.uniform(low, high) + rng.uniform(-tint, tint, 3)

    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    horizon = rng.uniform(0.30, 0.42) if kind == "street" else rng.uniform(0.40, 0.5)
    far, near = shade(120, 150), shade(85, 115)
    depth = np.clip((rows - horizon) / (1 - horizon), 0, 1)
    picture = np.broadcast_to(far + (near - far) * depth, (height, width, 3)).astype(np.float32).copy()
    end = round(horizon * height)
    picture[:end] = shade(150, 200) - 25 * rows[:end]
    x = 0
    while x < width:
        wide = round(width * rng.uniform(0.12, 0.34))
        top = round(end * rng.uniform(0.0, 0.35)) if kind == "street" else 0
        wall = shade(90, 185, 16)
        picture[top:end, x : x + wide] = wall
        step_x, step_y = max(wide // int(rng.integers(2, 5)), 8), max(round(end * rng.uniform(0.24, 0.4)), 8)
        for wx in range(x + step_x // 4, x + wide - step_x // 3, step_x):
            for wy in range(top + step_y // 4, end - step_y // 2, step_y):
                pane = shade(45, 95, 8)
                picture[wy : wy + step_y // 2, wx : wx + step_x // 2] = pane
                cv2.rectangle(picture, (wx, wy), (wx + step_x // 2, wy + step_y // 2), (wall * 0.8).tolist(), 1)
        x += wide
    for _ in range(4):
        edge = horizon + (1 - horizon) * rng.uniform(0.04, 0.7)
        lean = rng.uniform(-0.06, 0.06)
        cv2.line(
            picture,
            (0, round(edge * height)),
            (width, round((edge + lean) * height)),
            shade(70, 170).tolist(),
            max(height // 160, 1),
            cv2.LINE_AA,
        )
    for _ in range(3):
        wide, tall = width * rng.uniform(0.05, 0.14), height * rng.uniform(0.06, 0.14)
        x0, y0 = rng.uniform(0, width), horizon * height + rng.uniform(-0.02, 0.06) * height
        picture[round(y0 - tall / 2) : round(y0 + tall / 2), round(x0) : round(x0 + wide)] = shade(60, 140, 20)
    texture = np.zeros((height, width), np.float32)
    for octave in (4, 12, 40, 140):
        small = rng.normal(size=(octave * height // width + 2, octave + 2)).astype(np.float32)
        texture += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC) * (5.0 - octave / 60)
    picture += (texture + _grain((height, width), 2.5, rng))[..., None]
    return cv2.GaussianBlur(picture, (0, 0), 0.7).clip(0, 255).astype(np.uint8)


class Weather:
    """Lays `look` over pictures of one size. `place` treats the empty scene, `tone` people, `finish` each picture."""

    def __init__(self, look: Look, width: int, height: int, seed: int) -> None:
        self.look, self._width, self._height, self._seed = look, width, height, seed
        rng = np.random.default_rng((seed, 2))
        size = height + _SPARE_PX, width + _SPARE_PX
        noise = [_grain(size, look.noise, rng) for _ in range(_BANKS)] if look.noise else []
        self._lighter = [np.clip(n, 0, 255).round().astype(np.uint8) for n in noise]
        self._darker = [np.clip(-n, 0, 255).round().astype(np.uint8) for n in noise]
        self._rain = [_streaks(size, look.rain, rng) for _ in range(_BANKS)] if look.rain else []
        self._snow = _flakes((height, width), look.snow, rng) if look.snow else None
        self._glare = _glare((height, width), look.glare, rng) if look.glare else None
        self._sway = rng.uniform(0, 2 * np.pi, 4)

    def place(self, bgr):
        """The empty scene in this light; rows further up are further away."""
        height, width = bgr.shape[:2]
        far = np.clip(1.15 - np.linspace(0, 1, height, dtype=np.float32), 0.15, 1)
        shown = self._light(bgr.astype(np.float32))
        if self.look.infra_red:
            y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
            shown *= np.clip(1.12 - 0.52 * (x * x + y * y), 0.2, 1)[..., None]
        return self._fogged(shown, far[:, None, None]).clip(0, 255).astype(np.uint8)

    def tone(self, far: float, middle: float = 0.0):
        """What light does to the colours of a person `far` away (0 to 1), `middle` from the middle of the picture (0)
        to its edge (1)."""

        def toned(colours):
            shown = self._light(colours)
            if self.look.infra_red:
                # The lamp beside the lens: near people are bright.
                shown = shown * np.clip(1.25 - 0.55 * far, 0.5, 1.3) * np.clip(1.12 - 0.5 * middle**2, 0.3, 1)
            return self._fogged(shown, far).clip(0, 255)

        return toned

    def _light(self, bgr):
        look = self.look
        if look.infra_red:
            grey = bgr @ _INFRA_RED_MIX
            bgr = np.repeat((34 + 0.62 * grey)[..., None], 3, axis=-1)
        return ((bgr - 110) * look.contrast + 110) * look.light

    def _fogged(self, bgr, far):
        if not self.look.fog:
            return bgr
        through = np.exp(-2.6 * self.look.fog * (0.35 + np.asarray(far, np.float32)))
        haze = np.array(_HAZE["infra-red" if self.look.infra_red else "day"], np.float32)
        return bgr * through + haze * (1 - through)

    def sway(self, t_s: float) -> tuple[float, float]:
        """How far the picture is moved to the right and down at `t_s`, in picture elements."""
        if not self.look.sway_px:
            return 0.0, 0.0
        a, b, c, d = self._sway
        x = 0.7 * np.sin(2 * np.pi * 0.53 * t_s + a) + 0.3 * np.sin(2 * np.pi * 1.31 * t_s + b)
        y = 0.7 * np.sin(2 * np.pi * 0.41 * t_s + c) + 0.3 * np.sin(2 * np.pi * 1.73 * t_s + d)
        return float(x * self.look.sway_px), float(y * self.look.sway_px)

    def finish(self, bgr, t_s: float, number: int):
        """I420 of picture `number`: glare, focus, rain or snow in front of the lens, and the sensor's noise."""
        rng = np.random.default_rng((self._seed, number, 3))
        if self._glare is not None:
            bgr = cv2.add(bgr, self._glare)
        if self.look.blur_px:
            bgr = cv2.GaussianBlur(bgr, (0, 0), self.look.blur_px)
        i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
        luma = i420[: self._height]
        if self._rain:
            cv2.add(luma, self._offset(self._rain[rng.integers(_BANKS)], rng), dst=luma)
        if self._snow is not None:
            for layer, speed in zip(self._snow, (0.55, 0.9, 1.4), strict=True):
                down, across = int(t_s * speed * self._height), int(t_s * speed * 0.2 * self._width)
                cv2.max(luma, np.roll(layer, (down % self._height, across % self._width), axis=(0, 1)), dst=luma)
        if self._lighter:
            which = rng.integers(_BANKS)
            cv2.add(luma, self._offset(self._lighter[which], rng), dst=luma)
            cv2.subtract(luma, self._offset(self._darker[(which + 1) % _BANKS], rng), dst=luma)
        if self.look.infra_red:
            i420[self._height :] = 128
        return i420

    def _offset(self, bank, rng):
        y, x = rng.integers(_SPARE_PX, size=2)
        return np.ascontiguousarray(bank[y : y + self._height, x : x + self._width])


def _grain(size, deviation, rng):
    """Noise of a tile, repeated: no other part of the picture is as dear."""
    tile = rng.normal(0, deviation, (_GRAIN_PX, _GRAIN_PX)).astype(np.float32)
    return np.tile(tile, (-(-size[0] // _GRAIN_PX), -(-size[1] // _GRAIN_PX)))[: size[0], : size[1]]


def _streaks(size, strength, rng):
    height, width = size
    drawn = np.zeros(size, np.uint8)
    for _ in range(round(strength * width * height / 900)):
        x, y = rng.integers(width), rng.integers(height)
        long = height * rng.uniform(0.02, 0.09)
        end = int(x - 0.12 * long), int(y + long)
        cv2.line(drawn, (int(x), int(y)), end, int(rng.integers(20, 90)), 1, cv2.LINE_AA)
    return drawn


def _flakes(size, strength, rng):
    height, width = size
    layers = []
    for share, radius in ((1.0, 1), (0.4, 2), (0.12, 4)):
        layer = np.zeros(size, np.uint8)
        for _ in range(round(strength * share * width * height / 1200)):
            centre = int(rng.integers(width)), int(rng.integers(height))
            scaled = max(round(radius * height / 480), 1)
            cv2.circle(layer, centre, scaled, int(rng.integers(170, 250)), -1, cv2.LINE_AA)
        layers.append(cv2.GaussianBlur(layer, (0, 0), 0.6 + radius / 4))
    return layers


def _glare(size, strength, rng):
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    cx, cy = rng.uniform(0.15, 0.85) * width, rng.uniform(0.02, 0.4) * height
    far = np.hypot(x - cx, y - cy) / height
    light = strength * (300 * np.exp(-((far / 0.10) ** 2)) + 130 * np.exp(-far / 0.35) + 25)
    return np.repeat(light.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
