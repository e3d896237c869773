"""The events that cameras sent while they were recorded: a history of bounded length per camera.

Kept is what tells of the scene and the picture: motion, tampering, analytics, triggers. Recognition of faces or plates
is left out whatever a camera tells, and so is chatter about the camera's own health; of an event's data only items of
a closed list of names are kept, so that no camera can make this a register of people.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from nvr_box.db import events as event_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link

MOST_PER_CAMERA: Final = 100_000
_PRUNE_EVERY = 1000
_PAGE = 500
_LONGEST_TOPIC, _LONGEST_ITEMS = 256, 2048
_ROOTS: Final = ("VideoSource/", "RuleEngine/", "VideoAnalytics/", "AudioAnalytics/", "Device/Trigger/")
_NEVER: Final = ("face", "plate", "recognition")
_DATA: Final = frozenset({
    "Active", "ClassTypes", "Count", "Direction", "Duration", "IsCrossed", "IsDetected", "IsInside", "IsMotion",
    "IsSoundDetected", "IsTamper", "Level", "LogicalState", "ObjectId", "State", "Status", "Value",
})  # fmt: skip

Items = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event.

    Args:
        topic: `tns1:VideoSource/MotionAlarm`.
        operation: `Initialized`, `Changed`, `Deleted`; empty for an event that is no property.
        number: its place in the history, 0 before it has one.
    """

    camera: int
    utc_us: int
    topic: str
    operation: str
    source: Items = ()
    key: Items = ()
    data: Items = ()
    number: int = 0

    @property
    def place(self) -> tuple[str, Items, Items]:
        """Of which property it is a state."""
        return self.topic, self.source, self.key


def kept(event: StoredEvent) -> bool:
    """Whether the history takes it."""
    path = event.topic.partition(":")[2]
    named = path.lower()
    return (
        path.startswith(_ROOTS)
        and not any(word in named for word in _NEVER)
        and len(event.topic) <= _LONGEST_TOPIC
        and len(_items(event)) <= _LONGEST_ITEMS
    )


def fit(data: Items) -> Items:
    """What of an event's data the history takes."""
    return tuple(item for item in data if item[0] in _DATA)


class Events:
    """The history of one box. Belongs to the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._added = 0

    async def add(self, events: Iterable[StoredEvent]) -> None:
        """Keep what may be kept, in one transaction; the oldest of a camera go when it has too many.

        Raises:
            StoreError: the disk or the database refused.
        """
        rows = [(each.camera, each.utc_us, each.topic, each.operation, _items(each)) for each in events if kept(each)]
        if not rows:
            return
        prune = self._added % _PRUNE_EVERY + len(rows) >= _PRUNE_EVERY or not self._added
        self._added += len(rows)

        def change(link: Link) -> None:
            event_rows.add(link, rows)
            if prune:
                for camera in {row[0] for row in rows}:
                    event_rows.prune(link, camera, MOST_PER_CAMERA)

        await self._store.write(change)

    async def page(
        self, camera: int, start_us: int, end_us: int, *, after: StoredEvent | None = None, reverse: bool = False
    ) -> tuple[StoredEvent, ...]:
        """The next events in [start_us, end_us] in order of time, at most 500; `after` the last one of the page before.

        Args:
            reverse: the latest first.
        """
        behind = None if after is None else (after.utc_us, after.number)
        rows = await self._store.read(
            lambda link: event_rows.page(link, camera, start_us, end_us, after=behind, reverse=reverse, limit=_PAGE)
        )
        return tuple(_past(row) for row in rows)

    async def states(self, camera: int, at_us: int) -> tuple[StoredEvent, ...]:
        """How each property of the camera stood at `at_us`: its last event until then, unless that was its end."""
        rows = await self._store.read(lambda link: event_rows.last_states(link, camera, at_us))
        found = [_past(row) for row in rows]
        return tuple(each for each in found if each.operation != "Deleted")

    async def topics(self) -> frozenset[str]:
        """Every topic of which something is kept."""
        return await self._store.read(event_rows.topics)


def _items(event: StoredEvent) -> str:
    return json.dumps([event.source, event.key, fit(event.data)], ensure_ascii=False, separators=(",", ":"))


def _past(row: Sequence[object]) -> StoredEvent:
    number, camera, utc_us, topic, operation, items = row
    source, key, data = (tuple((name, value) for name, value in part) for part in json.loads(str(items)))
    assert isinstance(number, int)
    assert isinstance(camera, int)
    assert isinstance(utc_us, int)
    return StoredEvent(camera, utc_us, str(topic), str(operation), source, key, data, number)
