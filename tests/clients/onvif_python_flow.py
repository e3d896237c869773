"""onvif-python as a stranger: connect, list, get addresses, pull an event; one JSON object on stdout.

Run in an environment of its own: this package and ours share the import name `onvif`.
"""

import json
import sys

from onvif import ONVIFClient


def main(host, port, user, password):
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
    print(json.dumps(told, default=str))


main(*sys.argv[1:])
