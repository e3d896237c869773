"""A small moving scene, and what the camera's encoders make of it, for every test of the recoverable stream."""

from fractions import Fraction

import numpy as np

from firmware.encode.protected import ProtectedEncoder
from firmware.encode.settings import EncoderSettings
from wire import nal
from wire.keys import Identity, SigningKey

WIDTH, HEIGHT, RATE = 192, 128, Fraction(25)
GOP = 6
PICTURES = 20
OFFICER, SIGNER = Identity.generate(), SigningKey.generate()


def scene(count=PICTURES):
    """A textured background and a bright figure that walks through it: clear, masked and mask of each picture."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    background = (90 + 50 * np.sin(x / 9) * np.cos(y / 7) + (x // 24 + y // 24) % 2 * 30).astype(np.uint8)
    for number in range(count):
        luma = background.copy()
        left = 16 + 6 * number
        figure = 120 + 100 * np.sin((x[32:96, :40] + 2 * number) / 3) * np.cos(y[32:96, :40] / 5)
        luma[32:96, left : left + 40] = figure.astype(np.uint8)
        clear = np.concatenate([luma, np.full((HEIGHT // 2, WIDTH), 128, np.uint8)])
        mask = np.zeros((HEIGHT // 16, WIDTH // 16), bool)
        mask[2:6, left // 16 : (left + 55) // 16] = True
        masked = clear.copy()
        masked[:HEIGHT][pixels(mask)] = 80
        yield clear, masked, mask


def pixels(mask):
    return np.repeat(np.repeat(mask, 16, 0), 16, 1)


def db(one, other):
    return 10 * np.log10(255**2 / max(1e-9, np.mean((one.astype(float) - other) ** 2)))


def protected(settings, count=PICTURES, *, idr_at=()):
    encoder = ProtectedEncoder(
        WIDTH, HEIGHT, RATE, settings, camera_id=b"camera01", signer=SIGNER, recipients=[OFFICER.recipient]
    )
    units = [
        encoder.encode(
            masked, clear, mask, [], pts_90k=3600 * number, utc_us=1_790_000_000_000_000 + 40_000 * number,
            idr=number in idr_at,
        )
        for number, (clear, masked, mask) in enumerate(scene(count))
    ]  # fmt: skip
    encoder.close()
    return units


def without_sei(au, codec):
    return nal.join(unit for unit in nal.split(au) if not codec.is_sei(unit))


H264 = EncoderSettings(gop_frames=GOP)
PAIRS = {
    "h264, exact start": H264,
    "h264, own start": EncoderSettings(gop_frames=GOP, shared_idr=False),
    "h264, careful payload": EncoderSettings(gop_frames=GOP, payload_preset="medium"),
    "h264, finer payload": EncoderSettings(gop_frames=GOP, payload_qp_offset=-3),
    "h264, bit rate": EncoderSettings(gop_frames=GOP, bitrate_bps=600_000),
    "h264, slices": EncoderSettings(gop_frames=GOP, threads=2),
    "h264 with h265 payload": EncoderSettings(gop_frames=GOP, payload_codec="h265", payload_preset="ultrafast"),
    "h265": EncoderSettings(
        gop_frames=GOP, codec="h265", payload_codec="h265", preset="ultrafast", payload_preset="ultrafast"
    ),
}
