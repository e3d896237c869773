"""The configuration file: every mistake named, identity and state kept."""

from dataclasses import replace

import pytest

from base import config
from base.errors import ConfigError
from firmware import identity
from firmware.config import Config
from firmware.mask.settings import Extent, Pattern

CAMERA = """
[[camera]]
name = "west"
serial = "VC-1"
state = "/tmp/west"
web_port = 8081
rtsp_port = 8554
[camera.source]
clip = "clip.avi"
window = [0, 0, 480, 576]
"""


def load(tmp_path, text):
    path = tmp_path / "camera.toml"
    path.write_text(text)
    return config.load(Config, path)


def test_a_file_with_two_cameras(tmp_path):
    east = CAMERA.replace("west", "east").replace("VC-1", "VC-2").replace("8081", "8082").replace("8554", "8555")
    masks = '[camera.mask]\nextent = "heads"\npattern = "solid"\n[[camera.mask.zones]]\ncorners = [0, 0, 1, 0, 1, 1]\n'
    whole = load(tmp_path, CAMERA + masks + east)
    assert [camera.name for camera in whole.camera] == ["west", "east"]
    assert (whole.camera[0].mask.extent, whole.camera[0].mask.pattern) == (Extent.HEADS, Pattern.SOLID)
    assert whole.camera[0].mask.zones[0].rule == "always"
    assert whole.camera[1].mask.extent is Extent.BODIES
    assert whole.camera[0].source.window == (0, 0, 480, 576)


@pytest.mark.parametrize(("old", "new", "said"), [
    ('serial = "VC-1"', 'seriel = "VC-1"', "seriel"),
    ('serial = "VC-1"', "serial = 5", "serial"),
    ('name = "west"', 'name = "a/b"', "name"),
    ("8081", "90000", "web_port"),
    ("8081", "8554", "must differ"),
    ("480,", "481,", "window"),
    ('clip = "clip.avi"', "", "clip"),
    ("[camera.source]", '[camera.mask]\npattern = "blur"\n[camera.source]', "mosaic, blocks, solid, dilated"),
    ("[camera.source]", "[camera.mask]\nhold_s = -1\n[camera.source]", "hold_s"),
    ("[camera.source]", "[camera.mask]\ndeadline_s = 0.1\n[camera.source]", "look_back_s"),
    ("[camera.source]", '[camera.main]\ncodec = "vp8"\n[camera.source]', "codec"),
    ("[camera.source]", "[camera.vision]\ndetect_every = 0\n[camera.source]", "detect_every"),
    ("[[camera]]", "[[camera", "not TOML"),
    ("serial", 'scopes = ["http://x"]\nserial', "onvif://"),
    ("serial", 'host = "mine"\nserial', "recorded or own"),
])  # fmt: skip
def test_a_mistake_is_named(tmp_path, old, new, said):
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        load(tmp_path, CAMERA.replace(old, new, 1))


OTHER = {"name": ('"west"', '"east"'), "serial": ("VC-1", "VC-2"), "state": ("/tmp/west", "/tmp/east"),
         "port": ("8081", "8091")}  # fmt: skip


@pytest.mark.parametrize("shared", list(OTHER))
def test_cameras_must_not_share(tmp_path, shared):
    text = CAMERA.replace("8554", "8594")
    for key, (old, new) in OTHER.items():
        if key != shared:
            text = text.replace(old, new)
    with pytest.raises(ConfigError, match=f"share.* {shared}"):
        load(tmp_path, CAMERA + text)


def test_a_file_without_cameras_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="camera"):
        load(tmp_path, "camera = []")


def test_the_identity_is_made_once_and_is_private(tmp_path):
    state = tmp_path / "deep" / "state"
    first = identity.load(state)
    assert identity.load(state) == first
    assert len(first.camera_id) == 8
    assert (state / "signing.key").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert identity.load(tmp_path / "other").camera_id != first.camera_id


def test_a_damaged_identity_is_named_and_kept(tmp_path):
    identity.load(tmp_path)
    (tmp_path / "signing.key").write_text("{}")
    with pytest.raises(ConfigError, match=r"signing\.key"):
        identity.load(tmp_path)
    assert (tmp_path / "signing.key").read_text() == "{}"


def test_a_table_that_sets_one_key_leaves_the_others_as_they_are_without_it(tmp_path):
    def main(table):
        return load(tmp_path, CAMERA + table).camera[0].main

    assert main("[camera.main]\nqp = 24") == replace(main(""), qp=24)
