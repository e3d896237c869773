"""Encoders, writer, reader and composer together, on pictures; other people's decoders judge the masked view."""

import hashlib
import subprocess

import av
import numpy as np
import pytest
from wire_scene import (
    GOP,
    H264,
    HEIGHT,
    OFFICER,
    PAIRS,
    PICTURES,
    RATE,
    SIGNER,
    WIDTH,
    db,
    pixels,
    protected,
    scene,
    without_sei,
)

from firmware.encode.pair import Start
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.recoverable import PlainEncoder, RecoverableEncoder
from firmware.encode.settings import EncoderSettings
from wire import nal
from wire.compose import Composer, PictureDecoder
from wire.keys import Identity
from wire.nal import Codec
from wire.recovery import reader
from wire.recovery.reader import Reader
from wire.recovery.verdict import Check

AVDEC = {Codec.H264: ("h264parse", "avdec_h264"), Codec.H265: ("h265parse", "avdec_h265")}
OTHER = {Codec.H264: ("h264parse", "openh264dec"), Codec.H265: ("h265parse", "libde265dec")}


@pytest.fixture(scope="module", params=PAIRS, ids=str)
def pair(request):
    settings = PAIRS[request.param]
    return settings, protected(settings)


def test_every_picture_comes_back_with_its_originals(pair):
    settings, units = pair
    opener, composer = Reader([OFFICER], settings.base, SIGNER.public), Composer(settings.base)
    for unit, (clear, masked, mask) in zip(units, scene(), strict=True):
        opened = opener.open(unit.data)
        composed = composer.compose(unit.data, opened)
        assert composed.revealed, opened.reason
        inside = pixels(mask)
        assert db(composed.i420[:HEIGHT][inside], clear[:HEIGHT][inside]) > 28
        assert db(composed.i420[:HEIGHT][~inside], masked[:HEIGHT][~inside]) > 28
    assert all(verdict.verdict.base_intact is Check.YES for verdict in opener.finish())


def test_the_masked_view_does_not_show_the_figure(pair):
    settings, units = pair
    decoder = PictureDecoder(settings.base)
    for unit, (clear, masked, mask) in zip(units, scene(), strict=True):
        shown = decoder.decode(unit.data)[:HEIGHT][pixels(mask)]
        assert db(shown, masked[:HEIGHT][pixels(mask)]) > db(shown, clear[:HEIGHT][pixels(mask)]) + 12


def test_recovery_works_from_every_idr(pair):
    settings, units = pair
    starts = [i for i, unit in enumerate(units) if unit.idr]
    assert starts == list(range(0, PICTURES, GOP))
    for start in starts:
        opener, composer = Reader([OFFICER], settings.base), Composer(settings.base)
        assert all(composer.compose(u.data, opener.open(u.data)).revealed for u in units[start:])


def test_joining_between_shows_the_mosaic_until_the_next_idr(pair):
    settings, units = pair
    opener, composer = Reader([OFFICER], settings.base), Composer(settings.base)
    shown = [composer.compose(u.data, opener.open(u.data)) for u in units[GOP + 2 :]]
    assert not any(c and c.revealed for c in shown[: GOP - 2])
    assert all(c and c.revealed for c in shown[GOP - 2 :])


def test_a_wrong_key_recovers_nothing(pair):
    settings, units = pair
    opener, composer = Reader([Identity.generate()], settings.base), Composer(settings.base)
    plain = PictureDecoder(settings.base)
    for unit in units:
        opened = opener.open(unit.data)
        assert (opened.payload_au, opened.mask, opened.reason) == (None, None, reader.NOT_A_RECIPIENT)
        composed = composer.compose(unit.data, opened)
        assert not composed.revealed
        assert np.array_equal(composed.i420, plain.decode(without_sei(unit.data, settings.base)))


