r"""Legal hold: the content keys of a recording sealed again, to a case's key, before the day's key is deleted.

`python -m wire.hold IN --identity DAY_KEY --case CASE_KEY OUT`: OUT is a small file beside the recording; with it and
the case's identity `python -m wire.player --hold OUT` restores the originals although no key named in the stream is
left. The recording itself is not touched.

File: `VEILHOLD1\n`, then per group of pictures 16 bytes key_hash (`wire/recovery.md`, "Frame unit") and 80 bytes HPKE
(1168 for a hybrid case key) of the content key, info = `veilcam hold 1` ‖ key_hash; before them the length of one such
record as u16.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from base.errors import Error, SealError, Truncated, WireError
from wire import keys
from wire.keys import Identity, Recipient
from wire.recording import samples
from wire.recovery.layout import HASH_BYTES, KEY_BYTES
from wire.recovery.reader import Reader

_MAGIC = b"VEILHOLD1\n"
_INFO = b"veilcam hold 1"


def content_keys(path: Path, identities: list[Identity]) -> Iterator[tuple[bytes, bytes]]:
    """(key_hash, content key) of every group of pictures that `identities` open.

    Raises:
        WireError: the recording cannot be read.
    """
    codec, _, units = samples(path)
    reader = Reader(identities, codec)
    seen: set[bytes] = set()
    for unit in units:
        reader.open(unit.au)
        opened = reader.content_key
        if opened is not None and opened[0] not in seen:
            seen.add(opened[0])
            yield opened


def seal(held: Iterable[tuple[bytes, bytes]], case: Recipient) -> bytes:
    """The hold file of these content keys."""
    return file_of([record(key_hash, key, case) for key_hash, key in held])


def record(key_hash: bytes, content_key: bytes, case: Recipient) -> bytes:
    """One group of pictures of a hold file."""
    return key_hash + case.seal(content_key, _INFO + key_hash)


def file_of(records: Sequence[bytes]) -> bytes:
    """The hold file of these records, which are sealed to one case."""
    return _MAGIC + (len(records[0]) if records else 0).to_bytes(2, "big") + b"".join(records)


class Held(Mapping[bytes, bytes]):
    """Content keys by key_hash, opened when requested: a day of them is long. A damaged record counts as missing.

    Args:
        sealed: what each is sealed in, and the case that opens it.
    """

    def __init__(self, sealed: Mapping[bytes, tuple[bytes, Identity]]) -> None:
        self._sealed = sealed

    def __getitem__(self, key_hash: bytes) -> bytes:
        sealed, case = self._sealed[key_hash]
        try:
            key = case.open(sealed, _INFO + key_hash)
        except SealError as error:
            raise KeyError(key_hash) from error
        if len(key) != KEY_BYTES:
            raise KeyError(key_hash)
        return key

    def __or__(self, other: "Held") -> "Held":
        return Held({**self._sealed, **other._sealed})

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._sealed)

    def __len__(self) -> int:
        return len(self._sealed)


def unseal(data: bytes, case: Identity) -> Held:
    """Content keys by key_hash, as `Reader` takes them.

    Raises:
        WireError: not a hold file.
        SealError: sealed to another case: its first record does not open.
    """
    if not data.startswith(_MAGIC):
        raise WireError("not a hold file of version 1", at=0)
    at = len(_MAGIC) + 2
    size = int.from_bytes(data[at - 2 : at], "big")
    if len(data) < at or (size == 0 and len(data) > at) or (size and (len(data) - at) % size):
        raise Truncated("hold file", at=len(data))
    records = [data[start : start + size] for start in range(at, len(data), max(size, 1))]
    if records and len(case.open(records[0][HASH_BYTES:], _INFO + records[0][:HASH_BYTES])) != KEY_BYTES:
        raise SealError("what was held is not a content key")
    return Held({entry[:HASH_BYTES]: (entry[HASH_BYTES:], case) for entry in records})


def main() -> int:
    """The command; exit status 0, or 2 with a sentence."""
    parser = argparse.ArgumentParser(prog="python -m wire.hold", description=__doc__)
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--identity", type=Path, action="append", required=True, help="identity that opens IN")
    parser.add_argument("--passphrase-file", type=Path, help="passphrase of the identity files, first line")
    parser.add_argument("--case", type=Path, required=True, help="identity file of the case; its public part is used")
    wanted = parser.parse_args()
    try:
        phrase = keys.first_line(wanted.passphrase_file)
        identities = [keys.load_identity(path, phrase) for path in wanted.identity]
        held = list(content_keys(wanted.source, identities))
        if not held:
            raise SealError(f"{wanted.source}: these identities open nothing in it")
        wanted.out.write_bytes(seal(held, keys.load_recipient(wanted.case)))
    except (Error, OSError, ValueError, IndexError) as error:
        print(f"wire.hold: {error}", file=sys.stderr)
        return 2
    print(f"{wanted.out}: {len(held)} groups of pictures held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
