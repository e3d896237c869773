"""Reveal end to end: a real process with the key, originals back where they belong, refusals, an end in time."""

import asyncio
import contextlib
import io
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from box_fakes import CAMERA_ID, PEOPLE, clear_picture, i420, masked_h264, plain_h264, record_file

from base.errors import NotFound, RightRefused, WireError
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.db.database import Store
from nvr_box.keys.passphrase import unlocked
from nvr_box.keys.store import KeyFolder
from nvr_box.record.access_units import RecordedUnit
from nvr_box.record.recordings import Recordings
from nvr_box.record.segments import Segments
from nvr_box.record.viewed_ranges import ViewedRanges
from nvr_box.reveal import passphrase_throttle, pipe, render
from nvr_box.reveal.handed_keys import PROOF_INFO
from nvr_box.reveal.reveals import Reveals, Stretch
from nvr_box.reveal.verdicts import Verdicts
from nvr_box.rights import Account, Right
from wire.keys import SigningKey, load_identity
from wire.nal import Codec
from wire.recording import samples
from wire.recovery.reader import NOT_A_RECIPIENT, OTHER_CAMERA, STREAM_RESTARTED, Reader

T0 = 1_795_000_000_000_000
END = T0 + 60_000_000
CONTROLLER = Account("controller", frozenset({Right.VIEW, Right.REVEAL}))
ADMIN = Account("admin", frozenset({Right.ADMIN}))
PASSPHRASE = "a passphrase of an operator"
REASON = "bicycle theft, case 12"
SIGNER = SigningKey.generate()


def identity_of(number):
    """Camera 1 is the one of the streams, if they say nothing else."""
    return CAMERA_ID if number == 1 else CAMERA_ID[:7] + bytes([number])


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    """A key folder, and 75 pictures recorded by: a camera of ours, one sealed to another box, one of another make."""
    folder = tmp_path_factory.mktemp("reveal")
    keys = KeyFolder.open(folder / "keys")
    recipient = keys.create("controller", PASSPHRASE)
    elsewhere = KeyFolder.open(folder / "other").create("elsewhere", PASSPHRASE)
    ours = masked_h264(folder / "ours.h264", 75, [recipient], SIGNER, start_us=T0)
    foreign = masked_h264(folder / "foreign.h264", 75, [elsewhere], SIGNER, start_us=T0, camera_id=identity_of(2))
    return keys, ours, foreign, plain_h264(folder / "plain.h264", 75)


@pytest.fixture
async def place(tmp_path, streams):
    keys, *files = streams
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    segments, log, roster = Segments(store, tmp_path / "rec"), Audit(store), CameraStore(store)
    recordings = Recordings(segments, log)
    for number, file in enumerate(files, start=1):
        ours = number < 3
        identity = identity_of(number)
        camera = CameraRow(
            number,
            f"yard {number}",
            "http://x",
            "u",
            "rtsp://x",
            "main",
            "",
            "",
            "",
            identity.hex() if ours else None,
            SIGNER.public.hex() if ours else None,
            None,
            ours,
            True,
            0,
        )
        await roster.add(camera, "p", None, "test")
        await asyncio.to_thread(record_file, segments, number, file, T0)
    reveals = Reveals(log, keys, roster, recordings, minutes=5)
    yield reveals, recordings, log, store
    await reveals.close()
    store.close()


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def person(picture, track):
    x, y, w, h = (16 * edge for edge in PEOPLE[track])
    return picture[y : y + h, x : x + w]


def frames(pieces):
    whole = b"".join(piece.data for piece in pieces)
    with av.open(io.BytesIO(whole), "r", format="mp4") as container:
        return [(f.time, f.to_ndarray(format="yuv420p")[:240]) for f in container.decode(video=0)]


async def played(iterator):
    async with contextlib.aclosing(iterator):
        return [piece async for piece in iterator]


async def test_the_originals_come_back_and_outside_nothing_changes(place):
    reveals, recordings, log, _ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    assert reveals.active(CONTROLLER)[0].key == session.key
    masked = frames(await played(recordings.play(CONTROLLER, 1, T0)))
    revealed = frames(await played(reveals.play(CONTROLLER, session.key, T0, END)))
    assert len(revealed) == len(masked) == 75
    assert [round(at * 25) for at, _ in revealed] == list(range(75))
    for number in (0, 24, 25, 60):
        clear = i420(clear_picture(number))[:240]
        for track in PEOPLE:
            assert psnr(person(masked[number][1], track), person(clear, track)) < 15
            assert psnr(person(revealed[number][1], track), person(clear, track)) > 30
        assert psnr(revealed[number][1][:48], clear[:48]) > 30
    verdicts = reveals.active(CONTROLLER)[0].verdicts
    assert (verdicts.opened, verdicts.base_altered, verdicts.damaged) == (75, 0, 0)
    await reveals.end(CONTROLLER, session.key)
    end = (await log.entries(Account("a", frozenset({Right.ADMIN})), action="reveal-end"))[0]
    assert end.details["opened"] == 75


