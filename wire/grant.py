r"""One person out of a recording, for a recipient that is to see no other person.

`python -m wire.grant IN --identity KEY --track N --to RECIPIENT OUT`: OUT is a small file beside the recording; with it
and the recipient's identity `python -m wire.player --grant OUT` restores this person's own macroblocks, and has no key
that opens another person's. The camera must have given each person a payload of its own (`per_track`). A track's number
means the same person from one start of the camera to the next only: where a recording goes over one, or lacks a piece,
and the number is used on both sides, the grant is refused until `--part N` says on which side the person is meant.

File: `VEILGRANT1\n`, then per group of pictures 16 bytes key_hash, u32 track_id, 2 bytes name (`wire/recovery.md`,
"Frame unit") and 80 bytes HPKE (1168 for a hybrid recipient) of the object's key, info = `veilcam grant 1` ‖ all
before it in its record; before them the length of one such record as u16.
"""

import argparse
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from base.errors import Error, SealError, Truncated, WireError
from wire import keys
from wire.keys import Identity, Recipient
from wire.recording import samples
from wire.recovery.group import TrackKey
from wire.recovery.layout import HASH_BYTES, KEY_BYTES
from wire.recovery.reader import Reader

_MAGIC = b"VEILGRANT1\n"
_INFO = b"veilcam grant 1"
_HEAD = struct.Struct(f">{HASH_BYTES}sI2s")


class SeveralParts(WireError):
    """A number is used in several parts of a recording (`wire/recovery.md`, "Parts"): it may name several people.

    Attributes:
        parts: those in which it is used, and when each begins, in seconds of the recording.
    """

    def __init__(self, track_id: int, parts: Mapping[int, Fraction]) -> None:
        where = ", ".join(f"part {number} from {float(at_s):.1f} s" for number, at_s in parts.items())
        super().__init__(
            f"the camera was restarted in between, or a piece is missing: track {track_id} is in {where},"
            " and may be another person in each; say which is meant"
        )
        self.parts = parts


def track_keys(
    path: Path,
    identities: list[Identity],
    tracks: Iterable[int],
    *,
    part: int | None = None,
    signing_key: bytes | None = None,
) -> list[tuple[bytes, TrackKey]]:
    """(key_hash, key) of every group of pictures in which one of `tracks` has originals of its own.

    Args:
        part: of the recording, from 1; None where there is but one in which the tracks are.
        signing_key: the camera's; with it a manifest of another signer joins no parts.

    Raises:
        SeveralParts: `part` is None and one of the tracks is in several.
        WireError: the recording cannot be read.
    """
    codec, _, units = samples(path)
    reader = Reader(identities, codec, signing_key)
    wanted = set(tracks)
    begins: dict[int, Fraction] = {}
    used: dict[int, dict[int, Fraction]] = {}
    found: dict[tuple[bytes, int], TrackKey] = {}
    for unit in units:
        opened = reader.open(unit.au)
        content = reader.content_key
        begins.setdefault(reader.part, unit.time_s or Fraction(0))
        for track in opened.tracks:
            if content is None or track.track_id not in wanted or part not in {None, reader.part}:
                continue
            used.setdefault(track.track_id, {})[reader.part] = begins[reader.part]
            if len(used[track.track_id]) > 1:
                raise SeveralParts(track.track_id, used[track.track_id])
            if (content[0], track.track_id) not in found:
                found[content[0], track.track_id] = TrackKey.derive(content[1], track.track_id)
    return [(key_hash, key) for (key_hash, _), key in found.items()]


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
        SealError: given to another recipient.
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
    parser.add_argument("--part", type=int, help="of the recording, when the number is used in several")
    parser.add_argument("--signing-key", help="the camera's Ed25519 public key, hexadecimal")
    parser.add_argument(
        "--to", type=Path, required=True, help="identity file of the recipient; its public part is used"
    )
    wanted = parser.parse_args()
    try:
        phrase = keys.first_line(wanted.passphrase_file)
        identities = [keys.load_identity(path, phrase) for path in wanted.identity]
        signing_key = bytes.fromhex(wanted.signing_key) if wanted.signing_key else None
        granted = track_keys(wanted.source, identities, wanted.track, part=wanted.part, signing_key=signing_key)
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
