"""A key in pieces: any `threshold` of `shares` people together have it, fewer know nothing of it.

Shamir's scheme (Communications of the ACM 22/11, 1979) over GF(2⁸) with the polynomial of AES (FIPS 197 §4.2), byte by
byte. A share is written as one line to be kept on paper or on a stick, far from the box:
`veilcam-escrow-1 KID THRESHOLD NUMBER HEX CHECK`; CHECK is four bytes of SHA-256 over the fields before.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from wire.base.errors import SealError, WireError
from wire.keys import Identity

_WORD = "veilcam-escrow-1"
_MOST = 32


@dataclass(frozen=True, slots=True)
class Share:
    """One person's piece. `number` is 1.. and `values` as long as the key."""

    kid: str
    threshold: int
    number: int
    values: bytes

    def __str__(self) -> str:
        """The line to be kept."""
        fields = f"{_WORD} {self.kid} {self.threshold} {self.number} {self.values.hex()}"
        return f"{fields} {_check(fields)}"

    @classmethod
    def parse(cls, line: str) -> "Share":
        """Read a line.

        Raises:
            WireError: it is none, or was copied wrongly.
        """
        words = line.split()
        if len(words) != 6 or words[0] != _WORD:
            raise WireError("not a line of an escrow share")
        if _check(" ".join(words[:5])) != words[5]:
            raise WireError("the share was copied wrongly: its check does not fit")
        try:
            return cls(words[1], int(words[2]), int(words[3]), bytes.fromhex(words[4]))
        except ValueError as error:
            raise WireError(f"not a line of an escrow share: {error}") from error


def split(identity: Identity, *, shares: int, threshold: int) -> list[Share]:
    """Pieces of a key.

    Raises:
        WireError: not 2 <= threshold <= shares <= 32.
    """
    if not 2 <= threshold <= shares <= _MOST:
        raise WireError(f"want 2 <= threshold <= shares <= {_MOST}, got {threshold} of {shares}")
    rows = [identity.private, *(secrets.token_bytes(len(identity.private)) for _ in range(threshold - 1))]
    kid = identity.kid.hex()
    return [
        Share(kid, threshold, x, bytes(_at(x, coefficients) for coefficients in zip(*rows, strict=True)))
        for x in range(1, shares + 1)
    ]


def join(shares: Sequence[Share]) -> Identity:
    """The key again.

    Raises:
        WireError: too few, the same twice, or of different keys.
        SealError: together they give another key than they were made of.
    """
    if not shares or len({(each.kid, each.threshold, len(each.values)) for each in shares}) != 1:
        raise WireError("the shares are not of one key")
    if len({each.number for each in shares}) != len(shares):
        raise WireError("the same share was given twice")
    if len(shares) < shares[0].threshold:
        raise WireError(f"{shares[0].threshold} shares are needed, {len(shares)} were given")
    used = shares[: shares[0].threshold]
    factors = []
    for each in used:
        factor = 1
        for other in used:
            if other is not each:
                factor = _times(factor, _times(other.number, _inverse(other.number ^ each.number)))
        factors.append(factor)
    private = bytearray(len(used[0].values))
    for each, factor in zip(used, factors, strict=True):
        for at, value in enumerate(each.values):
            private[at] ^= _times(value, factor)
    identity = Identity(bytes(private), "escrow")
    if identity.kid.hex() != shares[0].kid:
        raise SealError("these shares do not give the key that they name")
    return identity


def _at(x: int, coefficients: Sequence[int]) -> int:
    """The polynomial's value at `x`, Horner's way."""
    value = 0
    for coefficient in reversed(coefficients):
        value = _times(value, x) ^ coefficient
    return value


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11B
        b >>= 1
    return product


def _inverse(a: int) -> int:
    """a²⁵⁴, since a²⁵⁵ = 1."""
    result = 1
    for _ in range(254):
        result = _times(result, a)
    return result


def _check(fields: str) -> str:
    return hashlib.sha256(fields.encode()).hexdigest()[:8]