async def test_a_stream_that_carries_another_cameras_id_opens_nothing_and_says_so(place):
    """Camera 1's stream is played to the box at the address of another one."""
    reveals, *_ = place
    roster = reveals._roster
    await roster.save(replace(roster.get(1), camera_id="ff" * 8), None)
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    masked = person(i420(clear_picture(5))[:240], 9)
    shown = frames(await played(reveals.play(CONTROLLER, session.key, T0, END)))
    assert psnr(person(shown[5][1], 9), masked) < 15
    verdicts = reveals.active(CONTROLLER)[0].verdicts
    assert (verdicts.opened, verdicts.not_for_us, verdicts.reason) == (0, 75, OTHER_CAMERA)
    assert verdicts.unsigned > 0


async def test_every_revealed_picture_names_the_viewer_and_the_time(place):
    reveals, *_ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    jpeg = await reveals.still(CONTROLLER, session.key, T0 + 400_000)
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    clear = i420(clear_picture(10))[:240]
    assert session.watermark.startswith("controller  20")
    # The band along the lower edge, and letters all over the picture.
    assert np.abs(shown[-8:].astype(int) - clear[-8:]).mean() > 20
    changed = np.abs(shown[:200].astype(int) - clear[:200]) > 8
    assert all(block.any() for half in np.array_split(changed, 3) for block in np.array_split(half, 2, axis=1))


async def test_one_person_is_shown_and_the_bystander_stays_masked(place):
    reveals, *_ = place
    x, y, w, h = PEOPLE[9]
    only = Stretch(T0 + 1_100_000, END, ((x + w / 2) / 20, (y + h / 2) / 15))
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE, stretch=only)
    shown = frames(await played(reveals.play(CONTROLLER, session.key)))
    # To the picture: at 25 a second the first that was taken then or later is number 28.
    assert len(shown) == 75 - 28
    clear = i420(clear_picture(35))[:240]
    assert psnr(person(shown[7][1], 9), person(clear, 9)) > 30
    assert psnr(person(shown[7][1], 7), person(clear, 7)) < 15
    nowhere = Stretch(T0, END, (0.99, 0.01))
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE, stretch=nowhere)
    nobody = frames(await played(reveals.play(CONTROLLER, session.key)))
    assert psnr(person(nobody[5][1], 9), person(i420(clear_picture(5))[:240], 9)) < 15


def test_after_a_restart_of_the_camera_the_number_of_the_person_shown_is_void(streams, tmp_path, monkeypatch):
    keys, ours, *_ = streams
    again = masked_h264(tmp_path / "again.h264", 10, keys.operators(), SIGNER, start_us=T0 + 3_000_000)
    units = [
        RecordedUnit(sample.au, T0 + 40_000 * number, key=False)
        for number, sample in enumerate([*islice(samples(ours)[2], 10), *samples(again)[2]])
    ]
    x, y, w, h = PEOPLE[9]
    monkeypatch.setattr(render, "access_units", lambda _chunk: (Codec.H264, iter(units)))
    operator = unlocked(keys.sealed().operators, [PASSPHRASE])
    renderer = render.Renderer(operator, SIGNER.public, mark="x", point=((x + w / 2) / 20, (y + h / 2) / 15))
    shown = [each.composed.i420[:240] for each in renderer._pictures(b"", T0, b"")]
    assert psnr(person(shown[5], 9), person(i420(clear_picture(5))[:240], 9)) > 30
    assert all(psnr(person(picture, 9), person(i420(clear_picture(0))[:240], 9)) < 15 for picture in shown[10:])
    assert renderer.verdicts.reason == STREAM_RESTARTED


async def test_a_jump_ends_the_play_before_it(place):
    reveals, *_ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    first = reveals.play(CONTROLLER, session.key, T0)
    await anext(first)
    second = await played(reveals.play(CONTROLLER, session.key, T0 + 2_000_000, END))
    assert second[1].utc_us == T0 + 2_000_000
    rest = await played(first)
    assert len(rest) < 8


