"""The SOAP server against what clients and attackers send: versions, faults, sizes, mutated bodies."""

import asyncio
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from onvif import names
from onvif.access import access_class
from onvif.errors import Fault, NotAuthorized
from onvif.names import q
from onvif.registry import load
from onvif.server import LARGEST_REQUEST, SoapServer
from onvif.service import Service
from onvif.users import ALLOWED, AccessClass, Level
from tests.onvif_camera import envelope, fault_codes, running

HOSTNAME = "<tds:GetHostname/>"


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


async def test_soap_12_and_11_are_answered_in_kind(camera):
    client = camera.client()
    for version, content_type in ((names.ENV12, "application/soap+xml"), (names.ENV11, "text/xml")):
        status, content = await client.post(envelope(HOSTNAME, version=version), content_type=content_type)
        assert status == 200
        assert content.startswith(b"<?xml")
        root = etree.fromstring(content)
        assert root.tag == q(version, "Envelope")
        assert root.find(f".//{q(names.TT, 'Name')}").text == "test-camera"


async def test_the_action_header_and_path_do_not_choose(camera):
    status, content = await camera.client().post(
        envelope(HOSTNAME),
        path="/onvif/media",
        headers={"SOAPAction": '"http://www.onvif.org/ver10/media/wsdl/Nonsense"'},
    )
    assert status == 200
    assert b"GetHostnameResponse" in content


async def test_addressing_relates_reply_and_fault(camera):
    header = "<wsa:MessageID>urn:uuid:7</wsa:MessageID><wsa:Action>x</wsa:Action>"
    _, content = await camera.client().post(envelope(HOSTNAME, header=header))
    root = etree.fromstring(content)
    assert root.find(f".//{q(names.WSA, 'RelatesTo')}").text == "urn:uuid:7"
    assert root.find(f".//{q(names.WSA, 'Action')}").text == f"{names.TDS}/GetHostnameResponse"
    _, content = await camera.client().post(envelope("<tds:Nonsense/>", header=header))
    root = etree.fromstring(content)
    assert root.find(f".//{q(names.WSA, 'Action')}").text == "http://www.w3.org/2005/08/addressing/soap/fault"
    assert root.find(f".//{q(names.WSA, 'RelatesTo')}").text == "urn:uuid:7"


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("", ["Sender", "InvalidArgs"]),
        ("<tds:GetNonsense/>", ["Sender", "NotAuthorized"]),
        ("<tds:GetServices/>", ["Sender", "InvalidArgs"]),
        ("<tds:GetServices><tds:IncludeCapability>perhaps</tds:IncludeCapability></tds:GetServices>",
         ["Sender", "InvalidArgVal"]),
        ("<tds:GetServices><tds:IncludeCapability>1</tds:IncludeCapability><tds:More/></tds:GetServices>",
         ["Sender", "InvalidArgs"]),
    ],
)  # fmt: skip
async def test_faults_have_their_subcodes(camera, body, codes):
    _, content = await camera.client().post(envelope(body))
    assert fault_codes(content) == codes


async def test_what_is_no_soap_gets_a_fault(camera):
    client = camera.client()
    for junk in (b"<a/>", b"{}", b"\xff\xfe", b"<s:Envelope", envelope(HOSTNAME)[:-3], b"<a>" * 100_000):
        status, content = await client.post(junk)
        assert status == 400, junk[:20]
        assert fault_codes(content) == ["Sender", "WellFormed"]


async def test_entities_and_document_types_are_refused(camera):
    bomb = b'<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "' + b"&b;" * 50 + b'">]>'
    file = b'<!DOCTYPE a [<!ENTITY c SYSTEM "file:///etc/passwd">]>'
    for head in (bomb, file):
        text = head + envelope("<tds:SetHostname><tds:Name>&c;</tds:Name></tds:SetHostname>")
        status, content = await camera.client().post(text)
        assert (status, fault_codes(content)) == (400, ["Sender", "WellFormed"])
        assert b"root:" not in content


async def test_an_oversize_body_is_refused_before_it_is_read(camera):
    reader, writer = await asyncio.open_connection("127.0.0.1", camera.web.ports.http)
    writer.write(b"POST /onvif/device_service HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n")
    await writer.drain()
    async with asyncio.timeout(60):
        assert b" 413 " in await reader.readline()
    writer.close()
    status, _ = await camera.client().post(b"x" * (LARGEST_REQUEST + 1))
    assert status == 413


async def test_an_empty_body_is_challenged_as_curl_expects(camera):
    client = camera.client()
    async with client.carrier.session.post(f"{camera.base}/onvif/device_service", data=b"") as response:
        challenges = response.headers.getall("WWW-Authenticate")
    assert response.status == 401
    assert [text.split("algorithm=")[1].split(",")[0] for text in challenges] == ["MD5", "SHA-256"]


async def test_public_operations_answer_whatever_credentials_come(camera):
    stranger = camera.client_as("nobody", "wrong-password")
    await stranger(names.TDS, "GetSystemDateAndTime")
    stale = (
        f'<w:Security xmlns:w="{names.WSSE}"><w:UsernameToken><w:Username>x</w:Username></w:UsernameToken></w:Security>'
    )
    status, _ = await stranger.post(envelope("<tds:GetSystemDateAndTime/>", header=stale))
    assert status == 200


