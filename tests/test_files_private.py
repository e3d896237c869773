"""What the box and a camera keep is for their own user, also where no unit sets a umask."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from base import service
from base.errors import ConfigError

ROOT = Path(__file__).parents[1]


def open_to_others(folder):
    return {
        str(path.relative_to(folder.parent))
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    }


def test_a_state_folder_that_others_could_enter_is_closed_and_what_is_made_in_it_as_well(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)
    (tmp_path / "nvr.toml").write_text(f'state = "{state}"\n')
    command = [sys.executable, "-m", "nvr_box", "--config", str(tmp_path / "nvr.toml"), "users", "list"]
    subprocess.run(command, cwd=ROOT, check=True, umask=0o000, stdout=subprocess.DEVNULL)
    assert (state / "box.db").exists()
    assert open_to_others(state) == set()


def test_files_of_a_program_are_made_for_its_user_alone(tmp_path):
    before = os.umask(0)
    try:
        service.keep_files_private(tmp_path / "a" / "state")
        (tmp_path / "a" / "state" / "seen").touch()
        assert open_to_others(tmp_path / "a" / "state") == set()
    finally:
        os.umask(before)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    before = os.umask(0o077)
    try:
        with pytest.raises(ConfigError, match="file"):
            service.keep_files_private(tmp_path / "file" / "state")
    finally:
        os.umask(before)
