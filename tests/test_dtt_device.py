"""Device management as ONVIF's device test specification (22.06) goes through it; the marks are its case ids."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from onvif import names
from onvif.errors import Fault, NotAuthorized
from onvif.names import TDS, TEV, TIMG, TR2, TRT, TT, q
from onvif.users import Level
from tests import onvif_box
from tests.onvif_camera import ACCOUNTS, PASSWORDS, envelope, fault_codes, running
from tests.onvif_schema import problems
from tests.test_onvif_auth import token


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
async def box(tmp_path):
    async with onvif_box.running(tmp_path) as started:
        yield started


async def fault(call):
    with pytest.raises(Fault) as caught:
        await call
    return caught.value.subcodes


async def capabilities(camera, *categories):
    return (await camera.client()(TDS, "GetCapabilities", Category=list(categories) or ["All"])).Capabilities


@pytest.mark.case("DEVICE-1-1-2", "DEVICE-1-1-3", "DEVICE-1-1-4", "DEVICE-1-1-5", "DEVICE-1-1-10", "DEVICE-1-1-11")
async def test_capabilities_of_all_and_of_each_category(camera):
    everything = await capabilities(camera)
    for category, path in (("Device", "device_service"), ("Media", "media"), ("Events", "events"),
                           ("Imaging", "imaging"), ("Analytics", "analytics")):  # fmt: skip
        alone = await capabilities(camera, category)
        shown = {name for name, value in alone.__values__.items() if value is not None and not name.startswith("_")}
        assert shown == {category, "Extension"} if category == "Device" else {category}
        for found in (alone, everything):
            assert getattr(found, category).XAddr == f"{camera.base}/onvif/{path}"


@pytest.mark.case("DEVICE-1-1-9", "MEDIA-7-1-2", "MEDIA-7-1-4")
async def test_faults_of_categories_and_profiles_that_do_not_exist(camera):
    assert await fault(capabilities(camera, "PTZ")) == ("ActionNotSupported", "NoSuchService")
    status, content = await camera.client().post(
        envelope("<tds:GetCapabilities><tds:Category>XYZ</tds:Category></tds:GetCapabilities>")
    )
    assert (status, fault_codes(content)) == (400, ["Sender", "InvalidArgVal"])
    assert await fault(camera.client()(TRT, "GetProfile", ProfileToken="none")) == ("InvalidArgVal", "NoProfile")
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "UDP"}}
    call = camera.client()(TRT, "GetStreamUri", StreamSetup=setup, ProfileToken="none")
    assert await fault(call) == ("InvalidArgVal", "NoProfile")


@pytest.mark.case(
    "DEVICE-1-1-13", "DEVICE-1-1-14", "DEVICE-1-1-16", "DEVICE-1-1-17", "DEVICE-1-1-18", "DEVICE-1-1-19",
    "MEDIA-8-1-1", "MEDIA-8-1-2", "MEDIA2-7-1-1", "MEDIA2-7-1-2", "EVENT-5-1-1", "EVENT-5-1-2", "IMAGING-3-1-1",
    "IMAGING-3-1-2", "ANALYTICS-3-1-1", "ANALYTICS-3-1-2",
)  # fmt: skip
async def test_services_of_the_camera_agree_with_their_capabilities(camera):
    await agree(camera.client(), {TDS, TRT, TR2, TEV, TIMG, names.TAN, names.TMD})


@pytest.mark.case(
    "DEVICE-1-1-20", "DEVICE-1-1-21", "DEVICE-1-1-22", "RECORDING-1-1-1", "RECORDING-1-1-3", "SEARCH-1-1-1",
    "SEARCH-1-1-2", "REPLAY-1-1-1", "REPLAY-1-1-2",
)  # fmt: skip
async def test_services_of_the_box_agree_with_their_capabilities(box):
    await agree(box.client(), {TDS, TEV, names.TRC, names.TSE, names.TRP, names.TRV})


async def agree(client, least):
    described = (await client(TDS, "GetServices", IncludeCapability=True)).Service
    plain = (await client(TDS, "GetServices", IncludeCapability=False)).Service
    assert [one.Namespace for one in described] == [one.Namespace for one in plain]
    assert {one.Namespace for one in described} >= least
    for one, bare in zip(described, plain, strict=True):
        assert bare.Capabilities is None
        assert (one.XAddr, one.Version.Major) == (bare.XAddr, bare.Version.Major)
        own = await client(one.Namespace, "GetServiceCapabilities")
        assert own.Capabilities.__values__ == one.Capabilities._value_1.__values__, one.Namespace
        assert problems(await client.raw(one.Namespace, "GetServiceCapabilities")) == []


@pytest.mark.case("DEVICE-1-1-30")
async def test_services_and_the_older_capabilities_agree(camera):
    services = {one.Namespace: one.XAddr for one in
                (await camera.client()(TDS, "GetServices", IncludeCapability=False)).Service}  # fmt: skip
    old = await capabilities(camera)
    assert services[TDS] == old.Device.XAddr
    assert services[TRT] == old.Media.XAddr
    assert services[TEV] == old.Events.XAddr
    assert services[TIMG] == old.Imaging.XAddr


@pytest.mark.case("DEVICE-2-1-1", "DEVICE-2-1-32")
async def test_hostname_is_set_and_shown(camera):
    client = camera.client()
    for name in ("gate", "a.b-c.example"):
        await client(TDS, "SetHostname", Name=name)
        shown = (await client(TDS, "GetHostname")).HostnameInformation
        assert (shown.Name, shown.FromDHCP) == (name, False)
    await client(TDS, "SetHostnameFromDHCP", FromDHCP=True)
    assert (await client(TDS, "GetHostname")).HostnameInformation.FromDHCP


@pytest.mark.case("DEVICE-2-1-3")
@pytest.mark.parametrize("name", ["Onvif_Test1", "-a", "a b", "a" * 64, "ä", "a..b"])
async def test_an_invalid_hostname_changes_nothing(camera, name):
    client = camera.client()
    before = (await client(TDS, "GetHostname")).HostnameInformation.Name
    assert await fault(client(TDS, "SetHostname", Name=name)) == ("InvalidArgVal", "InvalidHostname")
    assert (await client(TDS, "GetHostname")).HostnameInformation.Name == before


async def dns(client):
    return (await client(TDS, "GetDNS")).DNSInformation


@pytest.mark.case("DEVICE-2-1-4", "DEVICE-2-1-5", "DEVICE-2-1-6", "DEVICE-2-1-8")
async def test_dns_is_set_and_shown(camera):
    client = camera.client()
    server = {"Type": "IPv4", "IPv4Address": "10.1.1.1"}
    await client(TDS, "SetDNS", FromDHCP=False, SearchDomain=["domain.name"], DNSManual=[server])
    shown = await dns(client)
    assert (shown.FromDHCP, shown.SearchDomain) == (False, ["domain.name"])
    assert shown.DNSManual[0].IPv4Address == "10.1.1.1"
    sixth = {"Type": "IPv6", "IPv6Address": "2001:db8::1"}
    await client(TDS, "SetDNS", FromDHCP=False, DNSManual=[sixth])
    assert (await dns(client)).DNSManual[0].IPv6Address == "2001:db8::1"
    await client(TDS, "SetDNS", FromDHCP=True)
    shown = await dns(client)
    assert (shown.FromDHCP, shown.DNSManual) == (True, [])


@pytest.mark.case("DEVICE-2-1-9")
@pytest.mark.parametrize("address", ["10.1.1", "256.1.1.1", "a.b.c.d", ""])
async def test_invalid_dns_servers_are_refused(camera, address):
    client, before = camera.client(), await dns(camera.client())
    call = client(TDS, "SetDNS", FromDHCP=False, DNSManual=[{"Type": "IPv4", "IPv4Address": address}])
    assert await fault(call) == ("InvalidArgVal", "InvalidIPv4Address")
    assert (await dns(client)).__values__ == before.__values__


async def interfaces(client):
    return (await client(TDS, "GetNetworkInterfaces")).NetworkInterfaces


@pytest.mark.case("DEVICE-2-1-17", "DEVICE-2-1-18", "IPCONFIG-1-1-3")
async def test_an_interface_is_set_to_an_address_and_to_dhcp(camera):
    client = camera.client()
    first = (await interfaces(client))[0]
    assert first.Info.HwAddress.count("-") == 5
    manual = {"IPv4": {"Enabled": True, "Manual": [{"Address": "192.0.2.33", "PrefixLength": 24}], "DHCP": False}}
    reply = await client(TDS, "SetNetworkInterfaces", InterfaceToken=first.token, NetworkInterface=manual)
    assert reply.RebootNeeded is False
    shown = (await interfaces(client))[0].IPv4.Config
    assert [(one.Address, one.PrefixLength) for one in shown.Manual] == [("192.0.2.33", 24)]
    await client(TDS, "SetNetworkInterfaces", InterfaceToken=first.token,
                 NetworkInterface={"IPv4": {"Enabled": True, "DHCP": True}, "MTU": 1400})  # fmt: skip
    after = (await interfaces(client))[0]
    assert (after.IPv4.Config.DHCP, after.IPv4.Config.Manual, after.Info.MTU) == (True, [], 1400)


@pytest.mark.case("DEVICE-2-1-19", "DEVICE-2-1-20", "DEVICE-2-1-21")
async def test_invalid_interface_settings_are_refused(camera):
    client = camera.client()
    token = (await interfaces(client))[0].token

    def ask(**settings):
        return client(TDS, "SetNetworkInterfaces", InterfaceToken=token, NetworkInterface=settings)

    bad = {"Manual": [{"Address": "10.1.1", "PrefixLength": 24}], "DHCP": False}
    assert (await fault(ask(IPv4=bad)))[-1] == "InvalidIPv4Address"
    long = {"Manual": [{"Address": "10.1.1.1", "PrefixLength": 33}], "DHCP": False}
    assert (await fault(ask(IPv4=long)))[-1] == "InvalidIPv4Address"
    sixth = {"Enabled": True, "Manual": [{"Address": "1:2", "PrefixLength": 64}]}
    assert (await fault(ask(IPv6=sixth)))[0] == "InvalidArgVal"
    assert (await fault(ask(MTU=10)))[-1] == "InvalidMtuValue"
    call = client(TDS, "SetNetworkInterfaces", InterfaceToken="no-such", NetworkInterface={})
    assert (await fault(call))[-1] == "InvalidNetworkInterface"


async def gateway(client):
    return (await client(TDS, "GetNetworkDefaultGateway")).NetworkGateway


@pytest.mark.case("DEVICE-2-1-25", "DEVICE-2-1-28", "DEVICE-2-1-30")
async def test_the_gateway_is_set_and_an_invalid_one_refused(camera):
    client = camera.client()
    await client(TDS, "SetNetworkDefaultGateway", IPv4Address=["192.0.2.1"], IPv6Address=["2001:db8::1"])
    shown = await gateway(client)
    assert (shown.IPv4Address, shown.IPv6Address) == (["192.0.2.1"], ["2001:db8::1"])
    call = client(TDS, "SetNetworkDefaultGateway", IPv4Address=["10.1.1"])
    assert await fault(call) == ("InvalidArgVal", "InvalidGatewayAddress")
    assert (await gateway(client)).IPv4Address == ["192.0.2.1"]


@pytest.mark.case("DEVICE-2-1-33", "DEVICE-2-1-34", "DEVICE-2-1-35")
async def test_network_protocols_are_shown_set_and_limited(camera):
    client = camera.client()
    shown = {one.Name: one for one in (await client(TDS, "GetNetworkProtocols")).NetworkProtocols}
    assert shown["HTTP"].Port == [camera.web.ports.http]
    assert {"HTTP", "RTSP"} <= set(shown)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    wanted = [{"Name": "RTSP", "Enabled": True, "Port": [free]}]
    await client(TDS, "SetNetworkProtocols", NetworkProtocols=wanted)
    after = {one.Name: one.Port for one in (await client(TDS, "GetNetworkProtocols")).NetworkProtocols}
    assert after["RTSP"] == [free]
    clash = [{"Name": "RTSP", "Enabled": True, "Port": [camera.web.ports.http]}]
    assert (await fault(client(TDS, "SetNetworkProtocols", NetworkProtocols=clash)))[-1] == "PortAlreadyInUse"
    off = [{"Name": "HTTP", "Enabled": False, "Port": [80]}]
    assert (await fault(client(TDS, "SetNetworkProtocols", NetworkProtocols=off)))[0] == "OperationProhibited"


async def clock(client):
    return (await client(TDS, "GetSystemDateAndTime")).SystemDateAndTime


def moment(*fields):
    """tt:DateTime of year, month, day, hour, minute, second."""
    values = dict(zip(("Year", "Month", "Day", "Hour", "Minute", "Second"), fields, strict=True))
    return {part: {name: values[name] for name in order} for part, order in (
        ("Time", ("Hour", "Minute", "Second")), ("Date", ("Year", "Month", "Day")))}  # fmt: skip


def utc(shown):
    date, time = shown.UTCDateTime.Date, shown.UTCDateTime.Time
    return datetime(date.Year, date.Month, date.Day, time.Hour, time.Minute, time.Second, tzinfo=UTC)


@pytest.mark.case("DEVICE-3-1-1", "DEVICE-3-1-11")
async def test_the_clock_is_shown_and_set(camera):
    client = camera.client()
    assert abs(utc(await clock(client)) - datetime.now(UTC)) < timedelta(seconds=30)
    await client(TDS, "SetSystemDateAndTime", DateTimeType="Manual", DaylightSavings=True,
                 TimeZone={"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, UTCDateTime=moment(2031, 2, 3, 3, 4, 5))  # fmt: skip
    shown = await clock(client)
    assert (shown.DateTimeType, shown.DaylightSavings, shown.TimeZone.TZ) == (
        "Manual", True, "CET-1CEST,M3.5.0,M10.5.0/3",
    )  # fmt: skip
    assert timedelta(0) <= utc(shown) - datetime(2031, 2, 3, 3, 4, 5, tzinfo=UTC) < timedelta(seconds=30)
    assert shown.LocalDateTime.Time.Hour == 4
    await client(TDS, "SetSystemDateAndTime", DateTimeType="NTP", DaylightSavings=False)
    assert abs(utc(await clock(client)) - datetime.now(UTC)) < timedelta(seconds=30)


@pytest.mark.parametrize(("month", "hour"), [(1, 13), (7, 14)])
async def test_a_zone_may_be_named_as_the_iana_names_it(camera, month, hour):
    client = camera.client()
    await client(TDS, "SetSystemDateAndTime", DateTimeType="Manual", DaylightSavings=True,
                 TimeZone={"TZ": "Europe/Berlin"}, UTCDateTime=moment(2031, month, 3, 12, 4, 5))  # fmt: skip
    shown = await clock(client)
    assert shown.TimeZone.TZ == "Europe/Berlin"
    assert (shown.UTCDateTime.Time.Hour, shown.LocalDateTime.Time.Hour) == (12, hour)


async def test_each_camera_of_a_host_has_a_mac_of_its_own_that_outlives_a_restart(tmp_path):
    async def mac(folder):
        async with running(tmp_path / folder) as started:
            interfaces = await started.client()(TDS, "GetNetworkInterfaces")
            (one,) = {found.Info.HwAddress for found in interfaces.NetworkInterfaces}
            return one

    yard, door, again = await mac("yard"), await mac("door"), await mac("yard")
    assert yard == again != door
    for found in (yard, door):
        first = int(found.split("-")[0], 16)
        assert (first & 0x01, first & 0x02) == (0, 0x02), "unicast, locally administered"


@pytest.mark.case("DEVICE-3-1-4", "DEVICE-3-1-5")
@pytest.mark.parametrize(
    ("values", "subcode"),
    [
        ({"TimeZone": {"TZ": "INVALIDTIMEZONE"}}, "InvalidTimeZone"),
        ({"TimeZone": {"TZ": "Europe/Atlantis"}}, "InvalidTimeZone"),
        ({"TimeZone": {"TZ": "../../etc/localtime"}}, "InvalidTimeZone"),
        ({"TimeZone": {"TZ": "Europe"}}, "InvalidTimeZone"),
        ({"UTCDateTime": moment(2001, 1, 1, 26, 70, 7)}, "InvalidDateTime"),
        ({"UTCDateTime": moment(2001, 2, 30, 1, 1, 1)}, "InvalidDateTime"),
        ({"UTCDateTime": moment(1, 1, 1, 1, 1, 1)}, "InvalidDateTime"),
    ],
)  # fmt: skip
async def test_an_invalid_time_changes_nothing(camera, values, subcode):
    client = camera.client()
    before = await clock(client)
    call = client(TDS, "SetSystemDateAndTime", DateTimeType="Manual", DaylightSavings=False, **values)
    assert await fault(call) == ("InvalidArgVal", subcode)
    after = await clock(client)
    assert (after.DateTimeType, after.TimeZone.TZ) == (before.DateTimeType, before.TimeZone.TZ)
    assert abs(utc(after) - utc(before)) < timedelta(seconds=30)


@pytest.mark.case("DEVICE-3-1-7", "DEVICE-3-1-8")
async def test_a_reboot_and_a_soft_default_restart_and_keep_the_users(camera):
    client = camera.client()
    await client(TRT, "CreateProfile", Name="x", Token="x")
    reply = await client(TDS, "SystemReboot")
    assert reply.Message
    async with asyncio.timeout(60):
        await camera.restarted.wait()
    camera.restarted.clear()
    await client(TDS, "SetSystemFactoryDefault", FactoryDefault="Soft")
    async with asyncio.timeout(60):
        await camera.restarted.wait()
    assert camera.camera.settings.device.value.users == ACCOUNTS
    assert [profile.token for profile in camera.camera.settings.media.value.profiles] == ["main", "sub"]


@pytest.mark.case("DEVICE-3-1-6")
async def test_a_hard_default_forgets_the_users_too(camera, tmp_path):
    await camera.client()(TDS, "SetSystemFactoryDefault", FactoryDefault="Hard")
    async with asyncio.timeout(60):
        await camera.restarted.wait()
    assert camera.camera.settings.device.value.users == ()
    fresh = type(camera.camera.settings)(camera.camera.config)
    password = (tmp_path / "initial-password").read_text().strip()
    assert [(user.name, user.password) for user in fresh.device.value.users] == [("admin", password)]


@pytest.mark.case("DEVICE-3-1-9")
async def test_device_information(camera):
    shown = await camera.client()(TDS, "GetDeviceInformation")
    assert (shown.Manufacturer, shown.SerialNumber) == ("Veilcam", "T-1")
    assert shown.Model
    assert shown.FirmwareVersion
    assert shown.HardwareId


def user(name, password="a-good-one-1", level="User"):
    return {"Username": name, "Password": password, "UserLevel": level}


async def listed(client):
    return {one.Username: one.UserLevel for one in (await client(TDS, "GetUsers")).User}


@pytest.mark.case("DEVICE-4-1-1", "DEVICE-4-1-9", "DEVICE-4-1-4", "DEVICE-4-1-7")
async def test_users_are_made_changed_used_and_deleted(camera):
    client = camera.client()
    before = await listed(client)
    assert before == {account.name: account.level for account in ACCOUNTS}
    reply = await client.raw(TDS, "GetUsers")
    assert list(reply.iter(q(TT, "Password"))) == []
    await client(TDS, "CreateUsers", User=[user("onvif1"), user("onvif2", level="Operator")])
    assert await listed(client) == {**before, "onvif1": "User", "onvif2": "Operator"}
    made = camera.client_as("onvif1", "a-good-one-1")
    await made(TDS, "GetDeviceInformation")
    with pytest.raises(NotAuthorized):
        await made(TDS, "GetUsers")
    await client(TDS, "SetUser", User=[user("onvif1", "another-one-2", "Administrator")])
    await camera.client_as("onvif1", "another-one-2")(TDS, "GetUsers")
    with pytest.raises(NotAuthorized):
        await camera.client_as("onvif1", "a-good-one-1")(TDS, "GetUsers")
    await client(TDS, "DeleteUsers", Username=["onvif1", "onvif2"])
    assert await listed(client) == before


@pytest.mark.case("DEVICE-4-1-3", "DEVICE-4-1-5", "DEVICE-4-1-8")
async def test_user_management_is_all_or_nothing(camera):
    client = camera.client()
    before = await listed(client)
    for wanted, subcode in (
        ([user("new1"), user("operator")], "UsernameClash"),
        ([user("new1"), user("new1")], "UsernameClash"),
        ([user("new1"), user("x" * 33)], "UsernameTooLong"),
        ([user("new1"), user("new2", "y" * 65)], "PasswordTooLong"),
        ([user("new1"), user("new2", "short")], "Password"),
        ([user("new1"), user("new2", level="Anonymous")], "AnonymousNotAllowed"),
        ([user(f"u{number}") for number in range(40)], "TooManyUsers"),
    ):
        assert (await fault(client(TDS, "CreateUsers", User=wanted)))[-1] == subcode
        assert await listed(client) == before
    call = client(TDS, "SetUser", User=[user("operator", level="User"), user("nobody")])
    assert await fault(call) == ("InvalidArgVal", "UsernameMissing")
    assert await fault(client(TDS, "DeleteUsers", Username=["user", "nobody"])) == ("InvalidArgVal", "UsernameMissing")
    assert await listed(client) == before


@pytest.mark.case("DEVICE-4-1-6")
async def test_the_last_administrator_stays(camera):
    client = camera.client()
    everybody = list(await listed(client))
    assert (await fault(client(TDS, "DeleteUsers", Username=everybody)))[-1] == "FixedUser"
    demoted = client(TDS, "SetUser", User=[user("administrator", level="User")])
    assert (await fault(demoted))[-1] == "FixedUser"
    assert len(await listed(client)) == 3


NAMESPACES = {
    "DEVICE-6-1-1": '<{0}Envelope xmlns="{env}"><Body><GetDeviceInformation xmlns="{tds}"/></Body></Envelope>',
    "DEVICE-6-1-2": '<Envelope xmlns="{env}" ><Body><GetDeviceInformation xmlns="{tds}"></GetDeviceInformation></Body>'
                    "</Envelope>",
    "DEVICE-6-1-3": '<p1:Envelope xmlns:p1="{env}" xmlns:p2="{tds}"><p1:Body><p2:GetDeviceInformation/></p1:Body>'
                    "</p1:Envelope>",
    "DEVICE-6-1-4": '<a:Envelope xmlns:a="{env}" xmlns:b="{env}"><b:Body><c:GetDeviceInformation xmlns:c="{tds}"/>'
                    "</b:Body></a:Envelope>",
    "DEVICE-6-1-5": '<a:Envelope xmlns:a="{env}"><a:Body><a:GetDeviceInformation xmlns:a="{tds}"/></a:Body>'
                    "</a:Envelope>",
}  # fmt: skip


@pytest.mark.case(*NAMESPACES)
@pytest.mark.parametrize("text", NAMESPACES.values(), ids=list(NAMESPACES))
async def test_prefixes_mean_nothing(camera, text):
    client = camera.client()
    await client(TDS, "GetHostname")
    body = text.replace("{0}", "").replace("{env}", names.ENV12).replace("{tds}", TDS).encode()
    url = f"{camera.base}/onvif/device_service"
    with pytest.raises(Fault):
        await client(TDS, "SetHostname", Name="_")  # makes the client know its challenge
    headers = {"Authorization": client.carrier.authorization("POST", url)}
    status, content = await client.post(body, headers=headers)
    assert status == 200
    assert etree.fromstring(content).find(f".//{q(TDS, 'SerialNumber')}").text == "T-1"


@pytest.mark.case("SECURITY-1-1-1")
async def test_username_token_is_accepted_once_and_refused_when_wrong(camera):
    def message(header):
        text = b"".join(etree.tostring(block) for block in header)
        return envelope("<tds:GetDeviceInformation/>", header=text.decode())

    client, now = camera.client(Level.ANONYMOUS), datetime.now(UTC)
    right = message(token(PASSWORDS[Level.USER], user="user", created=now, nonce=b"one"))
    assert (await client.post(right))[0] == 200
    status, content = await client.post(right)
    assert (status, fault_codes(content)) == (400, ["Sender", "NotAuthorized"])
    wrong = message(token("wrong-password", user="user", created=now, nonce=b"two"))
    status, content = await client.post(wrong)
    assert (status, fault_codes(content)) == (400, ["Sender", "NotAuthorized"])


@pytest.mark.case("SECURITY-1-1-2")
async def test_digest_is_asked_for_and_accepted(camera):
    status, _ = await camera.client(Level.ANONYMOUS).post(envelope("<tds:GetDeviceInformation/>"))
    assert status == 401
    await camera.client(Level.USER)(TDS, "GetDeviceInformation")
    with pytest.raises(NotAuthorized):
        await camera.client_as("user", "wrong-password")(TDS, "GetDeviceInformation")


async def test_everything_that_was_set_survives_a_restart(tmp_path):
    async with running(tmp_path) as first:
        client = first.client()
        await client(TDS, "SetHostname", Name="kept")
        await client(TDS, "SetScopes", Scopes=["onvif://www.onvif.org/location/yard"])
        await client(TDS, "SetDiscoveryMode", DiscoveryMode="NonDiscoverable")
        await client(TDS, "SetNTP", FromDHCP=False, NTPManual=[{"Type": "DNS", "DNSname": "ntp.example"}])
        await client(TDS, "SetDynamicDNS", Type="ClientUpdates", Name="cam.example", TTL=timedelta(hours=1))
        await client(TDS, "SetZeroConfiguration", InterfaceToken=(await interfaces(client))[0].token, Enabled=False)
        lists = {"Type": "Allow", "IPv4Address": [{"Address": "127.0.0.0", "PrefixLength": 8}]}
        await client(TDS, "SetIPAddressFilter", IPAddressFilter=lists)
    async with running(tmp_path) as second:
        client = second.client()
        assert (await client(TDS, "GetHostname")).HostnameInformation.Name == "kept"
        scopes = (await client(TDS, "GetScopes")).Scopes
        assert [one.ScopeItem for one in scopes if one.ScopeDef == "Configurable"] == [
            "onvif://www.onvif.org/location/yard"
        ]
        assert (await client(TDS, "GetDiscoveryMode")).DiscoveryMode == "NonDiscoverable"
        assert (await client(TDS, "GetNTP")).NTPInformation.NTPManual[0].DNSname == "ntp.example"
        dynamic = (await client(TDS, "GetDynamicDNS")).DynamicDNSInformation
        assert (dynamic.Type, dynamic.Name, dynamic.TTL) == ("ClientUpdates", "cam.example", timedelta(hours=1))
        assert (await client(TDS, "GetZeroConfiguration")).ZeroConfiguration.Enabled is False
        shown = (await client(TDS, "GetIPAddressFilter")).IPAddressFilter
        assert [(one.Address, one.PrefixLength) for one in shown.IPv4Address] == [("127.0.0.0", 8)]


@pytest.mark.case("DISCOVERY-1-1-11")
async def test_scopes_are_added_set_and_removed(camera):
    client, root = camera.client(), "onvif://www.onvif.org/"
    before = (await client(TDS, "GetScopes")).Scopes
    fixed = [one.ScopeItem for one in before if one.ScopeDef == "Fixed"]
    assert {f"{root}Profile/Streaming", f"{root}Profile/T", f"{root}Profile/M"} <= set(fixed)
    version = camera.camera.settings.device.value.metadata_version
    await client(TDS, "AddScopes", ScopeItem=[f"{root}location/a", f"{root}location/b"])
    assert camera.camera.settings.device.value.metadata_version == version + 1
    removed = await client(TDS, "RemoveScopes", ScopeItem=[f"{root}location/a"])
    assert removed.ScopeItem == [f"{root}location/a"]
    shown = [one.ScopeItem for one in (await client(TDS, "GetScopes")).Scopes]
    assert shown == [*fixed, f"{root}location/b"]
    assert await fault(client(TDS, "RemoveScopes", ScopeItem=[fixed[0]])) == ("OperationProhibited", "FixedScope")
    assert await fault(client(TDS, "SetScopes", Scopes=[fixed[0]])) == ("OperationProhibited", "ScopeOverwrite")
    assert await fault(client(TDS, "RemoveScopes", ScopeItem=[f"{root}no"])) == ("InvalidArgVal", "NoScope")
    many = [f"{root}x/{number}" for number in range(40)]
    assert (await fault(client(TDS, "SetScopes", Scopes=many)))[-1] == "TooManyScopes"


async def test_the_address_filter_is_changed_and_checked(camera):
    client = camera.client()

    def one(address, bits=32):
        return {"Type": "Deny", "IPv4Address": [{"Address": address, "PrefixLength": bits}]}

    await client(TDS, "SetIPAddressFilter", IPAddressFilter=one("192.0.2.1"))
    await client(TDS, "AddIPAddressFilter", IPAddressFilter=one("192.0.2.2"))
    await client(TDS, "RemoveIPAddressFilter", IPAddressFilter=one("192.0.2.1"))
    shown = (await client(TDS, "GetIPAddressFilter")).IPAddressFilter
    assert [entry.Address for entry in shown.IPv4Address] == ["192.0.2.2"]
    assert (await fault(client(TDS, "RemoveIPAddressFilter", IPAddressFilter=one("192.0.2.9"))))[-1] == "NoIPv4Address"
    assert (await fault(client(TDS, "SetIPAddressFilter", IPAddressFilter=one("1.2.3"))))[-1] == "InvalidIPv4Address"
    await client(TDS, "SetIPAddressFilter", IPAddressFilter=one("127.0.0.0", 8))
    async with client.carrier.session.get(f"{camera.base}/onvif/device_service") as response:
        assert response.status == 403
