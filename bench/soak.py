"""Whether memory grows: a camera and a box for ten minutes, `python -m bench.soak [MINUTES [WARM_MINUTES]]`.

    rss_slope_mb_per_h         the larger of the two processes', by the median of all slopes (Theil and Sen) between
                               samples of the last four fifths of the time
    camera_rss_slope_mb_per_h  the camera's; `box_rss_slope_mb_per_h` the box's
    camera_rss_mb, box_rss_mb  at the end

Beside the recording the page's requests are made as an open page makes them, every three seconds. Before it is
measured all
that runs for a while: five connections to the database fill caches of 2 MB each as it grows, and what the allocator
keeps for ten threads settles.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import inflict, rig
from bench.report import report

SAMPLE_S, ASK_S = 2.0, 3.0
MB = 1_000_000


def resident(pid):
    """Bytes of a process that lie in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def slope(samples):
    """MB an hour of (seconds, bytes): the median over all pairs that lie a tenth of the time apart or more."""
    at, size = np.array(samples, float).T
    first, second = np.triu_indices(len(at), max(1, len(at) // 10))
    return float(np.median((size[second] - size[first]) / (at[second] - at[first]))) * 3600 / MB


def main():
    rig.inside("bench.soak")
    minutes, warm = (float(word) for word in (*sys.argv[1:3], *("10", "15")[len(sys.argv[1:3]) :]))
    seen = {"camera": [], "box": []}
    with tempfile.TemporaryDirectory(prefix="veilcam-soak-") as folder, rig.Rig(Path(folder), segment_s=10) as both:
        pids = {"camera": both.camera.process.pid, "box": both.box.process.pid}
        began = polled = time.monotonic()
        while (now := time.monotonic()) - began < (warm + minutes) * 60:
            for name, pid in pids.items():
                seen[name].append((now - began, resident(pid)))
            if now - polled > ASK_S:
                polled = now
                (camera,) = both.page.ask("/api/cameras")["cameras"]
                span = "start=2026-01-01T00:00:00Z&end=2036-01-01T00:00:00Z"
                both.page.ask(f"/api/cameras/{camera['id']}/timeline?{span}")
            inflict.pause(SAMPLE_S)
            if len(seen["box"]) % 30 == 0:
                rss = ", ".join(f"{name} {each[-1][1] / MB:.1f} MB" for name, each in seen.items())
                print(f"{(now - began) / 60:4.1f} min  {rss}", flush=True)
        assert not both.camera.exits
        assert not both.box.exits
    from_s = (warm + minutes / 5) * 60
    settled = {name: [each for each in samples if each[0] >= from_s] for name, samples in seen.items()}
    slopes = {name: slope(samples) for name, samples in settled.items()}
    rows = [("process", "MB", "MB then", "MB an hour")]
    rows += [(name, settled[name][0][1] / MB, settled[name][-1][1] / MB, slopes[name]) for name in slopes]
    figures = {"rss_slope_mb_per_h": max(slopes.values())}
    for name, mb_per_h in slopes.items():
        figures[f"{name}_rss_slope_mb_per_h"] = mb_per_h
        figures[f"{name}_rss_mb"] = settled[name][-1][1] / MB
    inputs = {"minutes": minutes, "warm_minutes": warm, "samples": len(settled["box"]), "pictures": "384x288"}
    report("soak", inputs, figures, rows)


if __name__ == "__main__":
    main()