def test_one_flipped_bit_is_flagged_on_exactly_that_access_unit(pair):
    settings, units = pair
    for at in range(0, PICTURES, 3):
        opener = Reader([OFFICER], settings.base)
        flagged = []
        for number, unit in enumerate(units):
            data = bytearray(unit.data)
            if number == at:
                span = [s for s in nal.spans(unit.data) if settings.base.is_vcl(unit.data[s.start : s.end])][-1]
                data[(span.start + 3 + span.end) // 2] ^= 16
            flagged += [number] if opener.open(bytes(data)).verdict.base_intact is Check.NO else []
        assert flagged == [at]


def test_a_lost_access_unit_is_a_mosaic_and_never_a_wrong_picture(pair):
    settings, units = pair
    opener, composer = Reader([OFFICER], settings.base), Composer(settings.base)
    kept = [(unit, parts) for i, (unit, parts) in enumerate(zip(units, scene(), strict=True)) if i != GOP + 1]
    for number, (unit, (clear, _, mask)) in enumerate(kept):
        composed = composer.compose(unit.data, opener.open(unit.data))
        lost = GOP + 1 <= number < 2 * GOP - 1
        assert composed is None or composed.revealed is not lost
        if composed and composed.revealed:
            assert db(composed.i420[:HEIGHT][pixels(mask)], clear[:HEIGHT][pixels(mask)]) > 28


def decoded_by_gstreamer(stream, parser, decoder, path):
    path.write_bytes(stream)
    command = (
        f"gst-launch-1.0 -q filesrc location={path} ! {parser} ! {decoder} ! videoconvert ! video/x-raw,format=I420 ! "
    )
    done = subprocess.run(
        [*command.split(), "filesink", f"location={path}.yuv"], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    pictures = (path.parent / f"{path.name}.yuv").read_bytes()
    assert len(pictures) == PICTURES * WIDTH * HEIGHT * 3 // 2
    return hashlib.sha256(pictures).hexdigest()


def decoded_by_libavcodec(stream, codec):
    context = av.CodecContext.create(codec.value, "r")
    frames = [frame for packet in context.parse(stream) for frame in context.decode(packet)]
    frames += [frame for packet in context.parse(None) for frame in context.decode(packet)] + context.decode(None)
    pictures = b"".join(frame.to_ndarray(format="yuv420p").tobytes() for frame in frames)
    assert len(frames) == PICTURES
    return hashlib.sha256(pictures).hexdigest()


def test_the_masked_view_is_bit_exact_with_and_without_sei(pair, tmp_path):
    settings, units = pair
    whole = b"".join(unit.data for unit in units)
    bare = b"".join(without_sei(unit.data, settings.base) for unit in units)
    assert len(whole) > len(bare) + PICTURES * 80
    expected = decoded_by_libavcodec(bare, settings.base)
    assert decoded_by_libavcodec(whole, settings.base) == expected
    for parser, decoder in (AVDEC[settings.base], OTHER[settings.base]):
        assert decoded_by_gstreamer(whole, parser, decoder, tmp_path / f"{decoder}.bin") == expected, decoder


def test_one_picture_in_is_one_access_unit_out(pair):
    settings, units = pair
    assert len(units) == PICTURES
    for unit in units:
        slices = [n for n in nal.split(unit.data) if settings.base.is_vcl(n)]
        assert len(slices) == settings.threads


def test_starts_are_what_the_encoders_allow():
    def start(settings):
        encoder = RecoverableEncoder(WIDTH, HEIGHT, RATE, settings)
        encoder.close()
        return encoder.start

    assert start(PAIRS["h264, exact start"]) is Start.EXACT
    assert start(PAIRS["h264, careful payload"]) is Start.NEAR
    assert start(PAIRS["h264, own start"]) is Start.OWN
    assert start(PAIRS["h264 with h265 payload"]) is Start.OWN
    assert start(PAIRS["h264, bit rate"]) is Start.NEAR
    assert start(EncoderSettings(bitrate_bps=600_000, shared_idr=False)) is Start.OWN


def test_nothing_masked_costs_nothing():
    encoder = RecoverableEncoder(WIDTH, HEIGHT, RATE, H264)
    none = np.zeros((HEIGHT // 16, WIDTH // 16), bool)
    coded = [encoder.encode(clear, clear, none) for clear, _, _ in scene(GOP + 1)]
    encoder.close()
    assert all(c.payload_au == b"" and not c.payload_idr for c in coded)
    assert [c.idr for c in coded] == [True, *[False] * (GOP - 1), True]


@pytest.mark.parametrize("settings", [H264, PAIRS["h264, careful payload"], PAIRS["h264, own start"]])
def test_somebody_who_appears_in_the_middle_of_a_group_comes_back(settings):
    encoder = ProtectedEncoder(
        WIDTH, HEIGHT, RATE, settings, camera_id=b"camera01", signer=SIGNER, recipients=[OFFICER.recipient]
    )
    opener, composer = Reader([OFFICER], Codec.H264), Composer(Codec.H264)
    none = np.zeros((HEIGHT // 16, WIDTH // 16), bool)
    for number, (clear, masked, mask) in enumerate(scene(2 * GOP)):
        empty = number < 3 or number == 5
        unit = encoder.encode(clear if empty else masked, clear, none if empty else mask, [],
                              pts_90k=number, utc_us=number, idr=False)  # fmt: skip
        composed = composer.compose(unit.data, opener.open(unit.data))
        assert composed.revealed
        assert db(composed.i420[:HEIGHT], clear[:HEIGHT]) > 28
    encoder.close()


def test_an_idr_on_demand_moves_the_group():
    units = protected(H264, 10, idr_at={4})
    assert [i for i, unit in enumerate(units) if unit.idr] == [0, 4]


def test_settings_and_recipients_change_at_an_idr():
    encoder = ProtectedEncoder(
        WIDTH, HEIGHT, RATE, H264, camera_id=b"camera01", signer=SIGNER, recipients=[OFFICER.recipient]
    )
    second = Identity.generate()
    shown = {OFFICER: "", second: ""}
    openers = {who: Reader([who], Codec.H264) for who in shown}
    idrs = []
    for number, (clear, masked, mask) in enumerate(scene(12)):
        if number == 2:
            encoder.set_recipients([second.recipient])
        if number == 9:
            encoder.replace(RecoverableEncoder(WIDTH, HEIGHT, RATE, EncoderSettings(gop_frames=GOP, qp=36)))
        unit = encoder.encode(masked, clear, mask, [], pts_90k=number, utc_us=number, idr=False)
        idrs += [number] if unit.idr else []
        for who, opener in openers.items():
            shown[who] += "m" if opener.open(unit.data).payload_au is None else "O"
    encoder.close()
    assert idrs == [0, 6, 9]
    assert shown == {OFFICER: "OOOOOOmmmmmm", second: "mmmmmmOOOOOO"}


def test_the_plain_encoder_carries_no_recovery_data():
    encoder = PlainEncoder(WIDTH, HEIGHT, RATE, H264)
    opener = Reader([OFFICER], Codec.H264)
    for clear, _, _ in scene(3):
        au, _ = encoder.encode(clear)
        assert opener.open(au).reason == reader.NO_RECOVERY_DATA


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("codec", "av1"),
        ("payload_codec", "mpeg2"),
        ("preset", "placebo"),
        ("payload_preset", ""),
        ("gop_frames", 0),
        ("qp", 52),
        ("payload_qp_offset", 40),
        ("bitrate_bps", 1),
        ("payload_share", 1.0),
        ("threads", 0),
    ],
)
def test_settings_name_what_is_wrong(field, value):
    with pytest.raises(ValueError, match=field):
        EncoderSettings(**{field: value})


def test_the_size_has_to_be_whole_macroblocks():
    with pytest.raises(ValueError, match="multiples of 16"):
        RecoverableEncoder(100, 100, RATE, H264)
