"""CPU of the recoverable stream over that of a plain encode, apart from whatever else the machine does.

The same picture takes the same work every time it is encoded; what differs between two times is other load, which slows
every processor second by taking caches and half a core. So both sides encode the same picture one right after the
other, taking turns in being first, several times over with fresh encoders, and of each picture the median counts.
Whole groups of pictures from all over the clip are encoded, so that starts have their true share. Repeats within 0.03
also beside other load. Processor time, of all threads.
"""

import time
from functools import partial

import numpy as np

from firmware.encode.recoverable import PlainEncoder, RecoverableEncoder
from wire.keys import Identity, SigningKey
from wire.recovery.writer import Writer

GROUPS, ROUNDS = 4, 5


def over_plain(scene, settings):
    """What protection costs, in plain encodes and in milliseconds a picture.

    `cpu_over_plain_encode`: both encoders with all that is theirs, canvas and starts included.
    `cpu_with_sealing_over_plain_encode`: sealing and packing as well.
    `pack_ms_between_encodes`: these two as they run in a camera, after encoders have had the caches.
    """
    numbers = spread(len(scene.clear), settings.gop_frames)
    spent_s = np.array([one_round(scene, settings, numbers, first) for first in range(ROUNDS)])
    plain_s, both_s, pack_s = np.median(spent_s, axis=0).sum(axis=1)
    return {
        "cpu_over_plain_encode": float(both_s / plain_s),
        "cpu_with_sealing_over_plain_encode": float((both_s + pack_s) / plain_s),
        "pack_ms_between_encodes": float(1000 * pack_s / len(numbers)),
        "plain_encode_ms": float(1000 * plain_s / len(numbers)),
    }


def spread(pictures, gop_frames):
    """Numbers of the pictures of up to `GROUPS` whole groups, far from each other."""
    groups = max(1, pictures // gop_frames)
    chosen = sorted({round(at) for at in np.linspace(0, groups - 1, GROUPS + 2)[1:-1]})
    return [n for group in chosen for n in range(group * gop_frames, min(pictures, (group + 1) * gop_frames))]


def one_round(scene, settings, numbers, first):
    """(3, pictures): seconds of the plain encode, of both encoders, of sealing and packing."""
    width, height = scene.size
    plain = PlainEncoder(width, height, scene.rate, settings)
    pair = RecoverableEncoder(width, height, scene.rate, settings)
    recipients = [Identity.generate().recipient, Identity.generate().recipient]
    writer = Writer(
        b"bench-01", settings.base, SigningKey.generate(), recipients, columns=width // 16, rows=height // 16
    )
    spent_s = np.zeros((3, len(numbers)))
    for at, number in enumerate(numbers):
        turns = [partial(encode_plain, plain, scene, number), partial(encode_protected, pair, writer, scene, number)]
        for turn in turns if (at + first) % 2 else reversed(turns):
            for row, seconds in turn():
                spent_s[row, at] = seconds
    pair.close()
    return spent_s


def encode_plain(encoder, scene, number):
    began_s = time.process_time()
    encoder.encode(scene.clear[number])
    return [(0, time.process_time() - began_s)]


def encode_protected(pair, writer, scene, number):
    plan, at_s = scene.plans[number], number / scene.rate
    began_s = time.process_time()
    coded = pair.encode(scene.masked[number], scene.clear[number], plan.mask, plan.regions)
    encoded_s = time.process_time()
    writer.protect(
        coded.base_au, coded.payload_au, mask=plan.mask, regions=plan.regions, pts_90k=round(90_000 * at_s),
        utc_us=1_790_000_000_000_000 + round(1_000_000 * at_s), idr=coded.idr, payload_idr=coded.payload_idr,
        payload_codec=coded.payload_codec, shared_idr=coded.shared_idr, full_frame=plan.full, tracks=coded.tracks,
    )  # fmt: skip
    return [(1, encoded_s - began_s), (2, time.process_time() - encoded_s)]
