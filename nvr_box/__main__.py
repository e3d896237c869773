"""`python -m nvr_box --config nvr.toml [serve | check | accept-loss | verify … | users … | keys … | reencode]`."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from base import config as toml
from base import logs, service
from base.errors import ConfigError, Error, Invalid, StoreError
from nvr_box.accounts.users import Accounts
from nvr_box.audit.log import Audit
from nvr_box.config import BoxConfig
from nvr_box.custody import command as keys_command
from nvr_box.custody.command import secret
from nvr_box.custody.custody import Custody
from nvr_box.custody.holds import Holds
from nvr_box.db.database import Store
from nvr_box.db.migrate import Newer
from nvr_box.export import verify
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance import accept_loss, check
from nvr_box.record.recordings import Recordings
from nvr_box.record.segments import Segments
from nvr_box.rights import Right
from nvr_box.state import CONSOLE, DATABASE, RECORDINGS

SERVING, CHECK_CONFIG = (None, "serve"), "check-config"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 (78 where another start would not help) with a sentence on standard
    error when not.
    """
    given = _parser().parse_args(arguments)
    if given.command == "verify":
        return verify.main(given.package, given.signing_key, given.state)
    try:
        config = toml.load(BoxConfig, getattr(given, "file", None) or given.config)
        if given.command == CHECK_CONFIG:
            print(f"{given.file or given.config}: good")
            return 0
        service.keep_files_private(None if given.command == "check" else config.state)
        if given.command in SERVING:
            # Here and not above: the networks take seconds to load, which the other commands do not need.
            from nvr_box import app

            logs.start("box", level=config.log_level)
            service.raise_files()
            service.bound_arenas()
            asyncio.run(app.serve(config))
            return 0
        if given.command == "check":
            return check.main(config, hashes=not given.quick, signing_key=given.signing_key)
        return asyncio.run(_change(config, given))
    except Error as error:
        print(f"nvr_box: {error}", file=sys.stderr)
        service.notify(f"STATUS={error}")
        # Neither the file nor which of the two programs is installed changes by starting this one again.
        wrong = isinstance(error, ConfigError) and given.command in (*SERVING, CHECK_CONFIG)
        return os.EX_CONFIG if wrong or isinstance(error, Newer) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nvr_box", description="Record, search and reveal.")
    parser.add_argument("--config", type=Path, default=Path("nvr.toml"), help="nvr.toml (default: here)")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the box (the default)")
    config = commands.add_parser(CHECK_CONFIG, help="read the configuration, say what is wrong with it, start nothing")
    config.add_argument("file", type=Path, nargs="?", help="the file, when it is not --config's")
    checking = commands.add_parser("check", help="compare database, files and audit chain; exit 1 when they differ")
    checking.add_argument("--signing-key", help="the box's, as `keys list` showed it when all was well")
    checking.add_argument("--quick", action="store_true", help="sizes only, without reading every recording")
    accepting = commands.add_parser("accept-loss", help="entries of the audit log are lost: say so and sign on")
    accepting.add_argument("reason", help="what happened, in words; it stays in the log")
    verifying = commands.add_parser("verify", help="check a package of evidence; needs no box and no key")
    verifying.add_argument("package", type=Path)
    verifying.add_argument("--signing-key", help="the box's, as `keys list` shows it")
    verifying.add_argument("--state", type=Path, help="a box's state folder: does its audit log still hold the entry?")
    users = commands.add_parser("users", help="accounts").add_subparsers(dest="action", required=True)
    users.add_parser("list")
    put = users.add_parser("put", help="create or change one; the password comes from standard input or a prompt")
    put.add_argument("name")
    put.add_argument("--rights", help=f"comma-separated: {', '.join(right.value for right in Right)}")
    put.add_argument("--cameras", help="comma-separated numbers; 'all' lifts the limit")
    put.add_argument("--keep-password", action="store_true")
    users.add_parser("remove").add_argument("name")
    keys_command.add_parser(commands)
    reencode = commands.add_parser("reencode", help="make stored codes again with the configured appearance model")
    reencode.add_argument("--identity", type=Path, action="append", default=[], help="a key file not on the box")
    reencode.add_argument("--operators", type=int, default=1, help="how many passphrases to ask for")
    return parser


async def _change(config: BoxConfig, given: argparse.Namespace) -> int:
    store = Store.open(config.state / DATABASE)
    try:
        log = Audit(store)
        if given.command == "users":
            users = Accounts(store, log)
            await users.load()
            await _users(users, given)
        elif given.command == "accept-loss":
            keys = KeyFolder.open(config.key_folder, rotate=config.reveal.rotate, make=False)
            try:
                key = keys.verifier.hex()
            except StoreError:
                key = None
            actor, why = CONSOLE.name, given.reason
            lost = await accept_loss.accept(store, log, config.state, actor=actor, reason=why, signing_key=key)
            print(f"accepted: {lost}. A box that runs signs on after its next start.")
        elif given.command == "reencode":
            # Here and not above, as for `serve`.
            from nvr_box.search import reencode_command

            keys = KeyFolder.open(config.key_folder, rotate=config.reveal.rotate, make=False)
            passphrases = [secret(f"operator's passphrase {number + 1}: ") for number in range(given.operators)]
            service.keep_secrets()
            await reencode_command.run(config.models, store, keys, files=given.identity, passphrases=passphrases)
        else:
            # Public halves do: only the box itself has its secret, which its service's credential keeps.
            keys = KeyFolder.open(config.key_folder, rotate=config.reveal.rotate, make=False)
            recordings = Recordings(Segments(store, config.state / RECORDINGS), log)
            holds = Holds(store, log, keys, recordings)
            await keys_command.run(keys_command.Room(keys, Custody(store, log, keys, holds), holds, log), given)
    finally:
        store.close()
    return 0


async def _users(users: Accounts, given: argparse.Namespace) -> None:
    if given.action == "list":
        for account in users.list(CONSOLE):
            held = ", ".join(sorted(right.value for right in account.rights)) or "none"
            where = "every camera" if account.cameras is None else f"cameras {sorted(account.cameras)}"
            print(f"{account.name}: {held}; {where}")
    elif given.action == "put":
        try:
            rights = [Right(word.strip()) for word in given.rights.split(",")] if given.rights else None
            every = given.cameras == "all"
            cameras = [int(word) for word in given.cameras.split(",")] if given.cameras and not every else None
        except ValueError as error:
            raise Invalid(f"users put: {error}", "users put") from error
        password = None if given.keep_password else secret(f"password of {given.name}: ")
        await users.save(CONSOLE, given.name, password=password, rights=rights, cameras=cameras, every_camera=every)
    else:
        await users.remove(CONSOLE, given.name)


if __name__ == "__main__":
    sys.exit(main())
