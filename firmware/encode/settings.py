"""What an operator may choose about an encoder; the same words as in `camera.toml`."""

from dataclasses import dataclass
from fractions import Fraction

from wire.nal import Codec

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
ENCODERS = ("software", "openh264")
CODECS = {"h264": Codec.H264, "h265": Codec.H265}


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """One encoder pair, or a plain encoder.

    Exactly one rate control applies: `bitrate_bps` when it is set (constant bit rate, the total of base and payload),
    otherwise constant quality at `qp`, which is also the only one that lets both share an IDR picture.

    Args:
        codec: of the masked stream: `h264` or `h265`.
        encoder: makes the masked stream: `software` or `openh264`; one that cannot be used on this machine gives way
            to `software`, and says why.
        payload_codec: of the sealed original: `h264` or `h265`.
        preset: of the masked stream's encoder: `ultrafast`, `superfast`, `veryfast`, `faster`, `fast`, `medium`,
            `slow`, `slower` or `veryslow`; every step costs computing time and saves bits.
        payload_preset: the same of the sealed original.
        gop_frames: pictures from one IDR picture to the next; 1 to 1000.
        qp: constant quality, 0 (best) to 51.
        payload_qp_offset: added to `qp` for the sealed original; the sum is 0 to 51.
        bitrate_bps: constant bit rate in place of `qp`, masked stream and sealed original together; 16000 to 200000000.
        payload_share: the part of `bitrate_bps` that the sealed original gets; 0.05 to 0.95.
        shared_idr: whether both share their IDR pictures where the codecs allow it.
        per_track: give every masked person a payload and a key of their own, so that one can be shown without the
            others.
        threads: of each encoder; 1 to 16.
    """

    codec: str = "h264"
    encoder: str = "software"
    payload_codec: str = "h264"
    preset: str = "veryfast"
    payload_preset: str = "veryfast"
    gop_frames: int = 50
    qp: int = 26
    payload_qp_offset: int = 0
    bitrate_bps: int | None = None
    payload_share: float = 0.55
    shared_idr: bool = True
    per_track: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("codec", "payload_codec"):
            if getattr(self, name) not in CODECS:
                raise ValueError(f"{name} {getattr(self, name)!r}: want one of {', '.join(CODECS)}")
        if self.encoder not in ENCODERS:
            raise ValueError(f"encoder {self.encoder!r}: want one of {', '.join(ENCODERS)}")
        for name in ("preset", "payload_preset"):
            if getattr(self, name) not in PRESETS:
                raise ValueError(f"{name} {getattr(self, name)!r}: want one of {', '.join(PRESETS)}")
        if not 1 <= self.gop_frames <= 1000:
            raise ValueError(f"gop_frames {self.gop_frames}: want 1 to 1000")
        if not 0 <= self.qp <= 51 or not 0 <= self.qp + self.payload_qp_offset <= 51:
            raise ValueError("qp and qp + payload_qp_offset: want 0 to 51")
        if self.bitrate_bps is not None and not 16_000 <= self.bitrate_bps <= 200_000_000:
            raise ValueError(f"bitrate_bps {self.bitrate_bps}: want 16000 to 200000000")
        if not 0.05 <= self.payload_share <= 0.95:
            raise ValueError(f"payload_share {self.payload_share}: want 0.05 to 0.95")
        if not 1 <= self.threads <= 16:
            raise ValueError(f"threads {self.threads}: want 1 to 16")

    @property
    def base(self) -> Codec:
        return CODECS[self.codec]

    @property
    def payload(self) -> Codec:
        return CODECS[self.payload_codec]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFormat:
    """What one running encoder gives out.

    Args:
        width, height: pixels; multiples of 16 where originals are sealed into the stream, else even.
        rate: pictures per second, the source's or fewer.
        coding: how H.264 and H.265 are coded.
        jpeg_quality: 1 to 100 for pictures that are JPEG each by itself, in place of `coding`'s codec.
    """

    width: int
    height: int
    rate: Fraction
    coding: EncoderSettings
    jpeg_quality: int | None = None

    @property
    def encoding(self) -> str:
        """ONVIF's word: `H264`, `H265` or `JPEG`."""
        return self.coding.base.name if self.jpeg_quality is None else "JPEG"
