"""What reads bytes from outside, fed with mutations: no exception but the named one, and bounded time and memory.

A short run belongs to every test run, a million inputs each to `make test-long`.
"""

import asyncio
import contextlib
import random
import resource
import time
from datetime import UTC, datetime

import pytest

from base.errors import PeerError, WireError
from base.outside_json import read_json
from nvr_box.cameras import masking, pairing, selection
from nvr_box.record.recovery_point import is_recovery_point
from nvr_box.record.sightings import Documents, read_document, unpack
from nvr_box.record.source import _with_credentials
from onvif import carrier, digest, metadata, names, soap
from onvif.client import device_address
from onvif.discovery import messages
from onvif.errors import NotOnvif, OnvifError
from onvif.notifications import read_notifications
from onvif.replies import capability_addresses, device_time
from onvif.rtsp import replay_message
from onvif.rtsp.replay_message import Refusal
from onvif.rtsp.replay_play import Wish
from onvif.xml import read
from tests.test_onvif_client import clock, fault, profiles1, services

SHORT, LONG = 2_000, 1_000_000
LARGEST = 100_000
MOST_S, MOST_BYTES = 0.05, 10_000_000
"""For each 100 kB of input."""
NOTICE = (
    f'<r xmlns:wsnt="{names.WSNT}" xmlns:tt="{names.TT}" xmlns:tns1="{names.TNS1}"><wsnt:NotificationMessage>'
    '<wsnt:Topic>tns1:VideoSource/MotionAlarm</wsnt:Topic><wsnt:Message><tt:Message UtcTime="2026-11-30T20:00:00Z" '
    'PropertyOperation="Changed"><tt:Source><tt:SimpleItem Name="a" Value="b"/></tt:Source><tt:Data>'
    '<tt:SimpleItem Name="State" Value="true"/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage></r>'
).encode()
SEEN = metadata.document([metadata.Frame(datetime(2026, 11, 30, tzinfo=UTC), (
    metadata.Object(7, metadata.Box(-0.5, 0.5, 0.5, -0.5), "Human", tops=(metadata.Colour((1, 2, 3)),)),
))])  # fmt: skip
PAIRING = (b'{"version":1,"camera_id":"00112233445566aa","name":"yard","serial":"S1","signing_key":"' + b"ab" * 32
           + b'","appearance_model":"net-1","paired_with":null}')  # fmt: skip
MASKING = (
    b'{"version":1,"mark":"0a","whole":{"reason":"late","behind_s":2.5},"people":true,"extent":"bodies",'
    b'"never":[[0,0,1,0,1,1]],"selection":{"mode":"except","people":["a"]},'
    b'"places":[{"id":"a","box":[0,0,0.5,1],"reason":"a stand","by":"anna","at_utc_us":1}]}'
)
SELECTION = b'{"version":1,"mode":"except","people":[{"label":"a","model":"m","code":"00"}],"alike":0.8,"unlike":0.5}'
CHALLENGE = b'Digest realm="a", qop="auth", algorithm=MD5, nonce="n\\"1", opaque="", stale=true, Basic realm="b"'
REQUESTS = [
    b"PLAY rtsp://h/r RTSP/1.0\r\nCSeq: 4\r\nRange: clock=20261130T200000Z-\r\nScale: -1.0\r\n\r\n",
    b"$\0\0\4abcdOPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc",
    b"SETUP rtsp://h/r/video RTSP/1.0\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nFrames: intra/400\r\n\r\n",
]  # fmt: skip
PARTS = [b"<", b">", b"/>", b"&#0;", b"<!DOCTYPE a>", b"<![CDATA[", b"\xff", b"\0", b'"', b"\\", b"[", b"{",
         b"\xed\xa0\x80", b"\\ud800", b"9" * 400, b"-1", b"1e999", b"NaN", b"\r\n", b": ", b"=", b",", b"clock=",
         b"\0\0\0\1\x4e\1", b"\xff" * 30]  # fmt: skip


def soap_reply(data):
    refused, body = carrier._read(200, data)
    if body is not None and not refused:
        device_time(body)
        capability_addresses(body)
        read_notifications(body)


def headers(data):
    text = data.decode("utf-8", "surrogateescape")
    for challenge in digest.challenges([text]):
        digest.credentials(challenge, user="u", password="p", method="GET", uri="/").encode()
    digest.response({"realm": "", "nonce": text, "uri": text}, user=text, password="p", method="GET")


def documents(data):
    reader = Documents(lambda _found: None, lambda _document: None)
    for at in range(0, len(data), 1400):
        reader.feed(data[at : at + 1400])
    read_document(data)
    unpack(data)


