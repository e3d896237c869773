"""RTSP inside HTTP, HTTPS, WebSocket and WebSocket over TLS, on the web services' port."""

import asyncio
import contextlib
import re
import socket
import ssl
import subprocess
from itertools import islice

import aiohttp
import pytest
from aiohttp import web
from camera_feed import HEIGHT, WIDTH, Feed
from websocket_rtsp import WebSocketRtsp

from nvr_box.record.source import RecordedStream
from onvif.rtsp import client_sweep
from onvif.rtsp.tunnel import MOST_PER_ADDRESS, MOST_TUNNELS, PROTOCOL, WEBSOCKET_PATH, Tunnels

USER, PASSWORD = "admin", "pw"


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """(server's, client's) for TLS."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=camera", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]  # fmt: skip
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))


@pytest.fixture(scope="module")
def feed():
    running = Feed(lambda: {USER: (PASSWORD, "Administrator")})
    yield running
    running.close()


@contextlib.asynccontextmanager
async def served(feed, context=None, host="127.0.0.1"):
    """The port of a web application with the tunnels."""
    app = web.Application()
    Tunnels(lambda: feed.server.inner_port, feed.server.origins).install(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_the_box_records_through_the_tunnel_with_its_guard_of_the_password_between(feed):
    def packets(port):
        source = RecordedStream(f"rtsp://127.0.0.1:{port}/main", USER, PASSWORD, "http")
        try:
            return [timed.packet.size for timed in islice(source.packets(lambda _: None), 20)]
        finally:
            source.close()

    async with served(feed) as port:
        assert all(await asyncio.to_thread(packets, port))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_ffmpeg_comes_through_the_tunnel(feed, contexts, scheme):
    async with served(feed, contexts[0] if scheme == "https" else None) as port:
        process = await asyncio.create_subprocess_exec(
            "ffprobe", "-v", "error", "-rtsp_transport", scheme, "-show_entries", "stream=codec_name,width,height",
            "-of", "csv=p=0", f"rtsp://{USER}:{PASSWORD}@127.0.0.1:{port}/main",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, errors = await asyncio.wait_for(process.communicate(), 90)
        assert f"h264,{WIDTH},{HEIGHT}" in out.decode(), errors.decode()


async def test_the_post_is_called_to_this_port_and_not_to_the_rtsp_server_behind(feed):
    # The RTSP server behind is at 127.0.0.1, the web services of this test at another address of the same host.
    async with served(feed, host="127.0.0.2") as port:
        reader, writer = await asyncio.open_connection("127.0.0.2", port)
        head = ["GET /main HTTP/1.0", "Host: camera", "x-sessioncookie: here-1",
                "Accept: application/x-rtsp-tunnelled"]  # fmt: skip
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
        answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode()
        writer.close()
    assert answer.split()[1] == "200"
    assert re.search(r"(?i)x-server-ip-address: *(\S+)", answer)[1] == "127.0.0.2"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_websocket_carries_rtsp_and_its_packets(feed, contexts, scheme):
    secure = scheme == "wss"
    async with (
        served(feed, contexts[0] if secure else None) as port,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{scheme}://127.0.0.1:{port}{WEBSOCKET_PATH}", protocols=[PROTOCOL],
                           ssl=contexts[1] if secure else True) as link,
    ):  # fmt: skip
        assert link.protocol == PROTOCOL
        rtsp = WebSocketRtsp(link, f"rtsp://127.0.0.1:{port}/main", USER, PASSWORD)
        status, head, description = await rtsp.ask("DESCRIBE", Accept="application/sdp")
        assert status == 200
        base = re.search(r"Content-Base: (\S+)", head)[1]
        controls = [control for control in re.findall(r"a=control:(\S+)", description) if control != "*"]
        url = controls[0] if "://" in controls[0] else base + controls[0]
        assert (await rtsp.ask("SETUP", url, Transport="RTP/AVP;unicast;client_port=5000-5001"))[0] == 461
        assert (await rtsp.ask("SETUP", url, Transport="RTP/AVP/TCP;unicast;interleaved=0-1"))[0] == 200
        assert (await rtsp.ask("PLAY", base))[0] == 200
        kinds = [(await rtsp.packet())[1][1] & 0x7F for _ in range(40)]
        assert kinds.count(96) > 30


async def test_a_tunnel_that_never_gets_a_session_ends(feed, monkeypatch):
    """Sixty-four of them held all tunnels of a camera; the RTSP server behind ends those that say nothing."""
    monkeypatch.setattr(client_sweep, "PATIENCE_S", 0.5)
    async with served(feed) as port, aiohttp.ClientSession() as session, asyncio.timeout(60):
        idle = [await session.ws_connect(f"http://127.0.0.1:{port}{WEBSOCKET_PATH}") for _ in range(MOST_PER_ADDRESS)]
        for link in idle:
            assert (await link.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        async with session.ws_connect(f"http://127.0.0.1:{port}{WEBSOCKET_PATH}") as link:
            rtsp = WebSocketRtsp(link, f"rtsp://127.0.0.1:{port}/main", USER, PASSWORD)
            assert (await rtsp.ask("DESCRIBE", Accept="application/sdp"))[0] == 200


async def test_tunnels_are_limited_and_a_silent_rtsp_server_is_said(feed):
    async with served(feed) as port, contextlib.AsyncExitStack() as stack:
        url = f"http://127.0.0.1:{port}{WEBSOCKET_PATH}"
        sessions = []
        for number in range(MOST_TUNNELS // MOST_PER_ADDRESS + 1):
            connector = aiohttp.TCPConnector(local_addr=(f"127.0.0.{number + 1}", 0))
            sessions.append(await stack.enter_async_context(aiohttp.ClientSession(connector=connector)))
        for session in sessions[:-1]:
            for _ in range(MOST_PER_ADDRESS):
                await stack.enter_async_context(session.ws_connect(url))
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url)
            assert refused.value.status == 503
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await sessions[-1].ws_connect(url)
        assert refused.value.status == 503
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    app = web.Application()
    Tunnels(lambda: nobody, {}).install(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{runner.addresses[0][1]}{WEBSOCKET_PATH}") as answer,
    ):
        assert answer.status == 503
    await runner.cleanup()
