"""After a start, while recorders run: make rows and files agree again after whatever ended the last run.

A row marked as garbage loses its file, then itself. A file without a row was being written: its whole fragments are
kept, the torn tail is cut off, and it gets its row. A file `START_US.gone` was removed to make room on a full disk: its
row goes. An hour's folder at a time, the newest first; what this run writes is left alone.
"""

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from base.errors import WireError
from nvr_box.db import retention as retention_rows
from nvr_box.db import segments as segment_rows
from nvr_box.db.database import Store
from nvr_box.record import fmp4, gop_index
from nvr_box.record.full_disk import GONE
from nvr_box.record.segment_file import sync_folder
from nvr_box.record.segments import Segment, Segments, insert
from nvr_box.record.sightings import SUFFIX

log = logging.getLogger(__name__)
_NAME = re.compile(r"(\d+)(?:_\d+)?\.mp4")
# Between two folders: a box with a year of them does not spend its first minute on this.
_PAUSE_S = 0.002


@dataclass(frozen=True, slots=True)
class RecoveredFiles:
    """What was done: segments finished, bytes of torn tails cut off, empty files and garbage removed."""

    finished: int = 0
    cut_bytes: int = 0
    removed: int = 0

    def __add__(self, other: "RecoveredFiles") -> "RecoveredFiles":
        """Both."""
        return RecoveredFiles(
            self.finished + other.finished, self.cut_bytes + other.cut_bytes, self.removed + other.removed
        )


async def salvage(
    store: Store, root: Path, segments: Segments | None = None, *, newest: bool = False
) -> RecoveredFiles:
    """Bring the folder and the rows together.

    Args:
        segments: those of this run, where there is one.
        newest: only the last hours of each camera, where the last run ended unless a clock jumped.

    Raises:
        StoreError: the database refuses; what was done stays done.
    """
    segments = segments or Segments(store, root)
    done = await _garbage(store, root)
    look = _last_folders if newest else _folders
    for folder in await asyncio.to_thread(lambda: sorted(look(root), key=_newest_first, reverse=True)):
        done += await _folder(store, segments, folder)
        await asyncio.sleep(_PAUSE_S)
    if done.finished or done.removed:
        log.info(
            "after the last run: %d segments finished, %d bytes cut, %d files removed",
            done.finished, done.cut_bytes, done.removed,
        )  # fmt: skip
    return done


async def finish_left(segments: Segments) -> None:
    """The same for single files that a recorder of this run could not finish."""
    for path in segments.claim_left():
        segment, _ = await asyncio.to_thread(finish, segments.root / path, segments.root)
        if segment is not None:
            segments.add(segment)


def _folders(root: Path) -> Iterator[Path]:
    """`CAMERA/YYYY-MM-DD/HH` of every hour."""
    for camera in os.scandir(root):
        if camera.is_dir(follow_symlinks=False):
            for day in os.scandir(camera.path):
                if day.is_dir(follow_symlinks=False):
                    yield from (Path(hour.path) for hour in os.scandir(day.path) if hour.is_dir(follow_symlinks=False))


def _last_folders(root: Path) -> Iterator[Path]:
    """Of each camera the last two hours of the last two days of which there are folders."""
    for camera in (each for each in root.iterdir() if each.is_dir()):
        for day in sorted(each for each in camera.iterdir() if each.is_dir())[-2:]:
            yield from sorted(each for each in day.iterdir() if each.is_dir())[-2:]


def _newest_first(folder: Path) -> tuple[str, str]:
    return folder.parent.name, folder.name


async def _garbage(store: Store, root: Path) -> RecoveredFiles:
    marked = await store.read(retention_rows.marked)
    for _, path in marked:
        (root / path).unlink(missing_ok=True)
        (root / path).with_suffix(SUFFIX).unlink(missing_ok=True)
    if marked:
        await store.write(lambda link: retention_rows.remove(link, marked))
    return RecoveredFiles(removed=len(marked))


async def _folder(store: Store, segments: Segments, folder: Path) -> RecoveredFiles:
    def listed() -> tuple[set[str], frozenset[str]]:
        with segments.opening() as being_written:
            return {each.name for each in folder.iterdir()}, frozenset(being_written)

    try:
        names, being_written = await asyncio.to_thread(listed)
    except FileNotFoundError:
        return RecoveredFiles()
    below = f"{folder.relative_to(segments.root)}/"
    # Later than the list: what is in neither of the two belongs to no segment.
    rows = await store.read(lambda link: segment_rows.in_folder(link, below))
    done = RecoveredFiles()
    emptied = [name for name in names if name.endswith(GONE)]
    for name in sorted(name for name in names if name.endswith(".mp4")):
        path = below + name
        if path not in rows and path not in being_written:
            done += await _finished(store, segments, path)
    if emptied:
        paths = [below + name.removesuffix(GONE) + ".mp4" for name in emptied]
        gone = [(rows[path], path) for path in paths if path in rows]
        await store.write(lambda link: retention_rows.remove(link, gone))
        done += RecoveredFiles(removed=len(gone))
    kept = {name.removesuffix(".mp4") for name in names if name.endswith(".mp4")}
    alone = [name for name in names if name.endswith(SUFFIX) and name.removesuffix(SUFFIX) not in kept]
    for name in (*alone, *emptied):
        (folder / name).unlink(missing_ok=True)
    return done


async def _finished(store: Store, segments: Segments, path: str) -> RecoveredFiles:
    root = segments.root
    segment, torn = await asyncio.to_thread(finish, root / path, root)
    if segment is None:
        (root / path).unlink(missing_ok=True)
        (root / path).with_suffix(SUFFIX).unlink(missing_ok=True)
        return RecoveredFiles(removed=1)
    dated = replace(segment, clock_error_us=segments.error_before_us(segment.end_us))
    await store.write(lambda link: insert(link, dated))
    return RecoveredFiles(finished=1, cut_bytes=torn)


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
    seen = file.with_suffix(SUFFIX)
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
        seen_bytes=seen.stat().st_size if seen.exists() else 0,
    )
    return segment, len(data) - end
