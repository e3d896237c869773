"""Stream and snapshot addresses of profiles, and what a profile's stream can be set to."""

from firmware.camera import CameraContext
from firmware.media_state import MediaProfile
from firmware.services.profiles import Profiles
from firmware.stream.mounts import SECURE, path, stream_content
from onvif.errors import impossible, invalid
from onvif.rtsp.tunnel import WEBSOCKET_PATH
from onvif.service import Call

IN_THE_CLEAR = ("RTSP", "RtspUnicast", "RtspMulticast")
TUNNEL = "RtspOverHttp"
BY_SRTP = "RtspsUnicast"
"""Media 2's words for the transports that this camera has."""


class Addresses:
    """Addresses as the asking client reaches the camera."""

    websocket = f"ws:{WEBSOCKET_PATH}"
    """Without host and port, as ONVIF Streaming 26.06, 5.1.1.5 wants it: those of the web services; TLS where they
    have it."""

    def __init__(self, camera: CameraContext, profiles: Profiles) -> None:
        self._camera = camera
        self._profiles = profiles

    @property
    def secure(self) -> bool:
        """Whether RTSPS is served."""
        return self._camera.rtsp.secure_port != 0

    def stream(self, call: Call, profile: MediaProfile, protocol: str) -> str:
        """The RTSP address of a profile; the tunnel's has the scheme, http or https, by which the client came.

        Raises:
            Fault: ter:InvalidStreamSetup for a transport that is not offered, ter:IncompleteConfiguration for a
                profile without video and metadata.
        """
        if stream_content(profile) is None:
            raise impossible(f"the profile {profile.token} has nothing to stream", "IncompleteConfiguration")
        if protocol in IN_THE_CLEAR:
            return f"rtsp://{call.host}:{self._camera.rtsp.port}/{path(profile.token)}"
        if protocol == TUNNEL:
            return f"{call.base_url}/{path(profile.token)}"
        if protocol == BY_SRTP and self.secure:
            return f"rtsps://{call.host}:{self._camera.rtsp.secure_port}/{SECURE}{path(profile.token)}"
        raise invalid(f"the transport {protocol[:32]!r} is not offered", "InvalidStreamSetup")

    def snapshot(self, call: Call, profile: MediaProfile) -> str:
        """The HTTP address of the masked picture; it wants digest credentials."""
        if not profile.encoder or not profile.source:
            raise impossible(f"the profile {profile.token} has no video source and encoder", "IncompleteConfiguration")
        return f"{call.base_url}/snapshot/{profile.encoder}.jpeg"

    def synchronise(self, profile: MediaProfile) -> None:
        """A key frame and the state of every property in the profile's stream as soon as the next picture."""
        if profile.encoder:
            self._camera.live.request_idr(profile.encoder)
        else:
            self._camera.live.joined()

    def multicast(self, profile: MediaProfile, *, on: bool) -> None:
        """Start or stop sending the profile's stream to its groups; raises ter:IncompleteConfiguration."""
        if stream_content(profile) is None:
            raise impossible(f"the profile {profile.token} has nothing to send", "IncompleteConfiguration")
        self._profiles.multicast(profile.token, on=on)
