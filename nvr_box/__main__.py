"""`python -m nvr_box --config nvr.toml [serve | check | users … | keys …]`."""

import argparse
import asyncio
import getpass
import sys
from pathlib import Path

from nvr_box import check
from nvr_box.audit import Audit
from nvr_box.config import BoxConfig
from nvr_box.keys import Keys
from nvr_box.rights import Refused, Right
from nvr_box.state import CONSOLE, DATABASE, KEYS
from nvr_box.store import Store
from nvr_box.users import Users
from wire.base import config as toml
from wire.base import logs
from wire.base.errors import ConfigError, Error


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 with a sentence on standard error when not."""
    asked = _parser().parse_args(arguments)
    try:
        config = toml.load(BoxConfig, asked.config)
        if asked.command in (None, "serve"):
            # Here and not above: the networks take seconds to load, which the other commands do not need.
            from nvr_box import app

            logs.start("box", level=config.log_level)
            asyncio.run(app.serve(config))
            return 0
        if asked.command == "check":
            return check.main(config, hashes=not asked.quick)
        return asyncio.run(_change(config, asked))
    except (Error, Refused) as error:
        print(f"nvr_box: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nvr_box", description="Record, search and reveal.")
    parser.add_argument("--config", type=Path, default=Path("nvr.toml"), help="nvr.toml (default: here)")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the box (the default)")
    checking = commands.add_parser("check", help="compare database, files and audit chain; exit 1 when they differ")
    checking.add_argument("--quick", action="store_true", help="sizes only, without reading every recording")
    users = commands.add_parser("users", help="accounts").add_subparsers(dest="action", required=True)
    users.add_parser("list")
    put = users.add_parser("put", help="create or change one; the password comes from standard input or is asked for")
    put.add_argument("name")
    put.add_argument("--rights", help=f"comma-separated: {', '.join(right.value for right in Right)}")
    put.add_argument("--cameras", help="comma-separated numbers; 'all' lifts the limit")
    put.add_argument("--keep-password", action="store_true")
    users.add_parser("remove").add_argument("name")
    keys = commands.add_parser("keys", help="reveal keys").add_subparsers(dest="action", required=True)
    keys.add_parser("list")
    create = keys.add_parser("create", help="a new one; its passphrase comes from standard input or is asked for")
    create.add_argument("--label", default="operator")
    create.add_argument("--hybrid", action="store_true", help="X25519 together with ML-KEM-768")
    shred = keys.add_parser("shred", help="destroy one: what is sealed to it alone can never be revealed again")
    shred.add_argument("kid")
    shred.add_argument("--yes", action="store_true", help="it is meant")
    return parser


async def _change(config: BoxConfig, asked: argparse.Namespace) -> int:
    config.state.mkdir(parents=True, exist_ok=True)
    store = Store.open(config.state / DATABASE)
    try:
        log = Audit(store)
        if asked.command == "users":
            users = Users(store, log)
            await users.load()
            await _users(users, asked)
        else:
            await _keys(Keys.open(config.state / KEYS), log, asked)
    finally:
        store.close()
    return 0


async def _users(users: Users, asked: argparse.Namespace) -> None:
    if asked.action == "list":
        for account in users.list(CONSOLE):
            held = ", ".join(sorted(right.value for right in account.rights)) or "none"
            where = "every camera" if account.cameras is None else f"cameras {sorted(account.cameras)}"
            print(f"{account.name}: {held}; {where}")
    elif asked.action == "put":
        try:
            rights = [Right(word.strip()) for word in asked.rights.split(",")] if asked.rights else None
            every = asked.cameras == "all"
            cameras = [int(word) for word in asked.cameras.split(",")] if asked.cameras and not every else None
        except ValueError as error:
            raise ConfigError(f"users put: {error}") from error
        password = None if asked.keep_password else _secret(f"password of {asked.name}: ")
        await users.put(CONSOLE, asked.name, password=password, rights=rights, cameras=cameras, every_camera=every)
    else:
        await users.remove(CONSOLE, asked.name)


async def _keys(keys: Keys, log: Audit, asked: argparse.Namespace) -> None:
    if asked.action == "list":
        for recipient in keys.recipients():
            print(f"{recipient.kid.hex()}  {recipient.kem.name.lower()}  {recipient.label}")
    elif asked.action == "create":
        recipient = keys.create(asked.label, _secret("passphrase: "), hybrid=asked.hybrid)
        await log.write(CONSOLE.name, "keys", kid=recipient.kid.hex(), label=recipient.label, what="create")
        print(recipient.kid.hex())
    else:
        if not asked.yes:
            raise ConfigError(f"keys shred: what is sealed to {asked.kid} alone is lost for good; say --yes to do it")
        if not keys.remove(asked.kid):
            raise ConfigError(f"keys shred: there is no key {asked.kid}")
        await log.write(CONSOLE.name, "keys", kid=asked.kid, what="shred")
        print(f"{asked.kid} is destroyed; pair the cameras again so that they stop sealing to it")


def _secret(prompt: str) -> str:
    """One line of standard input; asked for, and not shown, at a terminal."""
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    return sys.stdin.readline().rstrip("\r\n")


if __name__ == "__main__":
    sys.exit(main())
