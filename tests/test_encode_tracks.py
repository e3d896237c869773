"""A payload and a key for every person: one is shown, or given away, and everybody else stays masked bit for bit."""

import subprocess
import sys

import numpy as np
import pytest
from wire_scene import GOP, HEIGHT, OFFICER, PICTURES, RATE, SIGNER, WIDTH, db, pixels, scene

from base.errors import SealError, Truncated, WireError
from firmware.encode.payload import alone
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.settings import EncoderSettings
from wire import grant, keys
from wire.compose import Composer, PictureDecoder
from wire.keys import Identity, SigningKey
from wire.nal import Codec
from wire.player import play
from wire.recovery import reader
from wire.recovery.group import TrackKey
from wire.recovery.layout import Region
from wire.recovery.reader import Reader
from wire.recovery.verdict import Check

WALKER, SITTER = 7, 8
SEAT = slice(2, 6), slice(9, 12)
ARRIVES = 3

PER_TRACK = {
    "from the base's IDR": EncoderSettings(gop_frames=GOP, per_track=True),
    "from its own IDR": EncoderSettings(gop_frames=GOP, per_track=True, shared_idr=False),
    "at a bit rate": EncoderSettings(gop_frames=GOP, per_track=True, bitrate_bps=900_000),
    "h265 payload": EncoderSettings(gop_frames=GOP, per_track=True, payload_codec="h265", payload_preset="ultrafast"),
}


def crowd():
    """The walker of the scene and somebody on a seat from the fourth picture on; the walker ends in front of them."""
    for number, (clear, masked, mask) in enumerate(scene()):
        columns = mask.any(0).nonzero()[0]
        regions = [Region(WALKER, 0, 2, int(columns[0]), 2, int(columns[-1] - columns[0] + 1), 4)]
        both, hidden, shown = mask.copy(), masked.copy(), clear.copy()
        if number >= ARRIVES:
            regions.append(Region(SITTER, 0, 2, 9, 2, 3, 4))
            both[SEAT] = True
            y, x = np.mgrid[32:96, 144:192]
            shown[32:96, 144:192] = (110 + 90 * np.sin(x / 4 + number) * np.cos(y / 3)).astype(np.uint8)
            if columns[-1] >= 9:
                shown[:HEIGHT][pixels(mask)] = clear[:HEIGHT][pixels(mask)]
        hidden[:HEIGHT] = shown[:HEIGHT]
        hidden[:HEIGHT][pixels(both)] = 80
        yield shown, hidden, both, regions


def encoded(settings, *, claims=()):
    encoder = ProtectedEncoder(
        WIDTH, HEIGHT, RATE, settings, camera_id=b"camera01", signer=SIGNER, recipients=[OFFICER.recipient]
    )
    units = [
        encoder.encode(hidden, clear, mask, regions, pts_90k=3600 * n, utc_us=40_000 * n, idr=False, claims=claims).data
        for n, (clear, hidden, mask, regions) in enumerate(crowd())
    ]
    encoder.close()
    return units


@pytest.fixture(scope="module", params=PER_TRACK, ids=str)
def units(request):
    return encoded(PER_TRACK[request.param])


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("tracks") / "scene.h264"
    path.write_bytes(b"".join(encoded(PER_TRACK["from the base's IDR"])))
    return path


def granted(units, *tracks):
    opener, found = Reader([OFFICER], Codec.H264), {}
    for unit in units:
        opener.open(unit)
        key_hash, key = opener.content_key
        found[key_hash] = [TrackKey.derive(key, track) for track in tracks]
    return found


def test_who_holds_the_content_key_sees_everybody(units):
    opener, composer = Reader([OFFICER], Codec.H264, SIGNER.public), Composer(Codec.H264)
    for unit, (clear, hidden, mask, regions) in zip(units, crowd(), strict=True):
        opened = opener.open(unit)
        composed = composer.compose(unit, opened)
        assert composed.revealed, opened.reason
        inside = pixels(mask)
        assert db(composed.i420[:HEIGHT][inside], clear[:HEIGHT][inside]) > 27
        assert db(composed.i420[:HEIGHT][~inside], hidden[:HEIGHT][~inside]) > 27
        assert set(opened.regions) == set(regions)
        assert {track.track_id for track in opened.tracks} == set(alone(mask, regions))
    assert all(verdict.verdict.origin is Check.YES for verdict in opener.take_verdicts())


