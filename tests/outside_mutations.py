"""Mutations of what comes from outside, and what reading one may cost: 50 ms and 10 MB for each 100 kB."""

import contextlib
import os
import random
import resource
import time

SHORT, LONG = 2_000, int(os.environ.get("FUZZ", "1000000"))
LARGEST = 100_000
MOST_S, MOST_BYTES = 0.05, 10_000_000
"""For each 100 kB of input."""
PARTS = [b"<", b">", b"/>", b"&#0;", b"<!DOCTYPE a>", b"<![CDATA[", b"\xff", b"\0", b'"', b"\\", b"[", b"{",
         b"\xed\xa0\x80", b"\\ud800", b"9" * 400, b"-1", b"1e999", b"NaN", b"\r\n", b": ", b"=", b",", b"clock=",
         b"\0\0\0\1\x4e\1", b"\xff" * 30]  # fmt: skip


def mutated(dice, seeds):
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.randint(1, 5)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0 if data:
                data[at % len(data)] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randint(1, 60)]
            case 2:
                data[at:at] = dice.choice(PARTS)
            case 3:
                piece = bytes(data[at : at + dice.randint(1, 80)])
                data[at:at] = piece * dice.choice((1, 2, 40))
            case 4:
                other = dice.choice(seeds)
                data[at:] = other[dice.randrange(len(other)) :]
            case _:
                part = dice.choice(PARTS)
                if dice.randrange(50) == 0:
                    data[at:at] = part * (LARGEST // len(part))
    return bytes(data[:LARGEST])


def fed(name, reader, rounds):
    """Feed `reader`, which is (function, seeds, exceptions that it may raise); seconds of the slowest input."""
    read_it, seeds, named = reader
    dice = random.Random(name)
    slowest = (0.0, b"")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(rounds):
        data = mutated(dice, seeds)
        began_s = time.thread_time()
        try:
            read_it(data)
        except named:
            pass
        except Exception as error:
            raise AssertionError(f"{name}: {error!r} for {data[:400]!r}") from error
        took_s = time.thread_time() - began_s
        if took_s > MOST_S:
            # A page fault or a collection may have come in between: the same again decides.
            took_s = min(took_s, *(timed(read_it, data) for _ in range(3)))
        slowest = max(slowest, (took_s, data))
        assert took_s <= MOST_S, f"{name}: {took_s:.3f} s for {len(data)} bytes: {data[:400]!r}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 10 * MOST_BYTES, f"{name}: {grown} bytes"
    return slowest[0]


def timed(read_it, data):
    began_s = time.thread_time()
    with contextlib.suppress(Exception):
        read_it(data)
    return time.thread_time() - began_s
