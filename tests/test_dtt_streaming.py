"""Streaming as ONVIF's device test specification (22.06) goes through it, from a running camera, decoded by FFmpeg."""

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import subprocess
import time

import pytest
from lxml import etree

from onvif import digest, names
from onvif.metadata import parse
from onvif.registry import load
from onvif.soap_transport import SoapTransport
from tests.camera_process import camera_process
from tests.dtt import media1_request, media2_request

pytestmark = [pytest.mark.long, pytest.mark.e2e]

SIZES = {"main": (384, 288), "sub": (192, 144)}


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    with camera_process(tmp_path_factory.mktemp("camera")) as running:
        yield running


async def ask(camera, namespace, operation, path, **values):
    found = load().operation(namespace, operation)
    carrier = SoapTransport(camera.user, camera.password, timeout_s=60)
    try:
        url = f"http://127.0.0.1:{camera.web}{path}"
        return found.decode_reply(await carrier.request(url, found.encode_request(values)))
    finally:
        await carrier.close()


def media2(camera, operation, **values):
    return asyncio.run(ask(camera, names.TR2, operation, "/onvif/media2", **values))


def stream_uri(camera, token, protocol):
    uri = media2(camera, "GetStreamUri", Protocol=protocol, ProfileToken=token).Uri
    return re.sub("^https?://", "rtsp://", uri).replace("rtsp://", f"rtsp://{camera.user}:{camera.password}@", 1)


PROTOCOLS = {"udp": "RtspUnicast", "tcp": "RTSP", "http": "RtspOverHttp"}


def decoded(uri, transport, pictures=5):
    """Start FFmpeg on a stream; its output is so many whole pictures, or it fails."""
    command = ["ffmpeg", "-v", "error", "-xerror", "-rtsp_transport", transport, "-i", uri, "-map", "0:v",
               "-frames:v", str(pictures), "-f", "rawvideo", "-pix_fmt", "gray", "-"]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def pictures_of(process, token, pictures=5):
    width, height = SIZES[token]
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()[-1000:]
    assert len(out) == pictures * width * height


CASES = [
    pytest.param("udp", marks=pytest.mark.case("MEDIA2_RTSS-1-1-1")),
    pytest.param("http", marks=pytest.mark.case("MEDIA2_RTSS-1-1-2")),
    pytest.param("tcp", marks=pytest.mark.case("MEDIA2_RTSS-1-1-3", "RTSS-1-1-31")),
]


@pytest.mark.parametrize("transport", CASES)
@pytest.mark.parametrize("token", ["main", "sub"])
def test_every_profile_streams_and_decodes(camera, token, transport):
    pictures_of(decoded(stream_uri(camera, token, PROTOCOLS[transport]), transport), token)


INSTANCES = [
    pytest.param(("udp", "udp"), marks=pytest.mark.case("RTSS-1-1-27", "RTSS-1-1-49")),
    pytest.param(("http", "http"), marks=pytest.mark.case("RTSS-1-1-28", "RTSS-1-1-50")),
    pytest.param(("tcp", "tcp"), marks=pytest.mark.case("RTSS-1-1-29", "RTSS-1-1-51", "MEDIA2_RTSS-1-1-23")),
    pytest.param(("udp", "http"), marks=pytest.mark.case("RTSS-1-1-30", "RTSS-1-1-52", "MEDIA2_RTSS-1-1-24")),
]


@pytest.mark.parametrize("transports", INSTANCES)
def test_as_many_encoders_at_once_as_are_guaranteed(camera, transports):
    info = media2(camera, "GetVideoEncoderInstances", ConfigurationToken="source").Info
    assert info.Total == 2
    assert {codec.Encoding: codec.Number for codec in info.Codec}["H264"] == 2
    uris = [stream_uri(camera, token, PROTOCOLS[how]) for token, how in zip(SIZES, transports, strict=True)]
    running = [decoded(uri, how, 25) for uri, how in zip(uris, transports, strict=True)]
    for process, token in zip(running, SIZES, strict=True):
        pictures_of(process, token, 25)


