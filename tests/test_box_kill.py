"""kill -9 of the real box while it records and takes packets: nothing finished and nothing acknowledged is lost."""

import asyncio
import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import aiohttp
import av
import numpy as np
import pytest
from box_fakes import CAMERA_ID, PASSWORD, USER, RtspCamera, jpeg

from nvr_box import state as places
from nvr_box.db.database import Store
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance import check
from nvr_box.search.intake import token_hash
from wire.features import seal
from wire.features.packet import AppearanceCode, FeaturePacket
from wire.features.vocabulary import CodeKind, ObjectClass
from wire.keys import SigningKey

ROOT = Path(__file__).parent.parent
TOKEN, SIGNER = "the-token-of-this-camera", SigningKey.generate()
T0_MS = 1_795_000_000_000


def prepared(state, uri):
    """A box that has added and paired one camera."""
    state.mkdir()
    keys = KeyFolder.open(state / places.KEYS)
    store = Store.open(state / places.DATABASE)

    def add(link):
        link.execute(
            "INSERT INTO camera VALUES (1, 'yard', 'http://127.0.0.1:9/', ?, ?, ?, 'main', '', '', '', ?, ?, 'net-1',"
            " ?, 1, '', 1, 0, 0)",
            (USER, PASSWORD, uri, CAMERA_ID.hex(), SIGNER.public.hex(), token_hash(TOKEN)),
        )

    store.submit(add).result()
    store.close()
    config = state.parent / "nvr.toml"
    config.write_text(f'state = "{state}"\n[web]\nport = 0\n[record]\nsegment_s = 2\nkeep_free_mib = 0\n')
    return keys, config


class Box:
    """The process; `port` is where its page listens.

    Args:
        prefix: a command that starts the box.
    """

    def __init__(self, config, prefix=()):
        words = [*prefix, sys.executable, "-m", "nvr_box", "--config", str(config)]
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.recording = threading.Event()
        self.log = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        for line in self.process.stdout:
            if line.startswith("READY box"):
                self.port = int(line.split("web=")[1].split()[0])
                break
        else:
            pytest.fail("the box did not start: " + "".join(self.log[-20:]))

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            if "yard: recording" in line:
                self.recording.set()

    def end(self, how):
        os.kill(self.process.pid, how)
        self.process.wait(30)
        self._reader.join(30)
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode


def packets(keys, numbers):
    rng = np.random.default_rng(3)
    for number in numbers:
        code = AppearanceCode("net-1", CodeKind.INT8, 64, rng.integers(-100, 100, 64).astype(np.int8).tobytes())
        at = T0_MS + number * 100
        packet = FeaturePacket(
            camera_id=CAMERA_ID,
            sequence=number,
            track_id=number,
            class_=ObjectClass.PERSON,
            first_utc_ms=at,
            best_utc_ms=at,
            last_utc_ms=at,
            quality=0.5,
            box=(0, 0, 9, 9),
            codes=(code,),
            thumbnail=jpeg(at % 200),
        )
        yield number, seal.seal(packet, keys.identity.recipient, SIGNER)


async def push(box, keys, acknowledged, numbers, stop):
    """As a camera does: what is not acknowledged is pushed again, until `stop`."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/vnd.veilcam.packets"}
    url = f"https://127.0.0.1:{box.port}/api/packets"
    async with aiohttp.ClientSession() as session:
        while not stop.is_set():
            waiting = list(itertools.islice(packets(keys, numbers), 5))
            body = b"".join(len(blob).to_bytes(4, "big") + blob for _, blob in waiting)
            try:
                async with session.post(url, data=body, headers=headers, ssl=False) as reply:
                    assert reply.status == 200
                    acknowledged.update((await reply.json())["acknowledged"])
            except aiohttp.ClientError:
                return


def rounds(tmp_path, count):
    state = tmp_path / "state"
    chance = random.Random(11)
    acknowledged = set()
    numbers = itertools.count()
    with RtspCamera(rate=20, gop=10) as camera:
        keys, config = prepared(state, camera.uri)
        for _ in range(count):
            box = Box(config)
            stop = threading.Event()
            pushing = threading.Thread(
                target=lambda box=box, stop=stop: asyncio.run(push(box, keys, acknowledged, numbers, stop))
            )
            pushing.start()
            assert box.recording.wait(60), box.log[-20:]
            grown(state, chance.uniform(0.5, 3.0))
            box.end(signal.SIGKILL)
            stop.set()
            pushing.join(30)
        box = Box(config)
        assert box.recording.wait(60)
        assert box.end(signal.SIGTERM) == 0, box.log[-20:]
    return state, acknowledged


def grown(state, seconds):
    """Wait until this much more has been recorded, by the bytes of the newest file: no clock of ours."""
    deadline = threading.Event()
    want = size(state) + int(seconds * 5_000)
    for _ in range(600):
        if size(state) >= want:
            return
        deadline.wait(0.1)
    pytest.fail("nothing is recorded")


def size(state):
    return sum(path.stat().st_size for path in (state / places.RECORDINGS).rglob("*.mp4"))


def prove(state, acknowledged):
    link = sqlite3.connect(state / places.DATABASE)
    assert list(check.findings(link, state)) == []
    stored = [number for (number,) in link.execute("SELECT sequence FROM packet")]
    assert len(stored) == len(set(stored))
    assert acknowledged
    assert acknowledged <= set(stored)
    rows = link.execute("SELECT path, start_us, end_us FROM segment").fetchall()
    link.close()
    files = {str(path.relative_to(state / places.RECORDINGS)) for path in (state / places.RECORDINGS).rglob("*.mp4")}
    assert {path for path, *_ in rows} == files
    for path, start_us, end_us in rows:
        with av.open(str(state / places.RECORDINGS / path)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        assert frames == pytest.approx((end_us - start_us) / 50_000, abs=2)


@pytest.mark.e2e
def test_two_kills_lose_nothing_finished_and_nothing_acknowledged(tmp_path):
    prove(*rounds(tmp_path, 2))


@pytest.mark.e2e
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_twenty_kills_lose_nothing_finished_and_nothing_acknowledged(tmp_path):
    prove(*rounds(tmp_path, 20))
