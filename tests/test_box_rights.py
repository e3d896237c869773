"""The rights of accounts: the published matrix against the running box, and what it does not show by itself."""

import json
import re

import pytest
from aiohttp.test_utils import TestClient, TestServer
from rights_matrix import CONSOLE, DOCUMENT, NAME, PASSPHRASE, REASON, T0, matrix, running

from base.errors import RightRefused
from nvr_box.rights import Account, Right
from nvr_box.search.search import Filters
from nvr_box.web import app as page
from nvr_box.web.request_fields import iso


@pytest.mark.timeout(900)  # a few hundred requests, some of which start a reveal process
async def test_the_published_rights_are_those_of_the_running_box(tmp_path):
    published = DOCUMENT.read_text(encoding="utf-8")
    assert await matrix(tmp_path) == published, "PYTHONPATH=. python tests/rights_matrix.py writes it again"


@pytest.fixture
async def box(tmp_path):
    async with running(tmp_path) as found:
        yield found


def holding(*rights, cameras=None):
    return Account(NAME, frozenset(rights), cameras)


async def test_a_refused_change_of_a_camera_has_changed_nothing(box):
    for rights in ({Right.ADMIN}, {Right.VIEW}):
        account = holding(*rights)
        for change in (
            lambda account=account: box.box.cameras.change(account, 1, name="another"),
            lambda account=account: box.box.cameras.pair(account, 1),
        ):
            before = box.roster.get(1)
            with pytest.raises(RightRefused):
                await change()
            assert box.roster.get(1) == before
    refused = await box.box.audit.entries(CONSOLE, action="camera-change")
    assert [entry.granted for entry in refused] == [False, False]


async def test_a_refused_seal_leaves_no_key_of_a_case(box):
    placed = await box.box.holds.place(CONSOLE, "case-9", 1, T0, T0 + 1_000_000, reason=REASON)
    keys = box.parts.keys
    keys.create("bert", "bert's own passphrase")  # after the recording: it opens nothing of it
    with pytest.raises(RightRefused, match="open nothing"):
        await box.box.holds.seal(
            CONSOLE, placed.number, passphrases=["bert's own passphrase"], case_passphrase="a passphrase of the case"
        )
    assert keys.cases.public("case-9") is None


async def test_an_account_that_may_search_but_not_view_finds_nothing(box):
    searches = box.box.searches
    for search in (searches.by_attributes(holding(Right.OPERATE), Filters()),
                   searches.by_packet(holding(Right.OPERATE), 1, Filters())):  # fmt: skip
        with pytest.raises(RightRefused, match="'viewer'"):
            await search
    viewing = holding(Right.OPERATE, Right.VIEW, cameras=frozenset({1}))
    assert {match.camera for match in (await searches.by_attributes(viewing, Filters())).matches} == {1}
    with pytest.raises(RightRefused, match="'viewer'"):
        await box.box.recordings.lock(holding(Right.OPERATE), 1, T0, T0 + 1, reason=REASON)


async def test_a_frozen_picture_is_of_no_use_without_the_right_to_view(box):
    still = await box.box.stills.freeze(holding(Right.VIEW, Right.OPERATE), 1, T0 + 1_000_000)
    for account in (holding(Right.OPERATE), holding(Right.VIEW, Right.OPERATE, cameras=frozenset({2}))):
        with pytest.raises(RightRefused):
            await box.box.searches.by_pick(account, still.key, 0, Filters())


async def test_a_limited_account_reads_of_its_own_cameras_in_the_log(box):
    log = box.box.audit
    for camera in (None, 1, 2):
        await log.write("somebody", "lock", camera=camera)
    limited = holding(Right.APPROVE, cameras=frozenset({2}))
    assert {entry.camera for entry in await log.entries(limited, action="lock")} == {None, 2}
    nowhere = holding(Right.APPROVE, cameras=frozenset())
    assert {entry.camera for entry in await log.entries(nowhere, action="lock")} == {None}


async def test_times_at_the_end_of_the_calendar_are_answered(box):
    async with TestClient(TestServer(page.application(box.box))) as client:
        await box.box.users.save(CONSOLE, NAME, rights=frozenset(Right))
        signed = await client.post("/api/sign-in", json={"name": NAME, "password": "the subject's password"})
        headers = {"X-Veilcam-CSRF": (await signed.json())["csrf"]}
        for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", iso(1 << 60)):
            request = {"camera": 1, "reason": REASON, "from": at, "passphrase": PASSPHRASE}
            reply = await client.post("/api/reveals", data=json.dumps(request), headers=headers)
            assert reply.status == 201
            assert re.fullmatch(r"\d{4}-.*Z", (await reply.json())["covers"]["end"])
