"""The recoverable stream over every road that a camera offers: the reader restores each picture bit for bit.

One running stream, which all receivers watch at once. Programs that are not ours receive over all roads but the
WebSockets, and only copy; what a box on the way takes out or codes again is told for what it is.
"""

import asyncio
import re
import ssl
import subprocess
from contextlib import AsyncExitStack

import aiohttp
import numpy as np
import pytest
import rtspsrc
from aiohttp import web
from camera_feed import REVEAL, Feed, certified
from websocket_rtsp import WebSocketRtsp

from onvif.rtsp.live import StreamTracks
from onvif.rtsp.tunnel import PROTOCOL, WEBSOCKET_PATH, Tunnels
from wire import nal
from wire.compose import Composer, PictureDecoder
from wire.nal import Codec
from wire.recording import samples
from wire.recovery import reader
from wire.recovery.reader import Reader
from wire.recovery.verdict import Check

USER, PASSWORD = "admin", "pw"
UNITS, GOP = 24, 8
PATIENCE_S = 120
COPIED = ["tcp", "udp", "http", "https", "rtsps"]
OWN = ["websocket", "secure websocket", "srtp"]
DATAGRAMS = {"udp", "srtp"}
ALTERED = {"stripped": ["-c", "copy", "-bsf:v", "filter_units=remove_types=6"],
           "transcoded": ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"]}  # fmt: skip


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return certified(tmp_path_factory.mktemp("tls"))


class Camera:
    """The feed behind all its doors; `web` and `secure_web` are ports with tunnels."""

    def __init__(self, pem):
        self.feed = Feed(lambda: {USER: (PASSWORD, "Administrator")}, remember=True, gop_frames=GOP)
        server = self.feed.server
        server.serve_tls(0, pem.read_text())
        self.feed.more.append(
            server.publish("srtp", StreamTracks(metadata=False, secure=True), self.feed.wishes.append)
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)

    async def serve(self, stack):
        app = web.Application()
        Tunnels(lambda: self.feed.server.inner_port, self.feed.server.origins).install(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.context).start()
        self.web, self.secure_web = (address[1] for address in runner.addresses)


@pytest.fixture(scope="module")
def received(pem, tmp_path_factory):
    """What came over each road as access units; under "sent" what was sent, by time of exposure."""
    camera, folder = Camera(pem), tmp_path_factory.mktemp("received")
    try:
        found = asyncio.run(everywhere(camera, folder))
    finally:
        camera.feed.close()
    return {**found, "sent": camera.feed.sent}


async def everywhere(camera, folder):
    async with asyncio.timeout(PATIENCE_S), AsyncExitStack() as stack:
        await camera.serve(stack)
        server = camera.feed.server
        ports = {"http": camera.web, "https": camera.secure_web, "rtsps": server.secure_port}
        roads = {
            road: copied(ports.get(road, server.port), road, folder / f"{road}.mkv", ["-c", "copy"]) for road in COPIED
        }
        roads |= {road: copied(server.port, "tcp", folder / f"{road}.mkv", how) for road, how in ALTERED.items()}
        roads["websocket"] = websocket(f"ws://127.0.0.1:{camera.web}")
        roads["secure websocket"] = websocket(f"wss://127.0.0.1:{camera.secure_web}")
        roads["srtp"] = srtp(server.secure_port, folder / "srtp.h264")
        return dict(zip(roads, await asyncio.gather(*roads.values()), strict=True))


async def command(*words):
    process = await asyncio.create_subprocess_exec(*map(str, words), stderr=subprocess.PIPE)
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def copied(port, road, target, how):
    """By ffmpeg into a file."""
    scheme, transport = ("rtsps", "tcp") if road == "rtsps" else ("rtsp", road)
    uri = f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{port}/main"
    failed, said = await command("ffmpeg", "-v", "error", "-y", "-rtsp_transport", transport, "-i", uri, "-map", "0:v",
                                 *how, "-frames:v", UNITS, target)  # fmt: skip
    assert not failed, said
    return [unit.au for unit in samples(target)[2]]


async def srtp(port, target):
    """By GStreamer, keys by MIKEY."""
    units = "rtph264depay ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au"
    address, chain = f"rtsps://127.0.0.1:{port}/srtp", f"{units} ! filesink location={target}"
    await asyncio.to_thread(rtspsrc.received, address, USER, PASSWORD, "udp", chain, buffers=UNITS + 1)
    return [unit.au for unit in samples(target)[2]]


async def websocket(base):
    """By a client of the tests' own."""
    units = Units()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(base + WEBSOCKET_PATH, protocols=[PROTOCOL], ssl=False) as link,
    ):
        rtsp = WebSocketRtsp(link, "rtsp://127.0.0.1/main", USER, PASSWORD)
        status, head, description = await rtsp.ask("DESCRIBE", Accept="application/sdp")
        assert status == 200
        base = re.search(r"Content-Base: (\S+)", head)[1]
        control = next(one for one in re.findall(r"a=control:(\S+)", description) if one != "*")
        control = control if "://" in control else base + control
        assert (await rtsp.ask("SETUP", control, Transport="RTP/AVP/TCP;unicast;interleaved=0-1"))[0] == 200
        assert (await rtsp.ask("PLAY", base))[0] == 200
        while len(units.whole) < UNITS:
            channel, packet = await rtsp.packet()
            if channel == 0:
                units.take(packet)
    return units.whole


