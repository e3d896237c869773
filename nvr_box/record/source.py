"""The video packets of one camera, with decode times that only grow and the wall clock of each.

PyAV over RTSP, interleaved in TCP (RFC 2326 §10.12) unless set otherwise. The wall clock is the camera's own, out of
its RTCP sender reports (RFC 3550 §6.4.1), which libavformat hands out as `prft` side data from the first report on.
"""

import logging
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlsplit, urlunsplit

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from base.errors import PeerError
from nvr_box.record.credentials_guard import CredentialsGuard
from nvr_box.record.fmp4 import TIMESCALE
from nvr_box.record.plain import plain
from nvr_box.record.recovery_point import is_recovery_point
from nvr_box.record.timing import CLOCK_TOLERANCE_S, StreamTiming, held_for_us

__all__ = ["CLOCK_TOLERANCE_S", "RecordedStream", "SignInRefused", "Timed"]

log = logging.getLogger(__name__)
_OPEN_S, _SILENCE_S = 10.0, 4.0
# A camera that saves bits sends a picture in many seconds, and reports in between; it is alive for as long as bytes
# come, and lost when nothing but reports came for so long. In between the recorder checks whether it is to stop.
_LOOK_UP_S, _PICTURELESS_S = 20.0, 60.0
_SCHEMES = frozenset({"rtsp", "rtsps"})
_TRANSPORTS = frozenset({"tcp", "udp", "http"})
_RTSP = {
    # Both, since servers may hold back sender reports of a media that is set up in part; never sound.
    "allowed_media_types": "video+data",
    "analyzeduration": "1000000",
    # What a description may lead to: nothing but streams, and no file of this machine.
    "protocol_whitelist": "tcp,udp,rtp,srtp,tls,http,https",
}
_AHEAD_90K = 5 * TIMESCALE
# What was held while the stream was analysed comes in one go; a read that takes longer waited for the camera.
_AT_ONCE_S = 0.02
_MOST_HELD = 512


class SignInRefused(PeerError):
    """The camera refuses the user or the password; trying on may lock others out of it."""


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


