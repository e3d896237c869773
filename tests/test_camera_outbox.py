"""The outbox: nothing lost, nothing twice, whatever the disk and the box do; and the pusher that empties it."""

import asyncio
import hashlib
import os
import sqlite3
import ssl
import struct
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from base.errors import StoreError
from firmware.delivery.outbox import Outbox
from firmware.delivery.push import Pusher
from firmware.pairing import Pairings
from wire.keys import Identity
from wire.pairing import Pairing
from wire.push import CONTENT_TYPE

NOW = 1_790_000_000.0
PATIENCE_S = 60


def sealed(sequence):
    return b"packet %d" % sequence


@pytest.fixture
def outbox(tmp_path):
    box = Outbox(tmp_path / "outbox.sqlite", clock=lambda: NOW)
    yield box
    box.close()


def test_packets_wait_in_order_until_they_are_acknowledged(outbox):
    numbers = [outbox.add(sealed) for _ in range(5)]
    assert numbers == [int(NOW) + 1 + n for n in range(5)]
    assert [(q.sequence, q.sealed) for q in outbox.head(3)] == [(n, sealed(n)) for n in numbers[:3]]
    outbox.acknowledge([numbers[0], numbers[2], 7])
    outbox.acknowledge([numbers[0]])
    assert [q.sequence for q in outbox.head(9)] == [numbers[1], numbers[3], numbers[4]]


def test_what_was_queued_survives_a_restart_and_numbers_never_come_again(tmp_path):
    first = Outbox(tmp_path / "o", clock=lambda: NOW)
    numbers = [first.add(sealed) for _ in range(3)]
    first.acknowledge(numbers)
    first.close()
    again = Outbox(tmp_path / "o", clock=lambda: NOW - 1000)
    assert again.add(sealed) == numbers[-1] + 1
    again.close()


def test_a_lost_file_does_not_bring_old_numbers_back(tmp_path):
    first = Outbox(tmp_path / "o", clock=lambda: NOW)
    last = [first.add(sealed) for _ in range(50)][-1]
    first.close()
    for leftover in tmp_path.iterdir():
        leftover.unlink()
    again = Outbox(tmp_path / "o", clock=lambda: NOW + 3600)
    assert again.add(sealed) > last
    again.close()


def test_refused_packets_are_put_aside_with_their_reason(outbox, tmp_path):
    number = outbox.add(sealed)
    outbox.refuse(number, "the signature is not this camera's")
    assert outbox.counts() == (0, 1)
    with sqlite3.connect(tmp_path / "outbox.sqlite") as db:
        assert db.execute("SELECT sequence, sealed, why FROM refused").fetchall() == [
            (number, sealed(number), "the signature is not this camera's")
        ]


def test_a_full_disk_loses_nothing(outbox):
    outbox.add(sealed)
    pages = outbox._db.execute("PRAGMA page_count").fetchone()[0]
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")
    kept = 0
    while outbox.add(lambda n: sealed(n) + b"x" * 2000) is not None:
        kept += 1
    assert outbox.add(sealed) is None
    assert not outbox.retry()
    assert outbox.counts() == (1 + kept + 2, 0)
    outbox._db.execute("PRAGMA max_page_count = 100000")
    assert outbox.retry()
    waiting = outbox.head(100)
    assert len(waiting) == 1 + kept + 2
    assert [q.sequence for q in waiting] == sorted({q.sequence for q in waiting})
    assert waiting[-1].sealed == sealed(waiting[-1].sequence)


def test_a_file_that_is_no_database_is_refused_with_its_name(tmp_path):
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"this is not a database, it only lies here" * 100)
    with pytest.raises(StoreError, match=r"outbox\.sqlite"):
        Outbox(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_put_aside_and_the_camera_goes_on(tmp_path, share):
    path = tmp_path / "outbox.sqlite"
    first = Outbox(path, clock=lambda: NOW)
    last = [first.add(lambda _: bytes(5000)) for _ in range(20)][-1]
    first.close()
    os.truncate(path, int(path.stat().st_size * share))
    again = Outbox.open_or_replace(path, clock=lambda: NOW + 60)
    number = again.add(sealed)
    assert [q.sequence for q in again.head(9)] == [number]
    assert (number > last, len(list(tmp_path.glob("*.damaged-*")))) == (True, int(share > 0))
    again.close()


def test_a_folder_that_refuses_is_not_put_aside(tmp_path):
    with pytest.raises(StoreError, match="unable to open"):
        Outbox.open_or_replace(tmp_path / "missing" / "outbox.sqlite")


def test_only_the_owner_may_read_it(tmp_path):
    box = Outbox(tmp_path / "o")
    assert (tmp_path / "o").stat().st_mode & 0o077 == 0
    box.close()


class Box:
    """An HTTPS box that answers as told and remembers what it was sent."""

    def __init__(self, folder, answer):
        self.answer, self.batches, self.headers = answer, [], []
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "box")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.fingerprint = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    async def start(self):
        application = web.Application()
        application.add_routes([web.post("/api/packets", self._packets)])
        self.runner = web.AppRunner(application)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=self.context).start()
        return self.runner.addresses[0][1]

    async def _packets(self, request):
        body, at, batch = await request.read(), 0, []
        while at < len(body):
            (size,) = struct.unpack_from(">I", body, at)
            batch.append(body[at + 4 : at + 4 + size])
            at += 4 + size
        self.batches.append(batch)
        self.headers.append(dict(request.headers))
        return self.answer(batch)


