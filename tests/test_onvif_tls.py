"""HTTPS of the camera: by configuration and SetNetworkProtocols, with its own certificate, TLS 1.2 and newer."""

import asyncio
import socket
import ssl

import aiohttp
import pytest

from onvif import names
from onvif.client import OnvifClient
from onvif.errors import Fault, Unreachable
from onvif.events.bus import Bus
from onvif.events.topics import CAMERA, STORAGE_FAILURE
from onvif.keystore import Keystore
from onvif.keystore.serving import ServerTls
from onvif.names import TDS
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, running


async def switch(camera, *, on, port):
    """SetNetworkProtocols, then wait until the listener has followed."""
    wanted = [{"Name": "HTTPS", "Enabled": on, "Port": [port]}]
    await camera.client()(TDS, "SetNetworkProtocols", NetworkProtocols=wanted)
    async with asyncio.timeout(60):
        await asyncio.gather(*camera.web.host._tasks)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


async def test_https_is_switched_on_used_pinned_and_switched_off(camera):
    port = free_port()
    await switch(camera, on=True, port=port)
    shown = {one.Name: one for one in (await camera.client()(TDS, "GetNetworkProtocols")).NetworkProtocols}
    assert (shown["HTTPS"].Enabled, shown["HTTPS"].Port) == (True, [port])
    address, password = f"https://127.0.0.1:{port}", PASSWORDS[Level.USER]
    pin = aiohttp.Fingerprint(bytes.fromhex(camera.web.rtsp_ports.tls.fingerprint))
    async with await OnvifClient.connect(address, "user", password, tls=pin) as client:
        assert client.services[names.TR2] == f"{address}/onvif/media2"
        (profile, _) = await client.profiles()
        assert (await client.snapshot(profile)).startswith(b"\xff\xd8")
    with pytest.raises(Unreachable):
        await OnvifClient.connect(address, "user", password, tls=aiohttp.Fingerprint(b"\0" * 32))
    await switch(camera, on=False, port=port)
    with pytest.raises(Unreachable):
        await OnvifClient.connect(address, "user", password)
    assert await camera.client()(TDS, "GetHostname")


async def test_old_tls_is_refused(camera):
    port = free_port()
    await switch(camera, on=True, port=port)

    def versions(least, most):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = least, most
        with socket.create_connection(("127.0.0.1", port), 30) as plain, context.wrap_socket(plain) as secure:
            return secure.version()

    v = ssl.TLSVersion
    assert await asyncio.to_thread(versions, v.TLSv1_2, v.TLSv1_2) == "TLSv1.2"
    assert await asyncio.to_thread(versions, v.TLSv1_3, v.TLSv1_3) == "TLSv1.3"
    with pytest.raises(OSError):
        await asyncio.to_thread(versions, v.TLSv1, v.TLSv1_1)


async def test_the_certificate_stays_over_restarts_and_a_broken_keystore_is_put_aside(tmp_path):
    first = Keystore(tmp_path, Bus(CAMERA))
    first.ensure_own("gate", ("192.0.2.1",))
    again = Keystore(tmp_path, Bus(CAMERA))
    again.ensure_own("gate", ())
    assert ServerTls(again).fingerprint == ServerTls(first).fingerprint
    assert (tmp_path / "keystore.json").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keystore.json", "keystore.json.kept"]
    assert (tmp_path / "keystore.json.kept").stat().st_mode & 0o777 == 0o600
    (tmp_path / "keystore.json").write_text("nonsense")
    bus = Bus(CAMERA)
    assert ServerTls(Keystore(tmp_path, bus)).fingerprint == ServerTls(first).fingerprint
    assert [(dict(each.source), dict(each.data)) for each in bus.states() if each.topic == STORAGE_FAILURE.path] == [
        ({"Token": "keystore.json"}, {"Failed": "true"})
    ]


async def test_a_port_that_is_taken_is_refused(camera):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        wanted = [{"Name": "HTTPS", "Enabled": True, "Port": [taken.getsockname()[1]]}]
        with pytest.raises(Fault) as refused:
            await camera.client()(TDS, "SetNetworkProtocols", NetworkProtocols=wanted)
        assert refused.value.subcodes[-1] == "PortAlreadyInUse"
    assert (await camera.client()(TDS, "GetHostname")).HostnameInformation.Name


async def test_http_moves_goes_and_comes_back(camera, tmp_path):
    """The reply goes out on the connection that asked; what a client chose outlives a restart."""
    http, https = free_port(), free_port()
    client = camera.client()
    wanted = [{"Name": "HTTP", "Enabled": True, "Port": [http]}, {"Name": "HTTPS", "Enabled": True, "Port": [https]}]
    await client(TDS, "SetNetworkProtocols", NetworkProtocols=wanted)
    async with asyncio.timeout(60):
        await asyncio.gather(*camera.web.host._tasks)
    assert (camera.web.ports.http, camera.web.ports.https) == (http, https)
    client.base = f"http://127.0.0.1:{http}"
    assert await client(TDS, "GetHostname")
    assert await reachable(camera.base) is False
    secure = camera.client()
    secure.base = f"https://127.0.0.1:{https}"
    await secure(TDS, "SetNetworkProtocols", NetworkProtocols=[{"Name": "HTTP", "Enabled": False, "Port": [http]}])
    async with asyncio.timeout(60):
        await asyncio.gather(*camera.web.host._tasks)
    assert await reachable(f"http://127.0.0.1:{http}") is False
    shown = {one.Name: one.Enabled for one in (await secure(TDS, "GetNetworkProtocols")).NetworkProtocols}
    assert shown == {"HTTP": False, "HTTPS": True, "RTSP": True}


async def test_the_chosen_ports_outlive_a_restart(tmp_path):
    http = free_port()
    async with running(tmp_path) as camera:
        await camera.client()(TDS, "SetNetworkProtocols",
                              NetworkProtocols=[{"Name": "HTTP", "Enabled": True, "Port": [http]}])  # fmt: skip
        async with asyncio.timeout(60):
            await asyncio.gather(*camera.web.host._tasks)
    async with running(tmp_path) as camera:
        assert camera.web.ports.http == http
    with socket.create_server(("127.0.0.1", http)):
        async with running(tmp_path) as camera:
            assert camera.web.ports.http not in {0, http}  # the operator's own is the way back in


async def reachable(base):
    host, _, port = base.partition("://")[2].partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_https_by_configuration(tmp_path):
    async with running(tmp_path, https=True) as camera:
        address = f"https://127.0.0.1:{camera.web.ports.https}"
        client = await OnvifClient.connect(address, "user", PASSWORDS[Level.USER])
        assert client.information.serial == "T-1"
        await client.close()
