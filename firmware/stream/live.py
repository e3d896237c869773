"""The running picture, as the services see it: streams, snapshots, requests. Everything here is masked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from firmware.encode.jpeg import jpeg
from firmware.encode.settings import VideoFormat
from firmware.mask.paint import Painter
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.masked_whole import MaskedWhole
from firmware.stream.channels import MainChannel, Shape, SubChannel
from firmware.stream.pipeline import Masked
from firmware.stream.scale import scaled
from firmware.stream.signals import EncodingChange, ViewerJoined

TOKENS = ("main", "sub")


@dataclass(slots=True)
class PipelineControl:
    """What an ONVIF service may see and change of the running pipeline. Any thread.

    Args:
        main, sub: the two channels.
        planner, painter: the mask plan, whose settings may change.
        changing: around each change of a stream's encoding.
        latest: the last masked picture.
        signal_lost: whether the sensor gives no picture.
        whole: whether the whole picture is masked, and why.
        joined: called whenever a viewer joins a stream or a synchronisation point is requested.
    """

    main: MainChannel
    sub: SubChannel
    planner: Planner
    painter: Painter
    changing: EncodingChange = field(default_factory=EncodingChange)
    latest: Masked | None = None
    signal_lost: bool = False
    whole: MaskedWhole = field(default_factory=MaskedWhole)
    joined: ViewerJoined = field(default_factory=ViewerJoined)

    @property
    def source(self) -> Shape:
        """Size and rate of the sensor's pictures."""
        return self.main.source

    def video(self, token: str) -> VideoFormat:
        """What the stream `main` or `sub` is, now or from the next picture on."""
        return self._channel(token).format

    def size(self, token: str) -> tuple[int, int]:
        """Width and height of the stream, in pixels."""
        video = self.video(token)
        return video.width, video.height

    def encoding(self, token: str) -> str:
        """ONVIF's word for the stream's encoding, `H264`, `H265` or `JPEG`."""
        return self.video(token).encoding

    def set_video(self, token: str, wanted: VideoFormat) -> None:
        """Another size, rate or encoding: from the next picture on, where decoding can start.

        Makes the encoder first, which takes up to a second, and waits for viewers that are about to join: not for the
        encode thread, nor for an event loop.
        """
        self._channel(token).set_format(wanted, lambda: self.changing.within(token, wanted.encoding))

    @property
    def mask(self) -> MaskSettings:
        """The mask settings in force."""
        return self.planner.settings

    def set_mask(self, settings: MaskSettings) -> None:
        """New mask settings, from the next picture on."""
        self.painter.settings = settings
        self.planner.settings = settings

    def request_idr(self, token: str, from_utc_us: int = 0) -> None:
        """The first picture taken at or after that moment shall be an IDR picture; 0 is the next one."""
        self._channel(token).idr_requests.request(from_utc_us)
        self.joined()

    def idr_requester(self, token: str) -> Callable[[int], None]:
        """`request_idr` for one stream."""
        return partial(self.request_idr, token)

    def snapshot(self, width: int = 0, height: int = 0) -> bytes | None:
        """The latest masked picture as JPEG, scaled when a size is given; None before there is one."""
        latest = self.latest
        if latest is None:
            return None
        return jpeg(scaled(latest.picture, width, height) if width and height else latest.picture)

    def show(self, masked: Masked) -> None:
        """A new latest picture; encode thread."""
        self.latest = masked
        waited_s = self.planner.settings.deadline_s
        self.whole.masked(masked.pts_90k, masked.plan.why, waited_s=waited_s, full=masked.plan.full)

    def _channel(self, token: str) -> MainChannel | SubChannel:
        if token not in TOKENS:
            raise KeyError(token)
        return self.main if token == TOKENS[0] else self.sub
