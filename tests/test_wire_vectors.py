"""The vectors of `wire/recovery.md`, read by our reader.

Each has a text head; `expect` has a letter per access unit: O originals, X originals of an altered picture, m mosaic.
"""

from pathlib import Path

import pytest

from wire.keys import Identity
from wire.nal import Codec
from wire.recovery.reader import Reader
from wire.recovery.verdict import Check

FILES = sorted((Path(__file__).parent / "vectors" / "recovery").glob("*.txt"))


def read(path):
    lines = [line.split(": ", 1) for line in path.read_text().splitlines()]
    many = {name: [bytes.fromhex(value) for key, value in lines if key == name] for name in ("au", "identity")}
    return {key: value for key, value in lines if key not in many} | many


def letter(opened):
    if opened.payload_au is None:
        assert opened.reason
        return "m"
    return "X" if opened.verdict.base_intact is Check.NO else "O"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector(path):
    vector = read(path)
    opener = Reader(
        [Identity(key) for key in vector["identity"]], Codec(vector["codec"]), bytes.fromhex(vector["signing-key"])
    )
    assert "".join(letter(opener.open(au)) for au in vector["au"]) == vector["expect"], vector["why"]
    groups = opener.take_verdicts()
    for question in ("origin", "complete"):
        if f"first-group-{question}" in vector:
            judged = [group for group in groups if group.verdict.origin is not Check.UNKNOWN]
            assert getattr(judged[-1].verdict, question).value == vector[f"first-group-{question}"]


def test_there_are_enough_of_them():
    assert len(FILES) >= 60
