"""What a client reads out of replies, leniently: a device that leaves something out has it empty or 0."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from onvif import names


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    manufacturer: str
    model: str
    firmware: str
    serial: str
    hardware: str


@dataclass(frozen=True, slots=True)
class ProfileReply:
    """One media profile; what a device leaves out is empty or 0."""

    token: str
    name: str
    encoding: str
    """`H264`, `H265` or `JPEG`."""
    width: int
    height: int
    rate_fps: float
    bitrate_kbps: int
    gop_frames: int
    source: str
    """Token of the video source."""
    metadata: bool
    """Whether a metadata configuration is attached: the stream then carries a metadata track."""
    media2: bool
    """Whether Media2 listed it; its stream address has to be requested there."""


_MOST_DIGITS = 9


def device_time(reply: etree._Element) -> datetime | None:
    fields: dict[str, int] = {}
    for element in reply.iter(tag=etree.Element):
        if etree.QName(element).localname == "UTCDateTime":
            for part in element.iter(tag=etree.Element):
                text = (part.text or "").strip()
                if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS:
                    fields[etree.QName(part).localname] = int(text)
            break
    try:
        return datetime(fields["Year"], fields["Month"], fields["Day"], fields["Hour"], fields["Minute"],
                        min(fields["Second"], 59), tzinfo=UTC)  # fmt: skip
    except (KeyError, ValueError, OverflowError):
        return None


_BY_CAPABILITY = {
    "Device": names.TDS, "Media": names.TRT, "Events": names.TEV, "Imaging": names.TIMG, "PTZ": names.TPTZ,
    "Analytics": names.TAN, "DeviceIO": names.TMD, "Recording": names.TRC, "Search": names.TSE, "Replay": names.TRP,
    "Receiver": names.TRV,
}  # fmt: skip


def capability_addresses(reply: etree._Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in reply.iter(tag=etree.Element):
        namespace = _BY_CAPABILITY.get(etree.QName(element).localname)
        for child in element:
            if namespace and isinstance(child.tag, str) and etree.QName(child).localname == "XAddr":
                found.setdefault(namespace, (child.text or "").strip())
    return found


def many(reply: Any) -> list[Any]:
    """The repeated element of a reply, whose wrapper may or may not be there."""
    if reply is None:
        return []
    if isinstance(reply, list):
        return [item for item in reply if item is not None]
    values = getattr(reply, "__values__", {})
    lists = [value for value in values.values() if isinstance(value, list)]
    return [item for item in lists[0] if item is not None] if lists else []


def text_of(value: Any, name: str) -> str:
    found = getattr(value, name, None) if value is not None else None
    return str(found).strip() if found is not None else ""


def _number(value: Any, *path: str) -> float:
    for name in path:
        value = getattr(value, name, None)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def media2_profile(profile: Any) -> ProfileReply:
    configurations = getattr(profile, "Configurations", None)
    encoder = getattr(configurations, "VideoEncoder", None)
    return _profile(
        profile, encoder, getattr(configurations, "VideoSource", None),
        gop=_number(encoder, "GovLength"),
        metadata=getattr(configurations, "Metadata", None) is not None, media2=True,
    )  # fmt: skip


def media_profile(profile: Any) -> ProfileReply:
    encoder = getattr(profile, "VideoEncoderConfiguration", None)
    return _profile(
        profile, encoder, getattr(profile, "VideoSourceConfiguration", None),
        gop=_number(encoder, "H264", "GovLength"),
        metadata=getattr(profile, "MetadataConfiguration", None) is not None, media2=False,
    )  # fmt: skip


def _profile(profile: Any, encoder: Any, source: Any, *, gop: float, metadata: bool, media2: bool) -> ProfileReply:
    return ProfileReply(
        token=text_of(profile, "token"),
        name=text_of(profile, "Name"),
        encoding=text_of(encoder, "Encoding").upper().removeprefix("VIDEO/"),
        width=int(_number(encoder, "Resolution", "Width")),
        height=int(_number(encoder, "Resolution", "Height")),
        rate_fps=_number(encoder, "RateControl", "FrameRateLimit"),
        bitrate_kbps=int(_number(encoder, "RateControl", "BitrateLimit")),
        gop_frames=int(gop),
        source=text_of(source, "SourceToken"),
        metadata=metadata,
        media2=media2,
    )
