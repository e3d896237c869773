"""The seam of the encoders: a base encoder of another maker, tried before it is believed, with software behind it."""

import logging
from fractions import Fraction

import cv2
import numpy as np
import pytest
from wire_scene import GOP, HEIGHT, OFFICER, RATE, SIGNER, WIDTH, db, pixels, protected, scene

from base import config
from base.errors import ConfigError
from firmware.encode import base_encoders
from firmware.encode.base_encoders import open_base_encoder, usable
from firmware.encode.gst_encoder import EncoderMissing, GstEncoder
from firmware.encode.pair import Start, possible_start
from firmware.encode.picture_encoder import PictureEncoder
from firmware.encode.recoverable import PlainEncoder
from firmware.encode.settings import EncoderSettings
from wire.compose import Composer, PictureDecoder
from wire.nal import Codec, is_idr
from wire.recovery.reader import Reader
from wire.recovery.verdict import Check

FOREIGN = EncoderSettings(encoder="openh264", gop_frames=GOP)


@pytest.fixture
def broken(monkeypatch):
    """A row of the table for an encoder that does something else than it should; `usable` forgets it afterwards."""

    def add(launch):
        monkeypatch.setitem(base_encoders.LAUNCH, "broken", lambda _qp, _bitrate_bps: launch)

    usable.cache_clear()
    yield add
    usable.cache_clear()


def test_the_other_encoder_is_taken_where_it_does_as_asked():
    encoder = open_base_encoder(WIDTH, HEIGHT, RATE, FOREIGN, bitrate_bps=None)
    assert isinstance(encoder, GstEncoder)


def test_a_stream_of_another_encoder_is_recoverable_picture_by_picture():
    units = protected(FOREIGN)
    assert [i for i, unit in enumerate(units) if unit.idr] == list(range(0, len(units), GOP))
    opener, composer = Reader([OFFICER], Codec.H264, SIGNER.public), Composer(Codec.H264)
    decoder = PictureDecoder(Codec.H264)
    for unit, (clear, masked, mask) in zip(units, scene(), strict=True):
        opened = opener.open(unit.data)
        composed = composer.compose(unit.data, opened)
        assert composed.revealed, opened.reason
        inside = pixels(mask)
        assert db(composed.i420[:HEIGHT][inside], clear[:HEIGHT][inside]) > 28
        assert db(decoder.decode(unit.data)[:HEIGHT][inside], masked[:HEIGHT][inside]) > 25
    assert all(verdict.verdict.base_intact is Check.YES for verdict in opener.finish())


def test_a_start_that_would_not_decode_is_not_shared():
    assert possible_start(WIDTH, HEIGHT, RATE, FOREIGN) in {Start.NEAR, Start.OWN}


def test_a_plain_stream_by_the_other_encoder():
    encoder = PlainEncoder(WIDTH, HEIGHT, RATE, FOREIGN)
    decoder = PictureDecoder(Codec.H264)
    for number, (_clear, masked, _mask) in enumerate(scene()):
        unit, idr = encoder.encode(masked, force_idr=number == 3)
        assert idr == is_idr(unit, Codec.H264)
        assert decoder.decode(unit) is not None


@pytest.mark.parametrize(("launch", "fault"), [
    ("nosuchencoder", "nosuchencoder"),
    ("x264enc tune=zerolatency key-int-max=2", "picture 2 is an IDR picture"),
    ("x264enc speed-preset=ultrafast rc-lookahead=20 key-int-max=100000", "no access unit"),
    ("videobalance brightness=-0.8 ! x264enc tune=zerolatency key-int-max=100000", "another picture"),
])  # fmt: skip
def test_an_encoder_that_does_not_do_as_asked_gives_way_to_software(broken, caplog, launch, fault):
    broken(launch)
    with caplog.at_level(logging.WARNING):
        assert not usable("broken", Codec.H264)
    assert fault in caplog.text
    assert "software" in caplog.text


def test_an_encoder_for_h264_is_not_taken_for_h265():
    settings = EncoderSettings(encoder="openh264", codec="h265", payload_codec="h265")
    encoder = open_base_encoder(WIDTH, HEIGHT, RATE, settings, bitrate_bps=None)
    assert isinstance(encoder, PictureEncoder)


def test_a_name_that_is_no_encoder_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match="software, openh264"):
        config.build(EncoderSettings, {"encoder": "nvenc9"}, where="camera.toml")
    with pytest.raises(EncoderMissing, match="nosuch"):
        GstEncoder("nosuch", 64, 64, Fraction(10))


def test_the_rate_is_kept_by_the_other_encoder():
    settings = EncoderSettings(encoder="openh264", bitrate_bps=400_000)
    encoder = open_base_encoder(320, 240, Fraction(10), settings, bitrate_bps=200_000)
    rng = np.random.default_rng(3)
    texture = cv2.GaussianBlur(rng.integers(0, 255, (360, 640), np.uint8), (0, 0), 3)
    sizes = [len(encoder.encode(np.ascontiguousarray(texture[:, 2 * n : 2 * n + 320]), idr=n == 0)) for n in range(60)]
    assert sum(sizes[20:]) * 8 / 4.0 < 1.5 * 200_000
