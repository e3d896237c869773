"""The video packets of one camera, with decode times that only grow and the wall clock of each.

PyAV over RTSP, interleaved in TCP (RFC 2326 §10.12) unless told otherwise. The wall clock is the camera's own, out of
its RTCP sender reports (RFC 3550 §6.4.1), which libavformat hands out as `prft` side data from the first report on.
"""

import logging
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlsplit, urlunsplit

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from nvr_box.record.credentials_guard import CredentialsGuard
from nvr_box.record.fmp4 import TIMESCALE
from nvr_box.record.plain import plain
from wire.base.errors import PeerError

log = logging.getLogger(__name__)
_OPEN_S, _SILENCE_S = 10.0, 4.0
_RTSP = {
    # Both, since servers may hold back sender reports of a media that is set up in part; never sound.
    "allowed_media_types": "video+data",
    "analyzeduration": "1000000",
    "fflags": "nobuffer",
}
# Beyond this a step of the decode time is a break (the first sender report moves it, a camera restarts), not a pause.
_BREAK_90K = 5 * TIMESCALE
# A camera whose clock is further off than this is recorded by the box's clock instead.
CLOCK_TOLERANCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Timed:
    """One packet with its place in time.

    Attributes:
        dts_90k: from 0 at the first packet, always growing.
        pts_90k: at or after `dts_90k`.
        step_90k: since the packet before; what this one is assumed to last until the next arrives.
        utc_us: when it was taken, as well as known.
        offset_s: the camera's clock minus the box's; None before its first sender report.
    """

    packet: "Packet[VideoStream]"
    key: bool
    dts_90k: int
    pts_90k: int
    step_90k: int
    utc_us: int
    offset_s: float | None


class Source:
    """An open stream. Belongs to one thread; `close` in the same."""

    def __init__(self, uri: str, user: str, password: str, transport: str = "tcp") -> None:
        """Open it. A path instead of an RTSP address is read like a stream, as fast as it comes.

        Args:
            transport: `tcp` (interleaved), `udp`, or `http` (the tunnel).

        Raises:
            PeerError: unreachable, refused, or without video.
        """
        rtsp = uri.startswith(("rtsp://", "rtsps://"))
        self._guard: CredentialsGuard | None = None
        try:
            if uri.startswith("rtsp://") and user:
                self._guard = CredentialsGuard(uri, _OPEN_S, tunnel=transport == "http")
            address = self._guard.uri if self._guard else uri
            self._container: InputContainer = av.open(
                _with_credentials(address, user, password) if rtsp else uri,
                options=_RTSP | {"rtsp_transport": transport} if rtsp else {},
                timeout=(_OPEN_S, _SILENCE_S) if rtsp else None,
            )
        except (av.FFmpegError, OSError) as error:
            raise PeerError(f"the stream cannot be opened: {self._refusal() or _why(error)}") from error
        if not self._container.streams.video:
            self.close()
            raise PeerError("the stream has no video")
        self.stream = self._container.streams.video[0]

    @property
    def rate_fps(self) -> float:
        """The nominal frame rate, 0 when the stream does not say."""
        return float(self.stream.average_rate or self.stream.guessed_rate or 0)

    def packets(self, metadata: Callable[[bytes], None]) -> Iterator[Timed]:
        """Video packets as they come; ends when the stream does.

        Args:
            metadata: called with each RTP payload of the metadata track.

        Raises:
            PeerError: the camera went silent or the connection broke.
        """
        per_tick = float(self.stream.time_base or 0) * TIMESCALE
        nominal = int(TIMESCALE / self.rate_fps) if self.rate_fps else TIMESCALE // 25
        dts = 0
        last = None
        step = nominal
        try:
            for packet in self._container.demux():
                if not packet.size:
                    continue
                if packet.stream.type == "data":
                    metadata(bytes(packet))
                if packet.stream.index != self.stream.index:
                    continue
                video = cast("Packet[VideoStream]", packet)
                stamp = packet.dts if packet.dts is not None else packet.pts
                if stamp is None:
                    stamp = 0 if last is None else last + int(nominal / per_tick)
                if last is not None:
                    moved = round((stamp - last) * per_tick)
                    step = moved if 0 < moved <= _BREAK_90K else nominal
                    dts += step
                last = stamp
                ahead = round(((packet.pts if packet.pts is not None else stamp) - stamp) * per_tick)
                utc_us, offset_s = _wall_clock(video)
                pts = dts + max(0, min(ahead, _BREAK_90K))
                yield Timed(video, packet.is_keyframe, dts, pts, step, utc_us, offset_s)
        except (av.FFmpegError, OSError) as error:
            raise PeerError(f"the stream broke off: {self._refusal() or _why(error)}") from error

    def close(self) -> None:
        """Close the connection."""
        self._container.close()
        if self._guard is not None:
            self._guard.close()

    def _refusal(self) -> str:
        """What the guard of the password ended the connection for; it has ended with it."""
        if self._guard is None:
            return ""
        self._guard.close()
        return self._guard.refusal


def _wall_clock(packet: "Packet[VideoStream]") -> tuple[int, float | None]:
    now_us = time.time_ns() // 1000
    if not packet.has_sidedata("prft"):
        return now_us, None
    # AVProducerReferenceTime: int64 microseconds, int flags.
    (camera_us,) = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))
    offset_s = (camera_us - now_us) / 1e6
    return (camera_us if abs(offset_s) <= CLOCK_TOLERANCE_S else now_us), offset_s


def _with_credentials(uri: str, user: str, password: str) -> str:
    parts = urlsplit(uri)
    if not user:
        return uri
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))


def _why(error: Exception) -> str:
    """The reason without the address, which holds the password."""
    said = getattr(error, "strerror", None) or type(error).__name__
    log.debug("libav: %s", said)
    return plain(said)
