"""What reads bytes from outside, fed with mutations: no exception but the named one, and bounded time and memory.

A short run belongs to every test run, a million inputs each to `make test-long`.
"""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from base.errors import PeerError, WireError
from base.outside_json import read_json
from firmware import released_places
from firmware.delivery.push import _json
from firmware.selection import SelectionEndpoint
from nvr_box.cameras import masking, pairing, selection
from nvr_box.export.manifest import PackageManifest
from nvr_box.record.recovery_point import is_recovery_point
from nvr_box.record.sightings import Documents, read_document, unpack
from nvr_box.record.source import _with_credentials
from nvr_box.web import request_fields
from onvif import digest, metadata, names, soap, soap_transport
from onvif.auth import Authenticator
from onvif.client import device_address
from onvif.discovery import messages
from onvif.errors import Fault, NotAuthorized, NotOnvif, OnvifError
from onvif.notifications import read_notifications
from onvif.replies import capability_addresses, device_time
from onvif.rtsp import replay_message
from onvif.rtsp.listener import _target
from onvif.rtsp.replay_message import RtspRefusal
from onvif.rtsp.replay_play import PlayRequest
from onvif.users import Level, User
from onvif.xml import read
from tests.outside_mutations import LARGEST, LONG, SHORT, fed
from tests.test_onvif_client import clock, fault, profiles1, services
from wire.keys import Identity
from wire.pairing import Pairing
from wire.push import Receipt

NOTICE = (
    f'<r xmlns:wsnt="{names.WSNT}" xmlns:tt="{names.TT}" xmlns:tns1="{names.TNS1}"><wsnt:NotificationMessage>'
    '<wsnt:Topic>tns1:VideoSource/MotionAlarm</wsnt:Topic><wsnt:Message><tt:Message UtcTime="2026-11-30T20:00:00Z" '
    'PropertyOperation="Changed"><tt:Source><tt:SimpleItem Name="a" Value="b"/></tt:Source><tt:Data>'
    '<tt:SimpleItem Name="State" Value="true"/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage></r>'
).encode()
SEEN = metadata.document(
    [
        metadata.MetadataFrame(
            datetime(2026, 11, 30, tzinfo=UTC),
            (
                metadata.MetadataObject(
                    7, metadata.MetadataBox(-0.5, 0.5, 0.5, -0.5), "Human", tops=(metadata.ColourCluster((1, 2, 3)),)
                ),
            ),
        )
    ]
)
PAIRING = (b'{"version":1,"camera_id":"00112233445566aa","name":"yard","serial":"S1","signing_key":"' + b"ab" * 32
           + b'","appearance_model":"net-1","paired_with":null}')  # fmt: skip
MASKING = (
    b'{"version":1,"mark":"0a","whole":{"reason":"late","behind_s":2.5},"people":true,"extent":"bodies",'
    b'"never":[[0,0,1,0,1,1]],"selection":{"mode":"except","people":["a"]},'
    b'"places":[{"id":"a","box":[0,0,0.5,1],"reason":"a stand","by":"anna","at_utc_us":1}]}'
)
SELECTION = b'{"version":1,"mode":"except","people":[{"label":"a","model":"m","code":"00"}],"alike":0.8,"unlike":0.5}'
CHALLENGE = b'Digest realm="a", qop="auth", algorithm=MD5, nonce="n\\"1", opaque="", stale=true, Basic realm="b"'
OFFER = (b'{"version":2,"box_id":"00112233445566aa","feature_key":"' + b"09" + b"00" * 31 + b'","recipients":[{"kid":"'
         + Identity.generate().kid.hex().encode() + b'","public":"' + b"ab" * 32 + b'","label":"x"}],"push_url":'
         b'"https://10.0.0.1:8443/api/packets","push_fingerprint":"' + b"cd" * 32 + b'","push_token":"t","box_key":"'
         + b"ef" * 32 + b'"}')  # fmt: skip
PLACES = b'{"places":[{"id":"a","box":[0.1,0.2,0.3,0.4],"reason":"a statue","by":"anna","at_utc_us":1795000000000000}]}'
RECEIPT = b'{"acknowledged":[1,2],"refused":[{"sequence":3,"index":2,"why":"too old"}]}'
PACKAGE = (b'{"veilcam_export":1,"signing_key":"ab","about":{"camera":"yard","frames":[1,2]},'
           b'"files":[{"name":"a.mp4","bytes":12,"sha256":"00"}]}')  # fmt: skip
