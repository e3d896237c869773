"""Connections are bounded before they cost anything: in all, by address and in time, on every port that listens."""

import asyncio
import contextlib
import gzip
import resource
import socket
import ssl

import aiohttp
import pytest
from aiohttp import web
from box_fakes import PASSWORD, USER, RtspCamera

from nvr_box.record.source import RecordedStream
from onvif import connection_bounds
from onvif.connection_bounds import Bounds, ConnectionLimit, bound_connections, read_in_time, runner_of
from onvif.listener import PortListener
from onvif.rtsp import client_sweep, replay
from onvif.rtsp.replay import ReplayServer
from tests.onvif_pki import certificate, ecc, key_pem, pem

PATIENCE_S = 20


async def until(true):
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def serving(bounds, *, tls=None):
    async def here(_request):
        return web.Response(text="here")

    async def hold(_request):
        await asyncio.Event().wait()

    async def echo(request):
        return web.Response(body=await read_in_time(request, most=100, limit_s=0.5))

    app = web.Application()
    limit = ConnectionLimit(bounds)
    bound_connections(app, limit)
    app.add_routes([web.get("/", here), web.get("/hold", hold)])
    app.add_routes([web.post("/", echo)])
    runner = await runner_of(app)
    listener = PortListener(runner, "127.0.0.1")
    await listener.open(0, tls)
    try:
        yield listener.port, limit
    finally:
        await runner.cleanup()


async def connected(port, address="127.0.0.1", said=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(said)
    return reader, writer


async def ended(reader):
    """The other end closed."""
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):
            await reader.read()
    return True


async def answered(port, address="127.0.0.1"):
    reader, writer = await connected(port, address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):
            said = await reader.read()
            writer.close()
            return said.endswith(b"here")
    return False


