"""What the media services of one camera configure: one state and its changes, which both services render.

Media and Media 2 differ in their elements, not in what they show and set: every change goes through here, is kept,
acts on the running streams and is said on the bus, whichever of the two a client speaks.
"""

import asyncio
from dataclasses import replace
from typing import Any

from lxml import etree

from firmware.media_state import METADATA, SOURCE, MediaState, VideoEncoder
from firmware.services.analytics_values import AnalyticsConfiguration
from firmware.services.media_values import MediaValues
from firmware.services.profiles import Profiles
from firmware.services.video import Encoders, Video
from firmware.settings import Settings


class Configurations:
    """Profiles, encoders and the single source, metadata and analytics configuration. Event loop.

    Args:
        settings: where what clients set is kept.
        values: renders and reads what both services have in common.
        analytics: the analytics configuration as values.
    """

    def __init__(
        self,
        settings: Settings,
        profiles: Profiles,
        encoders: Encoders,
        values: MediaValues,
        analytics: AnalyticsConfiguration,
    ) -> None:
        self.profiles, self.encoders, self.values = profiles, encoders, values
        self._settings = settings
        self._analytics = analytics

    def single(self, field: str) -> dict[str, Any]:
        """The one configuration that a profile's field `source`, `metadata` or `analytics` can hold."""
        if field == "source":
            return self.values.source_configuration(self._state.source_name)
        if field == "metadata":
            return self.values.metadata_configuration(self._state.metadata)
        uses = self.profiles.uses("analytics", self._analytics.token)
        return {**self._analytics.configuration(), "UseCount": uses}

    def set_source(self, requested: Any) -> None:
        """Raises Fault ter:NoConfig or ter:ConfigModify."""
        self._settings.media.change(source_name=self.values.check_source(requested))
        self.profiles.configuration_changed(SOURCE, "VideoSource")

    def set_metadata(self, requested: Any, element: etree._Element) -> None:
        """Raises Fault ter:NoConfig or ter:ConfigModify; `element` is the request, for the filter's mixed content."""
        wanted = self.values.read_metadata(requested, element)
        if requested.Multicast is None:
            wanted = replace(wanted, multicast=self._state.metadata.multicast)
        self._settings.media.change(metadata=wanted)
        self.profiles.configuration_changed(METADATA, "Metadata")

    def wanted_encoder(self, requested: Any, video: Video) -> VideoEncoder:
        """What a Set of an encoder requests, as far as both services say it in the same elements; else as it is."""
        rate, multicast = requested.RateControl, requested.Multicast
        return replace(
            video.stored,
            name=str(requested.Name),
            encoding=str(requested.Encoding),
            width=int(requested.Resolution.Width),
            height=int(requested.Resolution.Height),
            quality=float(requested.Quality),
            rate_fps=float(rate.FrameRateLimit) if rate is not None else None,
            limit_kbps=int(rate.BitrateLimit) if rate is not None else None,
            multicast=video.stored.multicast if multicast is None else self.values.read_multicast(multicast),
        )

    async def set_encoder(self, token: str, wanted: VideoEncoder, profile: str | None) -> None:
        """Keep it and change the running stream; returns when the encoder is made, which the next picture then uses.

        Args:
            profile: of the codec, where the client names one.

        Raises:
            Fault: ter:ConfigModify for what is not offered.
        """
        self.encoders.set(token, wanted, profile)
        await asyncio.to_thread(self.encoders.apply, token)
        self.profiles.configuration_changed(token, "VideoEncoder")

    @property
    def _state(self) -> MediaState:
        return self._settings.media.value
