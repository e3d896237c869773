"""What a camera's mask leaves open, as the box knows it: against the camera's own web application."""

import asyncio
import contextlib
import json
from dataclasses import replace

import pytest

from base.clock import utc_us
from base.errors import Conflict, Invalid, NotFound, PeerError
from firmware.mask.exemption import Selection
from firmware.mask.settings import Extent, MaskSettings, Zone
from firmware.masked_whole import MaskedWhole, WholeMask
from firmware.masking import settings_document
from nvr_box.audit.log import Audit
from nvr_box.cameras import masking, masking_history
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.cameras.masking import Masking, look
from nvr_box.cameras.maskings import Maskings
from nvr_box.cameras.released_places import PlaceReleases
from nvr_box.db import maskings as masking_rows
from nvr_box.db.database import Store
from nvr_box.rights import Account, Right, RightRefused
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, running
from wire.selection import Mode

ADMIN = Account("anna", frozenset({Right.ADMIN, Right.VIEW}))
GUARD = Account("guard", frozenset(Right) - {Right.ADMIN})
USER, PASSWORD = Level.ADMINISTRATOR.lower(), PASSWORDS[Level.ADMINISTRATOR]
PLACE, REASON = (0.1, 0.2, 0.3, 0.9), "a coat stand by the door"
RATE_90K = 9000


def picture(whole, number, why="", *, full):
    whole.masked(number * RATE_90K, why, waited_s=1.0, full=full)


def test_a_whole_mask_is_news_when_it_lasts_and_over_when_that_has_lasted():
    whole = MaskedWhole()
    for number in range(5):
        picture(whole, number, "the detector is late", full=True)
    assert whole.now is None, "half a second is no news"
    for number in range(5, 12):
        whole.examined(number * RATE_90K)
        picture(whole, number, "too dark", full=True)
    assert whole.now == WholeMask("too dark")
    for number in range(12, 18):
        picture(whole, number, full=False)
    assert whole.now == WholeMask("too dark")
    for number in range(18, 24):
        picture(whole, number, full=False)
    assert whole.now is None


def test_detection_lag_is_that_of_the_picture_analysed_last():
    whole = MaskedWhole()
    whole.examined(0)
    for number in range(31):
        picture(whole, number, "the detector is late", full=True)
    assert whole.now == WholeMask("the detector is late", 4.0), "three seconds, and one that a picture waits"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (MaskSettings(), {"people": True, "extent": "bodies", "never": []}),
        (MaskSettings(extent=Extent.FACES), {"people": True, "extent": "faces", "never": []}),
        (MaskSettings(classes=("CAR",)), {"people": False, "extent": "bodies", "never": []}),
        (MaskSettings(zones=(Zone(corners=(0, 0, 1, 0, 1, 1), rule="never"), Zone(corners=(0, 0, 1, 0, 1, 1)))),
         {"people": True, "extent": "bodies", "never": [[0, 0, 1, 0, 1, 1]]}),
    ],
)  # fmt: skip
def test_what_settings_leave_open_is_said(settings, says):
    assert settings_document(settings) == says


@pytest.mark.parametrize(
    "changes",
    [{"people": 1}, {"extent": "nothing"}, {"never": [[0, 0, 1, 1]]}, {"never": [[0, 0, 1, 0, 1, 2]]},
     {"never": [[0] * 6] * 65}, {"selection": {"mode": "some", "people": []}}, {"places": [{}]}, {"whole": "late"},
     {"whole": {"reason": "late", "behind_s": -1}}, {"whole": {"reason": "late", "behind_s": "nan"}}],
)  # fmt: skip
def test_a_broken_answer_is_no_answer(changes):
    said = {"mark": "0", "whole": None, **masking.document(Masking())}
    assert masking.read(said).masking == Masking()
    with pytest.raises(PeerError):
        masking.read({**said, **changes})


