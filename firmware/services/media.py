"""The first Media service (ONVIF Media, 26.06), for Profile S clients; the same profiles and encoders as Media 2.

It knows H.264 and JPEG only: an encoder that runs H.265 shows itself here as H.264, as the specification demands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from firmware.media_state import MOST_PROFILES, MediaProfile
from firmware.services.addresses import Addresses
from firmware.services.configurations import Configurations
from firmware.services.media_values import seconds
from firmware.services.video_options import VideoOptions
from onvif import names
from onvif.errors import invalid
from onvif.service import Call, Handler, Reply, Service, operation, service

PATH = "/onvif/media"
_FIELDS = {"VideoSource": "source", "VideoEncoder": "encoder", "VideoAnalytics": "analytics", "Metadata": "metadata"}
"""This service's words for what a profile ties together, and the field of a profile that each fills."""
_TRANSPORTS = {
    ("RTP-Unicast", "UDP"): "RtspUnicast", ("RTP-Unicast", "RTSP"): "RTSP", ("RTP-Unicast", "TCP"): "RTSP",
    ("RTP-Unicast", "HTTP"): "RtspOverHttp", ("RTP-Multicast", "UDP"): "RtspMulticast",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Media:
    """The handlers; those that every kind of configuration has alike are in `of_kind`."""

    media: Configurations
    addresses: Addresses

    @operation("GetVideoSources")
    async def get_video_sources(self, _call: Call) -> Reply:
        return {"VideoSources": [self.media.values.video_source()]}

    @operation("GetProfiles")
    async def get_profiles(self, _call: Call) -> Reply:
        return {"Profiles": [self._profile(profile) for profile in self.media.profiles.all()]}

    @operation("GetProfile")
    async def get_profile(self, call: Call) -> Reply:
        return {"Profile": self._profile(self._requested_profile(call))}

    @operation("CreateProfile")
    async def create_profile(self, call: Call) -> Reply:
        profile = self.media.profiles.create(str(call.request.Name), token=str(call.request.Token or ""))
        return {"Profile": self._profile(profile)}

    @operation("DeleteProfile")
    async def delete_profile(self, call: Call) -> Reply:
        self.media.profiles.delete(str(call.request.ProfileToken))
        return None

    def of_kind(self, word: str) -> Mapping[str, Handler]:
        """The operations on one kind of configuration, `word` of `_FIELDS`, by name."""
        field = _FIELDS[word]

        async def listed(_call: Call) -> Reply:
            return {"Configurations": [self._configuration(field, token) for token in self.media.profiles.known(field)]}

        async def get_configuration(call: Call) -> Reply:
            return {"Configuration": self._configuration(field, self._token(call, field))}

        async def compatible(call: Call) -> Reply:
            self._requested_profile(call)
            return await listed(call)

        async def add(call: Call) -> Reply:
            token = str(call.request.ConfigurationToken or "-")
            self.media.profiles.assign(str(call.request.ProfileToken), field, token)
            return None

        async def remove(call: Call) -> Reply:
            profile = self._requested_profile(call)
            if not getattr(profile, field):
                raise invalid(f"the profile {profile.token} has no such configuration", "NoConfig")
            self.media.profiles.set(profile.token, **{field: ""})
            return None

        return {
            f"Get{word}Configurations": listed, f"Get{word}Configuration": get_configuration,
            f"GetCompatible{word}Configurations": compatible, f"Add{word}Configuration": add,
            f"Remove{word}Configuration": remove,
        }  # fmt: skip

    @operation("GetVideoSourceConfigurationOptions")
    async def get_video_source_configuration_options(self, call: Call) -> Reply:
        self._options(call, "source")
        return {"Options": self.media.values.source_options()}

    @operation("SetVideoSourceConfiguration")
    async def set_video_source_configuration(self, call: Call) -> Reply:
        self.media.set_source(call.request.Configuration)
        return None

    @operation("GetVideoEncoderConfigurationOptions")
    async def get_video_encoder_configuration_options(self, call: Call) -> Reply:
        token, encoders = self._options(call, "encoder"), self.media.encoders
        return {"Options": _encoder_options(encoders.options(token) if token else encoders.generic())}

    @operation("SetVideoEncoderConfiguration")
    async def set_video_encoder_configuration(self, call: Call) -> Reply:
        requested = call.request.Configuration
        video = self.media.encoders.get(str(requested.token))
        wanted = replace(
            self.media.wanted_encoder(requested, video), session_timeout_s=seconds(requested.SessionTimeout)
        )
        if requested.RateControl is not None:
            if int(requested.RateControl.EncodingInterval) != 1:
                raise invalid("every picture is encoded: the interval is 1", "ConfigModify")
            highest = max(rate for option in self.media.encoders.options(video.token) for rate in option.rates_fps)
            rate_fps = _rate(int(requested.RateControl.FrameRateLimit), video.rate_fps, highest)
            wanted = replace(wanted, rate_fps=rate_fps)
        if requested.H264 is not None:
            wanted = replace(wanted, gop_frames=int(requested.H264.GovLength))
        profile = None
        if wanted.encoding == "H264" and video.encoding == "H265":
            wanted = replace(wanted, encoding="H265")
        elif wanted.encoding == "H264" and requested.H264 is not None:
            profile = str(requested.H264.H264Profile)
        await self.media.set_encoder(video.token, wanted, profile)
        return None

    @operation("GetGuaranteedNumberOfVideoEncoderInstances")
    async def get_guaranteed_number_of_video_encoder_instances(self, call: Call) -> Reply:
        self._token(call, "source")
        counts = self.media.encoders.instances()
        known = {encoding: count for encoding, count in counts.items() if encoding != "H265"}
        return {"TotalNumber": len(self.media.encoders.tokens), **known}

    @operation("GetMetadataConfigurationOptions")
    async def get_metadata_configuration_options(self, call: Call) -> Reply:
        self._options(call, "metadata")
        return {"Options": self.media.values.metadata_options()}

    @operation("SetMetadataConfiguration")
    async def set_metadata_configuration(self, call: Call) -> Reply:
        self.media.set_metadata(call.request.Configuration, call.element)
        return None

    @operation("GetStreamUri")
    async def get_stream_uri(self, call: Call) -> Reply:
        profile, setup = self._requested_profile(call), call.request.StreamSetup
        protocol = _TRANSPORTS.get((str(setup.Stream), str(setup.Transport.Protocol)))
        if protocol is None:
            raise invalid("multicast is sent by UDP only", "InvalidStreamSetup")
        return {"MediaUri": _media_uri(self.addresses.stream(call, profile, protocol))}

    @operation("GetSnapshotUri")
    async def get_snapshot_uri(self, call: Call) -> Reply:
        return {"MediaUri": _media_uri(self.addresses.snapshot(call, self._requested_profile(call)))}

    @operation("SetSynchronizationPoint")
    async def set_synchronization_point(self, call: Call) -> Reply:
        self.addresses.synchronise(self._requested_profile(call))
        return None

    @operation("StartMulticastStreaming")
    async def start_multicast_streaming(self, call: Call) -> Reply:
        self.addresses.multicast(self._requested_profile(call), on=True)
        return None

    @operation("StopMulticastStreaming")
    async def stop_multicast_streaming(self, call: Call) -> Reply:
        self.addresses.multicast(self._requested_profile(call), on=False)
        return None

    def _requested_profile(self, call: Call) -> MediaProfile:
        return self.media.profiles.get(str(call.request.ProfileToken))

    def _token(self, call: Call, field: str) -> str:
        return self.media.profiles.checked(field, str(call.request.ConfigurationToken or "-"))

    def _options(self, call: Call, field: str) -> str:
        """The configuration whose options are requested, by its token or by a profile; empty when it is any."""
        requested = call.request
        if requested is None:
            return ""
        profile = self._requested_profile(call) if requested.ProfileToken else None
        if requested.ConfigurationToken:
            return self._token(call, field)
        return str(getattr(profile, field)) if profile is not None else ""

    def _profile(self, profile: MediaProfile) -> dict[str, Any]:
        parts = {
            f"{word}Configuration": self._configuration(field, str(getattr(profile, field)))
            for word, field in _FIELDS.items()
            if getattr(profile, field)
        }
        return {"token": profile.token, "fixed": profile.fixed, "Name": profile.name, **parts}

    def _configuration(self, field: str, token: str) -> dict[str, Any]:
        return self._encoder(token) if field == "encoder" else self.media.single(field)

    def _encoder(self, token: str) -> dict[str, Any]:
        video = self.media.encoders.get(token)
        values: dict[str, Any] = {
            "token": video.token, "Name": video.name, "UseCount": self.media.profiles.uses("encoder", token),
            "Encoding": "JPEG" if video.encoding == "JPEG" else "H264",
            "Resolution": {"Width": video.width, "Height": video.height}, "Quality": video.quality,
            "RateControl": {
                "FrameRateLimit": round(video.rate_fps), "EncodingInterval": 1, "BitrateLimit": video.limit_kbps,
            },
            "Multicast": self.media.values.multicast(video.stored.multicast, token),
            "SessionTimeout": timedelta(seconds=video.stored.session_timeout_s),
        }  # fmt: skip
        if video.encoding != "JPEG":
            profile = video.profile if video.encoding == "H264" else "High"
            values["H264"] = {"GovLength": video.gop_frames, "H264Profile": profile}
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

    made = service((handlers, *parts), names.TRT, path=PATH, capabilities=capabilities)
    of_kinds = {
        names.q(names.TRT, name): handler for word in _FIELDS for name, handler in handlers.of_kind(word).items()
    }
    return replace(made, handlers={**made.handlers, **of_kinds})


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
                "H264ProfilesSupported": [option.profile],
            }
        values[option.encoding] = common
        bitrates = {"Min": option.bitrate_kbps[0], "Max": option.bitrate_kbps[1]}
        extension[option.encoding] = {**common, "BitrateRange": bitrates}
    return {**values, "Extension": extension}


def _rate(requested: int, *exact: float) -> float:
    """Rates are whole numbers in this service: the rounded present or highest rate means that one exactly."""
    return next((rate for rate in exact if round(rate) == requested), float(requested))


def _media_uri(uri: str) -> dict[str, Any]:
    return {"Uri": uri, "InvalidAfterConnect": False, "InvalidAfterReboot": False, "Timeout": timedelta()}
