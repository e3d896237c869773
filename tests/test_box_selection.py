"""Choosing on the box whom a camera leaves open: against the camera's own web application."""

import contextlib
import json
from types import SimpleNamespace

import pytest

from base.errors import NotFound, PeerError, RequestError, RightRefused
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.cameras.maskings import Maskings
from nvr_box.cameras.selection import look
from nvr_box.cameras.selections import SelectionChoice, Selections
from nvr_box.db.database import Store
from nvr_box.rights import Account, Right
from nvr_box.search.frozen_frames import Pick
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, running
from wire.features.packet import AppearanceCode
from wire.features.vocabulary import CodeKind, ObjectClass
from wire.selection import Mode

ADMIN = Account("admin", frozenset({Right.ADMIN, Right.VIEW, Right.OPERATE}))
GUARD = Account("guard", frozenset(Right) - {Right.ADMIN})
USER = Level.ADMINISTRATOR.lower()
EXCEPT = SelectionChoice(Mode.EXCEPT, "the guest")
PERSON, CAR, NAMELESS, STRANGE = 1, 2, 3, 4


def code(model="net-1"):
    return AppearanceCode(model, CodeKind.INT8, 64, bytes(range(64)))


PASSAGES = {
    PERSON: SimpleNamespace(camera=1, code=code(), object_class=ObjectClass.PERSON),
    CAR: SimpleNamespace(camera=1, code=code(), object_class=ObjectClass.CAR),
    NAMELESS: SimpleNamespace(camera=1, code=None, object_class=ObjectClass.PERSON),
    STRANGE: SimpleNamespace(camera=1, code=code("net-2"), object_class=ObjectClass.PERSON),
}


class Described:
    """What the box knows: four passages, and stills of which the camera has described pick 0 only."""

    async def get(self, packets):
        return {number: PASSAGES[number] for number in packets if number in PASSAGES}

    async def code(self, _by, _still, number):
        pick = Pick(number, (0, 0, 1, 1), ObjectClass.PERSON, 1.0, (), passage=PERSON if number == 0 else None)
        return code(), pick, None


@contextlib.asynccontextmanager
async def at_work(folder, camera):
    store = Store.open(folder / "box.db")
    roster, described = CameraStore(store), Described()
    ours = CameraRow(
        1, "yard", f"{camera.base}/onvif/device_service", USER, "", "main", "", "", "", "ab" * 8, "cd" * 32, "net-1",
        paired=True, recording=True, added_utc_us=0,
    )  # fmt: skip
    await roster.add(ours, PASSWORDS[Level.ADMINISTRATOR], None, "test")
    maskings = Maskings(store, roster)
    yield Selections(Audit(store), roster, described, described, maskings), roster, store
    store.close()


async def test_a_person_is_left_open_by_the_camera_until_the_box_ends_it(tmp_path):
    async with running(tmp_path / "camera") as camera, at_work(tmp_path, camera) as (selections, roster, store):
        stored = camera.camera.selection.stored
        said = await selections.choose_passage(ADMIN, 1, EXCEPT, passage=PERSON)
        assert (said.mode, said.labels) == (Mode.EXCEPT, ("the guest",))
        assert stored.value.mode is Mode.EXCEPT
        assert stored.value.people[0].code == bytes(range(64)).hex()
        said = await selections.choose_pick(ADMIN, 1, SelectionChoice(Mode.EXCEPT, "a colleague"), still="s", pick=0)
        assert said.labels == ("the guest", "a colleague")
        said = await selections.choose_pick(ADMIN, 1, SelectionChoice(Mode.ONLY, "the neighbour"), still="s", pick=0)
        assert (said.mode, said.labels) == (Mode.ONLY, ("the neighbour",)), "another mode speaks of others"
        known = selections._maskings.now(GUARD, 1)
        assert (known.mode, known.labels) == (said.mode, said.labels)
        # A box that was restarted learns of it from the camera, which compares no person for a GET.
        fresh = Maskings(store, roster)
        await fresh.ask(1)
        assert fresh.now(GUARD, 1) == known
        assert camera.camera.selection.chooser._attends_until_s == 0
        assert (await selections.end(ADMIN, 1)).mode is Mode.EVERYONE
        assert stored.value.mode is Mode.EVERYONE
        rows = await store.read(
            lambda link: link.execute("SELECT details FROM audit WHERE action = 'select'").fetchall()
        )
        chosen = [json.loads(details) for (details,) in rows]
        assert [(each["mode"], each["people"]) for each in chosen] == [
            ("except", "the guest"),
            ("except", "the guest, a colleague"),
            ("only", "the neighbour"),
            ("everyone", ""),
        ]


async def test_a_person_who_cannot_be_distinguished_for_sure_is_not_left_open(tmp_path):
    async with running(tmp_path / "camera") as camera, at_work(tmp_path, camera) as (selections, roster, _):
        for passage, says in ((CAR, "only people"), (NAMELESS, "no appearance code"), (STRANGE, "another network")):
            with pytest.raises(RequestError, match=says):
                await selections.choose_passage(ADMIN, 1, EXCEPT, passage=passage)
        with pytest.raises(RequestError, match="has not described"):
            await selections.choose_pick(ADMIN, 1, EXCEPT, still="s", pick=1)
        with pytest.raises(RequestError, match="called"):
            await selections.choose_passage(ADMIN, 1, SelectionChoice(Mode.ONLY, "  "), passage=PERSON)
        with pytest.raises(NotFound, match="no such passage"):
            await selections.choose_passage(ADMIN, 1, EXCEPT, passage=99)
        for tried in (
            selections.choose_passage(GUARD, 1, EXCEPT, passage=PERSON),
            selections.choose_pick(GUARD, 1, EXCEPT, still="s", pick=0),
            selections.end(GUARD, 1),
        ):
            with pytest.raises(RightRefused):
                await tried
        assert camera.camera.selection.stored.value.mode is Mode.EVERYONE
        with pytest.raises(PeerError, match="password"):
            await look(roster.get(1).xaddr, USER, "wrong")
    with pytest.raises(PeerError, match="does not answer"):
        await look(f"{camera.base}/onvif/device_service", USER, "x")
