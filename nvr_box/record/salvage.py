"""At start-up, before any recorder runs: make rows and files agree again after whatever ended the last run.

A row marked as garbage loses its file, then itself. A file without a row was being written: its whole fragments are
kept, the torn tail is cut off, and it gets its row.
"""

import hashlib
import logging
import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from nvr_box.record import fmp4, gop_index
from nvr_box.record.segment_file import sync_folder
from nvr_box.record.segments import Segment, insert
from nvr_box.record.sightings import SUFFIX
from nvr_box.store import Store
from wire.base.errors import WireError

log = logging.getLogger(__name__)
_NAME = re.compile(r"(\d+)(?:_\d+)?\.mp4")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was done: segments finished, bytes of torn tails cut off, empty files and garbage removed."""

    finished: int = 0
    cut_bytes: int = 0
    removed: int = 0


async def salvage(store: Store, root: Path) -> Salvaged:
    """Bring the folder and the rows together. Raises `StoreError` when the database refuses."""
    return await store.write(lambda link: _salvage(link, root))


def _salvage(link: sqlite3.Connection, root: Path) -> Salvaged:
    removed = finished = cut = 0
    for number, path in link.execute("SELECT segment, path FROM segment WHERE garbage = 1").fetchall():
        (root / path).unlink(missing_ok=True)
        (root / path).with_suffix(SUFFIX).unlink(missing_ok=True)
        link.execute("DELETE FROM segment WHERE segment = ?", (number,))
        removed += 1
    known = {path for (path,) in link.execute("SELECT path FROM segment")}
    for file in sorted(root.rglob("*.mp4")):
        path = str(file.relative_to(root))
        if path in known:
            continue
        segment, torn = finish(file, root)
        if segment is None:
            file.unlink()
            removed += 1
        else:
            insert(link, segment)
            finished += 1
            cut += torn
    for file in root.rglob(f"*{SUFFIX}"):
        if not file.with_suffix(".mp4").exists():
            file.unlink()
    if finished or removed:
        log.info("after the last run: %d segments finished, %d bytes cut, %d files removed", finished, cut, removed)
    return Salvaged(finished, cut, removed)


def finish(file: Path, root: Path) -> tuple[Segment | None, int]:
    """Cut `file` after its last whole fragment and describe it; None when it holds none. Also: bytes cut off."""
    named = _NAME.fullmatch(file.name)
    relative = file.relative_to(root)
    data = file.read_bytes()
    whole: list[fmp4.Fragment] = []
    try:
        start = fmp4.init_size(data)
        mime = fmp4.mime(data[:start])
        whole.extend(fmp4.fragments(data, start))
    except WireError as error:
        log.warning("%s: unreadable after %d fragments: %s", relative, len(whole), error)
    if not whole or not whole[0].key or named is None or not relative.parts[0].isdigit():
        return None, len(data)
    end = whole[-1].offset + whole[-1].size
    with file.open("r+b") as handle:
        handle.truncate(end)
        os.fsync(handle.fileno())
    sync_folder(file.parent)
    start_us = int(named[1])
    length_90k = whole[-1].time_90k + whole[-1].duration_90k
    segment = Segment(
        segment=0,
        camera=int(relative.parts[0]),
        start_us=start_us,
        end_us=start_us + length_90k * 1_000_000 // fmp4.TIMESCALE,
        path=str(relative),
        size=end,
        sha256=hashlib.sha256(data[:end]).digest(),
        mime=mime,
        gop_blob=gop_index.pack((each.time_90k, each.offset) for each in whole if each.key),
        locked=False,
    )
    return segment, len(data) - end
