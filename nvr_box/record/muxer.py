"""Packets of one video stream into fragmented MP4 bytes, as fragments become whole."""

from fractions import Fraction

import av
from av.packet import Packet
from av.video.stream import VideoStream

from nvr_box.record import fmp4

# A fragment begins at every key frame and at least this often, which bounds what a crash loses and how late live is.
_FRAGMENT_US = 250_000
_OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": str(_FRAGMENT_US),
    "video_track_timescale": str(fmp4.TIMESCALE),
    "use_editlist": "0",
    "flush_packets": "1",
}
TICK = Fraction(1, fmp4.TIMESCALE)


class _Sink:
    """What PyAV writes into; no seek, so that the muxer cannot go back."""

    def __init__(self) -> None:
        self.held = bytearray()

    def write(self, data: bytes) -> int:
        self.held += data
        return len(data)


class Muxer:
    """One file's worth of fragments. SEI and every other NAL unit go through untouched. Belongs to one thread.

    Attributes:
        init: the initialisation segment; empty until the first packet.
        mime: its content type.
    """

    def __init__(self, template: VideoStream) -> None:
        self.init = b""
        self.mime = ""
        self._sink = _Sink()
        self._written = 0
        self._out = av.open(self._sink, "w", format="mp4", options=_OPTIONS)
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
        held = self._sink.held
        if not held:
            return []
        start = 0
        if not self.init:
            start = fmp4.init_size(bytes(held))
            self.init = bytes(held[:start])
            self.mime = fmp4.mime(self.init)
            self._written = start
        done = []
        end = start
        base = self._written - start
        for fragment in fmp4.fragments(bytes(held), start, base=base):
            local = fragment.offset - base
            end = local + fragment.size
            done.append((fragment, bytes(held[local:end])))
        self._written += end - start
        del held[:end]
        return done
