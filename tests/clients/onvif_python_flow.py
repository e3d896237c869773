"""onvif-python as a stranger: connect, list, get addresses, pull an event; one JSON object on stdout.

Run in an environment of its own: this package and ours share the import name `onvif`.
"""

import json
import sys

from onvif import ONVIFClient


def streams(client, transports):
    """Addresses of the first profile by transport; both media services have to agree."""
    found = {}
    for name, (stream, protocol, protocol2) in transports.items():
        setup = {"Stream": stream, "Transport": {"Protocol": protocol}}
        found[name] = client.media().GetStreamUri(StreamSetup=setup, ProfileToken="main").Uri
        second = client.media2().GetStreamUri(Protocol=protocol2, ProfileToken="main")
        assert found[name] == str(getattr(second, "Uri", second)), (found[name], second)
    return found


TRANSPORTS = {
    "udp": ("RTP-Unicast", "UDP", "RtspUnicast"), "tcp": ("RTP-Unicast", "RTSP", "RTSP"),
    "http": ("RTP-Unicast", "HTTP", "RtspOverHttp"), "multicast": ("RTP-Multicast", "UDP", "RtspMulticast"),
}  # fmt: skip


def main(host, port, user, password, https=None):
    client = ONVIFClient(host, int(port), user, password)
    told = {"device": client.devicemgmt().GetDeviceInformation().Model}
    media = client.media()
    told["media1"] = [profile.token for profile in media.GetProfiles()]
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    told["uris"] = [media.GetStreamUri(StreamSetup=setup, ProfileToken=token).Uri for token in told["media1"]]
    media2 = client.media2()
    told["media2"] = [profile.token for profile in media2.GetProfiles(Type=["All"])]
    told["snapshot"] = str(media2.GetSnapshotUri(ProfileToken=told["media2"][0]))
    source = client.deviceio().GetVideoSources()
    told["sources"] = source if isinstance(source, list) else list(source.Token)
    told["brightness"] = client.imaging().GetImagingSettings(VideoSourceToken=told["sources"][0]).Brightness
    subscription = client.events().CreatePullPointSubscription()
    point = client.pullpoint(subscription)
    reply = point.PullMessages(Timeout="PT20S", MessageLimit=50)
    # With the official b-2.xsd this client loses the topic's text (mixed content); the messages themselves arrive.
    told["messages"] = len(reply.NotificationMessage)
    told["streams"] = streams(client, TRANSPORTS)
    if https:
        secure = ONVIFClient(host, int(https), user, password, use_https=True, verify_ssl=False)
        told["streams"]["https"] = streams(secure, {"https": TRANSPORTS["http"]})["https"]
    print(json.dumps(told, default=str))


main(*sys.argv[1:])
