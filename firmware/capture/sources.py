"""The kinds of sensor: what `[camera.source]` may say, and which file of this folder opens it.

A further kind is a settings class with a `kind` of its own, an opener, and a row in each of the two tables below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from firmware.capture.clip import Clip
from firmware.capture.frame import FrameSource
from firmware.capture.pattern import TestPattern
from firmware.capture.silence import EndsOnSilence


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSource:
    """A video file played as a live picture.

    Args:
        kind: `clip`.
        clip: the file; any that libavcodec reads.
        window: x, y, width, height of the part this camera sees; multiples of 16; the whole picture when empty.
        follow_clock: the clip's position is UTC modulo its length, the same for every camera on that clip.
        silence_s: without a picture for so long the sensor counts as lost and is opened again; 0.5 to 600 s.
    """

    clip: Path
    kind: Literal["clip"] = "clip"
    window: tuple[int, ...] = ()
    follow_clock: bool = True
    silence_s: float = 5.0

    def __post_init__(self) -> None:
        if len(self.window) not in {0, 4}:
            raise ValueError("window wants four numbers: x, y, width, height")
        if any(value % 16 or value < 0 for value in self.window):
            raise ValueError("window: every number must be a multiple of 16")
        _check_silence(self.silence_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternSource:
    """A drawn test picture, for commissioning without a sensor.

    Args:
        kind: `pattern`.
        width: pixels, a multiple of 16, 64 to 7680.
        height: pixels, a multiple of 16, 64 to 4320.
        rate_fps: pictures a second, 1 to 60.
        silence_s: without a picture for so long the sensor counts as lost and is opened again; 0.5 to 600 s.
    """

    kind: Literal["pattern"] = "pattern"
    width: int = 640
    height: int = 480
    rate_fps: int = 10
    silence_s: float = 5.0

    def __post_init__(self) -> None:
        for name, most in (("width", 7680), ("height", 4320)):
            if not 64 <= getattr(self, name) <= most or getattr(self, name) % 16:
                raise ValueError(f"{name}: want a multiple of 16, 64 to {most}")
        if not 1 <= self.rate_fps <= 60:
            raise ValueError("rate_fps: want 1 to 60")
        _check_silence(self.silence_s)


SourceSettings = ClipSource | PatternSource
"""What `[camera.source]` may be; `kind` decides, `clip` where it is not given."""


def _open_clip(settings: ClipSource) -> FrameSource:
    window = settings.window
    return Clip(
        settings.clip.expanduser(),
        (window[0], window[1], window[2], window[3]) if window else None,
        follow_clock=settings.follow_clock,
    )


def _open_pattern(settings: PatternSource) -> FrameSource:
    return TestPattern(settings.width, settings.height, Fraction(settings.rate_fps))


SOURCES: dict[type, Callable[[Any], FrameSource]] = {ClipSource: _open_clip, PatternSource: _open_pattern}


def open_source(settings: SourceSettings) -> FrameSource:
    """The sensor that the configuration names, ended when it falls silent.

    Raises:
        ConfigError: it cannot be opened.
    """
    return EndsOnSilence(SOURCES[type(settings)](settings), settings.silence_s)


def _check_silence(silence_s: float) -> None:
    if not 0.5 <= silence_s <= 600:
        raise ValueError("silence_s: want 0.5 to 600")
