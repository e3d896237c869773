"""Packets of one video stream into fragmented MP4 bytes, as fragments become whole."""

from fractions import Fraction

import av
from av.packet import Packet
from av.video.stream import VideoStream

from nvr_box.record import fmp4

# A fragment begins at every key frame and at least this often, which bounds what a crash loses and how late live is.
_FRAGMENT_US = 250_000
OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": str(_FRAGMENT_US),
    "video_track_timescale": str(fmp4.TIMESCALE),
    "use_editlist": "0",
    "flush_packets": "1",
}
TICK = Fraction(1, fmp4.TIMESCALE)


class Sink:
    """What PyAV writes a fragmented file into; it cannot seek, so the muxer cannot go back."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._taken = 0

    def write(self, data: bytes) -> int:
        """Called by the muxer."""
        self._held += data
        return len(data)

    def next_fragments(self) -> list[tuple[bytes, fmp4.Fragment | None, bytes]]:
        """(init, None, b"") once, then (b"", fragment, bytes) for each fragment that is whole; offsets are the file's.

        Raises:
            WireError: the muxer wrote what this program does not read.
        """
        if not self._held:
            return []
        data = bytes(self._held)
        done: list[tuple[bytes, fmp4.Fragment | None, bytes]] = []
        start = 0
        if not self._taken:
            start = fmp4.init_size(data)
            done.append((data[:start], None, b""))
        end = start
        for fragment in fmp4.fragments(data, start, base=self._taken):
            local = fragment.offset - self._taken
            end = local + fragment.size
            done.append((b"", fragment, data[local:end]))
        self._taken += end
        del self._held[:end]
        return done


class Muxer:
    """One file's worth of fragments. SEI and every other NAL unit go through untouched. Belongs to one thread.

    Attributes:
        init: the initialisation segment; empty until the first packet.
        mime: its content type.
    """

    def __init__(self, template: VideoStream) -> None:
        self.init = b""
        self.mime = ""
        self._sink = Sink()
        self._out = av.open(self._sink, "w", format="mp4", options=OPTIONS)
        self._stream = self._out.add_stream_from_template(template)

    def feed(
        self, packet: "Packet[VideoStream]", dts_90k: int, pts_90k: int, duration_90k: int
    ) -> list[tuple[fmp4.Fragment, bytes]]:
        """Take one packet; return the fragments that it completed. `packet` is consumed.

        Args:
            dts_90k: decode time from the file's start, above every one before.
        """
        packet.stream = self._stream
        packet.time_base = TICK
        packet.dts, packet.pts, packet.duration = dts_90k, pts_90k, duration_90k
        self._out.mux(packet)
        return self._whole()

    def finish(self) -> list[tuple[fmp4.Fragment, bytes]]:
        """End the file; return the last fragments."""
        self._out.close()
        return self._whole()

    def _whole(self) -> list[tuple[fmp4.Fragment, bytes]]:
        done = []
        for init, fragment, data in self._sink.next_fragments():
            if fragment is None:
                self.init, self.mime = init, fmp4.mime(init)
            else:
                done.append((fragment, data))
        return done
