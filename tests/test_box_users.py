"""Accounts, rights and the audit chain."""

import asyncio
import sqlite3

import pytest

from base.errors import RequestError, RightRefused, StoreError
from base.throttle import SignIns
from nvr_box.accounts import users
from nvr_box.accounts.users import Accounts
from nvr_box.audit import log as audit
from nvr_box.audit.log import Audit
from nvr_box.db.database import Store
from nvr_box.rights import Account, Right

ADMIN = Account("console", frozenset({Right.ADMIN}))
GUARD = Account("guard", frozenset({Right.VIEW}), frozenset({1}))
PASSWORD = "correct horse battery"


@pytest.fixture
async def place(tmp_path):
    store = Store.open(tmp_path / "box.db")
    log = Audit(store)
    known = Accounts(store, log)
    await known.load()
    yield store, log, known
    store.close()


def test_a_right_holds_for_its_cameras_only():
    assert GUARD.may(Right.VIEW)
    assert GUARD.may(Right.VIEW, 1)
    assert not GUARD.may(Right.VIEW, 2)
    with pytest.raises(RightRefused, match="reveal"):
        GUARD.demand(Right.REVEAL, 1)


def test_admin_may_not_reveal():
    assert not ADMIN.may(Right.REVEAL)


async def test_an_account_signs_in_with_its_password_only_and_both_are_written_down(place):
    store, log, known = place
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW], cameras=[1, 2])
    account = await known.authenticate("anna", PASSWORD, peer="::1")
    assert account == Account("anna", frozenset({Right.VIEW}), frozenset({1, 2}))
    sentences = set()
    for name, password in (("anna", PASSWORD + "x"), ("nobody", PASSWORD), ("anna", "")):
        with pytest.raises(RightRefused) as refused:
            await known.authenticate(name, password, peer="::1")
        sentences.add(str(refused.value))
    assert len(sentences) == 1  # which of the two was wrong is not revealed
    entries = await log.entries(ADMIN, action="sign-in")
    assert [entry.granted for entry in entries] == [False, False, False, True]
    rows = await store.read(lambda link: link.execute("SELECT verifier FROM account").fetchone())
    assert PASSWORD not in rows[0]


async def test_guessing_is_slowed_down_per_peer(place):
    _, _, known = place
    known._guard = SignIns(users._ACCOUNT, users._ADDRESS, lambda: 1000.0)
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW])
    for _ in range(5):
        with pytest.raises(RightRefused):
            await known.authenticate("anna", "wrong", peer="10.0.0.1")
    with pytest.raises(RightRefused, match="too many"):
        await known.authenticate("anna", PASSWORD, peer="10.0.0.1")
    assert await known.authenticate("anna", PASSWORD, peer="10.0.0.2")


async def test_ten_right_sign_ins_of_one_account_at_once_are_ten(place):
    _, log, known = place
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW])
    found = await asyncio.gather(*(known.authenticate("anna", PASSWORD, peer="10.0.0.1") for _ in range(10)))
    assert [each.name for each in found] == ["anna"] * 10
    assert len(await log.entries(ADMIN, action="sign-in")) == 10


async def test_of_many_wrong_passwords_at_once_few_are_tried_and_each_of_them_is_in_the_log(place, monkeypatch):
    _, log, known = place
    known._guard = SignIns(users._ACCOUNT, users._ADDRESS, lambda: 1000.0)
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW])
    tried = []
    real = users._fits
    monkeypatch.setattr(users, "_fits", lambda *given: tried.append(given[0]) or real(*given))
    clock = iter(range(10**6))
    for _ in range(3):
        guesses = (known.authenticate("anna", f"guess {next(clock)}", peer="10.0.0.1") for _ in range(16))
        said = await asyncio.gather(*guesses, return_exceptions=True)
        assert all(isinstance(each, RightRefused) for each in said)
    assert len(tried) == 5
    assert len([entry for entry in await log.entries(ADMIN, action="sign-in") if not entry.granted]) == 5


async def test_the_brake_holds_after_thousands_of_failures_and_says_how_many_it_held_off(place, monkeypatch):
    _, log, known = place
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW])
    now_s = [1000.0]
    known._guard = SignIns(users._ACCOUNT, users._ADDRESS, lambda: now_s[0])
    monkeypatch.setattr(users, "_fits", lambda *_: False)
    for _ in range(1100):
        with pytest.raises(RightRefused, match="is wrong"):
            await known.authenticate("anna", "guess", peer="10.0.0.1")
        now_s[0] += 61
    with pytest.raises(RightRefused, match="is wrong"):
        await known.authenticate("anna", "guess", peer="10.0.0.1")
    for _ in range(7):
        with pytest.raises(users.TooMany):
            await known.authenticate("anna", "guess", peer="10.0.0.1")
    assert len(await log.entries(ADMIN, action="sign-in", limit=5000)) == 1101
    now_s[0] += 61
    with pytest.raises(RightRefused, match="is wrong"):
        await known.authenticate("anna", "guess", peer="10.0.0.1")
    _, held_off = await log.entries(ADMIN, action="sign-in", limit=2)
    assert held_off.details["held_off"] == 7


