"""The replay service (ONVIF Replay Control 26.06): where a recording is played by RTSP."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from nvr_box.services.recordings_view import Catalogue
from onvif import names
from onvif.errors import invalid
from onvif.rtsp.tunnel import WEBSOCKET_PATH
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/replay"
TIMEOUT_S = (10, 3600)


class Replay:
    """The handlers.

    Args:
        port: of the RTSP server that replays.
        tls_port: of the same under TLS, 0 while there is none.
    """

    def __init__(self, catalogue: Catalogue, port: Callable[[], int], tls_port: Callable[[], int]) -> None:
        self._catalogue = catalogue
        self._port, self._tls_port = port, tls_port

    @operation("GetReplayUri")
    async def get_replay_uri(self, call: Call) -> Reply:
        token = str(call.request.RecordingToken)
        self._catalogue.camera(token)
        setup = call.request.StreamSetup
        if setup.Stream != "RTP-Unicast":
            raise invalid("a recording is replayed by unicast", "InvalidStreamSetup")
        if setup.Transport.Protocol == "HTTP":
            return {"Uri": f"{call.base_url}/{token}"}
        # A client under TLS is not sent to where its stream is readable on the network.
        if call.http.scheme == "https" and self._tls_port():
            return {"Uri": f"rtsps://{call.host}:{self._tls_port()}/{token}"}
        return {"Uri": f"rtsp://{call.host}:{self._port()}/{token}"}

    @operation("GetReplayConfiguration")
    async def get_replay_configuration(self, _call: Call) -> Reply:
        timeout = timedelta(seconds=self._catalogue.state.value.session_timeout_s)
        return {"Configuration": {"SessionTimeout": timeout}}

    @operation("SetReplayConfiguration")
    async def set_replay_configuration(self, call: Call) -> Reply:
        timeout = call.request.Configuration.SessionTimeout
        seconds = int(timeout.total_seconds()) if hasattr(timeout, "total_seconds") else 0
        if not TIMEOUT_S[0] <= seconds <= TIMEOUT_S[1]:
            raise invalid(f"a session timeout has {TIMEOUT_S[0]} to {TIMEOUT_S[1]} seconds", "ConfigModify")
        self._catalogue.state.change(session_timeout_s=seconds)
        return None


def replay_service(handlers: Replay) -> Service:
    return service(handlers, names.TRP, path=PATH, capabilities=_capabilities)


def _capabilities() -> Mapping[str, Any]:
    return {
        "ReversePlayback": True, "SessionTimeoutRange": [float(bound) for bound in TIMEOUT_S], "RTP_RTSP_TCP": True,
        "RTSPWebSocketUri": WEBSOCKET_PATH,
    }  # fmt: skip
