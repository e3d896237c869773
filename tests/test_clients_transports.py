"""Clients that are not ours, on another host than the camera: every transport that each asks for brings pictures.

The camera and the clients are in network namespaces of their own, joined by a cable, for multicast is not seen on
loopback. The camera's HTTPS is on.
"""

import contextlib
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests import foreign
from tests.camera_process import camera_process
from tests.rtspsrc import received
from tests.two_hosts import DEVICE, DEVICE_V6, speak_ipv6, two_hosts

pytestmark = pytest.mark.long

HTTPS, RTSPS = 8443, 8322
CLIENTS = ["onvif-python", "onvif-zeep-async", "onveef", "npm-onvif", "node-onvif"]
SIZES = {"main": (384, 288), "sub": (192, 144)}


@pytest.fixture(scope="module")
def hosts():
    with two_hosts() as joined:
        yield joined


def started(hosts, folder):
    extra = f"https = true\nhttps_port = {HTTPS}\nrtsps_port = {RTSPS}\ndiscovery = false"
    return camera_process(folder, address="0.0.0.0", extra=extra, prefix=hosts.device)


@pytest.fixture(scope="module")
def camera(hosts, tmp_path_factory):
    with started(hosts, tmp_path_factory.mktemp("camera")) as running:
        yield replace(running, host=DEVICE)
        assert "Traceback" not in running.log.read_text(errors="replace")


@pytest.fixture(scope="module")
def flows(hosts, camera):
    """What each client's flow told, run once."""
    told = {}

    def flow(name):
        if name not in told:
            foreign.command(name)  # the environment is made outside the namespace, which has no way to a registry
            told[name] = foreign.told(name, camera.host, camera.web, camera.user, camera.password, HTTPS,
                                      prefix=hosts.client)  # fmt: skip
        return told[name]

    return flow


@pytest.mark.parametrize("transport", list(foreign.TRANSPORTS))
@pytest.mark.parametrize("client", CLIENTS)
def test_the_address_that_a_client_got_brings_pictures(hosts, camera, flows, client, transport):
    uri = flows(client)["streams"][transport]
    assert uri.startswith({"http": "http://", "https": "https://"}.get(transport, "rtsp://")), uri
    assert foreign.decoded(uri, camera, transport, prefix=hosts.client) == 5


@pytest.mark.parametrize("transport", list(foreign.TRANSPORTS))
@pytest.mark.parametrize("token", list(SIZES))
def test_ffmpeg_opens_every_profile_over_every_transport(hosts, camera, token, transport):
    port = {"http": camera.web, "https": HTTPS}.get(transport, camera.rtsp)
    streams = foreign.probe(f"rtsp://{DEVICE}:{port}/{token}", camera, transport, prefix=hosts.client)
    assert (streams["video"]["width"], streams["video"]["height"]) == SIZES[token]


@pytest.mark.parametrize("transport", ["udp", "tcp", "http", "https", "multicast", "rtsps", "srtp-udp", "srtp-tcp"])
def test_gstreamer_decodes(hosts, camera, transport):
    # rtsph:// and rtspsh:// are GStreamer's own names of the tunnels.
    location, protocols = {
        "udp": (f"rtsp://{DEVICE}:{camera.rtsp}/main", "udp"),
        "tcp": (f"rtsp://{DEVICE}:{camera.rtsp}/main", "tcp"),
        "http": (f"rtsph://{DEVICE}:{camera.web}/main", "tcp+http"),
        "https": (f"rtspsh://{DEVICE}:{HTTPS}/main", "tcp+http+tls"),
        "multicast": (f"rtsp://{DEVICE}:{camera.rtsp}/main", "udp-mcast"),
        "rtsps": (f"rtsps://{DEVICE}:{RTSPS}/main", "tcp"),
        "srtp-udp": (f"rtsps://{DEVICE}:{RTSPS}/srtp/main", "udp"),
        "srtp-tcp": (f"rtsps://{DEVICE}:{RTSPS}/srtp/main", "tcp"),
    }[transport]
    received(location, camera.user, camera.password, protocols, prefix=hosts.client)


def test_a_camera_told_to_listen_on_ipv6_serves_there(hosts, tmp_path):
    speak_ipv6(hosts)
    with camera_process(tmp_path, address="::", extra="discovery = false", prefix=hosts.device) as running:
        at = f"[{DEVICE_V6}]"
        named = ask(hosts, running, "media2", "GetStreamUri", host=at, Protocol="RtspUnicast", ProfileToken="main")
        assert named["Uri"] == f"rtsp://{at}:{running.rtsp}/main"
        for transport, port in {"tcp": running.rtsp, "udp": running.rtsp, "http": running.web}.items():
            uri = f"rtsp://{at}:{port}/main"
            assert foreign.decoded(uri, running, transport, prefix=hosts.client) == 5


