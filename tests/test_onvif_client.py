"""Our client against devices as they are: dialogues with what real devices leave out, misname or get wrong."""

import asyncio
import base64
import contextlib
import socket
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from onvif import digest, names
from onvif.auth import token_digest
from onvif.client import OnvifClient, device_address
from onvif.errors import Fault, NotAuthorized, NotOnvif, OnvifError, Unreachable
from onvif.notifications import read_notifications
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, running

USER, PASSWORD = "viewer", "secret-of-it"
TT, TDS, TRT, TR2, TEV = names.TT, names.TDS, names.TRT, names.TR2, names.TEV


def soap(body, env="http://www.w3.org/2003/05/soap-envelope"):
    return (
        f'<s:Envelope xmlns:s="{env}" xmlns:tt="{TT}" xmlns:tds="{TDS}" xmlns:trt="{TRT}" xmlns:tr2="{TR2}" '
        f'xmlns:tev="{TEV}" xmlns:ter="{names.TER}" xmlns:wsa="{names.WSA}" xmlns:wsnt="{names.WSNT}" '
        f'xmlns:tns1="{names.TNS1}"><s:Body>{body}</s:Body></s:Envelope>'
    ).encode()


def fault(code="Sender", *subcodes, reason="no"):
    inner = ""
    for subcode in reversed(subcodes):
        inner = f"<s:Subcode><s:Value>ter:{subcode}</s:Value>{inner}</s:Subcode>"
    return soap(f"<s:Fault><s:Code><s:Value>s:{code}</s:Value>{inner}</s:Code><s:Reason><s:Text xml:lang='en'>{reason}"
                "</s:Text></s:Reason></s:Fault>")  # fmt: skip


