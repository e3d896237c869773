"""`python -m nvr_box keys …`: the ceremonies of the person responsible for the keys. Each leaves an audit entry.

Secrets come from standard input, one a line, or are typed at a terminal and not shown.
"""

import argparse
import getpass
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from base.errors import Conflict, Invalid, RightRefused, StoreError
from nvr_box.audit.log import Audit
from nvr_box.custody.custody import Custody
from nvr_box.custody.holds import Holds
from nvr_box.keys.known import known
from nvr_box.keys.passphrase import long_enough
from nvr_box.keys.store import KeyFolder
from nvr_box.state import CONSOLE
from wire import escrow
from wire import keys as key_files
from wire.keys import Identity


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of the command line."""
    keys = commands.add_parser("keys", help="reveal keys").add_subparsers(dest="action", required=True)
    keys.add_parser("list", help="operators, days, escrow; what cameras seal to now")
    create = keys.add_parser("create", help="a key for one more operator, under a passphrase of theirs")
    create.add_argument("--label", default="operator", help="the account that it belongs to: its page opens with it")
    create.add_argument("--hybrid", action="store_true", help="X25519 together with ML-KEM-768")
    assign = keys.add_parser("assign", help="say which account an operator's key belongs to, whatever its label")
    assign.add_argument("kid")
    assign.add_argument("account")
    keys.add_parser("rotate", help="another key for the rest of this day, sealed to the operators as they are now")
    revoke = keys.add_parser("revoke", help="seal nothing to this key from now on; the past still opens with it")
    revoke.add_argument("kid")
    shred = keys.add_parser("shred", help="destroy an operator's key or a day's: what only it opens is lost for good")
    shred.add_argument("name", help="a key id, a day, or one key of a day as `keys list` shows it")
    shred.add_argument("--yes", action="store_true", help="it is meant")
    away = keys.add_parser("take-away", help="move an operator's key to a file; the page opens with it")
    away.add_argument("kid")
    away.add_argument("file", type=Path)
    dual = keys.add_parser("dual", help="dual control: day keys open only to two operators together")
    dual.add_argument("pair", nargs="*", metavar="KID+KID", help="none switches dual control off")
    split = keys.add_parser("escrow-create", help="a key in pieces, one file each, to be taken away from the box")
    split.add_argument("folder", type=Path)
    split.add_argument("--shares", type=int, default=3)
    split.add_argument("--threshold", type=int, default=2)
    join = keys.add_parser("escrow-join", help="put pieces together into a key file under a new passphrase")
    join.add_argument("share", nargs="+", type=Path)
    join.add_argument("--out", type=Path, required=True)
    hold = keys.add_parser("hold", help="legal hold: re-seal days to a key of the case before their own are destroyed")
    hold.add_argument("case")
    hold.add_argument("day", nargs="+")
    hold.add_argument("--operators", type=int, default=1, help="passphrases to ask for before the case's own")
    stretch = keys.add_parser("hold-range", help="legal hold of a stretch of one camera, to the group of pictures")
    stretch.add_argument("case")
    stretch.add_argument("camera", type=int)
    stretch.add_argument("start", type=_time_us, help="such as 2026-11-21T21:15:04Z")
    stretch.add_argument("end", type=_time_us)
    stretch.add_argument("--reason", required=True)
    stretch.add_argument("--operators", type=int, default=1, help="passphrases to ask for; 0 places the hold unsealed")
    lift = keys.add_parser("lift", help="end the hold of a stretch: what was sealed to the case for it is destroyed")
    lift.add_argument("number", type=int)
    lift.add_argument("--reason", required=True)


@dataclass(frozen=True, slots=True)
class Room:
    """What the commands work on."""

    keys: KeyFolder
    custody: Custody
    holds: Holds
    log: Audit


async def run(room: Room, arguments: argparse.Namespace) -> None:
    """One command.

    Raises:
        Error: it is refused; the message says why and nothing was changed.
    """
    shared = {"list": _list, "revoke": _revoke, "shred": _shred, "hold-range": _hold_range, "lift": _lift}
    if arguments.action in shared:
        await shared[arguments.action](room, arguments)
        return
    what = {
        "create": _create,
        "assign": _assign,
        "rotate": _rotate,
        "take-away": _take_away,
        "dual": _dual,
        "escrow-create": _escrow_create,
        "escrow-join": _escrow_join,
        "hold": _hold,
    }[arguments.action](room.keys, arguments)
    await room.log.write(CONSOLE.name, "keys", what=arguments.action, name=what)


async def _list(room: Room, _asked: argparse.Namespace) -> None:
    try:
        print(f"{room.keys.verifier.hex()}  signs packages, the audit log's head and orders to cameras")
    except StoreError:
        print("nothing signs yet: the box makes its own keys when it starts for the first time")
    for key in known(room.keys):
        state = "destroyed" if key.destroyed_us else "revoked" if key.revoked_us else ""
        print(f"{key.kid}  {key.kind:<8}  {key.algorithm}  {key.label}  {state}".rstrip())
    for day in room.keys.days():
        print(f"{day.recipient.kid.hex()}  day       {day.day}")
    for each in await room.holds.standing():
        state = f"{each.kept} groups of pictures sealed" if each.kept else "not sealed yet"
        start, end = (datetime.fromtimestamp(us / 1e6, UTC) for us in (each.start_us, each.end_us))
        span = f"{start:%Y-%m-%dT%H:%M:%SZ} to {end:%Y-%m-%dT%H:%M:%SZ}"
        print(f"hold {each.number}  {each.case}  camera {each.camera}  {span}  {state}")


def _create(keys: KeyFolder, arguments: argparse.Namespace) -> str:
    recipient = keys.create(arguments.label, secret("passphrase: "), hybrid=arguments.hybrid)
    print(recipient.kid.hex())
    return recipient.kid.hex()


def _rotate(keys: KeyFolder, _asked: argparse.Namespace) -> str:
    if not keys.operators():
        raise Conflict("keys rotate: no operator has a key yet; make one with `keys create`")
    days = keys.renew()
    if not days:
        print("no camera has a key of this day yet; the first will be sealed to the operators as they are now")
    for day in days:
        print(f"{day.recipient.kid.hex()}  day  {day.day}; a running box gives it to its camera within a minute")
    return " ".join(day.day for day in days)


def _assign(keys: KeyFolder, arguments: argparse.Namespace) -> str:
    keys.assign(arguments.kid, arguments.account)
    print(f"{arguments.kid} belongs to {arguments.account}")
    return f"{arguments.kid} {arguments.account}"


async def _revoke(room: Room, arguments: argparse.Namespace) -> None:
    await room.custody.revoke(CONSOLE, arguments.kid)
    print(f"{arguments.kid} is revoked: a running box tells its cameras within a minute; the past still opens with it")


async def _shred(room: Room, arguments: argparse.Namespace) -> None:
    if not arguments.yes:
        raise RightRefused(f"keys shred: what only {arguments.name} opens is lost for good; say --yes to do it")
    await room.custody.shred(CONSOLE, arguments.name)
    print(f"{arguments.name} is destroyed")


async def _hold_range(room: Room, arguments: argparse.Namespace) -> None:
    passphrases = [secret(f"operator's passphrase {number + 1}: ") for number in range(arguments.operators)]
    placed = await room.holds.place(
        CONSOLE, arguments.case, arguments.camera, arguments.start, arguments.end, reason=arguments.reason
    )
    print(f"hold {placed.number}: camera {arguments.camera} for {arguments.case}")
    if passphrases:
        fresh = room.keys.cases.public(arguments.case) is None
        case_passphrase = secret("passphrase of the case: ") if fresh else ""
        done = await room.holds.seal(CONSOLE, placed.number, passphrases=passphrases, case_passphrase=case_passphrase)
        print(f"{done.kept} groups of pictures are sealed to the key of the case, {done.missed} did not open")


async def _lift(room: Room, arguments: argparse.Namespace) -> None:
    await room.holds.lift(CONSOLE, arguments.number, reason=arguments.reason)
    print(f"hold {arguments.number} is lifted")


def _take_away(keys: KeyFolder, arguments: argparse.Namespace) -> str:
    keys.take_away(arguments.kid, arguments.file)
    print(f"{arguments.kid} is in {arguments.file} and no longer here; without this file and its passphrase it is lost")
    return str(arguments.kid)


def _dual(keys: KeyFolder, arguments: argparse.Namespace) -> str:
    pairs = []
    for word in arguments.pair:
        first, plus, second = word.partition("+")
        if not plus:
            raise Invalid(f"keys dual: want KID+KID, got {word!r}", "dual")
        pairs.append((first, second))
    keys.require_both(pairs)
    print("day keys made from now on open to " + (", or ".join(arguments.pair) if pairs else "each operator alone"))
    return " ".join(arguments.pair) or "off"


def _escrow_create(keys: KeyFolder, arguments: argparse.Namespace) -> str:
    identity = Identity.generate(label="escrow")
    try:
        shares = escrow.split(identity, arguments.threshold, arguments.shares)
    except ValueError as error:
        raise Invalid(f"escrow-create: {error}", "shares") from error
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for share in shares:
            path = arguments.folder / f"share-{share.x}.txt"
            with path.open("x", encoding="ascii") as file:
                path.chmod(0o600)
                file.write(f"{share}\n")
    except OSError as error:
        raise StoreError(f"{arguments.folder}: {error.strerror}") from error
    keys.add_escrow(identity.recipient)
    kid = identity.kid.hex()
    print(
        f"{kid}: any {arguments.threshold} of the {arguments.shares} files in {arguments.folder};"
        " take them away from this box"
    )
    return kid


def _escrow_join(_keys: KeyFolder, arguments: argparse.Namespace) -> str:
    try:
        lines = [path.read_text(encoding="ascii") for path in arguments.share]
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"a share cannot be read: {error}") from error
    identity = escrow.join([escrow.KeyShare.parse(line) for line in lines])
    passphrase = secret("new passphrase: ")
    long_enough(passphrase)
    try:
        key_files.save(arguments.out, identity, passphrase)
    except OSError as error:
        raise StoreError(f"{arguments.out}: {error.strerror}") from error
    print(f"{identity.kid.hex()} is in {arguments.out}; `python -m wire.player` opens recordings with it")
    return identity.kid.hex()


def _hold(keys: KeyFolder, arguments: argparse.Namespace) -> str:
    passphrases = [secret(f"operator's passphrase {number + 1}: ") for number in range(arguments.operators)]
    recipient = keys.hold(arguments.case, arguments.day, passphrases, secret("passphrase of the case: "))
    print(f"{recipient.kid.hex()}: {', '.join(arguments.day)} stay recoverable for {arguments.case}")
    return f"{arguments.case}: {' '.join(arguments.day)}"


def _time_us(text: str) -> int:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time with its zone is needed")
    return round(at.timestamp() * 1e6)


def secret(prompt: str) -> str:
    """One line of standard input; prompted for, and not shown, at a terminal."""
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    return sys.stdin.readline().rstrip("\r\n")
