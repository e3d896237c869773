"""The recoverable stream through the box: recorded as fMP4, replayed over RTSP, copied by an independent client."""

import asyncio
import subprocess

import pytest

from nvr_box.web import certificate
from onvif.users import Level
from tests.box_fakes import masked_h264, record_file
from tests.onvif_box import START_US, running
from tests.onvif_camera import PASSWORDS
from wire.keys import Identity, SigningKey
from wire.nal import Codec
from wire.recording import samples
from wire.recovery.reader import Reader
from wire.recovery.verdict import Check

OFFICER, SIGNER = Identity.generate(), SigningKey.generate()
FRAMES, GOP = 60, 10
PATIENCE_S = 90


def opened_in(path):
    codec, _, units = samples(path)
    assert codec is Codec.H264
    opener = Reader([OFFICER], codec, SIGNER.public)
    return [opener.open(unit.au) for unit in units], opener.finish()


@pytest.fixture
async def box(tmp_path):
    clip = masked_h264(tmp_path / "clip.h264", FRAMES, [OFFICER.recipient], SIGNER, start_us=START_US, gop=GOP)

    def record(segments, camera):
        record_file(segments, camera, clip, START_US)

    page = certificate.ensure(tmp_path / "web", ("127.0.0.1",))
    async with running(tmp_path, cameras=1, record=record, tls=page.context) as started:
        yield started


async def test_a_recorded_segment_keeps_everything(box, tmp_path):
    (recorded,) = tmp_path.rglob("*.mp4")
    opened, verdicts = opened_in(recorded)
    assert len(opened) == FRAMES
    assert all(o.payload_au and o.verdict.base_intact is Check.YES for o in opened)
    assert [v.verdict.origin for v in verdicts] == [Check.YES] * (FRAMES // GOP - 1) + [Check.UNKNOWN]


@pytest.mark.parametrize("transport", ["tcp", "udp", "http", "https", "rtsps"])
async def test_a_replay_keeps_everything(box, tmp_path, transport):
    scheme = "rtsps" if transport == "rtsps" else "rtsp"
    port = {"https": box.face.ports.https, "rtsps": box.face.replay.port_of("tls")}.get(
        transport, box.face.replay_port()
    )
    uri = f"{scheme}://user:{PASSWORDS[Level.USER]}@127.0.0.1:{port}/recording-1"
    target, lower = tmp_path / "replayed.mkv", "tcp" if transport == "rtsps" else transport
    command = ["ffmpeg", "-v", "error", "-y", "-rtsp_transport", lower, "-i", uri, "-map", "0:v", "-c", "copy",
               "-frames:v", str(2 * GOP), str(target)]  # fmt: skip
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    opened, _ = opened_in(target)
    assert len(opened) == 2 * GOP
    assert all(o.payload_au and o.verdict.base_intact is Check.YES for o in opened)
