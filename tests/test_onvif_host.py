"""A device that owns its host: the closed list of verbs, the program that does them, and clients' Sets that reach it.

The host's own programs are stand-ins on PATH that write down how they were called.
"""

import asyncio
import contextlib
import json
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.settings_file import Stored
from onvif.device_state import DeviceState
from onvif.errors import Fault
from onvif.host.helper import answer
from onvif.host.platform import HostPlatform
from onvif.host.verbs import VERBS, Command, CommandRefused, steps
from onvif.names import TDS
from onvif.platform import Interface
from onvif.services.device import PATH, device_service
from onvif.services.device_context import DeviceContext, DeviceIdentity
from tests.onvif_device import device

PROGRAMS = ("timedatectl", "hostnamectl", "nmcli", "systemctl")
NETWORK = {
    "verb": "network", "interface": "eth0", "dhcp": False, "addresses": ["192.0.2.7/24"], "gateways": ["192.0.2.1"],
    "dns": ["192.0.2.53"], "search": ["example.org"], "mtu": 1400,
}  # fmt: skip


class Host:
    """Folders that stand for a host: programs that keep a record, and its files."""

    def __init__(self, folder):
        self.root, self.bin = folder / "root", folder / "bin"
        self.bin.mkdir()
        self._record = folder / "record"
        self._record.touch()
        for program in PROGRAMS:
            self.install(program, 0)

    def install(self, program, status, said=""):
        path = self.bin / program
        path.write_text(
            f"#!{sys.executable}\nimport json, sys\n"
            f"with open({str(self._record)!r}, 'a') as record:\n"
            f"    record.write(json.dumps([{program!r}, *sys.argv[1:]]) + '\\n')\n"
            f"print({said!r}, file=sys.stderr)\nsys.exit({status})\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def called(self):
        return [json.loads(line) for line in self._record.read_text().splitlines()]

    def do(self, **request):
        return answer(json.dumps(request).encode(), self.root, str(self.bin))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_the_clock_is_set_after_ntp_was_switched_off(host):
    at = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC).timestamp()
    assert host.do(verb="clock", utc=at) == {"done": True}
    assert host.called == [["timedatectl", "set-ntp", "false"], ["timedatectl", "set-time", "2026-05-04 03:02:01 UTC"]]


def test_time_servers_are_written_and_read_again(host):
    assert host.do(verb="ntp", enabled=True, servers=["ntp.example.org", "192.0.2.5", "2001:db8::5"]) == {"done": True}
    written = host.root / "etc/systemd/timesyncd.conf.d/50-veilcam.conf"
    assert written.read_text() == "[Time]\nNTP=ntp.example.org 192.0.2.5 2001:db8::5\n"
    assert host.called == [["timedatectl", "set-ntp", "true"],
                           ["systemctl", "try-restart", "systemd-timesyncd.service"]]  # fmt: skip
    host.install("systemctl", 5)  # a host without timesyncd keeps its time otherwise
    assert host.do(verb="ntp", enabled=False, servers=[]) == {"done": True}
    assert written.read_text() == "[Time]\n"


def test_an_interface_gets_a_profile_of_ours(host):
    host.install("nmcli", 0)
    assert host.do(**NETWORK) == {"done": True}
    added, modified, up = host.called
    assert added == ["nmcli", "connection", "add", "type", "ethernet", "con-name", "veilcam-eth0", "ifname", "eth0"]
    assert modified[:4] == ["nmcli", "connection", "modify", "veilcam-eth0"]
    settings = dict(zip(modified[4::2], modified[5::2], strict=True))
    assert settings["ipv4.method"] == "manual"
    assert settings["ipv4.addresses"] == "192.0.2.7/24"
    assert settings["ipv4.gateway"] == "192.0.2.1"
    assert (settings["ipv4.dns"], settings["ipv4.dns-search"]) == ("192.0.2.53", "example.org")
    assert settings["802-3-ethernet.mtu"] == "1400"
    assert up == ["nmcli", "connection", "up", "veilcam-eth0"]


def test_name_link_and_reboot(host):
    assert host.do(verb="hostname", name="gate-3") == {"done": True}
    assert host.do(verb="link", interface="wlan0", up=False) == {"done": True}
    assert host.do(verb="reboot") == {"done": True}
    assert host.called == [["hostnamectl", "set-hostname", "gate-3"], ["nmcli", "device", "disconnect", "wlan0"],
                           ["systemctl", "--no-block", "reboot"]]  # fmt: skip


