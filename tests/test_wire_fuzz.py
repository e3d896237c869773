"""Hostile bytes in bulk: every one gets an answer, and never originals that the camera did not send."""

import numpy as np
import pytest
from wire_scene import H264, OFFICER, PICTURES, SIGNER, protected

from base.errors import WireError
from wire import nal, sei
from wire.features.packet import parse
from wire.nal import Codec
from wire.recovery import layout, tables, unit_reader
from wire.recovery.reader import Reader

pytestmark = pytest.mark.long


def in_sei(payload):
    return nal.join([sei.write([sei.UserData(layout.UUID, payload)], Codec.H264), b"\x41\x01\x02"])


def test_a_million_random_bytes():
    random = np.random.default_rng(20)
    noise = random.bytes(1_000_000)
    opener = Reader([OFFICER], Codec.H264, SIGNER.public)
    at = 0
    refused = 0
    while at < len(noise):
        size = int(random.integers(1, 400))
        piece = noise[at : at + size]
        at += size
        for attempt in (piece, in_sei(piece), in_sei(bytes((1 + at % 3, layout.VERSION)) + piece)):
            opened = opener.open(attempt)
            assert opened.payload_au is None
            assert opened.reason
        for parser in (unit_reader.parse, parse, lambda data: tables.decode(None, data)):
            try:
                parser(piece)
            except WireError as error:
                refused += bool(str(error))
    assert refused > 10_000


def test_ten_thousand_mutations_of_a_real_stream():
    random = np.random.default_rng(21)
    real = [unit.data for unit in protected(H264)]
    honest = Reader([OFFICER], Codec.H264, SIGNER.public)
    truth = [honest.open(au).payload_au for au in real]
    for _ in range(10_000 // PICTURES):
        opener = Reader([OFFICER], Codec.H264, SIGNER.public)
        for number, au in enumerate(real):
            changed = bytearray(au)
            head = next(span for span in nal.spans(au) if Codec.H264.is_sei(au[span.start : span.end]))
            for _ in range(int(random.integers(1, 4))):
                match random.integers(0, 4):
                    case 0:
                        changed[int(random.integers(head.code, min(head.end, len(changed))))] ^= 1 << int(
                            random.integers(8)
                        )
                    case 1:
                        del changed[int(random.integers(head.code, len(changed))) :]
                    case 2:
                        cut = int(random.integers(0, len(changed)))
                        del changed[cut : cut + int(random.integers(1, 50))]
                    case _:
                        changed[int(random.integers(0, len(changed)))] = int(random.integers(256))
                if len(changed) <= head.code + 8:
                    break
            opened = opener.open(bytes(changed))
            assert opened.payload_au in {None, truth[number]}
            assert opened.payload_au is not None or opened.reason
