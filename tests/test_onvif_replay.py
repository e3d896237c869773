"""Replay over RTSP: range, pace, seek, pause, reverse, the 0xABAC extension; ffprobe's opinion on four transports."""

import asyncio
import base64
import itertools
import re
import struct
import subprocess
import time
from datetime import timedelta

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from onvif import digest
from onvif.auth import Guard
from onvif.errors import NotAuthorized
from onvif.names import TRP
from onvif.rtsp.replay_play import PlayRequest, clock_text, read_range
from onvif.rtsp.replay_rtp import Mark, Packetiser, video_payloads
from onvif.users import Level
from tests.box_fakes import plain_h264, plain_h265, record_file
from tests.onvif_box import START_US, running
from tests.onvif_camera import PASSWORDS

FRAMES, GOP, RATE = 100, 25, 25
END_US = START_US + FRAMES * 1_000_000 // RATE
NTP_EPOCH_S = 2_208_988_800
PATIENCE_S = 60


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    plain_h264(path, FRAMES, GOP)
    return path


@pytest.fixture
async def box(tmp_path, clip):
    def record(segments, camera):
        record_file(segments, camera, clip, START_US)

    async with running(tmp_path, cameras=1, record=record) as started:
        yield started


class Client:
    """A small RTSP client; packets by channel.

    Args:
        transport: `tcp` (interleaved), `udp`, or `http` (the tunnel).
    """

    def __init__(self, box, user=Level.USER, transport="tcp"):
        self.transport, self.sockets = transport, []
        self.url = f"rtsp://127.0.0.1:{box.face.replay_port()}/recording-1"
        self.port, self.user = box.face.replay_port(), user
        self.secret = PASSWORDS[user]
        self.challenge, self.count, self.cseq, self.session = None, 0, 0, ""
        self.packets = {}
        self.arrived = asyncio.Event()

    async def __aenter__(self):
        self.reader, self.writer = self.down = await asyncio.open_connection("127.0.0.1", self.port)
        if self.transport == "http":
            self.writer.write(b"GET /recording-1 HTTP/1.0\r\nx-sessioncookie: c7\r\n\r\n")
            await self.reader.readuntil(b"\r\n\r\n")
            _, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.writer.write(b"POST /recording-1 HTTP/1.0\r\nx-sessioncookie: c7\r\nContent-Length: 32767\r\n\r\n")
        self._replies = asyncio.Queue()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        self.writer.close()
        self.down[1].close()
        for opened in self.sockets:
            opened.close()

    async def _bind(self, channel):
        """A UDP port whose packets count as those of a channel."""

        def received(data, _address):
            self.packets.setdefault(channel, []).append(data)
            self.arrived.set()

        protocol = type("Packets", (asyncio.DatagramProtocol,), {"datagram_received": lambda _, *got: received(*got)})
        opened, _ = await asyncio.get_running_loop().create_datagram_endpoint(protocol, ("127.0.0.1", 0))
        self.sockets.append(opened)
        return opened.get_extra_info("sockname")[1]

    async def _read(self):
        while True:
            first = await self.reader.readexactly(1)
            if first == b"$":
                channel, size = struct.unpack(">BH", await self.reader.readexactly(3))
                self.packets.setdefault(channel, []).append(await self.reader.readexactly(size))
                self.arrived.set()
                continue
            head = first + await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            headers = {}
            for name, _, value in (line.partition(":") for line in lines[1:]):
                headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value.strip())))
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            self._replies.put_nowait((int(lines[0].split()[1]), headers, body))

    async def ask(self, method, url="", **headers):
        url = url or self.url
        self.cseq += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.cseq}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if self.session:
            lines.append(f"Session: {self.session}")
        if self.challenge:
            self.count += 1
            path = "/" + url.split("/", 3)[3]
            lines.append("Authorization: " + digest.credentials(
                self.challenge, user=self.user.lower(), password=self.secret, method=method, uri=path,
                count=self.count))  # fmt: skip
        message = "\r\n".join([*lines, "", ""]).encode()
        self.writer.write(base64.b64encode(message) if self.transport == "http" else message)
        async with asyncio.timeout(PATIENCE_S):
            status, told, body = await self._replies.get()
        if status == 401 and self.challenge is None:
            self.challenge = digest.challenges([told["www-authenticate"]])[0]
            return await self.ask(method, url, **headers)
        self.session = told.get("session", self.session).partition(";")[0]
        return status, told, body

    async def set_up(self, *tracks):
        status, _, body = await self.ask("DESCRIBE", Accept="application/sdp")
        assert status == 200
        for number, track in enumerate(tracks or ("video",)):
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * number}-{2 * number + 1}"
            if self.transport == "udp":
                ports = [await self._bind(2 * number), await self._bind(2 * number + 1)]
                transport = f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]}"
            assert (await self.ask("SETUP", f"{self.url}/{track}", Transport=transport, Require="onvif-replay"))[
                0
            ] == 200
        return body.decode()

    async def until(self, channel, test):
        """Wait until the packets of a channel pass a test; return them as Packets."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.arrived.clear()
                found = [Packet(data) for data in self.packets.get(channel, ())]
                if test(found):
                    return found
                await self.arrived.wait()


class Packet:
    """An RTP packet with what its extension says."""

    def __init__(self, data):
        first, second, self.sequence, self.time, self.ssrc = struct.unpack(">BBHII", data[:12])
        self.marker, self.kind = bool(second & 0x80), second & 0x7F
        self.utc_us, self.payload = None, data[12:]
        if first & 0x10:
            profile, words = struct.unpack(">HH", data[12:16])
            assert (profile, words) == (0xABAC, 3)
            seconds, fraction, flags, self.cseq = struct.unpack(">IIBB", data[16:26])
            self.utc_us = (seconds - NTP_EPOCH_S) * 1_000_000 + round(fraction * 1e6 / (1 << 32))
            self.clean, self.end, self.discontinuous = (bool(flags & bit) for bit in (0x80, 0x40, 0x20))
            self.payload = data[28:]


def samples(packets):
    """First packets of samples: those with an extension."""
    return [packet for packet in packets if packet.utc_us is not None]


def ended(packets):
    return any(packet.end for packet in samples(packets))


def seconds(packet):
    return (packet.utc_us - START_US) / 1e6


@pytest.mark.case("REPLAY-3-1-1", "REPLAY-3-3-1")
async def test_describe_tells_tracks_and_range(box):
    async with Client(box) as client:
        assert "PLAY" in (await client.ask("OPTIONS"))[1]["public"]
        sdp = await client.set_up("video", "metadata")
        assert "a=rtpmap:96 H264/90000" in sdp
        sets = re.search(r"a=fmtp:96 .*sprop-parameter-sets=(\S+),(\S+)", sdp)
        assert [base64.b64decode(each)[0] & 31 for each in sets.groups()] == [7, 8]
        assert f";profile-level-id={base64.b64decode(sets[1])[1:4].hex()};" in sdp
        assert "a=rtpmap:107 vnd.onvif.metadata/90000" in sdp
        assert f"a=range:clock={clock_text(START_US)}-" in sdp
        assert (await client.ask("GET_PARAMETER"))[0] == 200
        status, told, _ = await client.ask("PLAY", Rate_Control="no")
        assert status == 200
        assert told["range"].startswith(f"clock={clock_text(START_US)}-")
        assert (await client.ask("TEARDOWN"))[0] == 200


@pytest.mark.case("REPLAY-3-1-4", "REPLAY-3-1-12", "REPLAY-3-3-4", "REPLAY-3-3-11")
async def test_everything_arrives_with_its_time_and_as_fast_as_it_can(box, clip):
    async with Client(box) as client:
        await client.set_up("video", "metadata")
        began = time.monotonic()
        await client.ask("PLAY", Rate_Control="no")
        video = await client.until(0, ended)
        assert time.monotonic() - began < PATIENCE_S / 2
        found = samples(video)
        assert len(found) == FRAMES
        assert [round(seconds(one) * RATE) for one in found] == list(range(FRAMES))
        assert [one.clean for one in found] == [number % GOP == 0 for number in range(FRAMES)]
        assert [one.discontinuous for one in found] == [number == 0 for number in range(FRAMES)]
        assert [one.end for one in found] == [number == FRAMES - 1 for number in range(FRAMES)]
        assert sum(one.marker for one in video) == FRAMES
        numbers = [one.sequence for one in video]
        assert {(after - before) & 0xFFFF for before, after in itertools.pairwise(numbers)} == {1}
        documents = await client.until(2, lambda packets: len(samples(packets)) > 5)
        assert etree.fromstring(documents[0].payload).tag.endswith("MetadataStream")
        assert len(client.packets[1]) >= 1
        assert client.packets[1][0][1] == 200


@pytest.mark.case("REPLAY-3-1-10", "REPLAY-3-1-13", "REPLAY-3-1-17", "REPLAY-3-3-10", "REPLAY-3-3-12", "REPLAY-3-3-16")
async def test_a_range_and_a_seek_begin_at_the_key_frame_before(box):
    async with Client(box) as client:
        await client.set_up("video", "metadata")
        span = f"clock={clock_text(START_US + 1_500_000)}-{clock_text(START_US + 1_900_000)}"
        await client.ask("PLAY", Range=span, Rate_Control="no")
        found = samples(await client.until(0, ended))
        assert (seconds(found[0]), found[0].clean) == (1.0, True)
        assert seconds(found[-1]) <= 1.9
        client.packets.clear()
        await client.ask("PLAY", Range=f"clock={clock_text(START_US + 3_000_000)}-", Rate_Control="no", Immediate="yes")
        cseq = client.cseq
        again = samples(await client.until(0, ended))
        assert (seconds(again[0]), again[0].discontinuous, again[0].cseq) == (3.0, True, cseq & 0xFF)
        assert [one.cseq for one in again] == [cseq & 0xFF] * len(again)


@pytest.mark.case("REPLAY-3-1-15", "REPLAY-3-1-16", "REPLAY-3-3-14", "REPLAY-3-3-15")
async def test_pause_stops_and_play_goes_on_from_there(box):
    async with Client(box) as client:
        await client.set_up("video", "metadata")
        await client.ask("PLAY", Scale="4.0")
        await client.until(0, lambda packets: len(samples(packets)) > 10)
        assert (await client.ask("PAUSE"))[0] == 200
        before = samples([Packet(data) for data in client.packets[0]])
        assert not ended(before)
        client.packets.clear()
        await client.ask("PLAY", Rate_Control="no")
        after = samples(await client.until(0, ended))
        assert after[0].clean
        assert 0 <= seconds(before[-1]) - seconds(after[0]) <= GOP / RATE + 0.1


async def test_rate_control_keeps_the_pace(box):
    async with Client(box) as client:
        await client.set_up()
        began = time.monotonic()
        span = f"clock={clock_text(START_US)}-{clock_text(START_US + 1_000_000)}"
        await client.ask("PLAY", Range=span)
        await client.until(0, ended)
        assert time.monotonic() - began >= 0.9


@pytest.mark.case("REPLAY-3-1-5", "REPLAY-3-1-6", "REPLAY-3-1-7", "REPLAY-3-3-5", "REPLAY-3-3-6", "REPLAY-3-3-7")
@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_reverse_goes_gop_by_gop(box, transport):
    async with Client(box, transport=transport) as client:
        await client.set_up("video", "metadata")
        await client.ask("PLAY", Scale="-1.0", Rate_Control="no", Range=f"clock={clock_text(END_US)}-")
        found = samples(await client.until(0, lambda packets: len(samples(packets)) == FRAMES))
        starts = [seconds(one) for one in found if one.clean]
        assert starts == [3.0, 2.0, 1.0, 0.0]
        assert all(one.discontinuous == one.clean for one in found)
        for number in range(0, FRAMES, GOP):
            times = [seconds(one) for one in found[number : number + GOP]]
            assert times == sorted(times)
        documents = [seconds(one) for one in samples(await client.until(2, lambda packets: len(packets) >= 20))]
        assert documents[0] > 2.9
        assert documents[-1] < 1.0


async def test_key_frames_alone(box):
    async with Client(box) as client:
        await client.set_up()
        await client.ask("PLAY", Frames="intra", Rate_Control="no")
        found = samples(await client.until(0, ended))
        assert [seconds(one) for one in found] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [("npt=1.5-1.9", 1.0, 1.9), ("npt=3-", 3.0, 4.0), ("npt=0:00:02.0-0:00:02.5", 2.0, 2.5), ("npt=-1.0", 0.0, 1.0),
     ("npt=0-", 0.0, 4.0), ("npt=now-", 0.0, 4.0)],
)  # fmt: skip
async def test_normal_play_time_counts_from_the_beginning_of_the_recording(box, span, first, last):
    async with Client(box) as client:
        await client.set_up()
        status, told, _ = await client.ask("PLAY", Range=span, Rate_Control="no")
        assert status == 200
        assert told["range"].startswith("npt=")
        found = samples(await client.until(0, ended))
        assert seconds(found[0]) == first
        assert last - 0.1 <= seconds(found[-1]) <= last


async def test_a_range_against_the_direction_is_refused_and_what_plays_goes_on(box):
    async with Client(box) as client:
        await client.set_up()
        early, late = clock_text(START_US + 1_000_000), clock_text(START_US + 3_000_000)
        await client.ask("PLAY")
        assert (await client.ask("PLAY", Range=f"clock={late}-{early}"))[0] == 457
        assert (await client.ask("PLAY", Range="npt=3-1"))[0] == 457
        assert (await client.ask("PLAY", Range=f"clock={early}-{late}", Scale="-1.0"))[0] == 457
        already = len(client.packets.get(0, ()))
        await client.until(0, lambda packets: len(packets) > already)
        assert (await client.ask("PLAY", Range=f"clock={late}-{early}", Scale="-1.0", Rate_Control="no"))[0] == 200


async def test_what_cannot_be_played_is_said(box):
    async with Client(box) as client:
        assert (await client.ask("DESCRIBE", client.url.replace("recording-1", "recording-9")))[0] == 404
        assert (await client.ask("PLAY"))[0] == 454
        await client.set_up()
        assert (await client.ask("PLAY", Range="smpte=0:0:0-"))[0] == 457
        assert (await client.ask("PLAY", Range=f"clock={clock_text(END_US + 9_000_000)}-"))[0] == 457
        assert (await client.ask("PLAY", Scale="100"))[0] == 457
        assert (await client.ask("SETUP", f"{client.url}/audio", Transport="RTP/AVP/TCP;interleaved=8-9"))[0] == 404
        multicast = "RTP/AVP;multicast;client_port=5000-5001"
        for transport in (multicast, "RTP/AVP/TCP;multicast", "X/TCP", "RTP/SAVP/TCP;unicast;interleaved=0-1", "junk"):
            assert (await client.ask("SETUP", f"{client.url}/video", Transport=transport))[0] == 461
        assert (await client.ask("RECORD"))[0] == 405
        assert (await client.ask("DESCRIBE", Require="something-else"))[0] == 551
        client.session = "not-mine"
        assert (await client.ask("PLAY"))[0] == 454


@pytest.mark.case("REPLAY-4-1-1")
async def test_the_session_timeout_is_the_one_that_was_set(box):
    async with Client(box) as client:
        video = f"{client.url}/video"
        _, told, _ = await client.ask("SETUP", video, Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
        assert told["session"].endswith(";timeout=60")
        wanted = {"SessionTimeout": timedelta(seconds=10)}
        await box.client()(TRP, "SetReplayConfiguration", Configuration=wanted)
        _, told, _ = await client.ask("SETUP", video, Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
        assert told["session"].endswith(";timeout=10")


async def test_the_wrong_password_plays_nothing(box):
    async with Client(box) as client:
        client.challenge = digest.Challenge("veilcam", "nonsense", "MD5")
        assert (await client.ask("DESCRIBE"))[0] == 401


@pytest.mark.parametrize("algorithm", digest.ALGORITHMS)
async def test_both_digests_are_offered_and_taken(box, algorithm):
    async with Client(box) as client:
        client.challenge = digest.Challenge("veilcam", "none of ours")
        status, told, _ = await client.ask("DESCRIBE")
        assert status == 401
        offered = {each.algorithm: each for each in digest.challenges([told["www-authenticate"]])}
        assert tuple(offered) == digest.ALGORITHMS
        client.challenge = offered[algorithm]
        assert (await client.ask("DESCRIBE"))[0] == 200


async def test_guesses_at_replay_lock_out_of_the_web_services_too(box):
    async with Client(box) as client:
        for _ in range(Guard.FREE):
            client.challenge = digest.Challenge("another realm's", "nonsense")
            assert (await client.ask("DESCRIBE"))[0] == 401  # of another realm, so no guess
        assert (await box.client(Level.USER)(TRP, "GetServiceCapabilities")) is not None
        client.challenge = digest.Challenge("veilcam", "nonsense")
        client.secret = "guessed"
        for _ in range(Guard.FREE):
            assert (await client.ask("DESCRIBE"))[0] == 401
    with pytest.raises(NotAuthorized):
        await box.client(Level.USER)(TRP, "GetReplayUri", StreamSetup={"Stream": "RTP-Unicast", "Transport": {
            "Protocol": "RTSP"}}, RecordingToken="recording-1")  # fmt: skip


@pytest.mark.case("REPLAY-3-1-2", "REPLAY-3-1-3", "REPLAY-3-3-2", "REPLAY-3-3-3")
@pytest.mark.parametrize("transport", ["tcp", "udp", "http", "web-http"])
async def test_ffprobe_opens_it(box, transport):
    port = box.face.port if transport == "web-http" else box.face.replay_port()
    uri = f"rtsp://user:{PASSWORDS[Level.USER]}@127.0.0.1:{port}/recording-1"
    command = ["ffprobe", "-v", "error", "-rtsp_transport", transport.removeprefix("web-"), "-select_streams", "v:0",
               "-read_intervals", "%+#10", "-show_entries", "stream=codec_name,width:packet=pts", "-of", "csv",
               uri]  # fmt: skip
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert "stream,h264,320" in done.stdout, done.stderr
    assert done.stdout.count("packet,") >= 10


def test_fragments_put_together_are_the_access_unit(clip):
    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        to_annex_b = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        packets = [bytes(part) for packet in source.demux(stream) for part in to_annex_b.filter(packet)]
    for unit in packets[:30]:
        nals, fragments = [], b""
        for payload in video_payloads(unit, "H264"):
            assert len(payload) <= 1400
            if payload[0] & 0x1F == 28:
                fragments += (bytes([payload[0] & 0xE0 | payload[1] & 0x1F]) if payload[1] & 0x80 else b"") + payload[
                    2:
                ]
                if payload[1] & 0x40:
                    nals.append(fragments)
                    fragments = b""
            else:
                nals.append(payload)
        assert b"".join(nals) == b"".join(part.rstrip(b"\0") for part in unit.split(b"\0\0\1")[1:])


@given(st.integers(0, 4_000_000_000_000_000), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 255))
def test_the_extension_says_what_it_was_told(utc_us, clean, end, discontinuous, sequence):
    (data,) = Packetiser(7, 96).packets([b"x"], Mark(utc_us, clean, end, discontinuous, sequence))
    packet = Packet(data)
    wrap_us = (1 << 32) * 1_000_000
    assert (packet.utc_us - utc_us) % wrap_us in {0, 1, wrap_us - 1}
    assert (packet.clean, packet.end, packet.discontinuous, packet.cseq) == (clean, end, discontinuous, sequence)


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=20))
def test_any_headers_are_a_wish_or_a_value_error(span, scale, frames):
    try:
        PlayRequest.of({"range": span, "scale": scale, "frames": frames})
        read_range(span)
    except ValueError:
        pass


JUNK = (
    b"\x00" * 500, b"PLAY\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"A B RTSP/1.0\r\n" + b"x" * 40_000, b"$\x00\xff\xff",
    b"OPTIONS * RTSP/1.0\r\nContent-Length: -5\r\n\r\n",
)  # fmt: skip


@pytest.mark.parametrize("junk", JUNK)
async def test_junk_ends_its_own_connection_only(box, junk, caplog):
    reader, writer = await asyncio.open_connection("127.0.0.1", box.face.replay_port())
    writer.write(junk)
    writer.write_eof()
    async with asyncio.timeout(PATIENCE_S):
        await reader.read()
    writer.close()
    async with Client(box) as client:
        await client.set_up()
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_tunnel_takes_base64_in_any_pieces(box):
    port = box.face.replay_port()
    down, down_writer = await asyncio.open_connection("127.0.0.1", port)
    _, up = await asyncio.open_connection("127.0.0.1", port)
    down_writer.write(b"GET /recording-1 HTTP/1.0\r\nx-sessioncookie: abc\r\n\r\n")
    assert (await down.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.0 200")
    up.write(b"POST /recording-1 HTTP/1.0\r\nx-sessioncookie: abc\r\nContent-Length: 32767\r\n\r\n")
    coded = base64.b64encode(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
    for at in range(0, len(coded), 7):
        up.write(coded[at : at + 7] + b"\r\n")
    async with asyncio.timeout(PATIENCE_S):
        assert b"200 OK" in await down.readuntil(b"\r\n\r\n")
    up.close()
    down_writer.close()


async def test_the_end_is_said(box):
    """A client that copies a recording knows when it has all: ffmpeg ends by itself."""
    uri = f"rtsp://user:{PASSWORDS[Level.USER]}@127.0.0.1:{box.face.replay_port()}/recording-1"
    command = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", uri, "-map", "0:v", "-c", "copy", "-f", "null",
               "-stats", "-"]  # fmt: skip
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(re.findall(r"frame= *(\d+)", done.stderr)[-1]) == FRAMES


@pytest.fixture
async def changed(tmp_path):
    """Two seconds of H.264, then two of H.265 in another size."""
    before = plain_h264(tmp_path / "before.h264", 2 * GOP, GOP)
    after = plain_h265(tmp_path / "after.h265", 2 * GOP, GOP, size=(256, 192))

    def record(segments, camera):
        record_file(segments, camera, before, START_US)
        record_file(segments, camera, after, START_US + 2_000_000)

    async with running(tmp_path, cameras=1, record=record) as started:
        yield started


@pytest.mark.parametrize("scale", ["1.0", "-1.0"])
async def test_a_change_of_the_codec_is_replayed(changed, scale):
    async with Client(changed) as client:
        _, _, body = await client.ask("DESCRIBE", Accept="application/sdp")
        described = body.decode().splitlines()
        assert "m=video 0 RTP/AVP 96 97" in described
        assert {"a=rtpmap:96 H264/90000", "a=rtpmap:97 H265/90000"} <= set(described)
        await client.ask("SETUP", f"{client.url}/video", Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
        span = f"clock={clock_text(START_US + 9_000_000 if scale < '0' else START_US)}-"
        headers = {"Range": span, "Rate_Control": "no", "Scale": scale}
        assert (await client.ask("PLAY", **headers))[0] == 200
        async with asyncio.timeout(PATIENCE_S):
            while not any(packet[-7] == 203 for packet in client.packets.get(1, ())):
                client.arrived.clear()
                await client.arrived.wait()
        kinds = [packet[1] & 0x7F for packet in client.packets[0] if packet[1] & 0x80]
        halves = [96] * 2 * GOP + [97] * 2 * GOP
        assert kinds == (halves[::-1] if scale < "0" else halves)


async def test_h265_alone_is_replayed(tmp_path):
    def record(segments, camera):
        record_file(segments, camera, plain_h265(tmp_path / "clip.h265", 2 * GOP, GOP), START_US)

    async with running(tmp_path, cameras=1, record=record) as box:
        uri = f"rtsp://user:{PASSWORDS[Level.USER]}@127.0.0.1:{box.face.replay_port()}/recording-1"
        command = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-select_streams", "v:0", "-read_intervals",
                   "%+#10", "-show_entries", "stream=codec_name,width:frame=pict_type", "-of", "csv", uri]  # fmt: skip
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert "stream,hevc,320" in done.stdout, done.stderr
        assert done.stdout.count("frame,") >= 8