def test_one_persons_key_shows_that_person_and_nobody_else(units):
    opener, composer = Reader([], Codec.H264, granted=granted(units, WALKER)), Composer(Codec.H264)
    plain = PictureDecoder(Codec.H264)
    for unit, (clear, _, mask, regions) in zip(units, crowd(), strict=True):
        opened = opener.open(unit)
        shown, base = composer.compose(unit, opened), plain.decode(unit)
        own = pixels(alone(mask, regions)[WALKER])
        assert shown.revealed, opened.reason
        assert db(shown.i420[:HEIGHT][own], clear[:HEIGHT][own]) > 27
        assert np.array_equal(shown.i420[:HEIGHT][~own], base[:HEIGHT][~own])
        assert {track.track_id for track in opened.tracks} == {WALKER}
        assert (opened.mask, opened.regions, opened.verdict.base_intact) == (None, (), Check.UNKNOWN)


def test_a_track_asked_for_with_the_content_key_shows_the_same(units):
    by_grant = Reader([], Codec.H264, granted=granted(units, SITTER)), Composer(Codec.H264)
    by_key = Reader([OFFICER], Codec.H264), Composer(Codec.H264)
    for number, unit in enumerate(units):
        shown = [composer.compose(unit, opener.open(unit), tracks=only) for (opener, composer), only in
                 ((by_grant, None), (by_key, frozenset({SITTER})))]  # fmt: skip
        assert np.array_equal(shown[0].i420, shown[1].i420)
        assert shown[0].revealed is (number >= ARRIVES)


def test_macroblocks_of_two_people_stay_masked_for_who_may_see_one(units):
    opener, composer = Reader([], Codec.H264, granted=granted(units, WALKER)), Composer(Codec.H264)
    plain = PictureDecoder(Codec.H264)
    met = 0
    for unit, (_, _, mask, regions) in zip(units, crowd(), strict=True):
        shown, base = composer.compose(unit, opener.open(unit)), plain.decode(unit)
        shared = mask.copy()
        for own in alone(mask, regions).values():
            shared &= ~own
        met += bool(shared.any())
        assert np.array_equal(shown.i420[:HEIGHT][pixels(shared)], base[:HEIGHT][pixels(shared)])
    assert met >= 3


def test_a_persons_key_opens_no_other_chunk_and_not_the_rest(units):
    opener = Reader([OFFICER], Codec.H264)
    opener.open(units[0])
    for unit in units[: GOP - 1]:
        opener.open(unit)
    _, content = opener.content_key
    walker, sitter = TrackKey.derive(content, WALKER), TrackKey.derive(content, SITTER)
    assert len({walker.key, sitter.key, content}) == 3
    # The walker's key under the sitter's name opens nothing.
    key_hash = opener.content_key[0]
    thief = Reader([], Codec.H264, granted={key_hash: [TrackKey(sitter.name, SITTER, walker.key)]})
    opened = [thief.open(unit) for unit in units[:GOP]]
    assert all(o.payload_au is None for o in opened)
    assert opened[ARRIVES].reason == reader.NOT_AUTHENTIC
    # Nor does it open what is sealed for all.
    thief = Reader([], Codec.H264, held={key_hash: walker.key})
    assert all(thief.open(unit).payload_au is None for unit in units[:GOP])


def test_a_lost_access_unit_hides_the_person_until_the_next_group(units):
    opener, composer = Reader([], Codec.H264, granted=granted(units, WALKER)), Composer(Codec.H264)
    shown = [composer.compose(unit, opener.open(unit)) for i, unit in enumerate(units[: 2 * GOP]) if i != 2]
    assert [s.revealed for s in shown] == [True] * 2 + [False] * (GOP - 3) + [True] * GOP
    assert shown[2].reason == reader.WAITING


def test_a_grant_goes_through_a_file(recording, tmp_path):
    officer, friend, out = tmp_path / "officer.key", tmp_path / "friend.key", tmp_path / "walker.grant"
    someone = Identity.generate()
    keys.save(officer, OFFICER, None)
    keys.save(friend, someone, None)

    def run(module, *arguments):
        command = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, timeout=120, check=False, text=True)

    given = run("wire.grant", recording, "--identity", officer, "--track", WALKER, "--to", friend, out)
    assert (given.returncode, given.stderr) == (0, "")
    played = run("wire.player", recording, "--identity", friend, "--grant", out, tmp_path / "out.mp4")
    assert played.returncode == 0, played.stderr
    assert f"{PICTURES} pictures, {PICTURES} with originals" in played.stderr
    without = run("wire.player", recording, "--identity", friend, tmp_path / "out.mp4")
    assert f"{PICTURES} pictures stay masked: {reader.NOT_A_RECIPIENT}" in without.stderr
    nobody = run("wire.grant", recording, "--identity", officer, "--track", 99, "--to", friend, out)
    assert (nobody.returncode, "no originals of this person's own" in nobody.stderr) == (2, True)
    with pytest.raises(SealError):
        grant.unseal(out.read_bytes(), Identity.generate())


