"""What each video encoder of a camera can be set to: sizes, rates and ranges that it really delivers.

Sizes keep the sensor's aspect. The highest rate of an encoding is what this machine was measured to encode with both
encoders at their largest and fastest at once, in the quality and with the groups of pictures that the operator
configured. Better quality or shorter groups cost more: their rate ends where the encoder's share of the processor
does, so what is promised to one client holds whatever another one sets.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from firmware.encode.settings import EncoderSettings, VideoFormat
from firmware.encode.speed import seconds_per_picture
from firmware.mask.grid import MB
from firmware.stream.channels import Shape
from wire.nal import Codec

QUALITY = (0.0, 100.0)
BITRATE_KBPS = (64, 16_384)
"""A limit at the upper end means constant quality: nothing is held back."""
GOP_FRAMES = (1, 250)
_FRACTIONS = tuple(Fraction(*pair) for pair in ((1, 1), (5, 6), (2, 3), (1, 2), (1, 3), (1, 4)))
_ASPECT_TOLERANCE = 0.015
_LEAST_SIDE = 64
_MAIN_SHARE, _SUB_SHARE = 0.6, 0.15
"""Of one processor core; the rest is for eyes, masks and snapshots."""
_OTHER_PRESET = "ultrafast"
"""Of a codec that `camera.toml` says nothing about: software H.265 costs several times what H.264 does."""


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """What one encoder can be set to, for one encoding; rates fall from the highest; JPEG has no profile and GOP."""

    encoding: str
    sizes: tuple[tuple[int, int], ...]
    rates_fps: tuple[float, ...]
    profile: str | None
    quality: tuple[float, float] = QUALITY
    bitrate_kbps: tuple[int, int] = BITRATE_KBPS
    gop_frames: tuple[int, int] | None = GOP_FRAMES


def possible(source: Shape, configured: EncoderSettings, *, sealed: bool) -> tuple[VideoOptions, ...]:
    """One entry per encoding that an encoder can produce.

    Args:
        configured: its settings in `camera.toml`.
        sealed: whether it is the main stream's, with the originals in it.
    """
    sizes = _sizes(source, MB if sealed else 4)
    coded = sizes if sealed else tuple(size for size in sizes if 2 * size[0] <= source.width)
    found = []
    for encoding in ("H264", "H265"):
        settings = coding(configured, encoding)
        largest = VideoFormat(width=coded[0][0], height=coded[0][1], rate=source.rate, coding=settings)
        rates = _rates(source.rate, share(sealed) / seconds_per_picture(largest, sealed=sealed))
        if encoding.lower() == configured.codec:
            rates = rates or (1.0,)
        if rates:
            found.append(VideoOptions(encoding, coded, rates, profile(settings)))
    if not sealed:
        # A JPEG picture costs a fraction of the others. There is no room in it for originals.
        found.append(VideoOptions("JPEG", sizes, _rates(source.rate, float(source.rate)), None, gop_frames=None))
    return tuple(found)


def share(sealed: bool) -> float:  # noqa: FBT001 - of one of the two encoders
    """CPU seconds a second that an encoder may take: the main one, which seals originals, or the sub one."""
    return _MAIN_SHARE if sealed else _SUB_SHARE


def affordable(wanted: VideoFormat, configured: VideoFormat, *, sealed: bool) -> VideoFormat:
    """With the rate that its encoder's share of the processor allows: whole pictures a second, at least one.

    What the operator configured is not judged, and an encoder may take what that takes.
    """
    if wanted.jpeg_quality is not None or wanted.coding == configured.coding:
        return wanted
    usual = float(configured.rate) * seconds_per_picture(configured, sealed=sealed)
    most_fps = max(share(sealed), usual) / seconds_per_picture(wanted, sealed=sealed)
    return wanted if wanted.rate <= most_fps else replace(wanted, rate=Fraction(max(1, int(most_fps))))


def coding(configured: EncoderSettings, encoding: str) -> EncoderSettings:
    """The settings for an encoding, after those that the operator wrote; JPEG has none and leaves them."""
    codec = encoding.lower()
    if encoding == "JPEG" or codec == configured.codec:
        return configured
    both = configured.payload_codec == configured.codec
    return replace(
        configured, codec=codec, preset=_OTHER_PRESET,
        # Whether both encoders agree on an IDR picture is found by trying, which takes this codec seconds.
        shared_idr=False,
        payload_codec=codec if both else configured.payload_codec,
        payload_preset=_OTHER_PRESET if both else configured.payload_preset,
    )  # fmt: skip


def profile(settings: EncoderSettings) -> str:
    """What the encoder makes of the tools that its preset allows, in ONVIF's words."""
    if settings.base is Codec.H265:
        return "Main"
    return "Baseline" if settings.preset == "ultrafast" else "High"


def rate_of(source: Shape, rate_fps: float) -> Fraction:
    """The exact rate behind a number that a client sent."""
    return source.rate if abs(rate_fps - float(source.rate)) < 0.01 else Fraction(rate_fps).limit_denominator(1001)


def _sizes(source: Shape, step: int) -> tuple[tuple[int, int], ...]:
    """Sizes of the sensor's aspect, the largest first, both sides multiples of `step`."""
    found = {(source.width, source.height)}
    if step < MB:
        found.add((source.width // 2, source.height // 2))
    aspect = source.width / source.height
    for fraction in _FRACTIONS:
        width = round(source.width * fraction / step) * step
        height = round(source.height * fraction / step) * step
        if min(width, height) >= _LEAST_SIDE and abs(width / height / aspect - 1) <= _ASPECT_TOLERANCE:
            found.add((width, height))
    return tuple(sorted(found, reverse=True))


def _rates(source: Fraction, most_fps: float) -> tuple[float, ...]:
    """The sensor's rate and the whole numbers below it, as far as `most_fps` allows."""
    whole = [float(number) for number in range(int(source), 0, -1) if number < source]
    return tuple(rate for rate in (float(source), *whole) if rate <= most_fps)