class Units:
    """Access units out of RTP packets (RFC 6184, packetization-mode 1), whole ones from the first IDR picture on."""

    def __init__(self):
        self.whole, self._nals, self._at, self._broken = [], [], None, False

    def take(self, packet):
        number = int.from_bytes(packet[2:4])
        self._broken |= self._at is not None and number != (self._at + 1) & 0xFFFF
        self._at, data = number, packet[12:]
        kind = data[0] & 31
        if kind == 24:
            data = data[1:]
            while data:
                size = int.from_bytes(data[:2])
                self._nals.append(data[2 : 2 + size])
                data = data[2 + size :]
        elif kind == 28:
            if data[1] & 0x80:
                self._nals.append(bytes([data[0] & 0xE0 | data[1] & 31]))
            if self._nals:
                self._nals[-1] += data[2:]
        else:
            self._nals.append(data)
        if packet[1] & 0x80:
            unit = nal.join(self._nals)
            if not self._broken and (self.whole or nal.is_idr(unit, Codec.H264)):
                self.whole.append(unit)
            self._nals, self._broken = [], False


@pytest.fixture(scope="module")
def originals(received):
    """(sealed access unit, restored picture) of everything that was sent, by time of exposure."""
    opener, composer, found = Reader([REVEAL], Codec.H264), Composer(Codec.H264), {}
    for taken_us, unit in received["sent"].items():
        opened = opener.open(unit)
        found[taken_us] = opened.payload_au, composer.compose(unit, opened).i420
    return found


@pytest.mark.parametrize("road", [*COPIED, *OWN])
def test_the_originals_arrive_bit_for_bit(received, originals, road):
    units = received[road]
    assert len(units) >= UNITS
    opener, composer, restored = Reader([REVEAL], Codec.H264), Composer(Codec.H264), 0
    for unit in units[:UNITS]:
        opened = opener.open(unit)
        if opened.verdict.base_intact is not Check.YES:
            # Who joins in the middle of an access unit has a part of it, and to wait for the next IDR picture.
            if not restored:
                continue
            assert road in DATAGRAMS, opened.reason  # which may lose a packet
            break
        payload_au, picture = originals[opened.utc_us]
        assert payload_au
        assert opened.payload_au == payload_au
        assert np.array_equal(composer.compose(unit, opened).i420, picture)
        restored += 1
    assert restored >= (1 if road in DATAGRAMS else UNITS - GOP)


@pytest.mark.parametrize("road", ALTERED)
def test_without_its_sei_it_is_the_mosaic_and_said_to_be(received, road):
    units = received[road]
    assert len(units) == UNITS
    opener, composer, plain = Reader([REVEAL], Codec.H264), Composer(Codec.H264), PictureDecoder(Codec.H264)
    for unit in units:
        opened = opener.open(unit)
        assert (opened.payload_au, opened.reason) == (None, reader.NO_RECOVERY_DATA)
        assert np.array_equal(composer.compose(unit, opened).i420, plain.decode(unit))
