"""Best shots in a reveal: clear with the watermark by right, masked with a reason for all else, on record."""

import asyncio

import cv2
import numpy as np
import pytest
from box_fakes import CAMERA_ID, best_shot, jpeg

from base.errors import NotFound, RightRefused
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.config import RecordConfig
from nvr_box.db.database import Store
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance import check
from nvr_box.record.retention import Retention
from nvr_box.reveal.reveals import Reveals, Stretch
from nvr_box.reveal.watermark import Watermark
from nvr_box.rights import Account, Right
from nvr_box.search.passages import Passages
from nvr_box.search.search import AppearanceSearch
from wire import thumbnail
from wire.features.packet import FeaturePacket
from wire.features.vocabulary import ObjectClass
from wire.keys import Identity, SigningKey

T0_MS = 1_795_000_000_000
PASSPHRASE, REASON = "a passphrase of an operator", "bicycle theft, case 12"
CONTROLLER = Account("controller", frozenset({Right.VIEW, Right.REVEAL}))
ADMIN = Account("admin", frozenset({Right.ADMIN}))
SIGNER, IMPOSTOR = SigningKey.generate(), SigningKey.generate()
MASKED, CLEAR = jpeg(1, (96, 48)), jpeg(100, (96, 48))
HOLDER = Identity.generate()
OPENS, STRANGER, PLAIN, OTHERS, SHREDDED, FORGED = range(1, 7)


def packet(number):
    at = T0_MS + number * 1000
    return FeaturePacket(camera_id=CAMERA_ID, sequence=number, track_id=number, class_=ObjectClass.PERSON,
                         first_utc_ms=at, best_utc_ms=at, last_utc_ms=at, quality=0.5, box=(0, 0, 9, 9),
                         thumbnail=MASKED)  # fmt: skip


def ours(number, recipients, signer=SIGNER):
    return best_shot(packet(number), recipients, signer, masked=MASKED, clear=CLEAR)


@pytest.fixture
async def place(tmp_path):
    keys = KeyFolder.open(tmp_path / "keys")
    keys.create("controller", PASSPHRASE)
    past = keys.today()
    (renewed,) = keys.renew()
    today = renewed.recipient
    keys.remove(past.path.stem)
    store = Store.open(tmp_path / "box.db")
    log, roster, passages = Audit(store), CameraStore(store), Passages(store)
    for number in (1, 2):
        identity = CAMERA_ID if number == 1 else CAMERA_ID[:7] + bytes([number])
        camera = CameraRow(number, f"yard {number}", "http://x", "u", "rtsp://x", "main", "", "", "", identity.hex(),
                        SIGNER.public.hex(), None, True, True, 0)  # fmt: skip
        await roster.add(camera, "p", None, "test")
    await passages.add(1, [ours(OPENS, [today]), ours(STRANGER, [Identity.generate().recipient]), packet(PLAIN)])
    await passages.add(2, [ours(OTHERS, [today])])
    await passages.add(1, [ours(SHREDDED, [past.recipient]), ours(FORGED, [today], IMPOSTOR)])
    reveals = Reveals(log, keys, roster, None, minutes=5)
    yield reveals, AppearanceSearch(passages, None, log), log, tmp_path
    await reveals.close()
    store.close()


async def card(place, key, number):
    reveals, searches, *_ = place
    return await reveals.card(CONTROLLER, key, await searches.stored_shot(CONTROLLER, number))


async def end_of(place, key):
    reveals, _, log, _ = place
    await reveals.end(CONTROLLER, key)
    views = await log.entries(ADMIN, action="reveal-view")
    return len(views), (await log.entries(ADMIN, action="reveal-end"))[0].details


