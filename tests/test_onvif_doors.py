"""The ports of the box's ONVIF face: HTTPS, RTSPS with the page's certificate; SetNetworkProtocols moves them."""

import asyncio
import hashlib
import socket
import ssl
import subprocess

import pytest

from nvr_box.web import certificate
from onvif import names
from onvif.errors import Fault, Unreachable
from onvif.names import TRP
from onvif.users import Level
from tests.box_fakes import plain_h264, record_file
from tests.onvif_box import PATHS, START_US, running
from tests.onvif_camera import PASSWORDS, Client
from tests.test_onvif_replay import FRAMES

SETUP = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}


@pytest.fixture
async def box(tmp_path):
    page = certificate.ensure(tmp_path / "web", ("127.0.0.1",))

    def record(segments, camera):
        record_file(segments, camera, plain_h264(tmp_path / "clip.h264", FRAMES), START_US)

    async with running(tmp_path, cameras=1, record=record, tls=page.context) as started:
        started.fingerprint = page.fingerprint
        yield started


def at_port(box, port, scheme="http"):
    client = Client(f"{scheme}://127.0.0.1:{port}", Level.ADMINISTRATOR.lower(), PASSWORDS[Level.ADMINISTRATOR], PATHS)
    box.clients.append(client)
    return client


async def protocols(client):
    listed = (await client(names.TDS, "GetNetworkProtocols")).NetworkProtocols
    return {one.Name: (one.Enabled, one.Port[0]) for one in listed}


def frames(address, transport):
    words = ["ffprobe", "-v", "error", "-rtsp_transport", transport, "-read_intervals", "%+#10", "-select_streams", "v",
             "-show_entries", "frame=width", "-of", "csv=p=0", "-i", address]  # fmt: skip
    return len(subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout.split())


async def test_services_and_replay_under_tls(box):
    secure = at_port(box, box.face.ports.https, "https")
    assert (await protocols(secure))["HTTPS"] == (True, box.face.ports.https)
    uri = (await secure(TRP, "GetReplayUri", StreamSetup=SETUP, RecordingToken="recording-1")).Uri
    assert uri == f"rtsps://127.0.0.1:{box.face.replay.port_of('tls')}/recording-1"
    plain = (await box.client()(TRP, "GetReplayUri", StreamSetup=SETUP, RecordingToken="recording-1")).Uri
    assert plain.startswith("rtsp://")
    account = f"user:{PASSWORDS[Level.USER]}@"
    assert await asyncio.to_thread(frames, uri.replace("://", f"://{account}"), "tcp") >= 8
    tunnel = f"rtsp://{account}127.0.0.1:{box.face.ports.https}/recording-1"
    assert await asyncio.to_thread(frames, tunnel, "https") >= 8
    served = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", box.face.replay.port_of("tls")))
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(served)).hexdigest() == box.fingerprint


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_old_tls_is_refused(box):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    for port in (box.face.ports.https, box.face.replay.port_of("tls")):
        with pytest.raises((ssl.SSLError, OSError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=old)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def test_protocols_move_at_once_and_stay(tmp_path):
    page, port = certificate.ensure(tmp_path / "web", ("127.0.0.1",)), free_port()
    async with running(tmp_path, cameras=1, tls=page.context) as box:
        before = box.face.ports.http
        wanted = [{"Name": "HTTP", "Enabled": True, "Port": [port]}, {"Name": "RTSP", "Enabled": False, "Port": [554]}]
        await box.client()(names.TDS, "SetNetworkProtocols", NetworkProtocols=wanted)
        moved = at_port(box, port)
        async with asyncio.timeout(60):
            while box.face.ports.http != port or box.face.replay_port():  # noqa: ASYNC110 - a socket tells nobody
                await asyncio.sleep(0.05)
        assert await protocols(moved) == {
            "HTTP": (True, port), "RTSP": (False, 554), "HTTPS": (True, box.face.ports.https),
        }  # fmt: skip
        with pytest.raises(Unreachable):
            await protocols(at_port(box, before))
        for odd, subcode in (
            ([{"Name": "HTTP", "Enabled": False, "Port": [80]}, {"Name": "HTTPS", "Enabled": False, "Port": [443]}],
             "OperationProhibited"),
            ([{"Name": "HTTPS", "Enabled": True, "Port": [port]}], "PortAlreadyInUse"),
        ):  # fmt: skip
            with pytest.raises(Fault, match=subcode):
                await moved(names.TDS, "SetNetworkProtocols", NetworkProtocols=odd)
    async with running(tmp_path, cameras=1, tls=page.context) as box:
        assert box.face.ports.http == port
        assert box.face.replay_port() == 0
        assert box.face.replay.port_of("inner")


async def test_a_box_without_a_certificate_offers_none(tmp_path):
    async with running(tmp_path, cameras=1) as box:
        assert set(await protocols(box.client())) == {"HTTP", "RTSP"}
        assert box.face.ports.https == box.face.replay.port_of("tls") == 0
