"""The recordings' disk: its floor, other programs on it, a full one, and a database that takes nothing."""

import asyncio
import contextlib
import errno
import os
import shutil
import sqlite3

import pytest
from box_fakes import plain_h264, record_file

from base.errors import StoreError
from nvr_box.audit.log import Audit
from nvr_box.config import RecordConfig
from nvr_box.db.database import Store
from nvr_box.maintenance import check
from nvr_box.record import room
from nvr_box.record.crash_recovery import finish_left, salvage
from nvr_box.record.full_disk import GONE
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.room import Disk, Victim
from nvr_box.record.segment_file import SegmentFile
from nvr_box.record.segments import Segments
from nvr_box.rights import Account, Right
from nvr_box.state import DATABASE, RECORDINGS

T0, EVER = 1_795_000_000_000_000, 1 << 60
MIB, GIB = 1 << 20, 1 << 30
LENGTH = 12_000_000
GUARD = Account("guard", frozenset({Right.VIEW, Right.OPERATE}))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """12 s: 300 pictures, a key frame each second."""
    return plain_h264(tmp_path_factory.mktemp("clip") / "a.h264", 300)


class Place:
    """A box's folder; `fill` says what its disk is."""

    def __init__(self, folder, monkeypatch):
        self.state, self.root = folder, folder / RECORDINGS
        self.root.mkdir()
        self.store = Store.open(folder / DATABASE)
        self.segments = Segments(self.store, self.root)
        self.recordings = Recordings(self.segments, Audit(self.store))
        self._patch = monkeypatch

    async def record(self, clip, at_us=T0, camera=1, make_room=lambda: False):
        await asyncio.to_thread(record_file, self.segments, camera, clip, at_us, segment_s=4, make_room=make_room)

    async def starts(self):
        return [each.start_us for each in await self.segments.between(1, 0, EVER)]

    async def weigh(self, size):
        await self.store.write(lambda link: link.execute("UPDATE segment SET bytes = ?", (size,)))

    def disk(self, total, others):
        """A disk of `total` bytes of which other data has `others`."""

        def usage(_path):
            ours = self.store.ask(lambda link: link.execute("SELECT sum(bytes) FROM usage").fetchone()).result()[0]
            return shutil._ntuple_diskusage(total, others + ours, total - others - ours)

        self._patch.setattr(shutil, "disk_usage", usage)

    def findings(self):
        with contextlib.closing(sqlite3.connect(self.state / DATABASE)) as link:
            return list(check.findings(link, self.state))


@pytest.fixture
def place(tmp_path, monkeypatch):
    place = Place(tmp_path, monkeypatch)
    yield place
    place.store.close()


