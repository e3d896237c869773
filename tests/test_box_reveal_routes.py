"""What was approved decides on every route of the page that can show an original, whatever its caller asks for."""

import asyncio
import io
import json
import time
import zipfile
from datetime import datetime

import av
import cv2
import numpy as np
import pytest
from aiohttp import WSMsgType
from aiohttp.test_utils import TestClient, TestServer
from box_fakes import CAMERA_ID, PEOPLE, best_shot, clear_picture, i420, jpeg, masked_h264, record_file

from base.errors import RightRefused
from nvr_box.accounts.users import Accounts
from nvr_box.audit.log import Audit
from nvr_box.box import BoxContext
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.config import BoxConfig, RevealConfig
from nvr_box.db.database import Store
from nvr_box.export.exports import Exports
from nvr_box.keys import day as day_keys
from nvr_box.keys.store import KeyFolder
from nvr_box.record.recordings import Recordings
from nvr_box.record.segments import Segments
from nvr_box.reveal.handed_keys import PROOF_INFO
from nvr_box.reveal.process_client import RevealProcess
from nvr_box.reveal.reveals import Reveals
from nvr_box.rights import Account, Right
from nvr_box.search.passages import Passages
from nvr_box.search.search import AppearanceSearch
from nvr_box.timekeeping.timekeeper import Timekeeper
from nvr_box.web import app as page
from nvr_box.web.request_fields import iso
from nvr_box.web.sessions import CSRF_HEADER
from wire.features.packet import FeaturePacket
from wire.features.vocabulary import ObjectClass
from wire.keys import SigningKey, load_identity
from wire.recording import samples
from wire.recovery.reader import NOT_A_RECIPIENT, Reader

NAME, PASSPHRASE, REASON = "anna", "a passphrase of anna's", "bicycle theft, case 12"
SIGNER = SigningKey.generate()
CONSOLE = Account("setup", frozenset(Right))
RIGHTS = frozenset({Right.VIEW, Right.OPERATE, Right.REVEAL})
IDS = {camera: (CAMERA_ID[:7] + bytes([camera])) for camera in (1, 2)}
SECOND_US = 1_000_000
BOTH = frozenset(PEOPLE)


def point_of(track):
    x, y, w, h = PEOPLE[track]
    return [(x + w / 2) / 20, (y + h / 2) / 15]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Two cameras' recordings of 75 pictures of a minute ago, each sealed to its own key of the day."""
    folder = tmp_path_factory.mktemp("routes")
    keys = KeyFolder.open(folder / "keys")
    for name in (NAME, "bert"):
        keys.create(name, PASSPHRASE if name == NAME else "bert's own passphrase")
    days = {camera: keys.today(identity.hex()) for camera, identity in IDS.items()}
    midnight = int(datetime.fromisoformat(f"{days[1].date}T00:00Z").timestamp())
    t0 = max(midnight, int(time.time()) - 60) * SECOND_US
    files = {
        camera: masked_h264(
            folder / f"{camera}.h264", 75, keys.recipients(identity.hex()), SIGNER, start_us=t0, camera_id=identity
        )
        for camera, identity in IDS.items()
    }
    return keys, files, t0


def shot(camera, number, at_us, recipients):
    at_ms = at_us // 1000
    packet = FeaturePacket(camera_id=IDS[camera], sequence=number, track_id=number, class_=ObjectClass.PERSON,
                           first_utc_ms=at_ms, best_utc_ms=at_ms, last_utc_ms=at_ms, quality=0.5, box=(0, 0, 9, 9),
                           thumbnail=jpeg(1, (96, 48)))  # fmt: skip
    return best_shot(packet, recipients, SIGNER, masked=jpeg(1, (96, 48)), clear=jpeg(100, (96, 48)))