class Rtsp:
    """A client that says exactly what it is told, over TCP or through the HTTP tunnel."""

    def __init__(self, camera, path, *, tunnel=None):
        self.camera, self.uri = camera, f"rtsp://127.0.0.1:{camera.rtsp}{path}"
        self.sequence, self.session, self.challenge = 0, "", None
        self._encode = lambda data: data
        if tunnel is None:
            self._out = self._in = socket.create_connection(("127.0.0.1", camera.rtsp), timeout=60)
        else:
            self._open_tunnel(path, tunnel)
        self._buffer = b""

    def _open_tunnel(self, path, encode):
        head = "{} " + f"{path} HTTP/1.0\r\nHost: 127.0.0.1:{self.camera.web}\r\nx-sessioncookie: dtt-cookie-1\r\n"
        self._in = socket.create_connection(("127.0.0.1", self.camera.web), timeout=60)
        self._in.sendall((head.format("GET") + "Accept: application/x-rtsp-tunnelled\r\n\r\n").encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._in.recv(4096)
        assert b" 200 " in answer.split(b"\r\n")[0]
        self._out = socket.create_connection(("127.0.0.1", self.camera.web), timeout=60)
        tail = "Content-Type: application/x-rtsp-tunnelled\r\nContent-Length: 32767\r\n\r\n"
        self._out.sendall((head.format("POST") + tail).encode())
        self._encode = encode

    def close(self):
        for sock in {self._in, self._out}:
            sock.close()

    def ask(self, method, uri="", headers=""):
        """Status and headers and body of the answer; digest is answered by itself."""
        for _ in range(2):
            self.sequence += 1
            target = uri or self.uri
            text = f"{method} {target} RTSP/1.0\r\nCSeq: {self.sequence}\r\n"
            if self.session:
                text += f"Session: {self.session}\r\n"
            if self.challenge:
                text += f"Authorization: {self._authorization(method, target)}\r\n"
            self._out.sendall(self._encode((text + headers + "\r\n").encode()))
            status, found, body = self._answer()
            if status != 401:
                break
            self.challenge = found["www-authenticate"]
        self.session = found.get("session", self.session).partition(";")[0]
        return status, found, body

    def _authorization(self, method, uri):
        fields = digest.parameters(self.challenge.partition(" ")[2])

        def md5(text):
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        secret = md5(f"{self.camera.user}:{fields['realm']}:{self.camera.password}")
        response = md5(f"{secret}:{fields['nonce']}:{md5(f'{method}:{uri}')}")
        return (
            f'Digest username="{self.camera.user}", realm="{fields["realm"]}", nonce="{fields["nonce"]}", '
            f'uri="{uri}", response="{response}"'
        )

    def _more(self):
        data = self._in.recv(65536)
        assert data, "the camera closed the connection"
        self._buffer += data

    def _answer(self):
        while True:
            self.interleaved_until_text()
            if b"\r\n\r\n" in self._buffer:
                break
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        found = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if not (name.lower() == "www-authenticate" and "MD5" not in value and "algorithm" in value.lower()):
                found.setdefault(name.lower(), value.strip())
        size = int(found.get("content-length", 0))
        while len(self._buffer) < size:
            self._more()
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return int(lines[0].split()[1]), found, body

    def interleaved_until_text(self):
        """Drop $-framed packets in front of an answer."""
        while True:
            while len(self._buffer) < 4:
                self._more()
            if self._buffer[:1] != b"$":
                return
            self.packet()

    def packet(self):
        """One $-framed packet: channel and payload."""
        while len(self._buffer) < 4:
            self._more()
        assert self._buffer[:1] == b"$", self._buffer[:60]
        size = int.from_bytes(self._buffer[2:4], "big")
        while len(self._buffer) < 4 + size:
            self._more()
        channel, payload = self._buffer[1], self._buffer[4 : 4 + size]
        self._buffer = self._buffer[4 + size :]
        return channel, payload


@contextlib.contextmanager
def playing(camera, path="/main", *, tunnel=None, tracks=("video", "application")):
    """A session that plays the tracks of these media; yields the client and the channel of each."""
    rtsp = Rtsp(camera, path, tunnel=tunnel)
    try:
        status, _, sdp = rtsp.ask("DESCRIBE", headers="Accept: application/sdp\r\n")
        assert status == 200
        channels = {}
        for section in re.split("(?m)^m=", sdp.decode())[1:]:
            medium = section.split()[0]
            control = re.search(r"a=control:(\S+)", section).group(1)
            if medium in tracks:
                first = 2 * len(channels)
                uri = control if "://" in control else f"{rtsp.uri}/{control}"
                transport = f"Transport: RTP/AVP/TCP;unicast;interleaved={first}-{first + 1}\r\n"
                assert rtsp.ask("SETUP", uri, transport)[0] == 200
                channels[medium] = first
        assert rtsp.ask("PLAY", headers="Range: npt=0.000-\r\n")[0] == 200
        yield rtsp, channels
        assert rtsp.ask("TEARDOWN")[0] == 200
    finally:
        rtsp.close()


def wait_for(rtsp, channel, test, packets=20000):
    for _ in range(packets):
        found, payload = rtsp.packet()
        if found == channel and test(payload):
            return payload
    raise AssertionError("nothing of the kind in the stream")


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("SET_PARAMETER", marks=pytest.mark.case("RTSS-1-1-32")),
        pytest.param("OPTIONS", marks=pytest.mark.case("RTSS-1-1-33")),
    ],
)
def test_a_session_is_kept_alive(camera, method):
    with playing(camera) as (rtsp, channels):
        assert rtsp.ask(method)[0] == 200
        wait_for(rtsp, channels["video"], len)


