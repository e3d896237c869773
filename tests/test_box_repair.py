"""A damaged database: put aside, rebuilt from what can be read and from the recordings, and the loss is reported."""

import asyncio
import contextlib
import random
import sqlite3

import numpy as np
import pytest
from box_fakes import plain_h264, record_file

from nvr_box.accounts.users import Accounts
from nvr_box.audit.head import Heads
from nvr_box.audit.log import Audit
from nvr_box.config import RecordConfig
from nvr_box.custody.holds import Holds
from nvr_box.db.database import Damaged, Store
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance import check, repair
from nvr_box.maintenance import soundness as soundness_module
from nvr_box.maintenance.housekeeping import Housekeeping
from nvr_box.maintenance.soundness import Soundness
from nvr_box.record.crash_recovery import salvage
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.rights import Account, Right
from nvr_box.search.passages import Passages
from nvr_box.state import DATABASE, RECORDINGS
from nvr_box.timekeeping.timekeeper import Timekeeper
from wire.features.packet import AppearanceCode, FeaturePacket
from wire.features.vocabulary import CodeKind, ObjectClass

T0, EVER = 1_795_000_000_000_000, 1 << 60
PAGE = 4096
GUARD = Account("guard", frozenset({Right.VIEW, Right.OPERATE}))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return plain_h264(tmp_path_factory.mktemp("clip") / "a.h264", 200)


def packets(count):
    rng = np.random.default_rng(3)
    for number in range(count):
        code = AppearanceCode("net-1", CodeKind.INT8, 64, rng.integers(-100, 100, 64).astype(np.int8).tobytes())
        at = T0 // 1000 + number * 100
        yield FeaturePacket(
            camera_id=bytes(8), sequence=number, track_id=number, class_=ObjectClass.PERSON, first_utc_ms=at,
            best_utc_ms=at, last_utc_ms=at, quality=0.5, box=(0, 0, 9, 9), codes=(code,),
        )  # fmt: skip


async def filled(folder, clip):
    """A box with recordings of camera 3, passages, entries and an account; closed again."""
    (folder / RECORDINGS).mkdir()
    store = Store.open(folder / DATABASE)
    log = Audit(store)
    for number in range(120):
        await log.write("anna", "search", filters=f"number {number} " + "and so on " * 20)
    await Accounts(store, log).save(
        Account("setup", frozenset(Right)), "anna", password="anna's password", rights=[Right.VIEW]
    )
    await Passages(store).add(3, list(packets(400)))
    await asyncio.to_thread(record_file, Segments(store, folder / RECORDINGS), 3, clip, T0, segment_s=2)
    store.close()


def findings(folder):
    with contextlib.closing(sqlite3.connect(folder / DATABASE)) as link:
        return list(check.findings(link, folder))


