"""The recoverable stream by letters: I and P are access units, and things happen to them on the way.

Letters of a road: `.` arrives, `-` is lost, `2` arrives twice, `s` loses its recovery SEI, `x` has one bit of its
picture flipped, `e` one bit of its sealed originals.
"""

import contextlib
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base.errors import WireError
from wire import nal, sei
from wire.keys import Identity, Kem, SigningKey
from wire.nal import Codec
from wire.recovery import layout, mask_tables, reader, tables, unit_reader
from wire.recovery.layout import Flag, Region
from wire.recovery.mask_tables import MaskTables
from wire.recovery.reader import OTHER_CAMERA, Reader
from wire.recovery.tables import Tables
from wire.recovery.verdict import Check, UnitVerdict
from wire.recovery.writer import BothOf, Writer, union_of

CAMERA_ID = b"camera01"
OFFICER, OTHER, SIGNER = Identity.generate(), Identity.generate(), SigningKey.generate()
IDR = nal.join([b"\x67\x42\x01", b"\x68\x01", b"\x65" + bytes(range(1, 60))])
PERSON = Region(track_id=5, class_=0, level=2, x=2, y=1, w=2, h=4)


def slice_of(number):
    return nal.join([b"\x41" + number.to_bytes(2, "big") + bytes(range(1, 40))])


def payload_of(letter, number):
    """A payload starts with the group of pictures; a dot says that nothing is masked."""
    head = b"\x67\x42\x00\x65" if letter == "I" else b"\x41"
    return nal.join([head + number.to_bytes(2, "big") + b"originals" + bytes(range(200))])


def writer_for(*holders, **options):
    return Writer(CAMERA_ID, Codec.H264, SIGNER, holders or [OFFICER.recipient], columns=12, rows=8, **options)


def protect(writer, letter, number, **options):
    options = {"regions": [PERSON], "payload_idr": letter == "I"} | options
    return writer.protect(
        IDR if letter == "I" else slice_of(number),
        options.pop("payload", payload_of(letter, number)),
        pts_90k=number * 3600,
        utc_us=1_790_000_000_000_000 + number * 40_000,
        idr=letter == "I",
        **options,
    )


def stream(letters, writer=None, **options):
    writer = writer or writer_for()
    return [protect(writer, letter, number, **options) for number, letter in enumerate(letters)]


def reader_for(*identities, key=None):
    return Reader(identities or [OFFICER], Codec.H264, key or SIGNER.public)


def test_what_another_camera_sealed_is_not_opened_whoever_sends_it():
    sent = stream("I..I.")
    for camera_id, opens in ((CAMERA_ID, True), (b"camera02", False), (None, True)):
        reader = Reader([OFFICER], Codec.H264, SIGNER.public, camera_id=camera_id)
        opened = [reader.open(au) for au in sent]
        assert [each.payload_au is not None for each in opened] == [opens] * 5
        assert (reader.content_key is not None) is opens
        if not opens:
            assert {each.reason for each in opened} == {OTHER_CAMERA}
            assert reader.take_verdicts()[0].verdict.origin is Check.NO


def flipped(au, where):
    """One bit of the first slice, or of the recovery SEI's end, where the sealed originals are."""
    raw = bytearray(au)
    for span in nal.spans(au):
        if where == "slice" and Codec.H264.is_vcl(au[span.start : span.end]):
            raw[span.start + 20] ^= 4
            break
        if where == "sei" and Codec.H264.is_sei(au[span.start : span.end]):
            raw[span.end - 40] ^= 4
            break
    return bytes(raw)


def without_sei(au):
    return nal.join(unit for unit in nal.split(au) if not Codec.H264.is_sei(unit))


def travel(aus, road):
    for au, happens in zip(aus, road, strict=True):
        match happens:
            case ".":
                yield au
            case "2":
                yield au
                yield au
            case "s":
                yield without_sei(au)
            case "x":
                yield flipped(au, "slice")
            case "e":
                yield flipped(au, "sei")


@dataclass(frozen=True)
class Case:
    letters: str
    road: str
    shown: str
    why: str


# shown: one letter per access unit that arrives: O originals, m mosaic.
ROADS = [
    Case("IPPPIPP", ".......", "OOOOOOO", "a clean stream"),
    Case("IPPPIPP", "..-....", "OOmOOO", "a lost P: mosaic until the next payload IDR"),
    Case("IPPPIPP", "-......", "mmmOOO", "the key unit was in the lost IDR"),
    Case("IPPPIPP", "....-..", "OOOOmm", "the next IDR lost"),
    Case("IPPPIPP", "..s....", "OOmmOOO", "the SEI stripped once"),
    Case("IPPPIPP", "sssssss", "mmmmmmm", "the SEI stripped by a middle box"),
    Case("IPPPIPP", "..2....", "OOOmmOOO", "an access unit twice: the second is refused, prediction is not trusted"),
    Case("IPPPIPP", "..x....", "OOOOOOO", "a changed picture opens and is reported"),
    Case("IPPPIPP", "..e....", "OOmmOOO", "changed originals do not authenticate"),
    Case("IPPPIPP", "e......", "mmmmOOO", "a changed IDR unit: no start for the payload"),
    Case("IIIII", "..-..", "OOOO", "only IDRs: each stands alone"),
]