async def test_on_the_box_a_card_is_opened_marked_and_written_down_and_all_else_stays_masked(place):
    reveals, searches, _, folder = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    for number, why in (
        (STRANGER, thumbnail.NOT_A_RECIPIENT),
        (PLAIN, thumbnail.NO_ORIGINAL),
        (SHREDDED, thumbnail.NOT_A_RECIPIENT),
        (FORGED, thumbnail.NOT_SIGNED),
    ):
        with pytest.raises(NotFound, match=why):
            await card(place, session.key, number)
    with pytest.raises(RightRefused, match="another camera"):
        await card(place, session.key, OTHERS)

    shown = cv2.imdecode(np.frombuffer(await card(place, session.key, OPENS), np.uint8), cv2.IMREAD_GRAYSCALE)
    clear = cv2.imdecode(np.frombuffer(CLEAR, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown.shape == (384, 192)
    small = cv2.resize(shown, (48, 96), interpolation=cv2.INTER_AREA)
    assert np.abs(small[:70].astype(int) - clear[:70]).mean() < 10
    assert np.median(shown[-14:]) < clear.mean() * 0.7, "a dark band with the viewer's name"
    assert (shown[-14:] > 200).any()

    assert await searches.best_shot(CONTROLLER, OPENS) == MASKED, "without a reveal a card is masked"
    views, details = await end_of(place, session.key)
    assert (views, details["cards"]) == (1, str(OPENS))
    assert details["shown"].startswith("20")
    with pytest.raises(RightRefused, match="over"):
        await card(place, session.key, OPENS)
    middle = CLEAR[len(CLEAR) // 2 :][:64]
    assert not [path for path in folder.rglob("*") if path.is_file() and middle in path.read_bytes()]


async def test_a_page_that_opens_by_itself_is_given_the_sealed_card_on_record(place):
    reveals, *_ = place
    session = await reveals.start_in_browser(CONTROLLER, 1, reason=REASON, stretch=Stretch(T0_MS * 1000))
    await reveals.opened(CONTROLLER, session.key, reveals.handed(CONTROLLER, session.key).nonce)
    jpeg = await card(place, session.key, OPENS)
    assert thumbnail.parse(jpeg).masked == MASKED
    assert CLEAR not in jpeg
    views, details = await end_of(place, session.key)
    assert (views, details["cards"]) == (1, str(OPENS))


async def test_a_reveal_of_one_person_opens_no_card(place):
    one = Stretch(T0_MS * 1000, point=(0.5, 0.5))
    session = await place[0].start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE, stretch=one)
    with pytest.raises(RightRefused, match="one person only"):
        await card(place, session.key, OPENS)
    views, details = await end_of(place, session.key)
    assert (views, details.get("cards")) == (0, None)


async def test_best_shots_count_against_a_cameras_share_of_the_disk(place):
    *_, folder = place
    store = Store.open(folder / "box.db")
    (folder / "rec").mkdir()
    config = RecordConfig(keep_days=0, keep_mib_per_camera=1, keep_free_mib=0)
    row = (
        "INSERT INTO segment (camera, start_us, end_us, path, bytes, sha256, mime, gop_index)"
        f" VALUES (1, 0, 1, 'old.mp4', {(1 << 20) - 1000}, x'', '', x'')"
    )
    await store.write(lambda link: link.execute(row))
    assert await Retention(store, folder / "rec", config).sweep() == 1
    await store.write(lambda link: link.execute("DELETE FROM best_shot"))
    await store.write(lambda link: link.execute(row))
    assert await Retention(store, folder / "rec", config).sweep() == 0
    store.close()


def damaged(link, what):
    link.execute("UPDATE best_shot SET " + what + f" WHERE packet = {OPENS}")


def swapped(link):
    numbers = f"SELECT jpeg, sealed FROM best_shot WHERE packet = {SHREDDED}"
    link.execute(f"UPDATE best_shot SET (jpeg, sealed) = ({numbers}) WHERE packet = {OPENS}")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda link: damaged(link, "jpeg = x'00'"), "is no thumbnail"),
        (lambda link: damaged(link, "sealed = x'00'"), "other keys"),
        (lambda link: damaged(link, "jpeg = (SELECT jpeg FROM best_shot WHERE packet = 3)"), "nothing is sealed"),
        (
            lambda link: damaged(
                link,
                f"jpeg = x'{ours(OPENS, [HOLDER.recipient], IMPOSTOR).thumbnail.hex()}', "
                f"sealed = x'{HOLDER.kid.hex()}'",
            ),
            "not what its camera signed",
        ),
        (swapped, "another packet"),
    ],
)
async def test_a_check_finds_best_shots_that_were_changed(place, damage, says):
    *_, folder = place
    store = Store.open(folder / "box.db")
    (folder / "recordings").mkdir()

    async def found():
        said = await store.read(lambda link: list(check.findings(link, folder)))
        return [each for each in said if "best shot" in each]

    forged = f"best shot of passage {FORGED}: it is not what its camera signed"
    assert await found() == [forged]
    await store.write(damage)
    (first, last) = await found()
    assert (first.startswith(f"best shot of passage {OPENS}: "), last) == (True, forged)
    assert says in first
    store.close()


async def test_best_shots_go_with_the_video_of_their_time_and_stay_with_what_is_kept(place):
    *_, folder = place
    store = Store.open(folder / "box.db")
    (folder / "rec").mkdir()
    row = (
        "INSERT INTO segment (camera, start_us, end_us, path, bytes, sha256, mime, gop_index)"
        " VALUES (1, ?, ?, ?, 1, x'', '', x'')"
    )

    def record(link):
        for start_s, end_s in ((0, 2.5), (2.5, 60)):
            start_us, end_us = (T0_MS * 1000 + round(each * 1e6) for each in (start_s, end_s))
            link.execute(row, (start_us, end_us, f"{start_us}.mp4"))
            (folder / "rec" / f"{start_us}.mp4").write_bytes(b"v")

    await store.write(record)
    retention = Retention(store, folder / "rec", RecordConfig())

    async def kept():
        await store.write(lambda _link: None)  # behind the rows that make_room lets go
        return await store.read(lambda link: link.execute("SELECT packet FROM best_shot ORDER BY packet").fetchall())

    assert await asyncio.to_thread(retention.make_room)
    assert await kept() == [(PLAIN,), (OTHERS,), (SHREDDED,), (FORGED,)]
    assert await asyncio.to_thread(retention.make_room)
    assert await kept() == [(OTHERS,)], "another camera's"
    assert await store.read(lambda link: link.execute("SELECT count(*) FROM packet").fetchone()) == (6,)
    store.close()


def test_a_watermark_that_is_too_long_for_a_card_goes_over_lines():
    dark = []
    for text in ("guard  2026-11-22  yard", "somebody with a long name  2026-11-22 04:06:50Z  the yard behind"):
        picture = np.full((576, 192), 128, np.uint8)
        Watermark(text, 192, 384).draw(picture)
        dark.append(int((np.median(picture[:384], axis=1) < 100).sum()))
    assert 10 < dark[0] < 25
    assert dark[0] * 2 < dark[1] < 90


async def test_a_card_needs_the_right_to_view_its_camera(place):
    elsewhere = Account("elsewhere", frozenset({Right.VIEW, Right.REVEAL}), frozenset({2}))
    with pytest.raises(RightRefused):
        await place[1].stored_shot(elsewhere, OPENS)
    with pytest.raises(NotFound):
        await place[1].stored_shot(CONTROLLER, 99)
