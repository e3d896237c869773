"""Packages of evidence: what is in them, what a change of any byte does to them, and which accounts get one."""

import asyncio
import contextlib
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile

import av
import pytest
from test_box_reveal import (
    ADMIN,
    END,
    PASSPHRASE,
    PEOPLE,
    REASON,
    SIGNER,
    T0,
    clear_picture,
    i420,
    person,
    place,
    psnr,
    streams,
)

from base.errors import NotFound, RightRefused, WireError
from nvr_box.audit.head import Head, Heads
from nvr_box.export import budget, manifest, report
from nvr_box.export.budget import Budget
from nvr_box.export.exports import ExportRequest, Exports
from nvr_box.export.manifest import Listed, PackageManifest
from nvr_box.export.verify import main as verify_main
from nvr_box.export.verify import verify
from nvr_box.keys import day as day_keys
from nvr_box.rights import Account, Right
from wire import player
from wire.keys import load_identity

__all__ = ["place", "streams"]  # fixtures

OPERATOR = Account("operator", frozenset({Right.VIEW, Right.OPERATE}))
BOTH = Account("controller", frozenset({Right.VIEW, Right.OPERATE, Right.REVEAL}))


@pytest.fixture
def exports(place, streams, tmp_path):
    reveals, recordings, log, _ = place
    return Exports(log, streams[0], reveals._roster, recordings, reveals, folder=tmp_path / "exports", box="Test box")


def wish(camera=1, **more):
    return ExportRequest(camera, T0, END, REASON, **more)


