"""The head of the audit chain outside the database: cutting and rewriting are found; the key that signs lies sealed."""

import asyncio
import contextlib
import json
import sqlite3

import pytest

from base.errors import Conflict, SealError, StoreError, WireError
from nvr_box import __main__ as command
from nvr_box import state as places
from nvr_box.audit import head as audit_head
from nvr_box.audit import log as audit
from nvr_box.audit.head import Head, Heads
from nvr_box.audit.log import Audit
from nvr_box.config import BoxConfig
from nvr_box.db.database import Store
from nvr_box.keys.secret import CREDENTIAL, beside, box_secret
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance import check
from nvr_box.rights import Account, Right
from wire import keys as key_files
from wire.keys import SigningKey

ADMIN = Account("console", frozenset({Right.ADMIN}))
SECRET = "a secret of the machine"


@pytest.fixture
async def place(tmp_path):
    keys = KeyFolder.open(tmp_path / places.KEYS, secret=SECRET)
    store = Store.open(tmp_path / places.DATABASE)
    heads = Heads(store, keys.signer, tmp_path)
    log = Audit(store, heads)
    for number in range(5):
        await log.write("anna", "search", number=number)
    yield tmp_path, store, log, heads
    store.close()


def changed(folder, *statements):
    """By an attacker who can write the database, past the triggers."""
    with contextlib.closing(sqlite3.connect(folder / places.DATABASE)) as link:
        link.execute("DROP TRIGGER IF EXISTS audit_is_not_changed")
        link.execute("DROP TRIGGER IF EXISTS audit_is_not_shortened")
        for statement in statements:
            link.execute(statement)
        link.commit()


def rewritten(folder):
    """Another past, with every hash made again."""
    changed(folder, "UPDATE audit SET who = 'eve' WHERE number = 2")
    with contextlib.closing(sqlite3.connect(folder / places.DATABASE)) as link:
        previous = audit.FIRST
        for row in link.execute("SELECT * FROM audit ORDER BY number").fetchall():
            previous = audit._hash(previous, row[:-1])
            link.execute("UPDATE audit SET hash = ? WHERE number = ?", (previous, row[0]))
        link.commit()
        assert audit.verify(link).broken_at is None, "the chain alone finds nothing"


def findings(folder, **options):
    with contextlib.closing(sqlite3.connect(folder / places.DATABASE)) as link:
        return [each for each in check.findings(link, folder, **options) if each.startswith("audit")]


async def test_what_is_whole_has_a_head_and_no_finding(place):
    folder, _, log, heads = place
    head = await heads.sign()
    assert (head.number, (folder / audit_head.FILE).stat().st_mode & 0o077) == (5, 0)
    assert await heads.sign() == head, "nothing is new"
    assert findings(folder) == []
    await log.write("bert", "search")
    assert (await log.head()).number == 6
    verdict = await log.verify(ADMIN)
    assert (verdict.broken_at, verdict.head.number) == (None, 6)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: changed(folder, "DELETE FROM audit WHERE number > 3"), "after entry 3 was cut off"),
        (lambda folder: changed(folder, "DELETE FROM audit"), "after entry 0 was cut off"),
        (rewritten, "was rewritten"),
        (lambda folder: (folder / audit_head.FILE).unlink(), "is missing"),
        (lambda folder: (folder / audit_head.FILE).write_text("{}"), "not a head"),
    ],
)
async def test_a_cut_and_a_rewritten_log_are_found_by_check_and_by_the_page(place, harm, says):
    folder, _, log, heads = place
    await heads.sign()
    kept = (folder / audit_head.FILE).read_bytes()
    harm(folder)
    assert any(says in each for each in findings(folder)), findings(folder)
    if (folder / audit_head.FILE).exists():
        verdict = await log.verify(ADMIN)
        assert verdict.broken_at is not None
        assert says in verdict.why
        for _ in range(3):
            await log.write("eve", "search")
        assert await log.head() is None, "such a log is signed no further"
        if kept == (folder / audit_head.FILE).read_bytes():
            assert any("cut off" in each or "rewritten" in each for each in findings(folder))


