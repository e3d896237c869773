"""Best shots on their way: sealed like the stream, never in clear on the disk, left out where that is asked."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from firmware.capture.sources import ClipSource
from firmware.config import CameraConfig
from firmware.delivery.outbox import Outbox
from firmware.delivery.packet_sender import PacketSender
from firmware.describe.thumbnail import Clear
from firmware.identity import load
from firmware.pairing import Pairings
from wire.features.packet import FeaturePacket
from wire.features.seal import open_sealed
from wire.features.vocabulary import ObjectClass
from wire.keys import Identity
from wire.pairing import Pairing
from wire.recovery.verdict import Check
from wire.thumbnail import NO_ORIGINAL, NOT_A_RECIPIENT, OpenedThumbnail
from wire.thumbnail import open_sealed as opened

BOX, MONDAY, TUESDAY = Identity.generate(), Identity.generate(), Identity.generate()


def jpeg(bright):
    noise = np.random.default_rng(bright).integers(0, 60, (96, 48, 3))
    return cv2.imencode(".jpg", (noise + bright).astype(np.uint8))[1].tobytes()


CLEAR = Clear(jpeg(150), (7000, 7000, 50_000, 50_000))
PACKET = FeaturePacket(camera_id=bytes(8), sequence=0, track_id=5, class_=ObjectClass.PERSON, first_utc_ms=10**12,
                       best_utc_ms=10**12 + 500, last_utc_ms=10**12 + 900, quality=0.5, box=(1, 2, 3, 4),
                       thumbnail=jpeg(60))  # fmt: skip


@pytest.fixture
def place(tmp_path):
    pairings = Pairings(tmp_path)
    outbox = Outbox(tmp_path / "outbox.sqlite")
    yield outbox, pairings, load(tmp_path), tmp_path
    outbox.close()


def pair(pairings, *recipients):
    held = tuple(each.recipient for each in recipients)
    pairings.set(Pairing("00" * 8, BOX.recipient, held, "https://box:1/", bytes(32), "token"))


def sent(place, thumbnails="recoverable", packet=PACKET, clear=CLEAR):
    outbox, pairings, who, _ = place
    PacketSender(outbox, pairings, who, lambda: None, thumbnails).send(packet, clear)
    return open_sealed(outbox.head(99)[-1].sealed, BOX, who.signer.public)


def test_the_original_travels_sealed_to_who_may_reveal_and_bound_to_its_packet(place):
    _, pairings, who, folder = place
    pair(pairings, MONDAY)
    packet = sent(place)
    found = opened(packet.thumbnail, [MONDAY], who.signer.public)
    assert (found.clear, found.masked, found.origin) == (CLEAR.jpeg, PACKET.thumbnail, Check.YES)
    assert (found.label.camera_id, found.label.sequence) == (who.camera_id, packet.sequence)
    assert (found.label.taken_utc_ms, found.label.inside) == (PACKET.best_utc_ms, CLEAR.inside)
    assert opened(packet.thumbnail, [BOX]).reason == NOT_A_RECIPIENT, "the box itself cannot look"
    middle = CLEAR.jpeg[len(CLEAR.jpeg) // 2 :][:64]
    assert not [path for path in folder.rglob("*") if path.is_file() and middle in path.read_bytes()]


def test_who_was_dropped_opens_none_that_is_made_afterwards(place):
    _, pairings, *_ = place
    pair(pairings, MONDAY, TUESDAY)
    before = sent(place)
    pair(pairings, TUESDAY)
    after = sent(place)
    reasons = [opened(packet.thumbnail, [MONDAY]).reason for packet in (before, after)]
    assert reasons == ["", NOT_A_RECIPIENT]
    assert opened(after.thumbnail, [TUESDAY]).clear == CLEAR.jpeg


@pytest.mark.parametrize(("thumbnails", "kept"), [("masked", PACKET.thumbnail), ("none", b"")])
def test_a_camera_may_be_told_to_send_less(place, thumbnails, kept):
    pair(place[1], MONDAY)
    packet = sent(place, thumbnails)
    assert packet.thumbnail == kept
    if kept:
        assert opened(kept, [MONDAY]) == OpenedThumbnail(kept, None, None, Check.UNKNOWN, Check.UNKNOWN, NO_ORIGINAL)


def test_what_cannot_be_sealed_goes_masked(place):
    pair(place[1], MONDAY)
    assert sent(place, clear=replace(CLEAR, jpeg=bytes(70_000))).thumbnail == PACKET.thumbnail
    assert sent(place, packet=replace(PACKET, thumbnail=b"")).thumbnail == b""


def test_a_switch_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="thumbnails"):
        CameraConfig(name="a", serial="1", state=tmp_path, source=ClipSource(clip=tmp_path), thumbnails="yes")
