"""The page's routes: who may ask, what is refused and how, and that answers keep the contract."""

import asyncio
import json
import re
import ssl
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page_box import PASSPHRASE, ROOT, Scene, StandInBox

from nvr_box.rights import Right
from nvr_box.timekeeping import timekeeper, trust
from nvr_box.web import app as page
from nvr_box.web import certificate, request_fields
from nvr_box.web.sessions import CSRF_HEADER
from wire.features.vocabulary import CHOICES, Attribute

API_PAGE = Path(page.__file__).with_name("api.md")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture
async def box(scene, tmp_path):
    async with StandInBox(scene, tmp_path, history_s=20) as box:
        yield box


@pytest.fixture
async def client(box):
    async with TestClient(TestServer(page.application(box))) as client:
        yield client


async def sign_in(client, name, password=None):
    reply = await client.post("/api/sign-in", json={"name": name, "password": password or f"{name} password"})
    answer = await reply.json()
    if reply.status == 200:
        client.session.headers[CSRF_HEADER] = answer["csrf"]
    return reply.status, answer


async def recorded(client, camera=1):
    """Wait until the camera has a recorded span; returns it."""
    async with asyncio.timeout(60):
        while True:
            asked_for = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
            answer = await (await client.get(f"/api/cameras/{camera}/timeline", params=asked_for)).json()
            if answer["spans"]:
                return answer["spans"][0]
            await asyncio.sleep(0.05)


async def test_everything_but_the_page_itself_needs_a_session(client):
    page_itself = {"/", "/favicon.ico", "/api/sign-in", "/api/packets"}
    for route in client.server.app.router.routes():
        path = route.resource.canonical
        if path in page_itself or path.startswith("/static") or route.method == "HEAD":
            continue
        reply = await client.request(route.method, re.sub(r"\{\w+(:[^}]*)?\}", "1", path))
        assert reply.status == 401, path
        assert await reply.json() == {"error": "Sign in first.", "field": None}


async def test_every_route_is_in_the_list_for_readers(client):
    said = API_PAGE.read_text(encoding="utf-8")
    for route in client.server.app.router.routes():
        path = re.sub(r"\{(\w+)(:[^}]*)?\}", r"{\1}", route.resource.canonical)
        if route.method != "HEAD" and not path.startswith("/static"):
            assert f"`{route.method} {path}`" in said, f"{route.method} {path} is not in api.md"


async def test_answers_carry_the_headers_that_keep_foreign_code_out(client):
    for path in ("/", "/api/me", "/static/app.js"):
        headers = (await client.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in policy


async def test_nothing_in_the_page_comes_from_another_host():
    for path in (API_PAGE.parent / "static").rglob("*"):
        if path.suffix in (".js", ".css", ".html"):
            text = path.read_text(encoding="utf-8")
            if "vendor" in path.parts:  # papers and bug reports that its comments cite
                text = re.sub(r"(?m)^\s*\*.*|(?<!:)//\s.*", "", text)
            hosts = set(re.findall(r"https?://([\w.-]+)", text))
            assert hosts <= {"www.w3.org"}, f"{path.name} names {hosts}"  # the SVG namespace is a name, not an address


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client):
    reply = await client.post("/api/sign-in", json={"name": "guard", "password": "guard password"})
    cookie = reply.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie


async def test_over_tls_the_cookie_is_bound_to_the_host(box, tmp_path):
    made = certificate.ensure(tmp_path / "tls", ("localhost", "127.0.0.1"))
    runner = web.AppRunner(page.application(box))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=made.context)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    trust = ssl.create_default_context(cafile=tmp_path / "tls" / "page.crt")
    async with TestClient(TestServer(web.Application())) as other:
        reply = await other.session.post(
            f"https://127.0.0.1:{port}/api/sign-in", json={"name": "guard", "password": "guard password"}, ssl=trust
        )
        assert reply.headers["Set-Cookie"].startswith("__Host-veilcam=")
        assert "Secure" in reply.headers["Set-Cookie"]
        assert "Strict-Transport-Security" in reply.headers
    await runner.cleanup()


