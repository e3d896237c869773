"""What `make bench-faults` inflicts on a camera and a box: nothing committed is lost, nothing ends by itself.

`ROUNDS` processes are killed, 200 when it is not set; of the other faults there are as many in proportion.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from box_fakes import plain_h264, record_file

from bench.ledger import Ledger
from nvr_box.db.database import Store
from nvr_box.record.segments import Segments
from nvr_box.state import DATABASE, RECORDINGS

ROOT = Path(__file__).parent.parent
PER_ROUND_S = 120


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.timeout(6 * 3600)
def test_no_fault_loses_what_was_committed(tmp_path):
    found = tmp_path / "found.json"
    words = [sys.executable, "-u", "-m", "bench.faults", "--report", str(found)]
    rounds = int(os.environ.get("ROUNDS", "200"))
    done = subprocess.run(words, cwd=ROOT, check=False, timeout=PER_ROUND_S * (rounds + 45))
    assert done.returncode == 0
    figures = json.loads(found.read_text())["figures"]
    nothing = ("lost_access_units_after_commit", "lost_packets", "lost_keys", "duplicate_packets", "check_findings",
               "box_exits", "camera_exits")  # fmt: skip
    assert {name: figures[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert figures["access_units"] == figures["pictures_decoded"] > 0
    assert figures["packets"] > 0
    assert figures["gap_s_p95"] < 60


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return plain_h264(tmp_path_factory.mktemp("clip") / "a.h264", 300)


GONE = [((0,), True, 0), ((0, 1), True, 0), ((1,), True, 1), ((0,), False, 1)]


@pytest.mark.parametrize(("gone", "room", "lost"), GONE)
def test_the_ledger_tells_what_is_lost_from_what_made_room(tmp_path, clip, gone, room, lost):
    root = tmp_path / RECORDINGS
    root.mkdir()
    store = Store.open(tmp_path / DATABASE)
    record_file(Segments(store, root), 1, clip, time.time_ns() // 1000, segment_s=4)
    store.close()
    ledger = Ledger(tmp_path)
    ledger.note()
    files = sorted(root.rglob("*.mp4"))
    assert len(files) >= 3
    assert ledger.verify() == 0
    units = [ledger.kept[str(file.relative_to(root))].units for file in files]
    assert sum(units) == 300
    for number in gone:
        files[number].unlink()
    assert ledger.verify(room=room) == lost * units[gone[0]]
    left = [file for file in files if file.exists()]
    left[-1].write_bytes(left[-1].read_bytes()[:-1])
    assert ledger.verify() > 0
