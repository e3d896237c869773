"""Recording: a live camera over RTSP, segments and their index, what a crash leaves, a full disk, retention."""

import asyncio
import contextlib
import errno
import io
import itertools
import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import av
import pytest
from box_fakes import PASSWORD, PEOPLE, USER, RtspCamera, document, plain_h264, read_pattern, record_file
from hypothesis import given
from hypothesis import strategies as st

from base.errors import PeerError, RightRefused, StoreError
from nvr_box.audit.log import Audit
from nvr_box.config import RecordConfig
from nvr_box.db.database import Store
from nvr_box.record import fmp4
from nvr_box.record.crash_recovery import salvage
from nvr_box.record.recorder import Recorder
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.record.sightings import Documents, SightedObject, Sighting, pack, read_document, shown, unpack
from nvr_box.record.source import RecordedStream
from nvr_box.record.viewing_log import ViewingLog
from nvr_box.rights import Account, Right
from nvr_box.search.frozen_frames import Stills
from nvr_box.search.passages import Passages
from nvr_box.services.metadata_frames import frame
from onvif.metadata import ColourCluster, MetadataBox, MetadataFrame, MetadataObject
from onvif.metadata import document as metadata_document
from wire.features.vocabulary import BodyPart, ObjectClass
from wire.features.vocabulary import Colour as ColourWord

T0 = 1_795_000_000_000_000
GUARD = Account("guard", frozenset({Right.VIEW, Right.OPERATE}))
EVER = 1 << 60


@pytest.fixture
def place(tmp_path):
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    segments = Segments(store, tmp_path / "rec")
    yield store, segments, Recordings(segments, Audit(store))
    store.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """12 s: 300 pictures, a key frame each second."""
    return plain_h264(tmp_path_factory.mktemp("clip") / "a.h264", 300)


async def pieces(iterator, count=None):
    found = []
    async with contextlib.aclosing(iterator):
        async for piece in iterator:
            found.append(piece)
            if len(found) == count:
                break
    return found


def decoded(found):
    whole = b"".join(piece.data for piece in found)
    with av.open(io.BytesIO(whole), "r", format="mp4") as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


async def test_a_camera_is_recorded_and_watched_live(place):
    _store, segments, recordings = place
    loop = asyncio.get_running_loop()
    with RtspCamera(rate=20, gop=10) as camera:
        hub = recordings.hub(1)
        recorder = Recorder(
            1,
            "yard",
            lambda: RecordedStream(camera.uri, USER, PASSWORD),
            segments,
            segment_s=60,
            make_room=lambda: False,
            publish=lambda *item: loop.call_soon_threadsafe(hub.publish, *item),
        )
        recorder.start()
        async with asyncio.timeout(60):
            live = await pieces(recordings.live(GUARD, 1), 12)
        assert recorder.now.connected
        assert (recorder.now.codec, recorder.now.width, recorder.now.height) == ("h264", 320, 240)
        open_now = await recordings.spans(GUARD, 1, 0, EVER)
        assert len(open_now) == 1  # what is being written is already there
        recorder.stop()
        assert await asyncio.to_thread(recorder.join, 30)
    assert live[0].mime.startswith("video/mp4")
    assert all(not piece.mime for piece in live[1:])
    frames = decoded(live)
    numbers = [read_pattern(rgb) for _, rgb in frames]
    assert all((b - a) % 256 == 1 for a, b in itertools.pairwise(numbers))
    # The wall clock out of the sender reports is the camera's, to well under a frame's time.
    at_us = {number: live[1].utc_us + int(time * 1e6) for number, (time, _) in zip(numbers, frames, strict=True)}
    late = [abs(at_us[number] - camera.sent[number]) for number in numbers[-10:]]
    assert min(late) < 1_000_000
    played = decoded(await pieces(recordings.play(GUARD, 1, 0)))
    assert len(played) >= len(frames)
    assert not segments.growing


async def test_a_wrong_password_is_reported_without_the_password(place):
    with RtspCamera() as camera, pytest.raises(PeerError) as refused:
        await asyncio.to_thread(RecordedStream, camera.uri, USER, "wrong-secret")
    assert "wrong-secret" not in str(refused.value)