def test_only_the_growth_of_recordings_is_owed():
    floor = GIB
    plenty = Disk(3 * GIB, 90 * GIB, 7 * GIB)
    assert room.owed(plenty, None, floor) == room.Owed(0, 0, 7 * GIB)
    grown = Disk(GIB // 2, 92 * GIB + GIB // 2, 7 * GIB)
    assert room.owed(grown, 7 * GIB, floor) == room.Owed(GIB // 2, 0, 7 * GIB)
    others = Disk(0, 90 * GIB, 10 * GIB)
    assert room.owed(others, 7 * GIB, floor) == room.Owed(0, GIB, 7 * GIB)
    both = Disk(GIB // 4, 92 * GIB, 7 * GIB + GIB // 4)
    assert room.owed(both, 7 * GIB, floor) == room.Owed(GIB // 2, GIB // 4, 7 * GIB)
    # Barely enough is no moment to forget what others took: a slow thief would get everything.
    assert room.owed(Disk(floor + MIB, 90 * GIB, 8 * GIB), 7 * GIB, floor).others_before == 7 * GIB
    # A new box on a disk that was too full before it came owes what it records from then on.
    first = room.owed(Disk(GIB // 2, 0, 99 * GIB), None, floor)
    assert first.bytes == 0
    assert room.owed(Disk(GIB // 4, GIB // 4, 99 * GIB), first.others_before, floor).bytes == GIB // 4


def test_the_least_span_is_of_each_camera():
    victim = Victim(0, 1, 1, "a", MIB, 60)
    assert room.spared(victim, 24 * 60 + 59, 24 * 60)
    assert not room.spared(victim, 25 * 60, 24 * 60)


@pytest.mark.parametrize("hours", [0, 24])
async def test_another_program_that_fills_the_disk_costs_no_recording(place, clip, hours):
    await place.record(clip)
    starts = await place.starts()
    await place.weigh(10 * MIB)
    retention = Retention(place.store, place.segments, RecordConfig(keep_days=0, keep_least_hours=hours))
    place.disk(100 * GIB, 50 * GIB)
    assert await retention.sweep() == 0
    assert not list(retention.notices())
    place.disk(100 * GIB, 100 * GIB - 200 * MIB)
    for _ in range(3):
        assert await retention.sweep() == 0
    assert await place.starts() == starts
    (notice,) = retention.notices()
    assert notice.kind == "space"
    assert "other data has taken" in notice.text
    # The same after a restart.
    again = Retention(place.store, place.segments, RecordConfig(keep_days=0, keep_least_hours=hours))
    assert await again.sweep() == 0
    place.disk(100 * GIB, 50 * GIB)
    await again.sweep()
    assert not list(again.notices())


async def test_the_least_span_stays_even_where_recordings_took_the_room(place, clip):
    await place.record(clip)
    await place.weigh(10 * MIB)
    count = len(await place.starts())
    retention = Retention(place.store, place.segments, RecordConfig(keep_days=0, keep_least_hours=5 / 3600))
    place.disk(3 * GIB, GIB)
    await retention.sweep()
    place.disk(GIB + GIB // 2, GIB)  # too little whatever they give
    await retention.sweep()
    left = await place.segments.between(1, 0, EVER)
    assert 1 < len(left) < count
    assert 5_000_000 <= sum(each.end_us - each.start_us for each in left) < 10_000_000
    (notice,) = retention.notices()
    assert "least span" in notice.text


async def test_a_full_disk_that_takes_no_database_write_either_goes_on_recording_at_once(place, clip, monkeypatch):
    await place.record(clip)
    before = await place.starts()
    retention = Retention(place.store, place.segments, RecordConfig(keep_days=0, keep_least_hours=0))
    await retention.sweep()
    tries = iter([True, True])
    real_write = os.write

    def write(fd, data):
        if len(data) > 1000 and next(tries, False):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(place.store, "submit", refusing(place.store))
    await place.record(clip, T0 + 60_000_000, make_room=retention.make_room)
    assert len([start for start in await place.starts() if start >= T0 + 60_000_000]) >= 3, "found without rows"
    assert place.segments.waiting
    assert len(list(place.root.rglob("*" + GONE))) == 2
    monkeypatch.undo()
    assert not [each for each in place.findings() if "newest" not in each and "later" not in each]
    place.segments.flush()
    await retention.sweep()
    assert place.segments.wait_stored(30)
    assert not list(place.root.rglob("*" + GONE))
    assert await place.starts() == [*before[2:], *(start + 60_000_000 for start in before)]
    assert place.findings() == []


async def test_where_nothing_old_is_left_the_oldest_without_a_row_makes_room(place, clip, monkeypatch):
    await place.record(clip)
    old = await place.starts()
    retention = Retention(place.store, place.segments, RecordConfig(keep_days=0, keep_least_hours=0))
    await retention.sweep()
    monkeypatch.setattr(place.store, "submit", refusing(place.store))
    await place.record(clip, T0 + 60_000_000)
    waiting = place.segments.waiting
    made = [await asyncio.to_thread(retention.make_room) for _ in range(len(old) + 2)]
    assert made == [True] * (len(old) + 2)
    assert place.segments.waiting == waiting - 2
    monkeypatch.undo()
    await retention.sweep()
    place.segments.flush()
    assert place.segments.wait_stored(30)
    assert await place.starts() == [start + 60_000_000 for start in old[2:]]
    assert place.findings() == []


def refusing(store):
    """Every write fails as on a full disk."""

    def refuse(_change):
        def no(_link):
            raise sqlite3.OperationalError("database or disk is full")

        return store._write_thread.submit(store._transact, no)

    return refuse


async def test_after_a_crash_what_made_room_is_no_loss(place, clip, monkeypatch):
    await place.record(clip)
    before = await place.starts()
    retention = Retention(place.store, place.segments, RecordConfig(keep_days=0, keep_least_hours=0))
    await retention.sweep()
    monkeypatch.setattr(place.store, "submit", refusing(place.store))
    assert await asyncio.to_thread(retention.make_room)
    monkeypatch.undo()
    assert len(list(place.root.rglob("*" + GONE))) == 1
    assert place.findings() == []
    assert (await salvage(place.store, place.root)).removed == 1
    assert await place.starts() == before[1:]
    assert not list(place.root.rglob("*" + GONE))
    assert place.findings() == []


async def test_a_full_disk_replaces_its_oldest_but_is_not_eaten_up_by_another_program(place, clip, monkeypatch):
    await place.record(clip)
    await place.weigh(100 * MIB)
    count = len(await place.starts())
    retention = Retention(place.store, place.segments, RecordConfig(keep_days=0, keep_least_hours=24))
    place.disk(10 * GIB, 5 * GIB)
    await retention.sweep()
    # Nothing was recorded since: one segment may go for a start, then what is freed has gone to another program.
    made = [await asyncio.to_thread(retention.make_room) for _ in range(count)]
    assert made == [True] + [False] * (count - 1)
    (notice,) = retention.notices()
    assert "recording stands still" in notice.text
    await place.store.write(lambda _link: None)
    assert len(await place.starts()) == count - 1


async def test_a_small_archive_is_not_eaten_up_either(place, clip):
    """Below 16 MiB everything was within the slack, and went."""
    await place.record(clip)
    await place.weigh(MIB)
    before = await place.starts()
    retention = Retention(place.store, place.segments, RecordConfig(keep_days=0, keep_least_hours=24))
    place.disk(40 * MIB, 20 * MIB)
    await retention.sweep()
    assert await place.starts() == before, "16 MiB free of 40 are not a full disk"
    made = [await asyncio.to_thread(retention.make_room) for _ in range(2 * len(before))]
    await place.store.write(lambda _link: None)
    assert not made[-1]
    assert await place.starts()


async def test_evidence_locked_a_moment_ago_is_not_removed_for_room(place, clip):
    await place.record(clip)
    starts = await place.starts()
    retention = Retention(place.store, place.segments, RecordConfig(keep_days=0, keep_least_hours=0))
    await retention.sweep()
    await place.recordings.lock(GUARD, 1, T0, T0 + 1, reason="case 7")
    assert await asyncio.to_thread(retention.make_room)
    await place.store.write(lambda _link: None)
    assert await place.starts() == [starts[0], *starts[2:]]


async def test_a_locked_database_does_not_stop_recording(place, clip):
    """Another program holds the write lock: rows wait, recorders do not, and everything plays meanwhile."""
    await place.store.write(lambda link: link.execute("PRAGMA busy_timeout = 50").fetchall() and None)
    thief = sqlite3.connect(place.state / DATABASE, isolation_level=None)
    thief.execute("BEGIN IMMEDIATE")
    await place.record(clip)
    assert place.segments.waiting == len(await place.starts()) >= 3
    assert (await place.recordings.spans(GUARD, 1, 0, EVER))[0].end_us == T0 + LENGTH
    played = [chunk.start_us async for chunk in place.recordings.chunks(1, T0)]
    assert len(played) == 12
    again = Store.open(place.state / DATABASE)  # a box that starts now does so
    again.close()
    thief.execute("ROLLBACK")
    thief.close()
    place.segments.flush()
    assert place.segments.wait_stored(30)
    assert len(await place.starts()) >= 3
    assert place.findings() == []


async def test_a_file_that_could_not_be_finished_gets_its_row_without_a_restart(place, clip, monkeypatch):
    real, broken = SegmentFile.finish, iter([True])

    def finish(self):
        if next(broken, False):
            raise StoreError("the disk refuses for a moment")
        return real(self)

    monkeypatch.setattr(SegmentFile, "finish", finish)
    await place.record(clip)
    before = await place.recordings.spans(GUARD, 1, 0, EVER)
    await finish_left(place.segments)
    assert place.segments.wait_stored(30)
    after = await place.recordings.spans(GUARD, 1, 0, EVER)
    assert sum(s.end_us - s.start_us for s in after) > sum(s.end_us - s.start_us for s in before)
    assert place.findings() == []
