"""Codes made again after a change of model: from what opens, resumable after kill -9, never mixed."""

import asyncio
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from box_fakes import CAMERA_ID, best_shot, jpeg

import models
from base.errors import SealError
from models.config import ModelsConfig
from nvr_box import state as places
from nvr_box.audit.head import Heads
from nvr_box.audit.log import Audit
from nvr_box.config import BoxConfig
from nvr_box.db.database import Store
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance import check
from nvr_box.rights import Account, Right
from nvr_box.search import reencode_command
from nvr_box.search.passages import Passages
from nvr_box.search.reencode import NO_SHOT, Reencoder
from nvr_box.search.search import AppearanceSearch, Filters
from wire import thumbnail
from wire.features.packet import FULL_SCALE, FeaturePacket
from wire.features.vocabulary import ObjectClass
from wire.keys import Identity, SigningKey, save

ROOT = Path(__file__).parent.parent
T0_MS = 1_795_000_000_000
PASSPHRASE = "a passphrase of an operator"
GUARD = Account("guard", frozenset({Right.VIEW, Right.OPERATE}))
ADMIN = Account("admin", frozenset({Right.ADMIN}))
SIGNER = SigningKey.generate()
LOOKS = [((190, 30, 30), (30, 50, 170)), ((220, 220, 60), (20, 20, 20)), ((40, 140, 60), (200, 200, 200))]
WIDTH, HEIGHT, BOX = 64, 160, np.array([8, 12, 56, 150], np.float32)


@pytest.fixture(scope="module")
def encoders():
    return {name: models.load_appearance(ModelsConfig(appearance=name)) for name in ("stripes", "market64")}


def figure(look, seed):
    """(h, w, 3) RGB of a person in two colours before noise."""
    rgb = np.random.default_rng(seed).integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    upper, lower = LOOKS[look]
    rgb[14:40, 22:42] = (190, 150, 130)
    rgb[40:95, 12:52] = upper
    rgb[95:148, 16:48] = lower
    return rgb


def inside(box=BOX):
    shares = np.array([box[0], box[1], box[2] - box[0], box[3] - box[1]]) / np.tile([WIDTH, HEIGHT], 2)
    return tuple(int(each) for each in (shares * FULL_SCALE).round())


def described(number, encoder, recipients, *, look=0, class_=ObjectClass.PERSON):
    """What a camera sends of a figure, by the encoder it has."""
    rgb, at = figure(look, number), T0_MS + number * 1000
    code = encoder.encode(rgb, BOX, class_)
    packet = FeaturePacket(camera_id=CAMERA_ID, sequence=number, track_id=number, class_=class_, first_utc_ms=at,
                           best_utc_ms=at, last_utc_ms=at, quality=0.5, box=(0, 0, 9, 9), codes=(code,))  # fmt: skip
    clear = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    return best_shot(packet, recipients, SIGNER, masked=jpeg(number), clear=clear, inside=inside())


@pytest.fixture
async def place(tmp_path):
    keys = KeyFolder.open(tmp_path / places.KEYS)
    keys.create("operator", PASSPHRASE)
    store = Store.open(tmp_path / places.DATABASE)
    await Heads(store, keys.signer, tmp_path).sign()
    row = ("INSERT INTO camera VALUES (1, 'yard', 'x', 'u', 'p', 'rtsp://x', 'main', '', '', '', ?, ?, 'net-1', 't', 1,"
           " '', 1, 0, 0)")  # fmt: skip
    await store.write(lambda link: link.execute(row, (CAMERA_ID.hex(), SIGNER.public.hex())))
    yield keys, store, Passages(store), tmp_path
    store.close()


def reencode(place, appearance, files=(), passphrases=(PASSPHRASE,)):
    keys, store, *_ = place
    config = ModelsConfig(appearance=appearance)
    return reencode_command.run(config, store, keys, files=files, passphrases=passphrases)


async def models_of(store):
    sql = "SELECT sequence, model FROM packet ORDER BY sequence"
    return dict(await store.read(lambda link: link.execute(sql).fetchall()))


async def test_from_one_model_to_the_other_and_back_searches_go_on(place, encoders, capsys):
    keys, store, passages, _ = place
    today = list(keys.recipients())
    stripes, market = encoders["stripes"].model, encoders["market64"].model
    people = [described(n, encoders["stripes"], today, look=n % 3) for n in range(1, 7)]
    car = described(7, encoders["stripes"], today, class_=ObjectClass.CAR)
    await passages.add(1, [*people, car])
    searches = AppearanceSearch(passages, None, Audit(store))

    done = await reencode(place, "market64")
    assert (done.total, done.done, done.stayed.total()) == (6, 6, 0), "a car keeps the model that cars have"
    assert await models_of(store) == dict.fromkeys(range(1, 7), market) | {7: stripes}
    assert f"6 of 6 passages carry codes of {market}" in capsys.readouterr().out
    await passages.reconcile()
    found = await searches.by_packet(GUARD, 1, Filters(threshold=0.0))
    assert (found.compared, found.other_model) == (5, 1)
    assert found.matches[0].packet == 4, "the one in the same clothes"
    # What the box makes of the stored picture is what the camera would have said.
    camera = encoders["market64"].encode(figure(1, 1), BOX, ObjectClass.PERSON)
    assert models.similarity((await passages.get([1]))[1].code, camera) > 0.95

    assert (await reencode(place, "market64")).total == 0, "nothing is done twice"
    assert (await reencode(place, "stripes")).done == 6
    assert set((await models_of(store)).values()) == {stripes}
    await passages.reconcile()
    assert (await searches.by_packet(GUARD, 1, Filters(threshold=0.0))).other_model == 0
    entries = await Audit(store).entries(ADMIN, action="reencode-end")
    assert [(each.details["done"], each.details["why"]) for each in entries] == [(6, "finished"), (0, "finished"),
                                                                                  (6, "finished")]  # fmt: skip
    assert check.main(BoxConfig(state=place[3])) == 0