async def test_a_known_client_does_not_queue_behind_strangers(place, monkeypatch):
    _, _, known = place
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW])
    await known.authenticate("anna", PASSWORD, peer="10.0.0.1")
    order, real = [], users._fits
    monkeypatch.setattr(users, "_fits", lambda *given: order.append(given[0]) or real(*given))
    strangers = [
        asyncio.create_task(known.authenticate("anna", f"guess {number}", peer=f"10.0.1.{number}"))
        for number in range(40)
    ]
    await asyncio.sleep(0)
    await known.authenticate("anna", PASSWORD, peer="10.0.0.1")
    assert order.index(PASSWORD) <= 1
    said = await asyncio.gather(*strangers, return_exceptions=True)
    assert sum(isinstance(each, users.TooMany) for each in said) == 40 - 17
    assert await known.authenticate("anna", PASSWORD, peer="10.0.0.9"), "nor does one at a new address wait long"


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [("anna", "short", "at least"), ("", PASSWORD, "name"), ("a\nb", PASSWORD, "name"), ("anna", None, "needs one")],
)
async def test_rules_for_names_and_passwords_say_which(place, name, password, says):
    _, _, known = place
    with pytest.raises(RequestError, match=says):
        await known.save(ADMIN, name, password=password, rights=[])


async def test_the_last_admin_stays_and_others_may_not_change_accounts(place):
    _, log, known = place
    await known.save(ADMIN, "root", password=PASSWORD, rights=[Right.ADMIN])
    with pytest.raises(RequestError, match="last admin"):
        await known.remove(ADMIN, "root")
    with pytest.raises(RequestError, match="last admin"):
        await known.save(ADMIN, "root", rights=[Right.VIEW])
    with pytest.raises(RightRefused):
        await known.save(GUARD, "eve", password=PASSWORD, rights=[Right.ADMIN])
    await known.save(ADMIN, "root2", password=PASSWORD, rights=[Right.ADMIN])
    await known.remove(ADMIN, "root")
    assert known.get("root") is None
    refused = [entry for entry in await log.entries(ADMIN, action="user-change") if not entry.granted]
    assert [entry.who for entry in refused] == ["guard"]


async def test_a_change_of_one_part_leaves_the_others(place):
    _, _, known = place
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW], cameras=[3])
    await known.save(ADMIN, "anna", rights=[Right.VIEW, Right.OPERATE])
    assert known.get("anna").cameras == {3}
    await known.save(ADMIN, "anna", every_camera=True)
    assert known.get("anna").cameras is None
    assert await known.authenticate("anna", PASSWORD, peer="x")


async def test_an_unknown_name_costs_the_same_scrypt(place, monkeypatch):
    _, _, known = place
    verifiers = []
    monkeypatch.setattr(users, "_fits", lambda password, verifier: verifiers.append(verifier) or False)
    with pytest.raises(RightRefused):
        await known.authenticate("nobody", "x", peer="y")
    assert verifiers[0].startswith(f"scrypt${1 << 14}$8$1$")


async def test_entries_are_chained_filtered_and_paged(place):
    _, log, _ = place
    for number in range(5):
        await log.write("anna" if number % 2 else "bert", "search", camera=number % 2, reason=f"case {number}")
    verdict = await log.verify(ADMIN)
    assert (verdict.entries, verdict.broken_at) == (5, None)
    newest = await log.entries(ADMIN, limit=2, action="search")
    assert [entry.reason for entry in newest] == ["case 4", "case 3"]
    older = await log.entries(ADMIN, before=newest[-1].number, actor="bert")
    assert [entry.reason for entry in older] == ["case 2", "case 0"]
    assert (await log.entries(ADMIN, camera=1, action="search"))[0].who == "anna"
    # Each look left an entry of its own.
    assert len(await log.entries(ADMIN, action="audit-view")) == 4
    with pytest.raises(RightRefused):
        await log.entries(GUARD)


async def test_the_log_can_only_grow(place):
    store, log, _ = place
    await log.write("anna", "search")
    for change in ("UPDATE audit SET who = 'eve'", "DELETE FROM audit"):
        with pytest.raises(StoreError, match="append-only"):
            await store.write(lambda link, change=change: link.execute(change))


@pytest.mark.parametrize(
    ("change", "broken_at"),
    [
        ("UPDATE audit SET reason = 'nothing' WHERE number = 2", 2),
        ("UPDATE audit SET granted = 1 - granted WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 2", 2),
        ("UPDATE audit SET hash = zeroblob(32) WHERE number = 1", 1),
        ("UPDATE audit SET number = 9 WHERE number = 4", 4),
    ],
)
async def test_a_change_past_the_triggers_breaks_the_chain(place, change, broken_at):
    store, log, _ = place
    for number in range(4):
        await log.write("anna", "search", reason=f"case {number}")
    link = sqlite3.connect(store.path)
    link.executescript(f"DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_shortened; {change};")
    assert audit.verify(link).broken_at == broken_at
    link.close()


