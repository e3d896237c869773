"""`python -m nvr_box verify PACKAGE`: whether a package is what the box signed, by nothing but the package itself."""

import contextlib
import hashlib
import json
import sqlite3
import sys
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from nvr_box.audit_head import Head
from nvr_box.export import manifest, report
from nvr_box.export.manifest import Manifest
from nvr_box.state import DATABASE
from wire.base.errors import SealError, WireError
from wire.keys import verify as check_signature

_MOST_BYTES = 1 << 36


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with a package, sentence by sentence; nothing when it is whole. `manifest` None: unreadable."""

    manifest: Manifest | None
    wrong: tuple[str, ...]


def verify(path: Path, *, signing_key: bytes | None = None, state: Path | None = None) -> Found:
    """Check signature, files and report of a package.

    Args:
        signing_key: the box's, when it is known; otherwise the package's own word for it is taken.
        state: of the box that made it: whether its audit log still holds the entry of this export.

    Raises:
        WireError: it is no package at all.
    """
    try:
        with zipfile.ZipFile(path) as package, tempfile.TemporaryDirectory(prefix="veilcam-verify-") as folder:
            found = _checked(package, Path(folder), signing_key)
            return replace(found, wrong=(*found.wrong, *_head(found.manifest, state))) if found.manifest else found
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise WireError(f"{path}: cannot be read as a package: {error}") from error


def _checked(package: zipfile.ZipFile, folder: Path, signing_key: bytes | None) -> Found:
    names = package.namelist()
    if manifest.NAME not in names or manifest.SIGNATURE not in names:
        raise WireError("no package of a box: the manifest or its signature is missing")
    if sum(info.file_size for info in package.infolist()) > _MOST_BYTES:
        raise WireError("a package of more than 64 GiB")
    written = package.read(manifest.NAME)
    said = Manifest.parse(written)
    wrong = []
    if signing_key is not None and said.signing_key != signing_key:
        wrong.append("it was signed by another box")
    try:
        check_signature(said.signing_key, package.read(manifest.SIGNATURE), manifest.CONTEXT + written)
    except SealError:
        wrong.append("the signature does not fit the manifest")
    expected = {each.name: each for each in said.files}
    extra = sorted(set(names) - set(expected) - {manifest.NAME, manifest.SIGNATURE})
    wrong += [f"{name}: not in the manifest" for name in extra]
    wrong += [f"{name}: there more than once" for name in expected if names.count(name) > 1]
    for number, (name, each) in enumerate(expected.items()):
        if name not in names:
            wrong.append(f"{name}: missing")
        elif _unpacked(package, name, folder / str(number)) != (each.bytes, each.sha256):
            wrong.append(f"{name}: altered")
    if not wrong:
        wrong += _report(said, {name: folder / str(number) for number, name in enumerate(expected)})
    return Found(said, tuple(wrong))


def _unpacked(package: zipfile.ZipFile, name: str, to: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with package.open(name) as source, to.open("wb") as target:
        while part := source.read(1 << 20):
            digest.update(part)
            target.write(part)
            size += len(part)
    return size, digest.hexdigest()


def _report(said: Manifest, files: dict[str, Path]) -> list[str]:
    """The box's report, held against what the recordings themselves say now."""
    try:
        key = said.about.get("camera_signing_key")
        signing_key = bytes.fromhex(key) if key else None
        camera_id = bytes.fromhex(said.about.get("camera_id") or "") or None
        masked = {name: path for name, path in files.items() if name.startswith("masked")}
        again = [report.told(name, path, signing_key, camera_id) for name, path in masked.items()]
        if json.loads(files["report.json"].read_bytes()) != json.loads(report.as_json(again)):
            return ["report.json: the recordings say something else"]
    except (KeyError, ValueError, WireError) as error:
        return [f"the recordings cannot be read again: {error}"]
    return []


def _head(said: Manifest, state: Path | None) -> list[str]:
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
        with contextlib.closing(sqlite3.connect(f"file:{state / DATABASE}?mode=ro", uri=True)) as link:
            number, hashed = int(said.about["audit_entry"]), str(said.about["audit_hash"])
            row = link.execute("SELECT hash FROM audit WHERE number = ?", (number,)).fetchone()
            if row is None:
                return [f"audit log: entry {number}, of this package, is missing: entries were cut off"]
            if bytes(row[0]).hex() != hashed:
                return [f"audit log: entry {number}, of this package, or one before it was rewritten"]
            fault = head.fault(link) if head else ""
    except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
        return [f"audit log: {state / DATABASE} cannot be compared: {error}"]
    return [f"audit log: {fault}"] if fault else []


def main(path: Path, signing_key: str | None, state: Path | None = None) -> int:
    """The command; 0 for a whole package, 1 for one that is not, with a line for each fault."""
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
