"""How every benchmark says what it found: a table for people, `bench/results/NAME.json` for programs."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """What the figures were measured on; the load average says how far to trust the times."""
    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            name = line.split(":", 1)[1].strip()
            break
    return {
        "processor": name,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }


def report(
    name: str,
    inputs: Mapping[str, Any],
    figures: Mapping[str, float | int | None],
    rows: Sequence[Sequence[Any]] = (),
    *,
    clip: str | None = None,
) -> Path:
    """Print the rows (the first is the heading) and the figures, and write the JSON file.

    What was measured on another clip than the demo clip stands in the same file under a key of its own; measuring one
    clip again leaves the others as they are.

    Args:
        inputs: what was measured on: paths' names, counts, settings.
        figures: key → number; None for a figure that could not be measured here.
        clip: the key of a clip that is not the demo clip.
    """
    if rows:
        text = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in text if i < len(row)) for i in range(max(map(len, text)))]
        for row in text:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())
        print()
    for key, value in figures.items():
        print(f"{key} = {'not measured' if value is None else format(value, '.6g')}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    measured = {"inputs": dict(inputs), "machine": machine(), "figures": dict(figures)}
    known = json.loads(path.read_text()) if path.exists() else {}
    if clip:
        document = {"name": name} | known | {clip: measured}
    else:
        document = (
            {"name": name}
            | measured
            | {key: value for key, value in known.items() if key not in measured and key != "name"}
        )
    path.write_text(json.dumps(document, indent=2, default=str) + "\n")
    print(f"→ {path}")
    return path