async def test_without_an_end_a_reveal_goes_on_with_what_is_recorded_until_it_is_over(place, streams):
    reveals, recordings, *_ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    play = reveals.play(CONTROLLER, session.key, T0)
    shown = []
    async with asyncio.timeout(60):
        while not shown or shown[-1].utc_us < T0 + 2_500_000:
            shown.append(await anext(play))
        await asyncio.to_thread(record_file, recordings._segments, 1, streams[1], T0 + 3_000_000)
        while shown[-1].utc_us < T0 + 4_000_000:
            shown.append(await anext(play))
        await reveals.end(CONTROLLER, session.key)
        with pytest.raises(RightRefused, match="over"):
            await played(play)


@pytest.mark.parametrize(("camera", "count"), [(2, "not_for_us"), (3, "missing")])
async def test_what_cannot_be_opened_shows_the_mosaic_and_says_why(place, camera, count):
    reveals, recordings, *_ = place
    session = await reveals.start(CONTROLLER, camera, reason=REASON, passphrase=PASSPHRASE)
    shown = frames(await played(reveals.play(CONTROLLER, session.key, T0, END)))
    masked = frames(await played(recordings.play(CONTROLLER, camera, T0)))
    assert psnr(shown[30][1][:200], masked[30][1][:200]) > 28
    verdicts = reveals.active(CONTROLLER)[0].verdicts
    assert getattr(verdicts, count) == 75
    assert verdicts.opened == 0
    assert verdicts.reason


@pytest.mark.parametrize(
    ("by", "reason", "passphrase", "says"),
    [
        (CONTROLLER, REASON, "not the passphrase", "passphrase"),
        (CONTROLLER, "  because ", PASSPHRASE, "reason"),
        (Account("guard", frozenset({Right.VIEW, Right.ADMIN})), REASON, PASSPHRASE, "reveal"),
        (Account("else", frozenset({Right.VIEW, Right.REVEAL}), frozenset({2})), REASON, PASSPHRASE, "camera 1"),
    ],
)
async def test_a_refusal_says_why_and_is_written_down(place, by, reason, passphrase, says):
    reveals, _, log, _ = place
    with pytest.raises(RightRefused, match=says):
        await reveals.start(by, 1, reason=reason, passphrase=passphrase)
    assert reveals.active(by) == ()
    entry = (await log.entries(Account("a", frozenset({Right.ADMIN})), action="reveal"))[0]
    assert (entry.who, entry.granted, entry.camera) == (by.name, False, 1)
    assert says in entry.details["why"]
    assert passphrase not in str(entry)


async def test_guessing_passphrases_is_slowed_down(place):
    reveals, *_ = place
    for _ in range(passphrase_throttle.LIMITS.free):
        with pytest.raises(RightRefused, match="opens no"):
            await reveals.start(CONTROLLER, 1, reason=REASON, passphrase="guess")
    with pytest.raises(RightRefused, match="too many"):
        await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)


async def test_of_twelve_passphrases_at_once_one_is_tried(place):
    reveals, *_ = place
    guesses = [reveals.start(CONTROLLER, 1, reason=REASON, passphrase=f"a guess {number}") for number in range(12)]
    said = [str(each) for each in await asyncio.gather(*guesses, return_exceptions=True)]
    assert sum("opens no" in each for each in said) == 1
    assert sum("several at once" in each for each in said) == 11


async def test_a_session_is_its_owners_and_ends_for_good(place):
    reveals, *_ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    other = Account("other", frozenset(Right) - {Right.ADMIN})
    for ask in (reveals.still(other, session.key, T0), reveals.end(other, session.key)):
        with pytest.raises(RightRefused, match="another person"):
            await ask
    await reveals.end(CONTROLLER, session.key)
    await reveals.end(CONTROLLER, session.key)
    assert reveals.active(CONTROLLER) == ()
    with pytest.raises(RightRefused, match="over"):
        await reveals.still(CONTROLLER, session.key, T0)


async def test_the_time_limit_ends_it_and_the_process(place):
    reveals, *_ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE, minutes=2 / 60)
    process = reveals._running[session.key].talk._process
    async with asyncio.timeout(30):
        assert await process.wait() is not None
        await asyncio.gather(*reveals._ending)
    assert reveals.active(CONTROLLER) == ()
    with pytest.raises(RightRefused, match="over"):
        await played(reveals.play(CONTROLLER, session.key, T0, END))


async def test_a_clock_that_is_set_back_prolongs_no_reveal(place, monkeypatch):
    reveals, *_ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE, minutes=1)
    running = reveals._running[session.key]
    monkeypatch.setattr("nvr_box.reveal.session.utc_us", lambda: session.started_us - 3_600_000_000)
    assert 0 < running.left_s <= 60
    monkeypatch.setattr("nvr_box.reveal.session.boot_us", lambda: running.until_boot_us)
    with pytest.raises(RightRefused, match="over"):
        await reveals.still(CONTROLLER, session.key, T0)


