"""Keys: a key a day, dual control, escrow in pieces, legal hold, destruction; and the commands for them."""

import asyncio
import dataclasses
import io
import json
import sqlite3
import sys

import pytest
from box_fakes import CAMERA_ID, masked_h264, record_file

from base.errors import Conflict, RequestError, RightRefused, SealError, StoreError
from nvr_box import __main__ as command
from nvr_box import state as places
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.db.database import Store
from nvr_box.keys import day as day_keys
from nvr_box.keys.passphrase import unlocked
from nvr_box.keys.store import KeyFolder
from nvr_box.record.recordings import Recordings
from nvr_box.record.segments import Segments
from nvr_box.reveal.reveals import Reveals
from nvr_box.rights import Account, Right
from wire.keys import SigningKey, load_identity

ANNA, BERT = "anna's own passphrase", "bert's own passphrase"
T0 = 1_795_000_000_000_000


@pytest.fixture
def keys(tmp_path):
    return KeyFolder.open(tmp_path / "keys")


def test_without_an_operator_there_is_no_recipient(keys):
    assert keys.recipients() == ()
    assert keys.sealed().days == ()


def test_cameras_seal_to_a_key_of_the_day_that_every_operator_opens(keys):
    keys.create("anna", ANNA)
    keys.create("bert", BERT)
    (today,) = keys.recipients()
    assert keys.recipients() == (today,)
    assert today.kid not in {each.kid for each in keys.operators()}
    (path,) = keys.sealed().days
    assert path.stat().st_mode & 0o777 == 0o600
    for passphrase in (ANNA, BERT):
        identity = day_keys.unseal(path, unlocked(keys.sealed().operators, [passphrase]))
        assert identity.recipient.public == today.public
    with pytest.raises(SealError):
        day_keys.unseal(path, unlocked(keys.sealed().operators, ["somebody else's passphrase"]))


def test_without_rotation_cameras_seal_to_the_operators(tmp_path):
    keys = KeyFolder.open(tmp_path / "keys", rotate=False)
    recipient = keys.create("anna", ANNA)
    assert keys.recipients() == (recipient,)


def test_another_key_for_the_rest_of_the_day_leaves_out_a_removed_operator(keys):
    anna = keys.create("anna", ANNA)
    keys.create("bert", BERT)
    before = keys.recipients()
    assert keys.remove(anna.kid.hex())
    keys.renew()
    after = keys.recipients()
    assert after != before
    newest = keys.sealed().days[0]
    assert [entry["kids"] for entry in json.loads(newest.read_text())["sealed"]] == [[keys.operators()[0].kid.hex()]]


def test_dual_control_opens_to_both_together_only(keys):
    anna, bert = keys.create("anna", ANNA), keys.create("bert", BERT)
    keys.require_both([(anna.kid.hex(), bert.kid.hex())])
    keys.today()
    (path,) = keys.sealed().days
    both = unlocked(keys.sealed().operators, [ANNA, BERT])
    assert day_keys.unseal(path, both).recipient == dataclasses.replace(keys.recipients()[0])
    for alone in both:
        with pytest.raises(SealError):
            day_keys.unseal(path, [alone])
    keys.require_both([])
    keys.renew()
    assert day_keys.unseal(keys.sealed().days[0], unlocked(keys.sealed().operators, [ANNA]))


@pytest.mark.parametrize("pair", [("00", "11"), ("same", "same")])
def test_dual_control_wants_two_operators(keys, pair):
    kid = keys.create("anna", ANNA).kid.hex()
    with pytest.raises(RequestError, match="dual control"):
        keys.require_both([tuple(kid if word == "same" else word for word in pair)])


def test_when_one_of_two_operators_left_no_key_is_made_that_stays_closed(keys):
    anna, bert = keys.create("anna", ANNA), keys.create("bert", BERT)
    keys.require_both([(anna.kid.hex(), bert.kid.hex())])
    keys.remove(bert.kid.hex())
    with pytest.raises(Conflict, match="no pair"):
        keys.recipients()


def test_short_passphrases_are_refused_and_a_removed_key_is_gone(keys, tmp_path):
    with pytest.raises(RequestError, match="at least"):
        keys.create("operator", "short")
    recipient = keys.create("operator", ANNA)
    assert KeyFolder.open(tmp_path / "keys").box_id == keys.box_id
    assert keys.remove(recipient.kid.hex())
    assert not keys.remove(recipient.kid.hex())
    assert not keys.remove("../box")
    assert keys.operators() == ()


@pytest.mark.parametrize("name", ["policy.json", "escrow/0011223344556677.json"])
@pytest.mark.parametrize("torn", [b"", b'{"both": [[', b"[]", b'{"both": 5}', b"\xff\xff"])
def test_a_torn_file_is_an_error_that_names_it_and_no_crash(keys, name, torn):
    keys.create("operator", ANNA)
    (keys.folder / name).write_bytes(torn)
    with pytest.raises(StoreError, match=name.rpartition("/")[2].partition(".")[0] + "|recipient"):
        keys.recipients()