async def test_a_head_of_another_key_is_no_head(place):
    folder, _, log, heads = place
    await heads.sign()
    thief = SigningKey.generate()
    changed(folder, "DELETE FROM audit WHERE number > 3")
    with contextlib.closing(sqlite3.connect(folder / places.DATABASE)) as link:
        (hashed,) = link.execute("SELECT hash FROM audit WHERE number = 3").fetchone()
    mine = Head.of(thief, 3, hashed, 1)
    (folder / audit_head.FILE).write_text(json.dumps(mine.to_json()))
    assert any("another box" in each for each in findings(folder))
    assert "cut off" in (await log.verify(ADMIN)).why, "the running box remembers its own"
    # An attacker who changes the key in the state as well is found out by the box's key, noted before.
    known = KeyFolder.open(folder / places.KEYS).verifier.hex()
    key_files.save(folder / places.KEYS / "signing.json", thief, None)
    assert findings(folder) == []
    assert any("another box" in each for each in findings(folder, signing_key=known))


async def test_a_box_that_runs_remembers_what_it_signed(place):
    """The kept head is removed, or replaced by an older one, while the box runs."""
    folder, _, log, heads = place
    await heads.sign()
    older = (folder / audit_head.FILE).read_bytes()
    await log.write("bert", "search")
    await heads.sign()
    changed(folder, "DELETE FROM audit WHERE number > 5")
    for harm in (lambda path: path.unlink(), lambda path: path.write_bytes(older)):
        harm(folder / audit_head.FILE)
        assert await log.head() is None
        assert "cut off" in (await log.verify(ADMIN)).why
        changed(folder, "DELETE FROM audit WHERE number > 5")


@pytest.mark.parametrize("field", ["number", "hash", "utc_us", "signature", "signing_key"])
def test_a_head_cannot_be_changed(field):
    head = Head.of(SigningKey.generate(), 7, bytes(32), 1_790_000_000_000_000).to_json()
    other = {"number": 8, "utc_us": 1, "hash": "11" * 32, "signature": "00" * 64,
             "signing_key": SigningKey.generate().public.hex()}  # fmt: skip
    assert Head.from_json(head).to_json() == head
    with pytest.raises((SealError, WireError)):
        Head.from_json(head | {field: other[field]})
    for nonsense in (None, [], {}, head | {field: None}, head | {"number": 1 << 70}, head | {"number": -1}):
        with pytest.raises((SealError, WireError)):
            Head.from_json(nonsense)


async def test_new_entries_get_their_head_by_themselves_also_at_the_end(place, monkeypatch):
    folder, _, log, heads = place
    monkeypatch.setattr(audit_head, "_EVERY_S", 3600.0)
    running = asyncio.create_task(heads.run())
    async with asyncio.timeout(20):
        while audit_head.kept(folder) is None:  # noqa: ASYNC110 - a file appears, nothing tells it
            await asyncio.sleep(0.01)
    await log.write("anna", "sign-out")
    assert audit_head.kept(folder).number == 5
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert audit_head.kept(folder).number == 6


def private_parts(keys):
    return [keys.identity.private.hex(), keys.signer.private.hex()]


def test_the_boxs_own_keys_are_not_on_disk_in_clear(tmp_path):
    made = KeyFolder.open(tmp_path, secret=SECRET)
    for path in tmp_path.rglob("*.json"):
        assert not any(private in path.read_text() for private in private_parts(made))
    again = KeyFolder.open(tmp_path, secret=SECRET)
    assert (again.signer.public, again.box_id) == (made.verifier, made.box_id)
    with pytest.raises(StoreError):
        KeyFolder.open(tmp_path, secret="another secret of a machine")
    outside = KeyFolder.open(tmp_path)
    assert outside.verifier == made.verifier
    with pytest.raises(Conflict, match="secret"):
        _ = outside.signer


def test_keys_that_an_older_program_left_in_clear_are_put_under_the_secret(tmp_path):
    older = KeyFolder.open(tmp_path)
    private = private_parts(older)
    assert any(private[0] in path.read_text() for path in tmp_path.rglob("*.json"))
    newer = KeyFolder.open(tmp_path, secret=SECRET)
    assert private_parts(newer) == private
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or not any(each in path.read_text() for each in private), path