ASKED = [
    b'{"camera":1,"from":"2026-11-21T21:15:04Z","until":null,"reason":"case 7","point":[0.5,0.25],"more":3}',
    b'{"name":"anna","password":"a","rights":["viewer"],"cameras":null,"x":0.5,"y":1e3,"at":"2026-11-21T21:15:04+01:00"}',
]
AUTHORIZED = (
    b'Digest username="admin", realm="veilcam", nonce="a-b-c", uri="/onvif", qop=auth,'
    b' nc=00000001, cnonce="x", algorithm=MD5, response="00", opaque="veilcam"'
)
TOKEN = (
    f'<s:Envelope xmlns:s="{names.ENV12}"><s:Header><w:Security xmlns:w="{names.WSSE}"><w:UsernameToken>'
    f'<w:Username>admin</w:Username><w:Password Type="{names.PASSWORD_DIGEST}">AAAA</w:Password><w:Nonce>AAAA</w:Nonce>'
    f'<u:Created xmlns:u="{names.WSU}">2026-01-01T00:00:00Z</u:Created></w:UsernameToken></w:Security></s:Header>'
    "<s:Body/></s:Envelope>"
).encode()
SENT = [1, 2, 3]
REQUESTS = [
    b"PLAY rtsp://h/r RTSP/1.0\r\nCSeq: 4\r\nRange: clock=20261130T200000Z-\r\nScale: -1.0\r\n\r\n",
    b"$\0\0\4abcdOPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc",
    b"SETUP rtsp://h/r/video RTSP/1.0\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nFrames: intra/400\r\n\r\n",
]  # fmt: skip


def soap_reply(data):
    refused, body = soap_transport._read(200, data)
    if body is not None and not refused:
        device_time(body)
        capability_addresses(body)
        read_notifications(body)


def headers(data):
    text = data.decode("utf-8", "surrogateescape")
    for challenge in digest.challenges([text]):
        digest.credentials(challenge, user="u", password="p", method="GET", uri="/").encode()
    digest.response({"realm": "", "nonce": text, "uri": text}, user=text, password="p", method="GET")


USERS = {"admin": User("admin", "Secret-17", Level.ADMINISTRATOR)}
DOOR = Authenticator(lambda: USERS, realm="veilcam", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))


def sign_in(data):
    """What a client says who it is, by HTTP, RTSP and SOAP; with and without the body bound."""
    text = data.decode("utf-8", "surrogateescape")
    _target(text, text)
    for body in (None, data):
        with contextlib.suppress(NotAuthorized):
            DOOR.from_authorization(text, "POST", "/onvif", "10.0.0.1", body=body)


def token(data):
    DOOR.from_token(soap.parse(data, limit=1 << 20).header, "10.0.0.1")


def page(data):
    """A request of a page, by every kind of field that there is."""
    fields = request_fields.fields_of(data)
    for name in (*fields, "absent"):
        for read_it in (request_fields.text, request_fields.maybe_time_us, request_fields.box_share, share):
            with contextlib.suppress(request_fields.BadField):
                read_it(fields, name)
        with contextlib.suppress(request_fields.BadField):
            request_fields.object_class(fields.get(name))
    with contextlib.suppress(request_fields.BadField):
        request_fields.maybe_point(fields)


def share(fields, name):
    request_fields.number(fields, name, 0, 1)
    request_fields.whole(fields, name, 0, 9)


def belongs(table):
    Pairing.from_json(table).demand_usable()


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
        PlayRequest.of(request.headers)


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


class Nobody:
    """Follows nobody."""

    def person(self, _track, _label):
        return None


CLOCK = clock(datetime(2026, 1, 1, tzinfo=UTC))
REPLIES = [CLOCK, services("http://h"), profiles1(), fault("Sender", "NotAuthorized")]
ENDPOINT = messages.Endpoint("urn:uuid:1", (messages.DEVICE,), ("onvif://www.onvif.org/name/a",), ("http://h/",), 1)
GONE = (ValueError, RtspRefusal, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
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
    "pairing at the camera": (json_by(belongs), [OFFER], (WireError,)),
    "selection at the camera": (json_by(SelectionEndpoint(None, Nobody())._read), [SELECTION], (WireError,)),
    "released places": (json_by(released_places.read), [PLACES], (WireError,)),
    "answers to a push": (lambda data: Receipt.from_json(_json(data), SENT), [RECEIPT], (PeerError,)),
    "packages": (PackageManifest.parse, [PACKAGE], (WireError,)),
    "requests of a page": (page, ASKED, (request_fields.BadField,)),
    "who asks": (sign_in, [AUTHORIZED], ()),
    "UsernameToken": (token, [TOKEN], (NotOnvif, Fault)),
    "RTSP requests": (Loop(), REQUESTS, GONE),
    "recovery points": (lambda data: is_recovery_point(data, "hevc"), [POINT], ()),
    "addresses": (lambda data: device_address(data.decode("utf-8", "replace")), [b"http://u@h:80/onvif"], (NotOnvif,)),
    "stream addresses": (lambda data: _with_credentials(data.decode("utf-8", "replace"), "u", "p"),
                         [b"rtsp://u:p@[::1]:554/a?b#c"], (ValueError,)),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_mutations_are_read_or_refused_by_name(name):
    fed(name, READERS[name], SHORT)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", READERS)
def test_a_million_mutations_are_read_or_refused_by_name(name):
    print(f"{name}: the slowest took {fed(name, READERS[name], LONG) * 1000:.1f} ms")