@pytest.mark.case("RTSS-1-1-45")
def test_line_breaks_in_the_tunnels_base64(camera):
    def broken(data):
        text = base64.b64encode(data).decode()
        return "".join(text[at : at + 20] + "\r\n" for at in range(0, len(text), 20)).encode()

    with playing(camera, tunnel=broken) as (rtsp, channels):
        wait_for(rtsp, channels["video"], len)


def _starts_idr(payload):
    kind = payload[12] & 31
    return kind == 5 or (kind == 28 and payload[13] & 0x80 and payload[13] & 31 == 5) or kind == 7


@pytest.mark.case("MEDIA2_RTSS-1-1-4")
def test_a_synchronisation_point_brings_a_key_picture(camera):
    with playing(camera) as (rtsp, channels):
        wait_for(rtsp, channels["video"], _starts_idr)
        media2(camera, "SetSynchronizationPoint", ProfileToken="main")
        wait_for(rtsp, channels["video"], _starts_idr)


def metadata_documents(rtsp, channel, count):
    """Whole documents: the packets up to each marker bit."""
    found, data = [], b""
    while len(found) < count:
        payload = wait_for(rtsp, channel, lambda packet: len(packet) > 12)
        data += payload[12:]
        if payload[1] & 0x80:
            with contextlib.suppress(Exception):
                etree.fromstring(data)
                found.append(data)
            data = b""
    return found


@pytest.mark.parametrize(
    "tunnel",
    [
        pytest.param(None, marks=pytest.mark.case("MEDIA2_RTSS-4-1-3", "MEDIA2_RTSS-4-1-4")),
        pytest.param(base64.b64encode, marks=pytest.mark.case("MEDIA2_RTSS-4-1-2")),
    ],
)
def test_metadata_streams(camera, tunnel):
    with playing(camera, tunnel=tunnel) as (rtsp, channels):
        media2(camera, "SetSynchronizationPoint", ProfileToken="main")
        for document in metadata_documents(rtsp, channels["application"], 3):
            assert all(-1 <= item.box.left <= 1 for frame in parse(document) for item in frame.objects)


@pytest.mark.case("RTSS-4-1-3")
def test_events_and_colours_are_told_in_the_metadata(camera):
    topics, clothed = set(), False
    with playing(camera) as (rtsp, channels):
        media2(camera, "SetSynchronizationPoint", ProfileToken="main")
        until = time.monotonic() + 90
        while not ("tns1:VideoSource/MotionAlarm" in topics and clothed):
            assert time.monotonic() < until, (topics, clothed)
            (document,) = metadata_documents(rtsp, channels["application"], 1)
            topics |= {topic.text for topic in etree.fromstring(document).iter(names.q(names.WSNT, "Topic"))}
            clothed |= any(seen.tops or seen.bottoms for frame in parse(document) for seen in frame.objects)