def ask(hosts, camera, service, operation, *, host=DEVICE, **values):
    """An operation of ours, called from the client's host."""
    code = (
        "import asyncio, json, sys\n"
        "from onvif.soap_transport import Carrier\n"
        "from onvif.registry import load\n"
        "async def main(base, user, password, namespace, name, path, values):\n"
        "    found, carrier = load().operation(namespace, name), Carrier(user, password, timeout_s=60)\n"
        "    try:\n"
        "        reply = found.decode_reply(await carrier.request(base + path, found.encode_request(values)))\n"
        "    finally:\n"
        "        await carrier.close()\n"
        "    print(json.dumps(reply, default=lambda value: getattr(value, '__values__', None) or str(value)))\n"
        "asyncio.run(main(*json.loads(sys.argv[1])))\n"
    )
    namespace = f"http://www.onvif.org/{'ver20' if service == 'media2' else 'ver10'}/{service.strip('2')}/wsdl"
    arguments = [f"http://{host}:{camera.web}", camera.user, camera.password, namespace, operation,
                 f"/onvif/{service}", values]  # fmt: skip
    done = subprocess.run([*hosts.client, sys.executable, "-c", code, json.dumps(arguments)], timeout=120, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


RECEIVER = """
import json, socket, struct, sys, time
group, port, own, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((group, port))
sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(own))
sock.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL of ip(7), which Python has no name for
sock.settimeout(0.2)
print("listening", flush=True)
until, sources, kinds, ttls = time.monotonic() + seconds, set(), {}, set()
while time.monotonic() < until and not (len(sys.argv) > 5 and sum(kinds.values()) >= int(sys.argv[5])):
    try:
        data, rest, _, _ = sock.recvmsg(65536, 64)
    except TimeoutError:
        continue
    kinds[data[1] & 127] = kinds.get(data[1] & 127, 0) + 1
    sources.add(data[8:12].hex())
    ttls |= {value[0] for _, kind, value in rest if kind == socket.IP_TTL}
print(json.dumps({"kinds": kinds, "sources": len(sources), "ttls": sorted(ttls)}))
"""


@contextlib.contextmanager
def listening(hosts, group, port, seconds, enough=None):
    """A host that joined a group and has no RTSP session; yields a function that waits for what it heard."""
    line = [*hosts.client, sys.executable, "-c", RECEIVER, group, str(port), "10.77.0.2", str(seconds)]
    line += [str(enough)] if enough else []
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "listening"
        yield lambda: json.loads(process.communicate(timeout=seconds + 30)[0])


def heard(hosts, group, port, *, seconds=40.0, enough=100):
    with listening(hosts, group, port, seconds, enough) as result:
        return result()


def encoder(hosts, camera, token):
    found = ask(hosts, camera, "media2", "GetVideoEncoderConfigurations", ConfigurationToken=token)
    return found[0] if isinstance(found, list) else found["Configurations"][0]


def group_of(configuration):
    multicast = configuration["Multicast"]
    return multicast["Address"]["IPv4Address"], multicast["Port"]


def test_multicast_without_rtsp_starts_stops_moves_and_outlives_a_restart(hosts, tmp_path):
    with started(hosts, tmp_path) as running:
        before = encoder(hosts, running, "sub")
        assert before["Multicast"]["AutoStart"] is False
        group, port = group_of(before)
        assert heard(hosts, group, port, seconds=1.0)["kinds"] == {}
        ask(hosts, running, "media2", "StartMulticastStreaming", ProfileToken="sub")
        first = heard(hosts, group, port)
        assert first["kinds"]["96"] >= 100
        assert first["sources"] == 1
        assert first["ttls"] == [1]
        assert encoder(hosts, running, "sub")["Multicast"]["AutoStart"] is True
        # An RTSP client of the same profile joins the same group: there is still one sender.
        with listening(hosts, group, port, 8.0) as result:
            uri = f"rtsp://{DEVICE}:{running.rtsp}/sub"
            streams = foreign.probe(uri, replace(running, host=DEVICE), "tcp", prefix=hosts.client)
            assert (streams["video"]["width"], streams["video"]["height"]) == SIZES["sub"]
            assert result()["sources"] == 1
        moved = {"Address": {"Type": "IPv4", "IPv4Address": "239.9.8.7"}, "Port": 45000, "TTL": 5, "AutoStart": False}
        wanted = {key: value for key, value in before.items() if value is not None}
        ask(hosts, running, "media2", "SetVideoEncoderConfiguration", Configuration={**wanted, "Multicast": moved})
        assert heard(hosts, "239.9.8.7", 45000)["ttls"] == [5]
        assert heard(hosts, group, port, seconds=2.0)["kinds"] == {}
    with started(hosts, tmp_path) as again:
        assert heard(hosts, "239.9.8.7", 45000)["kinds"]["96"] >= 100
        metadata = ask(hosts, again, "media2", "GetMetadataConfigurations")
        metadata = metadata[0] if isinstance(metadata, list) else metadata["Configurations"][0]
        assert heard(hosts, *group_of(metadata), enough=3)["kinds"]["107"] >= 3
        ask(hosts, again, "media", "StopMulticastStreaming", ProfileToken="sub")
        assert encoder(hosts, again, "sub")["Multicast"]["AutoStart"] is False
        silence = [heard(hosts, "239.9.8.7", 45000, seconds=1.0)["kinds"] for _ in range(5)]
        assert silence[-1] == {}
