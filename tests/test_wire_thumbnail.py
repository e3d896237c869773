"""The recoverable thumbnail: the vectors of `wire/thumbnail.md`, any byte string, wrong keys, the command."""

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import WireError
from wire import hold, keys, thumbnail
from wire.keys import Identity, Kem, SigningKey
from wire.recovery.verdict import Check
from wire.recovery.writer import BothOf
from wire.thumbnail import Label, holders_of, open_sealed, parse, seal

FILES = sorted((Path(__file__).parent / "vectors" / "thumbnail").glob("*.txt"))
CAMERA = SigningKey.generate()
OPERATOR, OTHER = Identity.generate(), Identity.generate()
LABEL = Label(keys.key_id(CAMERA.public), 7, 1_790_000_001_500, (8000, 7000, 50_000, 52_000))


def jpeg(bright, size=(32, 16)):
    noise = np.random.default_rng(bright).integers(0, 40, (*size, 3))
    return cv2.imencode(".jpg", (noise + bright).astype(np.uint8))[1].tobytes()


MASKED, CLEAR = jpeg(100), jpeg(180)
WHOLE = seal(MASKED, CLEAR, LABEL, [OPERATOR.recipient], CAMERA)


def read(path):
    lines = [line.split(": ", 1) for line in path.read_text().splitlines()]
    return dict(lines) | {"identity": [value for key, value in lines if key == "identity"]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector(path):
    vector = read(path)
    identities = [Identity(bytes.fromhex(key)) for key in vector["identity"]]
    data = bytes.fromhex(vector["jpeg"])
    opened = open_sealed(data, identities, bytes.fromhex(vector["signing-key"]))
    if vector["expect"] == "clear":
        assert (opened.clear, opened.reason) == (bytes.fromhex(vector["clear"]), "")
        assert (opened.authentic, opened.origin) == (Check.YES, Check.YES)
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    else:
        assert opened.clear is None
        assert opened.reason.startswith(vector["expect"]), vector["why"]


def test_there_are_enough_of_them():
    assert len(FILES) >= 20


def test_every_viewer_shows_it_masked_and_the_key_holder_gets_the_original():
    shown, masked = (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in (WHOLE, MASKED))
    assert np.array_equal(shown, masked)
    assert parse(WHOLE).masked == MASKED
    opened = open_sealed(WHOLE, [OTHER, OPERATOR], CAMERA.public)
    assert (opened.clear, opened.label) == (CLEAR, LABEL)
    assert CLEAR not in WHOLE


def test_a_wrong_key_shows_the_mask_and_says_why():
    opened = open_sealed(WHOLE, [OTHER], CAMERA.public)
    assert (opened.masked, opened.clear, opened.reason) == (MASKED, None, thumbnail.NOT_A_RECIPIENT)
    assert opened.origin is Check.YES, "who holds no key can still tell whose it is"


def test_without_the_cameras_key_origin_is_unknown_and_altered_bytes_stay_masked():
    assert open_sealed(WHOLE, [OPERATOR]).origin is Check.UNKNOWN
    altered = bytearray(WHOLE)
    altered[-4] ^= 1
    opened = open_sealed(bytes(altered), [OPERATOR])
    assert (opened.clear, opened.reason) == (None, thumbnail.NOT_AUTHENTIC)


def test_hybrid_keys_and_two_together_open_too():
    hybrid = Identity.generate(Kem.MLKEM768_X25519)
    data = seal(MASKED, CLEAR, LABEL, [hybrid.recipient, BothOf(OPERATOR.recipient, OTHER.recipient)], CAMERA)
    assert open_sealed(data, [hybrid]).clear == CLEAR
    assert open_sealed(data, [OPERATOR, OTHER]).clear == CLEAR
    assert open_sealed(data, [OPERATOR]).reason == thumbnail.NOT_A_RECIPIENT
    unit = parse(data).unit
    assert unit is not None
    assert holders_of(unit) == (hybrid.kid, OPERATOR.kid, OTHER.kid)


def test_a_case_keeps_one_thumbnail_open_when_no_key_of_it_is_left():
    case = Identity.generate()
    kept = thumbnail.content_key(WHOLE, [OPERATOR])
    assert thumbnail.content_key(WHOLE, [OTHER]) is None
    assert thumbnail.content_key(b"no picture", [OPERATOR]) is thumbnail.content_key(MASKED, [OPERATOR]) is None
    held = hold.unseal(hold.seal([kept], case.recipient), case)
    other = seal(MASKED, CLEAR, LABEL, [OPERATOR.recipient], CAMERA)
    assert open_sealed(WHOLE, [], CAMERA.public, held=held).clear == CLEAR
    assert open_sealed(other, [], CAMERA.public, held=held).reason == thumbnail.NOT_A_RECIPIENT


def test_what_does_not_fit_a_segment_cannot_be_sealed():
    with pytest.raises(WireError, match="a segment holds"):
        seal(MASKED, bytes(65_500), LABEL, [OPERATOR.recipient], CAMERA)
    with pytest.raises(WireError, match="not a JPEG"):
        seal(b"picture", CLEAR, LABEL, [OPERATOR.recipient], CAMERA)
    with pytest.raises(WireError, match="at most"):
        parse(WHOLE + bytes(thumbnail.MAX_BYTES))


@given(st.binary(max_size=400), st.integers(0, len(WHOLE)))
def test_parsing_is_total(data, at):
    for attempt in (data, b"\xff\xd8" + data, WHOLE[:at] + data, WHOLE[:at] + data + WHOLE[at:]):
        with contextlib.suppress(WireError):
            parse(attempt)
        opened = open_sealed(attempt, [OPERATOR], CAMERA.public)
        assert opened.clear in (None, CLEAR)
        assert opened.clear is not None or opened.reason


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7))
def test_no_bit_can_be_changed_unnoticed(at, bit):
    raw = bytearray(WHOLE)
    raw[at] ^= 1 << bit
    opened = open_sealed(bytes(raw), [OPERATOR], CAMERA.public)
    assert opened.clear is None
    assert opened.reason


def test_the_command_writes_the_original_or_the_mask(tmp_path, monkeypatch, capsys):
    source, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    source.write_bytes(WHOLE)
    keys.save(tmp_path / "ours", OPERATOR, None)
    keys.save(tmp_path / "other", OTHER, None)

    def run(*words):
        monkeypatch.setattr("sys.argv", ["wire.thumbnail", *map(str, words)])
        return thumbnail.main()

    assert run(source, "--identity", tmp_path / "ours", "--signing-key", CAMERA.public.hex(), out) == 0
    assert out.read_bytes() == CLEAR
    assert "packet 7, origin yes" in capsys.readouterr().out
    assert run(source, "--identity", tmp_path / "other", out) == 1
    assert out.read_bytes() == MASKED
    assert thumbnail.NOT_A_RECIPIENT in capsys.readouterr().err
    assert run(tmp_path / "none", "--identity", tmp_path / "ours", out) == 2
