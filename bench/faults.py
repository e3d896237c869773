"""A camera and a box under attack, accident and bad luck: `python -m bench.faults [--only WORD] [--report FILE]`.

`ROUNDS` (200 when it is not set) processes are killed with -9 in turn: recorder, camera, reveal process, box. Between
them the disk is filled and freed 20 times, the clock is set by ±1 and ±40 days and runs through the end of summer time,
the cable is cut for a minute, the database is locked for 45 s, and the box's ports are crowded; at the end the database
is damaged. Fewer rounds have fewer of everything. After each round:

    lost_access_units_after_commit  of what was in finished segments and whole fragments before the fault
    duplicate_packets               passages that are there twice
    check_findings                  of `python -m nvr_box check`
    box_exits                       that the round did not ask for
    gap_s_p95                       of the hole in the recordings that a kill, or a full disk, left
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from bench import inflict, rig
from bench.ledger import Ledger
from bench.report import report

KILLS = (inflict.kill_recorder, inflict.kill_camera, inflict.kill_reveal, inflict.kill_box)
CLOCKS = tuple(inflict.clock_by(days) for days in (1, -1, 40, -40))
CROWDS = (inflict.idle, inflict.slow, inflict.soap, inflict.websockets)
FULL_DISKS = 20
WHOLE = 200
# Of these a hole as long as the fault is nothing to measure.
LONG = (inflict.cut_cable,)


@dataclass
class Round:
    """One fault and what was found after it; times are the machine's, in seconds."""

    name: str
    began_s: float
    ended_s: float = 0.0
    back_s: float = 0.0
    lost: int = 0
    findings: tuple = ()
    said: str = ""
    gap_s: float = 0.0