async def _requests(data):
    reader = asyncio.StreamReader(limit=replay_message.LINE_BYTES * 4)
    reader.feed_data(data)
    reader.feed_eof()
    while True:
        request = await replay_message.read_request(reader, await replay_message.read_line(reader))
        assert isinstance(request.path, list)
        Wish.of(request.headers)


class Loop:
    """Runs coroutines that never wait without an event loop for each."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()

    def __call__(self, data):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(_requests(data))


def json_by(read_table):
    return lambda data: read_table(read_json(data, limit=LARGEST, what="it"))


def found(data):
    message = messages.parse(data)
    for part in (messages.parse_probe, messages.parse_resolve, messages.parse_endpoints):
        with contextlib.suppress(NotOnvif):
            part(message)


CLOCK = clock(datetime(2026, 1, 1, tzinfo=UTC))
REPLIES = [CLOCK, services("http://h"), profiles1(), fault("Sender", "NotAuthorized")]
ENDPOINT = messages.Endpoint("urn:uuid:1", (messages.DEVICE,), ("onvif://www.onvif.org/name/a",), ("http://h/",), 1)
GONE = (ValueError, Refusal, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
POINT = b"\0\0\0\1\x4e\1\6\2\x0d\xc0\x80\0\0\1\2\1abc"
READERS = {
    "SOAP answers": (soap_reply, REPLIES, (OnvifError,)),
    "SOAP requests": (lambda data: soap.parse(data, limit=1 << 20), [CLOCK], (NotOnvif,)),
    "notifications": (lambda data: read_notifications(read(data, limit=1 << 20, what="it")), [NOTICE], (NotOnvif,)),
    "metadata": (documents, [SEEN, SEEN + NOTICE], ()),
    "discovery": (found, [messages.probe()[1], messages.hello(ENDPOINT, (1, 1))], (NotOnvif,)),
    "HTTP digest": (headers, [CHALLENGE], ()),
    "JSON": (json_by(str), [PAIRING, SELECTION], (WireError,)),
    "pairing": (json_by(pairing._read), [PAIRING], (WireError, PeerError)),
    "selection": (json_by(selection._read), [SELECTION], (WireError, PeerError)),
    "masking": (json_by(masking.read), [MASKING], (WireError, PeerError)),
    "RTSP requests": (Loop(), REQUESTS, GONE),
    "recovery points": (lambda data: is_recovery_point(data, "hevc"), [POINT], ()),
    "addresses": (lambda data: device_address(data.decode("utf-8", "replace")), [b"http://u@h:80/onvif"], (NotOnvif,)),
    "stream addresses": (lambda data: _with_credentials(data.decode("utf-8", "replace"), "u", "p"),
                         [b"rtsp://u:p@[::1]:554/a?b#c"], (ValueError,)),
}  # fmt: skip


def mutated(dice, seeds):
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.randint(1, 5)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0 if data:
                data[at % len(data)] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randint(1, 60)]
            case 2:
                data[at:at] = dice.choice(PARTS)
            case 3:
                piece = bytes(data[at : at + dice.randint(1, 80)])
                data[at:at] = piece * dice.choice((1, 2, 40))
            case 4:
                other = dice.choice(seeds)
                data[at:] = other[dice.randrange(len(other)) :]
            case _:
                part = dice.choice(PARTS)
                if dice.randrange(50) == 0:
                    data[at:at] = part * (LARGEST // len(part))
    return bytes(data[:LARGEST])


def fed(name, rounds):
    read_it, seeds, named = READERS[name]
    dice = random.Random(name)
    slowest = (0.0, b"")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(rounds):
        data = mutated(dice, seeds)
        began_s = time.thread_time()
        try:
            read_it(data)
        except named:
            pass
        except Exception as error:
            raise AssertionError(f"{name}: {error!r} for {data[:400]!r}") from error
        took_s = time.thread_time() - began_s
        if took_s > MOST_S:
            # A page fault or a collection may have come in between: the same again decides.
            took_s = min(took_s, *(timed(read_it, data) for _ in range(3)))
        slowest = max(slowest, (took_s, data))
        assert took_s <= MOST_S, f"{name}: {took_s:.3f} s for {len(data)} bytes: {data[:400]!r}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 10 * MOST_BYTES, f"{name}: {grown} bytes"
    return slowest[0]


def timed(read_it, data):
    began_s = time.thread_time()
    with contextlib.suppress(Exception):
        read_it(data)
    return time.thread_time() - began_s


@pytest.mark.parametrize("name", READERS)
def test_mutations_are_read_or_refused_by_name(name):
    fed(name, SHORT)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", READERS)
def test_a_million_mutations_are_read_or_refused_by_name(name):
    print(f"{name}: the slowest took {fed(name, LONG) * 1000:.1f} ms")
