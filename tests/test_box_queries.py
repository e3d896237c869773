"""What the box asks its database over and over costs what it answers, whatever history there is: by the query plan."""

import asyncio
import contextlib
import re
import sqlite3
from collections import Counter

import numpy as np
import pytest
from test_box_clock import ADMIN, EVER, GUARD, NOW, Place

from nvr_box.cameras.camera_store import CameraStore
from nvr_box.db import migrate
from nvr_box.db.database import Store
from nvr_box.maintenance.check import findings
from nvr_box.record.events import Events, StoredEvent
from nvr_box.record.recordings import Recordings
from nvr_box.search.passages import Passages
from nvr_box.search.search import AppearanceSearch

HISTORY = ("segment", "packet", "event", "best_shot", "audit")
# Once a start, or when the whole history is requested: a list of days, a search through the log.
WHOLE = ("INSERT INTO usage", "PRAGMA")


class Watching:
    """Every statement that a database runs, with its plan."""

    def __init__(self, store):
        self._store, self.said = store, Counter()
        for link in (store._writer, *self._readers()):
            link.set_trace_callback(self._note)

    def _readers(self):
        held = [self._store._free.get() for _ in range(self._store._free.qsize())]
        for link in held:
            self._store._free.put(link)
        return held

    def _note(self, sql):
        if re.match(r"\s*(SELECT|DELETE|UPDATE|INSERT|WITH)", sql):
            self.said[re.sub(r"\b\d{3,}\b", "1", sql)] += 1

    def scans(self):
        with contextlib.closing(sqlite3.connect(self._store.path)) as link:
            for sql in self.said:
                if sql.startswith(WHOLE):
                    continue
                plan = [step for *_, step in link.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()]
                # In the order of an index and up to a limit, or its first entry: that is no scan.
                ordered = not any("B-TREE FOR ORDER" in step for step in plan)
                short = "SELECT min(" in sql or (" LIMIT " in sql and ordered)
                for step in plan:
                    whole = re.match(rf"SCAN ({'|'.join(HISTORY)}|loose)\b", step) and "segment_garbage" not in step
                    one_camera = re.search(r"AUTOMATIC|USING (COVERING )?INDEX \w+ \(camera=\?\)$", step)
                    if (whole or one_camera) and not short:
                        yield sql, step


@pytest.fixture
async def place(tmp_path):
    place = Place(tmp_path)
    await place.timekeeper.load()
    yield place
    place.store.close()


async def test_nothing_that_is_done_over_and_over_scans_a_history(place):
    store, watching = place.store, Watching(place.store)
    passages, recordings = Passages(store), Recordings(place.segments, place.log)
    roster, events = CameraStore(store), Events(store)
    searches = AppearanceSearch(passages, None, place.log)
    sql = (
        "INSERT INTO segment (camera, start_us, end_us, path, bytes, sha256, mime, gop_index)"
        " VALUES (1, ?, ?, ?, 1, x'', 'video/mp4; codecs=\"avc1.42c01e\"', x'')"
    )
    await store.write(lambda link: link.execute(sql, (NOW - 40 * 86_400_000_000, NOW - 40 * 86_400_000_000 + 1, "a")))
    await store.write(lambda link: link.execute("INSERT INTO keep VALUES (1, 1)"))
    await events.add([StoredEvent(1, NOW, "tns1:VideoSource/MotionAlarm", "Changed")])
    await passages.load()
    await place.housekeeping.sweep()
    await place.housekeeping._apply_outside_changes()
    await place.segments.usage(1)
    await roster.packets(1)
    await place.segments.between(1, NOW, NOW + 1)
    await place.segments.following(1, NOW, "")
    await place.segments.set_locked(1, NOW, NOW + 1, locked=True)
    await recordings.spans(GUARD, 1, NOW, EVER)
    await recordings.codecs(1)
    await searches.ticks(GUARD, 1, NOW, EVER)
    await passages.of_track(1, 1, NOW)
    await passages.get([1])
    await events.page(1, NOW, EVER)
    await events.topics()
    await place.log.entries(ADMIN)
    await asyncio.to_thread(place.housekeeping._retention.make_room)
    assert len(watching.said) > 40
    assert "\n".join(map(str, watching.scans())) == ""


