"""The events that cameras told while they were recorded: a history of bounded length per camera.

Kept is what tells of the scene and the picture: motion, tampering, analytics, triggers. Recognition of faces or plates
is left out whatever a camera tells, and so is chatter about the camera's own health; of an event's data only items of
a closed list of names are kept, so that no camera can make this a register of people.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from nvr_box.db.database import Store

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
_COLUMNS = "event, camera, utc_us, topic, operation, items"

Items = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Past:
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


def kept(event: Past) -> bool:
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

    async def add(self, events: Iterable[Past]) -> None:
        """Keep what may be kept, in one transaction; the oldest of a camera go when it has too many.

        Raises:
            StoreError: the disk or the database refused.
        """
        rows = [(each.camera, each.utc_us, each.topic, each.operation, _items(each)) for each in events if kept(each)]
        if not rows:
            return
        prune = self._added % _PRUNE_EVERY + len(rows) >= _PRUNE_EVERY or not self._added
        self._added += len(rows)

        def change(link: sqlite3.Connection) -> None:
            link.executemany("INSERT INTO event (camera, utc_us, topic, operation, items) VALUES (?, ?, ?, ?, ?)", rows)
            if prune:
                for camera in {row[0] for row in rows}:
                    _prune(link, camera)

        await self._store.write(change)

    async def page(
        self, camera: int, start_us: int, end_us: int, *, after: Past | None = None, reverse: bool = False
    ) -> tuple[Past, ...]:
        """The next events in [start_us, end_us] in order of time, at most 500; `after` the last one of the page before.

        Args:
            reverse: the latest first.
        """
        sign, order = ("<", "DESC") if reverse else (">", "ASC")
        sql = f"SELECT {_COLUMNS} FROM event WHERE camera = ? AND utc_us BETWEEN ? AND ?"  # noqa: S608 - our own words
        values: tuple[int, ...] = (camera, start_us, end_us)
        if after is not None:
            sql += f" AND (utc_us, event) {sign} (?, ?)"
            values += (after.utc_us, after.number)
        sql += f" ORDER BY utc_us {order}, event {order} LIMIT {_PAGE}"
        return await self._store.read(lambda link: tuple(_past(row) for row in link.execute(sql, values)))

    async def states(self, camera: int, at_us: int) -> tuple[Past, ...]:
        """How each property of the camera stood at `at_us`: its last event until then, unless that was its end."""
        sql = (
            f"SELECT {_COLUMNS} FROM (SELECT *, row_number() OVER ("  # noqa: S608 - our own words
            " PARTITION BY topic, json_extract(items, '$[0]'), json_extract(items, '$[1]')"
            " ORDER BY utc_us DESC, event DESC) AS age FROM event"
            " WHERE camera = ? AND utc_us <= ? AND operation != '') WHERE age = 1 ORDER BY topic, event"
        )
        found = await self._store.read(lambda link: [_past(row) for row in link.execute(sql, (camera, at_us))])
        return tuple(each for each in found if each.operation != "Deleted")

    async def topics(self) -> frozenset[str]:
        """Every topic of which something is kept."""
        sql = (
            "WITH RECURSIVE kind(topic) AS (SELECT min(topic) FROM event UNION ALL"
            " SELECT (SELECT min(topic) FROM event WHERE topic > kind.topic) FROM kind WHERE kind.topic IS NOT NULL)"
            " SELECT topic FROM kind WHERE topic IS NOT NULL"
        )
        return await self._store.read(lambda link: frozenset(topic for (topic,) in link.execute(sql)))


def _prune(link: sqlite3.Connection, camera: int) -> None:
    oldest = "SELECT utc_us FROM event WHERE camera = ? ORDER BY utc_us DESC LIMIT 1 OFFSET ?"
    found = link.execute(oldest, (camera, MOST_PER_CAMERA)).fetchone()
    if found:
        link.execute("DELETE FROM event WHERE camera = ? AND utc_us <= ?", (camera, found[0]))


def _items(event: Past) -> str:
    return json.dumps([event.source, event.key, fit(event.data)], ensure_ascii=False, separators=(",", ":"))


def _past(row: Sequence[object]) -> Past:
    number, camera, utc_us, topic, operation, items = row
    source, key, data = (tuple((name, value) for name, value in part) for part in json.loads(str(items)))
    assert isinstance(number, int)
    assert isinstance(camera, int)
    assert isinstance(utc_us, int)
    return Past(camera, utc_us, str(topic), str(operation), source, key, data, number)
