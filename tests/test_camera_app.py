"""The camera as a process: what it says when something is wrong, what it serves, how it ends."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PATIENCE_S = 120
ENDS_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Two seconds of drifting noise: nobody in it, and something to see."""
    out = tmp_path_factory.mktemp("clip") / "noise.mkv"
    rng = np.random.default_rng(4)
    texture = rng.integers(40, 200, (240, 400), np.uint8)
    with av.open(str(out), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(20):
            i420 = np.full((360, 320), 128, np.uint8)
            i420[:240] = texture[:, 2 * number : 2 * number + 320]
            for packet in stream.encode(av.VideoFrame.from_ndarray(i420, format="yuv420p")):
                container.mux(packet)
        container.mux(stream.encode(None))
    return out


def configure(folder, clip, **changes):
    values = {"web_port": 0, "rtsp_port": 0, "clip": str(clip), "extra": ""} | changes
    (folder / "password").write_text("first-password\n")
    path = folder / "camera.toml"
    path.write_text(f"""
[[camera]]
name = "attic"
serial = "VC-9"
state = "{folder}/state"
address = "127.0.0.1"
web_port = {values["web_port"]}
rtsp_port = {values["rtsp_port"]}
discovery = false
password_file = "{folder}/password"
{values["extra"]}
[camera.source]
clip = "{values["clip"]}"
""")
    return path


def start(config, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "firmware", "--config", str(config), *more],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def refused(config, *more):
    """(exit status, what it says) of a camera that cannot start."""
    process = start(config, "--only", "attic", *more)
    _, said = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said


def test_it_serves_whatever_its_outbox_is_like_and_ends_within_five_seconds(tmp_path, clip):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "outbox.sqlite").write_bytes(b"no database " * 1000)
    process = start(configure(tmp_path, clip))
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"READY attic web=(\d+) rtsp=(\d+)\n", line)
        assert found, line + process.stderr.read()
        url = f"rtsp://admin:first-password@127.0.0.1:{found[2]}/main"
        with av.open(url, options={"rtsp_transport": "tcp"}) as container:
            picture = next(container.decode(video=0))
            assert (picture.width, picture.height) == (320, 240)
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=30) as link:
            link.sendall(b"GET /veilcam/pairing HTTP/1.0\r\n\r\n")
            assert b'"serial": "VC-9"' in link.makefile("rb").read()
        began_s = time.monotonic()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert time.monotonic() - began_s < ENDS_WITHIN_S
    finally:
        process.kill()
        process.communicate()


def test_a_clip_that_cannot_be_played_is_named(tmp_path):
    status, said = refused(configure(tmp_path, tmp_path / "missing.avi"))
    assert status == 78
    assert "missing.avi" in said
    assert "Traceback" not in said


def test_a_wrong_key_is_named_with_the_known_ones(tmp_path, clip):
    status, said = refused(configure(tmp_path, clip, extra='colour = "red"'))
    assert status == 78
    assert "unknown key 'colour'" in said
    assert "serial" in said


@pytest.mark.parametrize("key", ["web_port", "rtsp_port"])
def test_a_port_that_is_taken_is_named(tmp_path, clip, key):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = refused(configure(tmp_path, clip, **{key: port}))
    assert status == 1  # the port may be free again at the next start
    assert str(port) in said
    assert "Traceback" not in said


def test_a_name_that_is_not_in_the_file_is_told(tmp_path, clip):
    process = start(configure(tmp_path, clip), "--only", "cellar")
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 78
    assert "attic" in said


HANGING = """
import pathlib, sys, threading
from firmware import __main__, supervisor
from firmware.stream.channels import MainChannel
encode, numbers, hung = MainChannel.encode, iter(range(10**9)), pathlib.Path(__file__).with_name("hung")
def hanging(self, *picture):
    if next(numbers) == 20 and not hung.exists():
        hung.touch()
        threading.Event().wait()
    return encode(self, *picture)
MainChannel.encode = hanging
supervisor.self_command = lambda config: [sys.executable, __file__, "--config", str(config)]
sys.exit(__main__.main())
"""


def test_a_hung_encoder_says_where_and_the_camera_serves_again(tmp_path, clip):
    """The encode thread of the first process waits for ever at its 21st picture."""
    config = configure(tmp_path, clip)
    config.write_text("stall_s = 5.0\n" + config.read_text())
    program, log = tmp_path / "hanging.py", tmp_path / "log"
    program.write_text(HANGING)
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, str(program), "--config", str(config)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        assert process.stdout.readline().startswith("READY attic")
        assert process.stdout.readline().startswith("READY attic"), log.read_text()
        assert "no picture has been encoded for 5 s" in log.read_text()
        assert "in hanging" in log.read_text()
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
