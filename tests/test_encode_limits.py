"""The protected stream against the limits of its level, and through a parser that reads every syntax element."""

import re
import subprocess
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest

from firmware.encode.protected import ProtectedEncoder
from firmware.encode.settings import EncoderSettings
from wire import nal
from wire.keys import Identity, SigningKey
from wire.nal import H264_SPS, Codec

RATE = Fraction(25)
PICTURES = 60
# H.264 (08/2021) Table A-1: MaxMBPS, MaxBR (in 1000 bits/s, VCL), MinCR by level_idc.
LEVELS = {
    21: (19_800, 4_000, 2), 22: (20_250, 4_000, 2), 30: (40_500, 10_000, 2), 31: (108_000, 14_000, 4),
    32: (216_000, 20_000, 4), 40: (245_760, 20_000, 4), 41: (245_760, 50_000, 2), 42: (522_240, 50_000, 2),
}  # fmt: skip
NAL_FACTOR = 1500  # cpbBrNalFactor of the High profile, Table A-2


@pytest.fixture(
    scope="module", params=[EncoderSettings(qp=20), EncoderSettings(bitrate_bps=3_000_000)], ids=["qp", "rate"]
)
def units(request, clip):
    """Half of the demo clip's picture masked, at twice and a half its rate: more originals than any scene has."""
    with av.open(str(clip)) as container:
        pictures = [frame.to_ndarray(format="yuv420p") for frame in islice(container.decode(video=0), PICTURES)]
    height, width = pictures[0].shape[0] * 2 // 3, pictures[0].shape[1]
    mask = np.zeros((height // 16, width // 16), bool)
    mask[:, : mask.shape[1] // 2] = True
    officer = Identity.generate()
    encoder = ProtectedEncoder(width, height, RATE, request.param, camera_id=b"camera01",
                               signer=SigningKey.generate(), recipients=[officer.recipient])  # fmt: skip
    made = []
    for number, clear in enumerate(pictures):
        masked = clear.copy()
        masked[:height, : width // 2] = 90
        made.append(encoder.encode(masked, clear, mask, [], pts_90k=number, utc_us=number, idr=False))
    encoder.close()
    return request.param, made


def level_of(au):
    return next(unit[3] for unit in nal.split(au) if Codec.H264.nal_type(unit) == H264_SPS)


def test_access_units_stay_below_what_their_level_allows(units):
    _, made = units
    max_mbps, _, min_cr = LEVELS[level_of(made[0].data)]
    largest = 384 * max_mbps / RATE / min_cr
    sizes = [len(unit.data) for unit in made]
    assert max(sizes) < largest, (max(sizes), largest)


def test_the_rate_stays_below_what_a_nal_hrd_would_allow(units):
    settings, made = units
    _, max_br, _ = LEVELS[level_of(made[0].data)]
    bits_per_s = 8 * sum(len(unit.data) for unit in made[1:]) * RATE / (PICTURES - 1)
    assert bits_per_s < max_br * NAL_FACTOR
    if settings.bitrate_bps:
        assert bits_per_s < 1.1 * settings.bitrate_bps


def test_a_parser_reads_every_element(units, tmp_path):
    _, made = units
    path = tmp_path / "stream.h264"
    path.write_bytes(b"".join(unit.data for unit in made))
    command = ["ffmpeg", "-v", "trace", "-i", path, "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    told = done.stderr.decode(errors="replace")
    assert done.returncode == 0
    assert len(re.findall(r"User Data Unregistered", told)) >= PICTURES
    assert not re.search(r"Invalid|overrun|Failed to read|corrupt", told)
    assert set(re.findall(r"nal_hrd_parameters_present_flag\s+\d+ = (\d)", told)) == {"0"}
