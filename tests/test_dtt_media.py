"""Media and Media 2 as ONVIF's device test specifications (22.06) go through them; the marks are case ids."""

import asyncio
from datetime import timedelta

import aiohttp
import cv2
import numpy as np
import pytest

from onvif import names
from onvif.digest import challenges, credentials
from onvif.names import TMD, TR2, TRT
from onvif.users import Level
from tests.dtt import FIXED, encoder2, fault, media2_request, options2, profiles1, profiles2
from tests.onvif_camera import PASSWORDS, running
from tests.onvif_schema import problems


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
def events(camera):
    """What the camera said on its bus: (topic's last part, source items)."""
    said = []
    camera.camera.bus.listen(lambda event: said.append((event.topic.rpartition("/")[2], dict(event.source))))
    return said


# Media 2: profiles


@pytest.mark.case("MEDIA2-1-1-1", "MEDIA2-1-1-8", "MEDIA2-1-1-9")
async def test_a_profile_is_ready_for_video_and_metadata(camera):
    client = camera.client()
    ready = [one for one in await profiles2(client, "All")
             if one.Configurations.VideoSource and one.Configurations.VideoEncoder and one.Configurations.Metadata
             and one.Configurations.Analytics]  # fmt: skip
    assert [one.token for one in ready] == FIXED
    for one in ready:
        for protocol in ("RTSP", "RtspUnicast", "RtspOverHttp"):
            uri = (await client(TR2, "GetStreamUri", Protocol=protocol, ProfileToken=one.token)).Uri
            assert uri.endswith(f"/{one.token}")
            assert len(uri) <= 128


@pytest.mark.case("MEDIA2-1-1-2", "MEDIA2-1-1-5")
async def test_a_profile_is_made_with_configurations(camera, events):
    client = camera.client()
    wanted = [{"Type": "VideoSource", "Token": "source"}, {"Type": "VideoEncoder", "Token": "sub"}]
    token = (await client(TR2, "CreateProfile", Name="testMedia", Configuration=wanted)).Token
    assert ("ProfileChanged", {"Token": token}) in events
    made = (await profiles2(client, "All", token=token))[0]
    assert (made.Name, made.fixed) == ("testMedia", False)
    assert (made.Configurations.VideoSource.token, made.Configurations.VideoEncoder.token) == ("source", "sub")
    assert made.Configurations.Metadata is None
    assert (await client(TR2, "GetStreamUri", Protocol="RTSP", ProfileToken=token)).Uri.endswith(f"/{token}")
    events.clear()
    await client(TR2, "DeleteProfile", Token=token)
    assert events == [("ProfileChanged", {"Token": token})]
    assert await fault(profiles2(client, token=token)) == ("InvalidArgVal", "NoProfile")


@pytest.mark.case("MEDIA2-1-1-3", "MEDIA2-1-1-6")
async def test_a_profile_is_filled_and_emptied(camera, events):
    client = camera.client()
    token = (await client(TR2, "CreateProfile", Name="dynamic")).Token
    for kind, own in (("VideoSource", "source"), ("VideoEncoder", "main"), ("Metadata", "metadata"),
                      ("Analytics", "analytics")):  # fmt: skip
        await client(TR2, "AddConfiguration", ProfileToken=token, Configuration=[{"Type": kind, "Token": own}])
        found = (await profiles2(client, "All", token=token))[0].Configurations
        assert getattr(found, kind).token == own
    await client(TR2, "RemoveConfiguration", ProfileToken=token,
                 Configuration=[{"Type": "VideoEncoder", "Token": "main"}])  # fmt: skip
    assert (await profiles2(client, "All", token=token))[0].Configurations.VideoEncoder is None
    assert (await client(TR2, "GetStreamUri", Protocol="RTSP", ProfileToken=token)).Uri.endswith(f"/{token}")
    await client(TR2, "RemoveConfiguration", ProfileToken=token,
                 Configuration=[{"Type": "Metadata", "Token": "metadata"}])  # fmt: skip
    call = client(TR2, "GetStreamUri", Protocol="RTSP", ProfileToken=token)
    assert await fault(call) == ("Action", "IncompleteConfiguration")
    await client(TR2, "RemoveConfiguration", ProfileToken=token, Configuration=[{"Type": "All"}])
    left = (await profiles2(client, "All", token=token))[0].Configurations
    assert left is None or not any(left.__values__.values())
    assert events.count(("ProfileChanged", {"Token": token})) == 8


