"""`python -m nvr_box verify PACKAGE`: whether a package is what the box signed, by nothing but the package itself."""

import hashlib
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from base import libav
from base.errors import SealError, WireError
from nvr_box.audit.head import Head
from nvr_box.db import audit as audit_rows
from nvr_box.db.link import DatabaseError, looking
from nvr_box.export import bounds, manifest, report
from nvr_box.export.manifest import PackageManifest
from nvr_box.state import DATABASE
from wire.keys import verify as check_signature

_MOST_BYTES = 1 << 36
_MOST_READ_BYTES = 1 << 20
"""Of the manifest and its signature, which are read as a whole."""
_MOST_FILES = 1000
# Reading a recording again takes some hundred bytes a picture, and a picture some thousand bytes of the recording.
_LEAST_MEMORY_BYTES, _TIMES_LISTED = 256 << 20, 2


@dataclass(frozen=True, slots=True)
class PackageFindings:
    """What is wrong with a package, sentence by sentence; nothing when it is whole. `manifest` None: unreadable."""

    manifest: PackageManifest | None
    wrong: tuple[str, ...]


def verify(path: Path, *, signing_key: bytes | None = None, state: Path | None = None) -> PackageFindings:
    """Check signature, files and report of a package.

    Args:
        signing_key: the box's, when it is known; otherwise the package's own word for it is taken.
        state: of the box that made it: whether its audit log still holds the entry of this export.

    Raises:
        WireError: it is no package at all.
    """
    try:
        with zipfile.ZipFile(path) as package, tempfile.TemporaryDirectory(prefix="veilcam-verify-") as folder:
            found = _checked(package, path.stat().st_size, Path(folder), signing_key)
            return replace(found, wrong=(*found.wrong, *_head(found.manifest, state))) if found.manifest else found
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise WireError(f"{path}: cannot be read as a package: {error}") from error


def _checked(package: zipfile.ZipFile, size: int, folder: Path, signing_key: bytes | None) -> PackageFindings:
    infos = package.infolist()
    if len(infos) > _MOST_FILES:
        raise WireError(f"a package of more than {_MOST_FILES} files")
    names = Counter(info.filename for info in infos)
    if manifest.NAME not in names or manifest.SIGNATURE not in names:
        raise WireError("no package of a box: the manifest or its signature is missing")
    # Files lie in a package as they are: what is packed would be whatever size it likes when it is unpacked.
    if any(info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size for info in infos):
        raise WireError("no package of a box: there are compressed files in it")
    if sum(info.file_size for info in infos) > min(_MOST_BYTES, size):
        raise WireError("a package whose files are longer than itself, or than 64 GiB")
    written = _read(package, manifest.NAME)
    said = PackageManifest.parse(written)
    wrong = []
    if signing_key is not None and said.signing_key != signing_key:
        wrong.append("it was signed by another box")
    try:
        check_signature(said.signing_key, _read(package, manifest.SIGNATURE), manifest.CONTEXT + written)
    except SealError:
        wrong.append("the signature does not fit the manifest")
    expected = {each.name: each for each in said.files}
    extra = sorted(set(names) - set(expected) - {manifest.NAME, manifest.SIGNATURE})
    wrong += [f"{name}: not in the manifest" for name in extra]
    wrong += [f"{name}: there more than once" for name in expected if names[name] > 1]
    for number, (name, each) in enumerate(expected.items()):
        if name not in names:
            wrong.append(f"{name}: missing")
        elif _unpacked(package, name, folder / str(number), each.bytes) != (each.bytes, each.sha256):
            wrong.append(f"{name}: altered")
    if not wrong:
        listed = sum(each.bytes for each in said.files)
        try:
            with bounds.memory(_LEAST_MEMORY_BYTES + _TIMES_LISTED * listed):
                wrong += _report(said, {name: folder / str(number) for number, name in enumerate(expected)})
        except MemoryError:
            wrong.append("a recording claims more pictures than it has room for")
    return PackageFindings(said, tuple(wrong))


