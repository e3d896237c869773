"""One software encoder: a picture in, its access unit out, at once.

libx264 or libx265 through PyAV, without B pictures and without look-ahead, so that picture n leaves as access unit n.
IDR pictures come only on request: the owner of several encoders in step keeps the count.
"""

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from firmware.encode.settings import PRESETS
from wire import nal
from wire.nal import Codec

I420 = npt.NDArray[np.uint8]

# Adaptive quantisation moves bits by content; constant QP is what makes two encoders agree on an IDR picture.
# Psycho-visual decisions are off: originals are to be like the original, not pleasing.
_X264 = "scenecut=0:bframes=0:rc-lookahead=0:sync-lookahead=0:mbtree=0:aq-mode=0:force-cfr=1:psy=0"
_X265 = (
    "scenecut=0:bframes=0:rc-lookahead=0:aq-mode=0:open-gop=0:repeat-headers=1:frame-threads=1:log-level=error"
    ":wpp=0:psy-rd=0:psy-rdoq=0:rdoq-level=2"
)
# For pictures that stand still but for a part: no look for changes of brightness, which takes time in all of them, and
# macroblocks split down to 4x4, which takes time only where something is coded. The fast presets get half of that time
# back from a shorter search for motion and from fewer ways of coding without a reference: 0.2 % more bits.
_FROZEN = "weightp=0:partitions=all"
_FROZEN_FAST = "weightp=0:partitions=p8x8,p4x4,i4x4:me=dia"
_FAST = PRESETS[: PRESETS.index("veryfast") + 1]
_NEVER = 1 << 20
IDR_QP_STEP = 3
# Half a second of buffer: large enough for an IDR picture, small enough that a viewer's delay stays short.
BUFFER_S = 0.5


class PictureEncoder:
    """Encodes I420 pictures of one size in order. May be driven from any one thread at a time.

    Args:
        width, height: pixels, even.
        rate: pictures per second.
        qp: constant quantiser of P pictures; ignored with `bitrate_bps`.
        idr_qp_step: by how much the quantiser of IDR pictures is lower, up to 19.
        second_qp: quantiser of the second picture alone, where the first is not what is to be shown.
        bitrate_bps: constant bit rate, None for constant `qp`.
        buffer_bits: how far a picture may run ahead of the rate; None for half a second of it.
        frozen: most of every picture stands still, which H.264 is set to make use of.
        threads: 1 gives one slice per picture; more give that many slices, without delay either.
    """

    def __init__(
        self,
        codec: Codec,
        width: int,
        height: int,
        rate: Fraction,
        *,
        preset: str,
        qp: int = 26,
        bitrate_bps: int | None = None,
        buffer_bits: int | None = None,
        idr_qp_step: int = IDR_QP_STEP,
        second_qp: int | None = None,
        frozen: bool = False,
        threads: int = 1,
    ) -> None:
        self._width, self._height = width, height
        self._codec = codec
        self._count = 0
        self._picture: I420 | None = None
        self._frame: VideoFrame | None = None
        context = av.CodecContext.create("libx264" if codec is Codec.H264 else "libx265", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = 1 / rate, rate
        context.gop_size = _NEVER
        context.max_b_frames = 0
        context.color_range = 1
        options = {"preset": preset, "tune": "zerolatency", "forced-idr": "1"}
        params = [_X264 if codec is Codec.H264 else _X265, f"keyint={_NEVER}"]
        if codec is Codec.H264:
            context.thread_count = threads
            params.append(f"threads={threads}:sliced-threads={int(threads > 1)}")
            if frozen:
                params.append(_FROZEN_FAST if preset in _FAST else _FROZEN)
        else:
            params.append(f"pools={threads}")
        if bitrate_bps is None:
            options["qp"] = str(qp)
            params.append(f"ipratio={2 ** (idr_qp_step / 6):.5f}")
            params += [] if codec is Codec.H264 else [f"qp={qp}"]
            params += [] if second_qp is None else [f"zones=1,1,q={second_qp}"]
        else:
            context.bit_rate = bitrate_bps
            kbps = bitrate_bps // 1000
            buffer_kbit = int(BUFFER_S * kbps) if buffer_bits is None else buffer_bits // 1000
            params.append(f"vbv-maxrate={kbps}:vbv-bufsize={max(1, buffer_kbit)}")
        options["x264-params" if codec is Codec.H264 else "x265-params"] = ":".join(params)
        context.options = options
        context.open()
        self._context = context

    def encode(self, picture: I420, *, idr: bool) -> bytes:
        """The access unit of one (height * 3 // 2, width) picture, parameter sets included at an IDR.

        A picture may be written into as soon as it is encoded; the same array again costs a little less than another.

        Raises:
            RuntimeError: the encoder kept the picture back; latency is part of our promise.
        """
        frame = self._frame_of(picture)
        frame.pts = self._count
        frame.pict_type = PictureType.I if idr or self._count == 0 else PictureType.NONE
        self._count += 1
        packets = self._context.encode(frame)
        if not packets:
            raise RuntimeError("the encoder gave no access unit for this picture")
        au = b"".join(bytes(packet) for packet in packets)
        if frame.pts:
            return au
        # The encoder's own SEI, its name and options, is of no use to a viewer and half a kilobyte long.
        return nal.join(unit for unit in nal.split(au) if not self._codec.is_sei(unit))

    def _frame_of(self, picture: I420) -> VideoFrame:
        """The picture as libavcodec has it, in place wherever its memory allows."""
        if not picture.flags.c_contiguous or picture.shape[0] % 6:
            return VideoFrame.from_ndarray(picture, format="yuv420p")
        if self._frame is None or self._picture is not picture:
            self._picture, self._frame = picture, VideoFrame.from_numpy_buffer(picture, format="yuv420p")
        return self._frame