def clock(at):
    return soap(
        f"<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
        f"<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime><tt:Time><tt:Hour>{at.hour}</tt:Hour>"
        f"<tt:Minute>{at.minute}</tt:Minute><tt:Second>{at.second}</tt:Second></tt:Time><tt:Date><tt:Year>{at.year}"
        f"</tt:Year><tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day></tt:Date></tt:UTCDateTime>"
        f"</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


INFORMATION = ("<tds:GetDeviceInformationResponse><tds:Manufacturer>ACME</tds:Manufacturer><tds:Model>1</tds:Model>"
               "<tds:FirmwareVersion>2</tds:FirmwareVersion><tds:SerialNumber>3</tds:SerialNumber><tds:HardwareId>4"
               "</tds:HardwareId></tds:GetDeviceInformationResponse>")  # fmt: skip
ENCODER = ("<tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>640"
           "</tt:Width><tt:Height>480</tt:Height></tt:Resolution><tt:Quality>5</tt:Quality>")  # fmt: skip


def services(base, *more):
    listed = ((TDS, "device_service"), (TRT, "media"), (TEV, "events"), *more)
    return soap("<tds:GetServicesResponse>" + "".join(
        f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{base}/onvif/{path}</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
        for namespace, path in listed) + "</tds:GetServicesResponse>")  # fmt: skip


def profiles1(inside=f'<tt:VideoEncoderConfiguration token="e">{ENCODER}</tt:VideoEncoderConfiguration>'):
    return soap(f'<trt:GetProfilesResponse><trt:Profiles token="p1" fixed="true"><tt:Name>one</tt:Name>{inside}'
                "</trt:Profiles></trt:GetProfilesResponse>")  # fmt: skip


def stream(uri):
    return soap(f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri><tt:InvalidAfterConnect>false"
                "</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S"
                "</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>")  # fmt: skip


class Device:
    """Answers by operation name: bytes, (status, bytes, headers), or a function of the request element."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []
        self.base = ""

    async def handle(self, request):
        data = await request.read()
        root = etree.fromstring(data) if data else None
        body = next(iter(root.find("{*}Body")), None) if root is not None else None
        name = etree.QName(body).localname if body is not None else ""
        self.asked.append(name)
        found = self.answers.get(name, fault("Receiver", "ActionNotSupported"))
        if callable(found):
            found = found(root, request)
        status, content, headers = found if isinstance(found, tuple) else (
            400 if b"Fault>" in found else 200, found, {})  # fmt: skip
        return web.Response(status=status, body=content, headers={"Content-Type": "application/soap+xml", **headers})


@contextlib.asynccontextmanager
async def serving(device, **more):
    """The device on loopback; its usual answers unless it has its own."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", device.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    device.base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    usual = {
        "GetSystemDateAndTime": lambda *_: clock(datetime.now(UTC)),
        "GetServices": lambda *_: services(device.base),
        "GetDeviceInformation": soap(INFORMATION),
        "GetProfiles": profiles1(),
        "GetStreamUri": stream("rtsp://127.0.0.1:554/live"),
    }
    device.answers = {**usual, **device.answers, **more}
    try:
        yield device
    finally:
        await runner.cleanup()


async def connected(device):
    return await OnvifClient.connect(device.base, USER, PASSWORD, timeout_s=20)


# What devices really do, one each.


async def test_01_media2_listed_but_refused():
    device = Device(GetServices=lambda *_: services(device.base, (TR2, "media2")))

    def by_namespace(root, _request):
        body = next(iter(root.find("{*}Body")))
        return profiles1() if etree.QName(body).namespace == TRT else fault("Receiver", "ActionNotSupported")

    device.answers["GetProfiles"] = by_namespace
    async with serving(device), await connected(device) as camera:
        (profile,) = await camera.profiles()
        assert (profile.token, profile.media2, profile.width) == ("p1", False, 640)


async def test_02_no_get_services_only_capabilities():
    capabilities = ("<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device><tt:XAddr>{0}/onvif/device_service"
                    "</tt:XAddr></tt:Device><tt:Events><tt:XAddr>{0}/onvif/Events</tt:XAddr></tt:Events><tt:Media>"
                    "<tt:XAddr>{0}/onvif/Media</tt:XAddr></tt:Media><tt:Extension><tt:DeviceIO><tt:XAddr>{0}/io"
                    "</tt:XAddr></tt:DeviceIO></tt:Extension></tds:Capabilities>"
                    "</tds:GetCapabilitiesResponse>")  # fmt: skip
    device = Device(GetServices=fault("Receiver", "ActionNotSupported"))
    device.answers["GetCapabilities"] = lambda *_: soap(capabilities.replace("{0}", device.base))
    async with serving(device), await connected(device) as camera:
        assert camera.services[TRT] == f"{device.base}/onvif/Media"
        assert camera.services[names.TMD] == f"{device.base}/io"
        assert len(await camera.profiles()) == 1


async def test_03_addresses_behind_a_translator():
    device = Device(GetServices=services("http://192.168.1.64"), GetStreamUri=stream("rtsp://192.168.1.64:554/ch1"))
    async with serving(device), await connected(device) as camera:
        assert camera.services[TRT] == f"{device.base}/onvif/media"
        (profile,) = await camera.profiles()
        assert await camera.stream_uri(profile) == "rtsp://127.0.0.1:554/ch1"


@pytest.mark.parametrize("told", ["rtsp://0.0.0.0:8554/x", "rtsp://localhost:8554/x", " rtsp://127.0.0.1:8554/x\n"])
async def test_04_stream_addresses_that_lead_nowhere(told):
    async with serving(Device(GetStreamUri=stream(told))) as device, await connected(device) as camera:
        (profile,) = await camera.profiles()
        assert await camera.stream_uri(profile) == "rtsp://127.0.0.1:8554/x"


@pytest.mark.parametrize("told", [
    "127.0.0.1", "127.8.9.1", "127.1", "0", "0x7f000001", "2130706433", "localhost.", "a.localhost", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]",
])  # fmt: skip
def test_no_device_sends_us_to_services_of_our_own_machine(told):
    camera = OnvifClient("http://192.0.2.7/onvif/device_service", None)
    assert camera._reachable(f"rtsp://{told}:6379/x") == "rtsp://192.0.2.7:6379/x"
    assert camera._reachable(f"http://{told}/onvif/media") == "http://192.0.2.7/onvif/media"
    assert camera._reachable("rtsp://192.0.2.8:554/x") == "rtsp://192.0.2.8:554/x", "a recorder's other addresses"
    here = OnvifClient("http://127.0.0.1/onvif/device_service", None)
    assert here._reachable("rtsp://127.0.0.2:554/x") == "rtsp://127.0.0.2:554/x"


