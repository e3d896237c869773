"""NAL units, SEI and the canonical hash: examples from the standards' rules, and every byte string."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import Truncated, WireError
from wire import nal, sei
from wire.nal import Codec

UUID = bytes(range(16))
ANY = st.binary(max_size=400)
MANY_ZEROS = st.lists(st.sampled_from([b"\x00", b"\x00\x00", b"\x01", b"\x03", b"\x02", b"\xff"]), max_size=60).map(
    b"".join
)


@pytest.mark.parametrize(
    ("rbsp", "ebsp"),
    [
        (b"\x00\x00\x00", b"\x00\x00\x03\x00\x03"),
        (b"\x00\x00\x01\x80", b"\x00\x00\x03\x01\x80"),
        (b"\x00\x00\x02\x80", b"\x00\x00\x03\x02\x80"),
        (b"\x00\x00\x03\x80", b"\x00\x00\x03\x03\x80"),
        (b"\x00\x00\x04\x80", b"\x00\x00\x04\x80"),
        (b"\x00\x00\x00\x00\x00\x80", b"\x00\x00\x03\x00\x00\x03\x00\x80"),
        (b"\x80", b"\x80"),
        (b"", b""),
    ],
)
def test_emulation_prevention_is_what_the_standard_says(rbsp, ebsp):
    assert nal.escape(rbsp) == ebsp


@given(ANY | MANY_ZEROS)
def test_escaped_bytes_hold_no_start_code_and_come_back(rbsp):
    escaped = nal.escape(b"\x06" + rbsp)
    assert not any(pattern in escaped for pattern in (b"\x00\x00\x00", b"\x00\x00\x01", b"\x00\x00\x02"))
    assert nal.unescape(escaped).rstrip(b"\x03") == (b"\x06" + rbsp).rstrip(b"\x03")


@given(st.lists(ANY | MANY_ZEROS))
def test_split_undoes_join(bodies):
    nals = [nal.escape(b"\x65" + body + b"\x80") for body in bodies]
    assert nal.split(nal.join(nals)) == nals
    stream = nal.join(nals)
    assert [stream[s.start : s.end] for s in nal.spans(stream)] == nals


@given(ANY | MANY_ZEROS)
def test_split_takes_any_bytes_and_agrees_with_spans(stream):
    assert nal.split(stream) == [stream[s.start : s.end] for s in nal.spans(stream)]


def test_the_hash_ignores_what_multiplexers_do():
    slices = [b"\x65\x11\x22", b"\x65\x33"]
    plain = nal.vcl_hash(slices, Codec.H264)
    moved = [b"\x09\xf0", b"\x67\x42", b"\x68\x01", b"\x06\x05\x01\x00\x80", b"\x65\x11\x22\x00\x00", b"\x65\x33\x00"]
    assert nal.vcl_hash(moved, Codec.H264) == plain
    assert nal.vcl_hash([b"\x65\x11", b"\x22\x65\x33"], Codec.H264) != plain
    assert nal.vcl_hash([b"\x65\x11\x22\x65\x33"], Codec.H264) != plain


@pytest.mark.parametrize(
    ("codec", "head", "kind"),
    [
        (Codec.H264, b"\x65", "vcl idr"),
        (Codec.H264, b"\x41", "vcl"),
        (Codec.H264, b"\x06", "sei"),
        (Codec.H264, b"\x67", "parameters"),
        (Codec.H264, b"\x09", ""),
        (Codec.H265, b"\x26\x01", "vcl idr"),
        (Codec.H265, b"\x02\x01", "vcl"),
        (Codec.H265, b"\x4e\x01", "sei"),
        (Codec.H265, b"\x50\x01", "sei"),
        (Codec.H265, b"\x40\x01", "parameters"),
        (Codec.H265, b"\x26", ""),
    ],
)
def test_types(codec, head, kind):
    asked = {"vcl": codec.is_vcl, "idr": codec.is_idr, "sei": codec.is_sei, "parameters": codec.is_parameter_set}
    assert [name for name, ask in asked.items() if ask(head)] == kind.split()


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("suffix", [False, True])
@pytest.mark.parametrize("size", [0, 1, 238, 239, 240, 493, 494, 495, 100_000])
def test_sei_comes_back_at_every_length_boundary(codec, suffix, size):
    messages = [sei.UserData(UUID, bytes(size)), sei.UserData(UUID[::-1], b"\x00\x00\x01")]
    unit = sei.write(messages, codec, suffix=suffix)
    assert codec.is_sei(unit)
    assert nal.split(nal.join([unit])) == [unit]
    assert list(sei.read(unit, codec)) == messages


def test_sei_of_other_types_is_passed_over():
    assert list(sei.read(b"\x06\x01\x02\xaa\xbb\x05\x10" + UUID + b"\x80", Codec.H264)) == [sei.UserData(UUID, b"")]


@pytest.mark.parametrize(
    ("unit", "error"),
    [
        (b"\x65\x00", WireError),
        (b"\x06\x05\x20" + UUID + b"\x80", Truncated),
        (b"\x06\x05\x04\x01\x02\x03\x04\x80", WireError),
        (b"\x06\xff\xff\x80", Truncated),
    ],
)
def test_broken_sei_is_refused(unit, error):
    with pytest.raises(error):
        list(sei.read(unit, Codec.H264))


@given(ANY, st.sampled_from(Codec))
def test_sei_reading_is_total(body, codec):
    header = b"\x06" if codec is Codec.H264 else b"\x4e\x01"
    for unit in (body, header + body):
        with contextlib.suppress(WireError):
            list(sei.read(unit, codec))


@given(ANY)
def test_length_prefixed_samples_are_total(sample):
    assert all(nal.split(nal.from_length_prefixed(sample)))


def test_length_prefixed_samples_become_annex_b():
    assert nal.from_length_prefixed(b"\x00\x00\x00\x02\x67\x01\x00\x00\x00\x01\x65") == nal.join([b"\x67\x01", b"\x65"])
