"""The first account: its password is in a file for the installer alone, and good for nothing but choosing another."""

import contextlib
from types import SimpleNamespace

import pytest

from base.errors import RequestError, RightRefused
from nvr_box import app
from nvr_box.accounts.users import Accounts
from nvr_box.audit.log import Audit
from nvr_box.config import BoxConfig
from nvr_box.db.database import Store
from nvr_box.rights import Account, Right
from nvr_box.state import FIRST_PASSWORD

OWN = "a password of my own"
CONSOLE = Account("console", frozenset({Right.ADMIN}))


@contextlib.asynccontextmanager
async def accounts(folder):
    store = Store.open(folder / "box.db")
    users = Accounts(store, Audit(store), folder / FIRST_PASSWORD)
    await users.load()
    yield users
    store.close()


async def begun(users, folder):
    await app._first_account(SimpleNamespace(users=users, config=BoxConfig(state=folder)))
    name, password = (folder / FIRST_PASSWORD).read_text().split()
    return name, password


async def test_the_first_password_is_in_a_file_and_neither_printed_nor_logged(tmp_path, capsys, caplog):
    caplog.set_level("DEBUG")
    async with accounts(tmp_path) as users:
        name, password = await begun(users, tmp_path)
        assert (tmp_path / FIRST_PASSWORD).stat().st_mode & 0o077 == 0
        said = "".join(capsys.readouterr()) + caplog.text
        assert password not in said
        assert FIRST_PASSWORD in said
        assert (await users.authenticate(name, password, peer="::1")).rights == app.FIRST_RIGHTS
        assert users.must_claim(name)
        before = (tmp_path / FIRST_PASSWORD).read_text()
        await app._first_account(SimpleNamespace(users=users, config=BoxConfig(state=tmp_path)))
        assert (tmp_path / FIRST_PASSWORD).read_text() == before, "there is an account already"


async def test_claiming_it_ends_the_old_password_and_its_file(tmp_path):
    async with accounts(tmp_path) as users:
        name, password = await begun(users, tmp_path)
        witness = tmp_path / "witness"
        witness.hardlink_to(tmp_path / FIRST_PASSWORD)
        account = users.get(name)
        for wrong, says in (("short", "at least"), (password, "another one")):
            with pytest.raises(RequestError, match=says):
                await users.claim(account, wrong)
        await users.claim(account, OWN)
        assert not users.must_claim(name)
        assert not (tmp_path / FIRST_PASSWORD).exists()
        assert set(witness.read_bytes()) == {0}
        assert await users.authenticate(name, OWN, peer="::1") == account
        with pytest.raises(RightRefused):
            await users.authenticate(name, password, peer="::1")
        with pytest.raises(RightRefused, match="of its own"):
            await users.claim(account, "yet another password")


async def test_it_is_remembered_over_a_restart_and_ended_by_a_change(tmp_path):
    async with accounts(tmp_path) as users:
        name, _ = await begun(users, tmp_path)
    async with accounts(tmp_path) as users:
        assert users.must_claim(name)
        assert (tmp_path / FIRST_PASSWORD).exists()
        # The command line, beside a running box, in a process of its own.
        async with accounts(tmp_path) as other:
            await other.save(CONSOLE, name, password=OWN)
        await users.load()
        assert not users.must_claim(name)
        assert not (tmp_path / FIRST_PASSWORD).exists()


async def test_a_note_without_an_account_is_written_again(tmp_path):
    """A power cut after the note and before the account."""
    (tmp_path / FIRST_PASSWORD).write_text("admin\nof nobody\n")
    async with accounts(tmp_path) as users:
        name, password = await begun(users, tmp_path)
        assert password != "nobody"
        assert await users.authenticate(name, password, peer="::1")
