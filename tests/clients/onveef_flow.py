"""onveef, which reads XML without zeep: connect, list, get addresses by transport; one JSON object on stdout."""

import json
import sys

from onveef import OnvifClient

# For both media services: it takes the first that answers.
TRANSPORTS = {
    "udp": {"protocol": "UDP", "protocol2": "RtspUnicast"},
    "tcp": {"protocol": "RTSP", "protocol2": "RTSP"},
    "http": {"protocol": "HTTP", "protocol2": "RtspOverHttp"},
    "multicast": {"stream": "RTP-Multicast", "protocol": "UDP", "protocol2": "RtspMulticast"},
}


def main(host, port, user, password, https=None):
    with OnvifClient(host, int(port), user, password) as camera:
        told = {"profiles": [profile["token"] for profile in camera.get_profiles()]}
        told["streams"] = {name: camera.get_stream_uri(profile_token="main", **how) for name, how in TRANSPORTS.items()}
    if https:
        with OnvifClient(host, int(https), user, password, use_https=True, verify_tls=False) as camera:
            told["streams"]["https"] = camera.get_stream_uri(profile_token="main", **TRANSPORTS["http"])
    print(json.dumps(told))


main(*sys.argv[1:])
