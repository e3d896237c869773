"""Choosing on the page whom a camera leaves open or masks alone: by clothing and an unbroken track, never by face.

The camera decides and masks people in doubt; the box sends it the appearance code that the camera itself made of a
person, and shows what is in force.
"""

from dataclasses import dataclass

from base.errors import Conflict, Invalid, NotFound
from base.logs import printable
from nvr_box.audit.log import Audit
from nvr_box.cameras import selection
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.cameras.maskings import Maskings
from nvr_box.cameras.selection import CameraSelection
from nvr_box.rights import Account, Right
from nvr_box.search.frozen_frames import Stills
from nvr_box.search.passages import Passages
from wire.features.packet import AppearanceCode
from wire.features.vocabulary import ObjectClass
from wire.selection import ChosenPerson, Mode

_LONGEST_LABEL = 64


@dataclass(frozen=True, slots=True)
class SelectionChoice:
    """What is wished for a person: to be left open (`EXCEPT`) or to be masked alone (`ONLY`), and what to call them."""

    mode: Mode
    label: str


class Selections:
    """Changing one needs `ADMIN`; every change is written down. What is in force `Maskings` knows."""

    def __init__(
        self, log_: Audit, roster: CameraStore, stills: Stills, passages: Passages, maskings: Maskings
    ) -> None:
        self._log, self._roster, self._stills, self._passages = log_, roster, stills, passages
        self._maskings = maskings

    async def choose_pick(
        self, account: Account, camera: int, choice: SelectionChoice, *, still: str, pick: int
    ) -> CameraSelection:
        """Choose a person of a frozen picture. Raises as `choose_passage`; `StoreError` also for an old still."""
        await self._log.demand(account, Right.ADMIN, "select", camera=camera)
        code, chosen, _ = await self._stills.code(account, still, pick)
        # A code of the masked picture, made by the box, tells no two people apart: it must not unmask any.
        if chosen.passage is None:
            raise Conflict("the camera has not described this person itself; choose a person whom it has")
        return await self._choose(account, camera, choice, code, chosen.object_class)

    async def choose_passage(
        self, account: Account, camera: int, choice: SelectionChoice, *, passage: int
    ) -> CameraSelection:
        """Choose the person of a search result; added to whom the same mode names already.

        Raises:
            Refused: the right is missing, also for the camera that saw the person.
            RequestError: no person, no code, or one that this camera does not understand.
            PeerError: the camera does not answer or refuses.
            StoreError: there is no such camera or passage.
        """
        await self._log.demand(account, Right.ADMIN, "select", camera=camera)
        found = (await self._passages.get([passage])).get(passage)
        if found is None:
            raise NotFound("there is no such passage")
        account.demand(Right.VIEW, found.camera)
        if found.code is None:
            raise Conflict("the camera made no appearance code of this person")
        return await self._choose(account, camera, choice, found.code, found.object_class)

    async def end(self, account: Account, camera: int) -> CameraSelection:
        """Mask everyone again. Raises as `choose_passage`."""
        await self._log.demand(account, Right.ADMIN, "select", camera=camera)
        known = self._ours(camera)
        now = await selection.end(known.xaddr, known.user, self._roster.password(camera))
        await self._maskings.ask(camera)
        await self._log.write(account.name, "select", camera=camera, mode=now.mode.value, people=", ".join(now.labels))
        return now

    async def _choose(
        self, account: Account, camera: int, choice: SelectionChoice, code: AppearanceCode, object_class: ObjectClass
    ) -> CameraSelection:
        known, password = self._ours(camera), self._roster.password(camera)
        if choice.mode is Mode.EVERYONE:
            raise Invalid("mode: only or except", "mode")
        label = printable(choice.label.strip(), limit=_LONGEST_LABEL)
        if not label:
            raise Invalid("label: say what this person is called", "label")
        if object_class is not ObjectClass.PERSON:
            raise Conflict("only people can be chosen")
        if known.appearance_model != code.model:
            raise Conflict(f"{known.name} describes people with another network than the one that saw this person")
        before = await selection.look(known.xaddr, known.user, password)
        people = [each for each in before.people if before.mode is choice.mode and each.label != label]
        people.append(ChosenPerson(label, code.model, code.data.hex()))
        # Written down before it happens: from here on a person may be seen.
        named = ", ".join(each.label for each in people)
        await self._log.write(account.name, "select", camera=camera, mode=choice.mode.value, people=named)
        now = await selection.choose(known.xaddr, known.user, password, choice.mode, people)
        await self._maskings.ask(camera)
        return now

    def _ours(self, camera: int) -> CameraRow:
        known = self._roster.get(camera)
        if not known.veilcam or not known.device:
            raise Conflict(f"{known.name} is of another make: it does not mask people")
        return known
