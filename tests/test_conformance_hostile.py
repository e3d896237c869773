"""Ten thousand mutated inputs: SOAP bodies, RTSP requests, discovery datagrams. Always a fault or a clean close."""

import asyncio
import contextlib
import logging
import random
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from onvif import names
from onvif.discovery import Endpoint, Responder, discover, messages, multicast
from onvif.discovery.messages import DEVICE, VIDEO_TRANSMITTER
from onvif.users import Level
from tests.camera_process import camera_process
from tests.onvif_camera import PASSWORDS, envelope, running
from tests.test_onvif_auth import token

pytestmark = pytest.mark.long

BODIES = [
    "<tds:GetServices><tds:IncludeCapability>true</tds:IncludeCapability></tds:GetServices>",
    "<tds:GetCapabilities><tds:Category>All</tds:Category></tds:GetCapabilities>",
    "<tds:SetHostname><tds:Name>gate</tds:Name></tds:SetHostname>",
    (
        "<tds:CreateUsers><tds:User><tt:Username>x</tt:Username><tt:Password>Secret-secret-1</tt:Password>"
        "<tt:UserLevel>User</tt:UserLevel></tds:User></tds:CreateUsers>"
    ),
    (
        "<trt:GetStreamUri><trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP"
        "</tt:Protocol></tt:Transport></trt:StreamSetup><trt:ProfileToken>main</trt:ProfileToken></trt:GetStreamUri>"
    ),
    "<tr2:GetProfiles><tr2:Type>All</tr2:Type></tr2:GetProfiles>",
    "<tr2:CreateProfile><tr2:Name>n</tr2:Name></tr2:CreateProfile>",
    (
        f'<e:CreatePullPointSubscription xmlns:e="{names.TEV}"><e:Filter><w:TopicExpression xmlns:w="{names.WSNT}" '
        f'Dialect="{names.TOPIC_CONCRETE_SET}">tns1:Media//.</w:TopicExpression></e:Filter>'
        "<e:InitialTerminationTime>PT1S</e:InitialTerminationTime></e:CreatePullPointSubscription>"
    ),
    (
        f'<a:CreateRules xmlns:a="{names.TAN}"><a:ConfigurationToken>analytics</a:ConfigurationToken><a:Rule Name="r" '
        'Type="tt:ObjectDetection"><tt:Parameters><tt:SimpleItem Name="ClassFilter" Value="Human"/></tt:Parameters>'
        "</a:Rule></a:CreateRules>"
    ),
]
REQUESTS = [
    b"OPTIONS rtsp://127.0.0.1/main RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    b"DESCRIBE rtsp://127.0.0.1/main RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n",
    b"SETUP rtsp://127.0.0.1/main/stream=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n",
    b"GET /main HTTP/1.0\r\nx-sessioncookie: c\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n",
    b"PLAY rtsp://127.0.0.1/main RTSP/1.0\r\nCSeq: 4\r\nSession: 1\r\nContent-Length: 99999999\r\n\r\n",
]


def mutated(dice, data, most=6):
    """The same bytes with a few flipped, cut, doubled, moved or blown up."""
    data = bytearray(data)
    for _ in range(dice.randint(1, most)):
        at = dice.randrange(len(data)) if data else 0
        match dice.randrange(6):
            case 0 if data:
                data[at] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + dice.randint(1, 60)]
            case 3:
                data[at:at] = dice.choice([b"<", b">", b"&", b"\0", b"&#0;", b"\xff\xfe", b"<!DOCTYPE a []>", b"]]>"])
            case 4:
                data[at:at] = b"9" * dice.randint(1, 400)
            case 5:
                data = data[:at]
    return bytes(data)


def resident_mib(pid="self"):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4 / 1024


async def test_six_thousand_soap_bodies(tmp_path, caplog):
    dice = random.Random(1)
    caplog.set_level(logging.ERROR)
    async with running(tmp_path) as camera:
        client = camera.client()
        answered = {}

        async def one():
            body = dice.choice(BODIES)
            if dice.random() < 0.6:
                # Inside a good envelope with good credentials, so that decoders and handlers are reached.
                secret = token(PASSWORDS[Level.ADMINISTRATOR], user="administrator", created=datetime.now(UTC),
                               nonce=dice.randbytes(16))  # fmt: skip
                inner = mutated(dice, body.encode(), most=1).decode("latin-1")
                whole = envelope(inner, header=etree.tostring(secret[0]).decode())
            else:
                whole = mutated(dice, envelope(body))
            status, content = await client.post(whole)
            answered[status] = answered.get(status, 0) + 1
            assert status in {200, 400, 401, 500}, (status, whole)
            etree.fromstring(content)

        for _ in range(500):
            await one()
        before = resident_mib()
        for _ in range(5500):
            await one()
        assert resident_mib() - before < 40
        assert (await client.post(envelope("<tds:GetHostname/>")))[0] == 200
    assert answered[200] > 100, answered
    assert [record.getMessage() for record in caplog.records] == []


async def test_two_thousand_datagrams(caplog):
    dice = random.Random(2)
    caplog.set_level(logging.WARNING)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    camera = Endpoint("urn:uuid:1", (VIDEO_TRANSMITTER, DEVICE), ("onvif://www.onvif.org/a",), ("http://127.0.0.1/",))
    responder = Responder(lambda _: camera, interfaces=["127.0.0.1"], port=port, max_delay_s=0.0)
    await responder.start()
    originals = [messages.probe([VIDEO_TRANSMITTER], camera.scopes)[1], messages.resolve(camera.address)[1],
                 messages.hello(camera, (1, 1))]  # fmt: skip
    sock = multicast.sender("127.0.0.1")
    try:
        for number in range(2000):
            data = mutated(dice, dice.choice(originals))[:60000]
            await asyncio.get_running_loop().sock_sendto(sock, data, ("127.0.0.1", port))
            if number % 20 == 0:
                await asyncio.sleep(0)
        found = await discover(1.0, interfaces=["127.0.0.1"], port=port)
        assert [device.endpoint for device in found] == [camera.address]
    finally:
        sock.close()
        await responder.stop()
    assert [record.getMessage() for record in caplog.records] == []


def test_two_thousand_rtsp_requests(tmp_path):
    dice = random.Random(3)
    with camera_process(tmp_path) as camera:
        before = 0.0
        for number in range(2000):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", dice.choice([camera.rtsp, camera.web])), timeout=30) as sock,
            ):
                sock.sendall(mutated(dice, dice.choice(REQUESTS)))
                sock.shutdown(socket.SHUT_WR)
                if number % 10 == 0:
                    sock.settimeout(2)
                    sock.recv(4096)
            if number == 500:
                before = resident_mib(camera.pid)
        assert resident_mib(camera.pid) - before < 60
        with socket.create_connection(("127.0.0.1", camera.rtsp), timeout=60) as sock:
            sock.sendall(REQUESTS[0])
            assert b"RTSP/1.0 200" in sock.recv(4096)
        assert "Traceback" not in camera.log.read_text(errors="replace")
