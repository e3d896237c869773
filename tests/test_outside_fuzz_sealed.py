"""What is sealed or coded in bits, fed with mutations: packets, SEI, thumbnails, recovery data, grants, holds."""

import contextlib

import pytest
from box_fakes import CAMERA_ID, jpeg
from wire_scene import H264, OFFICER, SIGNER, protected

from base.errors import Error, WireError
from tests.outside_mutations import LONG, SHORT, fed
from wire import grant, hold, nal, sei, thumbnail
from wire.features import seal
from wire.features.packet import AppearanceCode, ColourShare, FeaturePacket, parse
from wire.features.vocabulary import BodyPart, CodeKind, Colour, ObjectClass
from wire.keys import Identity, SigningKey
from wire.nal import Codec
from wire.push import split
from wire.recovery import layout, tables, unit_reader
from wire.recovery.group import TrackKey
from wire.recovery.reader import Reader

BOX, CAMERA = Identity.generate(), SigningKey.generate()
LABEL = thumbnail.Label(CAMERA_ID, 7, 1_790_000_001_500, (8000, 7000, 50_000, 52_000))
THUMBNAIL = thumbnail.seal(jpeg(10), jpeg(20), LABEL, [OFFICER.recipient], CAMERA)
PACKET = FeaturePacket(
    camera_id=CAMERA_ID,
    sequence=3,
    track_id=4,
    class_=ObjectClass.PERSON,
    first_utc_ms=1_790_000_000_000,
    best_utc_ms=1_790_000_001_000,
    last_utc_ms=1_790_000_002_000,
    quality=0.5,
    box=(0, 0, 9, 9),
    codes=(AppearanceCode("net-1", CodeKind.INT8, 64, bytes(64)),),
    colours=(ColourShare(BodyPart.UPPER, Colour.RED, 0.5),),
    thumbnail=THUMBNAIL,
)
SEALED = seal.seal(PACKET, BOX.recipient, CAMERA)
PUSHED = len(SEALED).to_bytes(4, "big") + SEALED
STREAM = [unit.data for unit in protected(H264)]
USER_DATA = [
    bytes(message.payload)
    for access_unit in STREAM for part in nal.split(access_unit) if Codec.H264.is_sei(part)
    for message in sei.read(part, Codec.H264) if message.uuid == layout.UUID
]  # fmt: skip
NOTE = [sei.UserData(layout.UUID, USER_DATA[0])]
GRANT = grant.seal([(bytes(32), TrackKey(bytes(8), 3, bytes(32)))], OFFICER.recipient)
HOLD = hold.file_of([hold.record(bytes(32), bytes(range(32)), OFFICER.recipient)])


def messages(codec):
    def read(data):
        for part in nal.split(data):
            if codec.is_sei(part):
                list(sei.read(part, codec))

    return read


def pushed(data):
    for blob in split(data):
        with contextlib.suppress(Error):
            seal.camera_of(blob)
            seal.open_sealed(blob, BOX, CAMERA.public)


def shot(data):
    assert thumbnail.open_sealed(data, [OFFICER], CAMERA.public).masked is not None


def holders(data):
    found = thumbnail.parse(data)
    if found.unit is not None:
        thumbnail.holders_of(found.unit)


def opened(data):
    answer = Reader([OFFICER], Codec.H264, SIGNER.public).open(data)
    assert answer.payload_au is None or answer.payload_au in PAYLOADS or answer.payload_au == b"", answer.reason


def payloads():
    honest = Reader([OFFICER], Codec.H264, SIGNER.public)
    return {honest.open(access_unit).payload_au for access_unit in STREAM}


PAYLOADS = payloads()
READERS = {
    "packets": (parse, [bytes(PACKET)], (WireError,)),
    "sealed packets": (pushed, [PUSHED, PUSHED + PUSHED], (WireError,)),
    "SEI in H.264": (messages(Codec.H264), STREAM[:3], (WireError,)),
    "SEI in H.265": (messages(Codec.H265), [nal.join([sei.write(NOTE, Codec.H265)]), *STREAM[:1]], (WireError,)),
    "recovery units": (unit_reader.parse, USER_DATA, (WireError,)),
    "recovery tables": (lambda data: tables.decode(None, data), USER_DATA, (WireError,)),
    "recoverable streams": (opened, STREAM[:4], ()),
    "thumbnails": (shot, [THUMBNAIL, jpeg(30)], ()),
    "thumbnails' holders": (holders, [THUMBNAIL, jpeg(30)], (WireError,)),
    "grants": (lambda data: grant.unseal(data, OFFICER), [GRANT], (Error,)),
    "holds": (lambda data: hold.unseal(data, OFFICER), [HOLD], (Error,)),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_mutations_are_read_or_refused_by_name(name):
    fed(name, READERS[name], SHORT)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", READERS)
def test_a_million_mutations_are_read_or_refused_by_name(name):
    print(f"{name}: the slowest took {fed(name, READERS[name], LONG) * 1000:.1f} ms")