async def test_counters_are_what_counting_says(tmp_path):
    """Rows come and go in every way that the box knows; `check` counts them again."""
    store = Store.open(tmp_path / "box.db")
    rng = np.random.default_rng(2)

    def churn(link):
        for number in range(300):
            start = int(rng.integers(0, 1000)) * 1_000_000
            link.execute(
                "INSERT INTO segment (camera, start_us, end_us, path, bytes, sha256, mime, gop_index, garbage,"
                " seen_bytes) VALUES (?, ?, ?, ?, ?, x'', '', x'', ?, ?)",
                (number % 3, start, start + 60_000_000, str(number), number, number % 7 == 0, number % 5),
            )
            link.execute(
                "INSERT OR IGNORE INTO packet (camera, camera_id, sequence, track, class, first_us, best_us, last_us,"
                " quality, model, code, box, colours, attributes, provenance)"
                " VALUES (?, x'00', ?, 1, 1, ?, ?, ?, 1, '', x'', '', '[]', '[]', '')",
                (number % 3, number, start, start, start + 5),
            )
            if number % 4 == 0:
                link.execute("INSERT OR IGNORE INTO best_shot VALUES (?, ?, x'')", (number + 1, bytes(number)))
        link.execute("UPDATE segment SET garbage = 1 WHERE segment % 3 = 0")
        link.execute("UPDATE segment SET bytes = bytes * 2, end_us = end_us + 7 WHERE segment % 5 = 0")
        link.execute("DELETE FROM segment WHERE segment % 2 = 0")
        link.execute("DELETE FROM packet WHERE packet % 6 = 1")
        link.execute("DELETE FROM best_shot WHERE packet % 9 = 0")

    await store.write(churn)
    counted = "SELECT camera, shot_bytes FROM usage ORDER BY camera"
    shots = "SELECT packet.camera, sum(length(jpeg)) FROM packet JOIN best_shot USING (packet) GROUP BY 1 ORDER BY 1"
    assert [row for row in store._writer.execute(counted) if row[1]] == [*store._writer.execute(shots)]
    usage = [*store._writer.execute("SELECT * FROM usage ORDER BY camera")]
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "box.db")) as link:
        assert not [said for said in findings(link, tmp_path) if "it counts" in said]
        # A database from before the counters gets them when it is opened.
        made = link.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'usage%'").fetchall()
        assert len(made) == 7
        link.executescript(
            "".join(f"DROP TRIGGER {name};" for (name,) in made) + "DROP TABLE usage; DROP TABLE masking;"
        )
        link.execute("PRAGMA user_version = 0")
    store = Store.open(tmp_path / "box.db")
    again = [*store._writer.execute("SELECT * FROM usage ORDER BY camera")]
    # The longest ever may be gone meanwhile.
    assert [(*row[:3], *row[4:6]) for row in again] == [(*row[:3], *row[4:6]) for row in usage]
    store.close()


async def test_a_database_of_the_first_release_is_brought_up_to_date(tmp_path):
    schema = (migrate.FOLDER / "001_schema.sql").read_text(encoding="utf-8")
    tables = {name: re.search(rf"CREATE TABLE IF NOT EXISTS {name} .*?STRICT;", schema, re.DOTALL)[0]
              for name in ("segment", "packet", "best_shot")}  # fmt: skip
    since = r",\s+--[^\n]*\n\s+clock_error_us.*?\n\) STRICT;"
    before = re.sub(since, "\n) STRICT;", tables["segment"], flags=re.DOTALL)
    assert "seen_bytes" not in before
    with contextlib.closing(sqlite3.connect(tmp_path / "box.db")) as link:
        link.executescript(before + tables["packet"] + tables["best_shot"])
        link.execute("CREATE INDEX segment_by_time ON segment (camera, start_us)")
        link.execute("INSERT INTO segment (camera, start_us, end_us, path, bytes, sha256, mime, gop_index)"
                     " VALUES (7, 0, 60000000, 'a', 5, x'', '', x'')")  # fmt: skip
        link.commit()
    for _ in range(2):
        store = Store.open(tmp_path / "box.db")
        usage = "SELECT camera, bytes, span_us, longest_us FROM usage"
        assert [*store._writer.execute(usage)] == [(7, 5, 60_000_000, 60_000_000)]
        assert [*store._writer.execute("SELECT clock_error_us, seen_bytes FROM segment")] == [(0, 0)]
        store.close()