@pytest.mark.parametrize("said", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01"])
@pytest.mark.parametrize("secure", [False, True])
async def test_who_does_not_ask_in_time_goes(said, secure, tmp_path):
    tls = None
    if secure:
        key = ecc()
        (tmp_path / "pem").write_text(pem(certificate("here", key)) + key_pem(key))
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(tmp_path / "pem")
    async with serving(Bounds(patience_s=0.3), tls=tls) as (port, limit):
        reader, writer = await connected(port, said=said)
        assert await ended(reader)
        writer.close()
        await until(lambda: not len(limit))


async def test_a_head_in_drips_is_cut_too():
    async with serving(Bounds(patience_s=0.5)) as (port, limit):
        reader, writer = await connected(port, said=b"GET / HTTP/1.1\r\n")
        gone = asyncio.create_task(ended(reader))
        while not gone.done():
            writer.write(b"a: b\r\n")
            with contextlib.suppress(TimeoutError, ConnectionError):
                await asyncio.wait_for(asyncio.shield(gone), 0.05)
        assert await gone
        await until(lambda: not len(limit))


async def test_who_has_asked_stays_and_idle_ones_make_room():
    async with serving(Bounds(in_all=8, per_address=4)) as (port, limit):
        holding = [await connected(port, said=b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(2)]
        await until(lambda: sum(guest.has_requested for guest in limit._connections.values()) == 2)
        idle = [await connected(port) for _ in range(10)]
        assert await answered(port)
        assert len(limit) <= 4
        for reader, _ in idle[:-2]:
            assert await ended(reader)
        for reader, writer in holding:
            assert not reader.at_eof()
            writer.close()
        for _, writer in idle:
            writer.close()
        await until(lambda: not len(limit))
        assert not limit._by_address


async def test_a_full_address_leaves_room_for_the_others_and_a_full_port_takes_nobody():
    async with serving(Bounds(in_all=6, per_address=4)) as (port, limit):
        ask = b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
        kept = [await connected(port, said=ask) for _ in range(4)]
        await until(lambda: sum(guest.has_requested for guest in limit._connections.values()) == 4)
        assert not await answered(port)
        assert await answered(port, "127.0.0.2")
        await until(lambda: len(limit) == 4)
        kept += [await connected(port, "127.0.0.2", ask) for _ in range(2)]
        await until(lambda: sum(guest.has_requested for guest in limit._connections.values()) == 6)
        assert not await answered(port, "127.0.0.3")
        kept.pop()[1].close()
        await until(lambda: len(limit) == 5)
        assert await answered(port, "127.0.0.3")
        for _, writer in kept:
            writer.close()


def crowd_in(port, links):
    for number in range(1100):
        source = f"127.0.0.{1 + number % 5}", 0
        links.append(socket.create_connection(("127.0.0.1", port), source_address=source))


async def test_eleven_hundred_idle_connections_leave_the_port_open():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    links = []
    try:
        async with serving(Bounds()) as (port, limit):
            await asyncio.to_thread(crowd_in, port, links)
            assert await answered(port)
            assert await answered(port, "127.0.0.9")
            assert len(limit) <= limit.bounds.most
    finally:
        for link in links:
            link.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_body_has_to_come_in_time_and_in_size():
    async with serving(Bounds()) as (port, _), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}/"

        async def slowly():
            yield b"a"
            await asyncio.sleep(1)
            yield b"b"

        async def large():
            for _ in range(20):
                yield b"a" * 10

        async with session.post(url, data=slowly()) as reply:
            assert reply.status == 408
        async with session.post(url, data=large()) as reply:
            assert reply.status == 413
        async with session.post(url, data=b"a" * 101) as reply:
            assert reply.status == 413
        async with session.post(url, data=b"a" * 100) as reply:
            assert await reply.read() == b"a" * 100


def test_few_files_mean_few_connections(monkeypatch):
    monkeypatch.setattr(connection_bounds.resource, "getrlimit", lambda _which: (600, 600))
    assert Bounds(in_all=512).most == 100


async def test_replay_ends_those_without_a_session_and_is_not_held_by_them(monkeypatch):
    monkeypatch.setattr(replay, "BOUNDS", Bounds(in_all=8, per_address=4, patience_s=0.5))
    server = ReplayServer(None, None)
    await server.open("plain", "127.0.0.1", 0)
    await server.open("inner", "127.0.0.1", 0)
    ask = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    tunnel = b"GET / HTTP/1.0\r\nx-sessioncookie: c\r\n\r\n"
    idle = [await connected(server.port) for _ in range(40)]
    reader, writer = await connected(server.port, said=ask)
    assert (await reader.readline()).startswith(b"RTSP/1.0 200")
    for port in (server.port, server.port_of("inner")):
        for said in (b"", b"$", b"OPTIONS * RTSP/1.0\r\n", ask, tunnel):
            late, other = await connected(port, "127.0.0.2", said)
            async with asyncio.timeout(PATIENCE_S):
                with contextlib.suppress(ConnectionError):
                    await late.read()
            other.close()
    assert await ended(idle[-1][0])
    for _, each in [*idle, (reader, writer)]:
        each.close()
    await until(lambda: not server._tasks)
    await server.stop()
    assert not len(server.limit)
    assert not server.tunnels


class Guest:
    """What `Visitors` asks of a client of gst-rtsp-server."""

    def __init__(self, address, sessions=0):
        self.address, self.sessions, self.closed = address, sessions, None

    def session_filter(self, note):
        for _ in range(self.sessions):
            note(self, None)

    def connect(self, _signal, closed):
        self.closed = closed


def test_visitors_of_a_door_make_room(monkeypatch):
    monkeypatch.setattr(client_sweep, "MOST", 4)
    monkeypatch.setattr(client_sweep, "MOST_PER_ADDRESS", 2)
    gone = []
    door = client_sweep.ClientSweep(lambda client: client.address, gone.append)
    first, second, third = Guest("a", sessions=1), Guest("a"), Guest("a")
    for guest in (first, second, third):
        door.add(guest)
    assert gone == [second], "the one without a session"
    third.sessions = 1
    late = Guest("a")
    door.add(late)
    assert gone == [second, late]
    others = [Guest("b", 1), Guest("c", 1)]
    for guest in others:
        door.add(guest)
    full = Guest("d")
    door.add(full)
    assert gone[-1] is full
    others[0].closed(others[0])
    door.add(fresh := Guest("d"))
    monkeypatch.setattr(client_sweep, "PATIENCE_S", -1)
    third.sessions = 0
    door.sweep()
    assert gone[3:] == [third, fresh]


async def test_the_camera_s_rtsp_port_ends_who_says_nothing(monkeypatch):
    monkeypatch.setattr(client_sweep, "PATIENCE_S", 1.0)
    monkeypatch.setattr("onvif.rtsp.serve._FORGET_EVERY_S", 0.2)
    with RtspCamera() as camera:
        idle = [await connected(camera.server.port) for _ in range(client_sweep.MOST_PER_ADDRESS + 8)]
        said = [await connected(camera.server.port, said=b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n") for _ in range(2)]
        source = await asyncio.to_thread(RecordedStream, camera.uri, USER, PASSWORD)
        packets = source.packets(lambda _payload: None)
        assert await asyncio.to_thread(next, packets)
        for reader, _ in (*idle, *said):
            async with asyncio.timeout(PATIENCE_S):
                with contextlib.suppress(ConnectionError):
                    await reader.read()
        assert await asyncio.to_thread(lambda: [next(packets) for _ in range(30)]), "who has a session stays"
        source.close()
        for _, writer in (*idle, *said):
            writer.close()


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br", "GZIP, identity"])
async def test_what_is_packed_is_refused_and_never_unpacked(packing):
    """200 kB of gzip are 200 MB of zeros, which no limit of a route sees before the event loop has unpacked them."""
    bomb = gzip.compress(bytes(1 << 20))

    @web.middleware
    async def note(request, handler):
        seen.append(len(await request.content.read()))
        return await handler(request)

    seen = []
    app = web.Application()
    bound_connections(app, ConnectionLimit(Bounds()))
    app.middlewares.insert(0, note)
    app.add_routes([web.post("/", lambda _request: web.Response(text="here"))])
    runner = await runner_of(app)
    listener = PortListener(runner, "127.0.0.1")
    await listener.open(0)
    try:
        async with aiohttp.ClientSession(skip_auto_headers=["Accept-Encoding"]) as session:
            url, headers = f"http://127.0.0.1:{listener.port}/", {"Content-Encoding": packing}
            async with session.post(url, data=bomb, headers=headers) as reply:
                assert reply.status == 415
        assert seen == [len(bomb)]
    finally:
        await runner.cleanup()
