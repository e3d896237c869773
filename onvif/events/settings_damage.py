"""Settings that were lost, said as ONVIF says a failure of storage, until they are set again."""

from collections.abc import Callable
from typing import Any

from base.kept_file import Damage
from base.settings_file import Stored
from onvif.events.bus import Bus
from onvif.events.topics import STORAGE_FAILURE


def publish_damage(bus: Bus, *settings: Stored[Any]) -> None:
    """Publish which settings were damaged; `Failed` goes back to false with its next change."""
    for stored in settings:
        if stored.damage is not None:
            stored.listen(publish_lost(bus, stored.damage))


def publish_lost(bus: Bus, damage: Damage) -> Callable[[object, object], None]:
    """Say that a file was damaged; what comes back is to be called when it was set again."""
    source = {"Token": damage.file}
    bus.publish(STORAGE_FAILURE.path, source, {"Failed": True})

    def set_again(_old: object, _new: object) -> None:
        bus.publish(STORAGE_FAILURE.path, source, {"Failed": False})

    return set_again
