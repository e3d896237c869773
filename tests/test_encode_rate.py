"""One budget for base and payload: fixed shares, kept over a few groups of pictures."""

from fractions import Fraction
from itertools import chain

import pytest
from wire_scene import HEIGHT, OFFICER, RATE, SIGNER, WIDTH, scene

from firmware.encode.pair import SEALING_BYTES, shares
from firmware.encode.payload_rate import PayloadRate
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.settings import EncoderSettings
from wire.compose import Composer
from wire.nal import Codec
from wire.recovery.reader import Reader

GROUP = 25


def spend(rate, busy, pictures=GROUP):
    """A group of pictures of a scene that costs `busy` bits a picture at quantiser 30, halved by every six steps."""
    qp = rate.start()
    size = round(busy * 2 ** ((30 - qp) / 6) / 8)
    for _ in range(pictures):
        rate.spend(bytes(size))
        if rate.runaway:
            break
    return qp, 8 * size


@pytest.mark.parametrize("busy", [1_000, 8_000, 30_000, 70_000])
def test_the_budget_is_met_after_a_few_groups(busy):
    rate = PayloadRate(10_000, GROUP)
    for _ in range(12):
        _, bits = spend(rate, busy)
    assert 0.7 * 10_000 < bits < 1.35 * 10_000


def test_a_scene_that_gets_busy_is_paid_back():
    rate = PayloadRate(10_000, GROUP)
    for _ in range(6):
        spend(rate, 10_000)
    spent = [spend(rate, 60_000)[1] for _ in range(12)]
    assert sum(spent[1:]) / 11 < 1.15 * 10_000


def test_a_runaway_group_is_started_anew_within_three_times_its_budget():
    rate = PayloadRate(10_000, GROUP)
    spend(rate, 10_000)
    before = rate.start()
    pictures = 0
    while not rate.runaway:
        rate.spend(bytes(100_000 // 8))
        pictures += 1
    assert pictures * 100_000 <= 3 * GROUP * 10_000
    assert rate.start() >= before + 4


def test_empty_pictures_earn_but_do_not_hoard():
    rate = PayloadRate(10_000, GROUP)
    for _ in range(6):
        spend(rate, 10_000)
    qp = rate.start()
    for _ in range(1000):
        rate.spend(b"")
    assert rate.start() >= qp - 3


def test_the_shares_add_up_and_leave_room_for_sealing():
    settings = EncoderSettings(bitrate_bps=1_000_000, payload_share=0.6)
    base, payload = shares(settings, Fraction(25))
    assert base + payload + SEALING_BYTES * 8 * 25 == 1_000_000
    assert payload / (base + payload) == pytest.approx(0.6, abs=0.001)


def test_a_tiny_budget_still_leaves_half_for_pictures():
    settings = EncoderSettings(bitrate_bps=16_000)
    assert sum(shares(settings, Fraction(25))) == 8_000


def coded(pictures):
    settings = EncoderSettings(bitrate_bps=400_000, gop_frames=5)
    encoder = ProtectedEncoder(WIDTH, HEIGHT, RATE, settings, camera_id=b"camera01", signer=SIGNER,
                               recipients=[OFFICER.recipient])  # fmt: skip
    units = [
        encoder.encode(masked, clear, mask, [], pts_90k=n, utc_us=n, idr=False) for n, (clear, masked, mask) in pictures
    ]
    encoder.close()
    return units


def test_the_base_does_not_depend_on_what_the_originals_show():
    """The same masked pictures over calm and over wild originals give the same slices, bit for bit."""
    calm = list(enumerate(scene(15)))
    wild = [(n, ((clear * (3 + n % 2)).astype(clear.dtype), masked, mask)) for n, (clear, masked, mask) in calm]
    slices = []
    for pictures in (calm, wild):
        reader = Reader([OFFICER], Codec.H264)
        units = coded(pictures)
        assert all(reader.open(unit.data).payload_au for unit in units)
        slices.append([unit.data.rsplit(b"\x00\x00\x01", 1)[1] for unit in units])
    assert slices[0] == slices[1]


def test_a_payload_that_runs_away_in_the_middle_of_a_group_starts_anew_and_plays():
    settings = EncoderSettings(bitrate_bps=60_000, gop_frames=40)
    encoder = ProtectedEncoder(WIDTH, HEIGHT, RATE, settings, camera_id=b"camera01", signer=SIGNER,
                               recipients=[OFFICER.recipient])  # fmt: skip
    reader, composer, starts = Reader([OFFICER], Codec.H264), Composer(Codec.H264), []
    for n, (clear, masked, mask) in enumerate(chain(scene(20), scene(20))):
        noisy = clear ^ (clear * (n + 7) // 3 & 127)
        unit = encoder.encode(masked, noisy, mask | True, [], pts_90k=n, utc_us=n, idr=False)
        opened = reader.open(unit.data)
        assert composer.compose(unit.data, opened).revealed
        starts += [n] if opened.payload_idr else []
    encoder.close()
    assert len(starts) > 1
    assert starts[0] == 0