def pairing(port, fingerprint):
    return Pairing(
        box_id="00" * 8,
        feature_key=Identity.generate().recipient,
        recipients=(Identity.generate().recipient,),
        push_url=f"https://127.0.0.1:{port}/api/packets",
        push_fingerprint=fingerprint,
        push_token="token",
    )


def numbers_of(batch):
    return [int(packet.split()[1]) for packet in batch]


async def until(test):
    async with asyncio.timeout(PATIENCE_S):
        while not test():  # noqa: ASYNC110  # the database is what is watched; it has no event
            await asyncio.sleep(0.02)


async def pushing(tmp_path, outbox, box, done, fingerprint=None):
    port = await box.start()
    pairings = Pairings(tmp_path)
    pairings.set(pairing(port, fingerprint or box.fingerprint))
    pusher = Pusher(outbox, pairings)
    task = asyncio.create_task(pusher.run())
    try:
        await until(lambda: done(pusher))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await box.runner.cleanup()


async def test_packets_go_to_the_box_and_only_acknowledged_ones_are_forgotten(tmp_path, outbox):
    numbers = [outbox.add(sealed) for _ in range(100)]
    acknowledged = set()

    def answer(batch):
        odd = [n for n in numbers_of(batch) if n % 2 or acknowledged.issuperset(m for m in numbers if m % 2)]
        acknowledged.update(odd)
        return web.json_response({"acknowledged": odd})

    box = Box(tmp_path, answer)
    await pushing(tmp_path, outbox, box, lambda _pusher: outbox.counts()[0] == 0)
    assert acknowledged == set(numbers)
    assert box.headers[0]["Authorization"] == "Bearer token"
    assert box.headers[0]["Content-Type"] == CONTENT_TYPE


async def test_a_box_that_fails_is_asked_again_and_gets_everything(tmp_path, outbox):
    numbers = [outbox.add(sealed) for _ in range(3)]
    attempts = []

    def answer(batch):
        attempts.append(batch)
        if len(attempts) == 1:
            return web.Response(status=503)
        return web.json_response({"acknowledged": numbers_of(batch)})

    box = Box(tmp_path, answer)
    await pushing(tmp_path, outbox, box, lambda _pusher: outbox.counts()[0] == 0)
    assert attempts[0] == attempts[1] == [sealed(n) for n in numbers]


async def test_one_bad_packet_does_not_hold_up_the_others(tmp_path, outbox):
    numbers = [outbox.add(sealed) for _ in range(3)]

    def answer(batch):
        return web.json_response(
            {
                "acknowledged": [n for n in numbers_of(batch) if n != numbers[1]],
                "refused": [{"sequence": None, "index": 1, "why": "truncated"}]
                if numbers[1] in numbers_of(batch)
                else [],
            }
        )

    await pushing(tmp_path, outbox, Box(tmp_path, answer), lambda _pusher: outbox.counts() == (0, 1))


NONSENSE = ["null", "[]", '{"acknowledged": 5}', "no json", '{"acknowledged": [1, "x", null]}', '{"refused": 5}',
            '{"refused": [{"sequence": [1], "index": 9}]}', "[" * 60_000, "[" * 900 + "]" * 900]  # fmt: skip


@pytest.mark.parametrize("reply", NONSENSE, ids=range(len(NONSENSE)))
async def test_a_nonsense_reply_forgets_nothing(tmp_path, outbox, reply):
    outbox.add(sealed)
    box = Box(tmp_path, lambda _batch: web.Response(text=reply, content_type="application/json"))
    await pushing(tmp_path, outbox, box, lambda pusher: pusher.away)
    assert outbox.counts() == (1, 0)


async def test_a_box_with_another_certificate_gets_nothing(tmp_path, outbox):
    outbox.add(sealed)
    box = Box(tmp_path, lambda batch: web.json_response({"acknowledged": numbers_of(batch)}))
    await pushing(tmp_path, outbox, box, lambda pusher: pusher.away, fingerprint=bytes(32))
    assert box.batches == []
    assert outbox.counts() == (1, 0)
