"""A camera is its key, also while it is recorded: whatever answers at its address proves it at each new connection."""

import logging
from collections.abc import Awaitable, Callable, Iterator

from base.errors import PeerError
from base.logs import printable
from nvr_box.audit.log import Audit
from nvr_box.cameras import pairing
from nvr_box.cameras.camera_store import CameraRow
from nvr_box.cameras.rekey import AnotherCamera, same_camera
from nvr_box.notices import Notice
from nvr_box.record.recorder import RecorderStatus

log = logging.getLogger(__name__)
_BOX = "the box"


class Impostors:
    """Devices that answer in the place of paired cameras. Belongs to the event loop.

    Args:
        stop, start: end and begin the recording of what comes from a camera.
    """

    def __init__(
        self, audit: Audit, stop: Callable[[CameraRow], Awaitable[None]], start: Callable[[CameraRow], Awaitable[None]]
    ) -> None:
        self._audit, self._stop, self._start = audit, stop, start
        self._found: dict[int, str] = {}
        self._doubted: set[int] = set()
        self._older: dict[int, str] = {}
        self._proven: dict[int, int] = {}

    def words(self, camera: int) -> str:
        """What is wrong with the device that answers, empty while nothing is."""
        return self._found.get(camera, "")

    def advice(self, camera: int) -> str:
        """What to do about a camera that is recorded under an older version of the pairing; empty for any other."""
        return self._older.get(camera, "")

    def notices(self) -> Iterator[Notice]:
        """That there are some; the cameras' own lines name them, to accounts that may see them."""
        if self._found:
            count = len(self._found)
            where = "the address of a camera" if count == 1 else f"the addresses of {count} cameras"
            yield Notice(
                "identity", f"At {where} another device answers. It is not recorded as that camera. Look under Cameras"
                " which it is, and what stands there."
            )  # fmt: skip

    async def look(self, camera: CameraRow, now: RecorderStatus | None) -> None:
        """Let a paired camera prove its key, once per connection, and again while another device answers.

        Raises:
            StoreError: the entry about it cannot be written; it is not recorded all the same.
        """
        number = camera.camera
        if not (camera.paired and camera.device):
            self._found.pop(number, None)
            self._older.pop(number, None)
            return
        known = number in self._found
        if not known and (now is None or not now.connected or self._proven.get(number) == now.since_utc_us):
            return
        try:
            said = await pairing.look(camera.xaddr)
            if said is not None:
                same_camera(camera, said)
            elif number in self._doubted:
                raise AnotherCamera("a device of another make answers")
            else:
                self._doubted.add(number)  # once may be a proxy, or a camera that is starting
                return
        except AnotherCamera as error:
            self._older.pop(number, None)
            await self._refuse(camera, str(error), known=known)
        except pairing.OlderPairing as error:
            # It worked before this box was updated, and evidence that is not recorded cannot be made up for.
            self._older[number] = str(error)
        except PeerError as error:
            log.debug("%s: does not prove its key: %s", camera.name, printable(str(error)))
        else:
            self._doubted.discard(number)
            self._older.pop(number, None)
            if said.box_key is None:
                self._older[number] = "it was paired by an older program and takes orders from any box: pair it again"
            elif now is not None:
                self._proven[number] = now.since_utc_us
            if known:
                del self._found[number]
                log.warning("%s: answers with its own key again", camera.name)
                await self._start(camera)

    async def _refuse(self, camera: CameraRow, why: str, *, known: bool) -> None:
        self._found[camera.camera] = f"another device answers at {camera.xaddr}: it is not recorded; check what it is"
        await self._stop(camera)
        if not known:
            log.error("%s: %s; it is not recorded", camera.name, printable(why))
            await self._audit.write(_BOX, "camera-change", camera=camera.camera, granted=False, why=printable(why))
