"""WS-Discovery: the messages, and real datagrams on the loopback interface between responders and searchers."""

import asyncio
import contextlib
import socket
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from onvif.discovery import Endpoint, Responder, discover, messages, multicast
from onvif.discovery.messages import DEVICE, VIDEO_TRANSMITTER, Probe
from onvif.errors import NotOnvif
from onvif.names import DN, ENV12, WSA, WSA04, WSD, q

LOOPBACK = "127.0.0.1"
CAMERA = Endpoint(
    "urn:uuid:5f7a9a6c-0000-4000-8000-000000000001",
    (VIDEO_TRANSMITTER, DEVICE),
    (
        "onvif://www.onvif.org/Profile/Streaming", "onvif://www.onvif.org/Profile/T",
        "onvif://www.onvif.org/name/Front%20door", "onvif://www.onvif.org/location/city/Oslo",
    ),
    ("http://127.0.0.1:8080/onvif/device_service",),
    3,
)  # fmt: skip


@pytest.fixture
def port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        return sock.getsockname()[1]


@contextlib.asynccontextmanager
async def present(port, endpoint=CAMERA):
    responder = Responder(lambda _: endpoint, interfaces=[LOOPBACK], port=port, max_delay_s=0.02)
    await responder.start()
    try:
        yield responder
    finally:
        await responder.stop()


async def asked(port, data, *, group=True, wait_s=0.4):
    """What comes back to one datagram."""
    loop = asyncio.get_running_loop()
    sock = multicast.sender(LOOPBACK)
    answers = []
    try:
        await loop.sock_sendto(sock, data, (multicast.GROUP if group else LOOPBACK, port))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while True:
                    answers.append(await loop.sock_recv(sock, 65507))
    finally:
        sock.close()
    return answers


@pytest.mark.parametrize(
    ("types", "scopes", "rule", "matches"),
    [
        ((), (), "rfc3986", True),
        ((VIDEO_TRANSMITTER,), (), "rfc3986", True),
        ((VIDEO_TRANSMITTER, DEVICE), (), "rfc2396", True),
        ((q(DN, "NetworkVideoDisplay"),), (), "rfc3986", False),
        ((), ("onvif://www.onvif.org/Profile",), "rfc3986", True),
        ((), ("ONVIF://WWW.ONVIF.ORG/Profile/T",), "rfc3986", True),
        ((), ("onvif://www.onvif.org/profile/T",), "rfc3986", False),
        ((), ("onvif://www.onvif.org/Prof",), "rfc3986", False),
        ((), ("onvif://www.onvif.org/name/Front door".replace(" ", "%20"),), "rfc3986", True),
        ((), ("onvif://www.onvif.org/location", "onvif://www.onvif.org/hardware"), "rfc3986", False),
        ((), ("onvif://www.onvif.org/Profile/T",), "strcmp0", True),
        ((), ("onvif://www.onvif.org/Profile",), "strcmp0", False),
        ((), ("onvif://www.onvif.org/Profile/T",), "ldap", False),
        ((), ("onvif://www.onvif.org/Profile/../Profile",), "rfc3986", False),
        ((), ("http://[bad",), "rfc3986", False),
    ],
)  # fmt: skip
def test_matching(types, scopes, rule, matches):
    assert Probe(types, scopes, f"{WSD}/{rule}").matches(CAMERA) is matches


@pytest.mark.parametrize("prefix", ["d", "wsd", "discovery-1"])
def test_any_prefix_is_understood(prefix):
    _, data = messages.probe([VIDEO_TRANSMITTER])
    text = data.decode().replace("dn:", "zz:").replace("xmlns:dn=", "xmlns:zz=")
    text = text.replace("<d:", f"<{prefix}:").replace("</d:", f"</{prefix}:").replace("xmlns:d=", f"xmlns:{prefix}=")
    assert messages.parse_probe(messages.parse(text.encode())).types == (VIDEO_TRANSMITTER,)