async def test_a_camera_answers_when_something_changes_and_else_at_the_end_of_the_wait(tmp_path):
    async with running(tmp_path) as camera:
        xaddr = f"{camera.base}/onvif/device_service"
        first = await look(xaddr, USER, PASSWORD)
        assert (first.masking, first.whole) == (Masking(), None)
        assert (await look(xaddr, USER, PASSWORD, mark=first.mark, wait_s=0.3)).mark == first.mark
        waiting = asyncio.create_task(look(xaddr, USER, PASSWORD, mark=first.mark, wait_s=masking.WAIT_S))
        await asyncio.sleep(0)
        camera.camera.live.whole.now = WholeMask("the picture is too dark", None)
        dark = await waiting
        assert dark.whole == masking.WholeMaskReason("the picture is too dark")
        assert dark.mark != first.mark
        camera.camera.live.set_mask(replace(camera.camera.live.mask, extent=Extent.FACES))
        assert (await look(xaddr, USER, PASSWORD, mark=dark.mark, wait_s=masking.WAIT_S)).masking.extent == "faces"
        for wrong in ({"wait_s": 11.0}, {"wait_s": float("nan")}):
            with pytest.raises(PeerError, match="wait_s"):
                await look(xaddr, USER, PASSWORD, **wrong)
        with pytest.raises(PeerError):
            await look(xaddr, Level.USER.lower(), PASSWORDS[Level.USER])


@contextlib.asynccontextmanager
async def at_work(folder, camera):
    store = Store.open(folder / "box.db")
    roster = CameraStore(store)
    ours = CameraRow(
        1, "yard", f"{camera.base}/onvif/device_service", USER, "", "main", "", "", "", "ab" * 8, "cd" * 32, "net-1",
        paired=True, recording=True, added_utc_us=0,
    )  # fmt: skip
    await roster.add(ours, PASSWORD, None, "test")
    yield store, roster, Maskings(store, roster)
    store.close()