async def test_segments_are_cut_at_key_frames_and_play_as_one(place, clip):
    _, segments, recordings = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0, segment_s=4)
    found = await segments.between(1, 0, EVER)
    assert len(found) >= 3
    assert all(each.end_us - each.start_us <= 4_000_000 for each in found)
    assert sum(each.end_us - each.start_us for each in found) == 12_000_000
    spans = await recordings.spans(GUARD, 1, 0, EVER)
    assert [(span.start_us, span.end_us) for span in spans] == [(T0, T0 + 12_000_000)]
    assert len(await recordings.key_frames(GUARD, 1, 0, EVER)) == 12
    played = await pieces(recordings.play(GUARD, 1, T0 + 5_500_000))
    assert played[1].utc_us == T0 + 5_000_000  # the key frame before
    frames = decoded(played)
    assert [read_pattern(rgb) for _, rgb in frames] == [number & 0xFF for number in range(125, 300)]
    steps = [round((b - a) * 25) for (a, _), (b, _) in itertools.pairwise(frames)]
    assert set(steps) == {1}
    assert len({piece.mime for piece in played}) == 2  # one initialisation segment for all


async def test_play_ends_at_its_end_time_and_goes_on_over_a_gap(place, clip):
    _, segments, recordings = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0)
    await asyncio.to_thread(record_file, segments, 1, clip, T0 + 60_000_000)
    some = await pieces(recordings.play(GUARD, 1, T0 + 3_000_000, T0 + 5_000_000))
    assert {piece.utc_us // 1_000_000 - T0 // 1_000_000 for piece in some[1:]} == {3, 4}
    over = await pieces(recordings.play(GUARD, 1, T0 + 11_000_000))
    assert over[-1].start_s == pytest.approx(60.0, abs=1.5)
    assert len(await recordings.spans(GUARD, 1, 0, EVER)) == 2


async def test_what_the_camera_saw_is_kept_beside_the_video(place, clip):
    _, segments, recordings = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0, segment_s=4, documents=True)
    seen = await recordings.sighting(1, T0 + 6_030_000)
    assert {each.track for each in seen.objects} == set(PEOPLE)
    x, y, w, h = PEOPLE[7]
    box = next(each.box for each in seen.objects if each.track == 7)
    assert box == pytest.approx((x / 20, y / 15, (x + w) / 20, (y + h) / 15), abs=1e-3)
    assert await recordings.sighting(1, T0 + 20_000_000) is None


def test_between_two_looks_of_a_busy_camera_boxes_move_in_a_straight_line(tmp_path):
    def look(utc_us, x, *tracks):
        boxes = [SightedObject(track, ObjectClass.PERSON, (x, 0.2, x + 0.1, 0.6)) for track in tracks]
        return pack(Sighting(utc_us, tuple(boxes)))

    file = tmp_path / "a.seen"
    file.write_bytes(look(T0, 0.1, 1, 2) + look(T0 + 800_000, 0.5, 1, 3) + b"torn")
    seen = shown([file, tmp_path / "missing.seen"], T0 + 200_000)
    assert {each.track: round(each.box[0], 3) for each in seen.objects} == {1: 0.2, 2: 0.1}
    assert {each.track for each in shown([file], T0 + 700_000).objects} == {1, 3}
    assert shown([file], T0 + 1_700_000).objects[0].box[0] == pytest.approx(0.5, abs=1e-4)
    assert shown([file], T0 + 2_000_000) is None


SHIRT, TROUSERS = ColourCluster((200, 30, 40), 0.8), ColourCluster((20, 20, 20), 1.0)
CLOTHES = ((BodyPart.UPPER, SHIRT), (BodyPart.UPPER, ColourCluster((240, 240, 240), 0.2)), (BodyPart.LOWER, TROUSERS))


