"""What a camera remembers of its media services: profiles and configurations, one section of the settings."""

from dataclasses import dataclass, field

SOURCE = "source"
"""Token of the one video source and of its one configuration."""
METADATA = "metadata"
ANALYTICS = "analytics"
MOST_PROFILES = 8


@dataclass(frozen=True, slots=True)
class Multicast:
    """Where a configuration's stream goes when it is multicast; an empty address stands for none chosen yet."""

    address: str = ""
    port: int = 0
    ttl: int = 1


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """What a client set of an encoder; None leaves what `camera.toml` says.

    Args:
        limit_kbps: the bit rate that holds; the highest that is offered means constant quality.
    """

    name: str = ""
    encoding: str | None = None
    width: int | None = None
    height: int | None = None
    quality: float | None = None
    rate_fps: float | None = None
    limit_kbps: int | None = None
    constant: bool = False
    gop_frames: int | None = None
    multicast: Multicast = field(default_factory=Multicast)
    session_timeout_s: int = 60


@dataclass(frozen=True, slots=True)
class MetadataSettings:
    """The metadata configuration.

    Args:
        filter_xml: the wsnt:Filter of the events that go into the stream, as sent; empty for all; None for no events.
    """

    name: str = "Objects and events"
    analytics: bool = True
    filter_xml: str | None = ""
    multicast: Multicast = field(default_factory=Multicast)
    session_timeout_s: int = 60


@dataclass(frozen=True, slots=True)
class MediaProfile:
    """A media profile: which configurations it ties together, by token; empty for none."""

    token: str
    name: str
    fixed: bool = False
    source: str = ""
    encoder: str = ""
    metadata: str = ""
    analytics: str = ""


@dataclass(frozen=True, slots=True)
class MediaState:
    profiles: tuple[MediaProfile, ...] = (
        MediaProfile("main", "Main", True, SOURCE, "main", METADATA, ANALYTICS),
        MediaProfile("sub", "Sub", True, SOURCE, "sub", METADATA, ANALYTICS),
    )
    source_name: str = "Video source"
    encoders: dict[str, VideoEncoder] = field(
        default_factory=lambda: {"main": VideoEncoder("Main encoder"), "sub": VideoEncoder("Sub encoder")}
    )
    metadata: MetadataSettings = field(default_factory=MetadataSettings)
    next_profile: int = 1
    """Number in the token of the next profile that a client makes."""
    multicasting: tuple[str, ...] = ()
    """Tokens of the profiles that are sent to their multicast groups until a client stops it."""