def _read(package: zipfile.ZipFile, name: str) -> bytes:
    if package.getinfo(name).file_size > _MOST_READ_BYTES:
        raise WireError(f"{name}: longer than {_MOST_READ_BYTES >> 20} MiB")
    return package.read(name)


def _unpacked(package: zipfile.ZipFile, name: str, to: Path, listed: int) -> tuple[int, str]:
    """Length and hash of a file, put on disk no further than it is listed."""
    digest, size = hashlib.sha256(), 0
    with package.open(name) as source, to.open("wb") as target:
        while size <= listed and (part := source.read(1 << 20)):
            digest.update(part)
            target.write(part)
            size += len(part)
    return size, digest.hexdigest()


def _same(path: Path, expected: bytes) -> bool:
    """Whether a file holds these bytes; a longer one is not read."""
    return path.stat().st_size == len(expected) and path.read_bytes() == expected


def _report(said: PackageManifest, files: dict[str, Path]) -> list[str]:
    """The box's report, and what it says that recordings hold, against what the recordings themselves say now."""
    try:
        key = said.about.get("camera_signing_key")
        signing_key = bytes.fromhex(key) if key else None
        camera_id = bytes.fromhex(said.about.get("camera_id") or "") or None
        masked = {name: path for name, path in files.items() if name.startswith("masked")}
        again = [report.export_report(name, path, signing_key, camera_id) for name, path in masked.items()]
        if not any(_same(files["report.json"], report.as_json(again, version)) for version in (report.VERSION, 1)):
            return ["report.json: the recordings say something else"]
        wrong = []
        for each in said.about.get("holds", ()):
            held = report.holding(str(each["file"]), files[each["file"]], 0)
            if (held.pictures, held.last_us) != (each["pictures"], each["length_us"]):
                wrong.append(f"{held.name}: holds other pictures than the manifest says")
        return wrong
    except (KeyError, TypeError, ValueError, RecursionError, WireError) as error:
        return [f"the recordings cannot be read again: {error}"]


def _head(said: PackageManifest, state: Path | None) -> list[str]:
    """The head of the audit log in the package, and what a box's log lacks of it where there is one to compare."""
    table = said.about.get("audit_head")
    try:
        head = Head.from_json(table) if table is not None else None
    except (WireError, SealError) as error:
        return [f"audit_head: {error}"]
    if head is not None and bytes.fromhex(head.signing_key) != said.signing_key:
        return ["audit_head: it was signed by another box"]
    if state is None:
        return []
    try:
        with looking(state / DATABASE) as link:
            number, hashed = int(said.about["audit_entry"]), str(said.about["audit_hash"])
            there = audit_rows.hash_of(link, number)
            if there is None:
                return [f"audit log: entry {number}, of this package, is missing: entries were cut off"]
            if there.hex() != hashed:
                return [f"audit log: entry {number}, of this package, or one before it was rewritten"]
            fault = head.fault(link) if head else ""
    except (DatabaseError, KeyError, TypeError, ValueError) as error:
        return [f"audit log: {state / DATABASE} cannot be compared: {error}"]
    return [f"audit log: {fault}"] if fault else []


def main(path: Path, signing_key: str | None, state: Path | None = None) -> int:
    """The command; 0 for a whole package, 1 for one that is not, with a line for each fault."""
    libav.bound_allocations()
    try:
        found = verify(path, signing_key=bytes.fromhex(signing_key) if signing_key else None, state=state)
    except (WireError, ValueError) as error:
        print(f"nvr_box verify: {error}", file=sys.stderr)
        return 1
    for sentence in found.wrong:
        print(f"WRONG  {sentence}")
    assert found.manifest is not None
    about = found.manifest.about
    if not found.wrong:
        print(f"whole: {about['camera_name']}, {about['start']} to {about['end']}, {about['reason']}")
        print(f"signed by {found.manifest.signing_key.hex()}" + ("" if signing_key else "; compare it with the box's"))
    return 1 if found.wrong else 0
