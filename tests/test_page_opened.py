"""What the page opens by itself, against what the box writes: vectors, key files, day keys. In Chromium."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from page_browser import chromium, opened
from test_wire_thumbnail import FILES as THUMBNAILS
from test_wire_thumbnail import read as thumbnail_vector
from test_wire_vectors import FILES, read
from wire_scene import H264, OFFICER, protected

from nvr_box import web
from nvr_box.keys import day as day_keys
from wire import keys
from wire.keys import Identity, Kem
from wire.nal import Codec
from wire.recovery.reader import Reader

pytestmark = pytest.mark.e2e
PHRASE, OTHER = "correct horse – battery", "a second operator's own"

READ = """async ([vector, names]) => {
  const [{ Reader }, { CODECS }, { Identity }, { fromHex }] = await Promise.all(names.map((name) => import(name)));
  const identities = new Map();
  for (const secret of vector.identity) {
    const identity = await Identity.of(fromHex(secret));
    identities.set(identity.kid, identity);
  }
  const granted = new Map();
  for (const line of vector.granted) {
    const [bound, name, track, key] = line.split(' ');
    granted.set(bound, [...(granted.get(bound) ?? []), { name, track: Number(track), key: fromHex(key) }]);
  }
  const reader = new Reader(identities, CODECS[vector.codec], vector['signing-key'], granted);
  let letters = '';
  const silent = [];
  for (const au of vector.au) {
    const { payload, verdict, reason } = await reader.open(fromHex(au));
    letters += payload === null ? 'm' : verdict.baseIntact === 'no' ? 'X' : 'O';
    if (payload === null && !reason) silent.push(letters.length);
  }
  return { letters, silent, groups: reader.takeVerdicts().map(({ verdict }) => verdict) };
}"""
READS = [f"/static/recovery/{name}.js" for name in ("reader", "nal", "hpke", "bytes")]

OPEN_THUMBNAIL = """async (vector) => {
  const [{ openThumbnail }, { Identity }, { fromHex, hex }] = await Promise.all(
    ['thumbnail', 'hpke', 'bytes'].map((name) => import(`/static/recovery/${name}.js`)));
  const identities = new Map();
  for (const secret of vector.identity) {
    const identity = await Identity.of(fromHex(secret));
    identities.set(identity.kid, identity);
  }
  const { clear, reason } = await openThumbnail(fromHex(vector.jpeg), identities, vector['signing-key']);
  return [clear && hex(clear), reason];
}"""

UNLOCK = """async ([files, days, passphrases]) => {
  const { unlock } = await import('/static/recovery/keyfile.js');
  try {
    return [...(await unlock(files, days, passphrases)).keys()];
  } catch (error) {
    return error.message;
  }
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page():
    """A page of the box's static files, in a secure context."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=Path(web.__file__).parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with chromium() as browser, opened(browser) as page:
        page.goto(f"http://127.0.0.1:{server.server_port}/static/mark.svg")
        yield page
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector(page, path):
    vector = read(path)
    said = page.evaluate(READ, [vector, READS])
    assert said["letters"] == vector["expect"], vector["why"]
    assert not said["silent"], "a mosaic has a reason"
    for question in ("origin", "complete"):
        if f"first-group-{question}" in vector:
            judged = [group for group in said["groups"] if group["origin"] != "unknown"]
            assert judged[-1][question] == vector[f"first-group-{question}"]


@pytest.mark.parametrize("path", THUMBNAILS, ids=lambda path: path.stem)
def test_thumbnail(page, path):
    vector = thumbnail_vector(path)
    clear, reason = page.evaluate(OPEN_THUMBNAIL, vector)
    if vector["expect"] == "clear":
        assert (clear, reason) == (vector["clear"], "")
    else:
        assert clear is None
        assert reason.startswith(vector["expect"]), vector["why"]


def written(path, identity, phrase):
    keys.save(path, identity, phrase)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """Two operators' key files, a day for the first and a day for both together."""
    folder = tmp_path_factory.mktemp("keys")
    first, second = Identity.generate(label='Jürgen \x7f"\\ 🔑'), Identity.generate(label="second")
    files = [written(folder / "1.json", first, PHRASE), written(folder / "2.json", second, OTHER)]
    alone = day_keys.make(folder / "days", "2026-11-21", [(first.recipient,)])
    both = day_keys.make(folder / "days", "2026-11-22", [(first.recipient, second.recipient)])
    days = [json.loads(day.path.read_text()) for day in (alone, both)]
    return files, days, [key.kid.hex() for key in (first, second, alone.recipient, both.recipient)]


def test_a_passphrase_opens_the_key_and_its_days(page, held):
    files, days, (first, _second, alone, _both) = held
    assert page.evaluate(UNLOCK, [files, days, [PHRASE]]) == [first, alone]


def test_two_passphrases_open_what_asks_for_both(page, held):
    files, days, kids = held
    assert sorted(page.evaluate(UNLOCK, [files, days, [OTHER, PHRASE]])) == sorted(kids)


def test_a_wrong_passphrase_opens_nothing(page, held):
    files, days, _ = held
    assert page.evaluate(UNLOCK, [files, days, [PHRASE + " "]]) == "the passphrase opens no reveal key"


@pytest.mark.parametrize("name", ["label", "public", "salt", "nonce", "sealed"])
def test_an_altered_key_file_opens_nothing(page, held, name):
    (file, _), days, _ = held
    altered = file | {name: file[name][:-1] + ("0" if file[name][-1] != "0" else "1")}
    assert page.evaluate(UNLOCK, [[altered], days, [PHRASE]]) == "the passphrase opens no reveal key"


def test_a_day_sealed_to_somebody_else_stays_shut(page, held):
    files, days, (first, *_) = held
    altered = days[0] | {"sealed": [{**days[0]["sealed"][0], "sealed": days[1]["sealed"][0]["sealed"]}]}
    assert page.evaluate(UNLOCK, [files, [altered], [PHRASE]]) == [first]


def test_what_a_browser_cannot_do_is_said(page, tmp_path, held):
    hybrid = written(tmp_path / "pq.json", Identity.generate(Kem.MLKEM768_X25519), PHRASE)
    assert "needs the box" in page.evaluate(UNLOCK, [[hybrid], [], [PHRASE]])
    (file, _), days, _ = held
    for strange in ({"n": 2**21}, {"n": 3}, {"r": 1000}, {"p": 17}, {"n": -2}, {"salt": "zz"}):
        said = page.evaluate(UNLOCK, [[file | strange], days, [PHRASE]])
        assert said in {"key derivation out of range", "not hexadecimal"}


def test_the_key_derivation_is_the_published_one(page):
    """scrypt of RFC 7914 12, two of its own vectors."""
    scrypt = """async ([phrase, salt, cost]) => {
      const { scrypt } = await import('/static/recovery/scrypt.js');
      const { ascii, hex } = await import('/static/recovery/bytes.js');
      return hex(await scrypt(ascii(phrase), ascii(salt), cost, 64));
    }"""
    assert page.evaluate(scrypt, ["password", "NaCl", {"n": 1024, "r": 8, "p": 16}]).startswith(
        "fdbabe1c9d3472007856e7190d01e9fe"
    )
    assert page.evaluate(scrypt, ["pleaseletmein", "SodiumChloride", {"n": 16384, "r": 8, "p": 1}]).startswith(
        "7023bdcb3afd7348461c06cd81fd38eb"
    )


PARTS = """async ([secret, sent]) => {
  const [{ Reader }, { CODECS }, { Identity }, { fromHex }] = await Promise.all(
    ['reader', 'nal', 'hpke', 'bytes'].map((name) => import(`/static/recovery/${name}.js`)));
  const identity = await Identity.of(fromHex(secret));
  const reader = new Reader(new Map([[identity.kid, identity]]), CODECS.h264, null);
  const parts = [];
  for (const au of sent) {
    await reader.open(fromHex(au));
    parts.push(reader.part);
  }
  return parts;
}"""


def test_the_page_knows_where_a_number_may_be_somebody_else_as_the_player_does(page):
    once, again = ([unit.data for unit in protected(H264)] for _ in range(2))
    one = H264.gop_frames
    for units in (once + again, once[:one] + once[2 * one :], once[: one + 1] + once[one + 2 :]):
        opener, expected = Reader([OFFICER], Codec.H264), []
        for unit in units:
            opener.open(unit)
            expected.append(opener.part)
        assert page.evaluate(PARTS, [OFFICER.private.hex(), [unit.hex() for unit in units]]) == expected
