"""Legal holds of a stretch of one recording, and what the ceremonies refuse while they stand."""

import asyncio
import json

import pytest
from box_fakes import CAMERA_ID, best_shot, jpeg, masked_h264, record_file

from base.errors import NotFound, RequestError, RightRefused
from nvr_box import __main__ as command
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.config import RecordConfig
from nvr_box.custody.custody import Custody
from nvr_box.custody.holds import Holds
from nvr_box.db.database import Store
from nvr_box.keys import day as day_keys
from nvr_box.keys.passphrase import unlocked
from nvr_box.keys.store import KeyFolder
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.reveal.reveals import Reveals
from nvr_box.rights import Account, Right
from nvr_box.search.passages import Passages
from nvr_box.state import CONSOLE
from wire.features.packet import FeaturePacket
from wire.features.vocabulary import ObjectClass
from wire.keys import SigningKey

ANNA, BERT, CASE = "anna's own passphrase", "bert's own passphrase", "passphrase of case 7"
T0, GOP_US, GOPS = 1_795_000_000_000_000, 200_000, 6
DAY = "2026-11-18"
WHO = Account("controller", frozenset({Right.VIEW, Right.REVEAL}))
WHY = "court order 12/26"


class Scene:
    """A camera that sealed six groups of pictures to the key of its day, and the parts that look after them."""

    def __init__(self, folder):
        self.keys = KeyFolder.open(folder / "keys")
        self.anna, self.bert = self.keys.create("anna", ANNA), self.keys.create("bert", BERT)
        self.store, self.root = Store.open(folder / "box.db"), folder / "recordings"
        self.root.mkdir()
        self.log, self.passages = Audit(self.store), Passages(self.store)
        self.segments = Segments(self.store, self.root)
        recordings = Recordings(self.segments, self.log)
        self.roster = CameraStore(self.store)
        self.reveals = Reveals(self.log, self.keys, self.roster, recordings, minutes=1)
        self.holds = Holds(self.store, self.log, self.keys, recordings)
        self.custody = Custody(self.store, self.log, self.keys, self.holds)

    async def record(self, folder):
        """Its keys are made with it."""
        signer = SigningKey.generate()
        camera = CameraRow(
            1, "yard", "http://x", "u", "rtsp://x", "main", "", "", "", CAMERA_ID.hex(), signer.public.hex(), None,
            paired=True, recording=True, added_utc_us=0,
        )  # fmt: skip
        await self.roster.add(camera, "p", None, "test")
        day = day_keys.make(self.keys.folder / "days", DAY, [(each,) for each in self.keys.operators()])
        file = masked_h264(folder / "a.h264", 5 * GOPS, [day.recipient], signer, start_us=T0, gop=5)
        await asyncio.to_thread(record_file, self.segments, 1, file, T0)
        for number in range(GOPS):
            at_ms = (T0 + number * GOP_US + GOP_US // 2) // 1000
            packet = FeaturePacket(
                camera_id=CAMERA_ID, sequence=number, track_id=1, class_=ObjectClass.PERSON, first_utc_ms=at_ms,
                best_utc_ms=at_ms, last_utc_ms=at_ms, quality=0.5, box=(0, 0, 9, 9),
            )  # fmt: skip
            whole = best_shot(packet, [day.recipient], signer, masked=jpeg(1), clear=jpeg(2))
            await self.passages.add(1, [whole])

    async def opened(self, passphrase):
        """Which of the groups show originals to a passphrase, as letters; `best_shots` then says it of those."""
        session = await self.reveals.start(WHO, 1, reason="case 12, theft", passphrase=passphrase)
        letters, before = "", 0
        for number in range(GOPS):
            await self.reveals.still(WHO, session.key, T0 + number * GOP_US + GOP_US // 2)
            count = self.reveals.active(WHO)[0].verdicts.opened
            letters, before = letters + ("O" if count > before else "m"), count
        self.best_shots = ""
        for number in range(GOPS):
            try:
                await self.reveals.card(WHO, session.key, await self.passages.best_shot(number + 1))
                self.best_shots += "O"
            except NotFound:
                self.best_shots += "m"
        await self.reveals.end(WHO, session.key)
        return letters

    async def said(self, action):
        rows = await self.store.read(
            lambda link: link.execute("SELECT granted, details FROM audit WHERE action = ?", (action,)).fetchall()
        )
        return [(bool(granted), json.loads(details)["what"]) for granted, details in rows if "what" in details]


@pytest.fixture
async def scene(tmp_path):
    scene = Scene(tmp_path)
    await scene.record(tmp_path)
    yield scene
    await scene.reveals.close()
    scene.store.close()


async def test_what_is_held_outlives_its_day_and_nothing_else_does(scene):
    # From the middle of the third group into the fourth: these two and no other.
    start_us, end_us = T0 + 2 * GOP_US + 90_000, T0 + 3 * GOP_US + 90_000
    placed = await scene.holds.place(CONSOLE, "case-7", 1, start_us, end_us, reason=WHY)
    with pytest.raises(RequestError, match="on hold for case-7"):
        await scene.custody.shred(CONSOLE, DAY)
    with pytest.raises(RightRefused, match="opens no"):
        await scene.holds.seal(CONSOLE, placed.number, passphrases=["wrong passphrase"], case_passphrase=CASE)
    with pytest.raises(RequestError, match="at least"):
        await scene.holds.seal(CONSOLE, placed.number, passphrases=[ANNA], case_passphrase="short")
    sealed = await scene.holds.seal(CONSOLE, placed.number, passphrases=[ANNA], case_passphrase=CASE)
    assert (sealed.kept, sealed.missed) == (2, 0)
    # Another stretch of the same case needs the operators' passphrase only.
    second = await scene.holds.place(CONSOLE, "case-7", 1, T0 + 5 * GOP_US, T0 + 6 * GOP_US, reason=WHY)
    await scene.holds.seal(CONSOLE, second.number, passphrases=[BERT])
    await scene.custody.shred(CONSOLE, DAY)
    assert (await scene.opened(ANNA), scene.best_shots) == ("mmmmmm", "mmmmmm")
    # The best shot of the fourth group was taken after the end of the hold.
    assert (await scene.opened(CASE), scene.best_shots) == ("mmOOmO", "mmOmmO")
    assert scene.keys.sealed(2).holds == (), "they are no other camera's business"
    assert len(scene.keys.sealed(1).holds) == 2
    assert await scene.said("hold") == [
        (True, "place"),
        (False, "seal"),
        (True, "seal"),
        (True, "place"),
        (True, "seal"),
    ]
    assert await scene.said("keys") == [(False, "shred"), (True, "shred")]
    await scene.holds.lift(CONSOLE, placed.number, reason="case closed in May")
    assert [path.name for path in scene.keys.sealed(1).holds] == [f"1-{second.number}.hold"]


async def test_retention_spares_what_is_on_hold_until_it_is_lifted(scene):
    placed = await scene.holds.place(CONSOLE, "case-7", 1, T0, T0 + GOP_US, reason=WHY)
    retention = Retention(scene.store, scene.root, RecordConfig(keep_days=1e-6, keep_free_mib=0))
    assert await retention.sweep() == 0
    assert not await asyncio.to_thread(retention.make_room)
    assert [spared for *_, spared in await scene.segments.stretches(1, T0, T0 + GOP_US)] == [True]
    assert await scene.holds.days_needed() == {DAY}
    await scene.holds.lift(CONSOLE, placed.number, reason="case closed in May")
    assert await scene.holds.days_needed() == set()
    assert await retention.sweep() == 1


async def test_a_hold_that_makes_no_sense_is_refused(scene):
    hour_us = 3_600_000_000
    for case, from_us, to_us, reason, says in (
        ("../x", T0, T0 + GOP_US, WHY, "letters"),
        ("case-7", T0, T0, WHY, "before it ends"),
        ("case-7", T0, T0 + 25 * hour_us, WHY, "24 hours"),
        ("case-7", T0, 1 << 60, WHY, "before now"),
        ("case-7", T0 + hour_us, T0 + 2 * hour_us, WHY, "nothing is recorded"),
        ("case-7", T0, T0 + GOP_US, "because", "reason"),
    ):
        with pytest.raises(RequestError, match=says):
            await scene.holds.place(CONSOLE, case, 1, from_us, to_us, reason=reason)
    assert await scene.holds.standing() == ()


async def test_only_an_administrator_may(scene):
    guard = Account("guard", frozenset(Right) - {Right.ADMIN})
    for tried in (
        scene.holds.place(guard, "case-7", 1, T0, T0 + GOP_US, reason=WHY),
        scene.holds.seal(guard, 1, passphrases=[ANNA]),
        scene.holds.lift(guard, 1, reason=WHY),
        scene.custody.overview(guard),
        scene.custody.revoke(guard, scene.anna.kid.hex()),
        scene.custody.shred(guard, DAY),
    ):
        with pytest.raises(RightRefused):
            await tried
    assert len(scene.keys.operators()) == 2
    with pytest.raises(NotFound, match="no hold 1"):
        await scene.holds.lift(CONSOLE, 1, reason=WHY)


async def test_a_revoked_key_is_sealed_to_no_more_and_still_opens_the_past(scene):
    before = scene.keys.recipients()
    await scene.custody.revoke(CONSOLE, scene.anna.kid.hex())
    after = scene.keys.recipients()
    assert before != after, "cameras are given another key at once"
    newest = scene.keys.sealed().days[0]
    assert day_keys.opened_by(newest) == ((scene.bert.kid.hex(),),)
    past = unlocked(scene.keys.sealed().operators, [ANNA])
    assert day_keys.unseal(scene.keys.folder / "days" / f"{DAY}.json", past)
    for kid, says in ((scene.anna.kid.hex(), "no key"), (scene.bert.kid.hex(), "only operator"), ("../x", "no key")):
        with pytest.raises(RequestError, match=says):
            await scene.custody.revoke(CONSOLE, kid)


async def test_the_overview_says_what_is_there_and_what_is_gone(scene):
    await scene.custody.revoke(CONSOLE, scene.anna.kid.hex())
    scene.keys.today(CAMERA_ID.hex())
    await scene.custody.shred(CONSOLE, DAY)
    await scene.custody.shred(CONSOLE, scene.anna.kid.hex())
    seen = await scene.custody.overview(CONSOLE)
    anna, bert = seen.keys
    assert (anna.label, anna.algorithm, bool(anna.revoked_us), bool(anna.destroyed_us)) == (
        "anna",
        "X25519",
        True,
        True,
    )
    assert (bert.kid, bert.here, bert.revoked_us) == (scene.bert.kid.hex(), True, None)
    assert bert.fingerprint.startswith(bert.kid)
    (old,) = [day for day in seen.days if day.day == DAY]
    assert old.keys == ()
    assert old.destroyed_us > T0
    assert list(old.recorded_us) == [1]
    (today,) = [day for day in seen.days if day.day != DAY]
    assert today.opened_by == ("bert",)


async def test_the_command_line_holds_refuses_and_lifts_as_the_page_does(scene, tmp_path, capsys):
    config = tmp_path / "nvr.toml"
    config.write_text(f'state = "{tmp_path}"\n')

    async def run(*words):
        status = await asyncio.to_thread(command.main, ["--config", str(config), "keys", *words])
        said = capsys.readouterr()
        return status, said.out + said.err

    start, end = "2026-11-18T11:06:40Z", "2026-11-18T11:06:41Z"
    assert await run("hold-range", "case-7", "1", start, end, "--reason", WHY, "--operators", "0") == (
        0,
        "hold 1: camera 1 for case-7\n",
    )
    assert (
        "hold 1  case-7  camera 1  2026-11-18T11:06:40Z to 2026-11-18T11:06:41Z  not sealed" in (await run("list"))[1]
    )
    status, said = await run("shred", DAY, "--yes")
    assert (status, "on hold for case-7" in said) == (1, True)
    assert await run("lift", "1", "--reason", "case closed in May") == (0, "hold 1 is lifted\n")
    assert (await run("shred", DAY, "--yes"))[0] == 0
    status, said = await run("revoke", scene.anna.kid.hex())
    assert (status, "is revoked" in said) == (0, True)
    assert f"{scene.anna.kid.hex()}  operator  X25519  anna  revoked" in (await run("list"))[1]
