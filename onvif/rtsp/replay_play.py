"""What a PLAY request wants, and playing it: pace, range, direction, key frames only (ONVIF Streaming 26.06, 6)."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from onvif.rtsp.replay_rtp import Mark

_CLOCK = re.compile(r"clock=(\d{8}T\d{6}(?:\.\d+)?Z)?-(\d{8}T\d{6}(?:\.\d+)?Z)?")
_NPT_TIME = r"(now|\d{1,9}(?::[0-5]?\d:[0-5]?\d)?(?:\.\d*)?)?"
_NPT = re.compile(f"npt={_NPT_TIME}-{_NPT_TIME}")
_REPORT_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class ReplaySample:
    """One recorded sample: an access unit (Annex B) of the track `video`, or a document of `metadata`."""

    track: str
    data: bytes
    utc_us: int
    clean: bool
    section: int
    """Samples of one number follow each other without a gap."""
    codec: str = ""
    """Of a picture: `H264`, `H265`."""


@dataclass(frozen=True, slots=True)
class ReplayDescription:
    """What a recording has: codecs of its video (`H264`, `H265`) as they came, and its range."""

    codecs: tuple[str, ...]
    start_us: int
    end_us: int
    tracks: tuple[str, ...]
    parameter_sets: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    """By codec: NAL units that its latest pictures are decoded with; those of earlier ones come with the pictures."""


class Archive(Protocol):
    """Recordings, as the replay server needs them."""

    async def describe(self, token: str) -> ReplayDescription | None:
        """None when there is no such recording or nothing in it."""

    def samples(
        self, token: str, start_us: int, end_us: int | None, *, reverse: bool, user: str
    ) -> AsyncIterator[ReplaySample]:
        """From the key frame at or before `start_us`; in reverse GOP by GOP backwards, each in decoding order.

        `user` is the user that watches.
        """


@dataclass(frozen=True, slots=True)
class PlayRequest:
    """A PLAY request understood.

    Args:
        start_us, end_us: UTC; None for where the session stands and for the end of the recording.
        speed: positive; ignored without rate control.
    """

    start_us: int | None
    end_us: int | None
    reverse: bool = False
    speed: float = 1.0
    rate_control: bool = True
    keys_only: bool = False
    sequence: int = 0
    by_npt: bool = False

    @classmethod
    def of(cls, headers: Mapping[str, str], zero_us: int = 0) -> "PlayRequest":
        """Read the headers of a PLAY request.

        Args:
            zero_us: UTC of normal play time zero, the beginning of the recording.

        Raises:
            ValueError: a header that cannot be obeyed (457, or 501 for the scale).
        """
        span = headers.get("range", "")
        start, end = read_range(span, zero_us) if span else (None, None)
        scale = float(headers.get("scale", "1.0"))
        if not 0.1 <= abs(scale) <= 16:
            raise ValueError("a scale of 0.1 to 16 in either direction can be played")
        frames = headers.get("frames", "all").strip().lower()
        if not re.fullmatch(r"all|predicted|intra(/\d+)?", frames):
            raise ValueError("Frames is all, predicted or intra")
        return cls(
            start_us=start,
            end_us=end,
            reverse=scale < 0,
            speed=abs(scale),
            rate_control=headers.get("rate-control", "yes").strip().lower() != "no",
            keys_only=frames.startswith("intra"),
            sequence=int(headers.get("cseq", "0")) & 0xFF,
            by_npt=span.strip().startswith("npt"),
        )

    def runs_from(self, start_us: int) -> bool:
        """Whether the end lies on the side of this start that is played towards."""
        return self.end_us is None or (self.end_us <= start_us if self.reverse else self.end_us >= start_us)

    def range_text(self, start_us: int, end_us: int | None, zero_us: int) -> str:
        """The Range of the answer, in the unit of the question."""
        if not self.by_npt:
            return f"clock={clock_text(start_us)}-{clock_text(end_us) if end_us is not None else ''}"
        end = f"{(end_us - zero_us) / 1e6:.3f}" if end_us is not None else ""
        return f"npt={(start_us - zero_us) / 1e6:.3f}-{end}"


def read_range(text: str, zero_us: int = 0) -> tuple[int | None, int | None]:
    """UTC microseconds of a `clock=` or `npt=` range (RFC 2326 3.7, 3.6); `now` is where the session stands.

    Args:
        zero_us: UTC of normal play time zero.

    Raises:
        ValueError: it is neither.
    """
    plain = text.strip().partition(";")[0].replace(" ", "")
    if (found := _CLOCK.fullmatch(plain)) is not None:
        return _moment(found[1]), _moment(found[2])
    if (found := _NPT.fullmatch(plain)) is not None and (found[1] or found[2]):
        return _after(found[1], zero_us), _after(found[2], zero_us)
    raise ValueError(f"{text[:60]!r} is no range of absolute or normal play time")


def clock_text(us: int) -> str:
    """A moment as RTSP writes it (RFC 2326, 3.7)."""
    at = datetime.fromtimestamp(us / 1e6, UTC)
    return f"{at:%Y%m%dT%H%M%S}.{us % 1_000_000 // 10_000:02d}Z"


async def play(
    samples: AsyncIterator[ReplaySample],
    play_request: PlayRequest,
    send: Callable[[ReplaySample, Mark], Awaitable[None]],
    report: Callable[[int], Awaitable[None]],
) -> None:
    """Send samples at the pace of the request until they end."""
    began_s, reported_s = time.monotonic(), 0.0
    first_us: int | None = None
    sections: dict[str, int] = {}
    held: dict[str, tuple[ReplaySample, Mark]] = {}
    async for sample in samples:
        if play_request.keys_only and sample.track == "video" and not sample.clean:
            continue
        if first_us is None:
            first_us = sample.utc_us
        if play_request.rate_control:
            due_s = began_s + abs(sample.utc_us - first_us) / 1e6 / play_request.speed
            await asyncio.sleep(max(due_s - time.monotonic(), 0.0))
        if time.monotonic() - reported_s > _REPORT_EVERY_S or not reported_s:
            reported_s = time.monotonic()
            await report(sample.utc_us)
        broken = sections.get(sample.track) != sample.section or play_request.keys_only
        sections[sample.track] = sample.section
        # A sample is held back until the next one of its track shows whether it was the last of its section.
        if sample.track in held:
            last, last_mark = held[sample.track]
            await send(last, replace(last_mark, end=last.section != sample.section))
        mark = Mark(sample.utc_us, sample.clean, end=False, discontinuous=broken, sequence=play_request.sequence)
        held[sample.track] = sample, mark
    for last, last_mark in held.values():
        await send(last, replace(last_mark, end=True))


def _moment(text: str | None) -> int | None:
    if not text:
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.strptime(whole, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return int(at.timestamp()) * 1_000_000 + int((fraction + "000000")[:6] if fraction else 0)


def _after(text: str | None, zero_us: int) -> int | None:
    """`npt-sec` or `npt-hhmmss` after zero; None for an open side and for `now`."""
    if not text or text == "now":
        return None
    whole, _, fraction = text.partition(".")
    hours, minutes, seconds = (int(part) for part in (whole if ":" in whole else f"0:0:{whole}").split(":"))
    return zero_us + (hours * 3600 + minutes * 60 + seconds) * 1_000_000 + int((fraction + "000000")[:6])
