"""What clients outside our matrix send: no port in Host, no Host, a slash too many, a wrong path, MD5 and no more."""

import asyncio
import re

import pytest
from lxml import etree

from onvif import digest, names
from onvif.names import TDS, TEV, TR2, WSA, q
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, PATHS, envelope, fault_codes, running

SERVICES = "<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>"


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


async def raw(camera, body, *, head, path=PATHS[TDS]):
    """Status, headers and body of an answer to a request whose head is exactly this."""
    port = camera.web.ports.http
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} {head}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    top, _, content = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), top.decode(), content


@pytest.mark.parametrize(
    ("head", "host"),
    [("HTTP/1.1\r\nHost: camera.example", "camera.example"), ("HTTP/1.0", "127.0.0.1"),
     ("HTTP/1.1\r\nHost: [fe80::1]", "[fe80::1]"), ("HTTP/1.1\r\nHost: 192.0.2.9", "192.0.2.9")],
)  # fmt: skip
async def test_addresses_keep_the_port_that_the_client_came_by(camera, head, host):
    _, _, content = await raw(camera, envelope(SERVICES), head=head)
    found = {node.text for node in etree.fromstring(content).iter(q(TDS, "XAddr"))}
    port = camera.web.ports.http
    assert all(address.startswith(f"http://{host}:{port}/onvif/") for address in found), found


async def test_addresses_are_those_of_host_where_it_names_a_port(camera):
    _, _, content = await raw(camera, envelope(SERVICES), head="HTTP/1.1\r\nHost: forwarded.example:8899")
    found = [node.text for node in etree.fromstring(content).iter(q(TDS, "XAddr"))]
    assert all(address.startswith("http://forwarded.example:8899/onvif/") for address in found)


async def test_a_subscription_and_a_stream_keep_it_too(camera):
    client = camera.client()
    port = camera.web.ports.http
    client.carrier.session.headers["Host"] = "camera.example"
    reply = await client.raw(TEV, "CreatePullPointSubscription", InitialTerminationTime="PT60S")
    address = reply.findtext(f".//{q(WSA, 'Address')}")
    assert address.startswith(f"http://camera.example:{port}/onvif/events/")
    reply = await client(TR2, "GetStreamUri", Protocol="RTSP", ProfileToken="main")
    assert reply["Uri"] == f"rtsp://camera.example:{camera.camera.rtsp.port}/main"
    reply = await client(TR2, "GetSnapshotUri", ProfileToken="main")
    assert reply["Uri"] == f"http://camera.example:{port}/snapshot/main.jpeg"


@pytest.mark.parametrize("path", sorted(PATHS.values()))
async def test_a_trailing_slash_reaches_the_service(camera, path):
    status, content = await camera.client().post(envelope(SERVICES), path=f"{path}/")
    assert status == 200
    assert b"GetServicesResponse" in content


async def test_a_pull_point_is_reached_with_a_trailing_slash(camera):
    client = camera.client()
    reply = await client.raw(TEV, "CreatePullPointSubscription", InitialTerminationTime="PT60S")
    client.paths = {TEV: reply.findtext(f".//{q(WSA, 'Address')}").removeprefix(client.base) + "/"}
    assert await client(TEV, "PullMessages", Timeout="PT0S", MessageLimit=1) is not None


@pytest.mark.parametrize("path", ["/onvif/device", "/onvif/", "/onvif/media3/x", "/onvif/device_service/x"])
async def test_a_wrong_path_gets_a_fault(camera, path):
    status, content = await camera.client().post(envelope(SERVICES), path=path)
    assert status == 404
    assert fault_codes(content) == ["Receiver", "ActionNotSupported"]


async def test_the_first_challenge_of_http_is_md5_and_the_others_stand_behind(camera):
    _, top, _ = await raw(camera, envelope("<tds:GetDeviceInformation/>"), head="HTTP/1.1\r\nHost: x")
    lines = re.findall(r"(?im)^www-authenticate: (.*?)\r?$", top)
    assert [digest.challenges([line])[0].algorithm for line in lines] == ["MD5", "SHA-256"]
    (challenge, _) = lines
    # As a client of RFC 2617 reads it: one challenge, its parameters between commas.
    values = dict(part.strip().split("=", 1) for part in challenge.removeprefix("Digest ").split(","))
    assert {"realm", "nonce", "qop"} <= values.keys()
    known = digest.Challenge(values["realm"].strip('"'), values["nonce"].strip('"'), "MD5", qop=("auth",))
    password = PASSWORDS[Level.ADMINISTRATOR]
    answer = digest.credentials(known, user="administrator", password=password, method="POST", uri=PATHS[TDS])
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: {answer}"
    assert (await raw(camera, envelope("<tds:GetDeviceInformation/>"), head=head))[0] == 200


async def test_get_services_is_rendered_once_for_those_who_number_their_messages(camera, monkeypatch):
    """It needs no credentials and took 15 to 60 ms each time while a MessageID kept it from being remembered."""
    client = camera.client()
    body = "<tds:GetServices><tds:IncludeCapability>true</tds:IncludeCapability></tds:GetServices>"
    for number in range(3):
        header = f"<wsa:MessageID>urn:uuid:{number}</wsa:MessageID><wsa:Action>x</wsa:Action>"
        status, content = await client.post(envelope(body, header=header))
        root = etree.fromstring(content)
        assert status == 200
        assert root.find(f"{q(names.ENV12, 'Header')}/{q(WSA, 'RelatesTo')}").text == f"urn:uuid:{number}"
        assert len(root.findall(f".//{q(TDS, 'Service')}")) == len(PATHS)
        if number == 0:
            monkeypatch.setattr("onvif.registry._render", _never)


def _never(*_args):
    raise AssertionError("rendered again")
