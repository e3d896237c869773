"""Stream and snapshot addresses of profiles, and what a profile's stream can be asked for."""

from firmware.camera import Camera
from firmware.services.media_state import Profile
from onvif.errors import impossible, invalid
from onvif.rtsp.tunnel import WEBSOCKET_PATH
from onvif.service import Call

PROTOCOLS = ("RTSP", "RtspUnicast", "RtspMulticast", "RtspOverHttp")
"""Media 2's words for transports that this camera has."""


class Addresses:
    """Addresses as the asking client reaches the camera."""

    multicast_supported = False
    websocket = WEBSOCKET_PATH

    def __init__(self, camera: Camera) -> None:
        self._camera = camera

    def stream(self, call: Call, profile: Profile, protocol: str) -> str:
        """The RTSP address of a profile.

        Raises:
            Fault: ter:InvalidStreamSetup for a transport that is not offered, ter:IncompleteConfiguration for a
                profile without a video encoder.
        """
        if protocol not in PROTOCOLS or (protocol == "RtspMulticast" and not self.multicast_supported):
            raise invalid(f"the transport {protocol[:32]!r} is not offered", "InvalidStreamSetup")
        token = self._encoder(profile)
        if protocol == "RtspOverHttp":
            return f"{call.base_url}/{token}"
        return f"rtsp://{call.host}:{self._camera.live.rtsp_port}/{token}"

    def snapshot(self, call: Call, profile: Profile) -> str:
        """The HTTP address of the masked picture; it wants digest credentials."""
        return f"{call.base_url}/snapshot/{self._encoder(profile)}.jpeg"

    def synchronise(self, profile: Profile) -> None:
        """A key frame in the profile's stream as soon as the next picture."""
        if profile.encoder:
            self._camera.live.request_idr(profile.encoder)

    def multicast(self, profile: Profile, *, on: bool) -> None:  # noqa: ARG002 - no profile can yet
        """Start or stop sending the profile's stream to its group."""
        raise impossible(f"the profile {profile.token} cannot be sent by multicast", "IncompleteConfiguration")

    @staticmethod
    def _encoder(profile: Profile) -> str:
        if not profile.encoder or not profile.source:
            raise impossible(f"the profile {profile.token} has no video source and encoder", "IncompleteConfiguration")
        return profile.encoder
