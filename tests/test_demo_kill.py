"""`kill -9` of a camera, the box and the reveal process in turn, twenty times, while the demo runs.

Afterwards every finished segment decodes, every packet that was acknowledged is there once, and `check` finds nothing.
"""

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
from demo_process import ROOT, Browser, start, stop

pytestmark = [pytest.mark.long, pytest.mark.e2e, pytest.mark.timeout(1800)]

ROUNDS = 20
WITHIN_S = 120


def pids(*words):
    """Processes whose command line holds all of `words`, in the order they were started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(word in line for word in words):
            found.append(int(folder.name))
    return sorted(found)


def eventually(what, check):
    """Ask until `check` gives something; a part that is starting may refuse to answer."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            if answer := check():
                return answer
        except (OSError, ValueError):
            pass
        time.sleep(0.25)  # processes being killed announce nothing; the deadline above decides, not this pace
    raise AssertionError(f"{what}: not within {WITHIN_S} s")


def kill(demo, page, who):
    """SIGKILL one of the three kinds of process, making sure first that there is one."""
    state = str(demo.state)
    if who == "camera":
        victims = pids("firmware", state, "--only")
    elif who == "box":
        victims = pids("-m nvr_box ", state)
    else:
        camera = page.ask("/api/cameras")["cameras"][0]
        page.ask(
            "/api/reveals",
            {
                "camera": camera["id"],
                "from": camera["last_frame"],
                "reason": "kill test",
                "passphrase": demo.words["passphrase"],
            },
        )
        box = pids("-m nvr_box ", state)[0]
        victims = [pid for pid in pids("nvr_box.reveal.process") if parent(pid) == box]
    assert victims, f"no {who} process"
    os.kill(victims[0], signal.SIGKILL)
    eventually(
        f"end of {who} {victims[0]}", lambda: not Path(f"/proc/{victims[0]}/cmdline").exists() or zombie(victims[0])
    )


def parent(pid):
    """The parent's number, 0 when the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def zombie(pid):
    """Dead, and not yet waited for."""
    return Path(f"/proc/{pid}/cmdline").read_bytes() == b""


def recording(page):
    """Both cameras are recorded and show pictures."""
    cameras = page.ask("/api/cameras")["cameras"]
    return len(cameras) == 2 and all(camera["state"] == "recording" and camera["last_frame"] for camera in cameras)


def test_kill_minus_nine_loses_nothing_finished(tmp_path):
    demo = start(tmp_path / "state")
    page = Browser(demo)
    try:
        for _, who in zip(range(ROUNDS), itertools.cycle(["camera", "box", "reveal"]), strict=False):
            eventually("recording", lambda: recording(page))
            kill(demo, page, who)
        eventually("recording", lambda: recording(page))
        # The newest packets reach the box before the books are closed.
        _, status = demo.interrupt()
        assert status == 0
    finally:
        stop(demo)

    check = subprocess.run(
        [sys.executable, "-m", "nvr_box", "--config", str(demo.state / "nvr.toml"), "check"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert check.returncode == 0, check.stdout
    box = sqlite3.connect(demo.state / "box" / "box.db")
    segments = box.execute("SELECT path FROM segment WHERE garbage = 0").fetchall()
    assert len(segments) > ROUNDS // 2
    for (path,) in segments:
        with av.open(str(demo.state / "box" / "recordings" / path)) as file:
            assert sum(1 for _ in file.decode(video=0)) > 0, path
    for number in (1, 2):
        (camera_id,) = box.execute(
            "SELECT camera_id FROM camera WHERE serial = ?", (f"VC-DEMO-{number:04}",)
        ).fetchone()
        rows = box.execute("SELECT sequence FROM packet WHERE camera_id = ?", (bytes.fromhex(camera_id),)).fetchall()
        at_box = {sequence for (sequence,) in rows}
        assert at_box
        assert len(at_box) == len(rows)
        outbox = sqlite3.connect(demo.state / f"camera-{number}" / "outbox.sqlite")
        waiting = {row[0] for row in outbox.execute("SELECT sequence FROM packet")}
        assert outbox.execute("SELECT why FROM refused").fetchall() == []
        (last,) = outbox.execute("SELECT seq FROM sqlite_sequence WHERE name = 'packet'").fetchone()
        # Numbers are given without a hole: one that is neither waiting nor at the box was acknowledged and lost.
        assert set(range(min(at_box), last + 1)) == at_box | waiting