def test_the_certificate_stays_and_is_known_by_its_fingerprint(tmp_path):
    first = certificate.ensure(tmp_path, ("box.local", "192.0.2.1"))
    assert re.fullmatch("[0-9a-f]{64}", first.fingerprint)
    assert (tmp_path / "page.key").stat().st_mode & 0o777 == 0o600
    assert certificate.ensure(tmp_path, ("box.local",)).fingerprint == first.fingerprint


async def test_a_wrong_password_and_an_unknown_name_are_the_same_sentence(client):
    wrong = await sign_in(client, "guard", "wrong password")
    nobody = await sign_in(client, "nobody", "wrong password")
    assert wrong == nobody
    assert wrong[0] == 403


async def test_too_many_tries_from_one_address_are_turned_away(client):
    answers = [await client.post("/api/sign-in", json={"name": f"n{n}", "password": "x"}) for n in range(40)]
    assert {reply.status for reply in answers} == {403, 429}
    assert answers[-1].status == 429
    assert "Retry-After" in answers[-1].headers


async def test_wrong_sign_ins_from_500_addresses_slow_nothing_else_down(client):
    async def guess(number):
        address = f"127.0.{1 + number // 250}.{1 + number % 250}"
        connector = aiohttp.TCPConnector(local_addr=(address, 0))
        body = {"name": f"name {number}" if number % 2 else "guard", "password": "a guess"}
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(client.make_url("/api/sign-in"), json=body) as reply,
        ):
            return reply.status

    guesses = [asyncio.create_task(guess(number)) for number in range(500)]
    took_s = []
    while not all(task.done() for task in guesses):
        began_s = time.monotonic()
        assert (await client.get("/")).status == 200
        took_s.append(time.monotonic() - began_s)
        await asyncio.sleep(0.05)
    statuses = [await task for task in guesses]
    assert set(statuses) == {403, 429}
    assert max(took_s) < 5
    began_s = time.monotonic()
    assert (await sign_in(client, "guard"))[0] == 200
    assert time.monotonic() - began_s < 5


async def test_the_first_account_may_only_choose_a_password_of_its_own(client, box, tmp_path):
    box.users._note = tmp_path / "first-password"
    await box.users.begin("first", [Right.VIEW, Right.ADMIN])
    password = box.users._note.read_text().split()[1]
    status, answer = await sign_in(client, "first", password)
    assert (status, answer["claim"]) == (200, True)
    for path in ("/api/cameras", "/api/accounts", "/api/audit", "/api/cameras/1/live"):
        reply = await client.get(path)
        assert (reply.status, (await reply.json())["error"]) == (403, "Choose a password of your own first.")
    assert (await client.put("/api/accounts/first", json={"password": "past the page"})).status == 403
    assert (await client.get("/api/me")).status == 200
    assert (await client.post("/api/claim", json={"password": "short"})).status == 400
    reply = await client.post("/api/claim", json={"password": "a password of my own"})
    assert (reply.status, (await reply.json())["claim"]) == (200, False)
    assert (await client.get("/api/cameras")).status == 200
    assert (await client.post("/api/claim", json={"password": "another of my own"})).status == 403
    await box.users.remove(ROOT, "first")


async def test_a_change_without_the_token_or_from_another_site_is_refused(client):
    await sign_in(client, "admin")
    token = client.session.headers.pop(CSRF_HEADER)
    assert (await client.post("/api/cameras/discover")).status == 403
    foreign = {CSRF_HEADER: token, "Origin": "https://elsewhere.example"}
    assert (await client.post("/api/cameras/discover", headers=foreign)).status == 403
    own = {CSRF_HEADER: token, "Origin": f"http://{client.host}:{client.port}"}
    assert (await client.post("/api/cameras/discover", headers=own)).status == 200
    foreign_stream = await client.get("/api/cameras/1/stream", headers={"Origin": "https://elsewhere.example"})
    assert foreign_stream.status == 403


async def test_signing_out_ends_the_session(client):
    await sign_in(client, "guard")
    assert (await client.get("/api/me")).status == 200
    assert (await client.post("/api/sign-out")).status == 204
    assert (await client.get("/api/me")).status == 401


