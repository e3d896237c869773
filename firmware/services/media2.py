"""The Media 2 service (ONVIF Media 2, 26.06): profiles, configurations, stream and snapshot addresses.

OSDs and masks are Media 2 operations too; their handlers come as further parts of the same service.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from firmware.services.addresses import Addresses
from firmware.services.media_state import METADATA, MOST_PROFILES, SOURCE, MediaState, Profile, VideoEncoder
from firmware.services.media_values import MediaValues
from firmware.services.profiles import KINDS, Profiles
from firmware.services.video import Encoders, Video
from firmware.services.video_options import PROFILES, VideoOptions
from firmware.settings import Settings
from onvif import names
from onvif.errors import Fault, impossible, invalid
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/media2"
_FOREIGN = ("AudioSource", "AudioEncoder", "AudioOutput", "AudioDecoder", "PTZ", "Receiver")
"""Configuration types of the standard that this camera has nothing for."""


@dataclass(frozen=True, slots=True)
class Media2:
    """The handlers. `analytics` tells the analytics configuration as values."""

    settings: Settings
    profiles: Profiles
    encoders: Encoders
    values: MediaValues
    addresses: Addresses
    analytics: Any

    @operation("GetProfiles")
    async def get_profiles(self, call: Call) -> Reply:
        asked = call.request
        token = str(asked.Token) if asked is not None and asked.Token else ""
        kinds = {str(kind) for kind in (asked.Type if asked is not None else ()) or ()}
        found = (self.profiles.get(token),) if token else self.profiles.all()
        return {"Profiles": [self._profile(profile, kinds) for profile in found]}

    @operation("CreateProfile")
    async def create_profile(self, call: Call) -> Reply:
        wanted = self._references(call.request.Configuration)
        profile = self.profiles.create(str(call.request.Name))
        if wanted:
            self.profiles.put(profile.token, **wanted)
        return {"Token": profile.token}

    @operation("DeleteProfile")
    async def delete_profile(self, call: Call) -> Reply:
        self.profiles.delete(str(call.request.Token))
        return None

    @operation("AddConfiguration")
    async def add_configuration(self, call: Call) -> Reply:
        self.profiles.get(str(call.request.ProfileToken))
        wanted = self._references(call.request.Configuration)
        name = str(call.request.Name) if call.request.Name is not None else None
        self.profiles.put(str(call.request.ProfileToken), name=name, **wanted)
        return None

    @operation("RemoveConfiguration")
    async def remove_configuration(self, call: Call) -> Reply:
        profile = self.profiles.get(str(call.request.ProfileToken))
        unwanted: dict[str, str] = {}
        for reference in call.request.Configuration:
            kind = str(reference.Type)
            if kind == "All":
                unwanted |= dict.fromkeys(KINDS.values(), "")
            elif kind in KINDS:
                unwanted[KINDS[kind]] = ""
            elif kind not in _FOREIGN:
                raise invalid(f"there is no configuration type {kind[:32]!r}", "NoConfig")
            if reference.Token and kind in KINDS and reference.Token not in self.profiles.known(KINDS[kind]):
                raise invalid(f"there is no configuration {str(reference.Token)[:64]!r}", "NoConfig")
        self.profiles.put(profile.token, **unwanted)
        return None

    @operation("GetVideoSourceConfigurations")
    async def get_video_source_configurations(self, call: Call) -> Reply:
        self._check(call, "source")
        return {"Configurations": [self.values.source_configuration(self._state.source_name)]}

    @operation("GetVideoSourceConfigurationOptions")
    async def get_video_source_configuration_options(self, call: Call) -> Reply:
        self._check(call, "source")
        return {"Options": self.values.source_options()}

    @operation("SetVideoSourceConfiguration")
    async def set_video_source_configuration(self, call: Call) -> Reply:
        name = self.values.check_source(call.request.Configuration)
        self.settings.media.change(source_name=name)
        self.profiles.configuration_changed(SOURCE, "VideoSource")
        return None

    @operation("GetVideoEncoderConfigurations")
    async def get_video_encoder_configurations(self, call: Call) -> Reply:
        tokens = self._check(call, "encoder")
        return {"Configurations": [self._encoder(self.encoders.get(token)) for token in tokens]}

    @operation("GetVideoEncoderConfigurationOptions")
    async def get_video_encoder_configuration_options(self, call: Call) -> Reply:
        tokens = self._check(call, "encoder")
        for_any = not (_given(call, "ConfigurationToken") or _given(call, "ProfileToken"))
        options = self.encoders.generic() if for_any else self.encoders.options(tokens[0])
        return {"Options": [_encoder_options(option) for option in options]}

    @operation("SetVideoEncoderConfiguration")
    async def set_video_encoder_configuration(self, call: Call) -> Reply:
        asked = call.request.Configuration
        video = self.encoders.get(str(asked.token))
        rate = asked.RateControl
        wanted = VideoEncoder(
            name=str(asked.Name),
            encoding=str(asked.Encoding),
            width=int(asked.Resolution.Width),
            height=int(asked.Resolution.Height),
            quality=float(asked.Quality),
            rate_fps=float(rate.FrameRateLimit) if rate is not None else None,
            limit_kbps=int(rate.BitrateLimit) if rate is not None else None,
            constant=bool(rate.ConstantBitRate) if rate is not None else False,
            gop_frames=int(asked.GovLength) if asked.GovLength is not None else video.stored.gop_frames,
            multicast=self.values.read_multicast(asked.Multicast) if asked.Multicast else video.stored.multicast,
            session_timeout_s=video.stored.session_timeout_s,
        )
        profiles = PROFILES.get(str(asked.Encoding), ())
        if asked.Profile is not None and profiles and asked.Profile not in profiles:
            raise invalid(f"the profile {str(asked.Profile)[:32]!r} is not offered", "ConfigModify")
        self.encoders.set(video.token, wanted)
        await asyncio.to_thread(self.encoders.apply, video.token)
        self.profiles.configuration_changed(video.token, "VideoEncoder")
        return None

    @operation("GetVideoEncoderInstances")
    async def get_video_encoder_instances(self, call: Call) -> Reply:
        if call.request.ConfigurationToken != SOURCE:
            raise invalid("there is no such video source configuration", "NoConfig")
        counts = [{"Encoding": name, "Number": count} for name, count in self.encoders.instances().items()]
        return {"Info": {"Codec": counts, "Total": len(self.encoders.tokens)}}

    @operation("GetMetadataConfigurations")
    async def get_metadata_configurations(self, call: Call) -> Reply:
        self._check(call, "metadata")
        return {"Configurations": [self.values.metadata_configuration(self._state.metadata)]}

    @operation("GetMetadataConfigurationOptions")
    async def get_metadata_configuration_options(self, call: Call) -> Reply:
        self._check(call, "metadata")
        return {"Options": self.values.metadata_options()}

    @operation("SetMetadataConfiguration")
    async def set_metadata_configuration(self, call: Call) -> Reply:
        wanted = self.values.read_metadata(call.request.Configuration, call.element)
        if call.request.Configuration.Multicast is None:
            wanted = replace(wanted, multicast=self._state.metadata.multicast)
        self.settings.media.change(metadata=wanted)
        self.profiles.configuration_changed(METADATA, "Metadata")
        return None

    @operation("GetAnalyticsConfigurations")
    async def get_analytics_configurations(self, call: Call) -> Reply:
        self._check(call, "analytics")
        return {"Configurations": [self._analytics()]}

    @operation("GetStreamUri")
    async def get_stream_uri(self, call: Call) -> Reply:
        profile = self.profiles.get(str(call.request.ProfileToken))
        return {"Uri": self.addresses.stream(call, profile, str(call.request.Protocol))}

    @operation("GetSnapshotUri")
    async def get_snapshot_uri(self, call: Call) -> Reply:
        return {"Uri": self.addresses.snapshot(call, self.profiles.get(str(call.request.ProfileToken)))}

    @operation("SetSynchronizationPoint")
    async def set_synchronization_point(self, call: Call) -> Reply:
        self.addresses.synchronise(self.profiles.get(str(call.request.ProfileToken)))
        return None

    @operation("StartMulticastStreaming")
    async def start_multicast_streaming(self, call: Call) -> Reply:
        self.addresses.multicast(self.profiles.get(str(call.request.ProfileToken)), on=True)
        return None

    @operation("StopMulticastStreaming")
    async def stop_multicast_streaming(self, call: Call) -> Reply:
        self.addresses.multicast(self.profiles.get(str(call.request.ProfileToken)), on=False)
        return None

    @property
    def _state(self) -> MediaState:
        return self.settings.media.value

    def _references(self, references: Any) -> dict[str, str]:
        """Configuration references of a request as fields of a profile."""
        wanted: dict[str, str] = {}
        for reference in references or ():
            kind = str(reference.Type)
            if kind not in KINDS:
                raise _no_such_kind(kind)
            wanted[KINDS[kind]] = self.profiles.checked(KINDS[kind], str(reference.Token or ""))
        return wanted

    def _check(self, call: Call, kind: str) -> tuple[str, ...]:
        """Tokens that a GetConfiguration asks for; raises ter:NoProfile or ter:NoConfig."""
        known = self.profiles.known(kind)
        profile = self.profiles.get(str(call.request.ProfileToken)) if _given(call, "ProfileToken") else None
        if _given(call, "ConfigurationToken"):
            return (self.profiles.checked(kind, str(call.request.ConfigurationToken)),)
        if profile is not None and getattr(profile, kind):
            # The profile's own one first: with a profile the client asks for what is compatible with it.
            own = str(getattr(profile, kind))
            return (own, *(token for token in known if token != own))
        return known

    def _profile(self, profile: Profile, kinds: set[str]) -> dict[str, Any]:
        everything = "All" in kinds
        parts: dict[str, Any] = {}
        if profile.source and (everything or "VideoSource" in kinds):
            parts["VideoSource"] = self.values.source_configuration(self._state.source_name)
        if profile.encoder and (everything or "VideoEncoder" in kinds):
            parts["VideoEncoder"] = self._encoder(self.encoders.get(profile.encoder))
        if profile.analytics and (everything or "Analytics" in kinds):
            parts["Analytics"] = self._analytics()
        if profile.metadata and (everything or "Metadata" in kinds):
            parts["Metadata"] = self.values.metadata_configuration(self._state.metadata)
        values: dict[str, Any] = {"token": profile.token, "fixed": profile.fixed, "Name": profile.name}
        return {**values, "Configurations": parts} if kinds else values

    def _analytics(self) -> dict[str, Any]:
        return {**self.analytics.configuration(), "UseCount": self.profiles.uses("analytics", self.analytics.token)}

    def _encoder(self, video: Video) -> dict[str, Any]:
        values = {
            "token": video.token, "Name": video.name, "UseCount": self.profiles.uses("encoder", video.token),
            "Encoding": video.encoding, "Resolution": {"Width": video.width, "Height": video.height},
            "RateControl": {
                "ConstantBitRate": video.constant, "FrameRateLimit": video.rate_fps, "BitrateLimit": video.limit_kbps,
            },
            "Multicast": self.values.multicast(video.stored.multicast, video.token), "Quality": video.quality,
        }  # fmt: skip
        if PROFILES[video.encoding]:
            values |= {"GovLength": video.gop_frames, "Profile": PROFILES[video.encoding][0]}
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
        values |= {"GovLengthRange": list(option.gop_frames), "ProfilesSupported": list(option.profiles)}
    return values


def _given(call: Call, name: str) -> bool:
    return call.request is not None and bool(getattr(call.request, name, None))


def _no_such_kind(kind: str) -> Fault:
    if kind in _FOREIGN or kind == "All":
        return impossible(f"a profile of this camera holds no {kind}", "ConfigurationConflict")
    return invalid(f"there is no configuration type {kind[:32]!r}", "NoConfig")