def test_days_past_are_destroyed_but_not_those_with_evidence(keys):
    keys.create("anna", ANNA)
    operators = [(each,) for each in keys.operators()]
    for day in ("2026-01-01", "2026-01-02T120000", "2026-01-03", "2026-01-04"):
        day_keys.make(keys.folder / "days", day, operators)
    assert keys.shred_days_before("2026-01-04", spared=frozenset({"2026-01-03"})) == ["2026-01-01", "2026-01-02T120000"]
    assert [day.day for day in keys.days()] == ["2026-01-03", "2026-01-04"]


def test_a_held_day_survives_the_destruction_of_its_key(keys):
    keys.create("anna", ANNA)
    day = keys.today()
    with pytest.raises(SealError):
        keys.hold("case-7", [day.day], ["wrong passphrase"], "passphrase of case 7")
    keys.hold("case-7", [day.day], [ANNA], "passphrase of case 7")
    assert keys.remove(day.day)
    sealed = keys.sealed()
    found = unlocked(sealed.operators, ["passphrase of case 7"])
    assert [day_keys.unseal(path, found).recipient.public for path in sealed.days] == [day.recipient.public]
    with pytest.raises(SealError):
        day_keys.unseal(sealed.days[0], unlocked(sealed.operators, [ANNA]))
    refused = (("case-7", [day.day], "exists"), ("case-8", [day.day], "any more"), ("../x", [], "letters"))
    for case, days, says in refused:
        with pytest.raises(RequestError, match=says):
            keys.hold(case, days, [ANNA], "passphrase of case 7")


@pytest.fixture
async def box(tmp_path, keys):
    """A camera that sealed to the key of the day."""
    anna, bert = keys.create("anna", ANNA), keys.create("bert", BERT)
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    segments, log, roster = Segments(store, tmp_path / "rec"), Audit(store), CameraStore(store)
    signer = SigningKey.generate()
    identity = CAMERA_ID.hex()
    signing_key = signer.public.hex()
    camera = CameraRow(
        1, "yard", "http://x", "u", "rtsp://x", "main", "", "", "", identity, signing_key, None, True, True, 0
    )
    await roster.add(camera, "p", None, "test")

    async def record():
        file = masked_h264(tmp_path / "a.h264", 25, keys.recipients(), signer, start_us=T0)
        await asyncio.to_thread(record_file, segments, 1, file, T0)

    reveals = Reveals(log, keys, roster, Recordings(segments, log), minutes=1)
    yield keys, reveals, record, (anna, bert)
    await reveals.close()
    store.close()


WHO = Account("controller", frozenset({Right.VIEW, Right.REVEAL}))


async def opened(reveals, first, second=""):
    session = await reveals.start(WHO, 1, reason="case 12, theft", passphrase=first, second_passphrase=second)
    await reveals.still(WHO, session.key, T0 + 300_000)
    found = reveals.active(WHO)[-1].verdicts
    await reveals.end(WHO, session.key)
    return found.opened, found.not_for_us


async def test_a_day_is_revealed_until_its_key_is_destroyed(box):
    keys, reveals, record, _ = box
    await record()
    assert (await opened(reveals, BERT))[0] > 0
    keys.hold("case-7", [keys.today().day], [ANNA], "passphrase of case 7")
    keys.remove(keys.today().day)
    lost = await opened(reveals, BERT)
    assert lost[0] == 0
    assert lost[1] > 0
    assert (await opened(reveals, "passphrase of case 7"))[0] > 0


async def test_dual_control_wants_both_passphrases_in_one_reveal(box):
    keys, reveals, record, (anna, bert) = box
    keys.require_both([(anna.kid.hex(), bert.kid.hex())])
    await record()
    assert (await opened(reveals, ANNA))[0] == 0
    assert (await opened(reveals, ANNA, BERT))[0] > 0
    with pytest.raises(RightRefused):
        await reveals.start(WHO, 1, reason="case 12, theft", passphrase="nobody's passphrase")


