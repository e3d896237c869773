"""What a PLAY request asks for, and playing it: pace, range, direction, key frames only (ONVIF Streaming 26.06, 6)."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from onvif.rtsp.replay_rtp import Mark

_CLOCK = re.compile(r"clock=(\d{8}T\d{6}(?:\.\d+)?Z)?-(\d{8}T\d{6}(?:\.\d+)?Z)?")
_REPORT_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
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
class Described:
    """What a recording has: codecs of its video (`H264`, `H265`) as they came, and its range."""

    codecs: tuple[str, ...]
    start_us: int
    end_us: int
    tracks: tuple[str, ...]


class Archive(Protocol):
    """Recordings, as the replay server needs them."""

    async def describe(self, token: str) -> Described | None:
        """None when there is no such recording or nothing in it."""

    def samples(
        self, token: str, start_us: int, end_us: int | None, *, reverse: bool, who: str
    ) -> AsyncIterator[Sample]:
        """From the key frame at or before `start_us`; in reverse GOP by GOP backwards, each in decoding order.

        `who` is the user who watches.
        """


@dataclass(frozen=True, slots=True)
class Wish:
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

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Wish":
        """Read the headers of a PLAY request.

        Raises:
            ValueError: a header that cannot be obeyed (457, or 501 for the scale).
        """
        start, end = read_range(headers["range"]) if "range" in headers else (None, None)
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
        )


def read_range(text: str) -> tuple[int | None, int | None]:
    """UTC microseconds of a `clock=` range; raises ValueError for another."""
    if text.strip().startswith("npt="):
        return None, None
    found = _CLOCK.fullmatch(text.strip().partition(";")[0].replace(" ", ""))
    if found is None:
        raise ValueError(f"{text[:60]!r} is no range of absolute time")
    return _moment(found.group(1)), _moment(found.group(2))


def clock_text(us: int) -> str:
    """A moment as RTSP writes it (RFC 2326, 3.7)."""
    at = datetime.fromtimestamp(us / 1e6, UTC)
    return f"{at:%Y%m%dT%H%M%S}.{us % 1_000_000 // 10_000:02d}Z"


async def play(
    samples: AsyncIterator[Sample],
    wish: Wish,
    send: Callable[[Sample, Mark], Awaitable[None]],
    report: Callable[[int], Awaitable[None]],
) -> None:
    """Send samples at the pace of the wish until they end."""
    began_s, reported_s = time.monotonic(), 0.0
    first_us: int | None = None
    sections: dict[str, int] = {}
    held: dict[str, tuple[Sample, Mark]] = {}
    async for sample in samples:
        if wish.keys_only and sample.track == "video" and not sample.clean:
            continue
        if first_us is None:
            first_us = sample.utc_us
        if wish.rate_control:
            due_s = began_s + abs(sample.utc_us - first_us) / 1e6 / wish.speed
            await asyncio.sleep(max(due_s - time.monotonic(), 0.0))
        if time.monotonic() - reported_s > _REPORT_EVERY_S or not reported_s:
            reported_s = time.monotonic()
            await report(sample.utc_us)
        broken = sections.get(sample.track) != sample.section or wish.keys_only
        sections[sample.track] = sample.section
        # A sample is held back until the next one of its track tells whether it was the last of its section.
        if sample.track in held:
            last, told = held[sample.track]
            await send(last, replace(told, end=last.section != sample.section))
        mark = Mark(sample.utc_us, sample.clean, end=False, discontinuous=broken, sequence=wish.sequence)
        held[sample.track] = sample, mark
    for last, told in held.values():
        await send(last, replace(told, end=True))


def _moment(text: str | None) -> int | None:
    if not text:
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.strptime(whole, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return int(at.timestamp()) * 1_000_000 + int((fraction + "000000")[:6] if fraction else 0)
