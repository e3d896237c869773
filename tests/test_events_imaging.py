"""The imaging service on the real picture: what is set changes pixels and survives; tampering is noticed and told."""

import cv2
import numpy as np
import pytest

from base.settings_file import Stored
from firmware.capture.frame import CLOCK_90K, planes
from firmware.imaging import Adjuster, Adjustment, Sensor, Tampering
from firmware.imaging.tampering import TamperingKind
from firmware.services.imaging import PATH, ImagingService, imaging_service
from onvif.errors import Fault
from onvif.events import Bus, topics
from onvif.names import TIMG
from tests.onvif_device import device
from tests.onvif_schema import problems

W, H = 320, 240


@pytest.fixture
def picture():
    """A street of sorts: blocks of brightness with fine texture, and some colour."""
    rng = np.random.default_rng(7)
    coarse = cv2.resize(rng.uniform(40, 210, (6, 8)).astype(np.float32), (W, H), interpolation=cv2.INTER_NEAREST)
    luma = np.clip(coarse + rng.normal(0, 8, (H, W)), 20, 230).astype(np.uint8)
    i420 = np.full((H * 3 // 2, W), 128, np.uint8)
    i420[:H] = luma
    planes(i420)[1][: H // 4] = 90
    planes(i420)[2][: H // 4] = 170
    return i420


def test_neutral_costs_nothing(picture):
    assert Adjuster()(picture) is picture


@pytest.mark.parametrize("brightness", [0, 25, 75, 100])
def test_brightness_moves_the_mean(picture, brightness):
    before = picture.copy()
    after = Adjuster(Adjustment(brightness=brightness))(picture)
    assert np.array_equal(picture, before)
    difference = float(planes(after)[0].mean()) - float(planes(picture)[0].mean())
    assert difference == pytest.approx((brightness - 50) * 0.8, abs=6)
    assert np.array_equal(after[H:], picture[H:])


def test_contrast_saturation_and_sharpness_do_what_they_say(picture):
    def spread(i420):
        return float(planes(i420)[0].std())

    def colour(i420):
        return float(np.abs(planes(i420)[1].astype(int) - 128).mean())

    def detail(i420):
        return float(np.abs(cv2.Laplacian(planes(i420)[0], cv2.CV_16S)).mean())

    for name, measure in (("contrast", spread), ("saturation", colour), ("sharpness", detail)):
        low, high = (measure(Adjuster(Adjustment(**{name: value}))(picture)) for value in (10, 90))
        assert low < 0.9 * measure(picture) < 1.1 * measure(picture) < high, name
    assert colour(Adjuster(Adjustment(saturation=0))(picture)) == 0


def run(tampering, luma, seconds, start=0):
    """Changes while `luma` stands for some seconds at 10 pictures a second; (changes, when it ended)."""
    changes = []
    for number in range(int(seconds * 10)):
        at = start + number * CLOCK_90K // 10
        changes += tampering.update(luma, at)
    return changes, start + int(seconds * CLOCK_90K)


@pytest.mark.parametrize(
    ("attack", "kind"),
    [
        (lambda luma: np.full_like(luma, 18), TamperingKind.TOO_DARK),
        (lambda luma: np.full_like(luma, 234), TamperingKind.TOO_BRIGHT),
        (lambda luma: cv2.GaussianBlur(luma, (0, 0), 6), TamperingKind.TOO_BLURRY),
        (lambda luma: np.ascontiguousarray(luma[::-1, ::-1]), TamperingKind.SCENE_CHANGE),
    ],
    ids=lambda value: str(value) if isinstance(value, TamperingKind) else "",
)
def test_each_attack_is_told_once_and_taken_back(picture, attack, kind):
    luma = planes(picture)[0]
    tampering = Tampering()
    changes, at = run(tampering, luma, 10)
    assert changes == []
    changes, at = run(tampering, attack(luma), 8, at)
    assert [(change.kind, change.state) for change in changes] == [(kind, True)]
    changes, _ = run(tampering, luma, 8, at)
    assert [(change.kind, change.state) for change in changes] == [(kind, False)]


def test_a_moment_is_no_attack(picture):
    luma = planes(picture)[0]
    tampering = Tampering()
    _, at = run(tampering, luma, 10)
    changes, at = run(tampering, np.full_like(luma, 18), 1, at)
    assert changes + run(tampering, luma, 8, at)[0] == []


def test_walkers_and_clouds_are_no_attack(picture):
    luma = planes(picture)[0]
    tampering = Tampering()
    _, at = run(tampering, luma, 10)
    changes = []
    for step in range(40):
        seen = np.clip(luma * (1 - 0.01 * step), 0, 255).astype(np.uint8)
        seen[100:200, 5 * step : 5 * step + 50] = 40
        found, at = run(tampering, seen, 0.5, at)
        changes += found
    assert changes == []


def test_a_new_view_becomes_the_usual_one(picture):
    luma = planes(picture)[0]
    tampering = Tampering()
    _, at = run(tampering, luma, 10)
    changes, _ = run(tampering, np.ascontiguousarray(luma[::-1, ::-1]), 60, at)
    assert [(change.kind, change.state) for change in changes] == [
        (TamperingKind.SCENE_CHANGE, True),
        (TamperingKind.SCENE_CHANGE, False),
    ]


def test_the_sensor_tells_the_bus_and_adjusts(picture, tmp_path):
    bus = Bus(topics.CAMERA)
    sensor = Sensor(tmp_path, bus)
    assert all(dict(event.data)["State"] == "false" for event in bus.states())
    assert sensor.process(picture, 0) is picture
    sensor.settings.change(brightness=90.0)
    assert planes(sensor.process(picture, 1))[0].mean() > planes(picture)[0].mean() + 20
    heard = []
    bus.listen(heard.append)
    black = picture.copy()
    black[:H] = 17
    for number in range(2, 60):
        sensor.process(black, number * CLOCK_90K // 10)
    assert [event.topic for event in heard] == [topics.TOO_DARK.path]


@pytest.mark.case("IMAGING-1-1-1", "IMAGING-1-1-14", "IMAGING-1-1-15")
async def test_settings_survive_a_restart(tmp_path):
    for expected in (50.0, 80.0):
        settings = Stored(tmp_path / "imaging.json", Adjustment())
        async with device(imaging_service(ImagingService(settings))) as asker:
            client = asker()
            reply = await client.values(TIMG, "GetImagingSettings", to=PATH, VideoSourceToken="source")
            assert reply.ImagingSettings.Contrast == expected
            await client.values(
                TIMG, "SetImagingSettings", to=PATH, VideoSourceToken="source", ImagingSettings={"Contrast": 80}
            )


@pytest.mark.case(
    "IMAGING-1-1-3",
    "IMAGING-1-1-8",
    "IMAGING-1-1-10",
    "IMAGING-1-1-11",
    "IMAGING-1-1-16",
    "IMAGING-2-1-15",
    "IMAGING-2-1-17",
)
async def test_options_are_those_that_act(tmp_path):
    settings = Stored(tmp_path / "imaging.json", Adjustment())
    async with device(imaging_service(ImagingService(settings))) as asker:
        client = asker()
        options = (await client.values(TIMG, "GetOptions", to=PATH, VideoSourceToken="source")).ImagingOptions
        assert (options.Brightness.Min, options.Brightness.Max) == (0, 100)
        assert options.Exposure is None
        for values, fault in (
            ({"Brightness": 101}, "SettingsInvalid"),
            ({"Exposure": {"Mode": "AUTO"}}, "SettingsInvalid"),
        ):
            with pytest.raises(Fault) as refused:
                await client.values(
                    TIMG, "SetImagingSettings", to=PATH, VideoSourceToken="source", ImagingSettings=values
                )
            assert refused.value.subcodes[-1] == fault
        now = (await client.values(TIMG, "GetImagingSettings", to=PATH, VideoSourceToken="source")).ImagingSettings
        for name in ("Brightness", "ColorSaturation", "Contrast", "Sharpness"):
            levels = getattr(options, name)
            assert levels.Min <= getattr(now, name) <= levels.Max
        for operation in ("GetImagingSettings", "GetOptions", "GetMoveOptions", "GetStatus"):
            with pytest.raises(Fault) as refused:
                await client.values(TIMG, operation, to=PATH, VideoSourceToken="nowhere")
            assert refused.value.subcodes[-1] == "NoSource"
        with pytest.raises(Fault):
            await client.values(TIMG, "Stop", to=PATH, VideoSourceToken="source")
        assert settings.value == Adjustment()


async def test_a_user_may_look_but_not_turn_the_knobs(tmp_path):
    settings = Stored(tmp_path / "imaging.json", Adjustment())
    async with device(imaging_service(ImagingService(settings))) as asker:
        client = asker("user")
        await client.values(TIMG, "GetImagingSettings", to=PATH, VideoSourceToken="source")
        with pytest.raises(Exception, match=r"(?i)not for users|refuses|credentials"):
            await client.values(
                TIMG, "SetImagingSettings", to=PATH, VideoSourceToken="source", ImagingSettings={"Contrast": 80}
            )
    assert settings.value.contrast == 50


@pytest.mark.case("IMAGING-1-1-12", "IMAGING-2-1-18")
async def test_other_sources_can_neither_be_set_nor_stopped(tmp_path):
    settings = Stored(tmp_path / "imaging.json", Adjustment())
    async with device(imaging_service(ImagingService(settings))) as asker:
        for operation, values in (("SetImagingSettings", {"ImagingSettings": {"Contrast": 80}}), ("Stop", {})):
            with pytest.raises(Fault) as refused:
                await asker().values(TIMG, operation, to=PATH, VideoSourceToken="nowhere", **values)
            assert refused.value.subcodes == ("InvalidArgVal", "NoSource")


@pytest.mark.case("IMAGING-2-1-1", "IMAGING-2-1-11", "IMAGING-3-1-1")
async def test_a_fixed_focus_offers_no_move(tmp_path):
    settings = Stored(tmp_path / "imaging.json", Adjustment())
    async with device(imaging_service(ImagingService(settings))) as asker:
        client = asker()
        for operation in ("GetMoveOptions", "GetStatus"):
            reply = await client.ask(TIMG, operation, to=PATH, VideoSourceToken="source")
            assert problems(reply) == []
            assert len(reply[0]) == 0
        focus = {"Continuous": {"Speed": 1.0}}
        with pytest.raises(Fault):
            await client.values(TIMG, "Move", to=PATH, VideoSourceToken="source", Focus=focus)
        capabilities = (await client.values(TIMG, "GetServiceCapabilities", to=PATH)).Capabilities
        assert capabilities.ImageStabilization is False