@pytest.mark.parametrize(("changes", "why"), [
    ({"verb": "shell", "command": "id"}, "no verb"),
    ({"verb": "reboot", "now": True}, "takes nothing"),
    ({"verb": "hostname"}, "takes name"),
    ({"verb": "hostname", "name": "a b"}, "host name"),
    ({"verb": "hostname", "name": "-static"}, "host name"),
    ({"verb": "hostname", "name": 5}, "host name"),
    ({"verb": "clock", "utc": "now"}, "utc"),
    ({"verb": "clock", "utc": True}, "utc"),
    ({"verb": "clock", "utc": 1e30}, "utc"),
    ({"verb": "ntp", "enabled": 1, "servers": []}, "enabled"),
    ({"verb": "ntp", "enabled": True, "servers": ["a\nFallbackNTP=evil"]}, "IP address"),
    ({"verb": "ntp", "enabled": True, "servers": "ntp.example.org"}, "list"),
    ({"verb": "ntp", "enabled": True, "servers": ["a"] * 5}, "at most 4"),
    ({"verb": "link", "interface": "lo", "up": False}, "interface"),
    ({"verb": "link", "interface": "--help", "up": True}, "interface"),
    ({**NETWORK, "interface": "../etc"}, "interface"),
    ({**NETWORK, "addresses": ["192.0.2.7"]}, "prefix"),
    ({**NETWORK, "addresses": []}, "needs an address"),
    ({**NETWORK, "gateways": ["192.0.2.1", "192.0.2.2"]}, "one gateway"),
    ({**NETWORK, "dns": ["dns.example.org"]}, "IP address"),
    ({**NETWORK, "search": ["x y"]}, "domain"),
    ({**NETWORK, "mtu": 70}, "mtu"),
    ({**NETWORK, "dhcp": "yes"}, "dhcp"),
])  # fmt: skip
def test_what_is_not_on_the_list_is_refused_and_nothing_is_run(host, changes, why):
    told = host.do(**changes)
    assert why in told["refused"]
    assert host.called == []
    assert not host.root.exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=8),
    max_leaves=12,
)


@given(JSON, st.sampled_from([*VERBS, "other"]))
def test_any_request_is_commands_of_the_list_or_a_refusal(values, verb):
    takes = VERBS[verb].takes if verb in VERBS else ()
    request = {"verb": verb, **dict.fromkeys(takes, values)}
    with contextlib.suppress(CommandRefused):
        for step in steps(request):
            if isinstance(step, Command):
                assert step.arguments[0] in PROGRAMS
                assert all("\0" not in argument for argument in step.arguments)


def test_a_program_that_fails_or_is_missing_is_told(host):
    host.install("hostnamectl", 1, "Could not set static hostname")
    assert "Could not set static hostname" in host.do(verb="hostname", name="gate")["failed"]
    (host.bin / "systemctl").unlink()
    assert host.do(verb="reboot") == {"failed": "the host has no systemctl"}


def test_the_program_answers_one_line_and_ends():
    command = [sys.executable, "-m", "onvif.host.helper"]
    where = Path(__file__).parent.parent
    for asked, said in ((b"no json\n", "no JSON"), (b'{"verb": "shell"}\n', "no verb"), (b"x" * 9000, "at most 8192")):
        done = subprocess.run(command, input=asked, capture_output=True, check=True, cwd=where)
        assert said in json.loads(done.stdout)["refused"]


@contextlib.asynccontextmanager
async def owner(host, state):
    """A device that owns `host`: its client, its state, how often its process was restarted, its platform."""

    async def serve(reader, writer):
        line = await reader.readline()
        told = await asyncio.to_thread(answer, line, host.root, str(host.bin))
        writer.write(json.dumps(told).encode() + b"\n")
        await writer.drain()
        writer.close()

    restarted = asyncio.Event()
    address = state / "host.sock"
    platform = HostPlatform(restarted.set, address)
    platform.interfaces = lambda: (Interface("eth0", "02:00:00:00:00:01", 1500, (("192.0.2.7", 24),)),)
    stored = Stored(state / "device.json", DeviceState())
    identity = DeviceIdentity("Maker", "Model", "1", "S", "H", "urn:uuid:0", (), "camera")
    context = DeviceContext(identity, stored, platform, services=lambda: (), protocols=dict)
    async with await asyncio.start_unix_server(serve, address), device(device_service(context)) as asker:
        yield asker(), stored, restarted


