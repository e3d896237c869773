"""What the pictures of a stream are, followed through changes in the middle of it.

A camera that is set to another size goes on in the same session: new parameter sets stand in front of its next IDR
picture (RFC 6184 §8.4, RFC 7798 §7.1) and the session's description no longer holds. A file has one description for
all its pictures, so the writer of files has to know.
"""

import io

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from wire import nal
from wire.nal import Codec

_CODECS = {"h264": Codec.H264, "hevc": Codec.H265}


class Parameters:
    """The description of one stream's pictures. One thread.

    Args:
        described: the stream as its session described it.
    """

    def __init__(self, described: VideoStream) -> None:
        self.stream = described
        """Describes the pictures from the last key frame on."""
        self._codec = _CODECS.get(described.codec_context.name)
        self._sets: tuple[bytes, ...] = ()
        self._probed: InputContainer | None = None

    def changed(self, key: "Packet[VideoStream]") -> bool:
        """Take a key frame; whether `stream` is another one from here on."""
        if self._codec is None:
            return False
        data = bytes(key)
        sets = tuple(unit for unit in nal.split(data) if self._codec.is_parameter_set(unit))
        if not sets or sets == self._sets:
            return False
        first, self._sets = not self._sets, sets
        if first and all(unit in (self.stream.codec_context.extradata or b"") for unit in sets):
            return False
        found = self._probe(data)
        if found is None:
            return False
        before, self.stream = self.stream.codec_context, found
        return not first or (before.width, before.height) != (found.codec_context.width, found.codec_context.height)

    def close(self) -> None:
        """Forget the description."""
        if self._probed is not None:
            self._probed.close()

    def _probe(self, key_frame: bytes) -> VideoStream | None:
        """The key frame as a stream of its own; None when libavformat cannot make sense of it."""
        try:
            container = av.open(io.BytesIO(key_frame), "r", format=self.stream.codec_context.name)
        except (av.FFmpegError, OSError):
            return None
        if not container.streams.video or not container.streams.video[0].codec_context.width:
            container.close()
            return None
        self.close()
        self._probed = container
        return container.streams.video[0]
