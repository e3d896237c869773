"""Releasing places from a camera's mask on the page: where a thing stands that looks like a person.

What is doubtful there is no longer masked. A person who is tracked there is masked all the same; the camera decides.
"""

import asyncio
import secrets
from collections import defaultdict

from base.clock import utc_us
from base.errors import Conflict, Invalid, NotFound, PeerError
from base.logs import printable
from nvr_box.audit.log import Audit
from nvr_box.cameras import released
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.cameras.maskings import Maskings
from nvr_box.cameras.released import MOST_PLACES, ReleasedPlaceRow
from nvr_box.rights import Account, Right

Box = tuple[float, float, float, float]
_LEAST_REASON, _LONGEST_REASON = 8, 300


class PlaceReleases:
    """Changing them needs `ADMIN` and `VIEW`; every change is written down. Belongs to the event loop."""

    def __init__(self, log_: Audit, roster: CameraStore, maskings: Maskings) -> None:
        self._log, self._roster, self._maskings = log_, roster, maskings
        # What is put replaces the whole list: two at once would lose one.
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def release(self, account: Account, camera: int, box: Box, *, reason: str) -> tuple[ReleasedPlaceRow, ...]:
        """Release one more; what the camera then says.

        Args:
            box: x0, y0, x1, y1 as shares of the picture.

        Raises:
            Refused: the right is missing.
            Invalid: no reason.
            Conflict: no more can be, or a camera that does not mask people.
            PeerError: the camera does not answer or refuses.
            StoreError: there is no such camera.
        """
        known = await self._allowed(account, camera, "release-place")
        reason = printable(reason.strip(), limit=_LONGEST_REASON)
        if len(reason) < _LEAST_REASON:
            raise Invalid(f"reason: at least {_LEAST_REASON} characters are needed", "reason")
        async with self._turns[camera]:
            places = await released.look(*self._account(known))
            if len(places) >= MOST_PLACES:
                raise Conflict(f"{MOST_PLACES} places are released on {known.name}; take one back first")
            place = ReleasedPlaceRow(secrets.token_hex(8), box, reason, account.name[:64], utc_us())
            # Written down before it happens: from here on a person may be seen.
            await self._write(account, "release-place", camera, place)
            return await self._save(account, known, "release-place", (*places, place))

    async def take_back(self, account: Account, camera: int, place: str) -> tuple[ReleasedPlaceRow, ...]:
        """Mask there again whatever looks like a person. Raises as `release`; `NotFound` where none is called so."""
        known = await self._allowed(account, camera, "take-back-place")
        async with self._turns[camera]:
            places = await released.look(*self._account(known))
            found = next((each for each in places if each.id == place), None)
            if found is None:
                raise NotFound("there is no such released place, or it was taken back")
            await self._write(account, "take-back-place", camera, found)
            return await self._save(
                account, known, "take-back-place", tuple(each for each in places if each is not found)
            )

    async def _allowed(self, account: Account, camera: int, action: str) -> CameraRow:
        await self._log.demand(account, Right.ADMIN, action, camera=camera)
        await self._log.demand(account, Right.VIEW, action, camera=camera)
        known = self._roster.get(camera)
        if not known.veilcam or not known.device:
            raise Conflict(f"{known.name} is of another make: it does not mask people")
        return known

    async def _save(
        self, account: Account, known: CameraRow, action: str, places: tuple[ReleasedPlaceRow, ...]
    ) -> tuple[ReleasedPlaceRow, ...]:
        try:
            now = await released.save(*self._account(known), places)
        except PeerError as error:
            await self._log.write(account.name, action, camera=known.camera, granted=False, why=printable(str(error)))
            raise
        await self._maskings.ask(known.camera)
        return now

    async def _write(self, account: Account, action: str, camera: int, place: ReleasedPlaceRow) -> None:
        where = " ".join(f"{value:.3f}" for value in place.box)
        await self._log.write(account.name, action, camera=camera, reason=place.reason, place=place.id, box=where)

    def _account(self, known: CameraRow) -> tuple[str, str, str]:
        return known.xaddr, known.user, self._roster.password(known.camera)
