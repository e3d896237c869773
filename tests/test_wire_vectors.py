"""The vectors of `wire/recovery.md`, read by our reader.

Each has a text head; `expect` has a letter per access unit: O originals, X originals of an altered picture, m mosaic.
"""

from pathlib import Path

import pytest

from wire.keys import Identity
from wire.nal import Codec
from wire.recovery.reader import Reader, TrackKey
from wire.recovery.verdict import Check

FILES = sorted((Path(__file__).parent / "vectors" / "recovery").glob("*.txt"))


def read(path):
    lines = [line.split(": ", 1) for line in path.read_text().splitlines()]
    many = {name: [value for key, value in lines if key == name] for name in ("au", "identity", "granted")}
    return {key: value for key, value in lines if key not in many} | many


def letter(opened):
    if opened.payload_au is None:
        assert opened.reason
        return "m"
    return "X" if opened.verdict.base_intact is Check.NO else "O"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector(path):
    vector = read(path)
    granted = {}
    for line in vector["granted"]:
        bound, name, track_id, key = line.split()
        granted[bytes.fromhex(bound)] = [TrackKey(bytes.fromhex(name), int(track_id), bytes.fromhex(key))]
    opener = Reader(
        [Identity(bytes.fromhex(key)) for key in vector["identity"]],
        Codec(vector["codec"]),
        bytes.fromhex(vector["signing-key"]),
        granted=granted,
    )
    assert "".join(letter(opener.open(bytes.fromhex(au))) for au in vector["au"]) == vector["expect"], vector["why"]
    groups = opener.take_verdicts()
    for question in ("origin", "complete"):
        if f"first-group-{question}" in vector:
            judged = [group for group in groups if group.verdict.origin is not Check.UNKNOWN]
            assert getattr(judged[-1].verdict, question).value == vector[f"first-group-{question}"]


def test_there_are_enough_of_them():
    assert len(FILES) >= 60
