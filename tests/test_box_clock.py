"""The box's clock: what a jump of it may cost. Nothing goes by age until the clock is believed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from box_fakes import FileSource, OnceSource, plain_h264, record_file

from base.errors import RightRefused
from nvr_box.accounts.users import Accounts
from nvr_box.audit.log import Audit
from nvr_box.config import RecordConfig
from nvr_box.custody.holds import Holds
from nvr_box.db.database import Store
from nvr_box.keys import day as day_keys
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance.housekeeping import Housekeeping
from nvr_box.record.crash_recovery import salvage
from nvr_box.record.recorder import Recorder
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.rights import Account, Right
from nvr_box.search.passages import Passages
from nvr_box.timekeeping import trust
from nvr_box.timekeeping.timekeeper import Timekeeper
from nvr_box.timekeeping.trust import Reading

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
NOW = 1_795_000_000_000_000
EVER = 1 << 60
ADMIN = Account("anna", frozenset({Right.ADMIN}))
GUARD = Account("guard", frozenset({Right.VIEW, Right.OPERATE}))


class Clocks:
    """Two clocks to be set: the wall's, and the machine's running time."""

    def __init__(self, wall_us=NOW, ran_us=DAY, boot="one"):
        self.wall_us, self.ran_us, self.boot = wall_us, ran_us, boot

    def __call__(self):
        return Reading(self.wall_us, self.ran_us, self.boot)

    def run(self, us, jump=0):
        self.wall_us += us + jump
        self.ran_us += us
        return self()

    def restart(self, away_us, jump=0):
        self.wall_us += away_us + jump
        self.ran_us, self.boot = MINUTE, self.boot + "+"
        return self()


@pytest.mark.parametrize("jump", [40 * DAY, -40 * DAY, DAY, -DAY, 11 * MINUTE])
def test_a_jump_is_doubted_for_a_day_that_runs_steadily(jump):
    clocks = Clocks()
    now = trust.first(clocks(), None)
    now = trust.after(now, clocks.run(MINUTE))
    assert now.believed
    now = trust.after(now, clocks.run(MINUTE, jump))
    assert now.error_us == jump
    for _ in range(23):
        now = trust.after(now, clocks.run(HOUR))
        assert not now.believed
    again = trust.after(now, clocks.run(MINUTE, HOUR))
    assert again.steady_us == 0, "another jump: the day begins anew"
    clocks.wall_us -= HOUR
    now = trust.after(now, clocks.run(HOUR))
    assert now.believed
    assert now.error_us == 0


def test_a_clock_that_comes_back_is_believed_at_once():
    clocks = Clocks()
    now = trust.first(clocks(), None)
    now = trust.after(now, clocks.restart(5 * MINUTE, jump=-20_000 * DAY))  # an empty battery
    assert not now.believed
    now = trust.after(now, clocks.run(MINUTE, 20_000 * DAY))  # the first answer of a time server
    assert now.believed


@pytest.mark.parametrize(
    ("away", "jump", "believed"),
    [(5 * MINUTE, 0, True), (50 * MINUTE, 0, True), (3 * HOUR, 0, False), (0, 40 * DAY, False), (0, -DAY, False)],
)
def test_a_restart_explains_an_hour_and_no_more(away, jump, believed):
    clocks = Clocks()
    before = trust.after(trust.first(clocks(), None), clocks.run(HOUR))
    assert trust.after(before, clocks.restart(away, jump)).believed == believed


@pytest.mark.parametrize(
    ("newest", "believed"), [(None, True), (NOW - HOUR, True), (NOW - 40 * DAY, False), (NOW + 40 * DAY, False)]
)
def test_without_a_memory_the_newest_recording_says_what_time_it_is(newest, believed):
    assert trust.first(Clocks()(), newest).believed == believed


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return plain_h264(tmp_path_factory.mktemp("clip") / "a.h264", 100)


class Place:
    """A box's folder with its housekeeping and clocks that a test sets."""

    def __init__(self, folder):
        self.clocks = Clocks()
        self.store, root = Store.open(folder / "box.db"), folder / "recordings"
        root.mkdir()
        self.log = Audit(self.store)
        self.timekeeper = Timekeeper(self.store, self.log, self.clocks)
        self.segments = Segments(self.store, root, self.timekeeper.error_us, self.timekeeper.error_before_us)
        self.keys = KeyFolder.open(folder / "keys")
        self.keys.create("anna", "a long enough passphrase")
        recordings = Recordings(self.segments, self.log)
        config = RecordConfig(keep_days=30, keep_free_mib=0)
        self.housekeeping = Housekeeping(
            self.store, self.segments, Retention(self.store, self.segments, config, self.timekeeper.now_us),
            Passages(self.store), timekeeper=self.timekeeper, users=Accounts(self.store, self.log), keys=self.keys,
            audit=self.log, holds=Holds(self.store, self.log, self.keys, recordings), keep_days=30,
        )  # fmt: skip

    async def record(self, clip, at_us):
        await asyncio.to_thread(record_file, self.segments, 1, clip, at_us)

    def key_of(self, at_us):
        day = f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d}"
        day_keys.make(self.keys.folder / "days", day, [(each,) for each in self.keys.operators()])
        return day

    def days(self):
        return {path.stem for path in (self.keys.folder / "days").glob("*.json")}

    async def starts(self):
        return [each.start_us for each in await self.segments.between(1, 0, EVER)]

    async def said(self):
        sql = "SELECT who, granted, details FROM audit WHERE action = 'clock' ORDER BY number"
        return await self.store.read(lambda link: link.execute(sql).fetchall())