@pytest.mark.case("MEDIA2-1-1-4")
async def test_get_profiles_shows_what_was_asked_for(camera):
    client = camera.client()
    for profile in await profiles2(client):
        assert profile.Configurations is None
    for profile in await profiles2(client, "VideoEncoder"):
        shown = {name for name, value in profile.Configurations.__values__.items() if value}
        assert shown == {"VideoEncoder"}
    assert problems(await client.raw(TR2, "GetProfiles", Type=["All"])) == []
    assert [one.token for one in await profiles2(client, "All", token="sub")] == ["sub"]


@pytest.mark.case("MEDIA2-1-1-7")
async def test_a_fixed_profile_stays(camera):
    client = camera.client()
    for token in FIXED:
        assert await fault(client(TR2, "DeleteProfile", Token=token)) == ("Action", "DeletionOfFixedProfile")
        assert await fault(client(TRT, "DeleteProfile", ProfileToken=token)) == ("Action", "DeletionOfFixedProfile")
    assert [one.token for one in await profiles2(client)] == FIXED


async def test_profiles_are_limited_and_survive_a_restart(tmp_path):
    async with running(tmp_path) as first:
        client = first.client()
        most = (await client(TR2, "GetServiceCapabilities")).Capabilities.ProfileCapabilities.MaximumNumberOfProfiles
        for number in range(most - len(FIXED)):
            await client(TR2, "CreateProfile", Name=f"p{number}")
        assert await fault(client(TR2, "CreateProfile", Name="more")) == ("Action", "MaxNVTProfiles")
        kept = [one.token for one in await profiles2(client)]
    async with running(tmp_path) as second:
        assert [one.token for one in await profiles2(second.client())] == kept


@pytest.mark.parametrize(
    ("operation", "values", "subcodes"),
    [
        ("AddConfiguration", {"ProfileToken": "no", "Configuration": [{"Type": "VideoSource"}]},
         ("InvalidArgVal", "NoProfile")),
        ("AddConfiguration", {"ProfileToken": "main", "Configuration": [{"Type": "VideoSource", "Token": "no"}]},
         ("InvalidArgVal", "NoConfig")),
        ("AddConfiguration", {"ProfileToken": "main", "Configuration": [{"Type": "Odd"}]},
         ("InvalidArgVal", "NoConfig")),
        ("AddConfiguration", {"ProfileToken": "main", "Configuration": [{"Type": "PTZ"}]},
         ("Action", "ConfigurationConflict")),
        ("GetVideoSourceConfigurations", {"ProfileToken": "no"}, ("InvalidArgVal", "NoProfile")),
        ("GetSnapshotUri", {"ProfileToken": "no"}, ("InvalidArgVal", "NoProfile")),
        ("SetSynchronizationPoint", {"ProfileToken": "no"}, ("InvalidArgVal", "NoProfile")),
        ("GetStreamUri", {"ProfileToken": "main", "Protocol": "Carrier pigeon"},
         ("InvalidArgVal", "InvalidStreamSetup")),
        ("GetVideoEncoderInstances", {"ConfigurationToken": "no"}, ("InvalidArgVal", "NoConfig")),
    ],
)  # fmt: skip
async def test_media2_faults(camera, operation, values, subcodes):
    assert await fault(camera.client()(TR2, operation, **values)) == subcodes


# Media 2: configurations


