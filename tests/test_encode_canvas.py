"""What is copied by macroblocks instead of by samples is copied whole, nothing else is, and nobody keeps a picture."""

from fractions import Fraction

import numpy as np
import pytest

from firmware.capture.frame import planes, strips
from firmware.encode.canvas import Canvas
from firmware.encode.picture_encoder import PictureEncoder
from wire.nal import Codec

WIDTH, HEIGHT = 64, 48


def noise(seed, width=WIDTH, height=HEIGHT):
    return np.random.default_rng(seed).integers(0, 256, (height * 3 // 2, width), np.uint8)


def samples(mask):
    """The mask of every sample of an I420 picture."""
    fine = np.kron(mask, np.ones((16, 16), bool))
    half = fine[::2, ::2].reshape(HEIGHT // 4, WIDTH)
    return np.concatenate([fine, half, half])


def test_the_canvas_takes_what_is_masked_and_keeps_the_rest():
    canvas, expected = Canvas(WIDTH, HEIGHT), np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    for seed in range(4):
        clear, mask = noise(seed), np.random.default_rng(seed).random((HEIGHT // 16, WIDTH // 16)) < 0.4
        canvas.paint(clear, mask)
        expected = np.where(samples(mask), clear, expected)
        assert np.array_equal(canvas.i420, expected)


def test_samples_that_would_be_no_number_are_copied_bit_for_bit():
    """Strips are read as floats: a line of samples can look like a signalling NaN, which arithmetic would change."""
    odd = np.frombuffer(
        np.array([0x7FF0000000000001, 0xFFF7FFFFFFFFFFFF, 0x8000000000000000], "<u8").tobytes(), np.uint8
    )
    clear = np.resize(odd, (HEIGHT * 3 // 2, WIDTH))
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.paint(clear, np.ones((HEIGHT // 16, WIDTH // 16), bool))
    assert np.array_equal(canvas.i420, clear)


def test_strips_are_macroblocks_of_the_picture_itself():
    picture = noise(1)
    for strip, plane in zip(strips(picture), planes(picture), strict=True):
        side = strip.itemsize
        assert strip.shape == (HEIGHT // 16, side, WIDTH // 16)
        assert strip[1, :, 2].tobytes() == plane[side : 2 * side, 2 * side : 3 * side].tobytes()
        strip[2, :, 3] = 0
        assert not plane[2 * side :, 3 * side :].any()


@pytest.mark.parametrize(("codec", "height"), [(Codec.H264, 48), (Codec.H264, 50), (Codec.H265, 48)])
def test_an_encoder_copies_the_picture(codec, height):
    """The same stream whether each picture has memory of its own or all are written into the same."""
    own, same = (PictureEncoder(codec, WIDTH, height, Fraction(10), preset="ultrafast") for _ in range(2))
    shared = np.empty((height * 3 // 2, WIDTH), np.uint8)
    for number in range(5):
        picture = noise(number, height=height) // 4 + 90
        np.copyto(shared, picture)
        assert own.encode(picture, idr=number == 0) == same.encode(shared, idr=number == 0)
        shared.fill(0)


@pytest.mark.parametrize("height", [48, 50])
def test_an_encoder_takes_a_picture_however_it_lies_in_memory(height):
    """Heights that are no multiple of four, and views into a larger picture."""
    flat, part = (PictureEncoder(Codec.H264, WIDTH, height, Fraction(10), preset="ultrafast") for _ in range(2))
    large = np.empty((height * 3 // 2, WIDTH + 32), np.uint8)
    for seed in range(2):
        picture = noise(seed, height=height)
        view = large[:, 8 : WIDTH + 8]
        np.copyto(view, picture)
        picture.flags.writeable = False
        assert flat.encode(picture, idr=seed == 0) == part.encode(view, idr=seed == 0)