def test_colours_of_clothes_and_paint_are_kept_and_read_back():
    body = replace(
        MetadataObject(7, MetadataBox(-0.5, 0.5, 0.5, -0.5), "Human"),
        tops=(SHIRT, ColourCluster((240, 240, 240), 0.2)),
        bottoms=(TROUSERS,),
    )
    car = replace(MetadataObject(8, MetadataBox(-0.5, 0.5, 0.5, -0.5), "Vehicle", vehicle="Car"), colours=(TROUSERS,))
    (sighting,) = read_document(metadata_document((MetadataFrame(datetime.fromtimestamp(T0 / 1e6, UTC), (body, car)),)))
    assert [each.colours for each in sighting.objects] == [CLOTHES, ((BodyPart.BODY, TROUSERS),)]
    (again,) = unpack(pack(sighting))
    assert again == replace(sighting, objects=again.objects)
    assert again.objects[0].colours == CLOTHES
    dressed, painted = frame(again).objects
    assert (dressed.tops, dressed.bottoms, painted.colours) == (body.tops, body.bottoms, car.colours)
    assert (painted.type_, painted.vehicle) == ("Vehicle", "Car")


async def test_a_person_known_from_the_picture_alone_is_frozen_with_the_colours_of_that_time(place):
    store, _, recordings = place
    stills = Stills(recordings, Passages(store), Audit(store), None, 0.5)
    seen = SightedObject(7, ObjectClass.PERSON, (0.1, 0.1, 0.2, 0.5), CLOTHES)
    (pick,) = await stills._picks_of(1, Sighting(T0, (seen,)))
    assert [(one.part, one.colour) for one in pick.colours] == [
        (BodyPart.UPPER, ColourWord.RED), (BodyPart.UPPER, ColourWord.WHITE), (BodyPart.LOWER, ColourWord.BLACK),
    ]  # fmt: skip
    assert pick.passage is None


def test_files_from_before_colours_are_read_and_a_torn_colour_ends_the_file():
    plain = bytes.fromhex("00000000000f4240 01 00000007 00 0000 0000 ffff ffff")
    assert unpack(plain) == [Sighting(1_000_000, (SightedObject(7, ObjectClass.PERSON, (0.0, 0.0, 1.0, 1.0)),))]
    coloured = pack(Sighting(2_000_000, (SightedObject(7, ObjectClass.PERSON, (0.0, 0.0, 1.0, 1.0), CLOTHES),)))
    assert len(unpack(plain + coloured + plain)) == 3
    for cut in range(1, len(coloured)):
        assert len(unpack(plain + coloured[:-cut])) == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_sightings_up_to_where_they_stop(junk):
    assert all(len(each.objects) <= 255 for each in unpack(junk))


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_any_payloads_of_a_metadata_track_are_taken_or_passed_over(payloads):
    found = []
    documents = Documents(found.extend)
    for payload in [*payloads, b"MetadataStream>"]:
        documents.feed(payload)
    whole = document(T0)
    for at in range(0, len(whole), 200):
        documents.feed(whole[at : at + 200])
    assert [each.utc_us for each in found][-1] == T0


async def test_without_the_right_nothing_is_shown_and_it_is_written_down(place, clip):
    store, segments, recordings = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0)
    other = Account("other", frozenset({Right.VIEW}), frozenset({2}))
    with pytest.raises(RightRefused):
        await pieces(recordings.play(other, 1, T0))
    with pytest.raises(RightRefused):
        await pieces(recordings.live(other, 1))
    rows = await store.read(lambda link: link.execute("SELECT who, action, granted FROM audit").fetchall())
    assert rows == [("other", "view-recording", 0), ("other", "view-live", 0)]


async def test_however_often_a_viewer_seeks_a_viewing_is_two_entries(place, clip):
    store, segments, recordings = place
    for camera in (1, 2):
        await asyncio.to_thread(record_file, segments, camera, clip, T0)
    other = Account("other", frozenset({Right.VIEW}))

    async def look(by, camera, start_s, end_s):
        await pieces(recordings.play(by, camera, T0 + start_s * 1_000_000, T0 + end_s * 1_000_000))

    async def entries():
        sql = "SELECT who, action, camera, details FROM audit ORDER BY number"
        return [(*row, json.loads(details)) for *row, details in await store.read(lambda link: [*link.execute(sql)])]

    await look(GUARD, 1, 0, 1)
    async with contextlib.aclosing(recordings.play(GUARD, 1, T0)) as still_on:
        await anext(still_on)
        await asyncio.gather(look(GUARD, 1, 7, 8), look(GUARD, 1, 0, 1))
    await look(GUARD, 2, 0, 1)
    await look(other, 1, 0, 1)
    begun = [("guard", 1), ("guard", 2), ("other", 1)]
    assert await entries() == [(account, "view-recording", camera, {"start_us": T0}) for account, camera in begun]
    await recordings.viewings.close()
    ends = (await entries())[3:]
    assert [entry[:3] for entry in ends] == [(account, "view-recording-end", camera) for account, camera in begun]
    assert ends[0][3]["shown"].count("/") == 2, "two stretches, however often each"
    assert ends[1][3]["shown"].count("/") == 1


