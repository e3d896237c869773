"""Device management and events: what both the camera and the recorder must answer."""

import asyncio

from lxml import etree

from onvif.names import ENV12, q
from onvif.users import Level
from tests.notification_consumer import consumer

PASSWORD = "Level-secret-17"


async def device(dut):
    """Every operation of device management that the profiles mention, each Set undone."""
    await dut.find_services()
    await dut.ask("tds:GetServiceCapabilities")
    await dut.ask("tds:GetCapabilities", Category=["All"])
    await dut.ask("tds:GetWsdlUrl")
    await dut.ask("tds:GetDeviceInformation")
    await dut.ask("tds:GetSystemDateAndTime")
    await dut.ask("tds:SetSystemDateAndTime", DateTimeType="NTP", DaylightSavings=False, TimeZone={"TZ": "UTC0"})
    await discovery(dut)
    await network(dut)
    await users(dut)
    await dut.ask("tds:GetRelayOutputs")


async def discovery(dut):
    mode = await dut.ask("tds:GetDiscoveryMode")
    await dut.ask("tds:SetDiscoveryMode", DiscoveryMode=mode.DiscoveryMode if mode else "Discoverable")
    await dut.ask("tds:GetScopes")
    await dut.ask("tds:AddScopes", ScopeItem=["onvif://www.onvif.org/location/test"])
    removed = await dut.ask("tds:RemoveScopes", ScopeItem=["onvif://www.onvif.org/location/test"])
    assert removed is None or removed.ScopeItem
    await dut.ask("tds:SetScopes", Scopes=["onvif://www.onvif.org/location/bench"])


async def network(dut):
    name = await dut.ask("tds:GetHostname")
    await dut.ask("tds:SetHostname", Name=(name and name.HostnameInformation.Name) or "veilcam")
    await dut.ask("tds:GetDNS")
    await dut.ask("tds:SetDNS", FromDHCP=False, DNSManual=[{"Type": "IPv4", "IPv4Address": "192.0.2.53"}])
    await dut.ask("tds:GetNTP")
    await dut.ask("tds:SetNTP", FromDHCP=False, NTPManual=[{"Type": "DNS", "DNSname": "ntp.example.org"}])
    interfaces = await dut.ask("tds:GetNetworkInterfaces")
    if interfaces and interfaces.NetworkInterfaces:
        first = interfaces.NetworkInterfaces[0]
        await dut.ask("tds:SetNetworkInterfaces", InterfaceToken=first.token, NetworkInterface={"Enabled": True})
        await dut.ask("tds:GetZeroConfiguration")
        await dut.ask("tds:SetZeroConfiguration", InterfaceToken=first.token, Enabled=False)
    protocols = await dut.ask("tds:GetNetworkProtocols")
    if protocols:
        await dut.ask("tds:SetNetworkProtocols", NetworkProtocols=protocols.NetworkProtocols)
    await dut.ask("tds:GetNetworkDefaultGateway")
    await dut.ask("tds:SetNetworkDefaultGateway", IPv4Address=["192.0.2.1"])
    await dut.ask("tds:GetDynamicDNS")
    await dut.ask("tds:SetDynamicDNS", Type="NoUpdate")
    await dut.ask("tds:GetIPAddressFilter")
    nobody = {"Type": "Deny", "IPv4Address": [{"Address": "192.0.2.9", "PrefixLength": 32}]}
    await dut.ask("tds:SetIPAddressFilter", IPAddressFilter=nobody)
    await dut.ask("tds:AddIPAddressFilter", IPAddressFilter=nobody)
    await dut.ask("tds:RemoveIPAddressFilter", IPAddressFilter=nobody)


async def users(dut):
    """Make an account of each level; they stay, for the access checks."""
    await dut.ask("tds:GetUsers")
    for level in (Level.OPERATOR, Level.USER):
        name = f"test-{level.lower()}"
        await dut.ask("tds:CreateUsers", User=[{"Username": name, "Password": PASSWORD, "UserLevel": str(level)}])
        dut.accounts[level] = (name, PASSWORD)
    short = {"Username": "test-gone", "Password": PASSWORD, "UserLevel": "User"}
    await dut.ask("tds:CreateUsers", User=[short])
    await dut.ask("tds:SetUser", User=[{**short, "UserLevel": "Operator"}])
    await dut.ask("tds:DeleteUsers", Username=["test-gone"])


async def events(dut):
    """Pull points and basic notification."""
    await dut.ask("tev:GetServiceCapabilities")
    await dut.ask("tev:GetEventProperties")
    created = await dut.ask("tev:CreatePullPointSubscription", InitialTerminationTime="PT60S")
    if created:
        address = _address(created)
        await dut.ask("tev:SetSynchronizationPoint", to=address)
        await dut.ask("tev:PullMessages", to=address, Timeout="PT2S", MessageLimit=20, wait_s=2)
        await dut.ask("tev:Renew", to=address, TerminationTime="PT60S")
        await dut.ask("tev:Unsubscribe", to=address)
    async with consumer() as (address, heard):
        subscribed = await dut.ask(
            "tev:Subscribe", ConsumerReference={"Address": address}, InitialTerminationTime="PT30S"
        )
        if subscribed:
            async with asyncio.timeout(30):
                # Notify is the one operation that the device calls; the states of its properties come at once.
                dut.judge("tev:Notify", etree.fromstring(await heard.get()).find(f"{q(ENV12, 'Body')}/*"))
            await dut.ask("tev:Unsubscribe", to=_address(subscribed))


async def deadly(dut):
    """What ends the process; nothing can be asked afterwards."""
    await dut.ask("tds:SetSystemFactoryDefault", FactoryDefault="Soft")
    await dut.ask("tds:SystemReboot")


def _address(reply):
    address = reply.SubscriptionReference.Address
    return str(getattr(address, "_value_1", address))
