"""onvif-zeep-async in the order in which Home Assistant uses it; one JSON object on stdout."""

import asyncio
import contextlib
import datetime as dt
import json
import sys

import onvif_parsers

from onvif import ONVIFCamera

TRANSPORTS = {"udp": ("RTP-Unicast", "UDP"), "tcp": ("RTP-Unicast", "RTSP"), "http": ("RTP-Unicast", "HTTP"),
              "multicast": ("RTP-Multicast", "UDP")}  # fmt: skip


async def address(media, token, stream, protocol):
    request = media.create_type("GetStreamUri")
    request.ProfileToken = token
    request.StreamSetup = {"Stream": stream, "Transport": {"Protocol": protocol}}
    return (await media.GetStreamUri(request)).Uri


async def tunnelled(host, https, user, password):
    """The tunnel's address as a client that came by TLS is told it."""
    camera = ONVIFCamera(f"https://{host}", int(https), user, password)
    try:
        await camera.update_xaddrs()
        return await address(await camera.create_media_service(), "main", *TRANSPORTS["http"])
    finally:
        await camera.close()


async def main(host, port, user, password, https=None):
    camera = ONVIFCamera(host, int(port), user, password)
    try:
        await camera.update_xaddrs()
        device = await camera.create_devicemgmt_service()
        await device.GetSystemDateAndTime()
        told = {"device": (await device.GetDeviceInformation()).Model}
        told["interfaces"] = len(await device.GetNetworkInterfaces())
        media = await camera.create_media_service()
        told["snapshot_support"] = (await media.GetServiceCapabilities()).SnapshotUri
        told["media1"] = [profile.token for profile in await media.GetProfiles()]
        told["uris"] = [await address(media, token, "RTP-Unicast", "RTSP") for token in told["media1"]]
        told["streams"] = {name: await address(media, "main", *how) for name, how in TRANSPORTS.items()}
        if https:
            told["streams"]["https"] = await tunnelled(host, https, user, password)
        request = media.create_type("GetSnapshotUri")
        request.ProfileToken = told["media1"][0]
        told["snapshot"] = (await media.GetSnapshotUri(request)).Uri
        imaging = await camera.create_imaging_service()
        request = imaging.create_type("GetImagingSettings")
        request.VideoSourceToken = (await media.GetVideoSources())[0].token
        told["brightness"] = (await imaging.GetImagingSettings(request)).Brightness
        manager = await camera.create_pullpoint_manager(dt.timedelta(minutes=10), lambda: None)
        await manager.set_synchronization_point()
        reply = await manager.get_service().PullMessages({"MessageLimit": 100, "Timeout": dt.timedelta(seconds=20)})
        told["topics"] = sorted({str(message.Topic._value_1) for message in reply.NotificationMessage})
        told["entities"] = []
        for message in reply.NotificationMessage:
            with contextlib.suppress(onvif_parsers.errors.UnknownTopicError):
                parsed = await onvif_parsers.parse(message.Topic._value_1, "uid", message)
                told["entities"] += [entity.name for entity in parsed or []]
        await manager.stop()
        await manager.shutdown()
        print(json.dumps(told, default=str))
    finally:
        await camera.close()


asyncio.run(main(*sys.argv[1:]))
