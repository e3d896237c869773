"""Destroying: overwritten where it lies, on disk before anything says so, in write-ahead log and free pages too."""

import contextlib
import os
import sqlite3

import pytest

from base import files
from base.errors import StoreError
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraRow, CameraStore, entry
from nvr_box.db.database import Store
from nvr_box.keys.store import KeyFolder

PASSPHRASE = "an operator's passphrase"
NEEDLE = b"a-password-of-a-camera"


def camera():
    return CameraRow(0, "yard", "http://x", "u", "rtsp://x", "main", "", "", "", None, None, None, False, False, 0)


def written_to(path):
    """A second name for the file: what lies in its blocks after the first name is gone."""
    witness = path.with_name("witness")
    witness.hardlink_to(path)
    return witness


@pytest.mark.parametrize("what", ["operator", "day"])
def test_a_destroyed_key_is_overwritten_where_it_lay_and_both_are_synced(tmp_path, monkeypatch, what):
    keys = KeyFolder.open(tmp_path)
    kid = keys.create("operator", PASSPHRASE).kid.hex()
    path = keys.today().path if what == "day" else tmp_path / "reveal" / f"{kid}.json"
    witness, size = written_to(path), path.stat().st_size
    synced, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino) or real(fd))
    file, folder = path.stat().st_ino, path.parent.stat().st_ino
    assert keys.remove(path.stem)
    assert not path.exists()
    assert witness.read_bytes() == bytes(size)
    assert synced.index(file) < synced.index(folder, synced.index(file))


def test_a_key_that_was_taken_away_is_overwritten_and_its_public_half_is_never_missing(tmp_path, monkeypatch):
    keys = KeyFolder.open(tmp_path / "keys")
    kid = keys.create("operator", PASSPHRASE).kid.hex()
    path = tmp_path / "keys" / "reveal" / f"{kid}.json"
    witness, size = written_to(path), path.stat().st_size
    real = files.blank
    there = []
    monkeypatch.setattr(files, "blank", lambda gone: there.append(path.exists()) or real(gone))
    keys.take_away(kid, tmp_path / "away.json")
    assert witness.read_bytes() == bytes(size)
    assert there == [True]
    assert [each.kid.hex() for each in keys.operators()] == [kid]


def test_a_key_that_cannot_be_overwritten_is_not_called_destroyed(tmp_path, monkeypatch):
    keys = KeyFolder.open(tmp_path)
    kid = keys.create("operator", PASSPHRASE).kid.hex()

    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "blank", full)
    with pytest.raises(StoreError, match="cannot be destroyed"):
        keys.remove(kid)
    assert (tmp_path / "reveal" / f"{kid}.json").exists()


def holds_needle(folder):
    return [path.name for path in folder.iterdir() if path.is_file() and NEEDLE in path.read_bytes()]


async def test_nothing_of_a_removed_camera_is_left_in_the_database_nor_in_its_log(tmp_path):
    store = Store.open(tmp_path / "box.db")
    roster = CameraStore(store)
    added = await roster.add(camera(), NEEDLE.decode(), None, "test")
    assert holds_needle(tmp_path)
    await roster.remove(added.camera, recordings_too=False, entry=entry("test", "camera-remove", added.camera, {}))
    assert holds_needle(tmp_path) == []
    # The log goes on, and so does a reader beside us.
    with contextlib.closing(sqlite3.connect(tmp_path / "box.db")) as reader:
        log = Audit(store)
        for number in range(50):
            await log.write("anna", "search", number=number)
            if number % 10 == 0:
                await store.scrub()
            assert reader.execute("SELECT max(number) FROM audit").fetchone()[0] == number + 3
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()
    again = Store.open(tmp_path / "box.db")
    assert (await again.read(lambda link: link.execute("SELECT count(*) FROM audit").fetchone())) == (52,)
    again.close()


async def test_a_reader_delays_no_writer_and_the_rest_is_done_later(tmp_path):
    store = Store.open(tmp_path / "box.db")
    log = Audit(store)
    await log.write("anna", "search")
    with contextlib.closing(sqlite3.connect(tmp_path / "box.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM audit").fetchall()
        await log.write("anna", NEEDLE.decode())
        assert not await store.scrub()
        assert not await store.scrub_rest()
        assert len(reader.execute("SELECT * FROM audit").fetchall()) == 1, "what it sees does not change"
        reader.execute("COMMIT")
    assert await store.scrub_rest()
    assert (tmp_path / "box.db-wal").stat().st_size == 0
    assert (await store.read(lambda link: link.execute("SELECT count(*) FROM audit").fetchone())) == (2,)
    store.close()


async def test_a_crash_after_the_scrub_finds_everything(tmp_path):
    store = Store.open(tmp_path / "box.db")
    log = Audit(store)
    for number in range(20):
        await log.write("anna", "search", number=number)
    await store.scrub()
    await log.write("anna", "search", number=20)
    # As after a power cut: the files as they lie now, opened by another process.
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob("box.db*"):
        if not path.name.endswith("-shm"):
            (copy / path.name).write_bytes(path.read_bytes())
    with contextlib.closing(sqlite3.connect(copy / "box.db")) as link:
        assert link.execute("SELECT count(*) FROM audit").fetchone() == (21,)
        assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()
