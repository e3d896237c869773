"""What goes wrong in the box reaches the page as the right status and a plain sentence, never as SQL or a path."""

import errno
import re
import sqlite3

import pytest
from aiohttp.test_utils import TestClient, TestServer
from page_box import Scene, StandInBox
from test_page_api import sign_in

import base.refusals
from base.errors import (
    ConfigError,
    Conflict,
    HostError,
    Invalid,
    ModelError,
    NotFound,
    PeerError,
    RightRefused,
    SealError,
    StoreError,
    WireError,
)
from nvr_box.accounts.users import Accounts
from nvr_box.rights import Account, Right
from nvr_box.web import app as page
from nvr_box.web import refusals

RANGE = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
RAW = re.compile(r"sqlite|SELECT|INSERT|no such table|readonly|errno|/|database or disk", re.IGNORECASE)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture
async def stand_in(scene, tmp_path):
    stand_in = StandInBox(scene, tmp_path)
    async with stand_in as box:
        stand_in.box = box
        yield stand_in


@pytest.fixture
async def client(stand_in):
    async with TestClient(TestServer(page.application(stand_in.box))) as client:
        await sign_in(client, "admin")
        yield client


async def refused(reply):
    answer = await reply.json()
    assert not RAW.search(answer["error"]), answer
    assert answer["error"].endswith(".")
    return reply.status, answer["error"]


async def test_a_database_that_cannot_be_read_is_503_without_sql(client, stand_in):
    await stand_in._store.write(lambda link: link.execute("ALTER TABLE segment RENAME TO put_aside"))
    status, words = await refused(await client.get("/api/cameras/1/timeline", params=RANGE))
    assert status == 503
    assert "Try again in a minute" in words
    await stand_in._store.write(lambda link: link.execute("ALTER TABLE put_aside RENAME TO segment"))
    assert (await client.get("/api/cameras/1/timeline", params=RANGE)).status == 200


async def test_a_database_that_cannot_be_written_is_503_for_every_act_that_is_logged(client, stand_in):
    stand_in._store._writer.execute("PRAGMA query_only = 1")
    try:
        for path, body in (("sign-in", {"name": "guard", "password": "guard password"}), ("audit/verify", {})):
            assert (await refused(await client.post(f"/api/{path}", json=body)))[0] == 503, path
    finally:
        stand_in._store._writer.execute("PRAGMA query_only = 0")


async def test_a_full_disk_is_507_and_says_so(client, stand_in):
    def fill(link):
        (pages,) = link.execute("PRAGMA page_count").fetchone()
        link.execute("CREATE TABLE filling (data BLOB)")
        link.execute(f"PRAGMA max_page_count = {pages + 3}")
        link.execute("INSERT INTO filling VALUES (zeroblob(1000000))")

    with pytest.raises(StoreError) as full:
        await stand_in._store.write(fill)
    assert (base.refusals.status(full.value), refusals.sentence(full.value)) == (507, refusals.FULL)
    stand_in._store._writer.execute("PRAGMA max_page_count = 1")
    many = {"password": "a long enough one", "rights": ["viewer"], "cameras": list(range(1, 60))}
    replies = [await client.put(f"/api/accounts/number {n}", json=many) for n in range(60)]
    full = next(reply for reply in replies if reply.status != 200)
    assert await refused(full) == (507, refusals.FULL)


async def test_a_mistake_of_the_box_is_an_answer_that_the_page_can_show(client, stand_in):
    stand_in.box.cameras.discover = None  # nothing can be called there any more
    status, words = await refused(await client.post("/api/cameras/discover"))
    assert (status, words) == (500, refusals.UNFORESEEN)


async def test_what_stands_against_a_change_is_a_conflict(client):
    status, words = await refused(await client.put("/api/accounts/admin", json={"rights": ["viewer"]}))
    assert (status, "last admin" in words) == (409, True)


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (NotFound("there is no hold 7"), 404, "There is no hold 7."),
        (caused(NotFound("there is no camera 9"), KeyError(9)), 404, "There is no camera 9."),
        (HostError("the reveal process could not be started; the box's log says why"), 503, "The reveal process"),
        (caused(HostError("/usr/x: no such file"), OSError(errno.ENOENT, "no")), 503, refusals.SYSTEM),
        (ModelError("codes of another network"), 503, "Codes of another network."),
        (caused(ModelError("onnx: /srv/x"), RuntimeError("onnx")), 503, refusals.SYSTEM),
        (StoreError("/srv/policy.json: not a policy"), 503, refusals.DISK),
        (caused(StoreError("/srv/x: I/O"), OSError(errno.EIO, "I/O")), 503, refusals.DISK),
        (caused(StoreError("x: No space"), OSError(errno.ENOSPC, "No space")), 507, refusals.FULL),
        (caused(StoreError("x: Quota"), OSError(errno.EDQUOT, "Quota")), 507, refusals.FULL),
        (caused(StoreError("x: locked"), sqlite3.OperationalError("locked")), 503, refusals.DATABASE),
        (RightRefused("no"), 403, "No."),
        (Invalid("name: too long", "name"), 400, "Name: too long."),
        (Conflict("this camera is already added"), 409, "This camera is already added."),
        (ConfigError("nvr.toml: unknown key"), 503, refusals.CONFIG),
        (WireError("no key file"), 400, "No key file."),
        (SealError("wrong passphrase"), 403, "Wrong passphrase."),
        (PeerError("the camera does not answer"), 502, "The camera does not answer."),
    ],
)
def test_every_kind_has_its_status_and_its_words(error, status, words):
    assert base.refusals.status(error) == status
    assert refusals.sentence(error).startswith(words)
    assert base.refusals.field(error) == ("name" if isinstance(error, Invalid) else None)


async def test_a_browser_does_not_choose_how_its_json_is_decoded(client):
    """60 kB as punycode hold the event loop for 0.9 s, before anybody signed in; JSON is UTF-8 (RFC 8259 §8.1)."""
    body = b'{"name": "guard", "password": "guard password"}'
    for charset in ("punycode", "utf-16", "zip", "no such thing"):
        reply = await client.post("/api/sign-in", data=body, headers={"Content-Type": f"text/x; charset={charset}"})
        assert reply.status == 200, charset
    assert (await refused(await client.post("/api/sign-in", data=b"\xff")))[0] == 400


async def test_a_session_ends_with_the_password_it_began_with_whoever_changes_that(client, stand_in):
    """On the command line as well: the box reads the accounts anew, and no session outlives the old password."""
    cli = Accounts(stand_in._store, stand_in.box.audit)
    await cli.load()
    setup = Account("console", frozenset({Right.ADMIN}))
    async with TestClient(client.server) as other:
        await sign_in(other, "admin")
        assert (await other.get("/api/me")).status == 200
        await cli.save(setup, "admin", rights=[Right.ADMIN, Right.VIEW])
        await stand_in.box.users.load()
        assert (await other.get("/api/me")).status == 200, "other rights are no other password"
        # Changed by its own session, that one goes on.
        reply = await client.put("/api/accounts/admin", json={"password": "another password"})
        assert reply.status == 200
        assert ((await client.get("/api/me")).status, (await other.get("/api/me")).status) == (200, 401)
        await cli.load()
        await cli.save(setup, "admin", password="a third password")
        await stand_in.box.users.load()
        assert (await client.get("/api/me")).status == 401
        await sign_in(other, "guard")
        await cli.remove(setup, "guard")
        await cli.save(setup, "guard", password="guard password", rights=list(Right))
        await stand_in.box.users.load()
        assert (await other.get("/api/me")).status == 401, "another account of the same name"
