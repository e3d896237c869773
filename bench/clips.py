"""Clips that benchmarks look at: a video, or a folder of numbered frames, always with its own rate.

A folder is one of frames, or a sequence in MOT form (frames in `img1`, `seqinfo.ini` beside it). Its rate is what
`seqinfo.ini` says, or RATE= where there is none.
"""

import configparser
import hashlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from firmware.capture.clip import Clip
from firmware.capture.frame import CLOCK_90K, CapturedFrame, planes

DEMO_CLIP = Path.home() / ".cache/veilcam/vtest.avi"
FRAMES = {".jpg", ".jpeg", ".png", ".bmp"}


def clip_path() -> Path:
    """CLIP=, or the demo clip."""
    return Path(os.environ.get("CLIP") or DEMO_CLIP)


def clip_key(path: Path) -> str | None:
    """What results of this clip are kept under beside those of the demo clip, which have no key: "campus"."""
    return None if path.name == DEMO_CLIP.name else clip_name(path).split("-")[-1].lower()


def clip_name(path: Path) -> str:
    """What it is called, without ending; a folder of frames is called after its sequence."""
    return path.resolve().parent.name if path.name == "img1" else path.stem


def rate_of(path: Path) -> Fraction:
    """Pictures a second."""
    if path.is_dir():
        for info in (path / "seqinfo.ini", path.parent / "seqinfo.ini"):
            if info.exists():
                sequence = configparser.ConfigParser()
                sequence.read(info)
                return Fraction(sequence["Sequence"]["frameRate"])
        if not os.environ.get("RATE"):
            raise SystemExit(f"{path}: no seqinfo.ini says how many of these frames make a second: name it by RATE=")
        return Fraction(os.environ["RATE"])
    with av.open(str(path)) as container:
        return Fraction(container.streams.video[0].average_rate)


def pictures(path: Path, layout: str = "yuv420p") -> Iterator[np.ndarray]:
    """Its pictures as arrays of that layout."""
    for each in _frames(path) if path.is_dir() else [path]:
        with av.open(str(each)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format=layout)


def digest(path: Path) -> bytes:
    """SHA-256 of all that is in it."""
    sha = hashlib.sha256()
    for each in _frames(path) if path.is_dir() else [path]:
        sha.update(each.read_bytes())
    return sha.digest()


def source(path: Path) -> "Clip | Folder":
    """It as a sensor that is not paced."""
    return Folder(path) if path.is_dir() else Clip(path, paced=False, loop=False)


class Folder:
    """A folder of frames as a `FrameSource`, cut to multiples of 16."""

    def __init__(self, path: Path) -> None:
        self._path, self.rate = path, rate_of(path)
        first = next(pictures(path))
        self.width, self.height = first.shape[1] // 16 * 16, first.shape[0] * 2 // 3 // 16 * 16

    def frames(self) -> Iterator[CapturedFrame]:
        """Its pictures in order, once."""
        for number, whole in enumerate(pictures(self._path)):
            i420 = np.empty((self.height * 3 // 2, self.width), np.uint8)
            for cut, plane in zip(planes(i420), planes(whole), strict=True):
                cut[:] = plane[: cut.shape[0], : cut.shape[1]]
            yield CapturedFrame(i420, round(number * CLOCK_90K / self.rate), round(number * 1_000_000 / self.rate))

    def close(self) -> None:
        """Nothing is held open."""


def _frames(path: Path) -> list[Path]:
    folder = path / "img1" if (path / "img1").is_dir() else path
    found = sorted(each for each in folder.iterdir() if each.suffix.lower() in FRAMES)
    if not found:
        raise SystemExit(f"{path}: no frames ({', '.join(sorted(FRAMES))}) in this folder")
    return found