class Place:
    """The routes over real recordings, keys and reveal processes."""

    def __init__(self, box, client, t0):
        self.box, self.client, self.t0 = box, client, t0

    def at(self, seconds):
        return iso(self.t0 + round(seconds * SECOND_US))

    async def sign_in(self):
        reply = await self.client.post("/api/sign-in", json={"name": NAME, "password": f"{NAME} password"})
        self.client.session.headers[CSRF_HEADER] = (await reply.json())["csrf"]

    async def approved(self, start_s=1.0, end_s=2.0, person=None, camera=1):
        """The id of a request to which an officer agreed."""
        wish = {"camera": camera, "reason": REASON, "from": self.at(start_s), "until": self.at(end_s)}
        if person:
            wish["point"] = point_of(person)
        reply = await self.client.post("/api/reveals/requests", json=wish)
        key = (await reply.json())["id"]
        officer = Account("officer", frozenset({Right.APPROVE}))
        await self.box.reveals.approvals.answer(officer, key, approve=True, why="")
        return key

    def asking(self, approval, camera=1):
        """A caller that asks for everything of everybody."""
        return {"camera": camera, "reason": REASON, "passphrase": PASSPHRASE, "from": self.at(0), "approval": approval}

    async def revealed(self, **approved):
        reply = await self.client.post("/api/reveals", json=self.asking(await self.approved(**approved)))
        assert reply.status == 201, await reply.text()
        return (await reply.json())["id"]

    async def still(self, key, at_s):
        reply = await self.client.get(f"/api/reveals/{key}/still", params={"at": self.at(at_s)})
        if reply.status != 200:
            return reply.status
        shown = cv2.imdecode(np.frombuffer(await reply.read(), np.uint8), cv2.IMREAD_COLOR)
        return clear_in(cv2.cvtColor(shown, cv2.COLOR_BGR2YUV_I420), round(at_s * 25))

    async def stream(self, key, from_s=None, camera=1):
        """What the stream shows, picture by picture, or the code that it is closed with at once."""
        query = {"reveal": key} | ({} if from_s is None else {"from": self.at(from_s)})
        socket = await self.client.ws_connect(f"/api/cameras/{camera}/stream", params=query)
        data, first = b"", None
        while (message := await socket.receive(timeout=60)).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            if message.type is WSMsgType.BINARY:
                data += message.data
            elif first is None:
                first = json.loads(message.data)["utc"]
        assert message.data in (4001, 4003), "another code would make the page ask again"
        return (first, pictures(data)) if data else message.data

    async def card(self, key, passage):
        reply = await self.client.get(f"/api/reveals/{key}/cards/{passage}")
        return reply.status

    async def units(self, key, from_s):
        socket = await self.client.ws_connect(f"/api/reveals/{key}/units", params={"from": self.at(from_s)})
        message = await socket.receive(timeout=60)
        return message.data if message.type is WSMsgType.CLOSE else socket

    async def export(self, start_s, end_s, camera=1, **more):
        """The revealed file of a package, or the status of the refusal."""
        body = {"camera": camera, "reason": REASON, "start": self.at(start_s), "end": self.at(end_s),
                 "passphrase": PASSPHRASE, **more}  # fmt: skip
        reply = await self.client.post("/api/exports", json=body)
        if reply.status != 201:
            return reply.status
        self.package = f"/api/exports/{(await reply.json())['id']}"
        with zipfile.ZipFile(io.BytesIO(await (await self.client.get(self.package)).read())) as files:
            return pictures(files.read("revealed-1.mp4"))

    async def take(self, right):
        await self.box.users.save(CONSOLE, NAME, rights=RIGHTS - {right})


def clear_in(shown, number):
    """The people of `PEOPLE` whose originals are in a picture, the number'th of the scene."""
    clear, found = i420(clear_picture(number)), set()
    for track, box in PEOPLE.items():
        x, y, w, h = (16 * side for side in box)
        area = np.s_[y : y + h, x : x + w]
        if np.mean((shown[area].astype(float) - clear[area].astype(float)) ** 2) < 200:
            found.add(track)
    return frozenset(found)


def pictures(data):
    with av.open(io.BytesIO(data), "r", format="mp4") as container:
        return [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]


@pytest.fixture(params=[True])
def second_person(request):
    return request.param


