"""The Transport header at every door: what is understood, and that nothing else becomes multicast in the clear."""

import contextlib
import ssl

import pytest
from camera_feed import certified
from camera_rtsp import Client
from hypothesis import given
from hypothesis import strategies as st

from onvif.rtsp.live import StreamTracks
from onvif.rtsp.serve import MulticastGroup, RtspServer
from onvif.rtsp.transport import anywhere, parse, through_a_tunnel, under_tls

NOT_UNDERSTOOD = [
    "", "garbage", ";", "X/TCP", "RTP", "RTP/AVP/SCTP;unicast;client_port=5000-5001", "RTP/AVP/TCP;multicast",
    "RTP/AVPX/TCP;unicast", "RTP/AVP", "RTP/AVP;unicast", "RTP/AVP;unicast;client_port=x", "RTP/AVP;client_port=0-1",
    "RTP/AVP;unicast;client_port=5000-70000", "RTP/AVP/TCP;unicast;interleaved=1-1", "RTP/AVP;interleaved=0-1",
    "RTP/AVP/TCP;interleaved=255-256", "RTP/AVP/TCP;interleaved=", "RTP/AVP;multicast;unicast",
    "RTP/AVP;multicast;mode=RECORD", "RTP/AVP;multicast;multicast", "multicast",
]  # fmt: skip
UNDERSTOOD = {
    "RTP/AVP/TCP": "RTP/AVP/TCP;unicast",
    "RTP/AVP/TCP;interleaved=2-3": "RTP/AVP/TCP;unicast;interleaved=2-3",
    'rtp/avp/tcp; Unicast ;interleaved=2;mode="PLAY"': "RTP/AVP/TCP;unicast;interleaved=2-3",
    "RTP/AVP;unicast;client_port=5000-5001": "RTP/AVP;unicast;client_port=5000-5001",
    "RTP/AVP/UDP;client_port=5000;ssrc=1": "RTP/AVP;unicast;client_port=5000-5001",
    "RTP/SAVP;unicast;client_port=5000-5001": "RTP/SAVP;unicast;client_port=5000-5001",
    "RTP/AVP;multicast;destination=239.1.2.3;port=4000-4001;ttl=9": "RTP/AVP;multicast",
    "RTP/AVP;multicast;x=/TCP": "RTP/AVP;multicast",
}


@pytest.mark.parametrize("header", NOT_UNDERSTOOD)
def test_what_cannot_be_understood_is_no_transport(header):
    assert parse(header) == ()


@pytest.mark.parametrize(("header", "meaning"), UNDERSTOOD.items())
def test_what_is_understood_is_written_in_one_way(header, meaning):
    (found,) = parse(header)
    assert str(found) == meaning
    assert parse(meaning) == (found,)


@given(st.text(st.sampled_from('RTPAVPSUDC/;=,-0159x "multicastunicastinterleavedclient_port'), max_size=90))
def test_any_header_is_understood_or_left_out(header):
    for found in parse(header):
        assert parse(str(found)) == (found,)
        assert not (found.tcp and found.multicast)
        assert found.multicast <= ("multicast" in header.lower())
        assert anywhere(found)
        assert not (under_tls(found) and found.multicast and not found.encrypted)
        assert through_a_tunnel(found) == (found.tcp or found.multicast)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Metadata with a multicast group, which gst-rtsp-server hands to whatever it cannot read."""
    running = RtspServer("127.0.0.1", 0, lambda: {"admin": ("pw", "User")})
    running.mount(
        "words", running.stream(StreamTracks(None, metadata=True), lambda _utc_us: None, {"metadata": "yard"})
    )
    running.group("yard", MulticastGroup("239.255.77.7", 50_770))
    running.serve_tls(0, certified(tmp_path_factory.mktemp("tls")).read_text())
    running.start()
    yield running
    running.stop()


@contextlib.contextmanager
def at(server, door):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    how = {"scheme": "rtsps", "wrap": context.wrap_socket} if door == "secure" else {}
    port = {"outer": server.port, "inner": server.inner_port, "secure": server.secure_port}[door]
    viewer = Client(port, "words", **how)
    try:
        yield viewer, viewer.controls()[0]
    finally:
        viewer.close()


@pytest.mark.parametrize("door", ["outer", "inner", "secure"])
@pytest.mark.parametrize("header", [each for each in NOT_UNDERSTOOD if each])
def test_a_transport_that_cannot_be_understood_is_461(server, door, header):
    with at(server, door) as (viewer, control):
        assert viewer.request("SETUP", control, Transport=header)[0] == 461


UDP, GROUP, INSIDE = "RTP/AVP;unicast;client_port=5000-5001", "RTP/AVP;multicast", "RTP/AVP/TCP;unicast;interleaved=0-1"


@pytest.mark.parametrize(
    ("door", "header"),
    [("secure", GROUP), ("secure", "RTP/AVP;multicast;x=/TCP"), ("secure", UDP), ("inner", UDP),
     ("secure", "RTP/SAVP;unicast;client_port=5000-5001"), ("secure", f"{UDP},{GROUP}")],
)  # fmt: skip
def test_what_a_door_does_not_offer_is_461(server, door, header):
    with at(server, door) as (viewer, control):
        assert viewer.request("SETUP", control, Transport=header)[0] == 461


@pytest.mark.parametrize("before", [GROUP, UDP, "garbage", "RTP/AVP/TCP;multicast"])
def test_the_first_of_several_choices_is_the_one_that_counts(server, before):
    with at(server, "secure") as (viewer, control):
        assert viewer.request("SETUP", control, Transport=f"{before},{INSIDE}")[0] == 461
        status, head, _ = viewer.request("SETUP", control, Transport=f"{INSIDE},{before}")
        assert status == 200, head
        assert "Transport: RTP/AVP/TCP;unicast;interleaved=0-1" in head


@pytest.mark.parametrize("header", ["RTP/AVP; unicast;client_port=5000-5001", "RTP/AVP ;unicast;client_port=5000-5001"])
def test_what_gstreamer_reads_otherwise_than_we_do_is_461_or_unicast(server, header):
    with at(server, "outer") as (viewer, control):
        status, head, _ = viewer.request("SETUP", control, Transport=header)
        assert status == 461 or "unicast" in head