@pytest.mark.parametrize("case", ROADS, ids=lambda case: case.why)
def test_the_reader_never_shows_what_it_cannot_vouch_for(case):
    opener = reader_for()
    opened = [opener.open(au) for au in travel(stream(case.letters), case.road)]
    assert "".join("m" if o.payload_au is None else "O" for o in opened) == case.shown
    assert all(o.reason for o in opened if o.payload_au is None)


def test_originals_regions_and_times_come_back():
    moved = Region(5, 0, 2, 3, 1, 2, 4)
    writer = writer_for()
    aus = [protect(writer, "I", 0), protect(writer, "P", 1, regions=[moved]), protect(writer, "P", 2, regions=[])]
    opener = reader_for()
    first, second, third = (opener.open(au) for au in aus)
    assert nal.split(first.payload_au) == nal.split(payload_of("I", 0))
    assert (first.regions, second.regions, third.regions) == ((PERSON,), (moved,), ())
    assert np.array_equal(second.mask, union_of([moved], 12, 8))
    assert not third.mask.any()
    assert (first.payload_idr, second.payload_idr) == (True, False)
    assert (second.pts_90k, second.utc_us) == (3600, 1_790_000_000_040_000)


@pytest.mark.parametrize("codec", Codec)
def test_sei_goes_last_before_the_first_slice(codec):
    first = b"\x65\x01" if codec is Codec.H264 else b"\x26\x01\x01"
    other_sei = b"\x06\x00\x01\x00\x80" if codec is Codec.H264 else b"\x4e\x01\x00\x01\x00\x80"
    head = [b"\x67\x01", b"\x68\x01"] if codec is Codec.H264 else [b"\x40\x01\x01", b"\x42\x01\x01", b"\x44\x01\x01"]
    base = nal.join([*head, other_sei, first, first])
    au = Writer(CAMERA_ID, codec, SIGNER, [OFFICER.recipient], columns=4, rows=4).protect(
        base, b"", pts_90k=0, utc_us=0, idr=True
    )
    kept = [unit for unit in nal.split(au) if not codec.is_sei(unit) or unit == other_sei]
    assert nal.join(kept) == base
    added = next(i for i, unit in enumerate(nal.split(au)) if codec.is_sei(unit) and unit != other_sei)
    assert added == len(head) + 1


def test_exactly_the_altered_access_unit_is_flagged():
    letters = "IPPPIPP"
    for at in range(len(letters)):
        road = "".join("x" if i == at else "." for i in range(len(letters)))
        opener = reader_for()
        opened = [opener.open(au) for au in travel(stream(letters), road)]
        assert [i for i, o in enumerate(opened) if o.verdict.base_intact is Check.NO] == [at]
        assert opened[at].reason == reader.BASE_ALTERED


