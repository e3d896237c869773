"""Benchmarks look at a video or at a folder of frames, each at its own rate, and keep what they find apart."""

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from bench import clips, report

SIZE = 70, 50
INFO = "[Sequence]\nname=Street\nframeRate=25\n"


def frames(count=6):
    for number in range(count):
        rgb = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
        rgb[10:30, 5 * number : 5 * number + 10] = 220
        yield rgb


@pytest.fixture
def folder(tmp_path):
    sequence = tmp_path / "TUD-Street"
    (sequence / "img1").mkdir(parents=True)
    (sequence / "seqinfo.ini").write_text(INFO)
    for number, rgb in enumerate(frames(), 1):
        cv2.imwrite(str(sequence / "img1" / f"{number:06}.png"), rgb)
    return sequence


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "TUD-Street.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(15))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for rgb in frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_folder_of_frames_has_the_rate_of_its_sequence(folder, monkeypatch):
    assert clips.rate_of(folder) == clips.rate_of(folder / "img1") == 25
    (folder / "seqinfo.ini").unlink()
    with pytest.raises(SystemExit, match="RATE="):
        clips.rate_of(folder)
    monkeypatch.setenv("RATE", "25/2")
    assert clips.rate_of(folder) == Fraction(25, 2)


def test_a_folder_and_a_video_show_the_same(folder, video):
    assert clips.rate_of(video) == 15
    both = [list(clips.pictures(path, "rgb24")) for path in (folder, video)]
    assert [len(each) for each in both] == [6, 6]
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(*both, strict=True)) < 3


def test_both_are_sensors_with_times_of_their_own_rate(folder, video):
    for path, rate in ((folder, 25), (video, 15)):
        sensor = clips.source(path)
        seen = list(sensor.frames())
        assert (sensor.width, sensor.height, sensor.rate) == (64, 48, rate)
        assert [frame.pts_90k for frame in seen] == [number * 90_000 // rate for number in range(6)]
        assert {frame.i420.shape for frame in seen} == {(72, 64)}


def test_a_folder_without_frames_is_named(tmp_path):
    with pytest.raises(SystemExit, match="no frames"):
        next(clips.pictures(tmp_path))


def test_results_of_another_clip_stand_beside_those_of_the_demo_clip(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert clips.clip_key(clips.DEMO_CLIP) is None
    assert clips.clip_key(folder) == clips.clip_key(folder / "img1") == "street"
    for figure, key in ((1, None), (2, "street"), (3, None)):
        path = report.report("track", {"clip": str(key)}, {"idf1": figure}, clip=key)
    told = json.loads(path.read_text())
    assert (told["figures"], told["street"]["figures"]) == ({"idf1": 3}, {"idf1": 2})