@pytest.fixture
async def place(tmp_path):
    place = Place(tmp_path)
    await place.timekeeper.load()
    await place.timekeeper.keep()
    yield place
    place.store.close()


async def test_a_clock_40_days_ahead_removes_nothing_and_shreds_nothing(place, clip):
    await place.record(clip, NOW - 3 * DAY)
    day = place.key_of(NOW - 3 * DAY)
    await place.housekeeping.sweep()
    before = place.days()
    place.clocks.run(13_000_000, 40 * DAY)
    for _ in range(3):
        await place.housekeeping.sweep()
        place.clocks.run(30_000_000)
    assert await place.starts() == [NOW - 3 * DAY]
    assert day in place.days()
    assert place.days() == before
    (notice,) = place.timekeeper.notices()
    assert notice.kind == "clock"
    assert "40.0 days ahead" in notice.text
    assert [(actor, granted) for actor, granted, _ in await place.said()] == [("the box", 1)]


async def test_the_doubt_outlives_a_restart_of_the_box(place, clip):
    await place.record(clip, NOW - 3 * DAY)
    place.clocks.restart(MINUTE, 40 * DAY)
    again = Timekeeper(place.store, place.log, place.clocks)
    await again.load()
    await again.keep()
    place.clocks.run(HOUR)
    once_more = Timekeeper(place.store, place.log, place.clocks)
    await once_more.load()
    assert once_more.now_us() is None
    assert [actor for actor, *_ in await place.said()] == ["the box"]


async def test_an_administrator_agrees_and_keys_go_a_day_a_day(place, clip):
    await place.record(clip, NOW - 3 * DAY)
    days = [place.key_of(NOW - back * DAY) for back in (5, 4, 3)]
    place.clocks.run(MINUTE, 40 * DAY)
    await place.housekeeping.sweep()
    with pytest.raises(RightRefused):
        await place.timekeeper.agree(GUARD)
    assert place.timekeeper.now_us() is None
    await place.timekeeper.agree(ADMIN)
    assert not list(place.timekeeper.notices())
    for gone in range(1, 4):
        await place.housekeeping.sweep()
        await place.housekeeping.sweep()
        assert await place.starts() == []
        assert place.days().intersection(days) == set(days[gone:])
        place.clocks.run(DAY)
        await place.timekeeper.keep()
    assert [(actor, granted) for actor, granted, _ in await place.said()] == [("the box", 1), ("guard", 0), ("anna", 1)]


