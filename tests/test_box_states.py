"""States that earlier programs left (`tests/states/`): today's opens them, loses nothing, has one schema for all."""

import asyncio
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from base.errors import Error, StoreError
from nvr_box import __main__ as command
from nvr_box import state as places
from nvr_box.accounts.users import Accounts
from nvr_box.audit.head import Heads
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraStore
from nvr_box.db import migrate
from nvr_box.db.database import Store
from nvr_box.keys import day as day_keys
from nvr_box.keys.passphrase import unlocked
from nvr_box.keys.store import KeyFolder
from nvr_box.record.recordings import Recordings
from nvr_box.record.segments import Segments
from nvr_box.reveal.reveals import Reveals
from nvr_box.rights import Account, Right
from nvr_box.search.passages import Passages
from nvr_box.state import CONSOLE

ROOT = Path(__file__).parent.parent
STATES = sorted(path.parent.name for path in (Path(__file__).parent / "states").glob("*/state.tar.xz"))
ANNA, BERT, CASE = "anna's own passphrase", "bert's own passphrase", "passphrase of case 7"
PASSWORD, SECRET = "a long password 1", "the secret of this box in the tests"
T0, EVER = 1_795_000_000_000_000, 1 << 60
CONTROLLER = Account("controller", frozenset({Right.VIEW, Right.REVEAL}))


def unpacked(name, folder):
    with tarfile.open(Path(__file__).parent / "states" / name / "state.tar.xz") as archive:
        # Python 3.11.2, as Debian 12 has it, knows no filters yet.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder


@pytest.fixture(params=STATES)
def state(request, tmp_path):
    return unpacked(request.param, tmp_path / "state")


