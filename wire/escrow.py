"""An identity in several hands: any `needed` of the shares give it back, fewer say nothing about it.

Shamir's scheme over GF(256) with the polynomial of AES (x^8 + x^4 + x^3 + x + 1), byte by byte. For off-line use by
`python -m wire.escrow split KEY --needed 2 --of 3 FOLDER` and `… join SHARE SHARE --out KEY`: shares are short text
files to be printed or kept on separate media. They are as secret as the key itself.
"""

import argparse
import getpass
import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor
from pathlib import Path

from base.errors import Error, SealError, WireError
from base.files import write_once
from wire import keys
from wire.keys import Identity

_HEAD = "veilcam-share-1"
_CHECK_BYTES = 4


@dataclass(frozen=True, slots=True)
class KeyShare:
    """One share: point `x` (1 to 255) of the polynomials; `kid` names the identity it belongs to."""

    kid: bytes
    needed: int
    x: int
    y: bytes

    def __str__(self) -> str:
        body = bytes((self.needed, self.x)) + self.y
        check = hashlib.sha256(self.kid + body).digest()[:_CHECK_BYTES]
        return f"{_HEAD} {self.kid.hex()} {(body + check).hex()}"

    @classmethod
    def parse(cls, text: str) -> "KeyShare":
        """Read what `str` gave.

        Raises:
            WireError: not a share, or mistyped.
        """
        words = text.split()
        try:
            head, kid, body = words[0], bytes.fromhex(words[1]), bytes.fromhex("".join(words[2:]))
        except (IndexError, ValueError) as error:
            raise WireError("not a share: wants a heading, a key identifier and hexadecimal digits") from error
        data, check = body[:-_CHECK_BYTES], body[-_CHECK_BYTES:]
        if head != _HEAD or len(kid) != keys.KID_BYTES or len(data) < 3:
            raise WireError("not a share of version 1")
        if hashlib.sha256(kid + data).digest()[:_CHECK_BYTES] != check:
            raise WireError("a share with a mistyped digit: its check does not fit")
        if data[0] < 1 or data[1] < 1:
            raise WireError("a share of nobody")
        return cls(kid, data[0], data[1], data[2:])


def split(identity: Identity, needed: int, count: int) -> tuple[KeyShare, ...]:
    """`count` shares, any `needed` of which give the identity back.

    Raises:
        ValueError: `needed` is not between 1 and `count`, or `count` above 255.
    """
    if not 1 <= needed <= count <= 255:
        raise ValueError(f"{needed} of {count} shares: want 1 <= needed <= count <= 255")
    polynomials = [bytes((secret,)) + os.urandom(needed - 1) for secret in identity.private]
    return tuple(
        KeyShare(identity.kid, needed, x, bytes(_value(polynomial, x) for polynomial in polynomials))
        for x in range(1, count + 1)
    )


def join(shares: Sequence[KeyShare]) -> Identity:
    """The identity that the shares belong to.

    Raises:
        SealError: too few shares, of different keys or splits, or wrong ones.
    """
    distinct = {share.x: share for share in shares}
    if not distinct:
        raise SealError("no shares")
    kinds = {(share.kid, share.needed, len(share.y)) for share in distinct.values()}
    if len(kinds) > 1:
        raise SealError("the shares belong to different keys")
    kid, needed, size = kinds.pop()
    if len(distinct) < needed:
        raise SealError(f"{len(distinct)} different shares, {needed} are needed")
    used = list(distinct.values())[:needed]
    weights = [_weight(share.x, [other.x for other in used if other is not share]) for share in used]
    secret = bytes(
        reduce(xor, (_times(weight, share.y[i]) for weight, share in zip(weights, used, strict=True)))
        for i in range(size)
    )
    try:
        identity = Identity(secret)
    except WireError as error:
        raise SealError(f"the shares do not make a key: {error}") from error
    if identity.kid != kid:
        raise SealError("the shares do not fit together: they come from different splits, or one is wrong")
    return identity


def _value(polynomial: bytes, x: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = _times(value, x) ^ coefficient
    return value


def _weight(x: int, others: Sequence[int]) -> int:
    """Lagrange's coefficient of point `x` at zero; in this field minus is exclusive or."""
    weight = 1
    for other in others:
        weight = _times(weight, _times(other, _inverse(other ^ x)))
    return weight


def _times(a: int, b: int) -> int:
    product = 0
    for bit in range(8):
        product ^= (a << bit) * (b >> bit & 1)
    for bit in range(14, 7, -1):
        product ^= (0x11B << bit - 8) * (product >> bit & 1)
    return product


def _inverse(a: int) -> int:
    power = 1
    for _ in range(254):
        power = _times(power, a)
    return power


def main() -> int:
    """The command; exit status 0, or 2 with a sentence."""
    parser = argparse.ArgumentParser(prog="python -m wire.escrow", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    splitting = commands.add_parser("split", help="write shares of an identity")
    splitting.add_argument("key", type=Path)
    splitting.add_argument("--needed", type=int, default=2)
    splitting.add_argument("--of", type=int, default=3)
    splitting.add_argument("folder", type=Path)
    joining = commands.add_parser("join", help="write the identity that shares belong to")
    joining.add_argument("shares", type=Path, nargs="+")
    joining.add_argument("--out", type=Path, required=True)
    for command in (splitting, joining):
        command.add_argument("--passphrase-file", type=Path, help="first line; prompted for when left out")
    wanted = parser.parse_args()
    try:
        phrase = (
            wanted.passphrase_file.read_text(encoding="utf-8").splitlines()[0]
            if wanted.passphrase_file
            else getpass.getpass("passphrase of the identity file: ")
        )
        if wanted.command == "split":
            for share in split(keys.load_identity(wanted.key, phrase), wanted.needed, wanted.of):
                path = wanted.folder / f"share-{share.x}-of-{wanted.of}.txt"
                write_once(path, f"{share}\n".encode())
                print(path)
        else:
            identity = join([KeyShare.parse(path.read_text(encoding="utf-8")) for path in wanted.shares])
            keys.save(wanted.out, identity, phrase)
            print(f"{wanted.out}: identity {identity.kid.hex()}")
    except (Error, OSError, ValueError, IndexError) as error:
        print(f"wire.escrow: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