@pytest.mark.parametrize("bit", range(0, 60 * 8, 37))
def test_any_bit_of_a_slice_counts(bit):
    au = stream("I")[0]
    span = next(s for s in nal.spans(au) if Codec.H264.is_vcl(au[s.start : s.end]))
    raw = bytearray(au)
    raw[span.start + 1 + bit // 8 % 58] ^= 1 << bit % 8
    assert reader_for().open(bytes(raw)).verdict.base_intact is not Check.YES


@pytest.mark.parametrize("identities", [[], [OTHER], [OTHER, Identity.generate(Kem.MLKEM768_X25519)]])
def test_wrong_key_or_none_opens_nothing_and_still_judges(identities):
    opener = Reader(identities, Codec.H264, SIGNER.public)
    opened = [opener.open(au) for au in stream("IPPIPPI")]
    assert all(o.payload_au is None and o.mask is None and not o.regions for o in opened)
    assert {o.reason for o in opened} == {reader.NOT_A_RECIPIENT}
    verdicts = opener.take_verdicts()
    assert [v.verdict for v in verdicts] == [UnitVerdict(Check.UNKNOWN, Check.YES, Check.YES, Check.YES)] * 2


def test_every_recipient_opens_and_a_dropped_one_does_not():
    second = Identity.generate(Kem.MLKEM768_X25519)
    writer = writer_for(OFFICER.recipient, second.recipient)
    aus = stream("IPP", writer)
    writer.recipients = (second.recipient,)
    aus += stream("PIP", writer)
    shown = {}
    for identity in (OFFICER, second):
        opener = reader_for(identity)
        shown[identity] = "".join("m" if opener.open(au).payload_au is None else "O" for au in aus)
    assert shown == {OFFICER: "OOOOmm", second: "OOOOOO"}


def test_dual_control_wants_both():
    first, second = Identity.generate(), Identity.generate()
    aus = stream("IP", writer_for(BothOf(first.recipient, second.recipient)))
    for held, opens in (([first], False), ([second], False), ([second, first], True)):
        opener = Reader(held, Codec.H264)
        assert [opener.open(au).payload_au is not None for au in aus] == [opens, opens]


def test_verdicts_of_a_clean_stream():
    opener = reader_for()
    for au in stream("IPPIP", regions=[PERSON]):
        opener.open(au)
    whole, last = opener.finish()
    assert whole.verdict == UnitVerdict(Check.YES, Check.YES, Check.YES, Check.YES)
    assert (whole.frames_seen, whole.frames_signed, whole.masked_frames) == (3, 3, 3)
    assert last.verdict == UnitVerdict(Check.YES, Check.YES, Check.UNKNOWN, Check.UNKNOWN)


@pytest.mark.parametrize(
    ("road", "expected"),
    [
        ("..x....", UnitVerdict(Check.YES, Check.NO, Check.YES, Check.NO)),
        ("..-....", UnitVerdict(Check.YES, Check.YES, Check.NO, Check.YES)),
        ("..s....", UnitVerdict(Check.YES, Check.YES, Check.NO, Check.YES)),
        ("..e....", UnitVerdict(Check.NO, Check.UNKNOWN, Check.YES, Check.NO)),
    ],
)
def test_the_four_verdicts_are_separate(road, expected):
    opener = reader_for()
    for au in travel(stream("IPPPIPP"), road):
        opener.open(au)
    assert opener.take_verdicts()[0].verdict == expected


def test_a_foreign_signature_is_no_origin():
    opener = reader_for(key=SigningKey.generate().public)
    for au in stream("IPIP"):
        opener.open(au)
    (verdict,) = opener.take_verdicts()
    assert verdict.verdict.origin is Check.NO
    assert verdict.verdict.base_intact is Check.YES


def test_a_removed_group_breaks_the_chain():
    aus = stream("IPIPIPIP")
    opener = reader_for()
    for au in aus[:2] + aus[4:]:
        opener.open(au)
    verdicts = opener.take_verdicts()
    assert [v.verdict.origin for v in verdicts] == [Check.UNKNOWN, Check.YES]
    assert [v.verdict.complete for v in verdicts] == [Check.UNKNOWN, Check.NO]


def test_public_leaves_find_the_altered_access_unit_without_a_key():
    opener = Reader([], Codec.H264, SIGNER.public)
    for au in travel(stream("IPPPPI", writer_for(public_leaves=True)), "...x.."):
        opener.open(au)
    (verdict,) = opener.take_verdicts()
    assert verdict.altered == (3,)
    assert verdict.verdict.origin is Check.NO


def test_a_restarted_camera_goes_on():
    opener = reader_for()
    shown = [opener.open(au) for au in stream("IPP") + stream("IPP")]
    assert all(o.payload_au is not None for o in shown)
    assert shown[3].verdict.complete is Check.NO


def test_a_clock_set_back_is_told():
    writer, opener = writer_for(), reader_for()
    opener.open(protect(writer, "I", 100))
    opened = opener.open(protect(writer, "P", 1))
    assert opened.payload_au is not None
    assert "clock" in opened.reason


def test_a_payload_may_start_in_the_middle_of_a_group():
    writer, opener = writer_for(), reader_for()
    empty = {"payload": b"", "regions": [], "payload_idr": False}
    aus = [
        protect(writer, "I", 0, **empty),
        protect(writer, "P", 1, **empty),
        protect(writer, "P", 2, payload_idr=True),
        protect(writer, "P", 3),
    ]
    opened = [opener.open(au) for au in aus]
    assert [o.payload_au == b"" for o in opened] == [True, True, False, False]
    late = reader_for()
    late.open(aus[0])
    assert [late.open(au).payload_au is not None for au in aus[2:]] == [True, True]


def test_padding_hides_the_length():
    writer = writer_for(pad_to=256)
    sizes, opened, opener = set(), [], reader_for()
    for number, extra in enumerate((1, 90)):
        payload = nal.join([b"\x65" + b"\x07" * extra])
        au = protect(writer, "IP"[number], number, payload=payload)
        unit = next(u for u in nal.split(au) if Codec.H264.is_sei(u))
        frame = [unit_reader.parse(m.payload) for m in sei.read(unit, Codec.H264)][-1]
        sizes.add(len(frame.sealed) - layout.TAG_BYTES)
        opened.append(nal.split(opener.open(au).payload_au) == nal.split(payload))
    assert sizes == {256}
    assert opened == [True, True]


def test_the_camera_seals_to_nobody_when_it_has_no_recipient():
    opener = reader_for()
    writer = Writer(CAMERA_ID, Codec.H264, SIGNER, [], columns=12, rows=8)
    assert opener.open(protect(writer, "I", 0)).payload_au is None


def test_a_writer_refuses_nonsense():
    with pytest.raises(ValueError, match="IDR"):
        protect(writer_for(), "P", 0)
    with pytest.raises(ValueError, match="no slice"):
        writer_for().protect(b"", b"", pts_90k=0, utc_us=0, idr=True)
    with pytest.raises(ValueError, match="8 bytes"):
        Writer(b"short", Codec.H264, SIGNER, [], columns=1, rows=1)
    with pytest.raises(WireError, match="leaves the picture"):
        protect(writer_for(), "I", 0, regions=[Region(1, 0, 0, 11, 0, 2, 1)])
    with pytest.raises(WireError, match="picture of"):
        protect(writer_for(), "I", 0, mask=np.zeros((3, 3), bool))


GOOD = stream("IPIP")


@given(st.binary(max_size=600), st.integers(0, 3))
def test_reading_is_total_over_random_bytes(noise, at):
    opener = reader_for()
    opener.open(GOOD[0])
    user_data = nal.join([sei.write([sei.UserData(layout.UUID, noise)], Codec.H264)])
    for attempt in (noise, nal.join([b"\x06\x05" + noise]), user_data + slice_of(1), GOOD[at] + noise):
        opened = opener.open(attempt)
        assert opened.reason or opened.payload_au is not None


@settings(max_examples=300)
@given(st.integers(0, 3), st.integers(0), st.integers(1, 255))
def test_a_mutated_stream_shows_true_originals_or_a_reason(at, where, change):
    opener = reader_for()
    for i, au in enumerate(GOOD):
        raw = bytearray(au)
        if i == at:
            raw[where % len(raw)] ^= change
        opened = opener.open(bytes(raw))
        if opened.payload_au is not None:
            assert opened.payload_au in {payload_of("I", i), payload_of("P", i)}
            assert np.array_equal(opened.mask, union_of([PERSON], 12, 8))
        else:
            assert opened.reason


@given(st.binary(max_size=200))
def test_units_parse_totally(data):
    for kind in (b"", b"\x01\x02", b"\x02\x02", b"\x03\x02"):
        with contextlib.suppress(WireError):
            assert isinstance(unit_reader.parse(kind + data), unit_reader.Unit)


MASKS = st.lists(st.integers(0, 95), max_size=40).map(lambda on: np.isin(np.arange(96), on).reshape(8, 12))
REGIONS = st.lists(
    st.builds(
        Region,
        st.integers(0, 2**32 - 1), st.integers(0, 15), st.integers(0, 15),
        st.integers(0, 5), st.integers(0, 3), st.integers(1, 6), st.integers(1, 4),
    ),
    max_size=8,
    unique_by=lambda region: region.track_id,
)  # fmt: skip


@given(st.lists(st.tuples(MASKS, REGIONS), min_size=1, max_size=6))
def test_tables_follow_each_other(history):
    written, read = MaskTables.nothing(12, 8), None
    for number, (mask, regions) in enumerate(history):
        after = written.then(mask, regions)
        sent = mask_tables.write(written, after, whole=number == 0)
        read, size = tables.decode(read, sent + b"payload")
        assert size == len(sent)
        assert np.array_equal(read.mask, mask)
        assert set(read.regions) == set(regions)
        written = after


@given(st.binary(max_size=80), st.booleans())
def test_tables_are_total(data, known):
    with contextlib.suppress(WireError):
        read, size = tables.decode(Tables(np.zeros((8, 12), bool)) if known else None, data)
        assert size <= len(data)
        assert read.mask.size <= 2**20


def test_a_walking_person_costs_a_few_bytes():
    before = MaskTables.nothing(48, 36).then(
        union_of([Region(7, 0, 2, 10, 10, 3, 6)], 48, 36), [Region(7, 0, 2, 10, 10, 3, 6)]
    )
    moved = Region(7, 0, 2, 11, 10, 3, 6)
    assert len(mask_tables.write(before, before.then(union_of([moved], 48, 36), [moved]), whole=False)) <= 11


def test_flags_are_the_known_ones():
    assert sum(Flag) == layout.KNOWN_FLAGS
