"""Video encoders as ONVIF configures them, over the running streams.

ONVIF speaks of encoding, resolution, quality, rate, bit rate and GOP; the streams of `firmware.stream.live` of
quantiser and bit rate.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from firmware.encode.settings import EncoderSettings, VideoFormat
from firmware.media_state import VideoEncoder
from firmware.services.video_options import (
    BITRATE_KBPS,
    QUALITY,
    VideoOptions,
    affordable,
    coding,
    possible,
    profile,
    rate_of,
)
from firmware.settings import Settings
from firmware.stream.live import TOKENS, PipelineControl
from onvif.errors import invalid

_BEST_QP, _WORST_QP = 18, 44
_BEST_JPEG, _WORST_JPEG = 95, 10
_REFUSED = "ConfigModify"


@dataclass(frozen=True, slots=True)
class Video:
    """One encoder as it is set now."""

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
    profile: str | None
    stored: VideoEncoder


class Encoders:
    """The video encoders of one camera. Applies the stored settings once when made; any thread."""

    def __init__(self, live: PipelineControl, settings: Settings) -> None:
        self._live = live
        self._settings = settings
        self._changing = threading.Lock()
        self._defaults: Mapping[str, VideoFormat] = {token: live.video(token) for token in TOKENS}
        self._options = {
            token: possible(live.source, self._defaults[token].coding, sealed=token == TOKENS[0]) for token in TOKENS
        }
        for token in TOKENS:
            self.apply(token)

    @property
    def tokens(self) -> tuple[str, ...]:
        return TOKENS

    def get(self, token: str) -> Video:
        """Raises Fault ter:NoConfig."""
        if token not in TOKENS:
            raise invalid(f"there is no video encoder configuration {token[:64]!r}", "NoConfig")
        stored = self._settings.media.value.encoders[token]
        wanted = self._format(token, stored)
        return Video(
            token=token,
            name=stored.name,
            encoding=wanted.encoding,
            width=wanted.width,
            height=wanted.height,
            quality=stored.quality if stored.quality is not None else _quality(wanted.coding.qp),
            rate_fps=float(wanted.rate),
            limit_kbps=BITRATE_KBPS[1] if wanted.coding.bitrate_bps is None else wanted.coding.bitrate_bps // 1000,
            constant=stored.constant,
            gop_frames=wanted.coding.gop_frames,
            profile=profile(wanted.coding) if wanted.jpeg_quality is None else None,
            stored=stored,
        )

    def options(self, token: str) -> tuple[VideoOptions, ...]:
        """One entry per encoding that this encoder can produce; what it is set to is among them."""
        video = self.get(token)
        return tuple(
            replace(option, rates_fps=tuple(sorted({*option.rates_fps, video.rate_fps}, reverse=True)))
            if option.encoding == video.encoding
            else option
            for option in self._options[token]
        )

    def generic(self) -> tuple[VideoOptions, ...]:
        """One entry per encoding that any of the encoders can produce."""
        found: dict[str, VideoOptions] = {}
        for token in TOKENS:
            for option in self.options(token):
                found.setdefault(option.encoding, option)
        return tuple(found.values())

    def instances(self) -> dict[str, int]:
        """How many of the encoders can run an encoding at once, at their largest and fastest, by encoding."""
        able = [option.encoding for token in TOKENS for option in self._options[token]]
        return {encoding: able.count(encoding) for encoding in sorted(set(able))}

    def set(self, token: str, wanted: VideoEncoder, profile: str | None = None) -> None:
        """Check against the options and keep; `apply` makes it run.

        Args:
            profile: of the codec, where the client names one; each encoding has one here.

        A bit rate that is out of range is moved into it, as ONVIF demands of SetVideoEncoderConfiguration.

        Raises:
            Fault: ter:ConfigModify for everything else that is not offered.
        """
        video = self.get(token)
        encoding = wanted.encoding or video.encoding
        option = next((candidate for candidate in self.options(token) if candidate.encoding == encoding), None)
        if option is None:
            raise invalid(f"the encoding {encoding[:20]!r} is not offered here", _REFUSED)
        if profile is not None and option.profile not in (None, profile):
            raise invalid(f"the profile {profile[:32]!r} is not offered", _REFUSED)
        size = wanted.width or video.width, wanted.height or video.height
        if size not in option.sizes:
            raise invalid(f"the resolution {size[0]}x{size[1]} is not offered for {encoding}", _REFUSED)
        _within("quality", wanted.quality, option.quality)
        if option.gop_frames is not None:
            _within("GOP length", wanted.gop_frames, option.gop_frames)
        _within("frame rate", wanted.rate_fps, (min(option.rates_fps), max(option.rates_fps)))
        if wanted.limit_kbps is not None:
            least, most = option.bitrate_kbps
            wanted = replace(wanted, limit_kbps=min(max(wanted.limit_kbps, least), most))
        encoders = {**self._settings.media.value.encoders, token: wanted}
        self._settings.media.change(encoders=encoders)

    def apply(self, token: str) -> None:
        """Make the stream what is kept of it, from the next picture on; takes up to a second, for a thread."""
        with self._changing:
            wanted = self._format(token, self._settings.media.value.encoders[token])
            if wanted != self._live.video(token):
                self._live.set_video(token, wanted)

    def _format(self, token: str, stored: VideoEncoder) -> VideoFormat:
        base, source = self._defaults[token], self._live.source
        encoding = stored.encoding or base.encoding
        option = next((candidate for candidate in self._options[token] if candidate.encoding == encoding), None)
        if option is None:  # kept from before the camera was given another sensor or machine
            encoding, stored = base.encoding, replace(stored, width=None, rate_fps=None)
        elif (stored.width, stored.height) not in option.sizes:
            stored = replace(stored, width=None)
        settings = _coded(coding(base.coding, encoding), stored)
        quality = stored.quality if stored.quality is not None else _quality(settings.qp)
        wanted = VideoFormat(
            width=stored.width or base.width,
            height=stored.height if stored.width and stored.height else base.height,
            rate=base.rate if stored.rate_fps is None else min(rate_of(source, stored.rate_fps), source.rate),
            coding=settings,
            jpeg_quality=_jpeg_quality(quality) if encoding == "JPEG" else None,
        )
        return affordable(wanted, base, sealed=token == TOKENS[0])


def _coded(base: EncoderSettings, stored: VideoEncoder) -> EncoderSettings:
    limit = base.bitrate_bps if stored.limit_kbps is None else stored.limit_kbps * 1000
    return replace(
        base,
        qp=_quantiser(stored.quality) if stored.quality is not None else base.qp,
        gop_frames=stored.gop_frames or base.gop_frames,
        # The highest limit holds nothing back, unless it is to be kept to all the time.
        bitrate_bps=None if stored.limit_kbps == BITRATE_KBPS[1] and not stored.constant else limit,
    )


def _within(what: str, value: float | None, limits: tuple[float, float]) -> None:
    if value is not None and not limits[0] <= value <= limits[1]:
        raise invalid(f"the {what} has to be {limits[0]:g} to {limits[1]:g}, not {value:g}", _REFUSED)


def _quantiser(quality: float) -> int:
    return round(_WORST_QP - (_WORST_QP - _BEST_QP) * quality / QUALITY[1])


def _jpeg_quality(quality: float) -> int:
    return round(_WORST_JPEG + (_BEST_JPEG - _WORST_JPEG) * quality / QUALITY[1])


def _quality(quantiser: int) -> float:
    return min(max(round((_WORST_QP - quantiser) * QUALITY[1] / (_WORST_QP - _BEST_QP)), 0.0), QUALITY[1])