async def test_a_killed_process_ends_the_reveal_and_nothing_else(place):
    reveals, recordings, *_ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    play = reveals.play(CONTROLLER, session.key, T0)
    await anext(play)
    process = reveals._running[session.key].talk._process
    process.kill()
    await process.wait()
    with pytest.raises(RightRefused, match="ended"):
        await played(play)
    assert await played(recordings.play(CONTROLLER, 1, T0))
    again = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    assert await reveals.still(CONTROLLER, again.key, T0)


async def test_the_process_is_closed_to_others_and_opens_no_file(place):
    reveals, *_ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    await reveals.still(CONTROLLER, session.key, T0)
    pid = reveals._running[session.key].talk._process.pid
    proc = Path("/proc") / str(pid)
    limits = (proc / "limits").read_text()
    assert any(line.startswith("Max core file size") and " 0 " in line for line in limits.splitlines())
    # Beside 2, where its log goes as this process's does.
    opened = [str(link.readlink()) for link in (proc / "fd").iterdir() if link.name != "2"]
    assert not [path for path in opened if path.startswith("/") and not path.startswith(("/dev/", "/proc/"))]
    assert PASSPHRASE.encode() not in (proc / "cmdline").read_bytes()


async def test_a_time_without_recording_says_so(place):
    reveals, *_ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    with pytest.raises(NotFound, match="nothing is recorded"):
        await reveals.still(CONTROLLER, session.key, T0 - 3_600_000_000)


@pytest.mark.parametrize("junk", [b"\0", b"\xff" * 8, b"\0\0\0\x02\0\0\0\0[]", b"\0\0\0\x02\0\0\0\x09{}"])
def test_the_pipe_refuses_what_is_no_message(junk):
    with pytest.raises(WireError):
        pipe.read(io.BytesIO(junk))
    assert pipe.read(io.BytesIO(b"")) is None
    assert pipe.read(io.BytesIO(pipe.pack({"op": "x"}, b"body"))) == ({"op": "x"}, b"body")


async def test_where_a_second_person_is_wanted_nothing_opens_without_one(place, streams):
    _, recordings, log, _ = place
    keys, *_ = streams
    roster = place[0]._roster
    reveals = Reveals(log, keys, roster, recordings, minutes=5, second_person=True)
    wish = {"reason": REASON, "passphrase": PASSPHRASE}
    with pytest.raises(RightRefused, match="second person"):
        await reveals.start(CONTROLLER, 1, **wish)
    with pytest.raises(RightRefused, match="second person"):
        await reveals.start_in_browser(CONTROLLER, 1, reason=REASON)
    request = await reveals.approvals.ask(CONTROLLER, 1, reason="the reason that was agreed to", from_us=T0)
    officer = Account("officer", frozenset({Right.APPROVE}))
    await reveals.approvals.answer(officer, request.key, approve=True, why="")
    with pytest.raises(RightRefused, match="opens no reveal key"):
        await reveals.start(CONTROLLER, 1, reason="another", passphrase="wrong", approval=request.key)
    session = await reveals.start(CONTROLLER, 1, reason="another", passphrase=PASSPHRASE, approval=request.key)
    assert session.reason == "the reason that was agreed to"
    await played(reveals.play(CONTROLLER, session.key))
    await reveals.end(CONTROLLER, session.key)
    with pytest.raises(RightRefused, match="second person"):
        await reveals.start(CONTROLLER, 1, approval=request.key, **wish)
    granted = [entry for entry in await log.entries(ADMIN, action="reveal") if entry.granted]
    assert granted[0].details["approved_by"] == "officer"


async def test_an_approval_under_which_nothing_was_shown_may_be_used_again(place, streams):
    _, recordings, log, _ = place
    reveals = Reveals(log, streams[0], place[0]._roster, recordings, minutes=5, second_person=True)
    request = await reveals.approvals.ask(CONTROLLER, 1, reason=REASON, from_us=T0)
    await reveals.approvals.answer(Account("o", frozenset({Right.APPROVE})), request.key, approve=True, why="")
    for _ in range(2):
        session = await reveals.start(CONTROLLER, 1, reason="", passphrase=PASSPHRASE, approval=request.key)
        await reveals.end(CONTROLLER, session.key)


