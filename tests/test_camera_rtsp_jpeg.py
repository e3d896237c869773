"""JPEG over RTP: the packets, read back as RFC 2435 and ONVIF say, and by readers that are not ours."""

import subprocess

import cv2
import numpy as np
import pytest
import rtspsrc
from camera_feed import HEIGHT, WIDTH, Feed
from hypothesis import given
from hypothesis import strategies as st

from onvif.rtsp import jpeg_rtp
from onvif.rtsp.jpeg_rtp import MTU, JpegPacketiser, read
from onvif.rtsp.live import StreamTracks

PLAIN, OWN_TABLES, RESTARTS = [], [cv2.IMWRITE_JPEG_OPTIMIZE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 3]
SAMPLED_422 = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422]


def picture(width, height, options=(), *, seed=5):
    small = np.random.default_rng(seed).integers(0, 255, (max(height // 8, 1), max(width // 8, 1), 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(small, (width, height)), list(options))[1].tobytes()


def segment(marker, content):
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def standard_tables():
    """The DHT segments of a picture that has the standard's."""
    jpeg = picture(16, 16)
    return jpeg[jpeg.index(b"\xff\xc4") : jpeg.index(b"\xff\xda")]


def received(packets):
    """The JPEG that a receiver makes of the packets of one picture: ONVIF Streaming 26.06, 5.1.3.2, and RFC 2435."""
    scan, headers, shape, tables, restart = b"", None, None, b"", 0
    for index, packet in enumerate(packets):
        at = 12
        if packet[0] & 0x10:
            assert index == 0
            assert packet[at : at + 2] == b"\xff\xd8"
            size = 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
            headers, at = packet[at + 4 : at + 4 + size], at + 4 + size
        offset, kind, quality = int.from_bytes(packet[at + 1 : at + 4], "big"), packet[at + 4], packet[at + 5]
        shape = (packet[at + 6] * 8, packet[at + 7] * 8, kind & 63)
        at += 8
        if kind & 64:
            restart = int.from_bytes(packet[at : at + 2], "big")
            at += 4
        if offset == 0 and quality >= 128:
            size = int.from_bytes(packet[at + 2 : at + 4], "big")
            tables, at = packet[at + 4 : at + 4 + size], at + 4 + size
        assert offset == len(scan)
        scan += packet[at:]
    if headers is None:
        width, height, kind = shape
        luma = 0x21 if kind == 0 else 0x22
        headers = segment(0xDB, b"\0" + tables[:64]) + segment(0xDB, b"\1" + tables[64:])
        headers += segment(0xDD, restart.to_bytes(2, "big")) if restart else b""
        sizes = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        headers += segment(0xC0, b"\x08" + sizes + bytes([3, 1, luma, 0, 2, 0x11, 1, 3, 0x11, 1]))
        headers += standard_tables() + segment(0xDA, bytes([3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]))
    return b"\xff\xd8" + headers + scan + b"\xff\xd9"


SHAPES = [
    pytest.param(320, 240, PLAIN, False, id="standard"),
    pytest.param(320, 240, SAMPLED_422, False, id="4:2:2"),
    pytest.param(320, 240, RESTARTS, False, id="restart intervals"),
    pytest.param(320, 240, OWN_TABLES, True, id="own Huffman tables"),
    pytest.param(322, 242, PLAIN, True, id="no multiple of 8"),
    pytest.param(2048, 64, PLAIN, True, id="wider than RFC 2435 can say"),
    pytest.param(64, 2056, PLAIN, True, id="higher than RFC 2435 can say"),
    pytest.param(2048, 64, [*OWN_TABLES, *RESTARTS], True, id="everything at once"),
]


@pytest.mark.parametrize(("width", "height", "options", "extended"), SHAPES)
def test_a_receiver_gets_the_same_picture(width, height, options, extended):
    jpeg = picture(width, height, options)
    packets = JpegPacketiser(ssrc=7, sequence=65535).packets(jpeg, 1 << 33)
    assert bool(packets[0][0] & 0x10) is extended
    assert not any(packet[0] & 0x10 for packet in packets[1:])
    assert [bool(packet[1] & 0x80) for packet in packets] == [False] * (len(packets) - 1) + [True]
    assert all(len(packet) <= MTU and packet[1] & 0x7F == 26 for packet in packets)
    sequence = [int.from_bytes(packet[2:4], "big") for packet in packets]
    assert sequence == [(65535 + index) & 0xFFFF for index in range(len(packets))]
    again = cv2.imdecode(np.frombuffer(received(packets), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(again, cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def test_the_extension_holds_whole_words_and_ends_with_the_start_of_scan():
    for width in range(322, 330):
        headers = read(picture(width, 242, OWN_TABLES)).headers
        assert len(headers) % 4 == 0
        assert (headers[-14:-12] if headers else b"\xff\xda") == b"\xff\xda"


@pytest.mark.parametrize(
    ("jpeg", "why"),
    [
        (b"", "begins with"),
        (picture(64, 64)[:-900], None),
        (picture(64, 64)[:100], "breaks off"),
        (picture(64, 64, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]), "baseline"),
        (picture(64, 64, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]), "4:2:0"),
        (cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))[1].tobytes(), "three"),
    ],
    ids=["nothing", "a cut scan is a cut scan", "cut headers", "progressive", "4:4:4", "grey"],
)
def test_what_rtp_cannot_carry_is_refused(jpeg, why):
    if why is None:
        assert JpegPacketiser(1).packets(jpeg, 0)
        return
    with pytest.raises(ValueError, match=why):
        JpegPacketiser(1).packets(jpeg, 0)


@given(st.data())
def test_any_bytes_are_packets_or_a_value_error(data):
    jpeg = bytearray(picture(64, 64))
    for _ in range(data.draw(st.integers(0, 4))):
        jpeg[data.draw(st.integers(0, 700))] = data.draw(st.integers(0, 255))
    jpeg = bytes(jpeg[: data.draw(st.integers(0, len(jpeg)))])
    try:
        packets = JpegPacketiser(1).packets(jpeg, 0)
    except ValueError:
        return
    assert all(len(packet) <= jpeg_rtp.MTU for packet in packets)


@pytest.fixture(scope="module")
def feed():
    running = Feed(lambda: {"admin": ("pw", "Administrator")})
    running.pictures.append(running.server.publish("jpeg", StreamTracks("JPEG", metadata=True), running.wishes.append))
    yield running
    running.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_ffmpeg_opens_it(feed, transport):
    line = ["ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_entries", "stream=codec_name,width,height",
            "-of", "csv=p=0", f"rtsp://admin:pw@127.0.0.1:{feed.server.port}/jpeg"]  # fmt: skip
    said = subprocess.run(line, capture_output=True, text=True, timeout=90, check=False)
    assert f"mjpeg,{WIDTH},{HEIGHT}" in said.stdout, said.stderr


def test_gstreamer_decodes_it(feed):
    address = f"rtsp://127.0.0.1:{feed.server.port}/jpeg"
    rtspsrc.received(address, "admin", "pw", "tcp", "rtpjpegdepay ! jpegdec ! fakesink")