async def until(condition):
    """Until it holds; the box says so nowhere else."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def written(maskings, rows):
    """What held when, once there are so many rows."""
    async with asyncio.timeout(30):
        while len(past := await maskings.past(GUARD, 1, 0, 1 << 60)) < rows:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return past


async def test_the_box_follows_a_camera_and_remembers_what_held_when(tmp_path):
    async with running(tmp_path / "camera") as camera, at_work(tmp_path, camera) as (store, roster, maskings):
        chosen = camera.camera.selection.stored
        assert maskings.now(GUARD, 1) is None, "it was not reported yet"
        task = asyncio.create_task(maskings.run())
        await until(lambda: maskings.now(GUARD, 1) is not None)
        chosen.set(Selection(mode=Mode.ONLY))
        await until(lambda: maskings.now(GUARD, 1).mode is Mode.ONLY)
        camera.camera.live.whole.now = WholeMask("the detector is late", 4.2)
        await until(lambda: maskings.whole(GUARD, 1) == masking.WholeMaskReason("the detector is late", 4.2))
        camera.camera.live.whole.now = None
        await until(lambda: maskings.whole(GUARD, 1) is None)
        chosen.set(Selection())
        await until(lambda: maskings.now(GUARD, 1).mode is Mode.EVERYONE)
        past = await written(maskings, 3)
        assert [one.masking.mode for one in past] == [Mode.EVERYONE, Mode.ONLY, Mode.EVERYONE]
        first, opened, last = past
        assert first.start_us <= opened.start_us <= first.end_us <= last.start_us + 30_000_000
        assert last.start_us <= opened.end_us, "while it is unknown, both hold"
        assert last.end_us is None
        assert await maskings.past(GUARD, 1, 0, first.start_us) == ()
        assert await maskings.past(GUARD, 1, opened.end_us, 1 << 60) == (last,)
        nobody = Account("porter", frozenset({Right.VIEW}), frozenset({2}))
        for query in (lambda: maskings.now(nobody, 1), lambda: maskings.whole(nobody, 1)):
            with pytest.raises(RightRefused):
                query()
        with pytest.raises(RightRefused):
            await maskings.past(nobody, 1, 0, 1 << 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # A box that was restarted goes on with the row, and what changed meanwhile counts from the last confirmation.
        chosen.set(Selection(mode=Mode.ONLY))
        again = Maskings(store, roster)
        task = asyncio.create_task(again.run())
        past = await written(again, 4)
        assert [one.masking.mode for one in past][-2:] == [Mode.EVERYONE, Mode.ONLY]
        assert past[-1].start_us <= past[-2].end_us
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_camera_that_has_been_silent_is_not_believed(tmp_path, monkeypatch):
    async with running(tmp_path / "camera") as camera, at_work(tmp_path, camera) as (_, _, maskings):
        await maskings.ask(1)
        assert maskings.now(GUARD, 1) == Masking()
        assert (await maskings.past(GUARD, 1, 0, 1 << 60))[-1].end_us is None
        monkeypatch.setattr("nvr_box.cameras.maskings._BELIEVED_S", 0.0)
        assert maskings.now(GUARD, 1) is None
        (row,) = await maskings.past(GUARD, 1, 0, 1 << 60)
        assert row.end_us is not None, "what it does since then is unknown"


@pytest.mark.parametrize(("ago_s", "known_since_s"), [(30, 30), (3600, 0)])
async def test_the_first_answer_of_a_camera_counts_since_it_was_added_a_moment_ago(tmp_path, ago_s, known_since_s):
    async with running(tmp_path / "camera") as camera, at_work(tmp_path, camera) as (_, roster, maskings):
        now_us = utc_us()
        roster._cameras[1] = replace(roster.get(1), added_utc_us=now_us - ago_s * 1_000_000)
        await maskings.ask(1)
        (row,) = await maskings.past(GUARD, 1, 0, 1 << 60)
        assert 0 <= row.start_us - (now_us - known_since_s * 1_000_000) < 60_000_000 * (known_since_s == 0) + 1


async def test_a_camera_that_changes_its_mind_all_day_fills_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(masking_history, "_MOST_ROWS", 5)
    store = Store.open(tmp_path / "box.db")
    history = masking_history.MaskingHistory(store)
    for number in range(12):
        await history.begin(1, Masking(people=bool(number % 2)), number * 10, number * 10 + 1)
    past = await history.between(1, 0, 1 << 60)
    assert [one.start_us for one in past] == [70, 80, 90, 100, 110]
    await store.write(lambda link: link.execute("UPDATE masking SET said = '{' WHERE start_us = 90"))
    assert [one.start_us for one in await history.between(1, 75, 95)] == [70, 80], "a row that cannot be read is none"
    store.close()


async def test_an_administrator_releases_a_place_with_a_reason_and_takes_it_back(tmp_path):
    async with running(tmp_path / "camera") as camera, at_work(tmp_path, camera) as (store, roster, maskings):
        places, stored = PlaceReleases(Audit(store), roster, maskings), camera.camera.released.stored
        with pytest.raises(Invalid, match="reason"):
            await places.release(ADMIN, 1, PLACE, reason="  stand  ")
        for account in (GUARD, Account("root", frozenset({Right.ADMIN})), Account("b", ADMIN.rights, frozenset({2}))):
            with pytest.raises(RightRefused):
                await places.release(account, 1, PLACE, reason=REASON)
        assert stored.value.places == ()
        one, two = await asyncio.gather(*(places.release(ADMIN, 1, PLACE, reason=REASON) for _ in range(2)))
        assert {len(one), len(two)} == {1, 2}, "two at once lose nothing"
        assert [(each.reason, each.by) for each in stored.value.places] == [(REASON, "anna")] * 2
        assert maskings.now(GUARD, 1).places == max(one, two, key=len)
        kept, gone = stored.value.places
        assert [each.id for each in await places.take_back(ADMIN, 1, gone.id)] == [kept.id]
        assert [each.id for each in maskings.now(GUARD, 1).places] == [kept.id]
        with pytest.raises(NotFound):
            await places.take_back(ADMIN, 1, gone.id)
        with pytest.raises(RightRefused):
            await places.take_back(GUARD, 1, kept.id)
        past = await maskings.past(GUARD, 1, 0, 1 << 60)
        assert [len(each.masking.places) for each in past] == [1, 2, 1]
        sql = "SELECT who, action, reason, granted, details FROM audit WHERE action LIKE '%-place' ORDER BY number"
        rows = await store.read(lambda link: link.execute(sql).fetchall())
        granted = [row for row in rows if row[3]]
        assert [row[:3] for row in granted] == [("anna", "release-place", REASON)] * 2 + [
            ("anna", "take-back-place", REASON)
        ]
        assert json.loads(granted[0][4])["box"] == "0.100 0.200 0.300 0.900"
        assert {row[0] for row in rows if not row[3]} == {"guard", "root", "b"}
        await roster.save(replace(roster.get(1), camera_id=None, signing_key=None), None)
        with pytest.raises(Conflict, match="another make"):
            await places.release(ADMIN, 1, PLACE, reason=REASON)


async def test_what_held_is_found_by_its_index_whatever_history_there_is(tmp_path):
    store = Store.open(tmp_path / "box.db")
    said = []

    def ask(link):
        link.set_trace_callback(said.append)
        masking_rows.between(link, 1, 10, 20, 5)
        link.set_trace_callback(None)

    await store.read(ask)
    (query,) = said
    plan = await store.read(lambda link: link.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())
    steps = [step[-1] for step in plan if "masking" in step[-1]]
    assert steps
    assert all(step.startswith("SEARCH") and "masking_in_time (camera=? AND end_us" in step for step in steps), steps
    store.close()
