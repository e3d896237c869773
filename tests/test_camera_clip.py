"""A clip as a sensor: windows, loop, continuous time, following the clock, and what cannot be played."""

import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from base.errors import ConfigError
from firmware.capture import clip as module
from firmware.capture.clip import Clip
from firmware.capture.frame import planes

WIDTH, HEIGHT, COUNT, RATE = 96, 64, 7, 25


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Seven pictures; the luma of picture n is 20 + 30 n, one 16 x 16 corner at (32, 16) is 16 brighter."""
    out = tmp_path_factory.mktemp("clip") / "small.mkv"
    with av.open(str(out), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(COUNT):
            i420 = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            i420[:HEIGHT] = 20 + 30 * number
            i420[16:32, 32:48] += 16
            for packet in stream.encode(av.VideoFrame.from_ndarray(i420, format="yuv420p")):
                container.mux(packet)
        container.mux(stream.encode(None))
    return out


def numbers(clip, count):
    """(picture number by its luma, pts) of the first `count` pictures."""
    out = []
    for frame in clip.frames():
        out.append(((int(frame.i420[0, 0]) - 20) // 30, frame.pts_90k))
        if len(out) == count:
            break
    return out


def test_the_whole_clip_once(path):
    clip = Clip(path, paced=False, loop=False)
    assert (clip.width, clip.height, clip.rate, clip.frame_count) == (WIDTH, HEIGHT, Fraction(RATE), COUNT)
    assert numbers(clip, 99) == [(n, n * 3600) for n in range(COUNT)]


def test_a_loop_goes_on_in_time(path):
    assert numbers(Clip(path, paced=False), 3 * COUNT) == [(n % COUNT, n * 3600) for n in range(3 * COUNT)]


def test_a_window_is_cut_out_of_every_plane(path):
    clip = Clip(path, (32, 16, 16, 16), paced=False, loop=False)
    frame = next(iter(clip.frames()))
    y, u, v = planes(frame.i420)
    assert (y == 36).all()
    assert u.shape == v.shape == (8, 8)
    assert (u == 128).all()


def test_two_cameras_that_follow_the_clock_show_the_same_instant(path, monkeypatch):
    monkeypatch.setattr(module.time, "time", lambda: 1000.0 + 3 / RATE)
    first = (1000 * RATE + 3) % COUNT
    assert numbers(Clip(path, paced=False, follow_clock=True), COUNT + 2) == [
        ((first + n) % COUNT, n * 3600) for n in range(COUNT + 2)
    ]


def test_a_step_of_the_wall_clock_does_not_touch_media_time(path, monkeypatch):
    steps = iter([10**18, 10**18 - 3600 * 10**9] + [2 * 10**18] * 10)
    monkeypatch.setattr(module.time, "time_ns", lambda: next(steps))
    frames = [frame for frame, _ in zip(Clip(path, paced=False).frames(), range(5), strict=False)]
    assert [frame.pts_90k for frame in frames] == [n * 3600 for n in range(5)]
    assert frames[1].utc_us < frames[0].utc_us < frames[2].utc_us


@pytest.mark.parametrize(("away_s", "next_pts_90k"), [(0.5, 3600), (10.0, 9 * 90_000), (600.0, 600 * 90_000)])
def test_a_starved_host_leaves_pictures_out_and_stays_in_time(path, monkeypatch, away_s, next_pts_90k):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    frames = Clip(path).frames()
    assert next(frames).pts_90k == 0
    now[0] += away_s
    assert abs(next(frames).pts_90k - next_pts_90k) <= 3600


def test_close_ends_a_paced_clip(path):
    clip = Clip(path)
    seen = threading.Event()

    def play():
        for _ in clip.frames():
            seen.set()

    thread = threading.Thread(target=play)
    thread.start()
    assert seen.wait(30)
    clip.close()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize("window", [(0, 0, 100, 64), (0, 0, 0, 16), (8, 0, 16, 16), (80, 0, 32, 16), (-16, 0, 32, 16)])
def test_a_window_that_does_not_fit_is_refused(path, window):
    with pytest.raises(ConfigError, match="window"):
        Clip(path, window)


def test_files_that_are_no_video_are_refused_by_name(tmp_path):
    for name, content in (("none.avi", None), ("text.avi", b"not a video"), ("empty.avi", b"")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=name):
            Clip(tmp_path / name)