def rows(path):
    """{table: (columns, rows)} of a database, whichever program wrote it."""
    with closing(sqlite3.connect(path)) as link:
        names = [name for (name,) in link.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        found = {}
        for name in names:
            columns = [row[1] for row in link.execute(f"PRAGMA table_info({name})")]
            found[name] = columns, link.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
    return found


def schema(path):
    """Everything that a database is declared to have, but for comments and spaces."""
    with closing(sqlite3.connect(path)) as link:
        declared = link.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
        found = {}
        for kind, name, table, sql in declared.fetchall():
            if kind == "table":
                found[kind, name] = link.execute(f"PRAGMA table_info({name})").fetchall()
            else:
                words = re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", sql)).strip()
                found[kind, name] = table, words.replace(" IF NOT EXISTS", "")
        found["version"] = link.execute("PRAGMA user_version").fetchone()
    return found


def assert_kept(before, after):
    """Every row of `before` is there with every column that it had."""
    for table, (columns, there) in before.items():
        if table in {"fact", "sqlite_sequence"}:
            assert dict(there).items() <= dict(after[table][1]).items() | {("schema", "1")}
            continue
        now, found = after[table]
        picked = [tuple(row[now.index(column)] for column in columns) for row in found]
        assert picked == there, table


@pytest.fixture
def fresh(tmp_path):
    Store.open(tmp_path / "fresh.db").close()
    return tmp_path / "fresh.db"


def test_there_is_a_state_of_every_schema():
    assert {"56ef43c", "90470d8", "2cdce83", "aa4e338"} <= set(STATES)


def test_an_old_state_keeps_every_row_and_has_the_schema_of_a_new_one(state, fresh):
    path = state / places.DATABASE
    before = rows(path)
    assert all(before[table][1] for table in ("camera", "segment", "packet", "best_shot", "account", "audit"))
    Store.open(path).close()
    assert_kept(before, rows(path))
    assert schema(path) == schema(fresh)
    assert rows(migrate.copy_of(path)) == before  # a copy of how it was
    Store.open(path).close()
    assert_kept(before, rows(path))


async def test_what_an_old_state_holds_is_still_of_use(state):
    keys = KeyFolder.open(state / places.KEYS, secret=SECRET)
    before = rows(state / places.DATABASE)
    store = Store.open(state / places.DATABASE)
    try:
        log, roster = Audit(store, Heads(store, keys.signer, state)), CameraStore(store)
        await roster.load()
        assert [(each.name, each.paired) for each in roster.all()] == [("yard", True), ("gate", False)]
        assert roster.password(1) == "p"
        # A camera that was paired before it made an account for its streams is recorded with the box's own.
        assert roster.stream_account(1)[0] in {"u", "veilcam-streams"}
        users = Accounts(store, log)
        await users.load()
        admin = await users.authenticate("admin", PASSWORD, peer="192.0.2.1")
        assert admin.may(Right.ADMIN)
        assert users.get("guard").cameras == frozenset({1})
        verdict = await log.verify(CONSOLE)
        assert verdict.broken_at is None
        assert verdict.entries >= len(before["audit"][1])
        segments = Segments(store, state / places.RECORDINGS)
        recordings = Recordings(segments, log)
        for camera, count in ((1, 2), (2, 1)):
            found = await segments.between(camera, 0, EVER)
            assert len(found) == count
            played = [piece async for piece in recordings.play(CONTROLLER, camera, 0)]
            assert len(played) > 1
        assert (await segments.between(1, 0, EVER))[0].locked
        passages = Passages(store)
        await passages.load()
        assert len(passages) == 3
        assert len((await passages.get([1, 2, 3])).keys()) == 3
        assert (await passages.best_shot(1)).jpeg
        await recordings.viewings.close()
    finally:
        store.close()


def test_the_keys_of_an_old_state_open_with_their_passphrases(state):
    keys = KeyFolder.open(state / places.KEYS, secret=SECRET)
    operators = unlocked(keys.sealed().operators, [ANNA, BERT])
    assert {each.kid for each in operators} >= {each.kid for each in keys.operators()}
    assert len(keys.operators()) == 2
    for each in keys.days():
        assert day_keys.unseal(each.path, operators).kid == each.recipient.kid
    for path in (state / places.KEYS / "cases").glob("*/case.json"):
        assert unlocked([path], [CASE])
    if (state / places.KEYS / "policy.json").exists():
        assert keys.dual_control
    assert keys.recipients()


@pytest.mark.parametrize("name", ["56ef43c", "90470d8", "2cdce83"])
async def test_the_originals_of_an_old_recording_come_back(tmp_path, name):
    state = unpacked(name, tmp_path / "state")
    keys = KeyFolder.open(state / places.KEYS, secret=SECRET)
    store = Store.open(state / places.DATABASE)
    log, roster = Audit(store), CameraStore(store)
    await roster.load()
    recordings = Recordings(Segments(store, state / places.RECORDINGS), log)
    reveals = Reveals(log, keys, roster, recordings, minutes=5)
    try:
        session = await reveals.start(CONTROLLER, 1, reason="bicycle theft, case 12", passphrase=ANNA)
        played = [piece async for piece in reveals.play(CONTROLLER, session.key, T0, T0 + 1_000_000)]
        assert len(played) > 1
        verdicts = reveals.active(CONTROLLER)[0].verdicts
        if name == "56ef43c":  # the recoverable stream's version 1, which wire/recovery.md refuses: masked, and said so
            assert (verdicts.opened, verdicts.damaged) == (0, 12)
            assert "recovery unit of version 1, this program speaks 2" in verdicts.reason
        else:
            assert (verdicts.opened, verdicts.damaged) == (12, 0)
    finally:
        await reveals.close()
        await recordings.viewings.close()
        store.close()


def sign_head(state):
    """What a box does first: make the keys that an earlier one had not, and sign the head of the log."""
    keys = KeyFolder.open(state / places.KEYS, secret=SECRET)
    store = Store.open(state / places.DATABASE)
    try:
        asyncio.run(Heads(store, keys.signer, state).sign())
    finally:
        store.close()


def test_check_finds_nothing_in_an_old_state(state, tmp_path, capsys):
    sign_head(state)
    config = tmp_path / "nvr.toml"
    config.write_text(f'state = "{state}"\n')
    status = command.main(["--config", str(config), "check"])
    said = capsys.readouterr()
    assert (status, said.err) == (0, ""), said.out


def killed_at(path, statement):
    """Another process opens the database and is killed before its migration runs this statement; False when it is done.

    Counted by SQLite's own trace: nothing of the program is replaced.
    """
    script = f"""
    import os, signal
    from pathlib import Path
    from nvr_box.db import migrate
    from nvr_box.db.link import connected

    path, left = Path({str(path)!r}), {statement}
    link = connected(path)

    def traced(_statement):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    link.set_trace_callback(traced)
    migrate.upgrade(link, path)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, check=False, env=os.environ)
    assert done.returncode in {0, -signal.SIGKILL}
    return done.returncode != 0


@pytest.mark.parametrize("name", ["78e0b31", "90470d8"])
def test_killed_within_a_migration_the_next_start_begins_it_again(tmp_path, fresh, name):
    state = unpacked(name, tmp_path / "old")
    before = rows(state / places.DATABASE)
    at = 3
    while True:
        again = shutil.copytree(state, tmp_path / f"killed-{at}")
        path = again / places.DATABASE
        if not killed_at(path, at):
            break
        Store.open(path).close()
        assert_kept(before, rows(path))
        assert schema(path) == schema(fresh)
        assert rows(migrate.copy_of(path)) == before
        at += 17
    assert at > 50


def test_a_database_of_a_later_version_is_refused_with_one_sentence(tmp_path, capsys):
    state = unpacked("2cdce83", tmp_path / "state")
    config = tmp_path / "nvr.toml"
    config.write_text(f'state = "{state}"\n')
    Store.open(state / places.DATABASE).close()
    with closing(sqlite3.connect(state / places.DATABASE)) as link:
        link.execute("PRAGMA user_version = 9")
    before = (state / places.DATABASE).read_bytes()
    status = command.main(["--config", str(config), "users", "list"])
    said = capsys.readouterr().err
    assert status == os.EX_CONFIG
    assert f"has version 9, this program knows versions up to {migrate.newest()}" in said
    assert len(said.splitlines()) == 1
    assert (state / places.DATABASE).read_bytes() == before


def test_a_later_version_from_before_the_numbers_is_refused_too(tmp_path):
    path = unpacked("2cdce83", tmp_path / "state") / places.DATABASE
    with closing(sqlite3.connect(path)) as link:
        link.execute("UPDATE fact SET value = '12' WHERE name = 'schema'")
        link.commit()
    with pytest.raises(migrate.Newer, match="has version 12"):
        Store.open(path)


def test_without_room_for_a_copy_the_box_goes_on(tmp_path, monkeypatch, caplog):
    path = unpacked("90470d8", tmp_path / "state") / places.DATABASE
    before = rows(path)
    full = shutil.disk_usage(tmp_path)._replace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    Store.open(path).close()
    assert_kept(before, rows(path))
    assert not migrate.copy_of(path).exists()
    assert "no copy is kept" in caplog.text


def test_the_copy_is_the_owners_alone_and_goes_after_a_week(tmp_path):
    path = unpacked("90470d8", tmp_path / "state") / places.DATABASE
    Store.open(path).close()
    copy = migrate.copy_of(path)
    assert copy.stat().st_mode & 0o777 == 0o600
    migrate.let_copy_go(path)
    assert copy.exists()
    old_s = copy.stat().st_mtime - 8 * 86_400
    os.utime(copy, (old_s, old_s))
    migrate.let_copy_go(path)
    assert not copy.exists()
    migrate.let_copy_go(path)


def test_a_failed_migration_leaves_the_database_as_it_was(tmp_path):
    path = unpacked("90470d8", tmp_path / "state") / places.DATABASE
    with closing(sqlite3.connect(path)) as link:
        link.execute("INSERT INTO best_shot VALUES (99, x'', x'')")  # belongs to no packet
        link.commit()
    before = rows(path)
    with pytest.raises(StoreError, match="would belong to nothing in packet") as refused:
        Store.open(path)
    assert isinstance(refused.value, Error)
    assert rows(path) == before
