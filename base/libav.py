"""Bounds on what libav takes for bytes from outside: a length in a head, or the size of a picture, is an unproven
claim.

libavformat makes room for a description of as many bytes as its head says and fills it for as long as they come; a
camera that sent without end took 1.9 GB in 10 s. A picture of 16000×16000 takes 384 MB, many times over.
"""

import ctypes
import logging

import av

log = logging.getLogger(__name__)
MOST_BYTES = 256 << 20
"""At once, for one thing; a picture of 8192×8192 takes 100 MB."""


def bound_allocations(most: int = MOST_BYTES) -> bool:
    """Let no allocation of libav in this process be larger than `most` bytes; whether that could be set."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            path = next(line.split(maxsplit=5)[5].strip() for line in maps if "libavutil" in line)
        set_most = ctypes.CDLL(path).av_max_alloc
    except (OSError, StopIteration, IndexError, AttributeError) as error:
        log.warning("libav %s: its allocations are not bounded: %s", av.__version__, error)
        return False
    set_most.argtypes, set_most.restype = [ctypes.c_size_t], None
    set_most(most)
    return True
