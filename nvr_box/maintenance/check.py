"""`python -m nvr_box check`: does what is on disk agree with itself? Prints each finding; changes nothing.

May run beside a running box: the segments being written have no row yet, which is no finding.
"""

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from base.errors import Error, NotFound, StoreError, WireError
from nvr_box.audit import head as audit_head
from nvr_box.audit import log as audit
from nvr_box.config import BoxConfig
from nvr_box.db import packets as packet_rows
from nvr_box.db import segments as segment_rows
from nvr_box.db import soundness
from nvr_box.db.database import Store
from nvr_box.db.link import DatabaseError, Link, looking
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance import repair
from nvr_box.record import fmp4, gop_index
from nvr_box.record.full_disk import GONE
from nvr_box.state import DATABASE, KEYS, RECORDINGS
from wire import thumbnail
from wire.keys import load_verifier
from wire.recovery.verdict import Check

_WITHOUT_ROW = 2
# A recorder writes each group of pictures as it comes; the longest that is waited for takes two minutes.
_WRITTEN_S = 150.0


def main(config: BoxConfig, *, hashes: bool = True, signing_key: str | None = None) -> int:
    """Print findings and a last line; 1 when there are any."""
    path = config.state / DATABASE
    if not path.exists():
        raise NotFound(f"{path}: there is no box here")
    store = Store.open(path)
    store.close()
    try:
        with looking(path) as link:
            found = list(findings(link, config.state, keys=config.key_folder, hashes=hashes, signing_key=signing_key))
            counts = soundness.sizes(link)
    except DatabaseError as error:
        raise StoreError(f"{path}: {error}") from error
    for finding in found:
        print(finding)
    said = f"{counts[0]} segments, {counts[1]} passages, {counts[2]} of them with a sealed original"
    print(f"{said}, {counts[3]} audit entries: {len(found) or 'no'} findings")
    return 1 if found else 0


def findings(
    link: Link,
    state: Path,
    *,
    keys: Path | None = None,
    hashes: bool = True,
    signing_key: str | None = None,
) -> Iterator[str]:
    """Each contradiction as a sentence.

    Args:
        keys: the folder of the keys, when it is not the usual one.
        signing_key: the box's, hex, where it is known from elsewhere: an attacker who changes the state may change
        that too.
    """
    for said in soundness.whole_check(link):
        yield f"database: {said}"
    for table, row, parent in soundness.without_parent(link):
        yield f"database: row {row} of {table} belongs to nothing in {parent}"
    damage = repair.last(link)
    if damage is not None:
        yield f"database: at {datetime.fromtimestamp(damage.utc_us / 1e6, UTC):%Y-%m-%d %H:%M:%SZ} {damage.sentence()}"
    yield from _counters(link)
    yield from _segments(link, state / RECORDINGS, hashes=hashes)
    yield from _best_shots(link, hashes=hashes)
    for camera_id, sequence, count in soundness.stored_twice(link):
        yield f"packet {sequence} of camera {camera_id} is stored {count} times"
    verdict = audit.verify(link)
    if verdict.broken_at is not None:
        yield f"audit: {verdict.why}"
    keys = keys or state / KEYS
    yield from _head(link, state, keys / "signing.json", signing_key)
    for said in audit_head.losses(link, state):
        yield f"audit: {said}"
    for camera in soundness.paired_without_keys(link):
        yield f"camera {camera} is paired but its keys are missing"
    try:
        found = KeyFolder.open(keys, make=False)
        found.operators()
        found.days()
        found.escrow()
    except Error as error:
        yield f"keys: {error}"


def _head(link: Link, state: Path, verifier: Path, signing_key: str | None) -> Iterator[str]:
    """Whether the log still holds what the box signed. Before the box ran for the first time nothing is signed."""
    path = state / audit_head.FILE
    try:
        head = audit_head.kept(state)
        if signing_key is None and verifier.exists():
            signing_key = load_verifier(verifier).hex()
    except Error as error:
        yield f"audit: {error}"
        return
    if head is None:
        if verifier.exists():
            yield f"audit: {path} is missing: whether entries were cut off is not known (a running box writes it)"
    elif signing_key is not None and head.signing_key != signing_key.lower():
        yield f"audit: {path} was signed by another box"
    elif fault := head.fault(link):
        yield f"audit: {fault}"