class RecordedStream:
    """An open stream. Belongs to one thread; `close` in the same.

    Attributes:
        stopping: called now and then while no picture comes; ends `packets` when true.
    """

    stopping: Callable[[], bool] = staticmethod(lambda: False)
    _opened_s = 0.0
    _guard: CredentialsGuard | None = None

    def __init__(self, uri: str, user: str, password: str, transport: str = "tcp") -> None:
        """Open it.

        Args:
            uri: of RTSP or RTSPS.
            transport: `tcp` (interleaved), `udp`, or `http` (the tunnel).

        Raises:
            SignInRefused: the user or the password is wrong.
            PeerError: no address of RTSP, unreachable, refused, or without video.
        """
        options = _RTSP | {
            "rtsp_transport": transport if transport in _TRANSPORTS else "tcp",
            "timeout": str(int(_SILENCE_S * 1_000_000)),
        }
        began_mono_s = time.monotonic()
        try:
            whole = _with_credentials(uri, user, password)
        except ValueError as error:
            raise PeerError("the stream's address is none of RTSP") from error
        try:
            if urlsplit(uri).scheme.lower() == "rtsp" and (user or transport != "udp"):
                self._guard = CredentialsGuard(uri, _OPEN_S, tunnel=transport == "http")
                whole = _with_credentials(self._guard.uri, user, password)
            container = av.open(whole, format="rtsp", options=options, timeout=(_OPEN_S, _LOOK_UP_S))
        except av.HTTPUnauthorizedError as error:
            if refusal := self._refusal():
                raise PeerError(f"the stream cannot be opened: {refusal}") from error
            raise SignInRefused("the camera refuses the user or the password") from error
        except (av.FFmpegError, OSError, ValueError) as error:
            raise PeerError(f"the stream cannot be opened: {self._refusal() or _why(error)}") from error
        self._choose_track(container)
        self._opened_s = time.monotonic() - began_mono_s

    def _choose_track(self, container: InputContainer) -> None:
        """Record the largest of its pictures: a camera with two tracks sends the small one first as often as not."""
        self._container = container
        if not container.streams.video:
            self.close()
            raise PeerError("the stream has no video")
        self.stream = max(
            container.streams.video, key=lambda each: each.codec_context.width * each.codec_context.height
        )

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
        timing = StreamTiming(nominal)
        codec = self.stream.codec_context.name
        for packet, arrived_us in self._held_first(per_tick, nominal, self._opened_s, self._video(metadata)):
            stamp = packet.dts if packet.dts is not None else packet.pts
            stamp_90k = None if stamp is None else round(stamp * per_tick)
            place = timing.place(stamp_90k, _camera_us(packet), arrived_us)
            ahead = 0
            if stamp is not None and packet.pts is not None:
                ahead = round((packet.pts - stamp) * per_tick)
            pts_90k = place.dts_90k + max(0, min(ahead, _AHEAD_90K))
            if not packet.is_keyframe and is_recovery_point(packet, codec):
                packet.is_keyframe = True
            key, step_90k = packet.is_keyframe, place.step_90k
            yield Timed(packet, key, place.dts_90k, pts_90k, step_90k, place.utc_us, place.offset_s)

    def _video(self, metadata: Callable[[bytes], None]) -> Iterator["tuple[Packet[VideoStream], int]"]:
        """The chosen track's packets and when each came."""
        seen_mono_s = time.monotonic()
        while not self.stopping():
            try:
                for packet in self._container.demux():
                    if not packet.size:
                        continue
                    if packet.stream.type == "data":
                        metadata(bytes(packet))
                    if packet.stream.index == self.stream.index:
                        seen_mono_s = time.monotonic()
                        yield cast("Packet[VideoStream]", packet), time.time_ns() // 1000
            except av.error.ExitError as error:
                # Ours: nothing but reports for a while. The connection is whole, so it is listened to on.
                if time.monotonic() - seen_mono_s > _PICTURELESS_S:
                    why = f"no picture for {_PICTURELESS_S:.0f} s, though the camera answers"
                    raise PeerError(f"the stream broke off: {why}") from error
            except (av.FFmpegError, OSError) as error:
                raise PeerError(f"the stream broke off: {self._refusal() or _why(error)}") from error
            else:
                return

    @staticmethod
    def _held_first(
        per_tick: float, nominal: int, opened_s: float, packets: Iterator["tuple[Packet[VideoStream], int]"]
    ) -> Iterator["tuple[Packet[VideoStream], int]"]:
        """The same; what came while the stream was analysed gets the times at which it came, by its time stamps."""
        held: list[tuple[Any, int]] = []
        asked_mono_s = time.monotonic()
        rest: tuple[Any, int] | None = None
        broke_off: PeerError | None = None
        try:
            while (rest := next(packets, None)) is not None:
                if time.monotonic() - asked_mono_s >= _AT_ONCE_S or len(held) >= _MOST_HELD:
                    break
                held.append(rest)
                asked_mono_s = time.monotonic()
        except PeerError as error:
            broke_off = error
        stamps = [packet.dts if packet.dts is not None else packet.pts for packet, _ in held]
        stamps_90k = [None if stamp is None else round(stamp * per_tick) for stamp in stamps]
        for (packet, arrived_us), before_us in zip(held, held_for_us(stamps_90k, nominal, opened_s), strict=True):
            yield packet, arrived_us - before_us
        if broke_off is not None:
            raise broke_off
        if rest is not None:
            yield rest
            yield from packets

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


def _camera_us(packet: "Packet[VideoStream]") -> int | None:
    """The camera's clock, None before its first sender report."""
    if not packet.has_sidedata("prft"):
        return None
    # AVProducerReferenceTime: int64 microseconds, int flags.
    (camera_us,) = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))
    return int(camera_us)


def _with_credentials(uri: str, user: str, password: str) -> str:
    """Raises ValueError for what is no address of RTSP."""
    parts = urlsplit(uri)
    if parts.scheme.lower() not in _SCHEMES or not parts.hostname or not uri.isprintable():
        raise ValueError("neither rtsp nor rtsps")
    if not user:
        return uri
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))


def _why(error: Exception) -> str:
    """The reason without the address, which holds the password, in our own words."""
    if isinstance(error, TimeoutError | av.error.TimeoutError):
        return f"nothing came for {_SILENCE_S:g} s; check power and cable"
    if isinstance(error, av.error.ExitError):
        return f"no picture within {_OPEN_S:g} s; check power and cable"
    if isinstance(error, av.error.InvalidDataError):
        return "what it sends is no stream that we can read"
    said = getattr(error, "strerror", None) or type(error).__name__
    log.debug("libav: %s", said)
    return plain(said)