async def test_what_clients_set_reaches_the_host(host, tmp_path):
    async with owner(host, tmp_path) as (client, stored, _):

        async def ask(name, **values):
            return await client.values(TDS, name, to=PATH, **values)

        await ask("SetHostname", Name="gate-3")
        await ask("SetNTP", FromDHCP=False, NTPManual=[{"Type": "DNS", "DNSname": "ntp.example.org"}])
        interface = {
            "Enabled": True,
            "MTU": 1400,
            "IPv4": {"Enabled": True, "DHCP": False, "Manual": [{"Address": "192.0.2.9", "PrefixLength": 24}]},
        }
        await ask("SetNetworkInterfaces", InterfaceToken="eth0", NetworkInterface=interface)
        await ask("SetNetworkDefaultGateway", IPv4Address=["192.0.2.1"])
        await ask("SetDNS", FromDHCP=False, DNSManual=[{"Type": "IPv4", "IPv4Address": "192.0.2.53"}])
        called = host.called
        assert ["hostnamectl", "set-hostname", "gate-3"] in called
        assert "NTP=ntp.example.org" in (host.root / "etc/systemd/timesyncd.conf.d/50-veilcam.conf").read_text()
        last = [call for call in called if call[:3] == ["nmcli", "connection", "modify"]][-1]
        settings = dict(zip(last[4::2], last[5::2], strict=True))
        assert settings["ipv4.addresses"] == "192.0.2.9/24"
        assert (settings["ipv4.gateway"], settings["ipv4.dns"]) == ("192.0.2.1", "192.0.2.53")
        moment = {"Time": {"Hour": 3, "Minute": 2, "Second": 1}, "Date": {"Year": 2026, "Month": 5, "Day": 4}}
        await ask("SetSystemDateAndTime", DateTimeType="Manual", DaylightSavings=False,
                  TimeZone={"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, UTCDateTime=moment)  # fmt: skip
        assert ["timedatectl", "set-time", "2026-05-04 03:02:01 UTC"] in host.called
        shown = (await ask("GetSystemDateAndTime")).SystemDateAndTime
        assert shown.TimeZone.TZ == "CET-1CEST,M3.5.0,M10.5.0/3"
        # The stand-in did not move the clock, and the device's is the host's.
        now = datetime.now(UTC)
        assert abs(now.hour * 60 + now.minute - shown.UTCDateTime.Time.Hour * 60 - shown.UTCDateTime.Time.Minute) <= 1
        assert stored.value.hostname == "gate-3"


async def test_what_the_host_does_not_do_is_a_fault_and_is_not_kept(host, tmp_path):
    async with owner(host, tmp_path) as (client, stored, _):
        host.install("hostnamectl", 1, "Access denied")
        with pytest.raises(Fault, match="Access denied") as refused:
            await client.values(TDS, "SetHostname", to=PATH, Name="gate-3")
        assert (refused.value.code, refused.value.subcodes) == ("Receiver", ("Action",))
        assert stored.value.hostname == ""
        host.install("timedatectl", 1, "NTP not supported")
        with pytest.raises(Fault, match="NTP not supported"):
            await client.values(TDS, "SetSystemDateAndTime", to=PATH, DateTimeType="NTP", DaylightSavings=False)


async def test_a_reboot_is_the_hosts_and_a_default_the_process(host, tmp_path):
    async with owner(host, tmp_path) as (client, _, restarted):
        await client.values(TDS, "SystemReboot", to=PATH)
        async with asyncio.timeout(60):
            while ["systemctl", "--no-block", "reboot"] not in host.called:  # noqa: ASYNC110 - a file tells
                await asyncio.sleep(0.02)
        assert not restarted.is_set()
        await client.values(TDS, "SetSystemFactoryDefault", to=PATH, FactoryDefault="Soft")
        async with asyncio.timeout(60):
            await restarted.wait()


async def test_a_host_that_refuses_the_reboot_restarts_the_process_at_least(host, tmp_path):
    async with owner(host, tmp_path) as (client, _, restarted):
        host.install("systemctl", 1)
        await client.values(TDS, "SystemReboot", to=PATH)
        async with asyncio.timeout(60):
            await restarted.wait()


async def test_a_host_that_cannot_be_asked_is_told(tmp_path):
    platform = HostPlatform(lambda: None, tmp_path / "nobody.sock")
    with pytest.raises(Exception, match="cannot do ntp"):
        await platform.set_clock(None, DeviceState())
    assert abs(platform.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert platform.interfaces()
