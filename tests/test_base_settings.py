"""Stored settings outlive a torn file, an older program and a newer one."""

import json
import logging
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base import codec, config
from base.errors import ConfigError, Invalid, StoreError
from base.kept_file import MOST_DAMAGED
from base.settings_file import Stored
from firmware.config import CameraConfig
from firmware.imaging import Sensor
from firmware.mask import polygons
from firmware.mask.settings import MaskSettings
from firmware.mask.zones import ZoneGrids
from firmware.osd import Overlay
from firmware.settings import Settings
from onvif.events.bus import Bus
from onvif.events.settings_damage import publish_damage
from onvif.events.topics import CAMERA
from onvif.users import Level


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Line:
    points: tuple[tuple[float, float], ...]
    kind: Literal["line"] = "line"


@dataclass(frozen=True)
class Circle:
    radius: int
    kind: Literal["circle"] = "circle"

    def __post_init__(self):
        if self.radius <= 0:
            raise ValueError("radius: want more than 0")


@dataclass(frozen=True)
class Drawing:
    shapes: tuple[Line | Circle, ...] = ()
    colour: Colour = Colour.RED
    name: str | None = None
    seen: frozenset[int] = frozenset()
    scale: float = 1.0


FULL = Drawing((Line(((0.0, 1.5), (2.0, 3.0))), Circle(3)), Colour.BLUE, "a", frozenset({3, 1}), 2.0)


LINES = st.builds(Line, st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9))).map(tuple))
SHAPES = st.lists(LINES | st.builds(Circle, st.integers(1, 99))).map(tuple)
NAMES, SETS, SCALES = st.none() | st.text(), st.frozensets(st.integers()), st.floats(-1e6, 1e6)


@given(st.builds(Drawing, SHAPES, st.sampled_from(Colour), NAMES, SETS, SCALES))
def test_what_was_written_is_read_as_the_same(drawing):
    assert codec.decode(Drawing, json.loads(json.dumps(codec.encode(drawing))), "drawing") == drawing


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"shapes": [{"kind": "circle", "radius": 1}, {"kind": "circle", "radius": "1"}]}, "d.shapes[1].radius"),
        ({"shapes": [{"kind": "circle", "radius": 0}]}, "d.shapes[0]"),
        ({"shapes": [{"kind": "square"}]}, "d.shapes[0].kind"),
        ({"shapes": [{"points": [[1, 2, 3]]}]}, "d.shapes[0].points[0]"),
        ({"shapes": [{}]}, "d.shapes[0]"),
        ({"shapes": {}}, "d.shapes"),
        ({"colour": "green"}, "d.colour"),
        ({"scale": True}, "d.scale"),
        ({"name": 3}, "d.name"),
        ({"seen": [1, "2"]}, "d.seen[1]"),
        ({"other": 1}, "d"),
        ([], "d"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(table, field):
    with pytest.raises(Invalid) as caught:
        codec.decode(Drawing, table, "d")
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    if isinstance(table, dict):
        with pytest.raises(ConfigError, match=field.replace("[", r"\[")):
            config.build(Drawing, table, where="d")


def stored(tmp_path, **more):
    return Stored(tmp_path / "drawing.json", Drawing(), **more)


def aside(tmp_path):
    return sorted(tmp_path.glob("drawing.json.damaged-*"))


TORN = [b"", b"{", b"[]", b'{"colour": "gr', b'{"colour": "green"}', b"\xff\x00", b"[" * 100_000, b'{"version": "2"}',
        b'{"other": 1}', b'{"scale": null}']  # fmt: skip


@pytest.mark.parametrize("torn", TORN)
def test_the_copy_holds_where_the_file_is_damaged(tmp_path, torn):
    stored(tmp_path).set(FULL)
    (tmp_path / "drawing.json").write_bytes(torn)
    found = stored(tmp_path)
    assert (found.value, found.damage.restored, found.damage.file) == (FULL, True, "drawing.json")
    assert [each.read_bytes() for each in aside(tmp_path)] == [torn]
    again = stored(tmp_path)
    assert (again.value, again.damage) == (FULL, None)


@pytest.mark.parametrize("torn", TORN)
def test_without_a_copy_the_default_holds_and_what_is_too_little_does_not(tmp_path, torn, caplog):
    (tmp_path / "drawing.json").write_bytes(torn)
    with caplog.at_level(logging.ERROR):
        found = stored(tmp_path)
    assert (found.value, found.damage.restored) == (Drawing(), False)
    assert "drawing.json" in caplog.text
    (tmp_path / "drawing.json").write_bytes(torn)
    assert stored(tmp_path, lost=FULL).value == FULL
    assert found.change(name="b").name == "b"
    assert stored(tmp_path).value == Drawing(name="b")


def test_after_a_reset_nothing_of_before_lies_on(tmp_path):
    stored(tmp_path).set(Drawing(name="a secret"))
    (tmp_path / "drawing.json").write_bytes(b'{"name": "a secret')
    stored(tmp_path).reset()
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.iterdir())


def test_a_copy_that_is_lost_as_well_is_none(tmp_path):
    stored(tmp_path).set(FULL)
    for path in tmp_path.iterdir():
        path.write_bytes(b"{")
    assert stored(tmp_path, lost=Drawing(name="lost")).value.name == "lost"


def test_a_folder_in_its_place_ends_nothing(tmp_path):
    (tmp_path / "drawing.json").mkdir()
    assert stored(tmp_path).value == Drawing()
    assert stored(tmp_path).set(FULL) == FULL