def rewritten(path, to, change):
    """The package with each file's bytes put through `change(name, data)`; None leaves it out."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w") as target:
        for name in source.namelist():
            data = change(name, source.read(name))
            if data is not None:
                target.writestr(name, data)
    return to


async def test_the_package_is_whole_and_the_recording_still_opens(exports, streams, place, tmp_path):
    package = await exports.make(OPERATOR, wish())
    assert exports.get(OPERATOR, package.key) == package
    found = verify(package.path, signing_key=streams[0].signer.public)
    assert found.wrong == ()
    about = found.manifest.about
    assert (about["who"], about["reason"], about["camera_name"]) == ("operator", REASON, "yard 1")
    entry = (await place[2].entries(ADMIN, action="export"))[0]
    assert (entry.number, entry.hash) == (about["audit_entry"], about["audit_hash"])

    with zipfile.ZipFile(package.path) as files:
        assert set(files.namelist()) == {
            "masked-1.mp4", "report.json", "report.txt", "README.txt", manifest.NAME, manifest.SIGNATURE,
        }  # fmt: skip
        files.extractall(tmp_path)
    key = next((streams[0].folder / "reveal").glob("*.json"))
    played = player.play(tmp_path / "masked-1.mp4", tmp_path / "out.mp4", _identities(streams[0], key))
    assert (played.pictures, played.revealed) == (75, 75), "the seals are as the camera made them"
    said = json.loads((tmp_path / "report.json").read_text())["files"][0]
    assert (said["access_units"], said["recovery_data_missing"], said["recovery_data_unreadable"]) == (75, 0, 0)
    assert [group["origin"] for group in said["groups"]] == ["yes", "yes", "unknown"]
    assert [group["base_intact"] for group in said["groups"]] == ["yes", "yes", "unknown"]
    assert {group["authentic"] for group in said["groups"]} == {"unknown"}
    text = (tmp_path / "report.txt").read_text()
    for question in ("authentic", "base intact", "complete", "origin"):
        assert re.search(rf"  {question} +(yes|unknown) ", text)


async def test_a_package_carries_the_signed_head_of_the_log_and_finds_it_cut(exports, streams, place, tmp_path, capsys):
    *_, log, store = place
    log._heads = Heads(store, streams[0].signer, tmp_path)
    package = await exports.make(OPERATOR, wish())
    about = verify(package.path).manifest.about
    head = Head.from_json(about["audit_head"])
    assert (head.number, head.hash) == (about["audit_entry"], about["audit_hash"])
    with zipfile.ZipFile(package.path) as files:
        assert f"entry {head.number}" in files.read("report.txt").decode()
    await log.write("anna", "search")
    assert verify(package.path, state=tmp_path).wrong == ()
    assert verify_main(package.path, None, tmp_path) == 0

    with contextlib.closing(sqlite3.connect(tmp_path / "box.db")) as link:
        link.execute("DROP TRIGGER audit_is_not_shortened")
        link.execute("DELETE FROM audit WHERE number >= ?", (head.number,))
        link.commit()
    (found,) = verify(package.path, state=tmp_path).wrong
    assert f"entry {head.number}" in found
    assert "cut off" in found
    assert verify_main(package.path, None, tmp_path) == 1
    assert "WRONG  audit log" in capsys.readouterr().out
    assert verify(package.path).wrong == (), "the package itself is whole"
    assert "cannot be compared" in verify(package.path, state=tmp_path / "nowhere").wrong[0]


def _identities(keys, key):
    operator = load_identity(key, PASSPHRASE)
    return [operator, *(day_keys.unseal(day.path, [operator]) for day in keys.days())]


async def test_every_changed_file_is_found(exports, tmp_path):
    package = await exports.make(OPERATOR, wish())
    names = zipfile.ZipFile(package.path).namelist()
    for name in names:
        changed = rewritten(
            package.path, tmp_path / "x.zip",
            lambda each, data, name=name: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:] if each == name else data,
        )  # fmt: skip
        try:
            assert verify(changed).wrong, name
        except WireError:
            assert name == manifest.NAME
        without = rewritten(
            package.path, tmp_path / "y.zip", lambda each, data, name=name: None if each == name else data
        )
        if name in (manifest.NAME, manifest.SIGNATURE):
            with pytest.raises(WireError, match="missing"):
                verify(without)
        else:
            assert verify(without).wrong == (f"{name}: missing",)


async def test_what_is_added_or_signed_by_another_is_found(exports, tmp_path):
    package = await exports.make(OPERATOR, wish())
    added = tmp_path / "more.zip"
    added.write_bytes(package.path.read_bytes())
    with zipfile.ZipFile(added, "a") as files:
        files.writestr("note.txt", "trust me")
    assert verify(added).wrong == ("note.txt: not in the manifest",)
    assert verify(package.path, signing_key=bytes(32)).wrong == ("it was signed by another box",)
    (tmp_path / "junk.zip").write_bytes(b"PK no")
    with pytest.raises(WireError, match="cannot be read"):
        verify(tmp_path / "junk.zip")


async def test_the_command_says_it_in_a_line(exports, tmp_path):
    package = await exports.make(OPERATOR, wish())
    run = [sys.executable, "-m", "nvr_box", "verify"]
    good = await asyncio.to_thread(subprocess.run, [*run, package.path], capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    assert good.stdout.startswith("whole: yard 1, 2026-11-18 11:06:40")
    bad = rewritten(package.path, tmp_path / "x.zip", lambda name, data: data + b" " * (name == "report.txt"))
    said = await asyncio.to_thread(subprocess.run, [*run, bad], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (1, "WRONG  report.txt: altered\n")


async def test_with_a_passphrase_the_originals_go_along_for_one_person_only(exports, place, tmp_path):
    x, y, w, h = PEOPLE[7]
    point = ((x + w / 2) / 20, (y + h / 2) / 15)
    package = await exports.make(BOTH, wish(passphrase=PASSPHRASE, point=point))
    with zipfile.ZipFile(package.path) as files:
        files.extractall(tmp_path)
    with av.open(str(tmp_path / "revealed-1.mp4")) as container:
        shown = [frame.to_ndarray(format="yuv420p")[:240] for frame in container.decode(video=0)]
    clear = i420(clear_picture(30))[:240]
    assert psnr(person(shown[30], 7), person(clear, 7)) > 30
    assert psnr(person(shown[30], 9), person(clear, 9)) < 15
    log = place[2]
    ends = await log.entries(ADMIN, action="reveal-end")
    assert (ends[0].details["why"], ends[0].details["opened"]) == ("exported", 75)
    assert (await log.entries(ADMIN, action="reveal"))[0].details["whole"] is False
    assert (await log.entries(ADMIN, action="export"))[0].details["revealed"] is True
    assert place[0].active(BOTH) == ()


async def test_refusals_leave_no_package_and_an_entry(exports, place, tmp_path):
    guard = Account("guard", frozenset({Right.VIEW}))
    for account, what, why in (
        (guard, wish(), "'operator'"),
        (OPERATOR, ExportRequest(1, T0, END, "short"), "reason"),
        (OPERATOR, ExportRequest(1, END, T0, REASON), "ends after it begins"),
        (OPERATOR, ExportRequest(1, T0, T0 + 7_200_000_000, REASON), "an hour"),
        (OPERATOR, wish(passphrase=PASSPHRASE), "'reveal'"),
        (BOTH, wish(passphrase="wrong passphrase"), "opens no reveal key"),
    ):
        with pytest.raises(RightRefused, match=why):
            await exports.make(account, what)
    with pytest.raises(NotFound, match="nothing is recorded"):
        await exports.make(OPERATOR, ExportRequest(1, T0 + 10**12, T0 + 10**12 + 5, REASON))
    assert not list((tmp_path / "exports").iterdir())
    tried = await place[2].entries(ADMIN, action="export")
    assert sum(not entry.granted for entry in tried) == 6
    assert sum(entry.granted for entry in tried) == 0, "what came to nothing is not written down as made"
    package = await exports.make(OPERATOR, wish())
    with pytest.raises(NotFound, match="gone"):
        exports.get(BOTH, package.key)
    await exports.close()
    assert not package.path.exists()


async def test_a_recording_without_seals_says_that_they_are_missing(exports, tmp_path):
    package = await exports.make(OPERATOR, wish(camera=3))
    assert verify(package.path).wrong == ()
    with zipfile.ZipFile(package.path) as files:
        text = files.read("report.txt").decode()
        said = json.loads(files.read("report.json"))["files"][0]
    assert "RECOVERY DATA IS MISSING in 75 pictures" in text
    assert "a camera of another make" in text
    assert (said["recovery_data_missing"], said["groups"]) == (75, [])


async def test_what_is_revealed_is_cut_to_the_picture_and_the_package_says_what_it_holds(exports, place, tmp_path):
    """Groups of pictures begin every second here: 1.1 to 1.6 s lies within one."""
    from_us, until_us = T0 + 1_100_000, T0 + 1_600_000
    package = await exports.make(BOTH, ExportRequest(1, from_us, until_us, REASON, passphrase=PASSPHRASE))
    found = verify(package.path)
    assert found.wrong == ()
    masked, revealed = found.manifest.about["holds"]
    assert (masked["file"], masked["pictures"], masked["length_us"]) == ("masked-1.mp4", 25, 960_000)
    assert (masked["first"], masked["last"]) == ("2026-11-18 11:06:41.000", "2026-11-18 11:06:41.960")
    # 25 a second: the first picture of 1.12 s, the last of 1.56 s.
    assert (revealed["file"], revealed["pictures"]) == ("revealed-1.mp4", 12)
    assert (revealed["first"], revealed["last"]) == ("2026-11-18 11:06:41.120", "2026-11-18 11:06:41.560")
    about = found.manifest.about
    assert (about["asked_start"], about["start"]) == ("2026-11-18 11:06:41.100", "2026-11-18 11:06:41.000")
    with zipfile.ZipFile(package.path) as files:
        files.extractall(tmp_path)
    with av.open(str(tmp_path / "revealed-1.mp4")) as container:
        shown = [frame.to_ndarray(format="yuv420p")[:240] for frame in container.decode(video=0)]
    assert len(shown) == 12
    for number, picture in enumerate(shown, start=28):
        assert psnr(person(picture, 7), person(i420(clear_picture(number))[:240], 7)) > 30
    assert "masked-1.mp4 holds 25 pictures" in (tmp_path / "report.txt").read_text()
    held = json.loads((tmp_path / "report.json").read_text())["files"][0]
    assert held["pictures_at_us"] == [40_000 * number for number in range(25)]
    entry = (await place[2].entries(ADMIN, action="export"))[0]
    assert entry.details["holds"] == "2026-11-18 11:06:41.000 to 2026-11-18 11:06:41.960, 25 pictures"
    assert entry.details["revealed_holds"] == "2026-11-18 11:06:41.120 to 2026-11-18 11:06:41.560, 12 pictures"


async def test_a_manifest_that_says_other_pictures_is_found(exports, streams, tmp_path):
    package = await exports.make(OPERATOR, wish())

    def other(name, data):
        if name == manifest.NAME:
            return data.replace(b'"pictures": 75', b'"pictures": 74')
        return streams[0].signer.sign(manifest.CONTEXT + changed) if name == manifest.SIGNATURE else data

    with zipfile.ZipFile(package.path) as files:
        changed = other(manifest.NAME, files.read(manifest.NAME))
    lying = rewritten(package.path, tmp_path / "x.zip", other)
    assert verify(lying).wrong == ("masked-1.mp4: holds other pictures than the manifest says",)


async def test_a_package_of_the_first_version_is_still_whole(exports, streams, tmp_path):
    """Its report says nothing of single pictures and its manifest nothing of what the files hold."""
    package = await exports.make(OPERATOR, wish())
    with zipfile.ZipFile(package.path) as files:
        files.extractall(tmp_path)
        said = PackageManifest.parse(files.read(manifest.NAME))
    old = report.as_json([report.export_report("masked-1.mp4", tmp_path / "masked-1.mp4", SIGNER.public)], 1)
    listed = tuple(
        Listed(each.name, len(old), hashlib.sha256(old).hexdigest()) if each.name == "report.json" else each
        for each in said.files
    )
    about = {name: value for name, value in said.about.items() if name != "holds"}
    written = bytes(PackageManifest(said.signing_key, listed, about))
    signature = streams[0].signer.sign(manifest.CONTEXT + written)
    texts = {"report.json": old, manifest.NAME: written, manifest.SIGNATURE: signature}
    made = rewritten(package.path, tmp_path / "old.zip", texts.get)
    assert verify(made).wrong == ()


@pytest.mark.parametrize("name", [manifest.NAME, "report.json", "masked-1.mp4"])
async def test_what_is_packed_to_be_huge_when_unpacked_takes_no_memory(exports, tmp_path, name):
    package = await exports.make(OPERATOR, wish())
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(package.path) as source, zipfile.ZipFile(bomb, "w") as target:
        for each in source.namelist():
            if each != name:
                target.writestr(each, source.read(each))
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as target:
        target.writestr(name, bytes(200 << 20))
    assert bomb.stat().st_size < 2_000_000
    status, peak_mib, said = await verified(bomb)
    assert status == 1
    assert "compressed" in said
    assert peak_mib < 300, "the programs alone take 200"


async def test_a_recording_that_claims_more_pictures_than_it_has_room_for_is_refused(exports, streams, tmp_path):
    """A run of 30 million samples in one small box: the box signed it, so nothing else is wrong with the package."""
    package = await exports.make(OPERATOR, wish())

    def hostile(data):
        at = data.index(b"trun")
        return data[: at + 4] + (0).to_bytes(4, "big") + (50_000_000).to_bytes(4, "big") + data[at + 12 :]

    with zipfile.ZipFile(package.path) as files:
        said, masked = PackageManifest.parse(files.read(manifest.NAME)), hostile(files.read("masked-1.mp4"))
    listed = tuple(
        Listed(each.name, len(masked), hashlib.sha256(masked).hexdigest()) if each.name == "masked-1.mp4" else each
        for each in said.files
    )
    written = bytes(PackageManifest(said.signing_key, listed, said.about))
    texts = {"masked-1.mp4": masked, manifest.NAME: written,
             manifest.SIGNATURE: streams[0].signer.sign(manifest.CONTEXT + written)}  # fmt: skip
    made = rewritten(package.path, tmp_path / "hostile.zip", texts.get)
    status, peak_mib, _ = await verified(made)
    assert status == 1
    assert peak_mib < 700


async def verified(path):
    """Exit status of the command in a process of its own, its peak memory in MiB, and what it says of errors."""
    # Of this program alone: what `getrusage` says may be of its parent.
    run = "import sys; from pathlib import Path; from nvr_box.export.verify import main; print(main(Path(sys.argv[1]),"
    run += " None), int(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]) // 1024)"
    command = [sys.executable, "-c", run, path]
    said = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    status, peak_mib = (int(word) for word in said.stdout.split()[-2:])
    return status, peak_mib, said.stdout + said.stderr


def test_an_altered_picture_is_named(tmp_path, streams):
    raw = streams[1].read_bytes()
    first = raw.index(b"\0\0\1\x41", raw.index(b"\0\0\1\x65"))
    at = raw.index(b"\0\0\1", first + 4) - 3
    (tmp_path / "altered.h264").write_bytes(raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :])
    said = report.export_report("masked-1.mp4", tmp_path / "altered.h264", SIGNER.public)
    assert said.groups[0]["origin"] == "no"
    assert said.groups[0]["complete"] == "yes"
    assert "origin" in report.as_text([said], _about()).decode()


def _about():
    names = ("camera_name", "asked_start", "asked_end", "who", "made", "reason", "box", "camera_signing_key")
    return dict.fromkeys((*names, "audit_entry", "audit_hash"), "there") | {"holds": []}


def with_budget(place, streams, folder, budget):
    reveals, recordings, log, _ = place
    return Exports(log, streams[0], reveals._roster, recordings, reveals, folder=folder, box="b", budget=budget)


async def test_packages_have_a_budget_of_their_own(place, streams, tmp_path):
    folder = tmp_path / "packages"
    exports = with_budget(place, streams, folder, Budget(folder, 48 << 20, 0))
    first = await exports.make(OPERATOR, wish())
    # Many at once are made one after the other, within the same budget.
    await asyncio.gather(*(exports.make(OPERATOR, wish()) for _ in range(6)))
    (folder / "waiting.zip").write_bytes(bytes(40 << 20))
    with pytest.raises(RightRefused, match=r"packages may take 48 MiB in all, and 40 MiB are taken|4\d MiB are taken"):
        await exports.make(OPERATOR, wish())
    assert first.path.exists(), "what waits to be fetched stays"
    entries = await place[2].entries(ADMIN, action="export")
    assert not entries[0].granted
    assert "may take 48 MiB" in entries[0].details["why"]
    assert sorted(path.suffix for path in folder.iterdir()) == [".zip"] * 8, "nothing half made is left"


async def test_a_package_never_takes_what_the_recordings_leave_free(place, streams, tmp_path):
    folder = tmp_path / "packages"
    free = shutil.disk_usage(tmp_path).free
    exports = with_budget(place, streams, folder, Budget(folder, 1 << 40, free + (1 << 30)))
    with pytest.raises(RightRefused, match="belong to the recordings"):
        await exports.make(OPERATOR, wish())
    assert not list(folder.glob("*"))


async def test_a_package_that_outgrows_its_share_is_given_up(place, streams, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "_MARGIN", 0)
    folder = tmp_path / "packages"
    exports = with_budget(place, streams, folder, Budget(folder, 1 << 40, 0))

    async def little(*_):
        return 1000

    monkeypatch.setattr(exports._recordings, "recorded_bytes", little)
    with pytest.raises(RightRefused, match="larger than the room"):
        await exports.make(OPERATOR, wish())
    assert not list(folder.glob("*"))