@pytest.fixture
async def place(tmp_path, scene, second_person):
    keys, files, t0 = scene
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    segments, log, roster, passages = (
        Segments(store, tmp_path / "rec"),
        Audit(store),
        CameraStore(store),
        Passages(store),
    )
    users, recordings = Accounts(store, log), Recordings(segments, log)
    await users.load()
    await users.save(CONSOLE, NAME, password=f"{NAME} password", rights=RIGHTS)
    for camera, identity in IDS.items():
        row = CameraRow(camera, f"yard {camera}", "http://x", "u", "rtsp://x", "main", "", "", "", identity.hex(),
                     SIGNER.public.hex(), None, True, True, 0)  # fmt: skip
        await roster.add(row, "p", None, "test")
        await asyncio.to_thread(record_file, segments, camera, files[camera], t0)
        recipients = keys.recipients(identity.hex())
        await passages.add(camera, [shot(camera, n, t0 + at, recipients) for n, at in ((1, 1_500_000), (2, 2_500_000))])
    reveals = Reveals(log, keys, roster, recordings, minutes=5, second_person=second_person, account=users.get)
    users.listen(reveals.rights_changed)
    exports = Exports(log, keys, roster, recordings, reveals, folder=tmp_path / "exports", box="b", account=users.get)
    config = BoxConfig(state=tmp_path, name="box", reveal=RevealConfig(in_browser=True, second_person=second_person))
    box = BoxContext(
        config=config,
        audit=log,
        users=users,
        cameras=None,
        recordings=recordings,
        stills=None,
        intake=None,
        searches=AppearanceSearch(passages, None, log),
        reveals=reveals,
        exports=exports,
        custody=None,
        holds=None,
        maskings=None,
        selections=None,
        released_places=None,
        timekeeper=Timekeeper(store, log),
    )
    async with TestClient(TestServer(page.application(box))) as client:
        found = Place(box, client, t0)
        await found.sign_in()
        yield found
    await reveals.close()
    store.close()


@pytest.mark.parametrize("person", [None, 9])
async def test_every_route_shows_the_approved_time_and_people_and_nothing_else(place, person):
    approved = BOTH if person is None else frozenset({person})
    key = await place.revealed(person=person)
    assert [await place.still(key, at_s) for at_s in (1.0, 1.48, 1.96)] == [approved] * 3
    assert [await place.still(key, at_s) for at_s in (0.2, 0.96, 2.0, 2.6, 50)] == [403] * 5
    assert await place.card(key, 1) == (200 if person is None else 403)
    assert await place.card(key, 2) == 403, "of another time"
    assert await place.card(key, 3) == 403, "of another camera"
    first, shown = await place.stream(key)
    assert first == place.at(1)
    assert [clear_in(picture, 25 + number) for number, picture in enumerate(shown)] == [approved] * 25
    for from_s in (0.2, 2.0, 50) if person is None else ():
        assert await place.stream(key, from_s) == 4001
    if person is not None:
        assert (await place.stream(key, 0.2))[0] == place.at(1), "one person is found at one time"
    assert await place.stream(key, camera=2) == 4001
    assert await place.units(key, 1.2) == 4001, "what is limited is opened on the box"


@pytest.mark.parametrize("person", [None, 9])
async def test_an_export_shows_the_approved_time_and_people_and_nothing_else(place, person):
    approval = await place.approved(person=person)
    for start_s, end_s in ((0, 1.5), (1.5, 2.5), (0, 30)):
        assert await place.export(start_s, end_s, approval=approval) == 403
    assert await place.export(1.2, 1.6, camera=2, approval=approval) == 403
    shown = await place.export(1.2, 1.6, approval=approval, **({"point": point_of(7)} if person else {}))
    expected = BOTH if person is None else frozenset({person})
    assert [clear_in(picture, 30 + number) for number, picture in enumerate(shown)] == [expected] * 10
    assert await place.export(1.2, 1.6, approval=approval) == 403, "one approval, one reveal"


async def test_after_its_end_a_reveal_shows_nothing(place):
    key = await place.revealed()
    assert (await place.client.delete(f"/api/reveals/{key}")).status == 204
    assert await place.still(key, 1.5) == 403
    assert await place.card(key, 1) == 403
    assert await place.stream(key) == 4001
    assert await place.units(key, 1.5) == 4001


