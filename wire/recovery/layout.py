"""The numbers and names of `wire/recovery.md` that both halves, reader and writer, speak of. No code."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
import numpy.typing as npt

UUID = bytes.fromhex("7e15c1a39d0b4f3e8b64d2a05c9e11f7")
VERSION = 2
CAMERA_ID_BYTES = 8
HASH_BYTES = 16
# What is sealed of the canonical hash: a second picture with the same 96 bits cannot be found.
PICTURE_BYTES = 12
TAG_BYTES = 12
KEY_BYTES = 32
NAME_BYTES = 2
MACROBLOCK = 16
HPKE_INFO = b"veilcam recovery 2 key unit"
MANIFEST_CONTEXT = b"veilcam recovery 2 manifest"
TRACK_KEY_INFO = b"veilcam recovery 2 track key"
TRACK_NAME_INFO = b"veilcam recovery 2 track name"
SIGNATURE_BYTES = 64
ZERO_HASH = bytes(32)

Mask = npt.NDArray[np.bool_]


class UnitType(IntEnum):
    FRAME = 1
    KEY = 2
    MANIFEST = 3


class Flag(IntFlag):
    """Flags of a frame unit; an unknown bit makes the unit `Unsupported`."""

    PAYLOAD_IDR = 1
    SHARED_IDR = 2
    PAYLOAD_H265 = 4
    PER_TRACK = 8
    PADDED = 16
    FULL_FRAME = 32


KNOWN_FLAGS = 0x3F


class Stanza(IntEnum):
    """How a key unit seals the content key; unknown kinds are passed over."""

    SINGLE = 0
    BOTH = 1


@dataclass(frozen=True, slots=True)
class Region:
    """One masked object: a box in macroblocks. `class_` is an `ObjectClass`, `level` the mask level 0..15."""

    track_id: int
    class_: int
    level: int
    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class TrackOriginals:
    """One object's own payload in one access unit.

    `mask` is (rows, columns) bool: the macroblocks that are this object's alone. `start` and `shared_idr` say for this
    payload what the flags PAYLOAD_IDR and SHARED_IDR say for the common one.
    """

    track_id: int
    payload_au: bytes
    mask: Mask
    start: bool
    shared_idr: bool = False