@pytest.mark.parametrize("cut", [0, 5, 12, 40])
def test_a_grant_file_that_is_none_is_refused(recording, cut):
    whole = grant.seal(grant.track_keys(recording, [OFFICER], [WALKER]), OFFICER.recipient)
    assert len(grant.unseal(whole, OFFICER)) == -(-PICTURES // GOP)
    with pytest.raises((WireError, Truncated)):
        grant.unseal(whole[:cut], OFFICER)


def test_the_player_opens_one_track_of_the_recording(recording, tmp_path):
    out = tmp_path / "out.mp4"
    report = play(recording, out, [OFFICER], tracks=frozenset({WALKER}))
    assert (report.pictures, report.revealed) == (PICTURES, PICTURES)


def test_a_reader_without_keys_cannot_follow_a_person_by_names(recording):
    units, names = encoded(PER_TRACK["from the base's IDR"]), []
    for unit in units[::GOP]:
        opener = Reader([OFFICER], Codec.H264)
        opener.open(unit)
        names.append(TrackKey.derive(opener.content_key[1], WALKER).name)
    assert len(set(names)) == len(names)


@pytest.fixture(scope="module")
def once():
    return encoded(PER_TRACK["from the base's IDR"])


@pytest.fixture(scope="module")
def again():
    """The camera after a restart."""
    return encoded(PER_TRACK["from the base's IDR"])


def parts(units, signing_key=None):
    opener, found = Reader([OFFICER], Codec.H264, signing_key), []
    for unit in units:
        opener.open(unit)
        found.append(opener.part)
    return found


def test_a_stream_says_itself_how_far_a_number_names_the_same_person(once, again):
    count = len(once)
    assert parts(once) == [1] * count
    assert parts(once, SIGNER.public) == [1] * count
    lost_picture = once[: GOP + 2] + once[GOP + 3 :]
    assert parts(lost_picture) == [1] * (count - 1), "the next manifest tells of it"
    lost_group = once[:GOP] + once[2 * GOP :]
    assert parts(lost_group) == [1] * GOP + [2] * (count - 2 * GOP)
    assert parts(once + again) == [1] * count + [2] * count
    stranger = SigningKey.generate().public
    assert parts(once, stranger)[GOP] == 2, "nobody's word but the camera's joins parts"


def test_a_number_that_may_be_two_people_is_not_granted_until_it_is_said_which(once, again, tmp_path):
    path = tmp_path / "twice.h264"
    path.write_bytes(b"".join(once + again))
    with pytest.raises(grant.SeveralParts, match=r"track 7 is in part 1 from 0\.0 s, part 2"):
        grant.track_keys(path, [OFFICER], [WALKER])
    first, second = (grant.track_keys(path, [OFFICER], [WALKER], part=part) for part in (1, 2))
    assert len(first) == len(second) == -(-PICTURES // GOP)
    assert not {key_hash for key_hash, _ in first} & {key_hash for key_hash, _ in second}
    assert grant.track_keys(path, [OFFICER], [99]) == []
    report = play(path, tmp_path / "out.mp4", [OFFICER], tracks=frozenset({WALKER}))
    assert (report.pictures, report.revealed) == (2 * PICTURES, PICTURES)
    assert report.reasons == {reader.STREAM_RESTARTED: PICTURES}


def test_what_may_be_somebody_whom_nobody_follows_stays_masked_for_who_may_see_one():
    child = Region(0, 0, 2, 9, 4, 2, 2)  # before the one on the seat
    units = encoded(PER_TRACK["from the base's IDR"], claims=[child])
    opener, composer = Reader([], Codec.H264, granted=granted(units, SITTER)), Composer(Codec.H264)
    everybody, all_of_it = Reader([OFFICER], Codec.H264), Composer(Codec.H264)
    plain = PictureDecoder(Codec.H264)
    claimed = np.zeros((HEIGHT // 16, WIDTH // 16), bool)
    claimed[4:6, 9:11] = True
    for number, (unit, (clear, *_)) in enumerate(zip(units, crowd(), strict=True)):
        one, everyone, base = (
            composer.compose(unit, opener.open(unit)).i420,
            all_of_it.compose(unit, everybody.open(unit)).i420,
            plain.decode(unit),
        )
        assert np.array_equal(one[:HEIGHT][pixels(claimed)], base[:HEIGHT][pixels(claimed)])
        if number >= ARRIVES:
            assert not np.array_equal(one, base), "the rest of the one who was granted is shown"
            assert db(everyone[:HEIGHT][pixels(claimed)], clear[:HEIGHT][pixels(claimed)]) > 27