@pytest.mark.case("MEDIA2-2-2-6", "MEDIA2-8-1-4", "MEDIA2-9-1-3")
@pytest.mark.parametrize("kind", ["VideoSource", "VideoEncoder", "Metadata", "Analytics"])
async def test_an_unknown_configuration_is_refused(camera, kind):
    call = camera.client()(TR2, f"Get{kind}Configurations", ConfigurationToken="no")
    assert await fault(call) == ("InvalidArgVal", "NoConfig")


@pytest.mark.case(
    "MEDIA2-2-2-2", "MEDIA2-2-2-4", "MEDIA2-2-3-1", "MEDIA2-8-1-2", "MEDIA2-8-1-3", "MEDIA2-9-1-1", "MEDIA2-9-1-2",
)  # fmt: skip
@pytest.mark.parametrize("kind", ["VideoSource", "VideoEncoder", "Metadata", "Analytics"])
async def test_profiles_and_configurations_agree(camera, kind):
    client = camera.client()
    listed = (await client(TR2, f"Get{kind}Configurations")).Configurations
    by_token = {one.token: one for one in listed}
    assert len(by_token) == len(listed)
    uses = dict.fromkeys(by_token, 0)
    for profile in await profiles2(client, "All"):
        own = getattr(profile.Configurations, kind)
        uses[own.token] += 1
        assert own.__values__ == by_token[own.token].__values__
        compatible = await client(TR2, f"Get{kind}Configurations", ProfileToken=profile.token)
        assert own.token in {one.token for one in compatible.Configurations}
    assert uses == {token: one.UseCount for token, one in by_token.items()}
    for token, one in by_token.items():
        alone = (await client(TR2, f"Get{kind}Configurations", ConfigurationToken=token)).Configurations
        assert [found.__values__ for found in alone] == [one.__values__]


@pytest.mark.case("MEDIA2-2-2-1", "MEDIA2-2-2-3", "MEDIA2-2-2-7")
async def test_source_options_fit_source_configurations(camera):
    client = camera.client()
    sources = (await client(TMD, "GetVideoSources")).Token
    for ask in ({}, {"ConfigurationToken": "source"}, {"ProfileToken": "main"}):
        options = (await client(TR2, "GetVideoSourceConfigurationOptions", **ask)).Options
        assert options.VideoSourceTokensAvailable == sources
        for one in (await client(TR2, "GetVideoSourceConfigurations", **ask)).Configurations:
            assert one.SourceToken in sources
            bounds = options.BoundsRange
            assert bounds.WidthRange.Min <= one.Bounds.width <= bounds.WidthRange.Max
            assert bounds.HeightRange.Min <= one.Bounds.height <= bounds.HeightRange.Max


@pytest.mark.case("MEDIA2-2-2-5")
async def test_the_source_configuration_is_set(camera, events):
    client = camera.client()
    present = (await client(TR2, "GetVideoSourceConfigurations")).Configurations[0]
    wanted = {"token": present.token, "Name": "renamed", "UseCount": present.UseCount,
              "SourceToken": present.SourceToken, "Bounds": dict(present.Bounds.__values__)}  # fmt: skip
    await client(TR2, "SetVideoSourceConfiguration", Configuration=wanted)
    assert (await client(TR2, "GetVideoSourceConfigurations")).Configurations[0].Name == "renamed"
    assert events == [("ConfigurationChanged", {"Token": "source", "Type": "VideoSource"})]
    odd = {**wanted, "Bounds": {**wanted["Bounds"], "width": 7}}
    call = client(TR2, "SetVideoSourceConfiguration", Configuration=odd)
    assert await fault(call) == ("InvalidArgVal", "ConfigModify")


@pytest.mark.case("MEDIA2-3-2-3", "MEDIA2-3-2-4")
async def test_there_is_no_audio_and_it_is_not_claimed(camera):
    client = camera.client()
    supported = (await client(TR2, "GetServiceCapabilities")).Capabilities.ProfileCapabilities
    assert not {kind for kind in supported.ConfigurationsSupported if kind.startswith("Audio")}
    assert (await fault(client(TR2, "GetAudioEncoderConfigurationOptions")))[0] == "ActionNotSupported"


