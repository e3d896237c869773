"""What GetStreamUri answers is there: each profile its own path, transports as they are on, tokens of any shape."""

import asyncio
import threading

import pytest
from camera_rtsp import Client

from firmware.stream.mounts import path
from onvif.errors import Fault
from onvif.names import TDS, TR2, TRT
from tests.onvif_camera import PASSWORDS, running

USER = {"user": "administrator", "password": PASSWORDS["Administrator"]}


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
async def secure(tmp_path):
    async with running(tmp_path, https=True) as started:
        yield started


async def uri(client, protocol, token="main"):
    return (await client(TR2, "GetStreamUri", Protocol=protocol, ProfileToken=token)).Uri


async def streaming(client):
    return (await client(TR2, "GetServiceCapabilities")).Capabilities.StreamingCapabilities


def gone(what):
    """Wait until something is no more."""
    pause = threading.Event()
    assert any(pause.wait(0.05) or not what() for _ in range(600))


async def test_every_transport_has_its_address(camera):
    client, rtsp = camera.client(), camera.camera.rtsp
    for protocol in ("RTSP", "RtspUnicast", "RtspMulticast"):
        assert await uri(client, protocol) == f"rtsp://127.0.0.1:{rtsp.port}/main"
    assert await uri(client, "RtspOverHttp") == f"{camera.base}/main"
    with pytest.raises(Fault) as refused:
        await uri(client, "RtspsUnicast")
    assert refused.value.subcodes == ("InvalidArgVal", "InvalidStreamSetup")
    told = await streaming(client)
    assert (told.RTPMulticast, told.AutoStartMulticast, told.RTP_RTSP_TCP) == (True, True, True)
    assert (told.SecureRTSPStreaming, told.RTSPWebSocketUri) == (False, "ws:/onvif/rtsp")
    for stream, transport, expected in (("RTP-Unicast", "HTTP", f"{camera.base}/main"),
                                        ("RTP-Multicast", "UDP", f"rtsp://127.0.0.1:{rtsp.port}/main")):  # fmt: skip
        setup = {"Stream": stream, "Transport": {"Protocol": transport}}
        found = await client(TRT, "GetStreamUri", StreamSetup=setup, ProfileToken="main")
        assert found.MediaUri.Uri == expected


async def test_rtsps_is_there_with_https_and_goes_with_it(secure):
    client, rtsp = secure.client(), secure.camera.rtsp
    assert (await streaming(client)).SecureRTSPStreaming is True
    assert await uri(client, "RtspsUnicast") == f"rtsps://127.0.0.1:{rtsp.secure_port}/srtp/main"
    off = [{"Name": "HTTPS", "Enabled": False, "Port": [secure.web.ports.https]}]
    await client(TDS, "SetNetworkProtocols", NetworkProtocols=off)
    await asyncio.to_thread(gone, lambda: rtsp.secure_port)
    assert (await streaming(client)).SecureRTSPStreaming is False


async def test_profiles_without_pictures_or_with_odd_tokens_have_a_path_while_they_exist(camera):
    client, rtsp = camera.client(), camera.camera.rtsp
    token = "a b/ü?" + "x" * 20
    await client(TRT, "CreateProfile", Name="odd", Token=token)
    for kind, own in (("VideoSource", "source"), ("Metadata", "metadata")):
        await client(TRT, f"Add{kind}Configuration", ProfileToken=token, ConfigurationToken=own)
    address = await uri(client, "RTSP", token)
    place = address.rpartition("/")[2]
    assert place == path(token)
    assert len(address) <= 128
    viewer = Client(rtsp.port, place, **USER)
    description = viewer.play((0,))
    assert "VND.ONVIF.METADATA" in description
    assert "m=video" not in description
    viewer.until({(0, 107): 1})
    await client(TRT, "DeleteProfile", ProfileToken=token)
    with pytest.raises(EOFError):
        viewer.until({(0, 107): 1000})
    late = Client(rtsp.port, place, **USER)
    assert late.request("DESCRIBE")[0] in {401, 404}
    viewer.close()
    late.close()


async def test_profiles_that_tie_the_same_together_share_one_stream(camera):
    client, rtsp = camera.client(), camera.camera.rtsp
    wanted = [{"Type": "VideoSource", "Token": "source"}, {"Type": "VideoEncoder", "Token": "sub"}]
    tokens = [(await client(TR2, "CreateProfile", Name="twin", Configuration=wanted)).Token for _ in range(2)]
    assert rtsp._paths[tokens[0]] is rtsp._paths[tokens[1]]
    assert rtsp._paths[tokens[0]] is not rtsp._paths["sub"], "that one has metadata"
    await client(TR2, "AddConfiguration", ProfileToken=tokens[0], Configuration=[{"Type": "Metadata"}])
    assert rtsp._paths[tokens[0]] is rtsp._paths["sub"]


async def test_multicast_is_started_shown_and_remembered(camera):
    client, media = camera.client(), camera.camera.settings.media
    await client(TR2, "StartMulticastStreaming", ProfileToken="sub")
    await client(TRT, "StartMulticastStreaming", ProfileToken="sub")
    assert media.value.multicasting == ("sub",)
    shown = {
        one.token: one.Multicast.AutoStart
        for one in (await client(TR2, "GetVideoEncoderConfigurations")).Configurations
    }
    assert shown == {"main": False, "sub": True}
    await client(TR2, "StopMulticastStreaming", ProfileToken="sub")
    assert media.value.multicasting == ()
    empty = (await client(TR2, "CreateProfile", Name="empty")).Token
    with pytest.raises(Fault) as refused:
        await client(TR2, "StartMulticastStreaming", ProfileToken=empty)
    assert refused.value.subcodes == ("Action", "IncompleteConfiguration")
