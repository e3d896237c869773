"""`python -m nvr_box check` and the other commands: what they find, say and refuse."""

import asyncio
import io
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from box_fakes import plain_h264, record_file

from nvr_box import __main__ as command
from nvr_box import state as places
from nvr_box.audit.log import Audit
from nvr_box.db.database import Store
from nvr_box.maintenance import check
from nvr_box.record.segments import Segments

T0 = 1_795_000_000_000_000
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return plain_h264(tmp_path_factory.mktemp("clip") / "a.h264", 100)


@pytest.fixture
def place(tmp_path, clip):
    """A state folder with four segments and two audit entries; its nvr.toml."""
    state = tmp_path / "state"
    (state / places.RECORDINGS).mkdir(parents=True)

    async def fill():
        store = Store.open(state / places.DATABASE)
        log = Audit(store)
        await log.write("anna", "search")
        await log.write("bert", "search")
        segments = Segments(store, state / places.RECORDINGS)
        await asyncio.to_thread(record_file, segments, 1, clip, T0, segment_s=2, documents=True)
        store.close()

    asyncio.run(fill())
    config = tmp_path / "nvr.toml"
    config.write_text(f'state = "{state}"\n')
    return state, config


@pytest.fixture
def run(capsys, monkeypatch):
    """One command in this process: (exit status, standard output, standard error)."""

    def run(config, *words, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = command.main(["--config", str(config), *words])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, status, said.out, said.err)

    return run


def findings(state):
    link = sqlite3.connect(state / places.DATABASE)
    try:
        return list(check.findings(link, state))
    finally:
        link.close()


def files(state):
    return sorted((state / places.RECORDINGS).rglob("*.mp4"))


def changed(state, sql):
    link = sqlite3.connect(state / places.DATABASE)
    link.executescript(sql)
    link.close()


def test_a_sound_box_has_no_findings(place):
    _, config = place
    words = [sys.executable, "-m", "nvr_box", "--config", str(config), "check"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout.strip().splitlines()[-1]) == (
        0,
        "3 segments, 0 passages, 0 of them with a sealed original, 2 audit entries: no findings",
    )


def test_findings_are_named_and_the_command_fails(place, run):
    state, config = place
    files(state)[0].unlink()
    done = run(config, "check")
    assert done.returncode == 1
    assert "the file is missing" in done.stdout
    assert "1 findings" in done.stdout


def unlisted(state):
    """The row of the oldest is gone, and its file is not being written."""
    os.utime(files(state)[0], (0, 0))
    changed(state, "DELETE FROM segment WHERE segment = 1")


def test_what_is_written_under_a_clock_that_was_set_back_is_no_finding(place):
    state, _ = place
    changed(state, "DELETE FROM segment WHERE segment = 1")
    assert findings(state) == []


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda state: files(state)[0].unlink(), "the file is missing"),
        (lambda state: flip(files(state)[0]), "SHA-256 differs"),
        (lambda state: os.truncate(files(state)[0], 5000), "bytes, its row says"),
        (lambda state: changed(state, "UPDATE segment SET gop_index = x'00' WHERE segment = 1"), "is no segment"),
        (lambda state: changed(state, "UPDATE segment SET gop_index = x'0005' WHERE segment = 1"), "does not name"),
        (unlisted, "has no row, but later"),
        (lambda state: changed(state, "DROP TRIGGER audit_is_not_changed; UPDATE audit SET who = 'eve'"), "audit: "),
        (
            lambda state: changed(
                state,
                "INSERT INTO camera (name, xaddr, user, password, stream_uri, profile, manufacturer, model,"
                " serial, paired, added_utc_us) VALUES ('', '', '', '', '', '', '', '', '', 1, 0)",
            ),
            "keys are missing",
        ),
        (
            lambda state: changed(state, "PRAGMA foreign_keys = 0; INSERT INTO best_shot VALUES (9, x'00', x'')"),
            "belongs to nothing",
        ),
    ],
)
def test_each_contradiction_is_found(place, damage, says):
    state, _ = place
    damage(state)
    assert any(says in finding for finding in findings(state)), findings(state)


def test_the_file_being_written_is_no_finding(place):
    state, _ = place
    folder = files(state)[-1].parent
    (folder / f"{T0 + 60_000_000}.mp4").write_bytes(b"begun")
    assert findings(state) == []
    (folder / f"{T0 + 120_000_000}.mp4").write_bytes(b"begun when that was finished, whose row is on its way")
    assert findings(state) == []
    (folder / f"{T0 + 180_000_000}.mp4").write_bytes(b"begun as well")
    assert len(findings(state)) == 1


def test_an_empty_folder_is_no_box(tmp_path, run):
    config = tmp_path / "nvr.toml"
    config.write_text(f'state = "{tmp_path / "nothing"}"\n')
    done = run(config, "check")
    assert done.returncode == 1
    assert "there is no box here" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'state' is missing"),
        ('state = "x"\nnmae = "y"', "unknown key 'nmae'; known: "),
        ('state = "x"\n[web]\nhost = "0.0.0.0"\ntls = false', "loopback only"),
        ('state = "x"\n[record]\nsegment_s = 600', "segment_s must be 2..60"),
        ('state = "x"\n[reveal]\nminutes = 0', "minutes must be"),
        ('state = "x"\n[web]\nport = "high"', "want int"),
    ],
)
def test_a_wrong_configuration_names_the_key(tmp_path, capsys, text, says):
    config = tmp_path / "nvr.toml"
    config.write_text(text)
    assert command.main(["--config", str(config), "check"]) == 1
    assert says in capsys.readouterr().err


def test_accounts_and_keys_from_the_command_line(place, run):
    state, config = place
    password, passphrase = "a long enough one", "a passphrase of words"
    done = run(config, "users", "put", "anna", "--rights", "viewer,reveal", "--cameras", "1,2", stdin=password + "\n")
    assert done.returncode == 0, done.stderr
    assert "anna: reveal, viewer; cameras [1, 2]" in run(config, "users", "list").stdout
    assert "at least" in run(config, "users", "put", "bert", "--rights", "viewer", stdin="short\n").stderr
    assert "is not a valid" in run(config, "users", "put", "bert", "--rights", "everything", stdin=password).stderr
    kid = run(config, "keys", "create", "--label", "night shift", stdin=passphrase + "\n").stdout.strip()
    assert f"{kid}  operator  X25519  night shift" in run(config, "keys", "list").stdout
    assert "lost for good" in run(config, "keys", "shred", kid).stderr
    assert run(config, "keys", "shred", kid, "--yes").returncode == 0
    assert run(config, "keys", "shred", kid, "--yes").returncode == 1
    assert f"{kid}  operator  X25519  night shift  destroyed" in run(config, "keys", "list").stdout
    link = sqlite3.connect(state / places.DATABASE)
    entries = link.execute("SELECT action, granted, details FROM audit WHERE who = 'console'").fetchall()
    link.close()
    done = [("user-change", 1), ("keys", 1), ("keys", 1), ("keys", 0)]
    assert [(action, granted) for action, granted, _ in entries] == done
    assert not any(password in details or passphrase in details for *_, details in entries)
    assert findings(state) == []