async def test_what_does_not_open_keeps_its_model_and_the_search_says_so(place, encoders):
    keys, store, passages, folder = place
    yesterday = keys.today()
    before = described(1, encoders["stripes"], [yesterday.recipient])
    today = [each.recipient for each in keys.renew()]
    keys.remove(yesterday.path.stem)
    own = Identity.generate(label="taken away")
    save(folder / "own.json", own, PASSPHRASE)
    packets = [described(n, encoders["stripes"], today) for n in range(2, 6)]
    packets[1] = described(3, encoders["stripes"], [Identity.generate().recipient])
    packets[2] = replace(packets[2], thumbnail=b"")
    packets[3] = replace(packets[3], thumbnail=thumbnail.parse(packets[3].thumbnail).masked)
    await passages.add(1, [before, *packets, described(6, encoders["stripes"], [own.recipient])])

    done = await reencode(place, "market64")
    assert (done.done, done.total) == (1, 6)
    assert done.stayed == {thumbnail.NOT_A_RECIPIENT: 3, NO_SHOT: 1, thumbnail.NO_ORIGINAL: 1}
    market, stripes = encoders["market64"].model, encoders["stripes"].model
    assert await models_of(store) == {1: stripes, 2: market, 3: stripes, 4: stripes, 5: stripes, 6: stripes}
    await passages.reconcile()
    searches = AppearanceSearch(passages, None, Audit(store))
    two = next(number for number, each in (await passages.get(range(1, 9))).items() if each.code.model == market)
    found = await searches.by_packet(GUARD, two, Filters(threshold=0.0))
    assert (found.compared, found.other_model, found.matches) == (0, 5, ())

    assert (await reencode(place, "market64", files=[folder / "own.json"])).done == 1, "a key file brought along"
    with pytest.raises(SealError, match="opens no reveal key"):
        await reencode(place, "market64", passphrases=["not the passphrase"])


async def test_passages_that_come_while_it_works_are_searched_once(place, encoders):
    keys, store, passages, _ = place
    await passages.add(1, [described(n, encoders["stripes"], keys.recipients()) for n in range(1, 4)])
    operator = next(iter((place[3] / "keys" / "reveal").glob("*.json")))
    identities = reencode_command._identities(keys, [operator], [PASSPHRASE])
    async for _ in Reencoder(store, encoders["market64"], identities).run():
        pass
    fresh = [described(n, encoders["market64"], keys.recipients()) for n in range(4, 16)]
    await asyncio.gather(passages.reconcile(), *(passages.add(1, [each]) for each in fresh))
    assert len(passages.galleries[encoders["market64"].model]) == len(passages) == 15


KILLED = """
import os, signal, sys
import models
from nvr_box.__main__ import main

left = [int(sys.argv.pop())]

class Dies:
    def __init__(self, inner):
        self._inner, self.model, self.model_of = inner, inner.model, inner.model_of

    def encode(self, *about):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._inner.encode(*about)

load = models.load_appearance
models.load_appearance = lambda config: Dies(load(config))
sys.exit(main(sys.argv[1:]))
"""


def killed_at(count, *words):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), *map(str, words), str(count)]
    return subprocess.run(command, cwd=ROOT, input=f"{PASSPHRASE}\n", capture_output=True, text=True, check=False)


async def test_killed_in_the_middle_it_goes_on_where_it_was(place, encoders):
    keys, store, passages, folder = place
    await passages.add(1, [described(n, encoders["stripes"], keys.recipients()) for n in range(1, 25)])
    config = folder / "nvr.toml"
    config.write_text(f'state = "{folder}"\n[models]\nappearance = "market64"\n')
    died = await asyncio.to_thread(killed_at, 20, "--config", config, "reencode")
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert "16 of 24" in died.stdout
    market = encoders["market64"].model
    half = await models_of(store)
    assert [number for number, model in half.items() if model == market] == list(range(1, 17))
    assert check.main(BoxConfig(state=folder)) == 0
    begun = await Audit(store).entries(ADMIN, action="reencode")
    assert (len(begun), begun[0].details["passages"]) == (1, 24)

    done = await reencode(place, "market64")
    assert (done.total, done.done) == (8, 8)
    assert set((await models_of(store)).values()) == {market}
    await passages.reconcile()
    assert len(passages.galleries[market]) == 24