async def test_05_a_clock_of_last_year_and_a_username_token():
    there = datetime.now(UTC) - timedelta(days=400)
    device = Device(GetSystemDateAndTime=clock(there))

    def signed(root, _request):
        token = root.find(f".//{{{names.WSSE}}}UsernameToken")
        if token is None:
            return fault("Sender", "NotAuthorized")
        created = token.findtext(f"{{{names.WSU}}}Created")
        nonce = base64.b64decode(token.findtext(f"{{{names.WSSE}}}Nonce"))
        right = token_digest(nonce, created, PASSWORD).decode() == token.findtext(f"{{{names.WSSE}}}Password")
        near = abs(datetime.fromisoformat(created) - there) < timedelta(minutes=5)
        return soap(INFORMATION) if right and near else fault("Sender", "NotAuthorized")

    device.answers["GetDeviceInformation"] = signed
    async with serving(device), await connected(device) as camera:
        assert camera.information.manufacturer == "ACME"
        assert camera.clock_offset < timedelta(days=-399)


def wants_digest(challenge, body):
    """Answer only a right digest for this challenge, which may be odd."""

    def answer(_root, request):
        given = request.headers.get("Authorization", "")
        if given.startswith("Digest"):
            values = digest.parameters(given[7:])
            if digest.response(values, user=USER, password=PASSWORD, method="POST") == values["response"]:
                return soap(body)
        return 401, b"<html>Unauthorized</html>", {"WWW-Authenticate": challenge}

    return answer


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="a", nonce="n1"',
        'digest nonce="n1",realm="Login to 4E0",qop="auth,auth-int",algorithm=md5',
        'Digest realm="a", qop="auth", algorithm=SHA-256, nonce="n", opaque="", Digest realm="a", nonce="n"',
        'Basic realm="b", Digest realm="a", nonce="n=/+", stale=false, qop=auth',
    ],
)
async def test_06_digest_oddities(challenge):
    device = Device(GetDeviceInformation=wants_digest(challenge, INFORMATION))
    async with serving(device), await connected(device) as camera:
        assert camera.information.serial == "3"


async def test_07_a_nonce_that_serves_once():
    numbers = iter(range(1000))
    valid = set()

    def answer(_root, request):
        values = digest.parameters(request.headers.get("Authorization", "")[7:])
        right = values.get("nonce") in valid and values["response"] == digest.response(
            values, user=USER, password=PASSWORD, method="POST"
        )
        valid.discard(values.get("nonce"))
        if right:
            return soap(INFORMATION)
        nonce = f"n{next(numbers)}"
        valid.add(nonce)
        return 401, b"", {"WWW-Authenticate": f'Digest realm="r", nonce="{nonce}", qop="auth", stale=true'}

    async with serving(Device(GetDeviceInformation=answer)) as device, await connected(device) as camera:
        for _ in range(3):
            assert (await camera.call(TDS, "GetDeviceInformation")).SerialNumber == "3"


async def test_08_wrong_password_is_said_after_every_way():
    device = Device(GetDeviceInformation=(401, b"", {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}))
    async with serving(device):
        with pytest.raises(NotAuthorized):
            await connected(device)
        assert device.asked.count("GetDeviceInformation") <= 4