def test_the_ceremonies_from_the_command_line(tmp_path, capsys, monkeypatch):
    config = tmp_path / "nvr.toml"
    config.write_text(f'state = "{tmp_path / "state"}"\n')

    def run(*words, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = command.main(["--config", str(config), "keys", *words])
        said = capsys.readouterr()
        return status, said.out.strip(), said.err

    assert "no operator" in run("rotate")[2]
    anna = run("create", "--label", "anna", stdin=ANNA + "\n")[1]
    bert = run("create", "--label", "bert", stdin=BERT + "\n")[1]
    assert run("dual", f"{anna}+{bert}")[0] == 0
    assert "want KID+KID" in run("dual", anna)[2]
    assert "no camera has a key" in run("rotate")[1]
    KeyFolder.open(tmp_path / "state" / places.KEYS).today(CAMERA_ID.hex())
    status, said, _ = run("rotate")
    assert status == 0
    day = said.split("day  ")[1].split(";")[0]
    assert day in run("list")[1]
    shares = tmp_path / "pieces"
    kid = run("escrow-create", str(shares), "--shares", "3", "--threshold", "2")[1].split(":")[0]
    assert f"{kid}  escrow" in run("list")[1]
    out = tmp_path / "escrow.json"
    pieces = [str(shares / f"share-{number}.txt") for number in (3, 1)]
    assert "are needed" in run("escrow-join", pieces[0], "--out", str(out))[2]
    assert run("escrow-join", *pieces, "--out", str(out), stdin=ANNA + "\n")[0] == 0
    assert load_identity(out, ANNA).kid.hex() == kid
    assert "none of these keys" in run("hold", "case-7", day, stdin=f"{ANNA}\npassphrase of case 7\n")[2]
    held = run("hold", "case-7", day, "--operators", "2", stdin=f"{ANNA}\n{BERT}\npassphrase of case 7\n")
    assert held[0] == 0, held
    assert run("shred", day, "--yes")[0] == 0
    assert day not in run("list")[1]
    link = sqlite3.connect(tmp_path / "state" / places.DATABASE)
    said = link.execute("SELECT details FROM audit WHERE action = 'keys'").fetchall()
    link.close()
    kinds = [json.loads(details)["what"] for (details,) in said]
    assert kinds == ["create", "create", "dual", "rotate", "rotate", "escrow-create", "escrow-join", "hold", "shred"]
    assert not any(word in details for (details,) in said for word in (ANNA, BERT, "case 7"))


def test_a_key_that_was_taken_away_is_public_here_and_opens_from_its_file(keys, tmp_path):
    anna, bert = keys.create("anna", ANNA), keys.create("bert", BERT)
    (today,) = keys.recipients()
    away = tmp_path / "usb" / "anna.json"
    with pytest.raises(StoreError, match="No such file"):
        keys.take_away(anna.kid.hex(), away)
    away.parent.mkdir()
    keys.take_away(anna.kid.hex(), away)
    assert away.stat().st_mode & 0o777 == 0o600
    assert [each.kid for each in keys.operators()] == [anna.kid, bert.kid], "cameras go on sealing for her"
    left = (keys.folder / "reveal" / f"{anna.kid.hex()}.json").read_text()
    assert not {"sealed", "nonce", "salt", "private"} & set(json.loads(left))
    assert unlocked(keys.sealed().operators, [ANNA]) == []
    kids = frozenset(each.kid.hex() for each in keys.operators())
    assert [table["label"] for table in keys.sealed_files(kids)] == ["bert"]
    identity = load_identity(away, ANNA)
    assert day_keys.unseal(keys.sealed().days[0], [identity]).recipient.public == today.public
    for kid, where, why in ((anna.kid, "again.json", "no key"), (bert.kid, "usb/anna.json", "exists already")):
        with pytest.raises(RequestError, match=why):
            keys.take_away(kid.hex(), tmp_path / where)
    keys.take_away(bert.kid.hex(), tmp_path / "bert.json")
    assert keys.sealed().operators == ()


def test_every_camera_has_a_key_of_its_own_and_a_reveal_is_given_that_cameras(keys):
    keys.create("anna", ANNA)
    one, two = "00112233445566aa", "00112233445566bb"
    first, second = keys.today(one), keys.today(two)
    assert first.recipient != second.recipient
    assert keys.today(one) == first
    assert [each.kid for each in keys.recipients(two)] == [second.recipient.kid]
    assert {(each.camera_id, each.date) for each in keys.days()} == {(one, first.date), (two, first.date)}
    (folder,) = {each.path.parent for each in keys.days()}
    for name in ("2026-01-01", "2026-01-02.00112233445566aa", "2026-01-02T101010.00112233445566aa",
                 "2026-01-02.00112233445566bb", "2026-01-03.00112233445566aa"):  # fmt: skip
        day_keys.make(folder, name, [(each,) for each in keys.operators()])
    found = [path.stem for path in keys.sealed(1, one).days]
    assert found == [first.day, "2026-01-03.00112233445566aa", "2026-01-02T101010.00112233445566aa",
                     "2026-01-02.00112233445566aa", "2026-01-01"]  # fmt: skip
    assert len(keys.sealed().days) == 7
    handed = [each.day for each in keys.days_of(one, "2026-01-01", "2026-01-02")]
    assert sorted(handed) == sorted(found[2:]), "the page is handed those of the dates alone"
    fresh = keys.renew()
    assert [each.camera_id for each in fresh] == [one, two]
    assert keys.today(one).recipient == fresh[0].recipient
