"""What stands between the sensor and the pipeline: the tamper watch on the raw picture, then the adjustment.

The settings are those of the imaging service; they live in the camera's state directory and act from the next picture.
What the sensor can set itself is set there; the rest is done on the picture.
"""

import logging
from dataclasses import replace
from pathlib import Path

from base.errors import Error
from base.settings_file import Stored
from firmware.capture.controls import SensorControls
from firmware.capture.frame import I420, FrameSource, planes
from firmware.imaging.adjust import NEUTRAL, Adjuster, Adjustment
from firmware.imaging.tampering import Tampering, TamperingKind
from onvif.events import Bus, topics
from onvif.events.settings_damage import publish_damage

log = logging.getLogger(__name__)

SOURCE = {"Source": "source"}
_TOPICS = {
    TamperingKind.TOO_DARK: topics.TOO_DARK.path,
    TamperingKind.TOO_BRIGHT: topics.TOO_BRIGHT.path,
    TamperingKind.TOO_BLURRY: topics.TOO_BLURRY.path,
    TamperingKind.SCENE_CHANGE: topics.SCENE_CHANGE.path,
}


class Sensor:
    """The raw picture's keeper.

    Args:
        state: the camera's state directory; `imaging.json` in it holds the settings.
        bus: where tampering is published.
    """

    def __init__(self, state: Path, bus: Bus) -> None:
        self._bus = bus
        self.settings = Stored(state / "imaging.json", Adjustment())
        publish_damage(bus, self.settings)
        self._controls: SensorControls | None = None
        self._adjuster = Adjuster(self.settings.value)
        self.settings.listen(self._changed)
        self._tampering = Tampering()
        for topic in _TOPICS.values():
            bus.publish(topic, SOURCE, {"State": False})

    def attached(self, source: FrameSource) -> FrameSource:
        """`source`, which sets from now on what it advertises. Capture thread, before its first picture."""
        self._controls = source.controls
        self._apply(self.settings.value)
        return source

    def process(self, i420: I420, pts_90k: int) -> I420:
        """Watch one raw picture and return it adjusted. Capture thread."""
        for change in self._tampering.update(planes(i420)[0], pts_90k):
            self._bus.publish(_TOPICS[change.kind], SOURCE, {"State": change.state})
        return self._adjuster(i420)

    def _changed(self, _old: Adjustment, new: Adjustment) -> None:
        self._apply(new)

    def _apply(self, wanted: Adjustment) -> None:
        controls = self._controls
        mine = controls.advertised if controls is not None else frozenset()
        if controls is not None:
            try:
                controls.apply({name: getattr(wanted, name) for name in mine})
            except Error as error:
                log.warning("the sensor refuses a setting, which is done on the picture instead: %s", error)
                mine = frozenset()
        self._adjuster.adjustment = replace(wanted, **dict.fromkeys(mine, NEUTRAL))
