"""The privacy masks of Media 2 (ONVIF Media 2 26.06, 5.10), joined to the mask plan."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from base.settings_file import Stored
from firmware.mask.polygons import MOST, MOST_POINTS, Polygon, PolygonSettings
from onvif.errors import impossible, invalid
from onvif.metadata import RGB
from onvif.service import Call, Reply, operation

_GREY = {"X": 112.0, "Y": 112.0, "Z": 112.0, "Colorspace": RGB}


class MaskOperations:
    """The handlers, a part of the Media 2 service.

    Args:
        settings: the masks; their maker listens and puts them into the plan.
        type_: the tr2:MaskType that the plan's pattern amounts to, `Pixelated` or `Color`.
        source: token of the one video source configuration.
        changed: called after each change.
    """

    def __init__(
        self,
        settings: Stored[PolygonSettings],
        type_: Callable[[], str],
        *,
        source: str = "source",
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._type = type_
        self._source = source
        self._changed = changed

    @operation("GetMasks")
    async def get_masks(self, call: Call) -> Reply:
        token = call.request.Token if call.request is not None else None
        configuration = call.request.ConfigurationToken if call.request is not None else None
        if configuration is not None:
            self._check(configuration)
        masks = [self._get(token)] if token is not None else self._settings.value.masks
        return {"Masks": [self._values(mask) for mask in masks]}

    @operation("GetMaskOptions")
    async def get_mask_options(self, call: Call) -> Reply:
        self._check(call.request.ConfigurationToken)
        return {
            "Options": {
                "MaxMasks": MOST,
                "MaxPoints": MOST_POINTS,
                "Types": [self._type()],
                "Color": {"ColorList": [_GREY]},
                "RectangleOnly": False,
                "SingleColorOnly": True,
            }
        }

    @operation("CreateMask")
    async def create_mask(self, call: Call) -> Reply:
        mask = self._read(call.request.Mask, f"mask-{secrets.token_hex(4)}")
        if len(self._settings.value.masks) >= MOST:
            raise impossible(f"There are {MOST} masks already; this camera keeps no more.", "MaxMasks")
        self._store((*self._settings.value.masks, mask))
        return {"Token": mask.token}

    @operation("SetMask")
    async def set_mask(self, call: Call) -> Reply:
        old = self._get(call.request.Mask.token or "")
        new = self._read(call.request.Mask, old.token)
        self._store(tuple(new if mask.token == old.token else mask for mask in self._settings.value.masks))
        return {}

    @operation("DeleteMask")
    async def delete_mask(self, call: Call) -> Reply:
        gone = self._get(call.request.Token)
        self._store(tuple(mask for mask in self._settings.value.masks if mask.token != gone.token))
        return {}

    def _store(self, masks: tuple[Polygon, ...]) -> None:
        self._settings.set(replace(self._settings.value, masks=masks))
        self._changed()

    def _get(self, token: str) -> Polygon:
        for mask in self._settings.value.masks:
            if mask.token == token:
                return mask
        raise invalid(f"There is no mask {token[:64]!r}.", "NoConfig")

    def _check(self, configuration: str) -> None:
        if configuration != self._source:
            raise invalid(f"There is no video source configuration {configuration[:64]!r}.", "NoConfig")

    def _read(self, wanted: Any, token: str) -> Polygon:
        self._check(wanted.ConfigurationToken)
        if wanted.Type != self._type():
            raise invalid(f"This camera masks {self._type()}, not {wanted.Type[:32]}.", "ConfigModify")
        points = tuple(float(value) for point in wanted.Polygon.Point for value in (point.x, point.y))
        try:
            return Polygon(token=token, points=points, enabled=bool(wanted.Enabled))
        except ValueError as problem:
            raise invalid(f"The mask cannot be kept: {problem}.", "InvalidPolygon") from problem

    def _values(self, mask: Polygon) -> dict[str, Any]:
        points = [{"x": x, "y": y} for x, y in zip(mask.points[::2], mask.points[1::2], strict=True)]
        return {
            "token": mask.token,
            "ConfigurationToken": self._source,
            "Polygon": {"Point": points},
            "Type": self._type(),
            "Enabled": mask.enabled,
        }