@pytest.mark.case("MEDIA2-8-1-1")
async def test_the_metadata_configuration_is_set(camera, events):
    client = camera.client()
    present = (await client(TR2, "GetMetadataConfigurations")).Configurations[0]
    multicast = {"Address": {"Type": "IPv4", "IPv4Address": "239.1.2.3"}, "Port": 40010, "TTL": 3, "AutoStart": False}
    for analytics, selected in ((False, None), (True, {})):
        wanted = {"token": present.token, "Name": "meta", "UseCount": 0, "Analytics": analytics,
                  "Multicast": multicast, "SessionTimeout": timedelta(seconds=90)}  # fmt: skip
        if selected is not None:
            wanted["Events"] = selected
        events.clear()
        await client(TR2, "SetMetadataConfiguration", Configuration=wanted)
        shown = (await client(TR2, "GetMetadataConfigurations")).Configurations[0]
        assert (shown.Analytics, shown.SessionTimeout) == (analytics, timedelta(seconds=90))
        assert (shown.Multicast.Address.IPv4Address, shown.Multicast.Port) == ("239.1.2.3", 40010)
        assert events == [("ConfigurationChanged", {"Token": "metadata", "Type": "Metadata"})]
    unicast = {**multicast, "Address": {"Type": "IPv4", "IPv4Address": "10.0.0.1"}}
    call = client(TR2, "SetMetadataConfiguration", Configuration={**wanted, "Multicast": unicast})
    assert await fault(call) == ("InvalidArgVal", "ConfigModify")


async def jpeg(camera, uri):
    """Fetch as a client with digest does; (status, content type, body)."""
    async with aiohttp.ClientSession() as session:
        async with session.get(uri) as first:
            assert first.status == 401
            challenge = challenges(first.headers.getall("WWW-Authenticate"))[0]
        path = uri.removeprefix(camera.base)
        signed = credentials(challenge, user="user", password=PASSWORDS[Level.USER], method="GET", uri=path)
        async with session.get(uri, headers={"Authorization": signed}) as answer:
            return answer.status, answer.content_type, await answer.read()


@pytest.mark.case("MEDIA2-5-1-1", "MEDIA-6-1-1")
async def test_the_snapshot_address_gives_a_jpeg(camera):
    client = camera.client()
    for token in FIXED:
        uri = (await client(TR2, "GetSnapshotUri", ProfileToken=token)).Uri
        old = (await client(TRT, "GetSnapshotUri", ProfileToken=token)).MediaUri
        assert (old.Uri, old.InvalidAfterConnect) == (uri, False)
        status, kind, body = await jpeg(camera, uri)
        assert (status, kind) == (200, "image/jpeg")
        assert body.startswith(b"\xff\xd8")
        assert body.endswith(b"\xff\xd9")


async def test_a_snapshot_has_the_size_that_its_profile_was_set_to(camera):
    client = camera.client()
    for token in FIXED:
        for size in (await options2(client, ConfigurationToken=token))[0].ResolutionsAvailable:
            wanted = media2_request(await encoder2(client, token))
            wanted["Resolution"] = {"Width": size.Width, "Height": size.Height}
            await client(TR2, "SetVideoEncoderConfiguration", Configuration=wanted)
            _, _, body = await jpeg(camera, (await client(TR2, "GetSnapshotUri", ProfileToken=token)).Uri)
            shown = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
            assert shown.shape == (size.Height, size.Width, 3)


@pytest.mark.case("MEDIA2_RTSS-1-1-4")
async def test_a_synchronisation_point_is_an_idr_wish(camera):
    client = camera.client()
    for service in (TR2, TRT):
        await client(service, "SetSynchronizationPoint", ProfileToken="main")
        assert camera.camera.live.main.idr_requests.due(1 << 62)
        assert not camera.camera.live.sub.idr_requests.due(1 << 62)


# Media 1