async def test_a_failed_change_leaves_neither_change_nor_entry(place):
    store, _, _ = place

    def change(link):
        audit.append(link, "anna", "lock", camera=1, reason="", granted=True, details={})
        link.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StoreError):
        await store.write(change)
    assert await store.read(lambda link: link.execute("SELECT count(*) FROM audit").fetchone()) == (0,)


@pytest.mark.parametrize("content", [b"this is no database, it only pretends to be one" * 40, None])
def test_what_is_no_database_of_ours_is_refused_by_name(tmp_path, content):
    path = tmp_path / "box.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=r"box\.db"):
        Store.open(path)


LIMITED = Account("lima", frozenset({Right.ADMIN, Right.VIEW}), frozenset({1}))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("lima", {"every_camera": True}),
        ("lima", {"cameras": [1, 2]}),
        ("lima", {"rights": [Right.ADMIN, Right.VIEW, Right.REVEAL]}),
        ("newcomer", {"password": PASSWORD, "rights": [Right.VIEW]}),
        ("newcomer", {"password": PASSWORD, "rights": [Right.REVEAL], "cameras": [1]}),
        ("newcomer", {"password": PASSWORD, "rights": [Right.VIEW], "cameras": [1, 2]}),
        ("root", {"password": "a password of lima's"}),
        ("anna", {"cameras": [1]}),
    ],
)
async def test_an_administrator_of_one_camera_gives_nothing_beyond_it(place, name, change):
    _, log, known = place
    await known.save(ADMIN, "root", password=PASSWORD, rights=[Right.ADMIN])
    await known.save(ADMIN, "lima", password=PASSWORD, rights=LIMITED.rights, cameras=LIMITED.cameras)
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.REVEAL], cameras=[2])
    before = known.list(ADMIN)
    with pytest.raises(RightRefused, match="limited to some cameras"):
        await known.save(LIMITED, name, **change)
    assert known.list(ADMIN) == before
    entry = (await log.entries(ADMIN, action="user-change"))[0]
    assert (entry.who, entry.granted, entry.details["account"]) == ("lima", False, name)


async def test_an_administrator_of_one_camera_may_look_after_it(place):
    _, _, known = place
    await known.save(ADMIN, "lima", password=PASSWORD, rights=LIMITED.rights, cameras=LIMITED.cameras)
    await known.save(ADMIN, "root", password=PASSWORD, rights=[Right.ADMIN])
    made = await known.save(LIMITED, "guard", password=PASSWORD, rights=[Right.VIEW], cameras=[1])
    assert made.cameras == {1}
    await known.save(LIMITED, "guard", rights=[])
    await known.remove(LIMITED, "guard")
    with pytest.raises(RightRefused, match="limited to some cameras"):
        await known.remove(LIMITED, "root")


async def test_no_account_widens_itself(place):
    _, _, known = place
    await known.save(ADMIN, "root", password=PASSWORD, rights=[Right.ADMIN])
    root = known.get("root")
    with pytest.raises(RightRefused, match="somebody else"):
        await known.save(root, "root", rights=[Right.ADMIN, Right.REVEAL])
    assert (await known.save(root, "anna", password=PASSWORD, rights=[Right.REVEAL])).rights == {Right.REVEAL}
    await known.save(root, "root", password="another password")


async def test_no_camera_at_all_is_a_limit_too(place):
    _, _, known = place
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW], cameras=[])
    await known.load()
    assert known.get("anna").cameras == frozenset()
    assert not known.get("anna").may(Right.VIEW, 1)


async def test_what_two_change_at_once_is_not_undone(place):
    """A new password takes a while to be hashed; a right that is taken away meanwhile must not come back with it."""
    _, _, known = place
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW, Right.REVEAL])
    slow = asyncio.ensure_future(known.save(ADMIN, "anna", password="another password"))
    await asyncio.sleep(0)
    await known.save(ADMIN, "anna", rights=[Right.VIEW])
    await slow
    assert known.get("anna").rights == {Right.VIEW}


async def test_a_listener_is_notified_of_a_change_at_once(place):
    _, _, known = place
    heard = []
    known.listen(lambda: heard.append([each.name for each in known.list(ADMIN)]))
    waiting = asyncio.ensure_future(known.changed())
    await asyncio.sleep(0)
    await known.save(ADMIN, "anna", password=PASSWORD, rights=[Right.VIEW])
    async with asyncio.timeout(5):
        await waiting
    await known.load()
    assert heard == [["anna"]], "read again and found the same is no change"


@pytest.mark.parametrize("half", ["\ud800", "theft \udfff at the gate"])
async def test_no_content_keeps_an_entry_out_of_the_log(place, half):
    store, log, _ = place
    await log.write(half, half, reason=half, camera=1 << 80, granted=False, why=half, huge=10**400, odd=object())
    assert (await log.verify(ADMIN)).broken_at is None
    entry = (await log.entries(ADMIN))[-1]
    assert entry.number == 1
    assert "\\ud" in entry.reason
    assert audit.verify(sqlite3.connect(store.path)).broken_at is None