@pytest.mark.parametrize("right", [Right.REVEAL, Right.VIEW])
async def test_a_right_that_is_taken_away_ends_what_runs_at_once(place, right):
    approval, key = await place.approved(), await place.revealed()
    await place.export(1.2, 1.6, approval=approval)
    waiting = await place.approved()
    playing = place.box.reveals.play(place.box.users.get(NAME), key)
    assert (await anext(playing)).mime
    process = place.box.reveals._running[key].talk._process
    await place.take(right)
    with pytest.raises(RightRefused, match=r"over|does not hold"):
        await anext(playing)
    async with asyncio.timeout(10):
        await process.wait()
    assert place.box.reveals.active(Account(NAME, RIGHTS)) == ()
    assert await place.still(key, 1.5) == 403
    assert await place.card(key, 1) == 403
    assert await place.stream(key) in (4001, 4003)
    assert await place.export(1.2, 1.6, approval=waiting) == 403
    assert (await place.client.get(place.package)).status == 403
    ends = await place.box.audit.entries(CONSOLE, action="reveal-end")
    assert "the right was taken away" in {entry.details["why"] for entry in ends}


async def test_eight_at_once_on_one_approval_get_one_reveal(place):
    approval = await place.approved()
    requests = [place.client.post("/api/reveals", json=place.asking(approval)) for _ in range(8)]
    replies = await asyncio.gather(*requests)
    assert sorted(reply.status for reply in replies) == [201] + [403] * 7
    assert len(place.box.reveals.active(Account(NAME, RIGHTS))) == 1


async def test_a_wrong_passphrase_gives_the_approval_back(place):
    asking = place.asking(await place.approved())
    assert (await place.client.post("/api/reveals", json=asking | {"passphrase": "a wrong one"})).status == 403
    assert (await place.client.post("/api/reveals", json=asking)).status == 201


async def test_a_request_needs_the_right_to_view(place):
    await place.take(Right.VIEW)
    wish = {"camera": 1, "reason": REASON, "from": place.at(0)}
    assert (await place.client.post("/api/reveals/requests", json=wish)).status == 403


@pytest.mark.parametrize("second_person", [False], indirect=True)
async def test_where_the_page_opens_it_is_handed_the_least(place, scene):
    keys, files, _ = scene
    asking = {"camera": 1, "reason": REASON, "from": place.at(1), "in_browser": True}
    for limit in ({"point": point_of(9)}, {"until": place.at(2)}):
        assert (await place.client.post("/api/reveals", json=asking | limit)).status == 403
    granted = await (await place.client.post("/api/reveals", json=asking)).json()
    handed = granted["keys"]
    assert [table["label"] for table in handed["operators"]] == [NAME]
    assert [table["day"] for table in handed["days"]] == [keys.today(IDS[1].hex()).day]
    (own,) = keys.own(NAME)
    assert [entry["kids"] for table in handed["days"] for entry in table["sealed"]] == [[own.kid.hex()]]
    assert set(handed) == {"operators", "days", "proofs"}

    # What a script makes of it that ends the reveal at once and keeps everything.
    key = granted["id"]
    assert await place.card(key, 1) == 403, "nothing before a passphrase has opened something"
    operator = load_identity(keys.folder / "reveal" / f"{own.kid.hex()}.json", PASSPHRASE)
    proof = operator.open(bytes.fromhex(handed["proofs"][own.kid.hex()]), PROOF_INFO).hex()
    assert (await place.client.post(f"/api/reveals/{key}/opened", json={"proof": "00"})).status == 403
    assert (await place.client.post(f"/api/reveals/{key}/opened", json={"proof": "x"})).status == 400
    assert (await place.client.post(f"/api/reveals/{key}/opened", json={"proof": proof})).status == 200
    assert await place.card(key, 1) == 200
    socket = await place.units(key, 1.5)
    assert await place.units(key, 3 * 3600) == 4001, "two hours away is another reveal"
    assert await place.still(key, 1.5) == 403
    path = keys.today(IDS[1].hex()).path
    days = [day_keys.unseal(path, [operator])]
    opened = {camera: _opened(file, [operator, *days]) for camera, file in files.items()}
    assert opened == {1: 75, 2: 0}
    await place.take(Right.REVEAL)
    async with asyncio.timeout(10):
        while (message := await socket.receive()).type is not WSMsgType.CLOSE:
            pass
    assert message.data in (4001, 4003)


