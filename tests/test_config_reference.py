"""docs/camera.toml and docs/nvr.toml: current, loading, and saying of every key what the program does without it."""

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from config_reference import FILES

from base import config
from base.config_reference import meanings, reference

ROOT = Path(__file__).parent.parent
PATHS = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


@PATHS
def test_the_file_is_current(path):
    shape, examples, head = FILES[path]
    written = path.read_text(encoding="utf-8")
    assert written == reference(shape, examples, head=head), "run tests/config_reference.py (see there)"


@PATHS
def test_the_file_loads_as_it_is_and_with_every_default_spelled_out(path, tmp_path):
    shape = FILES[path][0]
    loaded = config.load(shape, path)
    text = path.read_text(encoding="utf-8")
    spelled = re.sub(r"(?m)^# ([a-z_0-9]+ = )", r"\1", text)
    # Within an example of a table, which is a comment itself, lines stay comments.
    examples = [tomllib.loads(text), tomllib.loads(_without_examples(spelled, text))]
    assert _keys(examples[1]) > _keys(examples[0])
    (tmp_path / path.name).write_text(_without_examples(spelled, text))
    assert config.load(shape, tmp_path / path.name) == loaded


def _without_examples(spelled, text):
    """Defaults made live, but not the keys of a table whose header is a comment."""
    lines, live = [], True
    for before, after in zip(text.splitlines(), spelled.splitlines(), strict=True):
        if re.match(r"(# )*\[", before):
            live = not before.startswith("#")
        lines.append(after if live else before)
    return "\n".join(lines)


def _keys(table):
    return sum(_keys(value) if isinstance(value, dict) else 1 for value in _flat(table))


def _flat(table):
    for value in table.values():
        yield from value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]


def test_a_key_without_a_meaning_is_an_error():
    @dataclasses.dataclass
    class Odd:
        """A table.

        Args:
            known: said.
        """

        known: int = 1
        unknown: int = 2

    with pytest.raises(ValueError, match="Odd: no meaning is given of unknown"):
        meanings(Odd)


@pytest.mark.parametrize(
    ("module", "path"),
    [("firmware", "docs/camera.toml"), ("nvr_box", "docs/nvr.toml")],
)
def test_a_file_is_checked_without_starting_anything(tmp_path, module, path):
    def check(file):
        command = [sys.executable, "-m", module, "check-config", str(file)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    good = check(ROOT / path)
    assert (good.returncode, good.stderr) == (0, "")
    (tmp_path / "wrong.toml").write_text('colour = "red"\n' + (ROOT / path).read_text())
    wrong = check(tmp_path / "wrong.toml")
    assert wrong.returncode == 78
    assert "unknown key 'colour'" in wrong.stderr