def test_commands_beside_the_box_make_no_keys_for_it(tmp_path):
    keys = KeyFolder.open(tmp_path, make=False)
    assert not (tmp_path / "box.json").exists()
    with pytest.raises(StoreError):
        _ = keys.verifier


def test_the_keys_may_lie_apart_from_what_is_backed_up(tmp_path, capsys):
    config = tmp_path / "nvr.toml"
    config.write_text(f'state = "{tmp_path / "state"}"\nkeys = "{tmp_path / "apart"}"\n')
    (tmp_path / "apart").mkdir()
    made = KeyFolder.open(tmp_path / "apart", secret=SECRET).verifier
    made_day = KeyFolder.open(tmp_path / "apart", secret=SECRET).create("operator", "an operator's passphrase")
    assert command.main(["--config", str(config), "keys", "list"]) == 0
    said = capsys.readouterr().out
    assert made.hex() in said
    assert made_day.kid.hex() in said
    assert command.main(["--config", str(config), "check"]) == 1, "signing.json is there, and no head"
    assert "audit-head.json is missing" in capsys.readouterr().out
    assert not (tmp_path / "state" / places.KEYS).exists()


def test_the_secret_is_the_credentials_or_lies_beside_the_state(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    config = BoxConfig(state=tmp_path / "box")
    assert box_secret(config) is None
    made = box_secret(config, make=True)
    path = beside(config.state)
    assert (made, box_secret(config)) == (path.read_text().strip(), made)
    assert tmp_path / "box" not in path.parents
    assert (path.stat().st_mode & 0o077, path.parent.stat().st_mode & 0o077) == (0, 0)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / CREDENTIAL).write_text("of the service manager\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert box_secret(config) == "of the service manager"
    named = tmp_path / "named"
    named.write_text("short")
    with pytest.raises(StoreError, match="at least"):
        box_secret(BoxConfig(state=tmp_path / "box", secret_file=named))


def accepting(folder, reason="the disk lost a page"):
    """As the command line does it."""
    config = folder / "nvr.toml"
    config.write_text(f'state = "{folder}"\n')
    return command.main(["--config", str(config), "accept-loss", reason])


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: changed(folder, "DELETE FROM audit WHERE number > 3"), "what came after entry 3 was cut off"),
        (rewritten, "was rewritten"),
        (lambda folder: (folder / audit_head.FILE).write_text("{}"), "not a head"),
    ],
)
async def test_a_loss_that_was_accepted_is_signed_on_and_reported_for_ever(place, harm, says, capsys):
    folder, store, _, heads = place
    await heads.sign()
    before = (folder / audit_head.FILE).read_bytes()
    assert await asyncio.to_thread(accepting, folder) == 1, "nothing is lost"
    assert await asyncio.to_thread(accepting, folder, " ") == 1
    assert (folder / audit_head.FILE).read_bytes() == before
    harm(folder)
    lost = (folder / audit_head.FILE).read_bytes()
    assert await asyncio.to_thread(accepting, folder) == 0
    assert says in capsys.readouterr().out
    (aside,) = folder.glob("audit-head-aside-*.json")
    assert aside.read_bytes() == lost, "the proof stays"
    started = Heads(store, KeyFolder.open(folder / places.KEYS, secret=SECRET).signer, folder)
    again = Audit(store, started)
    assert await again.head() is not None, "the box signs on after its next start"
    for _ in range(2):
        (found,) = findings(folder)
        assert all(words in found for words in (says, "console", "the disk lost a page"))
        verdict = await again.verify(ADMIN)
        assert verdict.broken_at is None
        assert says in verdict.losses[0]
    entry = next(each for each in await again.entries(ADMIN) if each.action == "accept-loss")
    assert says in entry.details["why"]
    if says != "not a head":
        assert entry.details["signed_entry"] == json.loads(lost)["number"]
    changed(folder, f"DELETE FROM audit WHERE number >= {entry.number}")
    assert any("no entry says why" in each for each in findings(folder)), "nor can the acceptance be cut off"
