"""The imaging service (ONVIF Imaging 26.06): the four settings that act on the picture, and nothing that does not.

A fixed-focus sensor has no focus to move: Move, Stop, GetMoveOptions and GetStatus say so by fault or by omission.
"""

from collections.abc import Callable, Mapping
from typing import Any

from base.settings_file import Stored
from firmware.imaging.adjust import LEAST, MOST, Adjustment
from onvif import names
from onvif.errors import Fault, invalid
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/imaging"
_ELEMENTS = {
    "Brightness": "brightness",
    "ColorSaturation": "saturation",
    "Contrast": "contrast",
    "Sharpness": "sharpness",
}
_UNSUPPORTED = ("BacklightCompensation", "Exposure", "Focus", "IrCutFilter", "WideDynamicRange", "WhiteBalance")


class ImagingService:
    """The handlers.

    Args:
        settings: kept and acted on by `firmware.imaging.Sensor`.
        source: token of the one video source.
        changed: called after each change (a device announces it as a configuration change).
    """

    def __init__(
        self, settings: Stored[Adjustment], *, source: str = "source", changed: Callable[[], None] = lambda: None
    ) -> None:
        self._settings = settings
        self._source = source
        self._changed = changed

    @operation("GetImagingSettings")
    async def get_imaging_settings(self, call: Call) -> Reply:
        self._check(call)
        now = self._settings.value
        return {"ImagingSettings": {element: getattr(now, field) for element, field in _ELEMENTS.items()}}

    @operation("SetImagingSettings")
    async def set_imaging_settings(self, call: Call) -> Reply:
        self._check(call)
        wanted = call.request.ImagingSettings
        for element in _UNSUPPORTED:
            if getattr(wanted, element, None) is not None:
                raise invalid(f"This sensor has no {element}.", "SettingsInvalid")
        changes = {}
        for element, field in _ELEMENTS.items():
            value = getattr(wanted, element)
            if value is None:
                continue
            if not LEAST <= float(value) <= MOST:
                raise invalid(f"{element} {value:g} is outside {LEAST:g} to {MOST:g}.", "SettingsInvalid")
            changes[field] = float(value)
        if changes:
            # ForcePersistence may ask for less than we do: every change survives a restart.
            self._settings.change(**changes)
            self._changed()
        return {}

    @operation("GetOptions")
    async def get_options(self, call: Call) -> Reply:
        self._check(call)
        return {"ImagingOptions": {element: {"Min": LEAST, "Max": MOST} for element in _ELEMENTS}}

    @operation("GetMoveOptions")
    async def get_move_options(self, call: Call) -> Reply:
        self._check(call)
        return {"MoveOptions": {}}

    @operation("GetStatus")
    async def get_status(self, call: Call) -> Reply:
        self._check(call)
        return {"Status": {}}

    @operation("Move")
    async def move(self, call: Call) -> Reply:
        self._check(call)
        raise _no_focus()

    @operation("Stop")
    async def stop(self, call: Call) -> Reply:
        self._check(call)
        raise _no_focus()

    def _check(self, call: Call) -> None:
        if call.request.VideoSourceToken != self._source:
            raise invalid(f"There is no video source {call.request.VideoSourceToken[:64]!r}.", "NoSource")


def imaging_service(handlers: ImagingService) -> Service:
    return service(handlers, names.TIMG, path=PATH, capabilities=_capabilities)


def _capabilities() -> Mapping[str, Any]:
    return {"ImageStabilization": False, "Presets": False, "AdaptablePreset": False}


def _no_focus() -> Fault:
    return Fault("The focus of this sensor is fixed.", "ActionNotSupported", "NoImagingForSource", code="Receiver")
