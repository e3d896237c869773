"""A reveal that is on: what is known of it, and what becomes of it while it lasts."""

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from base.clock import boot_us, utc_us
from nvr_box.cameras.camera_store import CameraRow
from nvr_box.record.access_units import RecordedUnit
from nvr_box.record.viewed_ranges import ViewedRanges
from nvr_box.reveal.approvals import RevealRequest
from nvr_box.reveal.handed_keys import HandedKeys
from nvr_box.reveal.process_client import RevealProcess
from nvr_box.reveal.scope import Scope
from nvr_box.reveal.verdicts import Verdicts
from nvr_box.rights import Account


@dataclass(frozen=True, slots=True)
class RevealSession:
    """A reveal that is on.

    Attributes:
        scope: what it may show, whatever is requested.
        watermark: what every revealed picture shows.
        in_browser: the page opens it; its verdicts are what the page said last.
        signing_key, camera_id: the camera's, hex, None for a camera of another make.
    """

    key: str
    account: str
    scope: Scope
    reason: str
    started_us: int
    expires_us: int
    watermark: str
    verdicts: Verdicts
    in_browser: bool = False
    signing_key: str | None = None
    camera_id: str | None = None

    @property
    def of_camera(self) -> dict[str, str | None]:
        """What an opener has to know of the camera, so that nothing of another camera opens."""
        return {"signing_key": self.signing_key, "camera_id": self.camera_id}

    @property
    def camera(self) -> int:
        """The one camera that it shows."""
        return self.scope.camera


@dataclass(frozen=True, slots=True)
class Units:
    """A recorded GOP, or the newest part of one, as masked access units in decoding order."""

    codec: str
    units: tuple[RecordedUnit, ...]


@dataclass(slots=True)
class Running:
    """One session while it lasts.

    Attributes:
        until_boot_us: when it is over, by a clock that is never set.
        talk: with its process, None when the page opens it.
        plays: how many have begun; only the newest goes on.
        viewed: whether the log says already that something of it was shown.
        shown: what was.
        request: under whose approval.
        opened: granted; False while a page still tries its passphrase.
        handed: what that page was given.
        cards: the passages whose best shots were shown.
    """

    session: RevealSession
    until_boot_us: int
    request: RevealRequest | None = None
    opened: bool = True
    handed: HandedKeys | None = None
    talk: RevealProcess | None = None
    plays: int = 0
    viewed: bool = False
    shown: ViewedRanges = field(default_factory=ViewedRanges)
    cards: set[int] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def left_s(self) -> float:
        """How much longer it may go on; a clock that was set back gives it no more."""
        return min(self.session.expires_us - utc_us(), self.until_boot_us - boot_us()) / 1e6


def begun(
    account: Account, camera: CameraRow, scope: Scope, reason: str, minutes: float, *, in_browser: bool
) -> RevealSession:
    """A session of `account` that starts now."""
    now_us = utc_us()
    when = datetime.fromtimestamp(now_us / 1e6, UTC)
    mark = f"{account.name}  {when:%Y-%m-%d %H:%M:%S}Z  {camera.name}".encode("ascii", "replace").decode()
    return RevealSession(
        secrets.token_urlsafe(12), account.name, scope, reason, now_us, now_us + int(minutes * 60e6), mark,
        Verdicts(), in_browser, camera.signing_key, camera.camera_id,
    )  # fmt: skip
