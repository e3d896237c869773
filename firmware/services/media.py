"""The first Media service (ONVIF Media, 26.06), for Profile S clients; the same profiles and encoders as Media 2.

It knows H.264 and JPEG only: an encoder that runs H.265 shows itself here as H.264, as the specification asks.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from firmware.services.addresses import Addresses
from firmware.services.media_state import ANALYTICS, METADATA, MOST_PROFILES, SOURCE, MediaState, Profile, VideoEncoder
from firmware.services.media_values import MediaValues, seconds
from firmware.services.profiles import Profiles
from firmware.services.video import Encoders
from firmware.services.video_options import VideoOptions
from firmware.settings import Settings
from onvif import names
from onvif.errors import invalid
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/media"
_TRANSPORTS = {
    ("RTP-Unicast", "UDP"): "RtspUnicast", ("RTP-Unicast", "RTSP"): "RTSP", ("RTP-Unicast", "TCP"): "RTSP",
    ("RTP-Unicast", "HTTP"): "RtspOverHttp", ("RTP-Multicast", "UDP"): "RtspMulticast",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Media:
    """The handlers. `analytics` tells the analytics configuration as values."""

    settings: Settings
    profiles: Profiles
    encoders: Encoders
    values: MediaValues
    addresses: Addresses
    analytics: Any

    @operation("GetVideoSources")
    async def get_video_sources(self, _call: Call) -> Reply:
        return {"VideoSources": [self.values.video_source()]}

    @operation("GetProfiles")
    async def get_profiles(self, _call: Call) -> Reply:
        return {"Profiles": [self._profile(profile) for profile in self.profiles.all()]}

    @operation("GetProfile")
    async def get_profile(self, call: Call) -> Reply:
        return {"Profile": self._profile(self._asked(call))}

    @operation("CreateProfile")
    async def create_profile(self, call: Call) -> Reply:
        profile = self.profiles.create(str(call.request.Name), token=str(call.request.Token or ""))
        return {"Profile": self._profile(profile)}

    @operation("DeleteProfile")
    async def delete_profile(self, call: Call) -> Reply:
        self.profiles.delete(str(call.request.ProfileToken))
        return None

    @operation("AddVideoSourceConfiguration")
    async def add_video_source_configuration(self, call: Call) -> Reply:
        return self._add(call, "source")

    @operation("AddVideoEncoderConfiguration")
    async def add_video_encoder_configuration(self, call: Call) -> Reply:
        return self._add(call, "encoder")

    @operation("AddMetadataConfiguration")
    async def add_metadata_configuration(self, call: Call) -> Reply:
        return self._add(call, "metadata")

    @operation("AddVideoAnalyticsConfiguration")
    async def add_video_analytics_configuration(self, call: Call) -> Reply:
        return self._add(call, "analytics")

    @operation("RemoveVideoSourceConfiguration")
    async def remove_video_source_configuration(self, call: Call) -> Reply:
        return self._remove(call, "source")

    @operation("RemoveVideoEncoderConfiguration")
    async def remove_video_encoder_configuration(self, call: Call) -> Reply:
        return self._remove(call, "encoder")

    @operation("RemoveMetadataConfiguration")
    async def remove_metadata_configuration(self, call: Call) -> Reply:
        return self._remove(call, "metadata")

    @operation("RemoveVideoAnalyticsConfiguration")
    async def remove_video_analytics_configuration(self, call: Call) -> Reply:
        return self._remove(call, "analytics")

    @operation("GetVideoSourceConfigurations")
    async def get_video_source_configurations(self, _call: Call) -> Reply:
        return {"Configurations": [self._source()]}

    @operation("GetVideoSourceConfiguration")
    async def get_video_source_configuration(self, call: Call) -> Reply:
        self._configuration(call, "source")
        return {"Configuration": self._source()}

    @operation("GetCompatibleVideoSourceConfigurations")
    async def get_compatible_video_source_configurations(self, call: Call) -> Reply:
        self._asked(call)
        return {"Configurations": [self._source()]}

    @operation("GetVideoSourceConfigurationOptions")
    async def get_video_source_configuration_options(self, call: Call) -> Reply:
        self._options(call, "source")
        return {"Options": self.values.source_options()}

    @operation("SetVideoSourceConfiguration")
    async def set_video_source_configuration(self, call: Call) -> Reply:
        self.settings.media.change(source_name=self.values.check_source(call.request.Configuration))
        self.profiles.configuration_changed(SOURCE, "VideoSource")
        return None

    @operation("GetVideoEncoderConfigurations")
    async def get_video_encoder_configurations(self, _call: Call) -> Reply:
        return {"Configurations": [self._encoder(token) for token in self.encoders.tokens]}

    @operation("GetVideoEncoderConfiguration")
    async def get_video_encoder_configuration(self, call: Call) -> Reply:
        return {"Configuration": self._encoder(self._configuration(call, "encoder"))}

    @operation("GetCompatibleVideoEncoderConfigurations")
    async def get_compatible_video_encoder_configurations(self, call: Call) -> Reply:
        self._asked(call)
        return {"Configurations": [self._encoder(token) for token in self.encoders.tokens]}

    @operation("GetVideoEncoderConfigurationOptions")
    async def get_video_encoder_configuration_options(self, call: Call) -> Reply:
        token, asked = self._options(call, "encoder"), call.request
        for_any = asked is None or not (asked.ConfigurationToken or asked.ProfileToken)
        return {"Options": _encoder_options(self.encoders.generic() if for_any else self.encoders.options(token))}

    @operation("SetVideoEncoderConfiguration")
    async def set_video_encoder_configuration(self, call: Call) -> Reply:
        asked = call.request.Configuration
        video = self.encoders.get(str(asked.token))
        highest = self.encoders.options(video.token)[0].rates_fps[0]
        rate = asked.RateControl
        if rate is not None and int(rate.EncodingInterval) != 1:
            raise invalid("every picture is encoded: the interval is 1", "ConfigModify")
        if asked.H264 is not None and str(asked.Encoding) == "H264" and asked.H264.H264Profile != "High":
            raise invalid(f"the profile {asked.H264.H264Profile} is not offered", "ConfigModify")
        encoding = str(asked.Encoding)
        wanted = VideoEncoder(
            name=str(asked.Name),
            encoding=video.encoding if encoding == "H264" and video.encoding == "H265" else encoding,
            width=int(asked.Resolution.Width),
            height=int(asked.Resolution.Height),
            quality=float(asked.Quality),
            rate_fps=_rate(int(rate.FrameRateLimit), video.rate_fps, highest) if rate is not None else None,
            limit_kbps=int(rate.BitrateLimit) if rate is not None else None,
            constant=video.constant,
            gop_frames=int(asked.H264.GovLength) if asked.H264 is not None else video.stored.gop_frames,
            multicast=self.values.read_multicast(asked.Multicast),
            session_timeout_s=seconds(asked.SessionTimeout),
        )
        self.encoders.set(video.token, wanted)
        await asyncio.to_thread(self.encoders.apply, video.token)
        self.profiles.configuration_changed(video.token, "VideoEncoder")
        return None

    @operation("GetGuaranteedNumberOfVideoEncoderInstances")
    async def get_guaranteed_number_of_video_encoder_instances(self, call: Call) -> Reply:
        self._configuration(call, "source")
        counts = {name: count for name, count in self.encoders.instances().items() if name in ("JPEG", "H264")}
        return {"TotalNumber": len(self.encoders.tokens), **counts}

    @operation("GetMetadataConfigurations")
    async def get_metadata_configurations(self, _call: Call) -> Reply:
        return {"Configurations": [self._metadata()]}

    @operation("GetMetadataConfiguration")
    async def get_metadata_configuration(self, call: Call) -> Reply:
        self._configuration(call, "metadata")
        return {"Configuration": self._metadata()}

    @operation("GetCompatibleMetadataConfigurations")
    async def get_compatible_metadata_configurations(self, call: Call) -> Reply:
        self._asked(call)
        return {"Configurations": [self._metadata()]}

    @operation("GetMetadataConfigurationOptions")
    async def get_metadata_configuration_options(self, call: Call) -> Reply:
        self._options(call, "metadata")
        return {"Options": self.values.metadata_options()}

    @operation("SetMetadataConfiguration")
    async def set_metadata_configuration(self, call: Call) -> Reply:
        self.settings.media.change(metadata=self.values.read_metadata(call.request.Configuration, call.element))
        self.profiles.configuration_changed(METADATA, "Metadata")
        return None

    @operation("GetVideoAnalyticsConfigurations")
    async def get_video_analytics_configurations(self, _call: Call) -> Reply:
        return {"Configurations": [self._analytics()]}

    @operation("GetVideoAnalyticsConfiguration")
    async def get_video_analytics_configuration(self, call: Call) -> Reply:
        self._configuration(call, "analytics")
        return {"Configuration": self._analytics()}

    @operation("GetCompatibleVideoAnalyticsConfigurations")
    async def get_compatible_video_analytics_configurations(self, call: Call) -> Reply:
        self._asked(call)
        return {"Configurations": [self._analytics()]}

    @operation("GetStreamUri")
    async def get_stream_uri(self, call: Call) -> Reply:
        profile, setup = self._asked(call), call.request.StreamSetup
        protocol = _TRANSPORTS.get((str(setup.Stream), str(setup.Transport.Protocol)))
        if protocol is None:
            raise invalid("multicast is sent by UDP only", "InvalidStreamSetup")
        return {"MediaUri": _media_uri(self.addresses.stream(call, profile, protocol))}

    @operation("GetSnapshotUri")
    async def get_snapshot_uri(self, call: Call) -> Reply:
        return {"MediaUri": _media_uri(self.addresses.snapshot(call, self._asked(call)))}

    @operation("SetSynchronizationPoint")
    async def set_synchronization_point(self, call: Call) -> Reply:
        self.addresses.synchronise(self._asked(call))
        return None

    @operation("StartMulticastStreaming")
    async def start_multicast_streaming(self, call: Call) -> Reply:
        self.addresses.multicast(self._asked(call), on=True)
        return None

    @operation("StopMulticastStreaming")
    async def stop_multicast_streaming(self, call: Call) -> Reply:
        self.addresses.multicast(self._asked(call), on=False)
        return None

    @property
    def _state(self) -> MediaState:
        return self.settings.media.value

    def _asked(self, call: Call) -> Profile:
        return self.profiles.get(str(call.request.ProfileToken))

    def _configuration(self, call: Call, kind: str) -> str:
        return self.profiles.checked(kind, str(call.request.ConfigurationToken or "-"))

    def _options(self, call: Call, kind: str) -> str:
        """The configuration whose options are asked for: by its token, by a profile, or the first."""
        asked = call.request
        if asked is not None and asked.ProfileToken:
            profile = self._asked(call)
            if not asked.ConfigurationToken and getattr(profile, kind):
                return str(getattr(profile, kind))
        token = str(asked.ConfigurationToken or "") if asked is not None else ""
        return self.profiles.checked(kind, token)

    def _add(self, call: Call, kind: str) -> Reply:
        self.profiles.assign(str(call.request.ProfileToken), kind, str(call.request.ConfigurationToken or "-"))
        return None

    def _remove(self, call: Call, kind: str) -> Reply:
        profile = self._asked(call)
        if not getattr(profile, kind):
            raise invalid(f"the profile {profile.token} has no such configuration", "NoConfig")
        self.profiles.put(profile.token, **{kind: ""})
        return None

    def _profile(self, profile: Profile) -> dict[str, Any]:
        values: dict[str, Any] = {"token": profile.token, "fixed": profile.fixed, "Name": profile.name}
        if profile.source:
            values["VideoSourceConfiguration"] = self._source()
        if profile.encoder:
            values["VideoEncoderConfiguration"] = self._encoder(profile.encoder)
        if profile.analytics:
            values["VideoAnalyticsConfiguration"] = self._analytics()
        if profile.metadata:
            values["MetadataConfiguration"] = self._metadata()
        return values

    def _source(self) -> dict[str, Any]:
        return self.values.source_configuration(self._state.source_name)

    def _metadata(self) -> dict[str, Any]:
        return self.values.metadata_configuration(self._state.metadata)

    def _analytics(self) -> dict[str, Any]:
        return {**self.analytics.configuration(), "UseCount": self.profiles.uses("analytics", ANALYTICS)}

    def _encoder(self, token: str) -> dict[str, Any]:
        video = self.encoders.get(token)
        values: dict[str, Any] = {
            "token": video.token, "Name": video.name, "UseCount": self.profiles.uses("encoder", token),
            "Encoding": "JPEG" if video.encoding == "JPEG" else "H264",
            "Resolution": {"Width": video.width, "Height": video.height}, "Quality": video.quality,
            "RateControl": {
                "FrameRateLimit": round(video.rate_fps), "EncodingInterval": 1, "BitrateLimit": video.limit_kbps,
            },
            "Multicast": self.values.multicast(video.stored.multicast, token),
            "SessionTimeout": timedelta(seconds=video.stored.session_timeout_s),
        }  # fmt: skip
        if video.encoding != "JPEG":
            values["H264"] = {"GovLength": video.gop_frames, "H264Profile": "High"}
        return values


def media_service(handlers: Media, *parts: object, osd: bool) -> Service:
    """The service with its further parts.

    Args:
        parts: objects with the handlers of OSDs.
        osd: whether they are among them.
    """

    def capabilities() -> Mapping[str, Any]:
        return {
            "SnapshotUri": True, "Rotation": False, "VideoSourceMode": False, "OSD": osd, "EXICompression": False,
            "ProfileCapabilities": {"MaximumNumberOfProfiles": MOST_PROFILES},
            "StreamingCapabilities": {
                "RTPMulticast": True, "RTP_TCP": True, "RTP_RTSP_TCP": True,
                "NonAggregateControl": False, "NoRTSPStreaming": False,
            },
        }  # fmt: skip

    return service((handlers, *parts), names.TRT, path=PATH, capabilities=capabilities)


def _encoder_options(options: tuple[VideoOptions, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "QualityRange": {"Min": int(options[0].quality[0]), "Max": int(options[0].quality[1])},
        "GuaranteedFrameRateSupported": False,
    }
    extension: dict[str, Any] = {}
    for option in options:
        if option.encoding == "H265":
            continue
        common: dict[str, Any] = {
            "ResolutionsAvailable": [{"Width": width, "Height": height} for width, height in option.sizes],
            "FrameRateRange": {"Min": round(min(option.rates_fps)), "Max": round(max(option.rates_fps))},
            "EncodingIntervalRange": {"Min": 1, "Max": 1},
        }
        if option.gop_frames is not None:
            common |= {
                "GovLengthRange": {"Min": option.gop_frames[0], "Max": option.gop_frames[1]},
                "H264ProfilesSupported": list(option.profiles),
            }
        values[option.encoding] = common
        bitrates = {"Min": option.bitrate_kbps[0], "Max": option.bitrate_kbps[1]}
        extension[option.encoding] = {**common, "BitrateRange": bitrates}
    return {**values, "Extension": extension}


def _rate(asked: int, *present: float) -> float:
    """Rates are whole numbers in this service: the rounded present or highest rate means that one exactly."""
    return next((rate for rate in present if round(rate) == asked), float(asked))


def _media_uri(uri: str) -> dict[str, Any]:
    return {"Uri": uri, "InvalidAfterConnect": False, "InvalidAfterReboot": False, "Timeout": timedelta()}