def _opened(file, identities):
    codec, _, units = samples(file)
    reader = Reader(identities, codec)
    return sum(reader.open(unit.au).reason != NOT_A_RECIPIENT for unit in units)


@pytest.mark.parametrize("second_person", [False], indirect=True)
async def test_a_page_without_a_key_of_its_own_lets_the_box_open(place, scene):
    keys, *_ = scene
    ways = await (await place.client.get("/api/reveals")).json()
    assert ways["in_browser"]
    await place.box.users.save(CONSOLE, "carl", password="carl's password", rights=RIGHTS)
    reply = await place.client.post("/api/sign-in", json={"name": "carl", "password": "carl's password"})
    place.client.session.headers[CSRF_HEADER] = (await reply.json())["csrf"]
    assert not (await (await place.client.get("/api/reveals")).json())["in_browser"]
    asking = {"camera": 1, "reason": REASON, "from": place.at(1), "in_browser": True}
    assert (await place.client.post("/api/reveals", json=asking)).status == 403
    keys.assign(keys.own("bert")[0].kid.hex(), "carl")
    granted = await (await place.client.post("/api/reveals", json=asking)).json()
    assert [table["label"] for table in granted["keys"]["operators"]] == ["bert"]


HALF = "bicycle theft \ud800 at the gate"


@pytest.mark.parametrize("second_person", [False], indirect=True)
@pytest.mark.parametrize("field", ["reason", "passphrase", "second_passphrase", "approval", "case"])
async def test_half_a_character_is_refused_by_name_and_leaves_nothing_running(place, field):
    asking = {"camera": 1, "reason": REASON, "passphrase": PASSPHRASE, "from": place.at(1)}
    reply = await place.client.post("/api/reveals", data=json.dumps(asking | {field: HALF}))
    assert (reply.status, (await reply.json())["field"]) == (400, field)
    assert place.box.reveals.active(Account(NAME, RIGHTS)) == ()


@pytest.mark.parametrize(
    ("path", "field", "body"),
    [
        ("/api/exports", "reason", {"camera": 1, "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:01Z"}),
        ("/api/reveals/requests", "reason", {"camera": 1, "from": "2026-01-01T00:00:00Z"}),
        ("/api/reveals/requests/x", "why", {"approve": True}),
        ("/api/sign-in", "name", {"password": "x"}),
        ("/api/sign-in", "password", {"name": "x"}),
    ],
)
async def test_half_a_character_is_refused_by_name_wherever_a_text_is_taken(place, path, field, body):
    reply = await place.client.post(path, data=json.dumps(body | {field: HALF}))
    assert (reply.status, (await reply.json())["field"]) == (400, field)


@pytest.mark.parametrize("in_browser", [False, True])
@pytest.mark.parametrize("second_person", [False], indirect=True)
async def test_what_cannot_be_written_down_does_not_happen_and_leaves_no_process(place, in_browser):
    reveals, launched = place.box.reveals, []
    store = place.box.audit._store
    await store.write(lambda link: link.execute(
        "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    ))  # fmt: skip
    asking = {"camera": 1, "reason": REASON, "passphrase": PASSPHRASE, "from": place.at(1), "in_browser": in_browser}
    killed = RevealProcess.kill

    async def kill(talk):
        await killed(talk)
        launched.append(talk._process.returncode)

    RevealProcess.kill = kill
    try:
        assert (await place.client.post("/api/reveals", json=asking)).status >= 400
    finally:
        RevealProcess.kill = killed
    assert launched == ([] if in_browser else [-9])
    assert not reveals._running
    await store.write(lambda link: link.execute("DROP TRIGGER full"))
    assert (await place.client.post("/api/reveals", json=asking)).status == 201


async def test_an_end_that_cannot_be_written_down_ends_the_process_all_the_same(place):
    key = await place.revealed()
    process = place.box.reveals._running[key].talk._process
    await place.box.audit._store.write(lambda link: link.execute(
        "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    ))  # fmt: skip
    assert (await place.client.delete(f"/api/reveals/{key}")).status >= 400
    assert process.returncode == -9
    assert not place.box.reveals._running