async def test_09_missing_elements_and_another_order():
    bare = ('<trt:GetProfilesResponse><trt:Profiles token="p1"><tt:VideoEncoderConfiguration token="e"><tt:Resolution>'
            "<tt:Height>480</tt:Height><tt:Width>640</tt:Width></tt:Resolution><tt:Encoding>H264</tt:Encoding>"
            "</tt:VideoEncoderConfiguration><tt:Name>late</tt:Name></trt:Profiles>"
            '<trt:Profiles token="audio-only"><tt:Name>a</tt:Name></trt:Profiles>'
            "</trt:GetProfilesResponse>")  # fmt: skip
    async with serving(Device(GetProfiles=soap(bare))) as device, await connected(device) as camera:
        (profile,) = await camera.profiles()
        assert (profile.token, profile.width, profile.height, profile.rate_fps) == ("p1", 640, 480, 0.0)


async def test_10_wrong_namespaces_and_soap_11():
    odd = profiles1().replace(b"trt:", b"tds:").replace(b"2003/05/soap-envelope", b"2003/05/soap-envelope")
    old = soap(INFORMATION, env=names.ENV11)
    async with serving(Device(GetProfiles=odd, GetDeviceInformation=old)) as device, await connected(device) as camera:
        assert [profile.token for profile in await camera.profiles()] == ["p1"]


async def test_11_values_that_are_none():
    odd = ENCODER.replace("640", "wide").replace(">5<", ">NaN<")
    inside = f'<tt:VideoEncoderConfiguration token="e">{odd}</tt:VideoEncoderConfiguration>'
    device = Device(GetProfiles=profiles1(inside), GetSystemDateAndTime=clock(datetime(2026, 1, 1, tzinfo=UTC)).replace(
        b"<tt:Month>1<", b"<tt:Month>13<"))  # fmt: skip
    async with serving(device), await connected(device) as camera:
        (profile,) = await camera.profiles()
        assert (profile.width, profile.height) == (0, 480)
        assert camera.clock_offset == timedelta(0)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404</html>", b"\x00\xff", b"<a", soap(""), soap("<tds:GetUsersResponse/>"),
     b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
)  # fmt: skip
async def test_12_what_is_no_answer_is_one_named_error(content):
    async with serving(Device(GetProfiles=(200, content, {}))) as device, await connected(device) as camera:
        with pytest.raises(NotOnvif):
            await camera.profiles()


async def test_13_an_endless_answer_is_cut():
    async with (
        serving(Device(GetProfiles=(200, b"<a>" + b"x" * (9 << 20), {}))) as device,
        await connected(device) as cam,
    ):
        with pytest.raises(NotOnvif, match="larger"):
            await cam.profiles()