def test_what_is_put_aside_does_not_fill_the_disk(tmp_path):
    for number in range(2 * MOST_DAMAGED):
        (tmp_path / f"drawing.json.damaged-2020010{number}T000000Z").touch()
    (tmp_path / "drawing.json").write_bytes(b"{")
    stored(tmp_path)
    assert len(aside(tmp_path)) == MOST_DAMAGED
    assert aside(tmp_path)[-1].read_bytes() == b"{"


def test_a_file_of_an_older_program_goes_through_every_step(tmp_path):
    (tmp_path / "drawing.json").write_text(json.dumps({"title": "a", "size": 200}))
    steps = {
        1: lambda table: {"name": table.pop("title"), **table},
        2: lambda table: {"scale": table.pop("size") / 100, **table},
    }
    found = stored(tmp_path, version=3, upgrades=steps)
    assert (found.value, found.damage) == (Drawing(name="a", scale=2.0), None)
    found.change(name="b")
    assert json.loads((tmp_path / "drawing.json").read_text())["version"] == 3
    assert stored(tmp_path, version=3, upgrades=steps).value.name == "b"


def test_a_file_of_a_newer_program_is_read_and_what_it_knows_more_is_kept(tmp_path):
    path = tmp_path / "drawing.json"
    path.write_text(json.dumps({"version": 2, "name": "a", "glow": 7}))
    found = stored(tmp_path)
    assert (found.value.name, found.damage) == ("a", None)
    found.change(name="b")
    assert json.loads(path.read_text()) == {**codec.encode(Drawing(name="b")), "version": 2, "glow": 7}


def test_of_a_newer_program_a_list_is_read_without_what_is_not_known_here(tmp_path):
    shapes = [{"kind": "spiral", "turns": 3}, *codec.encode(FULL)["shapes"]]
    (tmp_path / "drawing.json").write_text(json.dumps({"version": 2, "shapes": shapes}))
    found = stored(tmp_path)
    assert (found.value.shapes, found.damage) == (FULL.shapes, None)
    (tmp_path / "drawing.json").write_text(json.dumps({"version": 1, "shapes": shapes}))
    assert stored(tmp_path).damage is not None, "a kind that this version should know"


def test_what_the_disk_refuses_leaves_the_old_value(tmp_path):
    found = stored(tmp_path / "folder")
    (tmp_path / "folder").write_bytes(b"a file where the folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        found.set(FULL)
    assert found.value == Drawing()


CHANGER = """
import sys, itertools
from pathlib import Path
from base.settings_file import Stored
from firmware.mask.polygons import PolygonSettings, Polygon
stored = Stored(Path(sys.argv[1]), PolygonSettings())
print("begins", flush=True)
for number in itertools.count():
    shift = number % 100 / 100
    drawn = tuple(Polygon(token=f"{number}-{i}", points=(0, 0, shift, 1, 1, 0)) for i in range(8))
    stored.set(PolygonSettings(masks=drawn))
"""


def test_kill_9_between_any_two_steps_damages_nothing(tmp_path):
    path = tmp_path / "masks.json"
    for _ in range(4):
        program = [sys.executable, "-c", CHANGER]
        child = subprocess.Popen([*program, str(path)], stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"begins\n"
        child.stdout.close()
        while not path.exists():
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        found = polygons.stored(tmp_path)
        assert found.damage is None
        assert len(found.value.masks) == 8


def test_lost_masks_are_the_whole_picture(tmp_path):
    """Fail closed: what was drawn cannot be known, so all of it is covered until somebody draws again."""
    (tmp_path / "masks.json").write_bytes(b'{"masks": [{"token": "1", "poi')
    drawn = polygons.stored(tmp_path)
    zones = ZoneGrids.of(polygons.joined(MaskSettings(), drawn.value), 20, 11)
    assert (zones.always > 0).all()
    assert [mask.points for mask in drawn.value.masks] == [(-1, -1, 1, -1, 1, 1, -1, 1)]


def test_half_a_settings_file_ends_no_camera_and_is_said_until_it_is_set_again(tmp_path):
    """Half an `osd.json` was a restart loop, half a `device.json` a dead camera."""
    for name in ("osd.json", "imaging.json"):
        (tmp_path / name).write_bytes(b'{"osds": [')
    bus = Bus(CAMERA)
    overlay, sensor = Overlay(tmp_path), Sensor(tmp_path, bus)
    publish_damage(bus, overlay.settings)

    def failed(name):
        return [dict(each.data)["Failed"] for each in bus.states() if dict(each.source) == {"Token": name}]

    assert (failed("osd.json"), failed("imaging.json")) == (["true"], ["true"])
    sensor.settings.change(brightness=61.0)
    assert (failed("osd.json"), failed("imaging.json")) == (["true"], ["false"])
    assert Sensor(tmp_path, bus).settings.value.brightness == 61.0


@pytest.mark.parametrize("half", [b"", b'{"users": [{"name": "admin", "passw'])
def test_half_a_device_json_keeps_the_accounts_or_makes_a_first_one(tmp_path, half):
    table = {"name": "yard", "serial": "1", "state": str(tmp_path), "source": {"kind": "clip", "clip": "yard.mp4"}}
    camera = config.build(CameraConfig, table, where="camera")
    accounts = Settings(camera).accounts()
    (tmp_path / "device.json").write_bytes(half)
    assert Settings(camera).accounts() == accounts
    for name in ("device.json", "device.json.kept"):
        (tmp_path / name).write_bytes(half)
    again = Settings(camera)
    assert [user.level for user in again.accounts().values()] == [Level.ADMINISTRATOR]
    assert (tmp_path / "initial-password").read_text().strip() == next(iter(again.accounts().values())).password