@pytest.mark.case("MEDIA-1-1-1", "MEDIA-1-1-3")
async def test_media1_profiles_agree_with_each_other_and_with_media2(camera):
    client = camera.client()
    listed = await profiles1(client)
    assert [one.token for one in listed] == [one.token for one in await profiles2(client)]
    for one in listed:
        alone = (await client(TRT, "GetProfile", ProfileToken=one.token)).Profile
        assert alone.__values__ == one.__values__
    assert problems(await client.raw(TRT, "GetProfiles")) == []


@pytest.mark.case("MEDIA-1-1-5")
async def test_a_media1_profile_is_made_filled_emptied_and_deleted(camera, events):
    client = camera.client()
    made = (await client(TRT, "CreateProfile", Name="dynamic", Token="dynamic")).Profile
    assert (made.token, made.fixed) == ("dynamic", False)
    assert await fault(client(TRT, "CreateProfile", Name="x", Token="dynamic")) == ("InvalidArgVal", "ProfileExists")
    for kind, own in (("VideoSource", "source"), ("VideoEncoder", "main"), ("Metadata", "metadata")):
        compatible = await client(TRT, f"GetCompatible{kind}Configurations", ProfileToken="dynamic")
        assert own in {one.token for one in compatible.Configurations}
        await client(TRT, f"Add{kind}Configuration", ProfileToken="dynamic", ConfigurationToken=own)
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    uri = (await client(TRT, "GetStreamUri", StreamSetup=setup, ProfileToken="dynamic")).MediaUri.Uri
    assert uri == f"rtsp://127.0.0.1:{camera.camera.rtsp.port}/dynamic"
    for kind in ("Metadata", "VideoEncoder", "VideoSource"):
        await client(TRT, f"Remove{kind}Configuration", ProfileToken="dynamic")
    call = client(TRT, "GetStreamUri", StreamSetup=setup, ProfileToken="dynamic")
    assert await fault(call) == ("Action", "IncompleteConfiguration")
    await client(TRT, "DeleteProfile", ProfileToken="dynamic")
    assert events.count(("ProfileChanged", {"Token": "dynamic"})) == 8
    assert await fault(client(TRT, "GetProfile", ProfileToken="dynamic")) == ("InvalidArgVal", "NoProfile")


SINGULAR = [
    ("VideoSource", "source"),
    ("VideoEncoder", "main"),
    ("Metadata", "metadata"),
    ("VideoAnalytics", "analytics"),
]


@pytest.mark.case(
    "MEDIA-2-2-1", "MEDIA-2-2-2", "MEDIA-2-3-1", "MEDIA-2-3-2", "MEDIA-2-2-6", "MEDIA-2-3-5", "MEDIA-5-1-3",
)  # fmt: skip
@pytest.mark.parametrize(("kind", "token"), SINGULAR)
async def test_media1_configurations_agree(camera, kind, token):
    client = camera.client()
    listed = {one.token: one for one in (await client(TRT, f"Get{kind}Configurations")).Configurations}
    uses = dict.fromkeys(listed, 0)
    for profile in await profiles1(client):
        own = getattr(profile, f"{kind}Configuration")
        uses[own.token] += 1
        assert own.__values__ == listed[own.token].__values__
    assert uses == {one: listed[one].UseCount for one in listed}
    alone = (await client(TRT, f"Get{kind}Configuration", ConfigurationToken=token)).Configuration
    assert alone.__values__ == listed[token].__values__
    call = client(TRT, f"Get{kind}Configuration", ConfigurationToken="no")
    assert await fault(call) == ("InvalidArgVal", "NoConfig")


async def use_count(client, kind, token):
    return (await client(TRT, f"Get{kind}Configuration", ConfigurationToken=token)).Configuration.UseCount