async def test_every_operation_is_open_to_exactly_its_levels(camera):
    """Each served operation with an empty body, by all four levels: refused by right, or not."""
    clients = {level: camera.client(level) for level in Level}
    wrong = []
    for operation in camera.web.server.operations.values():
        namespace, name = names.split(operation.request)
        body = etree.Element(q(namespace, name))
        etree.SubElement(body, "not-in-any-schema")  # what passes the gate is refused for it, and does nothing
        allowed = {level for level in Level if access_class(operation) in ALLOWED[level]}
        for level, client in clients.items():
            refusal = await refused(client, body)
            if refusal == (level in allowed):
                wrong.append((operation.name, level))
    assert wrong == []
    assert not camera.restarted.is_set()
    assert {access_class(operation) for operation in camera.web.server.operations.values()} >= {
        AccessClass.PRE_AUTH, AccessClass.READ_SYSTEM, AccessClass.READ_SYSTEM_SECRET, AccessClass.WRITE_SYSTEM,
        AccessClass.UNRECOVERABLE, AccessClass.READ_MEDIA, AccessClass.ACTUATE,
    }  # fmt: skip


async def refused(client, body):
    try:
        await client.carrier.request(f"{client.base}/onvif/device_service", body)
    except NotAuthorized:
        return True
    except Fault:
        return False
    return False


def seeds():
    """Request bodies of many shapes, to be broken."""
    for body in (
        "<tds:GetServices><tds:IncludeCapability>true</tds:IncludeCapability></tds:GetServices>",
        (
            "<tds:CreateUsers><tds:User><tt:Username>a</tt:Username><tt:Password>abcdefgh</tt:Password>"
            "<tt:UserLevel>User</tt:UserLevel></tds:User></tds:CreateUsers>"
        ),
        (
            "<tds:SetSystemDateAndTime><tds:DateTimeType>Manual</tds:DateTimeType><tds:DaylightSavings>false"
            "</tds:DaylightSavings><tds:TimeZone><tt:TZ>CET-1CEST</tt:TZ></tds:TimeZone><tds:UTCDateTime><tt:Time>"
            "<tt:Hour>1</tt:Hour><tt:Minute>2</tt:Minute><tt:Second>3</tt:Second></tt:Time><tt:Date><tt:Year>2026</tt:Year>"
            "<tt:Month>11</tt:Month><tt:Day>21</tt:Day></tt:Date></tds:UTCDateTime></tds:SetSystemDateAndTime>"
        ),
        "<tr2:GetProfiles><tr2:Token>main</tr2:Token><tr2:Type>All</tr2:Type></tr2:GetProfiles>",
        (
            "<tr2:AddConfiguration><tr2:ProfileToken>sub</tr2:ProfileToken><tr2:Configuration><tr2:Type>VideoEncoder"
            "</tr2:Type><tr2:Token>main</tr2:Token></tr2:Configuration></tr2:AddConfiguration>"
        ),
        (
            "<trt:GetStreamUri><trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>UDP"
            "</tt:Protocol></tt:Transport></trt:StreamSetup><trt:ProfileToken>main</trt:ProfileToken></trt:GetStreamUri>"
        ),
        (
            "<tds:SetNetworkInterfaces><tds:InterfaceToken>eth0</tds:InterfaceToken><tds:NetworkInterface><tt:IPv4>"
            "<tt:Manual><tt:Address>10.0.0.9</tt:Address><tt:PrefixLength>24</tt:PrefixLength></tt:Manual></tt:IPv4>"
            "</tds:NetworkInterface></tds:SetNetworkInterfaces>"
        ),
    ):
        yield envelope(body)


SEEDS = tuple(seeds())


@st.composite
def broken(draw):
    """A seed with some of its bytes, tags or values changed."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                data[at] = draw(st.integers(0, 255))
            case 1:
                del data[at : at + draw(st.integers(1, 40))]
            case 2:
                data[at:at] = draw(st.binary(max_size=20))
            case 3:
                start = data.find(b">", at)
                data[start + 1 : start + 1] = draw(
                    st.sampled_from([b"-1", b"1e999", b"NaN", b"\xf0\x9f\x92\xa9", b"<x/>", b"9" * 40, b"&#0;", b" "])
                )
            case 4:
                length = draw(st.integers(1, 200))
                data[at:at] = data[at : at + length]
        data = data or bytearray(b"x")
    return bytes(data)


async def test_mutated_bodies_give_a_fault_and_never_an_exception(camera, caplog):
    administrator = camera.client()
    loop = asyncio.get_running_loop()
    counted = {}

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(broken())
    def send(data):
        status = asyncio.run_coroutine_threadsafe(signed(administrator, data), loop).result(60)
        counted[status] = counted.get(status, 0) + 1
        assert status in {200, 400, 401, 500}

    with caplog.at_level(logging.WARNING):
        await asyncio.to_thread(send)
    assert [record for record in caplog.records if record.exc_info] == []
    assert counted.get(400, 0) > 50


async def signed(client, data):
    """Post any bytes with digest credentials, so that they get past the gate."""
    carrier, url = client.carrier, f"{client.base}/onvif/device_service"
    if carrier._challenge is None:
        await client(names.TDS, "GetDeviceInformation")
    async with carrier.session.post(
        url, data=data, headers={"Authorization": carrier.authorization("POST", url)}
    ) as got:
        content = await got.read()
    if got.status != 200:
        assert b"Fault" in content
    return got.status


def test_a_handler_for_no_operation_is_a_mistake_found_at_start():
    odd = Service(names.TDS, "/x", {q(names.TDS, "Nonsense"): None}, dict)
    with pytest.raises(ValueError, match="Nonsense"):
        SoapServer((odd,), None, now=None, registry=load())
