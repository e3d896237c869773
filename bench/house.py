"""The house in four numbers: `make bench-house`.

import_circles                    groups of folders (of two levels: `firmware/mask`, `nvr_box/keys`) that import
                                  each other in a circle
sql_outside_db                    lines with an SQL statement outside of nvr_box/db and of the camera's outbox
class_names_with_two_meanings     public class names that two or more product files define
runtime_mb                        MB (10^6 bytes) of the Python packages that the product runs on, as installed:
                                  the closure of requirements.txt, without the interpreter and Debian's packages
make_test_s                       kept from the last file: `make test` is timed by hand, on two quiet cores
"""

import ast
import importlib.metadata
import json
import re
from collections import defaultdict
from pathlib import Path

from bench.report import RESULTS

ROOT = Path(__file__).parent.parent
PACKAGES = ("base", "wire", "models", "onvif", "firmware", "nvr_box")
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\b", re.DOTALL
)


def files():
    """Every product file and its tree."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.relative_to(ROOT).parts[:2] not in {("models", "train"), ("models", "convert")}:
                yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def folder(parts):
    """The room of a module: its package's folder, or the package itself for a file that lies loose in it."""
    inner = ROOT.joinpath(*parts[:2])
    return "/".join(parts[:2]) if len(parts) > 1 and inner.is_dir() else parts[0]


def circles():
    """The rooms that import each other in a circle: strongly connected components of more than one."""
    arrows = defaultdict(set)
    for path, tree in files():
        here = folder(path.parts)
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                parts = name.split(".")
                if parts[0] in PACKAGES and (there := folder(parts)) != here:
                    arrows[here].add(there)
    # Loose files of a package are entrances (app, __main__, config): only rooms proper count within it.
    rooms = {room for room in arrows if "/" in room}
    reach = {room: _reached(room, arrows, rooms) for room in rooms}
    return {frozenset(other for other in reach[room] if room in reach[other]) for room in rooms if room in reach[room]}


def _reached(room, arrows, rooms):
    found, todo = set(), [room]
    while todo:
        for there in arrows[todo.pop()] & rooms - found:
            found.add(there)
            todo.append(there)
    return found


def sql_lines():
    """Where SQL is said outside of its room."""
    return [
        f"{path}:{node.lineno}"
        for path, tree in files()
        if path.parts[:2] != ("nvr_box", "db")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and SQL.search(node.value)
        and path.name != "outbox.py"
    ]


def names_twice():
    """Public class names that stand for several things, and where."""
    defined = defaultdict(set)
    for path, tree in files():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                defined[node.name].add(str(path))
    return {name: sorted(paths) for name, paths in defined.items() if len(paths) > 1}


def runtime_bytes():
    """Size of every installed file of the packages in requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    names = [line.split("==")[0] for line in lines if "==" in line]
    total = 0
    for name in names:
        for file in importlib.metadata.distribution(name).files or ():
            path = Path(str(file.locate()))
            if path.is_file() and path.suffix != ".pyc":
                total += path.stat().st_size
    return total


def main():
    """Count, print, write."""
    path = RESULTS / "house.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    rounds, sql, twice = circles(), sql_lines(), names_twice()
    figures = {
        "import_circles": len(rounds),
        "sql_outside_db": len(sql),
        "class_names_with_two_meanings": len(twice),
        "runtime_mb": round(runtime_bytes() / 1e6),
        "make_test_s": before.get("make_test_s"),
    }
    for each in sorted(map(sorted, rounds)):
        print("circle:", " ".join(each))
    print("SQL:", *sql, sep="\n  ")
    for name, paths in sorted(twice.items()):
        print(f"{name}: {', '.join(paths)}")
    for name, value in figures.items():
        print(f"{name:32} {value}")
    path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