@pytest.mark.case("MEDIA2_RTSS-4-1-1")
def test_metadata_streams_over_udp(camera):
    uri = stream_uri(camera, "main", "RtspUnicast")
    command = ["ffmpeg", "-v", "error", "-rtsp_transport", "udp", "-i", uri, "-map", "0:d", "-t", "4", "-c", "copy",
               "-f", "data", "-"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert b"MetadataStream" in done.stdout, done.stderr.decode()[-1000:]


def configured(camera, token, encoding):
    """Let an encoder deliver another encoding; Media 1 knows no H.265."""
    if encoding == "H265":
        found = media2(camera, "GetVideoEncoderConfigurations", ConfigurationToken=token).Configurations[0]
        options = media2(camera, "GetVideoEncoderConfigurationOptions", ConfigurationToken=token).Options
        offered = next(option for option in options if option.Encoding == encoding)
        values = {**media2_request(found), "Encoding": encoding, "Profile": offered.ProfilesSupported[0]}
        values["RateControl"]["FrameRateLimit"] = max(offered.FrameRatesSupported)
        media2(camera, "SetVideoEncoderConfiguration", Configuration=values)
        return
    path = "/onvif/media"
    found = asyncio.run(ask(camera, names.TRT, "GetVideoEncoderConfiguration", path, ConfigurationToken=token))
    values = {**media1_request(found.Configuration), "Encoding": encoding}
    if encoding == "JPEG":
        values.pop("H264", None)
    else:
        values["H264"] = {"GovLength": 20, "H264Profile": "High"}
    asyncio.run(ask(camera, names.TRT, "SetVideoEncoderConfiguration", path, Configuration=values,
                    ForcePersistence=True))  # fmt: skip


@pytest.fixture
def jpeg(camera):
    configured(camera, "sub", "JPEG")
    yield
    configured(camera, "sub", "H264")


@pytest.fixture
def h265(camera):
    before = media2(camera, "GetVideoEncoderConfigurations", ConfigurationToken="sub").Configurations[0]
    configured(camera, "sub", "H265")
    yield
    media2(camera, "SetVideoEncoderConfiguration", Configuration=media2_request(before))


JPEG_CASES = [
    pytest.param("udp", marks=pytest.mark.case("RTSS-1-1-34")),
    pytest.param("http", marks=pytest.mark.case("RTSS-1-1-35")),
    pytest.param("tcp", marks=pytest.mark.case("RTSS-1-1-36")),
]


@pytest.mark.parametrize("transport", JPEG_CASES)
def test_jpeg_streams_and_decodes(camera, jpeg, transport):
    pictures_of(decoded(stream_uri(camera, "sub", PROTOCOLS[transport]), transport), "sub")


def _starts_jpeg(payload):
    """Payload type 26 and fragment offset zero."""
    return payload[1] & 0x7F == 26 and payload[13:16] == bytes(3)


@pytest.mark.case("RTSS-1-1-53")
def test_the_header_extension_of_jpeg_stands_only_where_rfc_2435_does_not_suffice(camera, jpeg):
    width, height = SIZES["sub"]
    with playing(camera, "/sub", tracks=("video",)) as (rtsp, channels):
        for _ in range(3):
            packet = wait_for(rtsp, channels["video"], _starts_jpeg)
            assert not packet[0] & 0x10
            assert (packet[18] * 8, packet[19] * 8) == (width, height)


H265_CASES = [
    pytest.param("udp", marks=pytest.mark.case("MEDIA2_RTSS-1-1-8")),
    pytest.param("http", marks=pytest.mark.case("MEDIA2_RTSS-1-1-9")),
    pytest.param("tcp", marks=pytest.mark.case("MEDIA2_RTSS-1-1-10")),
]


@pytest.mark.parametrize("transport", H265_CASES)
def test_h265_streams_and_decodes(camera, h265, transport):
    uri = stream_uri(camera, "sub", PROTOCOLS[transport])
    pictures_of(decoded(uri, transport), "sub")
    line = ["ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_entries", "stream=codec_name", uri]
    said = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert "hevc" in said.stdout


def test_a_created_profile_streams_at_its_own_path_and_ends_alone(camera):
    parts = [{"Type": "VideoSource", "Token": "source"}, {"Type": "VideoEncoder", "Token": "sub"}]
    token = media2(camera, "CreateProfile", Name="pictures only", Configuration=parts).Token
    pictures_of(decoded(stream_uri(camera, token, "RTSP"), "tcp"), "sub")
    with playing(camera, "/main") as (stays, of_main):
        with contextlib.closing(Rtsp(camera, f"/{token}")) as goes:
            _, _, description = goes.ask("DESCRIBE", headers="Accept: application/sdp\r\n")
            assert b"m=application" not in description
            control = re.search(rb"m=video.*?a=control:(\S+)", description, re.DOTALL)[1].decode()
            uri = control if "://" in control else f"{goes.uri}/{control}"
            assert goes.ask("SETUP", uri, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n")[0] == 200
            assert goes.ask("PLAY")[0] == 200
            wait_for(goes, 0, len)
            media2(camera, "DeleteProfile", Token=token)
            with pytest.raises(AssertionError, match="closed the connection"):
                wait_for(goes, 9, len)
        for _ in range(50):
            wait_for(stays, of_main["video"], len)
