"""HTTPS of the camera: by configuration and SetNetworkProtocols, with its own certificate, TLS 1.2 and newer."""

import asyncio
import socket
import ssl

import aiohttp
import pytest

from onvif import names
from onvif.client import Camera
from onvif.errors import StateError, Unreachable
from onvif.names import TDS
from onvif.tls import server_tls
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, running


async def switch(camera, *, on, port):
    """SetNetworkProtocols, then wait until the listener has followed."""
    wanted = [{"Name": "HTTPS", "Enabled": on, "Port": [port]}]
    await camera.client()(TDS, "SetNetworkProtocols", NetworkProtocols=wanted)
    async with asyncio.timeout(60):
        await asyncio.gather(*camera.web._announcements)


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
    pin = aiohttp.Fingerprint(bytes.fromhex(camera.web.https.fingerprint))
    async with await Camera.connect(address, "user", password, tls=pin) as client:
        assert client.services[names.TR2] == f"{address}/onvif/media2"
        (profile, _) = await client.profiles()
        assert (await client.snapshot(profile)).startswith(b"\xff\xd8")
    with pytest.raises(Unreachable):
        await Camera.connect(address, "user", password, tls=aiohttp.Fingerprint(b"\0" * 32))
    await switch(camera, on=False, port=port)
    with pytest.raises(Unreachable):
        await Camera.connect(address, "user", password)
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


async def test_the_certificate_stays_over_restarts_and_a_broken_one_is_said(tmp_path):
    first = server_tls(tmp_path, "gate", ("192.0.2.1",))
    assert server_tls(tmp_path, "gate", ()).fingerprint == first.fingerprint
    assert (tmp_path / "server.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "server.crt").write_text("nonsense")
    with pytest.raises(StateError, match=r"server\.crt"):
        server_tls(tmp_path, "gate", ())


async def test_a_taken_port_leaves_plain_http_alone(camera, caplog):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        await switch(camera, on=True, port=taken.getsockname()[1])
        assert "HTTPS cannot be served" in caplog.text
        assert (await camera.client()(TDS, "GetHostname")).HostnameInformation.Name


async def test_https_by_configuration(tmp_path):
    async with running(tmp_path, https=True) as camera:
        address = f"https://127.0.0.1:{camera.web.https.port}"
        client = await Camera.connect(address, "user", PASSWORDS[Level.USER])
        assert client.information.serial == "T-1"
        await client.close()
