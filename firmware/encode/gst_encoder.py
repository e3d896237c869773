"""An encoder that GStreamer offers, driven picture by picture: what is pushed in comes out before the next goes in."""

from fractions import Fraction

import numpy as np

from base.errors import Error
from firmware.encode.picture_encoder import I420
from onvif.rtsp.gst import Gst, GstVideo

_PATIENCE_NS = 5_000_000_000
_SECOND_NS = 1_000_000_000


class EncoderMissing(Error):
    """GStreamer has no such element here, or it does not start; the message is its own."""


class GstEncoder:
    """H.264 by one element of GStreamer. One thread at a time.

    Args:
        element: a launch line of one encoder, without delay and without B pictures.
        width, height: pixels, even.
        rate: pictures a second.

    Raises:
        EncoderMissing: it cannot be made here.
    """

    def __init__(self, element: str, width: int, height: int, rate: Fraction) -> None:
        self._rate, self._count = rate, 0
        caps = f"video/x-raw,format=I420,width={width},height={height},framerate={rate.numerator}/{rate.denominator}"
        line = (
            f"appsrc name=in is-live=true format=time block=false caps={caps} ! {element} name=encoder "
            "! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out sync=false max-buffers=4"
        )
        try:
            self._pipeline = Gst.parse_launch(line)
        except Exception as error:  # GLib.Error, which gi makes at run time
            raise EncoderMissing(f"{element.split(maxsplit=1)[0]}: {error}") from error
        self._in, self._out = self._pipeline.get_by_name("in"), self._pipeline.get_by_name("out")
        self._pad = self._pipeline.get_by_name("encoder").get_static_pad("sink")
        if self._pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self._pipeline.set_state(Gst.State.NULL)
            raise EncoderMissing(f"{element.split(maxsplit=1)[0]}: does not start")

    def __del__(self) -> None:
        pipeline = getattr(self, "_pipeline", None)
        if pipeline is not None:
            pipeline.set_state(Gst.State.NULL)

    def encode(self, picture: I420, *, idr: bool) -> bytes:
        """The access unit of one (height * 3 // 2, width) picture; see `BaseEncoder`."""
        if idr and self._count:
            self._pad.send_event(GstVideo.video_event_new_downstream_force_key_unit(
                Gst.CLOCK_TIME_NONE, Gst.CLOCK_TIME_NONE, Gst.CLOCK_TIME_NONE, True, self._count
            ))  # fmt: skip
        buffer = Gst.Buffer.new_wrapped(np.ascontiguousarray(picture).tobytes())
        buffer.pts = round(self._count * _SECOND_NS / self._rate)
        buffer.duration = round(_SECOND_NS / self._rate)
        self._count += 1
        self._in.emit("push-buffer", buffer)
        sample = self._out.emit("try-pull-sample", _PATIENCE_NS)
        if sample is None:
            raise RuntimeError("the encoder gave no access unit for this picture")
        data = sample.get_buffer()
        return bytes(data.extract_dup(0, data.get_size()))
