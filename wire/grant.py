r"""One person out of a recording, for somebody who is to see nobody else.

`python -m wire.grant IN --identity KEY --track N --to RECIPIENT OUT`: OUT is a small file beside the recording; with it
and the recipient's identity `python -m wire.player --grant OUT` restores this person's own macroblocks, and has no key
that opens anybody else's. The camera must have given each person a payload of its own (`per_track`). A track's number
means the same person from one start of the camera to the next: cut a recording there before you grant from it.

File: `VEILGRANT1\n`, then per group of pictures 16 bytes key_hash, u32 track_id, 2 bytes name (`wire/recovery.md`,
"Frame unit") and 80 bytes HPKE (1168 for a hybrid recipient) of the object's key, info = `veilcam grant 1` ‖ all
before it in its record; before them the length of one such record as u16.
"""

import argparse
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from wire import keys
from wire.base.errors import Error, SealError, Truncated, WireError
from wire.keys import Identity, Recipient
from wire.recording import samples
from wire.recovery.group import TrackKey
from wire.recovery.layout import HASH_BYTES, KEY_BYTES
from wire.recovery.reader import Reader

_MAGIC = b"VEILGRANT1\n"
_INFO = b"veilcam grant 1"
_HEAD = struct.Struct(f">{HASH_BYTES}sI2s")


def track_keys(path: Path, identities: list[Identity], tracks: Iterable[int]) -> Iterator[tuple[bytes, TrackKey]]:
    """(key_hash, key) of every group of pictures in which one of `tracks` has originals of its own.

    Raises:
        WireError: the recording cannot be read.
    """
    codec, _, units = samples(path)
    reader = Reader(identities, codec)
    wanted = set(tracks)
    seen: set[tuple[bytes, int]] = set()
    for unit in units:
        opened = reader.open(unit.au)
        content = reader.content_key
        for track in opened.tracks:
            if content is not None and track.track_id in wanted and (content[0], track.track_id) not in seen:
                seen.add((content[0], track.track_id))
                yield content[0], TrackKey.derive(content[1], track.track_id)


def seal(granted: Iterable[tuple[bytes, TrackKey]], to: Recipient) -> bytes:
    """The grant file of these keys."""
    records = []
    for key_hash, key in granted:
        head = _HEAD.pack(key_hash, key.track_id, key.name)
        records.append(head + to.seal(key.key, _INFO + head))
    size = len(records[0]) if records else 0
    return _MAGIC + size.to_bytes(2, "big") + b"".join(records)


def unseal(data: bytes, identity: Identity) -> Mapping[bytes, Sequence[TrackKey]]:
    """Keys of single objects by key_hash, as `Reader` takes them.

    Raises:
        WireError: not a grant file.
        SealError: given to somebody else.
    """
    if not data.startswith(_MAGIC):
        raise WireError("not a grant file of version 1", at=0)
    at = len(_MAGIC) + 2
    size = int.from_bytes(data[at - 2 : at], "big")
    if len(data) < at or (size == 0 and len(data) > at) or (size and (size < _HEAD.size or (len(data) - at) % size)):
        raise Truncated("grant file", at=len(data))
    found: dict[bytes, list[TrackKey]] = {}
    for start in range(at, len(data), max(size, 1)):
        head, sealed = data[start : start + _HEAD.size], data[start + _HEAD.size : start + size]
        key_hash, track_id, name = _HEAD.unpack(head)
        key = identity.open(sealed, _INFO + head)
        if len(key) != KEY_BYTES:
            raise SealError("what was granted is no object's key")
        found.setdefault(key_hash, []).append(TrackKey(name, track_id, key))
    return found


def main() -> int:
    """The command; exit status 0, or 2 with a sentence."""
    parser = argparse.ArgumentParser(prog="python -m wire.grant", description=__doc__)
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--identity", type=Path, action="append", required=True, help="identity that opens IN")
    parser.add_argument("--passphrase-file", type=Path, help="passphrase of the identity files, first line")
    parser.add_argument("--track", type=int, action="append", required=True, help="this person; may repeat")
    parser.add_argument("--to", type=Path, required=True, help="identity file of who may see; its public part is used")
    wanted = parser.parse_args()
    try:
        phrase = keys.first_line(wanted.passphrase_file)
        identities = [keys.load_identity(path, phrase) for path in wanted.identity]
        granted = list(track_keys(wanted.source, identities, wanted.track))
        if not granted:
            raise SealError(f"{wanted.source}: these identities find no originals of this person's own in it")
        wanted.out.write_bytes(seal(granted, keys.load_recipient(wanted.to)))
    except (Error, OSError, ValueError, IndexError) as error:
        print(f"wire.grant: {error}", file=sys.stderr)
        return 2
    print(f"{wanted.out}: {len(granted)} groups of pictures granted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