async def test_a_viewing_ends_a_while_after_its_last_stream(place, clip):
    store, segments, recordings = place
    recordings.viewings = ViewingLog(Audit(store), apart_s=0.0)
    await asyncio.to_thread(record_file, segments, 1, clip, T0)
    for count in (2, 4):
        await pieces(recordings.play(GUARD, 1, T0, T0 + 1_000_000))
        for _ in range(3000):
            (found,) = await store.read(lambda link: link.execute("SELECT count(*) FROM audit").fetchone())
            if found == count:
                break
            await asyncio.sleep(0.01)
        assert found == count


@pytest.mark.parametrize("cut", [0, 1, 500, 20_000])
async def test_a_torn_file_is_finished_at_the_next_start(place, clip, cut):
    """As after kill -9: the file has no row and ends anywhere."""
    store, segments, recordings = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0)
    (whole,) = await segments.between(1, 0, EVER)
    file = segments.root / whole.path
    await store.write(lambda link: link.execute("DELETE FROM segment"))
    data = file.read_bytes()
    ends = [each.offset + each.size for each in fmp4.fragments(data, fmp4.init_size(data))]
    os.truncate(file, whole.size - cut)
    done = await salvage(store, segments.root)
    assert done.finished == 1
    (again,) = await segments.between(1, 0, EVER)
    assert again.start_us == T0
    assert again.size == max(end for end in ends if end <= whole.size - cut)
    frames = decoded(await pieces(recordings.play(GUARD, 1, T0)))
    assert len(frames) == round((again.end_us - T0) / 40_000)
    assert (await salvage(store, segments.root)).finished == 0


@pytest.mark.parametrize("content", [b"", b"\0\0\0\x10ftypisom", b"garbage that is no file of ours"])
async def test_a_file_without_a_whole_fragment_is_removed(place, content):
    store, segments, _ = place
    folder = segments.root / "1" / "2026-11-21" / "21"
    folder.mkdir(parents=True)
    (folder / f"{T0}.mp4").write_bytes(content)
    assert (await salvage(store, segments.root)).removed == 1
    assert not list(segments.root.rglob("*.mp4"))


async def test_garbage_of_an_interrupted_removal_goes_at_the_next_start(place, clip):
    store, segments, _ = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0, documents=True)
    await store.write(lambda link: link.execute("UPDATE segment SET garbage = 1"))
    assert (await salvage(store, segments.root)).removed == 1
    assert not [path for path in segments.root.rglob("*") if path.is_file()]


async def test_a_full_disk_makes_room_by_the_oldest_and_loses_nothing(place, clip, monkeypatch):
    store, segments, recordings = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0, segment_s=4)
    before = len(await segments.between(1, 0, EVER))
    retention = Retention(store, segments.root, RecordConfig())
    full = iter([False] * 5 + [True])
    real_write = os.write

    def write(fd, data):
        if len(data) > 1000 and next(full, False):
            real_write(fd, bytes(data)[:500])  # a part of it still fits
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", write)
    await asyncio.to_thread(record_file, segments, 1, clip, T0 + 60_000_000, segment_s=4, make_room=retention.make_room)
    monkeypatch.undo()
    found = await segments.between(1, 0, EVER)
    assert found[-1].end_us == T0 + 72_000_000
    assert sum(each.start_us < T0 + 60_000_000 for each in found) == before - 1
    frames = decoded(await pieces(recordings.play(GUARD, 1, T0 + 60_000_000)))
    assert len(frames) == 300