async def test_a_right_taken_away_is_gone_at_the_next_request(client, box):
    await sign_in(client, "porter")
    await recorded(client)
    await box.users.save(ROOT, "porter", rights=[])
    reply = await client.get(
        "/api/cameras/1/timeline", params={"start": "2020-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}
    )
    assert reply.status == 403
    assert "does not hold the right" in (await reply.json())["error"]


async def test_a_right_taken_away_ends_a_stream_at_once(client, box, monkeypatch):
    monkeypatch.setattr("nvr_box.web.sockets._RIGHTS_EVERY_S", 600.0)  # it is told, and need not ask
    await sign_in(client, "porter")
    socket = await client.ws_connect("/api/cameras/1/stream")
    await socket.receive(timeout=60)
    await box.users.save(ROOT, "porter", rights=[])
    async with asyncio.timeout(60):
        while (message := await socket.receive()).type is not WSMsgType.CLOSE:
            pass
    assert message.data == 4003


async def test_an_account_sees_its_own_cameras_only(client):
    await sign_in(client, "porter")
    cameras = (await (await client.get("/api/cameras")).json())["cameras"]
    assert [camera["name"] for camera in cameras] == ["Entrance"]
    socket = await client.ws_connect("/api/cameras/2/stream")
    message = await socket.receive(timeout=30)
    assert message.type is WSMsgType.CLOSE
    assert message.data == 4003


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/cameras/1/freeze", {"at": "yesterday"}, "at"),
        ("POST", "/api/cameras/1/freeze", {}, "at"),
        ("POST", "/api/searches", {"threshold": 2}, "threshold"),
        ("POST", "/api/searches", {"classes": ["person", "face"]}, "classes"),
        ("POST", "/api/searches", {"colours": [{"part": "upper", "name": "beige"}]}, "colours"),
        ("POST", "/api/searches", {"attributes": [{"name": "texture", "word": "spotted"}]}, "attributes"),
        ("POST", "/api/searches", {"attributes": [{"name": "aspect", "word": "wide"}]}, "attributes"),
        ("POST", "/api/searches", {"attributes": ["hat"]}, "attributes"),
        ("POST", "/api/searches", {"cameras": "1"}, "cameras"),
        ("POST", "/api/searches", {"still": 4}, "still"),
        ("POST", "/api/searches", {"limit": 1.5}, "limit"),
        ("POST", "/api/stills/abc/picks", {"box": [0.5, 0.5, 0.2, 0.9], "class": "person"}, "box"),
        ("POST", "/api/stills/abc/picks", {"box": [0, 0, 1, float("nan")], "class": "person"}, "box"),
        (
            "POST",
            "/api/reveals",
            {"camera": 1, "from": "2026-01-01T00:00:00Z", "reason": "a good reason"},
            "passphrase",
        ),
        ("POST", "/api/reveals", {"camera": 1, "from": "2026-01-01T00:00:00Z", "reason": "x" * 301}, "reason"),
        ("GET", "/api/audit?limit=0", None, "limit"),
        ("GET", "/api/cameras/1/thumbnail?width=9000&at=2026-01-01T00:00:00Z", None, "width"),
    ],
)
async def test_a_value_that_does_not_fit_is_named(client, method, path, body, field):
    await sign_in(client, "admin")
    reply = await client.request(method, path, data=None if body is None else json.dumps(body))
    assert reply.status == 400
    answer = await reply.json()
    assert answer["field"] == field
    assert answer["error"].endswith(".")


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff\xfe", b"[" * 5000, b'{"a":"' + b"x" * 70_000 + b'"}'])
async def test_a_body_that_is_no_object_is_refused(client, body):
    await sign_in(client, "guard")
    reply = await client.post("/api/searches", data=body)
    assert reply.status == 400
    assert (await reply.json())["field"] == "body"


async def test_a_live_stream_is_an_initialisation_segment_and_fragments_with_their_time(client):
    await sign_in(client, "guard")
    socket = await client.ws_connect("/api/cameras/1/stream")
    head = json.loads((await socket.receive(timeout=60)).data)
    data = (await socket.receive(timeout=30)).data
    assert head["init"]
    assert head["mime"].startswith('video/mp4; codecs="avc1.')
    assert data[4:8] == b"ftyp"
    assert b"moof" in data
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", head["utc"])
    after = json.loads((await socket.receive(timeout=30)).data)
    assert not after["init"]
    assert request_fields.time_us(after, "utc") > request_fields.time_us(head, "utc")
    await socket.close()


async def test_a_replay_waits_for_the_page_and_goes_on_into_live(client):
    await sign_in(client, "guard")
    start = request_fields.time_us(await recorded(client), "start")
    socket = await client.ws_connect("/api/cameras/1/stream", params={"from": request_fields.iso(start)})
    limit = start + 12_000_000
    last = start
    while last < limit - 2_000_000:
        head = json.loads((await socket.receive(timeout=60)).data)
        await socket.receive(timeout=30)
        last = request_fields.time_us(head, "utc")
        assert last <= limit
    await socket.send_str(json.dumps({"until": "2100-01-01T00:00:00Z"}))
    now = start + 21_000_000  # beyond the history that was there when the box began
    while last < now:
        head = json.loads((await socket.receive(timeout=60)).data)
        await socket.receive(timeout=30)
        assert request_fields.time_us(head, "utc") > last - 1_000_000
        last = request_fields.time_us(head, "utc")
    await socket.close()


async def test_a_stream_from_a_gap_begins_behind_it(client):
    await sign_in(client, "guard")
    start = request_fields.time_us(await recorded(client), "start")
    socket = await client.ws_connect(
        "/api/cameras/1/stream", params={"from": request_fields.iso(start - 3_600_000_000)}
    )
    head = json.loads((await socket.receive(timeout=60)).data)
    assert abs(request_fields.time_us(head, "utc") - start) < 1_000_000
    await socket.close()


async def test_nonsense_from_the_page_closes_the_stream(client):
    await sign_in(client, "guard")
    socket = await client.ws_connect("/api/cameras/1/stream")
    await socket.send_str("[[[")
    async with asyncio.timeout(30):
        while (message := await socket.receive()).type is not WSMsgType.CLOSE:
            pass
    assert message.data == 4003


def test_the_page_asks_for_words_of_the_closed_list_only():
    script = (API_PAGE.parent / "static/parts/attributes.js").read_text(encoding="utf-8")
    lists = {name: re.findall(r'"(\w+)"', words) for name, words in re.findall(r"const (\w+) = \[(.*?)\];", script)}
    asked_for = [
        (name, lists.get(words) or re.findall(r'"(\w+)"', words))
        for name, words in re.findall(r'asked\("(\w+)", (\w+|\[.*?\])\)', script)
    ]
    asked_for += [(name, ["yes"]) for name in lists["YES"]]
    assert {name for name, _ in asked_for} == {attribute.name.lower() for attribute in CHOICES}
    for name, words in asked_for:
        assert set(words) <= set(CHOICES[Attribute[name.upper()]])


async def test_freeze_pick_search_and_shot(client):
    await sign_in(client, "guard")
    spans = await recorded(client)
    start = request_fields.time_us(spans, "start")
    still = await (
        await client.post("/api/cameras/1/freeze", json={"at": request_fields.iso(start + 3_000_000)})
    ).json()
    assert still["picks"]
    assert all(0 <= side <= 1 for pick in still["picks"] for side in pick["box"])
    found = await (await client.post("/api/searches", json={"still": still["key"], "pick": 0, "threshold": 0.4})).json()
    alike = [match["similarity"] for match in found["matches"]]
    assert alike == sorted(alike, reverse=True)
    assert min(alike) >= 0.4
    assert sum(found["histogram"]) == found["compared"]
    told = await client.post("/api/searches", json={"attributes": [{"name": "sleeve", "word": "long"}]})
    assert told.status == 200
    shot = await client.get(f"/api/passages/{found['matches'][0]['passage']}/shot")
    assert (await shot.read())[:2] == b"\xff\xd8"
    thumbnail = await client.get("/api/cameras/1/thumbnail", params={"at": spans["start"]})
    for picture in (shot, thumbnail):
        assert picture.status == 200
        assert picture.headers["Cache-Control"] == "no-store", "it would be in the browser after a sign-out"
    drawn = await (
        await client.post(f"/api/stills/{still['key']}/picks", json={"box": [0.1, 0.1, 0.3, 0.4], "class": "car"})
    ).json()
    assert drawn["picks"][-1]["class"] == "car"


async def test_the_timeline_counts_every_passage_and_leads_to_the_one_beside(client, box):
    await sign_in(client, "guard")
    spans = await recorded(client)
    asked_for = {"start": spans["start"], "end": "2100-01-01T00:00:00Z", "steps": "64"}
    answer = await (await client.get("/api/cameras/1/timeline", params=asked_for)).json()
    assert sum(count for _, count in answer["density"]["person"]) >= len(answer["passages"]) > 0
    first = answer["passages"][0]["first"]
    beside = "/api/cameras/1/beside"
    later = await (await client.get(beside, params={"at": first})).json()
    assert later["first"] > first
    earlier = await (await client.get(beside, params={"at": later["first"], "later": "no"})).json()
    assert earlier["first"] == first
    wrong = await client.get("/api/cameras/1/timeline", params={**asked_for, "end": spans["start"]})
    assert (wrong.status, (await wrong.json())["field"]) == (400, "end")


async def test_what_is_not_there_is_a_404_with_a_sentence(client):
    await sign_in(client, "guard")
    for method, path, body in (
        ("GET", "/api/passages/99999/shot", None),
        ("POST", "/api/cameras/1/freeze", {"at": "2020-01-01T00:00:00Z"}),
        ("GET", "/api/nothing", None),
    ):
        reply = await client.request(method, path, json=body)
        assert reply.status == 404
        assert (await reply.json())["error"]


async def test_trying_a_camera_says_every_step(client):
    await sign_in(client, "admin")
    wrong = {"address": "192.0.2.9", "user": "admin", "password": "wrong"}
    steps = [json.loads(line) async for line in (await client.post("/api/cameras/test", json=wrong)).content]
    assert [(step["name"], step["ok"]) for step in steps] == [("reach", True), ("sign-in", False)]
    right = {**wrong, "password": "right password"}
    added = [json.loads(line) async for line in (await client.post("/api/cameras", json=right)).content]
    assert added[-1] == {"error": "192.0.2.9 has no usable profile."}


async def test_a_camera_is_reached_by_another_password_once_it_was_tried(client):
    await sign_in(client, "admin")
    wrong = await client.patch("/api/cameras/2", json={"password": "a guess"})
    assert wrong.status == 502
    assert (await wrong.json())["error"] == "Sign-in: the camera refuses the user or the password."
    right = await client.patch("/api/cameras/2", json={"address": " 192.0.2.44 ", "password": "right password"})
    assert (right.status, (await right.json())["xaddr"]) == (200, "192.0.2.44")
    assert (await client.patch("/api/cameras/2", json={"address": " "})).status == 400
    await sign_in(client, "guard")
    refused = await client.patch("/api/cameras/2", json={"password": "right password"})
    assert refused.status == 403


async def test_adding_cameras_needs_the_right(client):
    await sign_in(client, "guard")
    reply = await client.post("/api/cameras/test", json={"address": "192.0.2.9", "user": "a", "password": "b"})
    assert reply.status == 403


async def ask_reveal(client, **changes):
    body = {"camera": 1, "reason": "incident 7 at the gate", "passphrase": PASSPHRASE, "from": "2026-01-01T00:00:00Z"}
    return await client.post("/api/reveals", json=body | changes)


async def test_a_reveal_is_refused_without_the_right_and_written_down(client):
    await sign_in(client, "guard")
    reply = await ask_reveal(client)
    assert reply.status == 403
    assert "reveal" in (await reply.json())["error"]
    await client.post("/api/sign-out")
    await sign_in(client, "admin")
    entries = (await (await client.get("/api/audit", params={"action": "reveal"})).json())["entries"]
    assert [(entry["who"], entry["granted"]) for entry in entries] == [("guard", False)]


async def test_a_reveal_in_the_browser_is_refused_where_the_box_opens_and_written_down(client):
    await sign_in(client, "controller")
    assert (await ask_reveal(client, in_browser=True)).status == 403
    await client.post("/api/sign-out")
    await sign_in(client, "admin")
    entries = (await (await client.get("/api/audit", params={"action": "reveal"})).json())["entries"]
    assert [(entry["who"], entry["granted"]) for entry in entries] == [("controller", False)]


async def test_a_reveal_streams_until_it_is_ended(client):
    await sign_in(client, "controller")
    start = (await recorded(client))["start"]
    assert (await ask_reveal(client, passphrase="wrong one")).status == 403
    session = await (await ask_reveal(client, **{"from": start})).json()
    assert (await (await client.get("/api/reveals")).json())["reveals"][0]["id"] == session["id"]
    socket = await client.ws_connect(f"/api/cameras/1/stream?reveal={session['id']}")
    assert json.loads((await socket.receive(timeout=60)).data)["init"]
    assert (await client.delete(f"/api/reveals/{session['id']}")).status == 204
    await socket.send_str(json.dumps({"until": "2100-01-01T00:00:00Z"}))
    async with asyncio.timeout(30):
        while (message := await socket.receive()).type is not WSMsgType.CLOSE:
            pass
    assert message.data == 4001
    assert (await (await client.get("/api/reveals")).json())["reveals"] == []


async def test_a_reveal_that_no_page_watches_ends_by_itself(client, box, monkeypatch):
    monkeypatch.setattr("nvr_box.web.reveal._UNWATCHED_S", 0.2)
    await sign_in(client, "controller")
    assert (await ask_reveal(client)).status == 201
    await asyncio.wait_for(box.reveals.all_over.wait(), 30)


async def test_a_case_number_becomes_part_of_the_reason(client):
    await sign_in(client, "controller")
    answer = await (await ask_reveal(client, case="K-1234")).json()
    assert answer["reason"] == "incident 7 at the gate (case K-1234)"


async def test_the_audit_log_is_read_and_its_chain_checked(client):
    await sign_in(client, "admin")
    answer = await (await client.get("/api/audit")).json()
    numbers = [entry["number"] for entry in answer["entries"]]
    assert numbers == sorted(numbers, reverse=True)
    assert answer["entries"][0]["action"] == "audit-view"
    verdict = await (await client.post("/api/audit/verify")).json()
    assert verdict["whole"]
    assert verdict["entries"] >= len(numbers)
    await client.post("/api/sign-out")
    await sign_in(client, "guard")
    assert (await client.get("/api/audit")).status == 403


async def test_packets_need_a_bearer_token(client):
    assert (await client.post("/api/packets", data=b"")).status == 401


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["at", "n", "t", "box"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
            lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_any_field_is_a_value_or_a_named_refusal(fields):
    named = []
    for read in (
        lambda: request_fields.time_us(fields, "at"),
        lambda: request_fields.whole(fields, "n", -5, 5),
        lambda: request_fields.text(fields, "t", most=10),
        lambda: request_fields.box_share(fields, "box"),
        lambda: request_fields.object_class(fields.get("t")),
    ):
        try:
            read()
        except request_fields.BadField as refusal:
            named.append(refusal.field)
    assert all(named)


@given(st.integers(0, 4_000_000_000_000_000))
def test_times_survive_the_wire_to_the_microsecond(utc_us):
    assert request_fields.time_us({"at": request_fields.iso(utc_us)}, "at") == utc_us


async def test_accounts_are_the_admins_business(client):
    await sign_in(client, "controller")
    for method, path in (("GET", "/api/accounts"), ("PUT", "/api/accounts/x"), ("DELETE", "/api/accounts/guard")):
        reply = await client.request(method, path, json={})
        assert reply.status == 403, path
    await sign_in(client, "admin")
    everybody = await (await client.get("/api/accounts")).json()
    assert [each["name"] for each in everybody["accounts"]] == sorted(each["name"] for each in everybody["accounts"])
    assert "password" not in json.dumps(everybody)
    for wrong in ({"rights": ["king"]}, {"rights": 3}, {"cameras": ["1"]}, {"cameras": 1}, {"password": "short"}, {}):
        reply = await client.put("/api/accounts/newcomer", json=wrong)
        assert reply.status == 400, wrong
    made = await client.put(
        "/api/accounts/newcomer", json={"password": "newcomer password", "rights": ["viewer"], "cameras": [1]}
    )
    assert await made.json() == {"name": "newcomer", "rights": ["viewer"], "cameras": [1]}
    changed = await client.put("/api/accounts/newcomer", json={"cameras": None})
    assert await changed.json() == {"name": "newcomer", "rights": ["viewer"], "cameras": None}
    assert (await client.delete("/api/accounts/newcomer")).status == 204


async def test_a_new_password_signs_the_account_out_elsewhere(client):
    await sign_in(client, "guard")
    cookies = {cookie.key: cookie.value for cookie in client.session.cookie_jar}
    client.session.cookie_jar.clear()
    await sign_in(client, "admin")
    reply = await client.put("/api/accounts/guard", json={"password": "another password"})
    assert reply.status == 200
    assert (await client.get("/api/me")).status == 200, "whoever changed it stays signed in"
    client.session.cookie_jar.clear()
    assert (await client.get("/api/me", cookies=cookies)).status == 401


async def test_the_keys_are_an_admins_business_and_nothing_secret_is_told(client, box):
    await sign_in(client, "guard")
    assert (await client.get("/api/keys")).status == 403
    await sign_in(client, "admin")
    said = await (await client.get("/api/keys")).text()
    told = json.loads(said)
    assert [key["label"] for key in told["keys"]] == ["anna", "bert"]
    assert told["days"][0]["opened_by"] == ["anna", "bert"]
    assert not any(word in said for word in ('sealed": "', "private", "salt", "passphrase"))
    kid, day = told["keys"][0]["kid"], told["days"][0]["day"]
    for path, body, status, says in (
        (f"/api/keys/days/{day}/shred", {}, 400, "text is needed"),
        (f"/api/keys/days/{day}/shred", {"typed": "yes"}, 400, f"type {day}"),
        ("/api/keys/days/2001-01-01/shred", {"typed": "2001-01-01"}, 404, "There is no key 2001-01-01."),
        ("/api/keys/0123456789abcdef/revoke", {}, 404, "There is no key 0123456789abcdef in force."),
        ("/api/keys/holds/7/seal", {"passphrase": "x"}, 404, "There is no hold 7."),
        ("/api/keys/holds", {"case": "c 1", "camera": 1, "reason": "a good reason"}, 400, "time is needed"),
    ):
        reply = await client.post(path, json=body)
        assert (reply.status, says in (await reply.json())["error"]) == (status, True), path
    assert (await client.post(f"/api/keys/{kid}/revoke", json={})).status == 204
    assert (await client.post(f"/api/keys/days/{day}/shred", json={"typed": day})).status == 204
    told = await (await client.get("/api/keys")).json()
    assert told["keys"][0]["revoked"]
    assert told["days"][0]["destroyed"]
    entries = await (await client.get("/api/audit?action=keys")).json()
    assert [entry["details"]["what"] for entry in entries["entries"] if entry["granted"]] == ["shred", "revoke"]


async def test_what_is_wrong_with_the_box_is_said_to_everybody_and_only_an_administrator_confirms_the_time(box):
    jumped = trust.after(trust.first(timekeeper.reading(), None), timekeeper.reading())
    box.timekeeper._trust = replace(jumped, expected_us=jumped.expected_us - 40 * 86_400_000_000)
    server = TestServer(page.application(replace(box, notices=box.timekeeper.notices)))
    async with TestClient(server) as client:
        await sign_in(client, "porter")
        (notice,) = (await (await client.get("/api/cameras")).json())["notices"]
        assert notice["kind"] == "clock"
        assert "40.0 days" in notice["text"]
        assert (await client.post("/api/clock")).status == 403
        await sign_in(client, "admin")
        assert (await client.post("/api/clock")).status == 204
        assert (await (await client.get("/api/cameras")).json())["notices"] == []
