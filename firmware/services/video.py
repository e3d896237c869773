"""Video encoders as ONVIF configures them, over the running streams.

ONVIF speaks of encoding, resolution, quality, rate, bit rate and GOP; the streams of `firmware.live` of quantiser and
bit rate. The options tell what the stream of that token really delivers, no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from firmware.encode.settings import EncoderSettings
from firmware.live import TOKENS, Live
from firmware.services.media_state import VideoEncoder
from firmware.settings import Settings
from onvif.errors import invalid

QUALITY = (0.0, 100.0)
BITRATE_KBPS = (64, 16_384)
"""A limit at the upper end means constant quality: nothing is held back."""
GOP_FRAMES = (1, 250)
_BEST_QP, _WORST_QP = 18, 44
_CODECS = {"H264": "h264"}


@dataclass(frozen=True, slots=True)
class Video:
    """One encoder as it runs now."""

    token: str
    name: str
    encoding: str
    width: int
    height: int
    quality: float
    rate_fps: float
    limit_kbps: int
    constant: bool
    gop_frames: int
    stored: VideoEncoder


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """What one encoder can be set to, for one encoding."""

    encoding: str
    sizes: tuple[tuple[int, int], ...]
    rates_fps: tuple[float, ...]
    quality: tuple[float, float] = QUALITY
    bitrate_kbps: tuple[int, int] = BITRATE_KBPS
    gop_frames: tuple[int, int] = GOP_FRAMES


class Encoders:
    """The video encoders of one camera. Applies the stored settings once when made."""

    def __init__(self, live: Live, settings: Settings) -> None:
        self._live = live
        self._settings = settings
        self._defaults: Mapping[str, EncoderSettings] = {token: live.video(token) for token in TOKENS}
        for token in TOKENS:
            self._apply(token)

    @property
    def tokens(self) -> tuple[str, ...]:
        return TOKENS

    def get(self, token: str) -> Video:
        """Raises Fault ter:NoConfig."""
        if token not in TOKENS:
            raise invalid(f"there is no video encoder configuration {token[:64]!r}", "NoConfig")
        stored, running = self._settings.media.value.encoders[token], self._live.video(token)
        width, height = self._live.size(token)
        return Video(
            token=token,
            name=stored.name,
            encoding="H264",
            width=width,
            height=height,
            quality=stored.quality if stored.quality is not None else _quality(running.qp),
            rate_fps=float(self._live.rate),
            limit_kbps=stored.limit_kbps or BITRATE_KBPS[1],
            constant=stored.constant,
            gop_frames=running.gop_frames,
            stored=stored,
        )

    def options(self, token: str) -> tuple[VideoOptions, ...]:
        """One entry per encoding that this encoder can produce."""
        video = self.get(token)
        return tuple(VideoOptions(encoding, ((video.width, video.height),), (video.rate_fps,)) for encoding in _CODECS)

    def set(self, token: str, wanted: VideoEncoder) -> None:
        """Check against the options, keep, apply from the next picture on; raises Fault ter:ConfigModify."""
        video = self.get(token)
        allowed = {option.encoding: option for option in self.options(token)}
        encoding = wanted.encoding or video.encoding
        if encoding not in allowed:
            raise invalid(f"the encoding {encoding[:20]!r} is not offered here", "ConfigModify")
        option = allowed[encoding]
        if (wanted.width or video.width, wanted.height or video.height) not in option.sizes:
            raise invalid("this resolution is not offered", "ConfigModify")
        _within("quality", wanted.quality, option.quality)
        _within("bit rate", wanted.limit_kbps, option.bitrate_kbps)
        _within("GOP length", wanted.gop_frames, option.gop_frames)
        _within("frame rate", wanted.rate_fps, (min(option.rates_fps), max(option.rates_fps)))
        if wanted.limit_kbps == BITRATE_KBPS[1] and not wanted.constant:
            wanted = replace(wanted, limit_kbps=None)
        encoders = {**self._settings.media.value.encoders, token: wanted}
        self._settings.media.change(encoders=encoders)
        self._apply(token)

    def _apply(self, token: str) -> None:
        stored, base = self._settings.media.value.encoders[token], self._defaults[token]
        wanted = replace(
            base,
            qp=_quantiser(stored.quality) if stored.quality is not None else base.qp,
            gop_frames=stored.gop_frames or base.gop_frames,
            bitrate_bps=stored.limit_kbps * 1000 if stored.limit_kbps is not None else base.bitrate_bps,
        )
        if wanted != self._live.video(token):
            self._live.set_video(token, wanted)


def _within(what: str, value: float | None, limits: tuple[float, float]) -> None:
    if value is not None and not limits[0] <= value <= limits[1]:
        raise invalid(f"the {what} has to be {limits[0]:g} to {limits[1]:g}, not {value:g}", "ConfigModify")


def _quantiser(quality: float) -> int:
    return round(_WORST_QP - (_WORST_QP - _BEST_QP) * quality / QUALITY[1])


def _quality(quantiser: int) -> float:
    return min(max(round((_WORST_QP - quantiser) * QUALITY[1] / (_WORST_QP - _BEST_QP)), 0.0), QUALITY[1])
