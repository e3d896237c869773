"""What encoders may promise: their share of the processor, whatever quality and groups of pictures clients set."""

from dataclasses import replace
from fractions import Fraction

import pytest

from firmware.encode import speed
from firmware.encode.settings import EncoderSettings, VideoFormat
from firmware.services import video_options
from firmware.services.video_options import affordable, possible
from firmware.stream.channels import Shape

CONFIGURED = VideoFormat(width=768, height=576, rate=Fraction(10), coding=EncoderSettings())


def asked(rate=10, **coding):
    return replace(CONFIGURED, rate=Fraction(rate), coding=replace(CONFIGURED.coding, **coding))


@pytest.fixture
def costs(monkeypatch):
    """Seconds per picture by quantiser, in place of those of this machine."""
    table = {26: 0.02, 18: 0.099, 0: 5.0}
    for module in (speed, video_options):
        monkeypatch.setattr(module, "seconds_per_picture", lambda video, **_: table[video.coding.qp])
    return table


@pytest.mark.parametrize(("wanted", "fps"), [
    (asked(), 10), (asked(qp=18), 6), (asked(5, qp=18), 5), (asked(qp=0), 1),
    (replace(asked(qp=0), jpeg_quality=50), 10),
])  # fmt: skip
def test_what_costs_more_than_its_share_runs_slower_and_not_at_others_cost(costs, wanted, fps):
    assert affordable(wanted, CONFIGURED, sealed=True) == replace(wanted, rate=Fraction(fps))


def test_what_the_operator_configured_is_not_judged_and_sets_what_may_be_taken(costs):
    costs[26] = 0.2
    assert affordable(CONFIGURED, CONFIGURED, sealed=True) == CONFIGURED
    costs[18] = 0.399
    assert affordable(asked(qp=18), CONFIGURED, sealed=True).rate == 5


@pytest.mark.parametrize(("cost_s", "best"), [(0.02, 10), (0.099, 6), (0.7, 1)])
def test_rates_that_are_offered_fit_the_share(monkeypatch, cost_s, best):
    monkeypatch.setattr(video_options, "seconds_per_picture", lambda *_, **__: cost_s)
    source = Shape(768, 576, Fraction(10))
    rates = {one.encoding: max(one.rates_fps) for one in possible(source, CONFIGURED.coding, sealed=True)}
    assert rates == ({"H264": best, "H265": best} if cost_s < 0.6 else {"H264": 1.0})


def test_the_measurement_knows_what_costs_more():
    def cost_s(*, sealed=True, width=768, **coding):
        video = replace(asked(**{"preset": "ultrafast", "payload_preset": "ultrafast", **coding}), width=width)
        return speed.seconds_per_picture(video, sealed=sealed)

    usual = cost_s()
    assert 0 < usual < cost_s(gop_frames=1)
    assert usual < cost_s(codec="h265", payload_codec="h265", shared_idr=False)
    assert cost_s(sealed=False) < usual
    assert cost_s(width=384) == pytest.approx(usual / 2)