@pytest.mark.case(
    "MEDIA-2-2-12", "MEDIA-2-2-13", "MEDIA-2-2-14", "MEDIA-2-2-15", "MEDIA-2-3-13", "MEDIA-2-3-14", "MEDIA-2-3-15",
    "MEDIA-2-3-16",
)  # fmt: skip
@pytest.mark.parametrize(("kind", "token"), SINGULAR[:2])
async def test_use_counts_follow_the_profiles(camera, kind, token):
    client = camera.client()
    before = await use_count(client, kind, token)
    await client(TRT, "CreateProfile", Name="counted", Token="counted")

    async def add(own):
        await client(TRT, f"Add{kind}Configuration", ProfileToken="counted", ConfigurationToken=own)

    await add(token)
    await add(token)
    assert await use_count(client, kind, token) == before + 1
    if kind == "VideoEncoder":
        await add("sub")
        assert (await use_count(client, kind, token), await use_count(client, kind, "sub")) == (before, 2)
        await add(token)
    await client(TRT, f"Remove{kind}Configuration", ProfileToken="counted")
    assert await use_count(client, kind, token) == before
    await add(token)
    await client(TRT, "DeleteProfile", ProfileToken="counted")
    assert await use_count(client, kind, token) == before


@pytest.mark.case(
    "MEDIA-2-1-8", "MEDIA-2-2-3", "MEDIA-2-2-4", "MEDIA-2-2-5", "MEDIA-2-2-16", "DEVICEIO-5-1-1", "DEVICEIO-7-1-1"
)
async def test_media1_source_configuration_options_and_sources(camera, events):
    client = camera.client()
    sources = [one.token for one in (await client(TRT, "GetVideoSources")).VideoSources]
    assert sources == (await client(TMD, "GetVideoSources")).Token
    for ask in ({}, {"ConfigurationToken": "source"}, {"ProfileToken": "main"}):
        assert (
            await client(TRT, "GetVideoSourceConfigurationOptions", **ask)
        ).Options.VideoSourceTokensAvailable == sources
    present = (await client(TRT, "GetVideoSourceConfiguration", ConfigurationToken="source")).Configuration
    assert present.SourceToken in sources
    wanted = {"token": "source", "Name": "new", "UseCount": 0, "SourceToken": present.SourceToken,
              "Bounds": dict(present.Bounds.__values__)}  # fmt: skip
    await client(TRT, "SetVideoSourceConfiguration", Configuration=wanted, ForcePersistence=True)
    shown = (await client(TRT, "GetVideoSourceConfiguration", ConfigurationToken="source")).Configuration
    assert (shown.Name, shown.UseCount) == ("new", present.UseCount)
    assert events == [("ConfigurationChanged", {"Token": "source", "Type": "VideoSource"})]
    call = client(
        TRT, "SetVideoSourceConfiguration", Configuration={**wanted, "SourceToken": "no"}, ForcePersistence=True
    )
    assert await fault(call) == ("InvalidArgVal", "ConfigModify")


CONFIGURATIONS = {"VideoEncoder": "main", "Metadata": "metadata", "Analytics": "analytics", "VideoSource": "source"}


async def test_every_media_reply_is_valid_by_the_schema(camera):
    client = camera.client()
    known = {"ProfileToken": "main", "StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "UDP"}},
             "Protocol": "RTSP"}  # fmt: skip
    seen = 0
    for operation in camera.web.server.operations.values():
        wanted = {name for name, _ in operation._input.type.elements}
        if operation.service not in {TRT, TR2} or not operation.name.startswith("Get") or "OSDToken" in wanted:
            continue
        values = {name: value for name, value in known.items() if name in wanted}
        if "ConfigurationToken" in wanted:
            kind = next((token for word, token in CONFIGURATIONS.items() if word in operation.name), "source")
            values["ConfigurationToken"] = "source" if "Instances" in operation.name else kind
        reply = await client.raw(operation.service, operation.name, **values)
        assert problems(reply) == [], operation.name
        seen += 1
    assert seen > 35


async def test_changes_at_once_lose_nothing(camera):
    client = camera.client()
    made = await asyncio.gather(*(client(TR2, "CreateProfile", Name=f"p{number}") for number in range(5)))
    assert len({one.Token for one in made}) == 5
    assert {one.Token for one in made} <= {one.token for one in await profiles2(client)}
    assert names.TR2 in {one.namespace for one in camera.web.server.services}
