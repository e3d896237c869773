"""What each camera's mask leaves open, now and in the past, as the cameras say it themselves."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from base.clock import utc_us
from base.errors import Error, PeerError, RequestError, StoreError
from base.logs import printable
from nvr_box.cameras import masking
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.cameras.masking import WAIT_S, Masking, MaskingAnswer, WholeMaskReason
from nvr_box.cameras.masking_history import MaskingHistory, PastMasking
from nvr_box.db.database import Store
from nvr_box.record.source import SignInRefused
from nvr_box.rights import Account, Right

log = logging.getLogger(__name__)
_ROSTER_EVERY_S = 1.0
# Between two answers; a camera holds the next one back until something changes.
_PAUSE_S = 0.5
_BACK_OFF_S = (2.0, 5.0, 15.0, 30.0)
_BELIEVED_S = 120.0
"""For how long what a camera said is what it does: then it is unknown."""
_CONFIRM_EVERY_S = 60.0
_NEW_US = 120_000_000


@dataclass(frozen=True, slots=True)
class _Known:
    """`confirmed_us` when it was said last, `written_mono_s` when that was last written down."""

    masking: Masking
    whole: WholeMaskReason | None
    mark: str
    confirmed_us: int
    confirmed_mono_s: float
    written_mono_s: float

    @property
    def believed(self) -> bool:
        return time.monotonic() - self.confirmed_mono_s < _BELIEVED_S


class Maskings:
    """Seeing it needs `VIEW`. Belongs to the event loop."""

    def __init__(self, store: Store, roster: CameraStore) -> None:
        self._roster, self._history = roster, MaskingHistory(store)
        self._known: dict[int, _Known] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def now(self, account: Account, camera: int) -> Masking | None:
        """What the camera's mask leaves open; None where it has not said so for two minutes."""
        account.demand(Right.VIEW, camera)
        known = self._known.get(camera)
        return known.masking if known is not None and known.believed else None

    def whole(self, account: Account, camera: int) -> WholeMaskReason | None:
        """Why the whole picture is masked; None while people only are, or the camera does not answer."""
        account.demand(Right.VIEW, camera)
        known = self._known.get(camera)
        return known.whole if known is not None else None

    async def past(self, account: Account, camera: int, start_us: int, end_us: int) -> tuple[PastMasking, ...]:
        """What held at some time in [start, end); a time that none of them covers is not known.

        Raises:
            Refused: the camera may not be viewed.
            StoreError: the database refuses.
        """
        account.demand(Right.VIEW, camera)
        found = await self._history.between(camera, start_us, end_us)
        known = self._known.get(camera)
        if known is None or known.believed:
            return found
        # It has been silent since: what it does now is unknown.
        return tuple(replace(each, end_us=known.confirmed_us) if each.end_us is None else each for each in found)

    async def ask(self, camera: int) -> None:
        """Hear at once what a camera says, after a change that was made there."""
        known = self._roster.get(camera)
        with suppress(PeerError, SignInRefused):  # it is polled on and on anyway
            await self._took(camera, await self._look(known, mark="", wait_s=0.0))

    async def run(self) -> None:
        """Ask every camera of ours on and on, each in a task of its own, until cancelled.

        Raises:
            StoreError: what was written down before cannot be read.
        """
        now_mono_s = time.monotonic()
        for camera, last in (await self._history.last()).items():
            fresh = _Known(last.masking, None, "", last.confirmed_us, now_mono_s, now_mono_s)
            self._known.setdefault(camera, fresh)
        try:
            while True:
                wanted = {each.camera for each in self._roster.all() if each.veilcam and each.device}
                for gone in self._tasks.keys() - wanted:
                    self._tasks.pop(gone).cancel()
                for new in wanted - self._tasks.keys():
                    self._tasks[new] = asyncio.create_task(self._poll(new), name=f"masking-{new}")
                await asyncio.sleep(_ROSTER_EVERY_S)
        finally:
            tasks, self._tasks = tuple(self._tasks.values()), {}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self, camera: int) -> None:
        failures = 0
        while True:
            try:
                known = self._known.get(camera)
                said = await self._look(self._roster.get(camera), mark=known.mark if known else "", wait_s=WAIT_S)
                await self._took(camera, said)
                failures = 0
            except (PeerError, RequestError, StoreError, KeyError) as error:
                # A camera that is away has not masked anybody again; why it masked the whole picture is over.
                log.debug("camera %d: what it masks is not known: %s", camera, printable(str(error)))
                failures += 1
            except Exception:
                # Whatever one camera answers, the others are polled.
                log.exception("camera %d: asking what it masks failed", camera)
                failures = len(_BACK_OFF_S)
            if failures and camera in self._known:
                self._known[camera] = replace(self._known[camera], whole=None, mark="")
            await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S)) - 1] if failures else _PAUSE_S)

    def _first_us(self, camera: int, now_us: int) -> int:
        """Since when the first answer of a camera counts: it is polled as soon as it is added, and answers in time."""
        added_us = self._roster.get(camera).added_utc_us
        return added_us if 0 <= now_us - added_us < _NEW_US else now_us

    async def _look(self, camera: CameraRow, *, mark: str, wait_s: float) -> MaskingAnswer:
        sign_in = self._roster.sign_in(camera.camera)
        sign_in.check()
        password = self._roster.password(camera.camera)
        try:
            said = await masking.look(camera.xaddr, camera.user, password, mark=mark, wait_s=wait_s)
        except SignInRefused:
            sign_in.refused()
            raise
        sign_in.accepted()
        return said

    async def _took(self, camera: int, said: MaskingAnswer) -> None:
        before, now_us, now_mono_s = self._known.get(camera), utc_us(), time.monotonic()
        same = before is not None and before.masking == said.masking
        due = before is None or not same or now_mono_s - before.written_mono_s >= _CONFIRM_EVERY_S
        written = now_mono_s if due or before is None else before.written_mono_s
        self._known[camera] = _Known(said.masking, said.whole, said.mark, now_us, now_mono_s, written)
        if not due:
            return
        try:
            if same:
                await self._history.confirm(camera, now_us)
            else:
                start_us = before.confirmed_us if before else self._first_us(camera, now_us)
                await self._history.begin(camera, said.masking, start_us, now_us)
        except Error:
            # Written down the next time; until then the past does not count as known.
            if before is None:
                del self._known[camera]
            else:
                self._known[camera] = before
            raise