def pages_of(path, table):
    """Where a table's leaves lie in the file."""
    with contextlib.closing(sqlite3.connect(path)) as link:
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    mark = {"packet": b"[0.0, 0.0", "audit": b"and so on"}[table]
    return [at // PAGE + 1 for at in range(0, len(data), PAGE) if mark in data[at : at + PAGE] and data[at] == 13]


def spoil(path, pages):
    chance = random.Random(5)
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(chance.randbytes(PAGE))


async def opened(folder):
    store = Store.open(folder / DATABASE)
    segments = Segments(store, folder / RECORDINGS)
    return store, Recordings(segments, Audit(store)), segments


async def test_a_file_that_is_no_database_costs_no_recording(tmp_path, clip):
    await filled(tmp_path, clip)
    spoil(tmp_path / DATABASE, [1])
    for end in ("-wal", "-shm"):
        (tmp_path / (DATABASE + end)).unlink(missing_ok=True)
    with pytest.raises(Damaged) as damage:
        Store.open(tmp_path / DATABASE)
    before = (tmp_path / DATABASE).read_bytes()
    done = repair.rebuild(tmp_path / DATABASE, tmp_path / RECORDINGS, str(damage.value.__cause__))
    assert (tmp_path / done.file).read_bytes() == before, "put aside as it was"
    store, recordings, _ = await opened(tmp_path)
    assert (await salvage(store, tmp_path / RECORDINGS)).finished >= 3
    (span,) = await recordings.spans(GUARD, 3, 0, EVER)
    assert (span.start_us, span.end_us) == (T0, T0 + 8_000_000)
    # The next camera is not given the number of these recordings.
    added = "INSERT INTO camera (name, xaddr, user, password, stream_uri, profile, manufacturer, model, serial,"
    sql = f"{added} added_utc_us) VALUES ('', '', '', '', '', '', '', '', '', 0)"
    assert await store.write(lambda link: link.execute(sql).lastrowid) == 4
    store.close()
    (said,) = findings(tmp_path)
    assert "was damaged" in said
    assert done.file in said
    assert "Lost: up to" in said
    (notice,) = repair.notices(done)
    assert notice.kind == "database"


@pytest.mark.parametrize("table", ["packet", "audit"])
async def test_a_damaged_page_costs_what_is_on_it(tmp_path, clip, table):
    await filled(tmp_path, clip)
    pages = pages_of(tmp_path / DATABASE, table)
    assert len(pages) >= 5
    spoil(tmp_path / DATABASE, [pages[2]])
    done = repair.rebuild(tmp_path / DATABASE, tmp_path / RECORDINGS, "a test")
    assert set(done.lost) == {table}
    store, recordings, _ = await opened(tmp_path)
    counts = {
        name: (await store.read(lambda link, name=name: link.execute(f"SELECT count(*) FROM {name}").fetchone()))[0]
        for name in ("packet", "audit", "account", "segment")
    }
    assert counts["account"] == 1
    assert counts["segment"] >= 3
    assert len(await recordings.spans(GUARD, 3, 0, EVER)) == 1
    if table == "packet":
        assert 400 - 40 <= counts["packet"] < 400
        assert done.lost["packet"] == 400 - counts["packet"]
        assert counts["audit"] == 122
    else:
        assert counts["packet"] == 400
        assert 5 < counts["audit"] < 121, "what still fits, and the entry about the loss"
    passages = Passages(store)
    await passages.load()
    assert len(passages) == counts["packet"]
    store.close()
    assert len(findings(tmp_path)) == 1, "what was lost, and nothing that contradicts itself"


async def test_a_database_damaged_under_a_running_box_is_rebuilt_beside_the_recording(tmp_path, clip):
    await filled(tmp_path, clip)
    store, recordings, segments = await opened(tmp_path)
    log = Audit(store)
    timekeeper, users, keys = Timekeeper(store, log), Accounts(store, log), KeyFolder.open(tmp_path / "keys")
    housekeeping = Housekeeping(
        store, segments, Retention(store, segments, RecordConfig(keep_days=0, keep_free_mib=0)), Passages(store),
        timekeeper=timekeeper, users=users, keys=keys, audit=log, holds=Holds(store, log, keys, recordings),
        keep_days=0,
    )  # fmt: skip
    heads = Heads(store, keys.signer, tmp_path)
    signed = await heads.sign()
    assert signed is not None
    pages = pages_of(tmp_path / DATABASE, "audit")
    spoil(tmp_path / DATABASE, pages)
    with pytest.raises(Damaged):
        await store.read(lambda link: link.execute("SELECT sum(length(details)) FROM audit").fetchall())
    assert [notice.kind for notice in housekeeping.notices()] == ["database"]
    recording = asyncio.create_task(asyncio.to_thread(record_file, segments, 3, clip, T0 + 60_000_000, segment_s=2))
    await housekeeping._mend()
    await recording
    segments.flush()
    assert await asyncio.to_thread(segments.wait_stored, 30)
    assert [span.start_us for span in await recordings.spans(GUARD, 3, 0, EVER)] == [T0, T0 + 60_000_000]
    assert users.get("anna") is not None
    await log.write("anna", "search")
    assert not store.damage
    (notice,) = housekeeping.notices()
    assert "audit" in notice.text
    # Damage proves nothing of its cause: the head from before stays until an administrator puts it aside.
    assert await heads.sign() is None
    store.close()
    damaged, cut = findings(tmp_path)
    assert "was damaged" in damaged
    assert f"was cut off: the box signed entry {signed.number}" in cut


async def test_damage_in_unread_pages_is_found_table_by_table(tmp_path, clip):
    await filled(tmp_path, clip)
    store, _, _ = await opened(tmp_path)
    soundness = Soundness(store)
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as link:
        (tables,) = link.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetchone()
    for _ in range(tables):
        await soundness.step()
    assert not store.damage, "a sound database is left alone"
    spoil(tmp_path / DATABASE, pages_of(tmp_path / DATABASE, "audit")[-1:])
    writing = asyncio.create_task(store.write(lambda link: link.execute("INSERT INTO fact VALUES ('a', 'b')")))
    for _ in range(tables):
        await soundness.step()
    await writing
    assert store.damage.startswith("audit: ")
    store.close()


async def test_checking_a_table_ends_in_time_and_does_no_harm(tmp_path, clip, monkeypatch):
    await filled(tmp_path, clip)
    store, _, _ = await opened(tmp_path)
    monkeypatch.setattr(soundness_module, "_LONGEST_S", 0.0)
    for _ in range(30):
        await Soundness(store).step()
    assert not store.damage
    store.close()
