"""The arrows of docs/design.md, executable: which folder may import which, and what only one file may import."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "base": set(),
    "wire": {"base"},
    "onvif": {"base"},
    "models": {"wire", "base"},
    "firmware": {"onvif", "models", "wire", "base"},
    "nvr_box": {"onvif", "models", "wire", "base"},
}
ONLY_IN = {"gi": "onvif/rtsp/gst.py"}
FILES = [path for folder in MAY_IMPORT for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path):
    here = path.relative_to(ROOT)
    folder = here.parts[0]
    for name in set(imported(path)):
        if name in MAY_IMPORT and name != folder:
            assert name in MAY_IMPORT[folder], f"{here} imports {name}"
        if name in ONLY_IN:
            assert str(here) == ONLY_IN[name], f"{here} imports {name}; only {ONLY_IN[name]} may"


WITHOUT_CIRCLES = ("base", "models", "nvr_box")
"""Packages whose folders and loose files import each other in one direction only."""


def rooms(package):
    """Imports between what lies directly in a package: {room: {room that it imports: by which file}}."""
    modules = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    arrows = {}
    for name, path in modules.items():
        here = name.split(".")[1] if "." in name else ""
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                named = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for other in named:
                parts = other.split(".")
                if parts[0] == package and len(parts) > 1 and f"{package}.{parts[1]}" in modules and parts[1] != here:
                    arrows.setdefault(here, {})[parts[1]] = str(path.relative_to(ROOT))
    return arrows


def circle(arrows):
    """One circle as a list of rooms, empty when there is none."""
    done, way = set(), []

    def walk(room):
        if room in way:
            return [*way[way.index(room) :], room]
        if room in done:
            return []
        way.append(room)
        for other in sorted(arrows.get(room, {})):
            if found := walk(other):
                return found
        way.pop()
        done.add(room)
        return []

    return next((found for room in sorted(arrows) if (found := walk(room))), [])


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_the_rooms_of_a_package_import_each_other_one_way(package):
    arrows = rooms(package)
    found = circle(arrows)
    files = [f"{here} -> {there} ({arrows[here][there]})" for here, there in pairwise(found)]
    assert not found, "; ".join(files)


def test_a_circle_is_found():
    assert circle({"a": {"b": ""}, "b": {"c": ""}, "c": {"b": ""}}) == ["b", "c", "b"]
    assert circle({"a": {"b": "", "c": ""}, "b": {"c": ""}}) == []


WORDS = "SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|PRAGMA|WITH|BEGIN"
STATEMENT = re.compile(rf"\s*({WORDS})\s+[\w(*].*", re.DOTALL)
CALLS = {"execute", "executemany", "executescript"}


def sql_of(source):
    """Lines of a file that hold a statement, hand one to a database, or import one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            if any((name or "").split(".")[0] in {"sqlite3", "sqlite_utils"} for name in names):
                yield node.lineno
        elif isinstance(node, ast.Attribute) and node.attr in CALLS:
            yield node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.fullmatch(node.value):
            words = node.value.split()
            if words[0] != "WITH" or "SELECT" in words:
                yield node.lineno


@pytest.mark.parametrize("path", sorted((ROOT / "nvr_box").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_of_the_box_lies_in_one_folder(path):
    lines = list(sql_of(path.read_text(encoding="utf-8")))
    if path.relative_to(ROOT).parts[1] != "db":
        assert not lines, f"{path.relative_to(ROOT)}: SQL in lines {lines}; it belongs into nvr_box/db/"


SQLITE = {
    "base/refusals.py",  # says in plain words what it raised
    "firmware/delivery/outbox.py",  # the camera's own queue of packets
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sqlite_is_known_to_few(path):
    here = str(path.relative_to(ROOT))
    if "sqlite3" in set(imported(path)):
        assert here.startswith("nvr_box/db/") or here in SQLITE, here


def test_sql_is_found():
    assert [*sql_of('import sqlite3\nsql = "SELECT 1 FROM a"\nlink.execute(x)\nwords = "Select a camera"')] == [1, 2, 3]