async def test_a_full_disk_with_nothing_to_remove_says_so(place, clip, monkeypatch):
    _, segments, _ = place
    real_write = os.write

    def write(fd, data):
        if len(data) > 1000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", write)
    said = []
    recorder = await asyncio.to_thread(record_file, segments, 1, clip, T0, make_room=lambda: said.append(1) or False)
    assert said
    assert "disk is full" in recorder.now.message or "gone" in recorder.now.message


@pytest.mark.parametrize(
    ("config", "left"),
    [
        (RecordConfig(keep_days=1, keep_free_mib=0), 0),
        (RecordConfig(keep_days=0, keep_mib_per_camera=1, keep_free_mib=0), 3),
        (RecordConfig(keep_days=0, keep_free_mib=0), 3),
    ],
)
async def test_retention_by_age_and_size_spares_what_is_locked(place, clip, config, left):
    store, segments, recordings = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0 - 10 * 86_400_000_000, segment_s=4, documents=True)
    await recordings.lock(GUARD, 1, T0 - 10 * 86_400_000_000, T0 - 10 * 86_400_000_000 + 1, reason="case 7")
    count = len(await segments.between(1, 0, EVER))
    await Retention(store, segments.root, config).sweep()
    kept = await segments.between(1, 0, EVER)
    assert len(kept) == (1 if left == 0 else count)
    assert kept[0].locked
    assert len(list(segments.root.rglob("*.mp4"))) == len(kept)
    assert len(list(segments.root.rglob("*.seen"))) == len(kept)


async def test_retention_over_quota_removes_the_oldest_first(place, clip):
    store, segments, _ = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0, segment_s=4)
    found = await segments.between(1, 0, EVER)
    # Rows that claim two MiB each: the quota of five keeps two.
    await store.write(lambda link: link.execute("UPDATE segment SET bytes = ?", (2 << 20,)))
    await Retention(store, segments.root, RecordConfig(keep_days=0, keep_mib_per_camera=5, keep_free_mib=0)).sweep()
    kept = await segments.between(1, 0, EVER)
    assert [each.segment for each in kept] == [each.segment for each in found[-2:]]


async def test_the_free_space_floor_removes_until_there_is_room(place, clip, monkeypatch):
    store, segments, _ = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0, segment_s=4)
    total, others = 100 << 30, 1 << 30
    await store.write(lambda link: link.execute("UPDATE segment SET bytes = ?", (10 << 20,)))
    count = len(await segments.between(1, 0, EVER))

    def usage(_path):
        (ours,) = store.ask(lambda link: link.execute("SELECT sum(bytes) FROM usage").fetchone()).result()
        return shutil._ntuple_diskusage(total, others + ours, total - others - ours)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    retention = Retention(store, segments.root, RecordConfig(keep_days=0, keep_free_mib=1024, keep_least_hours=0))
    assert await retention.sweep() == 0
    # The disk is what the floor, the others and less than two segments take: the recordings grew too large for it.
    total = (1 << 30) + others + (19 << 20)
    assert await retention.sweep() == count - 1
    assert len(await segments.between(1, 0, EVER)) == 1
    assert not list(retention.notices())


async def test_a_clock_that_jumps_begins_a_new_segment(place, clip):
    _, segments, _recordings = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0)
    # The same camera an hour back: it is recorded where its clock says, and nothing is overwritten.
    await asyncio.to_thread(record_file, segments, 1, clip, T0 - 3_600_000_000)
    await asyncio.to_thread(record_file, segments, 1, clip, T0)
    found = await segments.between(1, 0, EVER)
    assert [each.start_us for each in found] == [T0 - 3_600_000_000, T0, T0]
    assert len({each.path for each in found}) == 3


async def test_missing_files_are_a_store_error_not_a_crash(place, clip):
    _, segments, recordings = place
    await asyncio.to_thread(record_file, segments, 1, clip, T0)
    for file in segments.root.rglob("*.mp4"):
        file.unlink()
    with pytest.raises(StoreError):
        await pieces(recordings.play(GUARD, 1, T0))
