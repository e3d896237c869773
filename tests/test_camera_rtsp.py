"""RTSP serving: independent readers over every transport, digest, tracks set up singly, the wall clock, our SEI."""

import base64
import re
import subprocess
import threading
import time

import av
import pytest
from camera_feed import HEIGHT, REVEAL, WIDTH, Feed
from camera_rtsp import Client

from onvif.rtsp.metadata_rtp import MTU, MetadataPacketiser
from onvif.rtsp.serve import RtspServer
from wire import nal
from wire.nal import Codec
from wire.recovery.reader import Reader


@pytest.fixture(scope="module")
def accounts():
    return {"admin": ("pw", "Administrator")}


@pytest.fixture(scope="module")
def feed(accounts):
    running = Feed(lambda: accounts)
    yield running
    running.close()


@pytest.fixture
def client(feed):
    opened = []

    def connect(*args, **kwargs):
        opened.append(Client(feed.server.port, *args, **kwargs))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def url(feed, path="main"):
    return f"rtsp://admin:pw@127.0.0.1:{feed.server.port}/{path}"


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
def test_an_independent_player_opens_it(feed, transport):
    said = subprocess.run(
        ["ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_entries", "stream=codec_name,width,height",
         "-of", "csv=p=0", url(feed)],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert f"h264,{WIDTH},{HEIGHT}" in said.stdout, said.stderr


def test_a_wrong_password_and_none_are_refused(client):
    assert client(password="guess").request("DESCRIBE")[0] == 401
    assert client(password=None).request("DESCRIBE")[0] == 401
    status, head, _ = client(password=None).request("DESCRIBE")
    assert status == 401
    assert "WWW-Authenticate: Digest" in head


def test_a_new_user_and_a_changed_password_hold_at_once(client, accounts):
    accounts["guest"] = ("one", "User")
    assert client(user="guest", password="one").request("DESCRIBE")[0] == 200
    accounts["guest"] = ("two", "User")
    assert client(user="guest", password="one").request("DESCRIBE")[0] == 401
    assert client(user="guest", password="two").request("DESCRIBE")[0] == 200
    del accounts["guest"]
    assert client(user="guest", password="two").request("DESCRIBE")[0] == 401


def test_a_path_that_is_not_there_is_not_found(client):
    assert client("attic").request("DESCRIBE")[0] in {401, 404}


def test_the_description_names_both_tracks(client):
    sdp = client().play((0, 1))
    assert "H264/90000" in sdp
    sets = re.search(r"a=fmtp:96 .*sprop-parameter-sets=([^,\s]+)", sdp)[1]
    profile_and_level = base64.b64decode(sets)[1:4].hex()
    assert re.search(rf"a=fmtp:96 .*profile-level-id={profile_and_level}\b", sdp), sdp
    assert "a=rtpmap:107 VND.ONVIF.METADATA/90000" in sdp


def test_one_viewer_takes_the_video_only_and_others_both(client):
    first, second, third = client(), client(), client()
    first.play((0,))
    first.until({(0, 96): 20})
    second.play((0, 1))
    second.until({(0, 96): 20, (2, 107): 5})
    third.play((1,))
    third.until({(2, 107): 5})
    first.until({(0, 96): 20, (1, 200): 1})


def test_a_viewer_gets_an_idr_picture_at_once(feed):
    # Who joins others gets one as well, behind the picture that is on its way.
    assert any(threading.Event().wait(0.05) or not feed.live.watched for _ in range(600))
    with av.open(url(feed), options={"rtsp_transport": "tcp"}) as container:
        packet = next(packet for packet in container.demux(video=0) if packet.size)
        assert nal.is_idr(bytes(packet), Codec.H264)


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
def test_every_access_unit_arrives_whole_with_its_sei_and_its_wall_clock(feed, transport):
    reader, apart_us = Reader([REVEAL], Codec.H264), []
    with av.open(url(feed), options={"rtsp_transport": transport}) as container:
        for count, packet in enumerate(container.demux(video=0)):
            if count >= 60 and apart_us:
                break
            opened = reader.open(bytes(packet))
            assert opened.payload_au, opened.reason
            if packet.has_sidedata("prft"):
                stamp_us = int.from_bytes(bytes(packet.get_sidedata("prft"))[:8], "little")
                apart_us.append(stamp_us - opened.utc_us)
    assert abs(sorted(apart_us)[len(apart_us) // 2]) < 60_000, "the sender report tells the time of exposure"


def test_a_document_that_needs_several_packets_ends_with_a_marker():
    packetiser = MetadataPacketiser(ssrc=7, sequence=65535)
    packets = packetiser.packets(b"x" * 3000, 1 << 33)
    assert [bool(packet[1] & 0x80) for packet in packets] == [False, False, True]
    assert [int.from_bytes(packet[2:4], "big") for packet in packets] == [65535, 0, 1]
    assert all(len(packet) <= MTU and packet[1] & 0x7F == 107 for packet in packets)
    assert b"".join(packet[12:] for packet in packets) == b"x" * 3000
    assert packetiser.packets(b"", 0) == []


@pytest.mark.parametrize("step_us", [-3_600_000_000, 3_600_000_000])
def test_a_step_of_the_wall_clock_does_not_stop_a_viewer(feed, client, step_us):
    viewer = client()
    viewer.play((0, 1))
    viewer.until({(0, 96): 10, (2, 107): 2})
    feed.step_us = step_us
    try:
        viewer.until({(0, 96): 40, (2, 107): 20})
    finally:
        feed.step_us = 0


def test_nobody_watching_costs_nothing_and_the_path_comes_back(feed, client):
    one = client("sub")
    one.play((0,))
    one.until({(0, 96): 3})
    assert feed.plain.watched
    one.close()
    until = time.monotonic() + 30
    while feed.plain.watched:
        assert time.monotonic() < until
        threading.Event().wait(0.05)


def test_a_port_that_is_taken_is_an_error(feed):
    with pytest.raises(OSError, match="taken"):
        RtspServer("127.0.0.1", feed.server.port, dict).start()
