"""Who gets in: the first administrator, rules for passwords, and what guessing costs, over HTTP on a whole camera."""

import pytest

from base.errors import ConfigError
from firmware.capture.sources import ClipSource
from firmware.config import CameraConfig
from firmware.settings import Settings
from onvif.auth import Guard
from onvif.errors import Fault, NotAuthorized
from onvif.names import TDS
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, running


def settings(state, **more):
    return Settings(CameraConfig(name="a", serial="b", state=state, source=ClipSource(clip=state / "none.avi"), **more))


def test_a_new_camera_has_no_password_that_anybody_knows(tmp_path):
    first, second = settings(tmp_path / "one"), settings(tmp_path / "two")
    passwords = {found.device.value.users[0].password for found in (first, second)}
    assert len(passwords) == 2
    assert min(map(len, passwords)) >= 16
    note = tmp_path / "one" / "initial-password"
    assert note.stat().st_mode & 0o777 == 0o600
    assert note.read_text().strip() in passwords
    (user,) = first.device.value.users
    assert (user.name, user.level) == ("admin", Level.ADMINISTRATOR)
    assert settings(tmp_path / "one").device.value.users == (user,)


def test_the_note_goes_once_its_password_is_changed(tmp_path):
    kept = settings(tmp_path)
    note = tmp_path / "initial-password"
    (user,) = kept.device.value.users
    kept.device.change(hostname="gate")
    kept.device.change(users=(user, type(user)("second", "another-word", Level.USER)))
    assert note.exists()
    kept.device.change(users=(type(user)(user.name, "chosen-by-the-owner", user.level),))
    assert not note.exists()


@pytest.mark.parametrize(("text", "why"), [("short", "at least 8"), (None, "cannot be read")])
def test_a_password_file_that_cannot_be_used_is_named(tmp_path, text, why):
    path = tmp_path / "password"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=why):
        settings(tmp_path / "state", password_file=path)


async def test_guessing_is_locked_out_and_the_owner_elsewhere_is_not(tmp_path):
    async with running(tmp_path) as camera:
        for number in range(Guard.FREE):
            with pytest.raises(NotAuthorized):
                await camera.client_as("administrator", f"wrong-{number}")(TDS, "GetUsers")
        with pytest.raises(NotAuthorized):
            await camera.client()(TDS, "GetUsers")  # the right password, too late
        assert await camera.client(Level.OPERATOR)(TDS, "GetDeviceInformation")
        assert await camera.client_as("", "")(TDS, "GetHostname")


@pytest.mark.parametrize("password", ["short", "operator2", "x" * 65])
async def test_weak_passwords_are_refused_and_change_nothing(tmp_path, password):
    async with running(tmp_path) as camera:
        client = camera.client()
        wanted = {"Username": "operator2", "Password": password, "UserLevel": "Operator"}
        with pytest.raises(Fault) as refused:
            await client(TDS, "CreateUsers", User=[wanted])
        assert refused.value.subcodes[0] == "OperationProhibited"
        own_name = {"Username": "operator", "Password": password if password != "operator2" else "OPERATOR"}
        with pytest.raises(Fault):
            await client(TDS, "SetUser", User=[{**own_name, "UserLevel": "Operator"}])
        assert await camera.client_as("operator", PASSWORDS[Level.OPERATOR])(TDS, "GetDeviceInformation")