def test_types_may_declare_their_prefix_where_they_stand():
    _, data = messages.probe([])
    types = f'<d:Types xmlns:q1="{DN}">q1:NetworkVideoTransmitter</d:Types>'.encode()
    text = data.replace(b"<d:Types/>", types).replace(b"<d:Types></d:Types>", types)
    assert messages.parse_probe(messages.parse(text)).types == (VIDEO_TRANSMITTER,)


def test_an_undeclared_prefix_means_what_its_name_says():
    _, data = messages.probe([VIDEO_TRANSMITTER, DEVICE])
    spelled = data.replace(b">dn:", b">nope:").replace(b" tds:", b" other:")
    assert spelled != data
    assert messages.parse_probe(messages.parse(spelled)).matches(CAMERA)
    unknown = messages.parse_probe(messages.parse(data.replace(b">dn:NetworkVideoTransmitter", b">x:NetworkDoor")))
    assert not unknown.matches(CAMERA)


def test_a_trailing_nul_is_no_part_of_the_message():
    _, data = messages.probe([VIDEO_TRANSMITTER])
    assert messages.parse_probe(messages.parse(data + b"\0\0")).matches(CAMERA)


def later(data):
    """The same message with the WS-Addressing of 2005/08."""
    return data.replace(WSA04.encode() + b"/role/anonymous", WSA.encode() + b"/anonymous").replace(
        WSA04.encode(), WSA.encode()
    )


async def test_a_probe_and_a_resolve_of_the_later_addressing_are_answered_in_it(port):
    async with present(port):
        for message_id, data in (messages.probe([VIDEO_TRANSMITTER]), messages.resolve(CAMERA.address)):
            (answer,) = await asked(port, later(data))
            assert WSA04.encode() not in answer
            root = etree.fromstring(answer)
            assert root.findtext(f".//{q(WSA, 'RelatesTo')}") == message_id
            assert root.findtext(f".//{q(WSA, 'To')}") == f"{WSA}/anonymous"
            assert root.findtext(f".//{q(WSD, 'XAddrs')}") == CAMERA.xaddrs[0]
            assert messages.parse_endpoints(messages.parse(answer)) == (CAMERA,)


@pytest.mark.parametrize(
    ("address", "interfaces"),
    [("0.0.0.0", None), ("::", None), ("", None), ("192.0.2.7", ("192.0.2.7",)), ("127.0.0.1", (LOOPBACK,)),
     ("2001:db8::7", ())],
)  # fmt: skip
def test_discovery_serves_the_interfaces_of_the_services(address, interfaces):
    assert multicast.served_by(address) == interfaces


@pytest.mark.parametrize("group", [True, False])
async def test_who_comes_by_an_interface_where_nothing_listens_is_not_answered(port, group):
    responder = Responder(lambda _: CAMERA, interfaces=["127.0.0.9"], port=port, max_delay_s=0.02)
    greeted = multicast.listener((LOOPBACK,), port)
    await responder.start()
    try:
        assert await asked(port, messages.probe([VIDEO_TRANSMITTER])[1], group=group) == []
        assert all(peer[0] == "127.0.0.9" for _, peer in heard(greeted) if peer)
    finally:
        await responder.stop()
        greeted.close()


def heard(sock):
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            data, peer, _ = multicast.receive(sock, 65507)
            if b"Hello" in data:
                found.append((data, peer))
    return found


def test_hello_and_matches_come_back():
    assert messages.parse_endpoints(messages.parse(messages.hello(CAMERA, (1, 1)))) == (CAMERA,)
    asked = messages.parse(messages.probe()[1])
    answer = messages.parse(messages.matches(asked, [CAMERA], (1, 2)))
    assert (answer.action, answer.relates_to) == ("ProbeMatches", asked.message_id)
    assert messages.parse_endpoints(answer) == (CAMERA,)


def test_headers_of_an_answer():
    asked = messages.parse(messages.resolve(CAMERA.address)[1])
    root = etree.fromstring(messages.matches(asked, [CAMERA], (7, 9)))
    header = root.find(q(ENV12, "Header"))
    assert header.findtext(q(WSA04, "Action")) == f"{WSD}/ResolveMatches"
    assert header.findtext(q(WSA04, "To")) == messages.ANONYMOUS
    assert header.find(q(WSD, "AppSequence")).attrib == {"InstanceId": "7", "MessageNumber": "9"}


