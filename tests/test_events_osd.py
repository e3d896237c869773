"""Texts and privacy masks by Media 2: drawn into the masked picture, joined to the mask plan, kept over a restart."""

from datetime import UTC, datetime

import numpy as np
import pytest

from firmware.capture.frame import planes
from firmware.mask import polygons
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings, Zone
from firmware.osd import Osd, OsdPosition, OsdSettings, OsdTextKind, Overlay
from firmware.services.masks import MaskOperations
from firmware.services.osd import OsdOperations
from onvif.errors import Fault
from onvif.names import TR2, TRT
from onvif.service import service
from tests.onvif_camera import running
from tests.onvif_device import device
from tests.onvif_schema import problems

PATH = "/onvif/media2"
W, H = 640, 480
NOON_US = int(datetime(2026, 5, 4, 12, 0, 1, tzinfo=UTC).timestamp() * 1e6)


@pytest.fixture
def grey():
    return np.full((H * 3 // 2, W), 100, np.uint8)


def offered(overlay, masks, kind="Pixelated"):
    parts = (OsdOperations(overlay.settings), MaskOperations(masks, lambda: kind))
    return device(service(parts, TR2, path=PATH, capabilities=lambda: {"OSD": True, "Mask": True}))


@pytest.fixture
def overlay(tmp_path):
    return Overlay(tmp_path)


@pytest.fixture
def masks(tmp_path):
    return polygons.stored(tmp_path)


def osd(token=None, text="Gate 4", place="UpperLeft", **more):
    return {
        "token": token or "ignored",
        "VideoSourceConfigurationToken": {"_value_1": "source"},
        "Type": "Text",
        "Position": {"Type": place, **more.pop("pos", {})},
        "TextString": {"Type": "Plain", "PlainText": text, **more},
    }


async def test_the_first_media_service_has_the_same_texts(tmp_path):
    async with running(tmp_path) as camera:
        client = camera.client()
        made = await client(TRT, "CreateOSD", OSD=osd(text="Gate 4"))
        token = made.OSDToken
        (seen,) = (await client(TR2, "GetOSDs", OSDToken=token)).OSDs
        assert seen.TextString.PlainText == "Gate 4"
        await client(TR2, "SetOSD", OSD=osd(token, text="Gate 5"))
        one = await client(TRT, "GetOSD", OSDToken=token)
        assert one.OSD.TextString.PlainText == "Gate 5"
        everything = await client(TRT, "GetOSDs")
        assert [found.token for found in everything.OSDs] == [token]
        options = await client(TRT, "GetOSDOptions", ConfigurationToken="source")
        assert options.OSDOptions.Type == ["Text"]
        await client(TRT, "SetOSD", OSD=osd(token, text="Gate 6"))
        await client(TRT, "DeleteOSD", OSDToken=token)
        assert not (await client(TR2, "GetOSDs")).OSDs
        for operation in ("GetOSD", "DeleteOSD"):
            with pytest.raises(Fault) as gone:
                await client(TRT, operation, OSDToken=token)
            assert gone.value.subcodes == ("InvalidArgVal", "NoConfig")
        assert (await client(TRT, "GetServiceCapabilities")).Capabilities.OSD is True


def mask(token=None, points=((-1, 1), (0, 1), (0, 0), (-1, 0)), *, type_="Pixelated", enabled=True):
    return {
        **({"token": token} if token else {}),
        "ConfigurationToken": "source",
        "Polygon": {"Point": [{"x": x, "y": y} for x, y in points]},
        "Type": type_,
        "Enabled": enabled,
    }


@pytest.mark.parametrize(
    ("position", "rows", "columns"),
    [
        (OsdPosition.UPPER_LEFT, slice(0, 120), slice(0, 320)),
        (OsdPosition.LOWER_RIGHT, slice(360, 480), slice(320, 640)),
        (OsdPosition.CUSTOM, slice(180, 300), slice(200, 440)),
    ],
)
def test_text_is_drawn_where_it_belongs_and_nowhere_else(overlay, grey, position, rows, columns):
    overlay.settings.set(OsdSettings(osds=(Osd(token="a", text="Gate 4 Å", position=position),)))
    overlay.draw(grey, NOON_US)
    changed = planes(grey)[0] != 100
    assert changed[rows, columns].sum() > 200
    assert changed.sum() == changed[rows, columns].sum()
    assert planes(grey)[0].max() > 180
    assert planes(grey)[0].min() < 40


def test_a_clock_tells_the_pictures_time(overlay, grey):
    stamp = Osd(token="a", kind=OsdTextKind.DATE_AND_TIME)
    assert stamp.at(datetime(2026, 5, 4, 12, 0, 1, tzinfo=UTC)) == "2026-05-04 12:00:01"
    overlay.settings.set(OsdSettings(osds=(stamp,)))
    overlay.draw(grey, NOON_US)
    later = np.full_like(grey, 100)
    overlay.draw(later, NOON_US + 1_000_000)
    assert (grey != later).any()


@pytest.mark.parametrize("shape", [(16, 16), (32, 64), (480, 640)])
@pytest.mark.parametrize("text", ["", "   ", "\x00\n\t", "W" * 128, "日本語"])
def test_no_text_breaks_a_picture(overlay, shape, text):
    height, width = shape
    picture = np.full((height * 3 // 2, width), 90, np.uint8)
    places = [Osd(token=str(place), text=text, position=place, size=64, x=1.0, y=-1.0) for place in OsdPosition]
    overlay.settings.set(OsdSettings(osds=tuple(places)))
    overlay.draw(picture, NOON_US)
    assert picture.shape == (height * 3 // 2, width)


@pytest.mark.case("MEDIA2-6-1-1", "MEDIA2-6-1-4", "MEDIA2-6-1-5", "MEDIA2-6-1-6")
async def test_osds_are_made_changed_removed_and_survive(overlay, masks, tmp_path):
    async with offered(overlay, masks) as asker:
        client = asker()
        assert problems(await client.ask(TR2, "GetOSDOptions", to=PATH, ConfigurationToken="source")) == []
        made = await client.ask(TR2, "CreateOSD", to=PATH, OSD=osd(text="Grüße"))
        assert problems(made) == []
        token = made[0].text
        listed = await client.ask(TR2, "GetOSDs", to=PATH)
        assert problems(listed) == []
        values = (await client.values(TR2, "GetOSDs", to=PATH, OSDToken=token)).OSDs[0]
        assert (values.TextString.PlainText, values.Position.Type) == ("Grüße", "UpperLeft")
        await client.ask(TR2, "SetOSD", to=PATH, OSD=osd(token, "moved", "Custom", pos={"Pos": {"x": 0.5, "y": -0.5}}))
        kept = Overlay(tmp_path).settings.value.osds
        assert [(each.token, each.text, each.x, each.y) for each in kept] == [(token, "moved", 0.5, -0.5)]
        assert problems(await client.ask(TR2, "GetOSDs", to=PATH, ConfigurationToken="source")) == []
        await client.ask(TR2, "DeleteOSD", to=PATH, OSDToken=token)
        assert overlay.settings.value.osds == ()


@pytest.mark.parametrize(
    ("operation", "values", "fault"),
    [
        ("GetOSDs", {"OSDToken": "nothing"}, "NoConfig"),
        ("GetOSDOptions", {"ConfigurationToken": "nothing"}, "NoConfig"),
        ("DeleteOSD", {"OSDToken": "nothing"}, "NoConfig"),
        ("SetOSD", {"OSD": osd("nothing")}, "NoConfig"),
        ("CreateOSD", {"OSD": osd(place="Custom")}, "InvalidOSD"),
        ("CreateOSD", {"OSD": osd(place="Middle")}, "InvalidOSD"),
        ("CreateOSD", {"OSD": osd(FontSize=500)}, "InvalidOSD"),
        ("CreateOSD", {"OSD": osd(text="x" * 200)}, "InvalidOSD"),
        ("GetMasks", {"Token": "nothing"}, "NoConfig"),
        ("GetMaskOptions", {"ConfigurationToken": "nothing"}, "NoConfig"),
        ("DeleteMask", {"Token": "nothing"}, "NoConfig"),
        ("SetMask", {"Mask": mask("nothing")}, "NoConfig"),
        ("CreateMask", {"Mask": mask(points=((0, 0), (1, 1), (2, 2)))}, "InvalidPolygon"),
        ("CreateMask", {"Mask": mask(type_="Blurred")}, "ConfigModify"),
    ],
)
async def test_what_cannot_be_drawn_is_refused(overlay, masks, operation, values, fault):
    async with offered(overlay, masks) as asker:
        with pytest.raises(Fault) as refused:
            await asker().ask(TR2, operation, to=PATH, **values)
    assert refused.value.subcodes[-1] == fault
    assert overlay.settings.value.osds == ()
    assert masks.value.masks == ()


async def test_there_is_a_limit(overlay, masks):
    async with offered(overlay, masks) as asker:
        client = asker()
        for operation, values, fault in (
            ("CreateOSD", {"OSD": osd()}, "MaxOSDs"),
            ("CreateMask", {"Mask": mask()}, "MaxMasks"),
        ):
            for _ in range(8):
                await client.ask(TR2, operation, to=PATH, **values)
            with pytest.raises(Fault) as refused:
                await client.ask(TR2, operation, to=PATH, **values)
            assert refused.value.subcodes[-1] == fault


@pytest.mark.case("MEDIA2-10-1-1", "MEDIA2-10-1-2", "MEDIA2-10-1-3", "MEDIA2-10-1-4", "MEDIA2-10-1-5")
async def test_a_mask_covers_and_survives(overlay, masks, tmp_path):
    configured = MaskSettings(settle_s=0.0)
    planner = Planner(W, H, polygons.joined(configured, masks.value))
    masks.listen(lambda _old, new: setattr(planner, "settings", polygons.joined(configured, new)))
    assert planner.settings.zones == ()
    async with offered(overlay, masks) as asker:
        client = asker()
        assert problems(await client.ask(TR2, "GetMaskOptions", to=PATH, ConfigurationToken="source")) == []
        made = await client.ask(TR2, "CreateMask", to=PATH, Mask=mask())
        token = made[0].text
        assert planner.settings.zones == (Zone(corners=(0.0, 0.0, 0.5, 0.0, 0.5, 0.5, 0.0, 0.5), rule="always"),)
        listed = await client.ask(TR2, "GetMasks", to=PATH, ConfigurationToken="source")
        assert problems(made) + problems(listed) == []
        assert polygons.stored(tmp_path).value == masks.value
        await client.ask(TR2, "SetMask", to=PATH, Mask=mask(token, enabled=False))
        assert planner.settings.zones == ()
        await client.ask(TR2, "DeleteMask", to=PATH, Token=token)
        assert masks.value.masks == ()


@pytest.mark.case("MEDIA2-6-1-7")
async def test_osds_are_within_the_options(overlay, masks):
    async with offered(overlay, masks) as asker:
        client = asker()
        options = (await client.values(TR2, "GetOSDOptions", to=PATH, ConfigurationToken="source")).OSDOptions
        for kind in options.TextOption.Type:
            wanted = osd()
            wanted["TextString"]["Type"] = kind
            await client.ask(TR2, "CreateOSD", to=PATH, OSD=wanted)
        listed = (await client.values(TR2, "GetOSDs", to=PATH)).OSDs
        assert len(listed) <= options.MaximumNumberOfOSDs.Total
        for found in listed:
            text = found.TextString
            assert found.Type in options.Type
            assert found.Position.Type in options.PositionOption
            assert text.Type in options.TextOption.Type
            assert options.TextOption.FontSizeRange.Min <= text.FontSize <= options.TextOption.FontSizeRange.Max
            assert text.DateFormat is None or text.DateFormat in options.TextOption.DateFormat
            assert text.TimeFormat is None or text.TimeFormat in options.TextOption.TimeFormat