def schedule(kills, only):
    """The faults in order: kills with the others spread among them, and the damage last."""
    share = kills / WHOLE
    others = [inflict.full_disk] * max(1, round(FULL_DISKS * share))
    others += [*CLOCKS, inflict.clock_dst, inflict.cut_cable, inflict.lock_database, *CROWDS]
    random.Random(5).shuffle(others)
    order = list(islice(cycle(KILLS), kills))
    for number, other in enumerate(others):
        order.insert((number + 1) * (len(order) + 1) // (len(others) + 1), other)
    order.append(inflict.damage_packets)
    return [each for each in order if not only or any(word in each.__name__ for word in only)]


def recording(box, since_s):
    """Whether a file of the recordings has grown since."""
    newest = max((path.stat().st_mtime for path in (box.state / "recordings").rglob("*.mp4")), default=0.0)
    return newest > since_s


def settled(box, since_s):
    """Wait until the camera is recorded and the page answers; seconds until it was recorded."""
    # What a recorder writes when a stream ends is no recording yet.
    since_s += 1.0
    deadline = time.monotonic() + rig.WITHIN_S
    began, recorded_s = time.time(), 0.0
    while True:
        try:
            if recording(box, since_s):
                recorded_s = recorded_s or time.time() - began
                inflict.answered(box)
                return recorded_s
        except (OSError, ValueError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"not recorded again within {rig.WITHIN_S:.0f} s; see {box.folder}")
        inflict.pause(0.1)


def round_of(box, ledger, fault, dice):
    name = fault.__name__.replace("_", " ")
    ledger.note()
    one = Round(name, time.time())
    one.said = fault(box, ledger, dice) or ""
    one.ended_s = time.time()
    one.back_s = settled(box, one.ended_s)
    # What a start finishes and rows that waited come after the first picture.
    deadline = time.monotonic() + 60
    while True:
        one.findings = tuple(ledger.findings())
        if (not one.findings and ledger.settled()) or time.monotonic() > deadline:
            break
        inflict.pause(0.25)
    one.lost = ledger.verify(room=fault is inflict.full_disk)
    ledger.note()
    return one


def damage_said(findings):
    """What is meant to be found after the database was damaged: that it was."""
    return [each for each in findings if "was damaged" in each]


def run(kills, only, folder, minutes):
    dice = random.Random(7)
    until_s = time.monotonic() + minutes * 60
    rounds, kept = [], Path(folder)
    with rig.Rig(kept) as box:
        settled(box, time.time())
        ledger = Ledger(box.state)
        order = schedule(kills, only)
        if not box.clock.there:
            order = [each for each in order if not each.__name__.startswith("clock")]
            print("no C compiler: the clock is not set")
        keys = set((box.state / "keys" / "days").glob("*.json"))
        for number, fault in enumerate(order, 1):
            if time.monotonic() > until_s and fault is not inflict.damage_packets:
                continue
            if fault is inflict.damage_packets:
                inflict.pause(2.0)
                before_damage = ledger.duplicates(), ledger.lost_packets(box.camera_state / "outbox.sqlite")
            one = round_of(box, ledger, fault, dice)
            rounds.append(one)
            left = f", LOST {one.lost}" if one.lost else ""
            found = f", {len(one.findings)} findings" if one.findings else ""
            said = f" ({one.said})" if one.said else ""
            print(f"{number:3}/{len(order)} {one.name:15} back {one.back_s:5.1f} s{said}{left}{found}", flush=True)
            for each in one.findings:
                print(f"        {each}", flush=True)
        inflict.pause(box.segment_s * 2)
        ledger.note()
        lost_keys = [path for path in keys if not path.exists()]
        duplicates, lost_packets = ledger.duplicates(), ledger.lost_packets(box.camera_state / "outbox.sqlite")
        if inflict.damage_packets in order:
            duplicates, lost_packets = max(duplicates, before_damage[0]), before_damage[1]
        exits = [len(part.exits) for part in (box.box, box.camera)]
        statuses = [part.end() for part in (box.camera, box.box)]
        whole = box.check()
        ledger.note()
        ledger.verify()
        pictures, units = ledger.decode()
        for at_s, length_s in ledger.gaps():
            # A hole begins with the group of pictures that was not written yet, often before its fault.
            shared = [min(one.ended_s + one.back_s, at_s + length_s) - max(one.began_s, at_s) for one in rounds]
            if max(shared) > 0:
                rounds[shared.index(max(shared))].gap_s += length_s
        findings = [each for one in rounds for each in one.findings] + whole
        reported = damage_said(findings)
    if statuses != [0, 0]:
        print(f"the camera and the box ended with {statuses}")
    gaps = sorted(one.gap_s for one in rounds if one.name not in {each.__name__.replace("_", " ") for each in LONG})
    by_name = {}
    for one in rounds:
        by_name.setdefault(one.name, []).append(one)
    rows = [("fault", "rounds", "gap s median", "longest", "back s", "lost", "findings")]
    rows += [
        (name, len(these), statistics.median(one.gap_s for one in these), max(one.gap_s for one in these),
         statistics.median(one.back_s for one in these), sum(one.lost for one in these),
         sum(len(set(one.findings) - set(reported)) for one in these))
        for name, these in by_name.items()
    ]  # fmt: skip
    figures = {
        "rounds": len(rounds),
        "lost_access_units_after_commit": ledger.lost_units,
        "gap_s_p95": gaps[min(len(gaps) - 1, int(len(gaps) * 0.95))],
        "gap_s_max": gaps[-1],
        "duplicate_packets": duplicates,
        "check_findings": len(set(findings) - set(reported)),
        "box_exits": exits[0] + (statuses[1] != 0),
        "camera_exits": exits[1] + (statuses[0] != 0),
        "lost_packets": lost_packets,
        "lost_keys": len(lost_keys),
        "segments_removed_for_room": ledger.made_room,
        "access_units": units,
        "pictures_decoded": pictures,
        "packets": len(ledger.packets),
    }
    killed = sum(one.name.startswith("kill") for one in rounds)
    inputs = {"kills": killed, "faults": {name: len(these) for name, these in by_name.items()}}
    if reported:
        inputs["said_of_the_damage"] = sorted(set(reported))
    return inputs, figures, rows


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--only", nargs="*", default=[], help="words in the names of the faults that are run")
    words.add_argument("--report", type=Path, help="write the figures there, instead of bench/results/faults.json")
    words.add_argument("--keep", type=Path, help="a folder for logs and state that is left; the disk is not")
    words.add_argument("--minutes", type=float, default=1e6, help="begin no other round after so many")
    options = words.parse_args()
    rig.inside("bench.faults")
    kills = int(os.environ.get("ROUNDS", WHOLE))
    with tempfile.TemporaryDirectory(prefix="veilcam-faults-") as folder:
        place = options.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        inputs, figures, rows = run(kills, options.only, place, options.minutes)
    if options.report:
        options.report.write_text(json.dumps({"inputs": inputs, "figures": figures, "rows": rows}, indent=2))
        print(json.dumps(figures, indent=2))
    else:
        report("faults", inputs, figures, rows)


if __name__ == "__main__":
    main()
