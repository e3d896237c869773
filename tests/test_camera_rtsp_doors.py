"""RTSP's other doors and its paths: RTSPS, SRTP, tunnels, moved ports, paths and encodings that come and go."""

import contextlib
import itertools
import socket
import ssl
import subprocess
import threading

import pytest
from camera_feed import HEIGHT, WIDTH, Feed, certified
from camera_rtsp import Client
from rtspsrc import received

from onvif.rtsp.gst import Gst
from onvif.rtsp.live import StreamTracks
from onvif.rtsp.serve import MulticastGroup, RtspServer

PATIENCE_S = 30


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return certified(tmp_path_factory.mktemp("tls")).read_text()


@pytest.fixture(scope="module")
def feed(pem):
    running = Feed(lambda: {"admin": ("pw", "Administrator")})
    running.server.serve_tls(0, pem)
    yield running
    running.close()


@pytest.fixture
def client(feed):
    opened = []

    def connect(port=None, path="main", **kwargs):
        opened.append(Client(port or feed.server.port, path, **kwargs))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def probed(url, *options):
    line = ["ffprobe", "-v", "error", *options, "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"]
    return subprocess.run([*line, url], capture_output=True, text=True, timeout=90, check=False)


def until(condition):
    """Wait for something that another thread brings about."""
    event = threading.Event()
    for _ in range(PATIENCE_S * 20):
        if condition():
            return
        event.wait(0.05)
    raise AssertionError("it did not come about")


def test_rtsps_plays_with_the_devices_certificate(feed, pem):
    said = probed(f"rtsps://admin:pw@127.0.0.1:{feed.server.secure_port}/main")
    assert f"h264,{WIDTH},{HEIGHT}" in said.stdout, said.stderr
    assert ssl.get_server_certificate(("127.0.0.1", feed.server.secure_port), timeout=30).strip() in pem


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_rtsps_speaks_both_present_versions_with_aead_only(feed, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", feed.server.secure_port), timeout=30) as link,
        context.wrap_socket(link) as tls,
    ):
        assert tls.version() == version.name.replace("_", ".")
        assert "GCM" in tls.cipher()[0] or "POLY1305" in tls.cipher()[0]
        tls.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        assert tls.recv(4096).startswith(b"RTSP/1.0 200")


