"""The folders of the page's source: which may import which."""

import re
from pathlib import Path

STATIC = Path(__file__).parent.parent / "nvr_box/web/static"
# app.js, then places over the player over shared parts; what opens reveals stands for itself and runs in a worker.
ALLOWED = {
    "": {"places", "player", "parts"},
    "places": {"player", "parts"},
    "player": {"parts"},
    "parts": {"vendor"},
    "recovery": {"vendor", "parts"},
    "vendor": set(),
}
WORKER_MAY_USE = {"times.js"}  # of parts: no document, no Preact


def room(path):
    parts = path.relative_to(STATIC).parts
    return parts[0] if len(parts) > 1 else ""


def test_imports_follow_the_folders():
    seen = set()
    for path in STATIC.rglob("*.js"):
        for name in re.findall(r'(?:from|import) ?"(\.[^"]+)"', path.read_text(encoding="utf-8")):
            target = (path.parent / name).resolve()
            assert target.is_file(), f"{path.name} imports {name}, which is not there"
            if room(target) == room(path):
                continue
            assert room(target) in ALLOWED[room(path)], f"{path.relative_to(STATIC)} imports {name}"
            if (room(path), room(target)) == ("recovery", "parts"):
                assert target.name in WORKER_MAY_USE
            seen.add((room(path), room(target)))
    assert {("places", "player"), ("player", "parts"), ("parts", "vendor")} <= seen
