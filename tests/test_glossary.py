"""The glossary points at what is there, and says every term once."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in TEXT.splitlines() if line.startswith("| ") and "---" not in line]


def test_every_place_exists():
    named = re.findall(r"`([a-z_]+/[A-Za-z_./]*)`", TEXT)
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_no_term_is_explained_twice():
    terms = [term.strip() for row in ROWS for term in row[0].split(",") if row[0].strip() != "term"]
    assert len(terms) == len(set(terms)) > 45
