"""The one type of analytics module: describes tracked objects in the metadata stream."""

from dataclasses import dataclass, replace

from firmware.analytics.object_filter import FILTER_PARAMETERS, ObjectFilter, read_filter, written_filter
from firmware.analytics.parameters import ConfigType, Given
from onvif.names import VC, q


@dataclass(frozen=True, slots=True, kw_only=True)
class Module(ObjectFilter):
    """One module: describes the objects that it takes."""


def _read(name: str, given: Given, before: Module | None) -> Module:
    return replace(before or Module(name=name), **read_filter(given))


OBJECT_TRACKER: ConfigType[Module] = ConfigType(
    type_=q(VC, "ObjectTracker"),
    settings=Module,
    parameters=FILTER_PARAMETERS,
    read=_read,
    written=written_filter,
    most=4,
)
MODULE_TYPES: tuple[ConfigType[Module], ...] = (OBJECT_TRACKER,)
DEFAULT_MODULES = (Module(name="ObjectTracker"),)
