"""Files that are whole or not there, whatever cuts their writing short, and torn ones that are named."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from base.errors import Error, StoreError
from base.files import write_atomically, write_once
from nvr_box.keys.store import KeyFolder
from wire.keys import Identity

PHRASE = "a passphrase that is long enough"
WRITER = """
import sys
from pathlib import Path
from base.files import write_atomically
path, contents = Path(sys.argv[1]), [letter * 300_000 for letter in (b"a", b"b")]
print("begins", flush=True)
while True:
    for content in contents:
        write_atomically(path, content)
"""


def test_a_reader_sees_the_old_or_the_new_and_kill_9_leaves_one_of_them(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(b"a" * 300_000)
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        try:
            assert writer.stdout.readline() == b"begins\n"
            for _ in range(50):
                content = path.read_bytes()
                assert len(content) == 300_000
                assert len(set(content)) == 1
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
        content = path.read_bytes()
        assert (len(content), len(set(content))) == (300_000, 1)
    write_atomically(path, b"next")  # what the killed one left beside it is in nobody's way
    assert [each.name for each in tmp_path.iterdir()] == ["settings.json"]


def limited(call, most_bytes):
    """`call` in a process that may write no file larger than `most_bytes`; what it raised."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        try:
            call()
        except OSError:
            os._exit(7)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("write", [write_atomically, write_once])
def test_what_the_system_lets_be_written_in_part_only_is_not_there(tmp_path, write):
    path = tmp_path / "settings.json"
    if write is write_atomically:
        path.write_bytes(b"old")
    assert limited(lambda: write(path, b"x" * 100_000), 4096) == 7
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == (
        [("settings.json", b"old")] if write is write_atomically else []
    )


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_the_mode_is_the_one_that_was_wanted(tmp_path, mode):
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "file", b"x", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_what_is_there_is_not_written_over(tmp_path):
    path = tmp_path / "key.json"
    write_once(path, b"first")
    with pytest.raises(FileExistsError):
        write_once(path, b"second")
    assert path.read_bytes() == b"first"


@pytest.fixture
def keys(tmp_path):
    keys = KeyFolder.open(tmp_path / "keys")
    one, two = keys.create("one", PHRASE), keys.create("two", PHRASE)
    keys.require_both([(one.kid.hex(), two.kid.hex())])
    keys.assign(one.kid.hex(), "admin")
    keys.add_escrow(Identity.generate(label="escrow").recipient)
    keys.recipients()
    return keys


def uses(keys, kid):
    yield lambda: keys.box_id
    yield lambda: keys.verifier
    yield keys.recipients
    yield lambda: keys.own("admin")
    yield lambda: keys.sealed_files(frozenset({kid}))
    yield keys.sealed
    yield lambda: keys.dual_control
    yield keys.days
    yield keys.escrow
    yield keys.past
    yield lambda: keys.assign(kid, "guard")
    yield lambda: keys.revoke(kid)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_half_a_file_of_any_kind_is_an_error_that_names_it(keys, share):
    """A JSONDecodeError out of here ended the box, and ended it again at each start."""
    kid = keys.operators()[0].kid.hex()
    files = list(keys.folder.rglob("*.json"))
    assert {path.parent.name for path in files} >= {"keys", "reveal", "days", "escrow"}
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        failures = []
        for use in uses(keys, kid):
            try:
                use()
            except Error as error:
                failures.append(str(error))
        assert any(path.name in each for each in failures), path
        path.write_bytes(whole)


def test_a_key_whose_place_was_taken_does_not_lie_on_beside_it(keys):
    """Killed after the public half was put in place, before the sealed key was overwritten."""
    path = next((keys.folder / "reveal").glob("*.json"))
    old = path.with_name(path.name + ".old")
    old.hardlink_to(path)
    write_atomically(path, b'{"veilcam_key": 1}')
    KeyFolder.open(keys.folder)
    assert not old.exists()


def test_a_key_whose_place_was_not_taken_yet_is_not_overwritten(keys):
    """Killed one step earlier: both names are the same file still."""
    path = next((keys.folder / "reveal").glob("*.json"))
    whole, old = path.read_bytes(), path.with_name(path.name + ".old")
    old.hardlink_to(path)
    KeyFolder.open(keys.folder)
    assert (path.read_bytes(), old.exists()) == (whole, False)


def test_a_key_is_taken_away_whole_or_stays(keys, tmp_path):
    kid = keys.operators()[0].kid.hex()
    path = keys.folder / "reveal" / f"{kid}.json"
    whole = path.read_bytes()

    def away():
        try:
            keys.take_away(kid, tmp_path / "stick.json")
        except StoreError as error:
            raise OSError from error

    assert limited(away, 100) == 7
    assert (path.read_bytes(), (tmp_path / "stick.json").exists()) == (whole, False)
    keys.take_away(kid, tmp_path / "stick.json")
    assert b"sealed" in (tmp_path / "stick.json").read_bytes()
    assert b"sealed" not in path.read_bytes()