def test_old_tls_and_plain_text_get_no_rtsp_there_and_nobody_is_kept_waiting(feed):
    secure = ("127.0.0.1", feed.server.secure_port)
    old = ["openssl", "s_client", "-connect", f"127.0.0.1:{secure[1]}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
    with (
        subprocess.Popen(old, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as stale,
        socket.create_connection(secure, timeout=30),
        socket.create_connection(secure, timeout=30) as plain,
    ):
        plain.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        said = probed(f"rtsps://admin:pw@127.0.0.1:{secure[1]}/main")
        assert "h264" in said.stdout, said.stderr
        stale.stdin.close()
        stale.terminate()
        assert b"Cipher is ECDHE" not in stale.stdout.read()
        plain.settimeout(1)
        with contextlib.suppress(TimeoutError, ConnectionError):
            assert b"RTSP/1.0 200" not in plain.recv(4096)


def test_media_under_tls_does_not_leave_in_the_clear(feed):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    viewer = Client(feed.server.secure_port, scheme="rtsps", wrap=context.wrap_socket)
    try:
        control = viewer.controls()[0]
        assert viewer.request("SETUP", control, Transport="RTP/AVP;unicast;client_port=5000-5001")[0] == 461
        assert viewer.request("SETUP", control, Transport="RTP/AVP/TCP;unicast;interleaved=0-1")[0] == 200
    finally:
        viewer.close()


def test_srtp_is_described_under_tls_only(feed):
    secure = feed.server.stream(StreamTracks(secure=True), feed.wishes.append)
    feed.server.mount("srtp/main", secure)
    feed.more.append(secure)
    received(f"rtsps://127.0.0.1:{feed.server.secure_port}/srtp/main", "admin", "pw", "udp")
    plain = Client(feed.server.port, "srtp/main")
    try:
        assert plain.request("DESCRIBE", Accept="application/sdp")[0] in {401, 404}
    finally:
        plain.close()


def test_what_comes_through_a_tunnel_is_not_sent_to_the_tunnels_own_address(feed, client):
    inside = client(feed.server.inner_port)
    control = inside.controls()[0]
    assert inside.request("SETUP", control, Transport="RTP/AVP;unicast;client_port=5000-5001")[0] == 461
    assert inside.request("SETUP", control, Transport="RTP/AVP/TCP;unicast;interleaved=0-1")[0] == 200


@pytest.mark.parametrize("wish", ["", ";destination=239.1.2.3;port=4000-4001"])
def test_whoever_was_let_in_gets_the_multicast_group_of_the_camera_and_not_one_of_their_own(wish):
    server = RtspServer("127.0.0.1", 0, lambda: {"admin": ("pw", "User")})
    server.mount("words", server.stream(StreamTracks(None, metadata=True), lambda _utc_us: None, {"metadata": "yard"}))
    server.group("yard", MulticastGroup("239.255.77.7", 50_770))
    server.start()
    viewer = Client(server.port, "words")
    try:
        control = viewer.controls()[0]
        # The second time within the session, as for a second track: nobody is asked for a password then.
        for _ in range(2):
            status, head, _ = viewer.request("SETUP", control, Transport=f"RTP/AVP/UDP;multicast{wish}")
            assert status == 200, head
        assert "destination=239.255.77.7" in head
    finally:
        viewer.close()
        server.stop()


def test_a_port_moves_while_a_session_goes_on(feed, client):
    viewer = client()
    viewer.play((0,))
    before = feed.server.port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="taken"):
            feed.server.listen(taken.getsockname()[1])
        assert feed.server.port == before
        free = taken.getsockname()[1]
    feed.server.listen(free)
    assert feed.server.port == free
    with pytest.raises(OSError):
        client(before)
    viewer.until({(0, 96): 20})
    second = client(free)
    second.play((0,))
    second.until({(0, 96): 5})
    feed.server.listen(0)
    with pytest.raises(OSError):
        client(free)
    viewer.until({(0, 96): 20})
    feed.server.listen(before)


def ended(viewer):
    """Read until the server closes the connection."""
    with contextlib.suppress(EOFError, ConnectionError):
        for _ in range(100_000):
            viewer.packet()
        raise AssertionError("the session goes on")


def test_paths_share_a_stream_and_one_that_goes_ends_only_its_own_sessions(feed, client):
    feed.server.mount("second", feed.live)
    one, other = client(), client(path="second")
    one.play((0, 1))
    other.play((0, 1))
    other.until({(0, 96): 5})
    feed.server.unmount("second")
    ended(other)
    one.until({(0, 96): 20})
    assert client(path="second").request("DESCRIBE")[0] in {401, 404}


def test_who_asks_while_the_last_viewer_leaves_gets_a_stream(feed, client, monkeypatch):
    leaves, leaving, asked = feed.plain._leaves, threading.Event(), threading.Event()

    def slowly(edition, state):
        if state == Gst.State.NULL:
            leaving.set()
            assert asked.wait(PATIENCE_S)
            asked.clear()
            asked.wait(0.3)  # for whoever asked to go on with what he found
        leaves(edition, state)

    key = feed.plain.factory._key
    monkeypatch.setattr(feed.plain, "_leaves", slowly)
    last, next_ = client(feed.server.inner_port, path="sub"), client(path="sub")  # each door has a thread of its own
    last.play((0,))
    next_.challenge = last.challenge
    going = threading.Thread(target=last.request, args=("TEARDOWN", last.base))
    going.start()
    assert leaving.wait(PATIENCE_S)
    monkeypatch.setattr(feed.plain.factory, "_key", lambda: (asked.set(), key())[1])
    next_.play((0,))
    next_.until({(0, 96): 5})
    going.join(PATIENCE_S)


def test_another_encoding_ends_the_sessions_that_were_told_the_old_one(feed, client):
    fresh = feed.server.publish("changing", StreamTracks(metadata=False), feed.wishes.append)
    feed.more.append(fresh)
    before, elsewhere = client(path="changing"), client()
    assert "H264/90000" in before.play((0,))
    elsewhere.play((0,))
    before.until({(0, 96): 3})
    feed.more.remove(fresh)
    feed.server.carry(fresh, "JPEG")
    feed.pictures.append(fresh)
    ended(before)
    elsewhere.until({(0, 96): 20})
    after = client(path="changing")
    description = after.play((0,))
    assert "m=video 0 RTP/AVP 26" in description
    after.until({(0, 26): 20})
    after.close()
    until(lambda: not fresh.watched)


def test_connections_that_are_ended_while_they_talk_leave_no_thread_turning_round(capfd):
    """GLib says so on standard error, a hundred thousand times a second, when one is closed under its reader."""
    for _ in range(12):
        server = RtspServer("127.0.0.1", 0, dict)
        server.start()
        answered = threading.Semaphore(0)
        talkers = [threading.Thread(target=talk, args=(server.port, answered), daemon=True) for _ in range(4)]
        for talker in talkers:
            talker.start()
        for _ in range(20):
            assert answered.acquire(timeout=PATIENCE_S)
        server.stop()
        for talker in talkers:
            talker.join(PATIENCE_S)
            assert not talker.is_alive()
    assert "CRITICAL" not in capfd.readouterr().err


def talk(port, answered):
    """Ask without a pause, until the other side hangs up."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE_S) as line:
        for number in itertools.count(1):
            line.sendall(b"OPTIONS rtsp://127.0.0.1/main RTSP/1.0\r\nCSeq: %d\r\n\r\n" % number * 5)
            if not line.recv(4096):
                return
            answered.release()


def test_metadata_alone_is_a_stream(feed, client):
    alone = feed.server.publish("words", StreamTracks(None, metadata=True), feed.wishes.append)
    feed.more.append(alone)
    viewer = client(path="words")
    description = viewer.play((0,))
    assert "m=video" not in description
    viewer.until({(0, 107): 10})


@pytest.mark.long  # gst-rtsp-server gives five seconds beyond the time-out
def test_a_session_that_nobody_keeps_alive_ends_when_it_was_told_to(feed):
    brief = feed.server.publish("brief", StreamTracks(metadata=False), feed.wishes.append)
    brief.timeout_s = 2
    feed.more.append(brief)
    viewer = Client(feed.server.port, "brief")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        rtp.bind(("127.0.0.1", 0))
        port = rtp.getsockname()[1]
        transport = f"RTP/AVP;unicast;client_port={port}-{port + 1}"
        status, head, _ = viewer.request("SETUP", viewer.controls()[0], Transport=transport)
        assert status == 200
        assert "timeout=2" in head
        assert viewer.request("PLAY", viewer.base)[0] == 200
        rtp.settimeout(PATIENCE_S)
        assert rtp.recv(4096)
        viewer.close()
        until(lambda: not brief.watched)
