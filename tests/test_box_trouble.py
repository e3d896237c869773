"""The real box with a database that is locked for longer than it waits, and one that is damaged under it."""

import contextlib
import itertools
import random
import signal
import sqlite3
import threading
import time

import pytest
from box_fakes import RtspCamera
from test_box_kill import Box, grown, prepared

from nvr_box import state as places
from nvr_box.maintenance import check

PAGE = 4096


def stretches(state):
    """Recorded seconds, and the widest hole between two segments in seconds."""
    with contextlib.closing(sqlite3.connect(state / places.DATABASE)) as link:
        rows = link.execute("SELECT start_us, end_us FROM segment ORDER BY start_us").fetchall()
    holes = [(later - end) / 1e6 for (_, end), (later, _) in itertools.pairwise(rows)]
    return sum(end - start for start, end in rows) / 1e6, max(holes, default=0.0)


def findings(state):
    with contextlib.closing(sqlite3.connect(state / places.DATABASE)) as link:
        return list(check.findings(link, state))


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_a_database_that_is_locked_for_45_s_costs_no_picture(tmp_path):
    state = tmp_path / "state"
    with RtspCamera(rate=20, gop=10) as camera:
        _, config = prepared(state, camera.uri)
        box = Box(config)
        assert box.recording.wait(60), box.log[-20:]
        grown(state, 4)
        thief = sqlite3.connect(state / places.DATABASE, isolation_level=None, timeout=30)
        thief.execute("BEGIN IMMEDIATE")
        # No test can make another program hold on for less.
        threading.Event().wait(45)
        assert box.process.poll() is None, box.log[-20:]
        grown(state, 2)
        thief.execute("ROLLBACK")
        thief.close()
        grown(state, 4)
        assert box.end(signal.SIGTERM) == 0, box.log[-20:]
    recorded, hole = stretches(state)
    assert recorded > 45
    assert hole < 0.2
    assert findings(state) == []


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.timeout(200)
def test_a_database_that_is_damaged_under_the_box_is_rebuilt_while_it_records(tmp_path):
    state = tmp_path / "state"
    with RtspCamera(rate=20, gop=10) as camera:
        _, config = prepared(state, camera.uri)
        # They become too old between the first look of retention and the second, which then reads them.
        old_us = time.time_ns() // 1000 - 30 * 86_400_000_000 + 20_000_000
        with contextlib.closing(sqlite3.connect(state / places.DATABASE)) as link:
            link.executemany(
                "INSERT INTO event (camera, utc_us, topic, operation, items) VALUES (1, ?, ?, '', '[[],[],[]]')",
                [(old_us + n, f"tns1:RuleEngine/{n}/" + "x" * 60) for n in range(3000)],
            )
            link.commit()
            link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        box = Box(config)
        assert box.recording.wait(60), box.log[-20:]
        grown(state, 4)
        file = state / places.DATABASE
        data, chance = file.read_bytes(), random.Random(3)
        # Everything but the schema and the root pages: what the next sweep or row reads is nonsense.
        with file.open("r+b") as handle:
            for at in range(0, len(data), PAGE):
                if b"tns1:RuleEngine" in data[at : at + PAGE]:
                    handle.seek(at)
                    handle.write(chance.randbytes(PAGE))
        for _ in range(600):
            if any("made anew" in line for line in tuple(box.log)):
                break
            threading.Event().wait(0.2)
        assert box.process.poll() is None, box.log[-20:]
        grown(state, 3)
        assert box.end(signal.SIGTERM) == 0, box.log[-20:]
    _, hole = stretches(state)
    assert hole < 0.2
    (said,) = findings(state)
    assert "was damaged" in said
    assert "event" in said
