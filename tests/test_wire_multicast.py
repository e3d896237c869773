"""The recoverable stream to a multicast group of another host: what FFmpeg copies there opens like what was sent.

By itself, for loopback shows no multicast: camera and receiver are in network namespaces of their own.
"""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from onvif.rtsp.live import StreamTracks
from onvif.rtsp.serve import MulticastGroup
from tests.two_hosts import DEVICE, DEVICE_V6, speak_ipv6, two_hosts
from wire.compose import Composer
from wire.keys import Identity
from wire.nal import Codec
from wire.recording import samples
from wire.recovery.reader import Reader
from wire.recovery.verdict import Check

pytestmark = pytest.mark.long
GROUPS = {DEVICE: "239.255.42.1", DEVICE_V6: "ff15::4242"}
PORT = 42_420
UNITS, GOP = 48, 8


@dataclass(frozen=True)
class Sender:
    """Where a camera's RTSP is, and who may open what it sends."""

    authority: str
    identity: Identity


@pytest.fixture(scope="module")
def hosts():
    with two_hosts() as joined:
        speak_ipv6(joined)
        yield joined


@pytest.fixture(params=list(GROUPS), ids=["ipv4", "ipv6"])
def sender(hosts, request):
    line = [*hosts.device, sys.executable, "-m", "tests.test_wire_multicast", request.param]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port, secret = process.stdout.readline().split()
        host = f"[{request.param}]" if ":" in request.param else request.param
        yield Sender(f"{host}:{port}", Identity(bytes.fromhex(secret)))
        process.stdin.close()


def test_what_a_group_is_sent_opens_for_who_has_the_key(hosts, sender, tmp_path):
    target = tmp_path / "received.mkv"
    line = [*hosts.client, "ffmpeg", "-v", "error", "-rtsp_transport", "udp_multicast", "-i",
            f"rtsp://admin:pw@{sender.authority}/main", "-map", "0:v", "-c", "copy", "-frames:v", str(UNITS),
            str(target)]  # fmt: skip
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    opener, composer, restored = Reader([sender.identity], Codec.H264), Composer(Codec.H264), 0
    for sample in samples(target)[2]:
        opened = opener.open(sample.au)
        composed = composer.compose(sample.au, opened)
        # Datagrams may be lost; what arrives whole is the picture that was hashed before it was sealed.
        restored += opened.verdict.base_intact is Check.YES and composed is not None and composed.revealed
    assert restored >= UNITS - 2 * GOP


def serve(address):
    """Send until standard input ends; tells port and secret."""
    from tests.camera_feed import REVEAL, Feed

    feed = Feed(lambda: {"admin": ("pw", "Administrator")}, gop_frames=GOP, address=address, interface="cable")
    stream = feed.server.stream(StreamTracks(metadata=False), feed.wishes.append, {"video": "yard"})
    feed.server.group("yard", MulticastGroup(GROUPS[address], PORT))
    feed.more.append(stream)
    feed.server.mount("main", stream)
    print(feed.server.port, REVEAL.private.hex(), flush=True)
    sys.stdin.read()
    feed.close()


if __name__ == "__main__":
    serve(sys.argv[1])
