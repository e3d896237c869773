"""Configurations as both media services show and take them: tt:VideoSourceConfiguration, tt:MetadataConfiguration, …"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from lxml import etree

from firmware.camera_topics import CAMERA_TOPICS
from firmware.media_state import METADATA, SOURCE, MetadataSettings, Multicast
from firmware.services.profiles import Profiles
from firmware.stream.live import PipelineControl
from onvif import names
from onvif.errors import invalid
from onvif.events.filters import compile_filter
from onvif.names import q
from onvif.services.device_addresses import ip_address
from onvif.xml import read

_NO_MEANS = "ConfigModify"
LONGEST_FILTER = 4096


class MediaValues:
    """Builds reply values and reads request values for one camera.

    Args:
        group: the multicast group of a configuration as set, and its token.
    """

    def __init__(self, live: PipelineControl, profiles: Profiles, group: Callable[[Multicast, str], Multicast]) -> None:
        self._live = live
        self._profiles = profiles
        self._group = group

    def video_source(self) -> dict[str, Any]:
        """tt:VideoSource of Media and DeviceIO."""
        source = self._live.source
        size = {"Width": source.width, "Height": source.height}
        return {"token": SOURCE, "Framerate": float(source.rate), "Resolution": size}

    def source_configuration(self, name: str) -> dict[str, Any]:
        source = self._live.source
        return {
            "token": SOURCE, "Name": name, "UseCount": self._profiles.uses("source", SOURCE), "SourceToken": SOURCE,
            "Bounds": {"x": 0, "y": 0, "width": source.width, "height": source.height},
        }  # fmt: skip

    def source_options(self) -> dict[str, Any]:
        source = self._live.source
        return {
            "MaximumNumberOfProfiles": 8,
            "BoundsRange": {
                "XRange": _range(0, 0), "YRange": _range(0, 0),
                "WidthRange": _range(source.width, source.width),
                "HeightRange": _range(source.height, source.height),
            },
            "VideoSourceTokensAvailable": [SOURCE],
        }  # fmt: skip

    def check_source(self, configuration: Any) -> str:
        """The name that a Set of the source configuration requests; everything else has one possible value."""
        if configuration.token != SOURCE:
            raise invalid(f"there is no configuration {str(configuration.token)[:64]!r}", "NoConfig")
        if configuration.SourceToken != SOURCE:
            raise invalid(f"there is no video source {str(configuration.SourceToken)[:64]!r}", _NO_MEANS)
        bounds, source = configuration.Bounds, self._live.source
        if (bounds.x, bounds.y, bounds.width, bounds.height) != (0, 0, source.width, source.height):
            raise invalid("the bounds are those of the sensor", _NO_MEANS)
        return str(configuration.Name)

    def metadata_configuration(self, settings: MetadataSettings) -> dict[str, Any]:
        values: dict[str, Any] = {
            "token": METADATA, "Name": settings.name, "UseCount": self._profiles.uses("metadata", METADATA),
            "Analytics": settings.analytics, "Multicast": self.multicast(settings.multicast, METADATA),
            "SessionTimeout": timedelta(seconds=settings.session_timeout_s), "CompressionType": "None",
        }  # fmt: skip
        if settings.filter_xml is not None:
            events: dict[str, Any] = {}
            if settings.filter_xml:
                element = read(settings.filter_xml.encode(), limit=LONGEST_FILTER, what="The stored filter")
                events["Filter"] = {"_value_1": list(element)}
            values["Events"] = events
        return values

    def metadata_options(self) -> dict[str, Any]:
        return {
            "PTZStatusFilterOptions": {"PanTiltStatusSupported": False, "ZoomStatusSupported": False},
            "Extension": {"CompressionType": ["None"]},
            "MaxContentFilterSize": LONGEST_FILTER,
            "GeoLocation": False,
        }

    def read_metadata(self, configuration: Any, element: etree._Element) -> MetadataSettings:
        """The settings that a Set of the metadata configuration requests.

        Args:
            configuration: its zeep value.
            element: the request, for the filter's mixed content.
        """
        if configuration.token != METADATA:
            raise invalid(f"there is no configuration {str(configuration.token)[:64]!r}", "NoConfig")
        if configuration.CompressionType not in {None, "None"}:
            raise invalid(f"the compression {configuration.CompressionType!r} is not offered", _NO_MEANS)
        filter_xml: str | None = None
        if configuration.Events is not None:
            filter_xml = ""
            found = next(element.iter(q(names.TT, "Filter")), None)
            if found is not None and len(found):
                filter_xml = etree.tostring(found, encoding="unicode")
                if len(filter_xml.encode()) > LONGEST_FILTER:
                    raise invalid(f"a filter has at most {LONGEST_FILTER} bytes", _NO_MEANS)
                compile_filter(found, (topic.path for topic in CAMERA_TOPICS))
        return MetadataSettings(
            name=str(configuration.Name),
            analytics=bool(configuration.Analytics),
            filter_xml=filter_xml,
            multicast=self.read_multicast(configuration.Multicast),
            session_timeout_s=seconds(configuration.SessionTimeout),
        )

    def multicast(self, stored: Multicast, token: str) -> dict[str, Any]:
        """tt:MulticastConfiguration; AutoStart only says whether it is being sent, Start and Stop switch that."""
        chosen = self._group(stored, token)
        kind = "IPv6" if ":" in chosen.address else "IPv4"
        return {
            "Address": {"Type": kind, f"{kind}Address": chosen.address}, "Port": chosen.port, "TTL": chosen.ttl,
            "AutoStart": self._profiles.multicasts(token),
        }  # fmt: skip

    @staticmethod
    def read_multicast(requested: Any) -> Multicast:
        """Raises Fault ter:ConfigModify for what is no multicast group."""
        if requested is None:
            return Multicast()
        host, port, ttl = ip_address(requested.Address), int(requested.Port), int(requested.TTL)
        if not 0 <= port < 65536 or not 0 <= ttl <= 255:
            raise invalid("a port has 16 bits and a TTL 8", _NO_MEANS)
        first = host.address.partition(".")[0]
        unset = host.address in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        multicast = host.address.lower().startswith("ff") if host.kind == "IPv6" else 224 <= int(first) <= 239
        if not unset and not multicast:
            raise invalid(f"{host.address} is no multicast address", _NO_MEANS)
        if port % 2:
            raise invalid("RTP wants an even port (RFC 3550, 11)", _NO_MEANS)
        return Multicast("" if unset else host.address, port, max(ttl, 1))


def seconds(duration: Any) -> int:
    """A session timeout in whole seconds, 60 where none is given; 10 to 3600 are kept to."""
    total = duration.total_seconds() if hasattr(duration, "total_seconds") else 60
    return int(min(max(total, 10), 3600))


def _range(least: int, most: int) -> dict[str, int]:
    return {"Min": least, "Max": most}