async def test_a_page_that_opens_by_itself_is_given_what_is_sealed_and_nothing_else(place, streams):
    reveals, _, log, _ = place
    session = await reveals.start_in_browser(CONTROLLER, 1, reason=REASON)
    keys = reveals.handed(CONTROLLER, session.key).tables()
    assert [table["label"] for table in keys["operators"]] == ["controller"]
    assert all("sealed" in table and "private" not in table for table in keys["operators"])
    with pytest.raises(RightRefused, match="not open"):
        await anext(reveals.units(CONTROLLER, session.key, T0))
    await opened(reveals, session.key, streams[0])
    reader, opened_ = Reader([], Codec.H264), []
    async with contextlib.aclosing(reveals.units(CONTROLLER, session.key, T0)) as parts:
        async for part in parts:
            assert part.codec == "h264"
            opened_ += [reader.open(unit.data) for unit in part.units]
            if len(opened_) == 75:
                break
    assert {each.reason for each in opened_} == {NOT_A_RECIPIENT}, "recovery data is there, and closed"
    with pytest.raises(RightRefused, match="opened by the page itself"):
        await reveals.still(CONTROLLER, session.key, T0)
    with pytest.raises(RightRefused, match="another person's"):
        reveals.handed(Account("other", frozenset({Right.VIEW, Right.REVEAL})), session.key)
    reveals.report_verdicts(CONTROLLER, session.key, Verdicts(opened=75))
    await reveals.end(CONTROLLER, session.key)
    end = (await log.entries(ADMIN, action="reveal-end"))[0]
    assert end.details["opened"] == 75
    assert end.details["shown"] == "2026-11-18T11:06:40Z/2026-11-18T11:06:43Z"


async def opened(reveals, key, keys, account=CONTROLLER):
    """What the page does after its passphrase opened a key."""
    ((kid, sealed),) = reveals.handed(account, key).proofs.items()
    identity = load_identity(keys.folder / "reveal" / f"{kid}.json", PASSPHRASE)
    return await reveals.opened(account, key, identity.open(bytes.fromhex(sealed), PROOF_INFO))


def with_event(work, event):
    async def done(*arguments):
        await work(*arguments)
        event.set()

    return done


async def test_a_wrong_passphrase_in_the_page_is_a_refused_reveal(place, monkeypatch):
    reveals, _, log, _ = place
    session = await reveals.start_in_browser(CONTROLLER, 1, reason=REASON)
    with pytest.raises(RightRefused, match="proves no key"):
        await reveals.opened(CONTROLLER, session.key, bytes(32))
    await reveals.end(CONTROLLER, session.key, why="the passphrase opened nothing in the page")
    monkeypatch.setattr("nvr_box.reveal.sessions._UNLOCK_S", 0.05)
    session = await reveals.start_in_browser(CONTROLLER, 1, reason=REASON)
    over = asyncio.Event()
    monkeypatch.setattr(reveals, "_over", with_event(reveals._over, over))
    async with asyncio.timeout(10):
        await over.wait()
    assert reveals.active(CONTROLLER) == ()
    said = await log.entries(ADMIN, action="reveal")
    assert [(entry.granted, entry.reason) for entry in said] == [(False, REASON)] * 2
    assert said[1].details["why"] == "the passphrase opened nothing in the page"
    assert "did not say" in said[0].details["why"]
    handed = await log.entries(ADMIN, action="reveal-keys")
    assert [entry.granted for entry in handed] == [True, True], "that sealed keys went out stays on record"
    assert not await log.entries(ADMIN, action="reveal-end")


async def test_going_back_and_forth_is_one_entry_that_says_what_was_seen(place):
    reveals, _, log, _ = place
    session = await reveals.start(CONTROLLER, 1, reason=REASON, passphrase=PASSPHRASE)
    for start_us in (T0, T0 + 1_000_000, T0):
        await played(reveals.play(CONTROLLER, session.key, start_us, END))
    await reveals.end(CONTROLLER, session.key)
    assert len(await log.entries(ADMIN, action="reveal-view")) == 1
    end = (await log.entries(ADMIN, action="reveal-end"))[0]
    assert end.details["shown"] == "2026-11-18T11:06:40Z/2026-11-18T11:06:43Z"


def test_spans_that_meet_are_one():
    spans = ViewedRanges()
    for start, end in ((0, 5), (60, 70), (6, 9), (200, 201), (20, 30), (30, 40)):
        spans.add(start * 1_000_000, end * 1_000_000)
    assert str(spans) == ", ".join(
        f"1970-01-01T00:0{a}Z/1970-01-01T00:0{b}Z"
        for a, b in (("0:00", "0:09"), ("0:20", "0:40"), ("1:00", "1:10"), ("3:20", "3:21"))
    )
    for second in range(1000, 1500, 10):
        spans.add(second * 1_000_000, second * 1_000_000)
    assert str(spans).endswith(" and 14 more")