@pytest.mark.parametrize("jump", [-40 * DAY, -DAY, DAY, 40 * DAY])
async def test_what_was_recorded_under_a_wrong_clock_is_kept_as_long_as_everything_else(place, clip, jump):
    place.clocks.run(MINUTE, jump)
    await place.timekeeper.keep()
    await place.record(clip, place.clocks.wall_us)
    place.clocks.run(HOUR, -jump)
    await place.housekeeping.sweep()
    assert len(await place.starts()) == 1
    for day in range(1, 32):
        place.clocks.run(DAY)
        await place.housekeeping.sweep()
        assert len(await place.starts()) == (day < 30), day


async def test_what_was_begun_under_a_wrong_clock_is_kept_when_it_ends_under_the_right_one(place, clip):
    place.clocks.run(10_000_000, -37 * DAY)
    wrong_us = place.clocks.wall_us
    place.clocks.run(10_000_000, 37 * DAY)
    await place.record(clip, wrong_us)
    await place.housekeeping.sweep()
    assert await place.starts() == [wrong_us]


async def test_what_a_killed_box_recorded_under_a_wrong_clock_is_kept(place, clip):
    """Its file has no row: the next start finds it."""
    place.clocks.run(10_000_000, -37 * DAY)
    await place.housekeeping._apply_outside_changes()
    wrong_us = place.clocks.wall_us
    await place.record(clip, wrong_us)
    await place.store.write(lambda link: link.execute("DELETE FROM segment"))
    place.clocks.run(20_000_000, 37 * DAY)
    again = Timekeeper(place.store, place.log, place.clocks)
    await again.load()
    segments = Segments(place.store, place.segments.root, again.error_us, again.error_before_us)
    assert (await salvage(place.store, segments.root, segments)).finished == 1
    retention = Retention(place.store, segments, RecordConfig(keep_days=30, keep_free_mib=0), again.now_us)
    assert await retention.sweep() == 0
    assert await place.starts() == [wrong_us]


class FarClock(FileSource):
    """A camera whose clock is a day off: pictures are dated by their arrival, which jitters."""

    def packets(self, seen):
        for number, timed in enumerate(super().packets(seen)):
            yield replace(timed, utc_us=timed.utc_us + number * 7919 % 11 * 60_000, offset_s=-86_400.0)


async def test_a_camera_with_a_wrong_clock_is_not_cut_into_pieces(place, clip):
    once = OnceSource(lambda: FarClock(clip, NOW))
    recorder = Recorder(1, "file", once, place.segments, segment_s=60, make_room=lambda: False,
                        publish=lambda *_: None)  # fmt: skip
    recorder.start()
    assert await asyncio.to_thread(once.gone.wait, 60)
    recorder.stop()
    assert await asyncio.to_thread(recorder.join, 30)
    assert len(await place.starts()) == 1


async def test_what_a_doubted_clock_dated_stands_when_it_was_right(place, clip):
    """Switched off for two weeks: the clock is right, only the box cannot know."""
    place.clocks.restart(14 * DAY)
    await place.timekeeper.keep()
    await place.record(clip, place.clocks.wall_us)
    await place.timekeeper.agree(ADMIN)
    for day in range(1, 32):
        place.clocks.run(DAY)
        await place.housekeeping.sweep()
        assert len(await place.starts()) == (day < 31), day


async def test_a_key_stays_while_something_of_its_day_is_recorded(place, clip):
    old = NOW - 33 * DAY
    day = place.key_of(old)
    await place.record(clip, old)
    await place.store.write(lambda link: link.execute("UPDATE segment SET clock_error_us = ?", (-20 * DAY,)))
    await place.housekeeping.sweep()
    assert len(await place.starts()) == 1
    assert day in place.days()
    midnight = datetime.fromtimestamp(old / 1e6, UTC) + timedelta(days=20 + 31)
    place.clocks.run(int(midnight.timestamp() * 1e6) - place.clocks.wall_us)
    await place.housekeeping.sweep()
    assert await place.starts() == []
    assert day not in place.days()