def _counters(link: Link) -> Iterator[str]:
    """What is kept by triggers, counted again."""
    for camera, counted, said in soundness.counters(link):
        if counted != said:
            yield f"database: bytes, length and passages of camera {camera} are {counted}, it counts {said}"


def _best_shots(link: Link, *, hashes: bool) -> Iterator[str]:
    """Thumbnails that are no thumbnails, belong to another packet, or were changed since their camera signed them."""
    for packet, camera_id, sequence, key, jpeg, kids in packet_rows.every_shot(link):
        signing_key = bytes.fromhex(key) if key and hashes else None
        said = _best_shot(jpeg, (camera_id, sequence), kids, signing_key)
        if said:
            yield f"best shot of passage {packet}: {said}"


def _best_shot(jpeg: bytes, name: tuple[bytes, int], kids: bytes, signing_key: bytes | None) -> str:
    try:
        unit = thumbnail.parse(jpeg).unit
    except WireError as error:
        return f"is no thumbnail: {error}"
    if unit is None:
        return "its row names keys, but nothing is sealed in it" if kids else ""
    if b"".join(thumbnail.holders_of(unit)) != kids:
        return "its row names other keys than it is sealed to"
    if (unit.label.camera_id, unit.label.sequence) != name:
        return "it belongs to another packet"
    if signing_key and thumbnail.open_sealed(jpeg, (), signing_key).origin is Check.NO:
        return "it is not what its camera signed"
    return ""


def _segments(link: Link, root: Path, *, hashes: bool) -> Iterator[str]:
    # Files first: what is finished between the two looks then has both.
    files = {str(path.relative_to(root)) for path in root.rglob("*.mp4")}
    for segment, path, size, sha256, index in segment_rows.files(link):
        if (root / path).with_suffix(GONE).exists():
            continue  # removed on a full disk; its row goes as soon as the database can be written
        said = _segment(root / path, size, sha256 if hashes else None, index)
        if said and segment_rows.is_there(link, segment):
            yield f"segment {segment} ({path}): {said}"
    known = segment_rows.paths(link)
    # The one that is being written, and the one before it, whose row is on its way.
    newest: dict[str, list[str]] = {}
    for path in sorted(files - known, key=_start):
        camera = Path(path).parts[0]
        waiting = newest.setdefault(camera, [])
        waiting.append(path)
        if len(waiting) > _WITHOUT_ROW:
            yield f"{waiting.pop(0)}: has no row, and is not the newest file of camera {camera}"
    # Under a clock that is wrong by days the one that is being written may be dated before or after all others.
    for camera, paths in newest.items():
        at = segment_rows.last_start_us(link, int(camera) if camera.isdigit() else -1)
        for path in paths:
            if at is not None and _start(path) < at and not _is_written(root / path):
                yield f"{path}: has no row, but later segments have"


def _segment(file: Path, size: int, sha256: bytes | None, index: bytes) -> str:
    """What is wrong with one finished segment, empty when nothing is."""
    try:
        if file.stat().st_size != size:
            return f"has {file.stat().st_size} bytes, its row says {size}"
        keys = gop_index.unpack(index)
        if sha256 is None:
            return ""
        data = file.read_bytes()
        if hashlib.sha256(data).digest() != sha256:
            return "its content is not what was recorded (SHA-256 differs)"
        whole = [(each.time_90k, each.offset) for each in fmp4.fragments(data, fmp4.init_size(data)) if each.key]
        if tuple(whole) != keys:
            return "its index does not name its key frames"
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except WireError as error:
        return f"is no segment: {error}"
    return ""


def _is_written(file: Path) -> bool:
    """Whether it is being written to now."""
    try:
        return abs(time.time() - file.stat().st_mtime) < _WRITTEN_S
    except FileNotFoundError:
        return True


def _start(path: str) -> int:
    digits = Path(path).stem.split("_")[0]
    return int(digits) if digits.isdigit() else 0
