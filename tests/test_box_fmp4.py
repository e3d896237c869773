"""fMP4 as the box writes and reads it: fragments, time, codec names, the GOP index; total over any bytes."""

import contextlib

import av
import pytest
from box_fakes import plain_h264
from hypothesis import given
from hypothesis import strategies as st

from base.errors import Truncated, WireError
from nvr_box.record import fmp4, gop_index
from nvr_box.record.media_segment import Timeline
from nvr_box.record.muxer import Muxer


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """(init, [(fragment, bytes)]) of 60 pictures with a key frame every 25."""
    path = plain_h264(tmp_path_factory.mktemp("fmp4") / "a.h264", 60)
    done = []
    with av.open(str(path)) as container:
        muxer = Muxer(container.streams.video[0])
        for number, packet in enumerate(each for each in container.demux() if each.size):
            done += muxer.feed(packet, number * 3600, number * 3600, 3600)
        done += muxer.finish()
    return muxer.init, done, muxer.mime


def test_a_fragment_begins_at_every_key_frame_and_lasts_a_quarter_second_at_most(file):
    _init, done, mime = file
    assert mime.startswith('video/mp4; codecs="avc1.')
    assert [f.time_90k for f, _ in done if f.key] == [0, 25 * 3600, 50 * 3600]
    assert max(f.duration_90k for f, _ in done) <= 90_000 * 3 // 10
    at = 0
    for fragment, data in done:
        assert fragment.time_90k == at
        assert len(data) == fragment.size
        at += fragment.duration_90k
    assert at == 60 * 3600


def test_what_was_written_is_found_again_and_plays(file, tmp_path):
    init, done, _ = file
    whole = init + b"".join(data for _, data in done)
    assert [f.offset for f in fmp4.fragments(whole, fmp4.init_size(whole))] == [f.offset for f, _ in done]
    path = tmp_path / "a.mp4"
    path.write_bytes(whole)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 60


def test_a_cut_file_gives_its_whole_fragments(file):
    init, done, _ = file
    whole = init + b"".join(data for _, data in done)
    last = done[-1][0]
    for cut in (last.offset + last.size - 1, last.offset + 40, last.offset):
        found = list(fmp4.fragments(whole[:cut], len(init)))
        assert len(found) == len(done) - 1


def test_retimed_moves_only_the_decode_time(file):
    _, done, _ = file
    fragment, data = done[3]
    moved = fmp4.retimed(data, fragment, 123_456_789_012)
    assert next(fmp4.fragments(moved, 0)).time_90k == 123_456_789_012
    assert moved[: fragment.time_at] + moved[fragment.time_at + 8 :] == (
        data[: fragment.time_at] + data[fragment.time_at + 8 :]
    )


def test_a_timeline_joins_segments_that_meet_keeps_gaps_and_never_runs_back(file):
    init, done, mime = file
    first, data = done[0]
    line = Timeline()
    assert line.begin(init, mime, 0).mime == mime
    assert line.place(1_000_000_000, first, data).start_s == 0
    length = first.duration_90k / 90_000
    assert line.begin(init, mime, 0) is None
    meets = line.place(1_000_000_000 + int(length * 1e6) + 20_000, first, data)
    assert meets.start_s == pytest.approx(length)
    gap = line.place(1_000_000_000 + 60_000_000, first, data)
    assert gap.start_s == pytest.approx(60.0)
    back = line.place(1_000_000_000, first, data)
    assert back.start_s == pytest.approx(60.0 + length)


@given(st.binary(max_size=400))
def test_any_bytes_give_fragments_or_a_wire_error(junk):
    try:
        list(fmp4.fragments(junk, 0))
        fmp4.init_size(junk)
    except WireError:
        pass


@given(st.integers(0, 5000), st.binary(min_size=1, max_size=4))
def test_a_damaged_fragment_gives_fragments_or_a_wire_error(file, at, junk):
    _, done, _ = file
    data = done[0][1] + done[1][1]
    at %= len(data)
    with contextlib.suppress(WireError):
        list(fmp4.fragments(data[:at] + junk + data[at + len(junk) :], 0))


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=50))
def test_the_gop_index_keeps_every_key_frame(steps):
    keys, time, offset = [], 0, 0
    for more_time, more_offset in steps:
        time, offset = time + more_time, offset + more_offset
        keys.append((time, offset))
    assert gop_index.unpack(gop_index.pack(keys)) == tuple(keys)


@given(st.binary(max_size=60))
def test_any_bytes_give_an_index_or_a_wire_error(junk):
    with contextlib.suppress(WireError):
        gop_index.unpack(junk)


def test_an_index_that_ends_inside_an_entry_says_so():
    with pytest.raises(Truncated):
        gop_index.unpack(gop_index.pack([(300, 5000)])[:-1])


@pytest.mark.parametrize(
    ("record", "codec"),
    [
        (b"avcC\x01\x64\x00\x28", "avc1.640028"),
        # Main, level 3.1, as x265 writes it.
        (b"hvcC\x01\x01\x60\x00\x00\x00\x90\x00\x00\x00\x00\x00\x5d" + bytes(10), "hvc1.1.6.L93.90"),
    ],
)
def test_the_codec_is_named_as_browsers_want_it(record, codec):
    assert fmp4.mime(b"\0\0\0\0" + record) == f'video/mp4; codecs="{codec}"'