async def test_14_nobody_there_and_one_that_hangs_up():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable):
        await OnvifClient.connect(f"127.0.0.1:{port}", USER, PASSWORD, timeout_s=20)

    async def hang_up(_reader, writer):
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        with pytest.raises(Unreachable):
            await OnvifClient.connect(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", USER, PASSWORD, timeout_s=20)


async def test_15_faults_keep_their_subcodes_in_both_versions():
    old = (f'<s:Envelope xmlns:s="{names.ENV11}"><s:Body><s:Fault><faultcode>s:Client.InvalidArgVal.NoProfile'
           "</faultcode><faultstring>gone</faultstring></s:Fault></s:Body></s:Envelope>").encode()  # fmt: skip
    for content in (old, fault("Sender", "InvalidArgVal", "NoProfile", reason="gone")):
        async with serving(Device(GetProfiles=(500, content, {}))) as device, await connected(device) as camera:
            with pytest.raises(Fault) as caught:
                await camera.profiles()
            assert (tuple(caught.value.subcodes), caught.value.reason) == (("InvalidArgVal", "NoProfile"), "gone")


async def test_16_a_subscription_known_by_its_reference_parameters():
    created = ("<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference><wsa:Address>{0}/onvif/Sub"
               '</wsa:Address><wsa:ReferenceParameters><d:Id xmlns:d="urn:d">42</d:Id></wsa:ReferenceParameters>'
               "</tev:SubscriptionReference><wsnt:CurrentTime>2026-01-01T00:00:00Z</wsnt:CurrentTime>"
               "<wsnt:TerminationTime>2026-01-01T01:00:00Z</wsnt:TerminationTime>"
               "</tev:CreatePullPointSubscriptionResponse>")  # fmt: skip
    message = ("<tev:PullMessagesResponse><tev:CurrentTime>2026-01-01T00:00:00Z</tev:CurrentTime><tev:TerminationTime>"
               "2026-01-01T01:00:00Z</tev:TerminationTime><wsnt:NotificationMessage><wsnt:Topic Dialect='x'>"
               " tns1:VideoSource/tns1:MotionAlarm </wsnt:Topic><wsnt:Message><tt:Message "
               "UtcTime='2026-01-01T00:00:00Z' PropertyOperation='Changed'><tt:Source>"
               "<tt:SimpleItem Name='Source' Value='1'/></tt:Source><tt:Data>"
               "<tt:SimpleItem Name='State' Value='1'/></tt:Data></tt:Message></wsnt:Message>"
               "</wsnt:NotificationMessage></tev:PullMessagesResponse>")  # fmt: skip
    device = Device()
    device.answers["CreatePullPointSubscription"] = lambda *_: soap(created.replace("{0}", device.base))

    def pull(root, request):
        known = root.findtext(".//{urn:d}Id") == "42" and request.path == "/onvif/Sub"
        return soap(message) if known else fault("Receiver", "ResourceUnknown")

    device.answers["PullMessages"] = pull
    async with serving(device), await connected(device) as camera:
        point = await camera.pull_point()
        (event,) = await point.pull(wait_s=1)
        assert (event.topic, event.state("State"), event.operation) == ("tns1:VideoSource/MotionAlarm", True, "Changed")
        await point.renew()
        await point.close()
        assert device.asked[-2:] == ["Renew", "Unsubscribe"]


# And our own camera, which is one of them.


async def test_our_own_camera_is_understood(tmp_path):
    async with running(tmp_path) as device:
        password = PASSWORDS[Level.OPERATOR]
        async with await OnvifClient.connect(device.base, "operator", password) as camera:
            main, sub = await camera.profiles()
            assert (main.token, main.encoding, main.width, main.height, main.metadata) == (
                "main",
                "H264",
                192,
                128,
                True,
            )
            assert await camera.stream_uri(sub) == f"rtsp://127.0.0.1:{device.camera.rtsp.port}/sub"
            assert (await camera.snapshot(main)).startswith(b"\xff\xd8")
            await camera.synchronisation_point(main)
            assert device.camera.live.main.idr_requests.due(1 << 62)
            point = await camera.pull_point()
            device.camera.bus.publish("tns1:VideoSource/MotionAlarm", {"Source": "source"}, {"State": True})
            async with asyncio.timeout(60):
                while True:
                    events = await point.pull(wait_s=2)
                    if any(event.topic.endswith("MotionAlarm") and event.state("State") for event in events):
                        break
            await point.close()


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("192.0.2.1", "http://192.0.2.1/onvif/device_service"),
        ("192.0.2.1:8080", "http://192.0.2.1:8080/onvif/device_service"),
        ("camera.example/", "http://camera.example/onvif/device_service"),
        ("https://192.0.2.1/other http://x/", "https://192.0.2.1/other"),
        ("[2001:db8::1]:80", "http://[2001:db8::1]/onvif/device_service"),
    ],
)
def test_addresses_as_people_type_them(typed, url):
    assert device_address(typed) == url


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_none(text):
    with contextlib.suppress(NotOnvif):
        assert device_address(text).startswith(("http://", "https://"))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["GetProfiles", "GetDeviceInformation", "GetServices"]))
def test_any_answer_is_a_value_or_an_onvif_error(junk, operation):
    async def ask():
        content = profiles1()[:200] + junk + profiles1()[200:] if len(junk) % 2 else junk
        device = Device(**{operation: (200, content, {})})
        async with serving(device), await connected(device) as camera:
            await camera.profiles()

    with contextlib.suppress(OnvifError):
        asyncio.run(ask())


@given(st.binary(max_size=200))
def test_notifications_of_any_document(junk):
    with contextlib.suppress(etree.XMLSyntaxError):
        read_notifications(etree.fromstring(b"<a><NotificationMessage>" + junk + b"</NotificationMessage></a>"))
