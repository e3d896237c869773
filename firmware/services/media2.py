"""The Media 2 service (ONVIF Media 2, 26.06): profiles, configurations, stream and snapshot addresses.

OSDs and masks are Media 2 operations too; their handlers come as further parts of the same service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from firmware.media_state import MOST_PROFILES, SOURCE, MediaProfile
from firmware.services.addresses import Addresses
from firmware.services.configurations import Configurations
from firmware.services.profiles import KINDS
from firmware.services.video import Video
from firmware.services.video_options import VideoOptions
from onvif import names
from onvif.errors import Fault, impossible, invalid
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/media2"
_FOREIGN = ("AudioSource", "AudioEncoder", "AudioOutput", "AudioDecoder", "PTZ", "Receiver")
"""Configuration types of the standard that this camera has nothing for."""


@dataclass(frozen=True, slots=True)
class Media2:
    """The handlers."""

    media: Configurations
    addresses: Addresses

    @operation("GetProfiles")
    async def get_profiles(self, call: Call) -> Reply:
        requested = call.request
        token = str(requested.Token) if requested is not None and requested.Token else ""
        kinds = {str(kind) for kind in (requested.Type if requested is not None else ()) or ()}
        found = (self.media.profiles.get(token),) if token else self.media.profiles.all()
        return {"Profiles": [self._profile(profile, kinds) for profile in found]}

    @operation("CreateProfile")
    async def create_profile(self, call: Call) -> Reply:
        wanted = self._references(call.request.Configuration)
        profile = self.media.profiles.create(str(call.request.Name))
        if wanted:
            self.media.profiles.set(profile.token, **wanted)
        return {"Token": profile.token}

    @operation("DeleteProfile")
    async def delete_profile(self, call: Call) -> Reply:
        self.media.profiles.delete(str(call.request.Token))
        return None

    @operation("AddConfiguration")
    async def add_configuration(self, call: Call) -> Reply:
        self.media.profiles.get(str(call.request.ProfileToken))
        wanted = self._references(call.request.Configuration)
        name = str(call.request.Name) if call.request.Name is not None else None
        self.media.profiles.set(str(call.request.ProfileToken), name=name, **wanted)
        return None

    @operation("RemoveConfiguration")
    async def remove_configuration(self, call: Call) -> Reply:
        profile = self.media.profiles.get(str(call.request.ProfileToken))
        unwanted: dict[str, str] = {}
        for reference in call.request.Configuration:
            kind = str(reference.Type)
            if kind == "All":
                unwanted |= dict.fromkeys(KINDS.values(), "")
            elif kind in KINDS:
                unwanted[KINDS[kind]] = ""
            elif kind not in _FOREIGN:
                raise invalid(f"there is no configuration type {kind[:32]!r}", "NoConfig")
            if reference.Token and kind in KINDS and reference.Token not in self.media.profiles.known(KINDS[kind]):
                raise invalid(f"there is no configuration {str(reference.Token)[:64]!r}", "NoConfig")
        self.media.profiles.set(profile.token, **unwanted)
        return None

    @operation("GetVideoSourceConfigurations")
    async def get_video_source_configurations(self, call: Call) -> Reply:
        return self._configurations(call, "source")

    @operation("GetVideoEncoderConfigurations")
    async def get_video_encoder_configurations(self, call: Call) -> Reply:
        return self._configurations(call, "encoder")

    @operation("GetMetadataConfigurations")
    async def get_metadata_configurations(self, call: Call) -> Reply:
        return self._configurations(call, "metadata")

    @operation("GetAnalyticsConfigurations")
    async def get_analytics_configurations(self, call: Call) -> Reply:
        return self._configurations(call, "analytics")

    @operation("GetVideoSourceConfigurationOptions")
    async def get_video_source_configuration_options(self, call: Call) -> Reply:
        self._tokens(call, "source")
        return {"Options": self.media.values.source_options()}

    @operation("GetVideoEncoderConfigurationOptions")
    async def get_video_encoder_configuration_options(self, call: Call) -> Reply:
        tokens, encoders = self._tokens(call, "encoder"), self.media.encoders
        requested = _given(call, "ConfigurationToken") or _given(call, "ProfileToken")
        options = encoders.options(tokens[0]) if requested else encoders.generic()
        return {"Options": [_encoder_options(option) for option in options]}

    @operation("GetMetadataConfigurationOptions")
    async def get_metadata_configuration_options(self, call: Call) -> Reply:
        self._tokens(call, "metadata")
        return {"Options": self.media.values.metadata_options()}

    @operation("SetVideoSourceConfiguration")
    async def set_video_source_configuration(self, call: Call) -> Reply:
        self.media.set_source(call.request.Configuration)
        return None

    @operation("SetVideoEncoderConfiguration")
    async def set_video_encoder_configuration(self, call: Call) -> Reply:
        requested = call.request.Configuration
        video = self.media.encoders.get(str(requested.token))
        wanted = self.media.wanted_encoder(requested, video)
        if requested.RateControl is not None:
            wanted = replace(wanted, constant=bool(requested.RateControl.ConstantBitRate))
        if requested.GovLength is not None:
            wanted = replace(wanted, gop_frames=int(requested.GovLength))
        await self.media.set_encoder(
            video.token, wanted, str(requested.Profile) if requested.Profile is not None else None
        )
        return None

    @operation("SetMetadataConfiguration")
    async def set_metadata_configuration(self, call: Call) -> Reply:
        self.media.set_metadata(call.request.Configuration, call.element)
        return None

    @operation("GetVideoEncoderInstances")
    async def get_video_encoder_instances(self, call: Call) -> Reply:
        if call.request.ConfigurationToken != SOURCE:
            raise invalid("there is no such video source configuration", "NoConfig")
        counts = [{"Encoding": name, "Number": count} for name, count in self.media.encoders.instances().items()]
        return {"Info": {"Codec": counts, "Total": len(self.media.encoders.tokens)}}

    @operation("GetStreamUri")
    async def get_stream_uri(self, call: Call) -> Reply:
        profile = self.media.profiles.get(str(call.request.ProfileToken))
        return {"Uri": self.addresses.stream(call, profile, str(call.request.Protocol))}

    @operation("GetSnapshotUri")
    async def get_snapshot_uri(self, call: Call) -> Reply:
        return {"Uri": self.addresses.snapshot(call, self.media.profiles.get(str(call.request.ProfileToken)))}

    @operation("SetSynchronizationPoint")
    async def set_synchronization_point(self, call: Call) -> Reply:
        self.addresses.synchronise(self.media.profiles.get(str(call.request.ProfileToken)))
        return None

    @operation("StartMulticastStreaming")
    async def start_multicast_streaming(self, call: Call) -> Reply:
        self.addresses.multicast(self.media.profiles.get(str(call.request.ProfileToken)), on=True)
        return None

    @operation("StopMulticastStreaming")
    async def stop_multicast_streaming(self, call: Call) -> Reply:
        self.addresses.multicast(self.media.profiles.get(str(call.request.ProfileToken)), on=False)
        return None

    def _references(self, references: Any) -> dict[str, str]:
        """Configuration references of a request as fields of a profile."""
        wanted: dict[str, str] = {}
        for reference in references or ():
            kind = str(reference.Type)
            if kind not in KINDS:
                raise _no_such_kind(kind)
            wanted[KINDS[kind]] = self.media.profiles.checked(KINDS[kind], str(reference.Token or ""))
        return wanted

    def _tokens(self, call: Call, kind: str) -> tuple[str, ...]:
        """Tokens that a GetConfiguration requests; raises ter:NoProfile or ter:NoConfig."""
        known = self.media.profiles.known(kind)
        profile = self.media.profiles.get(str(call.request.ProfileToken)) if _given(call, "ProfileToken") else None
        if _given(call, "ConfigurationToken"):
            return (self.media.profiles.checked(kind, str(call.request.ConfigurationToken)),)
        if profile is not None and getattr(profile, kind):
            # The profile's own one first: with a profile the client wants what is compatible with it.
            own = str(getattr(profile, kind))
            return (own, *(token for token in known if token != own))
        return known

    def _configurations(self, call: Call, field: str) -> Reply:
        return {"Configurations": [self._configuration(field, token) for token in self._tokens(call, field)]}

    def _profile(self, profile: MediaProfile, kinds: set[str]) -> dict[str, Any]:
        values: dict[str, Any] = {"token": profile.token, "fixed": profile.fixed, "Name": profile.name}
        if not kinds:
            return values
        parts = {
            kind: self._configuration(field, str(getattr(profile, field)))
            for kind, field in KINDS.items()
            if getattr(profile, field) and kinds & {kind, "All"}
        }
        return {**values, "Configurations": parts}

    def _configuration(self, field: str, token: str) -> dict[str, Any]:
        return self._encoder(self.media.encoders.get(token)) if field == "encoder" else self.media.single(field)

    def _encoder(self, video: Video) -> dict[str, Any]:
        values = {
            "token": video.token, "Name": video.name, "UseCount": self.media.profiles.uses("encoder", video.token),
            "Encoding": video.encoding, "Resolution": {"Width": video.width, "Height": video.height},
            "RateControl": {
                "ConstantBitRate": video.constant, "FrameRateLimit": video.rate_fps, "BitrateLimit": video.limit_kbps,
            },
            "Multicast": self.media.values.multicast(video.stored.multicast, video.token), "Quality": video.quality,
        }  # fmt: skip
        if video.profile is not None:
            values |= {"GovLength": video.gop_frames, "Profile": video.profile}
        return values


def media2_service(handlers: Media2, *parts: object, osd: bool, mask: bool) -> Service:
    """The service with its further parts.

    Args:
        parts: objects with the handlers of OSDs and masks.
        osd, mask: whether they are among them.
    """

    def capabilities() -> Mapping[str, Any]:
        return {
            "SnapshotUri": True, "Rotation": False, "VideoSourceMode": False, "OSD": osd, "Mask": mask,
            "ProfileCapabilities": {
                "MaximumNumberOfProfiles": MOST_PROFILES, "ConfigurationsSupported": list(KINDS),
            },
            "StreamingCapabilities": {
                "RTSPStreaming": True, "RTPMulticast": True, "RTP_RTSP_TCP": True,
                "NonAggregateControl": False, "AutoStartMulticast": True,
                "RTSPWebSocketUri": handlers.addresses.websocket, "SecureRTSPStreaming": handlers.addresses.secure,
            },
        }  # fmt: skip

    return service((handlers, *parts), names.TR2, path=PATH, capabilities=capabilities)


def _encoder_options(option: VideoOptions) -> dict[str, Any]:
    values = {
        "Encoding": option.encoding,
        "QualityRange": {"Min": option.quality[0], "Max": option.quality[1]},
        "ResolutionsAvailable": [{"Width": width, "Height": height} for width, height in option.sizes],
        "BitrateRange": {"Min": option.bitrate_kbps[0], "Max": option.bitrate_kbps[1]},
        "FrameRatesSupported": list(option.rates_fps), "ConstantBitRateSupported": option.encoding != "JPEG",
    }  # fmt: skip
    if option.gop_frames is not None:
        values |= {"GovLengthRange": list(option.gop_frames), "ProfilesSupported": [option.profile]}
    return values


def _given(call: Call, name: str) -> bool:
    return call.request is not None and bool(getattr(call.request, name, None))


def _no_such_kind(kind: str) -> Fault:
    if kind in _FOREIGN or kind == "All":
        return impossible(f"a profile of this camera holds no {kind}", "ConfigurationConflict")
    return invalid(f"there is no configuration type {kind[:32]!r}", "NoConfig")
