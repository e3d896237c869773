"""The recoverable stream through containers and transports: what only copies keeps it, what strips it is told."""

import json
import subprocess
import sys

import av
import pytest
from wire_scene import (
    GOP,
    H264,
    HEIGHT,
    OFFICER,
    PAIRS,
    PICTURES,
    RATE,
    SIGNER,
    WIDTH,
    db,
    pixels,
    protected,
    scene,
)

from firmware.encode.protected import ProtectedEncoder
from wire import keys, nal
from wire.compose import Composer, PictureDecoder
from wire.nal import Codec
from wire.player import play
from wire.recording import samples
from wire.recovery import reader
from wire.recovery.layout import Region
from wire.recovery.reader import Reader
from wire.recovery.verdict import Check

H265 = PAIRS["h265"]


def ffmpeg(*arguments):
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *map(str, arguments)], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The same scene as Annex B files in both codecs, and re-packaged into mp4 with times of 25 pictures a second."""
    folder = tmp_path_factory.mktemp("recorded")
    files = {}
    for settings, name in ((H264, "h264"), (H265, "hevc")):
        raw = folder / f"scene.{name}"
        raw.write_bytes(b"".join(unit.data for unit in protected(settings)))
        mp4 = folder / f"{name}.mp4"
        ffmpeg("-f", name, "-r", 25, "-i", raw, "-c", "copy", mp4)
        files[settings.base] = mp4
        files[settings.base, "raw"] = raw
    return files


def opened_in(path):
    codec, _, units = samples(path)
    opener = Reader([OFFICER], codec, SIGNER.public)
    opened = [opener.open(unit.au) for unit in units]
    return opened, opener.finish()


@pytest.mark.parametrize(
    ("codec", "container"),
    [(codec, container) for codec in Codec for container in ("mp4", "fmp4", "mkv", "ts", "annexb")]
    + [(Codec.H264, "flv")],
)
def test_everything_arrives_through_copying(recorded, codec, container, tmp_path):
    suffix = {"fmp4": "mp4", "annexb": codec.value}.get(container, container)
    target = tmp_path / f"copy.{suffix}"
    options = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"] if container == "fmp4" else []
    ffmpeg("-i", recorded[codec], "-c", "copy", *options, target)
    opened, verdicts = opened_in(target)
    assert len(opened) == PICTURES
    assert all(o.payload_au is not None and o.verdict.base_intact is Check.YES for o in opened)
    assert all(v.verdict.origin is Check.YES and v.verdict.complete is Check.YES for v in verdicts[:-1])


@pytest.mark.parametrize("codec", Codec)
def test_everything_arrives_through_rtp(recorded, codec, tmp_path):
    parse, pay, depay = {
        Codec.H264: ("h264parse", "rtph264pay", "rtph264depay"),
        Codec.H265: ("h265parse", "rtph265pay", "rtph265depay"),
    }[codec]
    caps = f"video/x-{'h264' if codec is Codec.H264 else 'h265'},stream-format=byte-stream,alignment=au"
    target = tmp_path / f"rtp.{codec.value}"
    chain = f"filesrc location={recorded[codec, 'raw']} ! {parse} ! {pay} mtu=1400 ! {depay} ! {parse} ! {caps}"
    command = ["gst-launch-1.0", "-q", *chain.split(), "!", "filesink", f"location={target}"]
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 0
    opened, _ = opened_in(target)
    assert len(opened) == PICTURES
    assert all(o.payload_au is not None and o.verdict.base_intact is Check.YES for o in opened)


def test_through_gstreamers_transport_stream(recorded, tmp_path):
    target = tmp_path / "gst.ts"
    chain = f"filesrc location={recorded[Codec.H264, 'raw']} ! h264parse ! mpegtsmux ! filesink location={target}"
    assert (
        subprocess.run(
            ["gst-launch-1.0", "-q", *chain.split()], capture_output=True, timeout=120, check=False
        ).returncode
        == 0
    )
    opened, _ = opened_in(target)
    assert len(opened) == PICTURES
    assert all(o.payload_au is not None and o.verdict.base_intact is Check.YES for o in opened)


def test_a_stripping_middle_box_leaves_the_mosaic_and_the_verdict(recorded, tmp_path):
    target = tmp_path / "stripped.mp4"
    ffmpeg("-i", recorded[Codec.H264], "-c", "copy", "-bsf:v", "filter_units=remove_types=6", target)
    opened, verdicts = opened_in(target)
    assert {o.reason for o in opened} == {reader.NO_RECOVERY_DATA}
    assert not verdicts
    report = play(target, tmp_path / "out.mp4", [OFFICER])
    assert (report.pictures, report.revealed) == (PICTURES, 0)


def test_a_transcode_recovers_and_is_reported(recorded, tmp_path):
    target = tmp_path / "transcoded.mp4"
    ffmpeg(
        "-i", recorded[Codec.H264], "-c:v", "libx264", "-udu_sei", 1, "-bf", 0, "-g", GOP, "-sc_threshold", 0, target
    )
    opened, _ = opened_in(target)
    seen = [o for o in opened if o.payload_au is not None]
    assert len(seen) == PICTURES
    assert {o.verdict.base_intact for o in seen} == {Check.NO}
    assert {o.reason for o in seen} == {reader.BASE_ALTERED}


@pytest.mark.parametrize("codec", Codec)
def test_the_player_restores_the_originals(recorded, codec, tmp_path):
    out = tmp_path / "out.mp4"
    report = play(recorded[codec], out, [OFFICER], signing_key=SIGNER.public)
    assert (report.pictures, report.revealed) == (PICTURES, PICTURES)
    assert not report.reasons
    assert all(group.verdict.origin is Check.YES for group in report.groups[:-1])
    with av.open(str(out)) as container:
        assert container.streams.video[0].average_rate == 25
        shown = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    assert len(shown) == PICTURES
    for picture, (clear, _, mask) in zip(shown, scene(), strict=True):
        assert db(picture[:HEIGHT][pixels(mask)], clear[:HEIGHT][pixels(mask)]) > 26


def player(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "wire.player", *map(str, arguments)],
        capture_output=True,
        timeout=120,
        check=False,
        text=True,
    )


def test_the_player_as_a_command(recorded, tmp_path):
    key, phrase, report = tmp_path / "officer.key", tmp_path / "phrase", tmp_path / "report.json"
    keys.save(key, OFFICER, "correct horse")
    phrase.write_text("correct horse\n")
    asked = [recorded[Codec.H264], "--identity", key, "--passphrase-file", phrase]
    done = player(*asked, "--signing-key", SIGNER.public.hex(), "--report", report, tmp_path / "out.mp4")
    assert done.returncode == 0, done.stderr
    assert f"{PICTURES} pictures, {PICTURES} with originals" in done.stderr
    told = json.loads(report.read_text())
    assert (told["pictures"], told["revealed"]) == (PICTURES, PICTURES)
    assert [group["origin"] for group in told["groups"]] == ["yes", "yes", "yes", "unknown"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"IN": "missing.mp4"}, "cannot be read"),
        ({"IN": "phrase"}, "cannot be read"),
        ({"phrase": "wrong horse"}, "wrong passphrase"),
        ({"key": "{}"}, "no identity key file"),
    ],
)
def test_the_player_says_what_is_wrong(recorded, tmp_path, change, says):
    key, phrase = tmp_path / "officer.key", tmp_path / "phrase"
    keys.save(key, OFFICER, "correct horse")
    phrase.write_text(change.get("phrase", "correct horse"))
    if "key" in change:
        key.write_text(change["key"])
    source = tmp_path / change["IN"] if "IN" in change else recorded[Codec.H264]
    done = player(source, "--identity", key, "--passphrase-file", phrase, tmp_path / "out.mp4")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_identity_plays_the_mosaic_and_exits_with_one(recorded, tmp_path):
    key = tmp_path / "stranger.key"
    keys.save(key, keys.Identity.generate(), None)
    done = player(recorded[Codec.H264], "--identity", key, tmp_path / "out.mp4")
    assert done.returncode == 1
    assert f"{PICTURES} pictures stay masked: {reader.NOT_A_RECIPIENT}" in done.stderr


def test_a_recording_cut_off_plays_what_is_there(recorded, tmp_path):
    cut = tmp_path / "cut.h264"
    whole = recorded[Codec.H264, "raw"].read_bytes()
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    report = play(cut, tmp_path / "out.mp4", [OFFICER])
    assert PICTURES // 3 < report.revealed <= report.pictures < PICTURES


def test_only_the_wanted_track_is_restored():
    encoder = ProtectedEncoder(
        WIDTH, HEIGHT, RATE, H264, camera_id=b"camera01", signer=SIGNER, recipients=[OFFICER.recipient]
    )
    opener, composer, plain = Reader([OFFICER], Codec.H264), Composer(Codec.H264), PictureDecoder(Codec.H264)
    for number, (clear, masked, mask) in enumerate(scene(4)):
        both = mask.copy()
        both[2:6, 9:12] = True
        hidden = masked.copy()
        hidden[:HEIGHT][pixels(both)] = 80
        columns = [int(c) for c in (mask.any(0).nonzero()[0][[0, -1]])]
        wanted = Region(7, 0, 2, columns[0], 2, columns[1] - columns[0] + 1, 4)
        unit = encoder.encode(hidden, clear, both, [wanted, Region(8, 0, 2, 9, 2, 3, 4)],
                              pts_90k=number, utc_us=number, idr=False)  # fmt: skip
        shown = composer.compose(unit.data, opener.open(unit.data), tracks=frozenset({7})).i420[:HEIGHT]
        base = plain.decode(unit.data)[:HEIGHT]
        assert db(shown[pixels(mask)], clear[:HEIGHT][pixels(mask)]) > 28
        bystander = pixels(both & ~mask)
        assert (shown[bystander] == base[bystander]).all()
    encoder.close()


def test_length_prefixed_samples_keep_the_hash(recorded):
    codec, _, units = samples(recorded[Codec.H264])
    bare = Reader([OFFICER], codec)
    for unit in units:
        sample = b"".join(len(n).to_bytes(4, "big") + n for n in nal.split(unit.au))
        assert bare.open(nal.from_length_prefixed(sample)).verdict.base_intact is Check.YES
