"""What can go wrong with a recoverable stream, row by row: the reader shows the original, or the mosaic and why.

A row's `shown` has one letter per access unit that arrives: O original, m the mosaic, or nothing where the base itself
does not decode.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from wire_scene import GOP, H264, HEIGHT, OFFICER, PICTURES, RATE, SIGNER, WIDTH, db, pixels, scene, without_sei

from firmware.encode.protected import ProtectedEncoder
from wire import nal
from wire.compose import Composer, PictureDecoder
from wire.keys import Identity
from wire.nal import Codec
from wire.recovery import reader
from wire.recovery.reader import Reader
from wire.recovery.verdict import Check

SECOND, STRANGER = Identity.generate(), Identity.generate()
START_US = 1_790_000_000_000_000


@dataclass(frozen=True)
class Arrived:
    """An access unit as it reaches the reader, and the number of its picture in the scene."""

    data: bytes
    number: int


def recorded(*, recipients=None, clock=lambda n: START_US + 40_000 * n, restart_at=None):
    """Every access unit of the scene; `recipients` by number, `clock` in microseconds by number."""
    recipients = recipients or {0: [OFFICER]}

    def camera(number):
        to = recipients[max(at for at in recipients if at <= number)]
        return ProtectedEncoder(
            WIDTH, HEIGHT, RATE, H264, camera_id=b"camera01", signer=SIGNER, recipients=[i.recipient for i in to]
        )

    encoder = camera(0)
    units = []
    for number, (clear, masked, mask) in enumerate(scene()):
        if number == restart_at:
            encoder.close()
            encoder = camera(number)
        elif number in recipients:
            encoder.set_recipients([identity.recipient for identity in recipients[number]])
        unit = encoder.encode(masked, clear, mask, [], pts_90k=3600 * number, utc_us=clock(number), idr=False)
        units.append(Arrived(unit.data, number))
    encoder.close()
    return units


def stripped(unit):
    return Arrived(without_sei(unit.data, Codec.H264), unit.number)


def flipped(unit):
    """One bit of the sealed originals."""
    raw = bytearray(unit.data)
    span = next(s for s in nal.spans(unit.data) if Codec.H264.is_sei(unit.data[s.start : s.end]))
    raw[span.end - 30] ^= 8
    return Arrived(bytes(raw), unit.number)


def at(number, change):
    return lambda: [change(unit) if unit.number == number else unit for unit in recorded()]


def without(*numbers):
    return lambda: [unit for unit in recorded() if unit.number not in numbers]


@dataclass(frozen=True)
class Row:
    happens: str
    arrives: Callable[[], list[Arrived]]
    shown: str
    why: str = ""
    identities: tuple[Identity, ...] = (OFFICER,)
    reader_restarts_at: int | None = None


def letters(*runs):
    return "".join(letter * count for letter, count in runs)


ALL = letters(("O", PICTURES))
NONE = letters(("m", PICTURES))
MID = GOP + 2
TO_NEXT = letters(("O", MID), ("m", 2 * GOP - MID - 1), ("O", PICTURES - 2 * GOP))

TABLE = [
    Row("nothing", recorded, ALL),
    Row("an access unit lost", without(MID), TO_NEXT, reader.WAITING),
    Row("an IDR lost", without(GOP), letters(("O", GOP), ("m", GOP - 1), ("O", PICTURES - 2 * GOP)),
        reader.NO_KEY_UNIT),
    Row("a whole group lost", without(*range(GOP, 2 * GOP)), letters(("O", PICTURES - GOP))),
    Row("a recovery SEI lost", at(MID, stripped), letters(("O", MID), ("m", 2 * GOP - MID), ("O", PICTURES - 2 * GOP)),
        reader.NO_RECOVERY_DATA),
    Row("every recovery SEI removed", lambda: [stripped(unit) for unit in recorded()], NONE, reader.NO_RECOVERY_DATA),
    Row("sealed originals altered", at(MID, flipped), letters(("O", MID), ("m", 2 * GOP - MID),
        ("O", PICTURES - 2 * GOP)), reader.NOT_AUTHENTIC),
    Row("joined in the middle of a group", lambda: recorded()[MID:],
        letters(("m", 2 * GOP - MID), ("O", PICTURES - 2 * GOP))),
    Row("the clock set back by a year in the middle of a group",
        lambda: recorded(clock=lambda n: START_US + 40_000 * n - (n >= MID) * 31_536_000_000_000), ALL),
    Row("the clock set forward by a year in the middle of a group",
        lambda: recorded(clock=lambda n: START_US + 40_000 * n + (n >= MID) * 31_536_000_000_000), ALL),
    Row("keys rotated: the reader holds both", lambda: recorded(recipients={0: [OFFICER], MID: [SECOND]}), ALL,
        identities=(OFFICER, SECOND)),
    Row("a recipient revoked: the next IDR is not for them", lambda: recorded(recipients={0: [OFFICER], MID: [SECOND]}),
        letters(("O", 2 * GOP), ("m", PICTURES - 2 * GOP)), reader.NOT_A_RECIPIENT),
    Row("a recipient added: from the next IDR on", lambda: recorded(recipients={0: [SECOND], MID: [SECOND, OFFICER]}),
        letters(("m", 2 * GOP), ("O", PICTURES - 2 * GOP)), reader.NOT_A_RECIPIENT),
    Row("the camera restarted", lambda: recorded(restart_at=MID), ALL),
    Row("the box restarted", recorded, letters(("O", MID), ("m", 2 * GOP - MID), ("O", PICTURES - 2 * GOP)),
        reader_restarts_at=MID),
    Row("a wrong key", recorded, NONE, reader.NOT_A_RECIPIENT, identities=(STRANGER,)),
    Row("no key", recorded, NONE, reader.NOT_A_RECIPIENT, identities=()),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.happens)
def test_the_reader_never_shows_a_wrong_picture_and_says_why(row):
    truth = list(scene())
    opener, composer, plain = Reader(row.identities, Codec.H264), Composer(Codec.H264), PictureDecoder(Codec.H264)
    shown, reasons = "", set()
    for unit in row.arrives():
        if unit.number == row.reader_restarts_at:
            opener, composer = Reader(row.identities, Codec.H264), Composer(Codec.H264)
            plain = PictureDecoder(Codec.H264)
        composed, base = composer.compose(unit.data, opener.open(unit.data)), plain.decode(unit.data)
        clear, _, mask = truth[unit.number]
        inside = pixels(mask)
        if composed is None:
            shown += "m"
            assert base is None
        elif composed.revealed:
            shown += "O"
            assert db(composed.i420[:HEIGHT][inside], clear[:HEIGHT][inside]) > 28
        else:
            shown += "m"
            reasons.add(composed.reason)
            assert np.array_equal(composed.i420, base)
    assert shown == row.shown
    assert all(reasons)
    assert not row.why or row.why in reasons


def test_a_step_of_the_clock_and_a_restart_are_told():
    for units, told in (
        (TABLE[8].arrives(), "clock was set back"),
        (recorded(restart_at=MID), "camera was restarted"),
    ):
        opener = Reader([OFFICER], Codec.H264)
        opened = [opener.open(unit.data) for unit in units]
        assert told in opened[MID].reason
        assert [o.reason for o in opened[MID + 1 :]] == [""] * (PICTURES - MID - 1)
    assert opened[MID].verdict.complete is Check.NO


def test_times_come_back_whatever_the_clock_did():
    def clock(number):
        return START_US + 40_000 * number - (number >= MID) * 31_536_000_000_000

    opener = Reader([OFFICER], Codec.H264)
    for unit in recorded(clock=clock):
        opened = opener.open(unit.data)
        assert (opened.utc_us, opened.pts_90k) == (clock(unit.number), 3600 * unit.number)