@settings(max_examples=300)
@given(st.data())
def test_any_datagram_is_a_message_or_refused_by_name(data):
    whole = bytearray(data.draw(st.sampled_from([
        messages.probe([VIDEO_TRANSMITTER], ["onvif://www.onvif.org/Profile"])[1],
        messages.resolve(CAMERA.address)[1], messages.hello(CAMERA, (1, 1)), messages.bye(CAMERA, (1, 2)),
    ])))  # fmt: skip
    for _ in range(data.draw(st.integers(0, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for candidate in (bytes(whole), bytes(whole[: data.draw(st.integers(0, len(whole)))])):
        with contextlib.suppress(NotOnvif):
            message = messages.parse(candidate)
            messages.parse_endpoints(message)
            if message.action == "Resolve":
                messages.parse_resolve(message)
            elif message.action == "Probe":
                messages.parse_probe(message).matches(CAMERA)


@pytest.mark.case("DISCOVERY-1-1-4")
async def test_every_camera_of_one_host_is_found(port):
    other = replace(CAMERA, address="urn:uuid:5f7a9a6c-0000-4000-8000-000000000002", xaddrs=("http://127.0.0.1:2/x",))
    async with present(port), present(port, other):
        found = await discover(1.0, interfaces=[LOOPBACK], port=port)
    assert {device.endpoint for device in found} == {CAMERA.address, other.address}
    first = next(device for device in found if device.endpoint == CAMERA.address)
    assert (first.xaddrs, first.metadata_version) == (CAMERA.xaddrs, 3)
    assert (first.scope("name"), first.scope("hardware")) == ("Front door", "")


@pytest.mark.case("DISCOVERY-1-1-6")
async def test_a_unicast_probe_is_answered(port):
    async with present(port):
        found = await discover(0.4, interfaces=[LOOPBACK], address=LOOPBACK, port=port)
    assert [device.endpoint for device in found] == [CAMERA.address]


async def test_a_unicast_probe_reaches_every_camera_of_the_host(port):
    other = replace(CAMERA, address="urn:uuid:00000000-0000-4000-8000-00000000000b")
    async with present(port), present(port, other):
        found = await discover(0.6, interfaces=[LOOPBACK], address=LOOPBACK, port=port)
        assert {device.endpoint for device in found} == {CAMERA.address, other.address}
        _, data = messages.probe([VIDEO_TRANSMITTER])
        assert len(await asked(port, data, group=False)) == 2
        fault = messages.probe((), ["onvif://x"])[1]
        fault = fault.replace(b"<d:Scopes>", f'<d:Scopes MatchBy="{WSD}/ldap">'.encode())
        assert len(await asked(port, fault, group=False)) == 1


@pytest.mark.parametrize("head", [b"", b"10.0.0.1", b"10.0.0.1 99999", b"host 3702", b"\xff\xff 1", b"10.0.0.1 -5"])
async def test_a_forged_passing_on_does_no_harm(port, head):
    async with present(port) as responder:
        _, data = messages.probe([VIDEO_TRANSMITTER])
        assert await asked(port, b"veilcam passes on " + head + b"\n" + data) == []
        assert await discover(0.6, interfaces=[LOOPBACK], port=port)
        assert responder is not None


@pytest.mark.case("DISCOVERY-1-1-5")
async def test_a_probe_for_something_else_stays_unanswered(port):
    async with present(port):
        assert await asked(port, messages.probe([q(DN, "NetworkVideoDisplay")])[1]) == []
        assert await asked(port, messages.probe((), ["onvif://www.onvif.org/name/Back"])[1]) == []


async def test_resolve_answers_for_its_own_address_only(port):
    async with present(port):
        (answer,) = await asked(port, messages.resolve(CAMERA.address)[1])
        assert messages.parse_endpoints(messages.parse(answer)) == (CAMERA,)
        assert await asked(port, messages.resolve("urn:uuid:other")[1]) == []


@pytest.mark.case("DISCOVERY-1-1-9")
async def test_a_hidden_camera_neither_greets_nor_answers(port):
    endpoint = None
    responder = Responder(lambda _: endpoint, interfaces=[LOOPBACK], port=port, max_delay_s=0.02)
    await responder.start()
    try:
        assert await discover(0.4, interfaces=[LOOPBACK], port=port) == []
        endpoint = CAMERA
        assert [found.endpoint for found in await discover(0.6, interfaces=[LOOPBACK], port=port)] == [CAMERA.address]
    finally:
        await responder.stop()


@pytest.mark.case("DISCOVERY-1-1-2", "DISCOVERY-1-1-8")
async def test_hello_at_start_on_change_and_bye_at_the_end(port):
    ear = multicast.listener((LOOPBACK,), port)
    loop = asyncio.get_running_loop()
    heard = asyncio.Queue()

    def readable():
        with contextlib.suppress(BlockingIOError):
            heard.put_nowait(messages.parse(multicast.receive(ear, 65507)[0]))

    loop.add_reader(ear, readable)
    try:
        async with asyncio.timeout(30), present(port) as responder:
            assert (await heard.get()).action == "Hello"
            await responder.hello()
            while not heard.empty():
                heard.get_nowait()
            await responder.stop()
            while (last := await heard.get()).action != "Bye":
                assert last.action == "Hello"
            assert messages.parse_endpoints(last)[0].address == CAMERA.address
    finally:
        loop.remove_reader(ear)
        ear.close()


async def test_a_repeated_probe_is_answered_once(port):
    _, data = messages.probe([VIDEO_TRANSMITTER])
    loop = asyncio.get_running_loop()
    async with present(port):
        sock = multicast.sender(LOOPBACK)
        try:
            for _ in range(5):
                await loop.sock_sendto(sock, data, (multicast.GROUP, port))
            answers = []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    while True:
                        answers.append(await loop.sock_recv(sock, 65507))
        finally:
            sock.close()
    assert len(answers) == 1


@pytest.mark.case("DISCOVERY-1-1-10")
async def test_an_unknown_matching_rule_gets_a_fault_by_unicast_and_nothing_by_multicast(port):
    _, data = messages.probe((), ["onvif://www.onvif.org/Profile"])
    data = data.replace(b"<d:Scopes>", f'<d:Scopes MatchBy="{WSD}/ldap">'.encode())
    async with present(port):
        (fault,) = await asked(port, data, group=False)
        assert b"MatchingRuleNotSupported" in fault
        assert await asked(port, data.replace(b"urn:uuid:", b"urn:uuid:x")) == []


async def test_junk_does_not_disturb_the_responder(port):
    async with present(port):
        for junk in (b"", b"\0" * 1000, b"<a>", b"M-SEARCH * HTTP/1.1\r\n\r\n", b"<!DOCTYPE a []><a/>"):
            assert await asked(port, junk, wait_s=0.05) == []
        assert await discover(0.6, interfaces=[LOOPBACK], port=port)


def test_loopback_is_among_the_interfaces():
    assert LOOPBACK in multicast.interfaces()


@pytest.mark.case("DISCOVERY-1-1-3")
async def test_a_search_by_types_and_scopes(port):
    async with present(port):
        for scope in CAMERA.scopes:
            (answer,) = await asked(port, messages.probe([VIDEO_TRANSMITTER], [scope])[1])
            assert messages.parse_endpoints(messages.parse(answer)) == (CAMERA,)


@pytest.mark.case("DISCOVERY-1-1-11")
async def test_new_scopes_are_greeted_with_and_found_by(port):
    endpoint = CAMERA
    responder = Responder(lambda _: endpoint, interfaces=[LOOPBACK], port=port, max_delay_s=0.02)
    await responder.start()
    try:
        added = "onvif://www.onvif.org/location/hall"
        assert await asked(port, messages.probe((), [added])[1]) == []
        endpoint = replace(CAMERA, scopes=(*CAMERA.scopes, added), metadata_version=4)
        await responder.hello()
        (answer,) = await asked(port, messages.probe((), [added])[1])
        assert messages.parse_endpoints(messages.parse(answer)) == (endpoint,)
    finally:
        await responder.stop()


def spelled(probe):
    """A whole Probe around its inner XML, every namespace declared by the spelling itself."""
    return f'<?xml version="1.0"?>{probe}'.encode()


_HEAD = f"{WSD}/Probe"
SPELLINGS = {
    "DISCOVERY-2-1-1": (
        f'<Envelope xmlns="{ENV12}"><Header xmlns="{ENV12}"><MessageID xmlns="{WSA04}">urn:uuid:a1</MessageID>'
        f'<To xmlns="{WSA04}">{messages.TO_ALL}</To><Action xmlns="{WSA04}">{_HEAD}</Action></Header>'
        f'<Body xmlns="{ENV12}"><Probe xmlns="{WSD}"><Types xmlns="{WSD}" xmlns:d="{DN}">d:NetworkVideoTransmitter'
        "</Types></Probe></Body></Envelope>"
    ),
    "DISCOVERY-2-1-2": (
        f'<Envelope xmlns="{ENV12}"><Header><MessageID xmlns="{WSA04}">urn:uuid:a2</MessageID>'
        f'<To xmlns="{WSA04}">{messages.TO_ALL}</To><Action xmlns="{WSA04}">{_HEAD}</Action></Header>'
        f'<Body><Probe xmlns="{WSD}"><Types xmlns:d="{DN}">d:NetworkVideoTransmitter</Types></Probe></Body></Envelope>'
    ),
    "DISCOVERY-2-1-3": (
        f'<p1:Envelope xmlns:p1="{ENV12}" xmlns:p2="{WSA04}" xmlns:p3="{WSD}" xmlns:p4="{DN}"><p1:Header>'
        f"<p2:MessageID>urn:uuid:a3</p2:MessageID><p2:To>{messages.TO_ALL}</p2:To><p2:Action>{_HEAD}</p2:Action>"
        "</p1:Header><p1:Body><p3:Probe><p3:Types>p4:NetworkVideoTransmitter</p3:Types></p3:Probe></p1:Body>"
        "</p1:Envelope>"
    ),
    "DISCOVERY-2-1-4": (
        f'<a:Envelope xmlns:a="{ENV12}" xmlns:b="{ENV12}" xmlns:w="{WSA04}" xmlns:v="{WSA04}" xmlns:d="{WSD}" '
        f'xmlns:e="{WSD}" xmlns:n="{DN}"><b:Header><w:MessageID>urn:uuid:a4</w:MessageID><v:To>{messages.TO_ALL}</v:To>'
        f"<w:Action>{_HEAD}</w:Action></b:Header><a:Body><d:Probe><e:Types>n:NetworkVideoTransmitter</e:Types></d:Probe>"
        "</a:Body></a:Envelope>"
    ),
    "DISCOVERY-2-1-5": (
        f'<x:Envelope xmlns:x="{ENV12}"><x:Header><x:MessageID xmlns:x="{WSA04}">urn:uuid:a5</x:MessageID>'
        f'<x:To xmlns:x="{WSA04}">{messages.TO_ALL}</x:To><x:Action xmlns:x="{WSA04}">{_HEAD}</x:Action></x:Header>'
        f'<x:Body><x:Probe xmlns:x="{WSD}"><x:Types xmlns:y="{DN}">y:NetworkVideoTransmitter</x:Types></x:Probe>'
        "</x:Body></x:Envelope>"
    ),
}


@pytest.mark.parametrize(
    "probe", [pytest.param(text, marks=pytest.mark.case(case), id=case) for case, text in SPELLINGS.items()]
)
async def test_any_spelling_of_namespaces(port, probe):
    async with present(port):
        (answer,) = await asked(port, spelled(probe))
    assert messages.parse_endpoints(messages.parse(answer)) == (CAMERA,)
