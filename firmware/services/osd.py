"""The OSD operations: text on the picture; images are not drawn.

ONVIF Media 2 26.06, 5.9, and Media 26.06, 5.15: the same texts, which Media gives one by one as well.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from base.settings_file import Stored
from firmware.osd.text import DATE_FORMATS, MOST, SIZES, TIME_FORMATS, Osd, OsdPosition, OsdSettings, OsdTextKind
from onvif.errors import impossible, invalid
from onvif.metadata import RGB
from onvif.names import TRT
from onvif.service import Call, Reply, operation

_COLOUR = {"Color": {"X": 255.0, "Y": 255.0, "Z": 255.0, "Colorspace": RGB}}


class OsdOperations:
    """The handlers, a part of the Media and of the Media 2 service.

    Args:
        settings: drawn by `firmware.osd.Overlay`.
        source: token of the one video source configuration.
        changed: called after each change.
    """

    def __init__(
        self, settings: Stored[OsdSettings], *, source: str = "source", changed: Callable[[], None] = lambda: None
    ) -> None:
        self._settings = settings
        self._source = source
        self._changed = changed

    @operation("GetOSDs")
    async def get_osds(self, call: Call) -> Reply:
        token = getattr(call.request, "OSDToken", None)
        configuration = getattr(call.request, "ConfigurationToken", None)
        if configuration is not None:
            self._check(configuration)
        osds = [self._get(token)] if token is not None else self._settings.value.osds
        return {"OSDs": [self._values(osd) for osd in osds]}

    @operation("GetOSD", TRT)
    async def get_osd(self, call: Call) -> Reply:
        return {"OSD": self._values(self._get(call.request.OSDToken))}

    @operation("GetOSDOptions")
    async def get_osd_options(self, call: Call) -> Reply:
        self._check(call.request.ConfigurationToken)
        colour = {"Color": {"ColorList": [_COLOUR["Color"]]}}
        return {
            "OSDOptions": {
                "MaximumNumberOfOSDs": {
                    "Total": MOST, "Image": 0, "PlainText": MOST, "Date": MOST, "Time": MOST, "DateAndTime": MOST,
                },
                "Type": ["Text"],
                "PositionOption": [str(position) for position in OsdPosition],
                "TextOption": {
                    "Type": [str(kind) for kind in OsdTextKind],
                    "FontSizeRange": {"Min": SIZES[0], "Max": SIZES[1]},
                    "DateFormat": list(DATE_FORMATS),
                    "TimeFormat": list(TIME_FORMATS),
                    "FontColor": colour,
                },
            }
        }  # fmt: skip

    @operation("CreateOSD")
    async def create_osd(self, call: Call) -> Reply:
        osd = self._read(call.request.OSD, f"osd-{secrets.token_hex(4)}")
        if len(self._settings.value.osds) >= MOST:
            raise impossible(f"There are {MOST} texts already; this camera draws no more.", "MaxOSDs")
        self._store((*self._settings.value.osds, osd))
        return {"OSDToken": osd.token}

    @operation("SetOSD")
    async def set_osd(self, call: Call) -> Reply:
        old = self._get(call.request.OSD.token or "")
        new = self._read(call.request.OSD, old.token)
        self._store(tuple(new if osd.token == old.token else osd for osd in self._settings.value.osds))
        return {}

    @operation("DeleteOSD")
    async def delete_osd(self, call: Call) -> Reply:
        gone = self._get(call.request.OSDToken)
        self._store(tuple(osd for osd in self._settings.value.osds if osd.token != gone.token))
        return {}

    def _store(self, osds: tuple[Osd, ...]) -> None:
        self._settings.set(replace(self._settings.value, osds=osds))
        self._changed()

    def _get(self, token: str) -> Osd:
        for osd in self._settings.value.osds:
            if osd.token == token:
                return osd
        raise invalid(f"There is no OSD {token[:64]!r}.", "NoConfig")

    def _check(self, configuration: str) -> None:
        if configuration != self._source:
            raise invalid(f"There is no video source configuration {configuration[:64]!r}.", "NoConfig")

    def _read(self, wanted: Any, token: str) -> Osd:
        reference = wanted.VideoSourceConfigurationToken
        self._check(str(getattr(reference, "_value_1", reference)))
        if wanted.Type != "Text" or wanted.TextString is None:
            raise invalid("This camera draws texts only.", "InvalidOSD")
        text, place = wanted.TextString, wanted.Position
        if place.Type == OsdPosition.CUSTOM and place.Pos is None:
            raise invalid("A custom position needs Pos.", "InvalidOSD")
        if text.Type == OsdTextKind.PLAIN and text.PlainText is None:
            raise invalid("A plain text needs PlainText.", "InvalidOSD")
        default = Osd(token=token)
        try:
            return Osd(
                token=token,
                kind=OsdTextKind(text.Type),
                text=text.PlainText or "",
                position=OsdPosition(place.Type),
                x=float(place.Pos.x) if place.Pos is not None else 0.0,
                y=float(place.Pos.y) if place.Pos is not None else 0.0,
                size=text.FontSize if text.FontSize is not None else default.size,
                date_format=text.DateFormat or default.date_format,
                time_format=text.TimeFormat or default.time_format,
            )
        except ValueError as problem:
            raise invalid(f"The OSD cannot be drawn: {problem}.", "InvalidOSD") from problem

    def _values(self, osd: Osd) -> dict[str, Any]:
        text: dict[str, Any] = {
            "Type": str(osd.kind),
            "FontSize": osd.size,
            "FontColor": _COLOUR,
            "IsPersistentText": True,
        }
        if osd.kind in {OsdTextKind.DATE, OsdTextKind.DATE_AND_TIME}:
            text["DateFormat"] = osd.date_format
        if osd.kind in {OsdTextKind.TIME, OsdTextKind.DATE_AND_TIME}:
            text["TimeFormat"] = osd.time_format
        if osd.kind is OsdTextKind.PLAIN:
            text["PlainText"] = osd.text
        place: dict[str, Any] = {"Type": str(osd.position)}
        if osd.position is OsdPosition.CUSTOM:
            place["Pos"] = {"x": osd.x, "y": osd.y}
        return {
            "token": osd.token,
            "VideoSourceConfigurationToken": {"_value_1": self._source},
            "Type": "Text",
            "Position": place,
            "TextString": text,
        }
