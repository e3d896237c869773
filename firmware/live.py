"""The running picture, as the services see it: streams, snapshots, wishes. Everything here is masked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from firmware.encode.settings import EncoderSettings
from firmware.mask.paint import Painter
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.stream.channels import MainChannel, SubChannel, jpeg
from firmware.stream.counters import Counters
from firmware.stream.pipeline import Masked

TOKENS = ("main", "sub")


@dataclass(slots=True)
class Live:
    """What an ONVIF service may see and change of the running pipeline. Any thread.

    Args:
        main, sub: the two channels.
        planner, painter: the mask plan, whose settings may change.
        counters: what the pipeline did.
        rtsp_port: where the streams are served.
        latest: the last masked picture.
        signal_lost: whether the sensor gives no picture.
    """

    main: MainChannel
    sub: SubChannel
    planner: Planner
    painter: Painter
    counters: Counters = field(default_factory=Counters)
    rtsp_port: int = 0
    latest: Masked | None = None
    signal_lost: bool = False

    @property
    def rate(self) -> Fraction:
        """Pictures per second, of both streams."""
        return self.main.rate

    def size(self, token: str) -> tuple[int, int]:
        """Width and height of the stream `main` or `sub`, in pixels."""
        channel = self._channel(token)
        return channel.width, channel.height

    def video(self, token: str) -> EncoderSettings:
        """The encoder settings in force."""
        return self._channel(token).settings

    def set_video(self, token: str, settings: EncoderSettings) -> None:
        """New encoder settings: from the next picture on, which is an IDR picture."""
        self._channel(token).settings = settings

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
        self._channel(token).wishes.want(from_utc_us)

    def wisher(self, token: str) -> Callable[[int], None]:
        """`request_idr` for one stream."""
        return self._channel(token).wishes.want

    def snapshot(self, width: int = 0, height: int = 0) -> bytes | None:
        """The latest masked picture as JPEG; None before there is one."""
        latest = self.latest
        return None if latest is None else jpeg(latest.picture, width, height)

    def show(self, masked: Masked) -> None:
        """A new latest picture; encode thread."""
        self.latest = masked

    def _channel(self, token: str) -> MainChannel | SubChannel:
        if token not in TOKENS:
            raise KeyError(token)
        return self.main if token == TOKENS[0] else self.sub
