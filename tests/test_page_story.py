"""The newcomer's whole story on the running demo, by a browser alone: from signing in to a face restored on record."""

import base64
import time
import tomllib
from dataclasses import dataclass

import av
import cv2
import numpy as np
import pytest
from demo_process import Browser
from page_browser import chromium, opened, pixels, sign_in, until
from page_sent import said_by

from nvr_box.export.verify import verify
from nvr_box.keys import day as day_keys
from wire.keys import Identity, load_identity, save

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

STORY_S = 240
LEAST_WIDTH = 0.06  # of the picture
BAND = 0.94  # the watermark's band begins below
ENDED_US = 12e6  # a passage is described when it ended, or eight seconds after it began


# A picture is on screen and is not on its way to another time.
STANDS = """() => {
  const opened = document.querySelector('.picture .opened');
  if (opened) return Number(opened.dataset.us) > 0 && ['playing', 'paused'].includes(opened.dataset.state);
  const video = document.querySelector('.picture video');
  return !!video && video.readyState > 2 && video.videoWidth > 0 && !video.seeking
    && !!document.querySelector('[data-test=now]').dataset.us; }"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def picture(data_url):
    data = np.frombuffer(base64.b64decode(data_url.split(",")[1]), np.uint8)
    return luma(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))


def luma(rgb):
    return rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def psnr(a, b):
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a - b) ** 2))))


def likeness(a, b):
    """How alike two pictures are in what is finer than a body's outline: 1 the same, 0 nothing in common.

    Dark trousers on dark ground have a mosaic of nearly their own brightness; what a mosaic lacks is their drawing.
    """
    fine = [picture - cv2.GaussianBlur(picture, (0, 0), 3) for picture in (a, b)]
    fine = [each - each.mean() for each in fine]
    # One plain colour has nothing in common with anything.
    return float((fine[0] * fine[1]).sum() / max(1e-6, np.sqrt((fine[0] ** 2).sum() * (fine[1] ** 2).sum())))


def originals(clip, demo, camera_name):
    """The clip's own pictures in that camera's window, luma (n, h, w)."""
    tables = tomllib.loads((demo.state / "camera.toml").read_text())["camera"]
    window = next(table for table in tables if table["name"] == camera_name)["source"]["window"]
    x, y, width, height = window
    with av.open(str(clip)) as file:
        return np.stack(
            [luma(f.to_ndarray(format="rgb24")[y : y + height, x : x + width]) for f in file.decode(video=0)]
        )


def region(box, shape):
    """Rows and columns of the inner part of a box: the person, not the ground beside them."""
    x0, y0, x1, y1 = box
    height, width = shape
    dx, dy = (x1 - x0) * 0.15, (y1 - y0) * 0.05
    rows = slice(round((y0 + dy) * height), round((y1 - dy) * height))
    return rows, slice(round((x0 + dx) * width), round((x1 - dx) * width))


def playing(page):
    until(page, STANDS)


def go_to(page, at_us):
    """Pause and type the nearest whole second into the field, as whoever knows when it happened does."""
    hold(page)
    wanted = page.evaluate(
        """at => { const there = new Date(Math.round(at / 1e6) * 1000);
        return new Date(there - there.getTimezoneOffset() * 60000).toISOString().slice(0, 19); }""",
        at_us,
    )
    page.fill(".goto input", wanted)
    page.press(".goto input", "Enter")
    until(
        page,
        f"""wanted => {{ const shown = Number(document.querySelector('[data-test=now]').dataset.us);
        return ({STANDS})() && Math.abs(shown - Date.parse(wanted) * 1000) < 3.5e5; }}""",
        wanted,
    )


def hold(page):
    if page.get_attribute("[data-test=pause]", "aria-label") == "Pause":
        page.keyboard.press("k")
    page.wait_for_selector("[data-test=pause][aria-label=Play]")


def frozen_person(page, demo, clip, deadline):
    """Scrub back to somebody who has been described and freeze there; returns the camera and the pick."""
    box = Browser(demo)
    names = {camera["id"]: camera["name"] for camera in box.ask("/api/cameras")["cameras"]}
    tried = set()
    while time.monotonic() < deadline:
        described = both_described(box, names)
        for passage, camera, best_us in described:
            if passage in tried:
                continue
            tried.add(passage)
            page.goto(f"{demo.url}#watch/{camera}")
            playing(page)
            go_to(page, best_us)
            page.keyboard.press("f")
            page.wait_for_selector("[data-test=frozen]")
            pick = largest_pick(page, originals(clip, demo, names[camera]))
            if pick is not None:
                return camera, names[camera], *pick
            page.keyboard.press("Escape")
        page.wait_for_timeout(1000)
    raise AssertionError("nobody walked by whom the page could pick")


def largest_pick(page, frames):
    """(locator, box) of the largest person in the frozen picture; None where all are cut, far or too low.

    A box of somebody who has just gone is still there for a moment: who is picked has to be in the clip's own picture.
    """
    shown = closest(frames, picture(page.get_attribute("[data-test=frozen] img", "src")))
    present = frames[shown], np.median(frames[::8], axis=0)
    picks = page.locator("[data-test=pick].class-person").all()
    boxes = [[float(side) for side in pick.get_attribute("data-box").split()] for pick in picks]
    found = [(pick, (x0, y0, x1, y1)) for pick, (x0, y0, x1, y1) in zip(picks, boxes, strict=True)
             if x1 - x0 > LEAST_WIDTH and x0 > 0 and x1 < 1 and y1 < BAND
             and psnr(*(each[region((x0, y0, x1, y1), each.shape)] for each in present)) < 22]  # fmt: skip
    return max(found, key=lambda one: (one[1][2] - one[1][0]) * (one[1][3] - one[1][1]), default=None)


def both_described(box, names):
    """Recorded passages of people, newest first, once each camera has described somebody; else nothing yet."""
    found = box.ask("/api/searches", {"classes": ["person"], "limit": 200})["matches"]
    if {match["camera"] for match in found} != set(names):
        return []
    day = "start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z"
    spans = {camera: box.ask(f"/api/cameras/{camera}/timeline?{day}")["spans"] for camera in names}
    newest_us = time.time() * 1e6 - ENDED_US
    times = [(match["passage"], match["camera"], utc_us(match["best"])) for match in found]
    recorded = [
        (passage, camera, best_us)
        for passage, camera, best_us in times
        if best_us < newest_us
        and any(utc_us(span["start"]) < best_us - 2e6 and best_us < utc_us(span["end"]) for span in spans[camera])
    ]
    return sorted(recorded, key=lambda one: -one[2])


def utc_us(text):
    whole, part = text.removesuffix("Z").split(".")
    return int(np.datetime64(whole, "s").astype(np.int64)) * 1_000_000 + int(part)


@dataclass(frozen=True)
class Picked:
    """A person in a frozen picture: `box` as shares of it, `masked` its luma."""

    camera: int
    name: str
    box: tuple
    at_us: float
    masked: np.ndarray


def picked_person(page, demo, clip, deadline):
    """Sign in, freeze where somebody was described and pick them."""
    sign_in(page, demo.url, "admin", demo.words["admin_password"])
    until(page, "document.querySelectorAll('[data-test=tile][data-state=playing]').length === 2")
    camera, name, pick, box = frozen_person(page, demo, clip, deadline)
    at_us = float(page.get_attribute("[data-test=now]", "data-us"))
    masked = picture(page.get_attribute("[data-test=frozen] img", "src"))
    pick.focus()  # a pointer might meet somebody who stands before them
    page.keyboard.press("Enter")
    return Picked(camera, name, box, at_us, masked)


def ask_for(page, at_us, reason, passphrase, *, on_box):
    """Fill in the form of a reveal for the picture of `at_us`."""
    go_to(page, at_us)
    page.keyboard.press("r")
    page.fill("[name=reason]", reason)
    page.fill("[name=passphrase]", passphrase)
    page.wait_for_selector("[data-test=where]")
    if on_box:
        page.click("[data-test=where]")
        page.check("[data-test=on-box]")
    page.click("[data-test=reveal-go]")


def revealed_person(page, at_us):
    """What is on screen of `at_us` while the reveal is on."""
    page.wait_for_selector("[data-test=lock][data-open=yes]")
    until(page, "document.querySelector('.watermark')?.textContent.includes('admin')")
    playing(page)
    hold(page)
    go_to(page, at_us)
    return picture(pixels(page))


def show_a_card_clear(page, demo, camera):
    """Back at the results, one best shot of the revealed camera: its original in place of the mask."""
    page.goto(f"{demo.url}#search")
    card = f"[data-test=card][data-camera='{camera}']"
    page.click(f"{card} [data-test=card-clear] >> nth=0")
    page.wait_for_selector("[data-test=shot][data-state=clear] canvas")
    clear, masked = page.evaluate(
        """async () => {
          const shot = document.querySelector('[data-test=shot][data-state=clear]');
          const canvas = shot.querySelector('canvas');
          const passage = shot.closest('[data-test=card]').dataset.passage;
          const jpeg = await (await fetch(`/api/passages/${passage}/shot`)).blob();
          const beside = canvas.cloneNode();
          beside.getContext('2d').drawImage(await createImageBitmap(jpeg), 0, 0, canvas.width, canvas.height);
          return [canvas, beside].map((one) => one.toDataURL('image/png')); }"""
    )
    rows = slice(0, picture(clear).shape[0] * 3 // 4)
    assert np.abs(picture(clear)[rows] - picture(masked)[rows]).mean() > 1


def prove(clip, demo, person, revealed):
    """The person was hidden, and is the clip's own now."""
    frames = originals(clip, demo, person.name)
    where = region(person.box, frames[0].shape)
    at = closest(frames, revealed)
    original = frames[at]
    nobody = np.median(frames[::8], axis=0)
    assert psnr(original[where], nobody[where]) < 25, "there must be a person in the picked box"
    # The still may be some pictures off; a mosaic that covers mostly ground looks like the place when nobody is there.
    near = frames[max(0, at - 10) : at + 11]
    assert max(likeness(person.masked[where], frame[where]) for frame in near) < 0.6
    assert min(psnr(person.masked[where], frame[where]) for frame in near) < 25
    assert likeness(revealed[where], original[where]) > 0.8
    assert psnr(revealed[where], original[where]) >= 30


def end_it(page):
    """End the reveal; the box has written it down when this returns."""
    with page.expect_response(lambda reply: reply.request.method == "DELETE" and "/api/reveals/" in reply.url):
        page.keyboard.press("Escape")
    page.wait_for_selector("[data-test=lock][data-open=no]")


def entries(demo, reason):
    """The audit log's entries of the reveals with that reason, and of their ends, newest first."""
    box = Browser(demo)
    asked = [one for one in box.ask("/api/audit?action=reveal")["entries"] if one["reason"] == reason]
    keys = {one["details"].get("key") for one in asked}
    ends = [one for one in box.ask("/api/audit?action=reveal-end")["entries"] if one["details"]["key"] in keys]
    views = [one for one in box.ask("/api/audit?action=reveal-view")["entries"] if one["details"]["key"] in keys]
    return asked, views, ends


def secrets_of(demo):
    """Everything that must not leave the page: the passphrase and the private keys behind it."""
    phrase = demo.words["passphrase"]
    keys = next(path for path in demo.state.rglob("reveal") if path.parent.name == "keys").parent
    operators = [load_identity(path, phrase) for path in (keys / "reveal").glob("*.json")]
    days = [day_keys.unseal(path, operators) for path in (keys / "days").glob("*.json")]
    assert operators
    assert days
    return [phrase.encode(), *(key.private for key in (*operators, *days))]


def test_the_whole_story_opened_in_the_browser_alone(demo, clip, tmp_path):
    reason, log = "the story of the newcomer", tmp_path / "net.json"
    recorded = chromium(f"--log-net-log={log}", "--net-log-capture-mode=Everything")
    with recorded as browser, opened(browser, ignore_https_errors=True) as page:
        person = picked_person(page, demo, clip, time.monotonic() + STORY_S)
        page.wait_for_selector("[data-test=card]")
        page.focus("[data-test=threshold]")
        page.keyboard.press("Home")
        until(
            page,
            """() => new Set([...document.querySelectorAll('[data-test=card]')].map((card) =>
            card.dataset.camera)).size > 1""",
        )
        alike = [float(card.get_attribute("data-similarity")) for card in page.locator("[data-test=card]").all()]
        assert alike == sorted(alike, reverse=True)
        page.click("[data-test=card] .open >> nth=0")
        playing(page)

        page.goto(f"{demo.url}#watch/{person.camera}")
        playing(page)
        ask_for(page, person.at_us, reason, "not the passphrase", on_box=False)
        page.wait_for_selector("[data-test=refusal]")
        assert "passphrase opens no reveal key" in page.inner_text("[data-test=refusal]")
        page.fill("[name=passphrase]", demo.words["passphrase"])
        page.click("[data-test=reveal-go]")
        prove(clip, demo, person, revealed_person(page, person.at_us))
        assert page.get_attribute("[data-test=opened]", "data-revealed") == "yes"
        for key in ("k", "l", "l"):
            page.keyboard.press(key)
        # Past the first group of pictures, so that the page had to ask for more.
        until(page, "at => Number(document.querySelector('[data-test=opened]').dataset.us) > at + 9e6", person.at_us)
        show_a_card_clear(page, demo, person.camera)
        end_it(page)
        assert page.locator("[data-state=clear]").count() == 0
        page.wait_for_selector("[data-test=opened]", state="detached")

    asked, views, ends = entries(demo, reason)
    assert [(one["who"], one["granted"]) for one in asked] == [("admin", True), ("admin", False)]
    assert asked[0]["details"]["opened_in"] == "browser"
    assert asked[1]["details"]["why"] == "the passphrase opened nothing in the page"
    assert (len(views), len(ends)) == (1, 1)
    assert ends[0]["details"]["opened"] > 0
    assert ends[0]["details"]["shown"].startswith("20")
    assert ends[0]["details"]["cards"].isdigit()

    sent = said_by(log)
    assert sent.found(reason.encode()), "the log sees request bodies"
    assert sent.found(b'{"more": 1}'), "the log sees what WebSockets say"
    for secret in secrets_of(demo):
        assert not sent.found(secret)


def test_the_box_opens_for_browsers_that_cannot(browser, demo, clip):
    reason = "an old browser, case 7"
    with opened(browser, ignore_https_errors=True) as page:
        person = picked_person(page, demo, clip, time.monotonic() + STORY_S)
        page.goto(f"{demo.url}#watch/{person.camera}")
        playing(page)
        ask_for(page, person.at_us, reason, demo.words["passphrase"], on_box=True)
        prove(clip, demo, person, revealed_person(page, person.at_us))
        assert page.locator("[data-test=opened]").count() == 0
        end_it(page)
    asked, _views, ends = entries(demo, reason)
    assert (asked[0]["who"], asked[0]["details"]["opened_in"]) == ("admin", "box")
    assert ends[0]["details"]["shown"].startswith("20")


def open_with(page, demo, file, reason):
    page.keyboard.press("r")
    page.fill("[name=reason]", reason)
    page.fill("[name=passphrase]", demo.words["passphrase"])
    page.click("[data-test=where]")
    page.set_input_files("[name=keyfile]", file)
    page.click("[data-test=reveal-go]")


def test_a_key_file_of_ones_own_opens_and_a_foreign_one_is_refused(browser, demo, tmp_path):
    own = next(demo.state.rglob("keys/reveal/*.json"))
    save(tmp_path / "foreign.json", Identity.generate(label="of another box"), demo.words["passphrase"])
    with opened(browser, ignore_https_errors=True) as page:
        sign_in(page, demo.url, "admin", demo.words["admin_password"])
        until(page, "document.querySelectorAll('[data-test=tile][data-state=playing]').length === 2")
        page.keyboard.press("1")
        playing(page)
        page.keyboard.press("j")
        playing(page)
        open_with(page, demo, tmp_path / "foreign.json", "with a foreign key file")
        page.wait_for_selector("[data-test=refusal]")
        assert "not the reveal key that the box knows as yours" in page.inner_text("[data-test=refusal]")
        page.keyboard.press("Escape")
        page.wait_for_selector(".reveal-dialog", state="detached")
        open_with(page, demo, own, "with a key file of mine")
        page.wait_for_selector("[data-test=opened]")
        playing(page)
        until(page, "document.querySelector('[data-test=opened]').dataset.revealed === 'yes'")
        end_it(page)


def test_a_package_made_on_the_page_is_whole(browser, demo, tmp_path):
    with opened(browser, ignore_https_errors=True, accept_downloads=True) as page:
        sign_in(page, demo.url, "admin", demo.words["admin_password"])
        until(page, "document.querySelectorAll('[data-test=tile][data-state=playing]').length === 2")
        page.keyboard.press("1")
        playing(page)
        page.keyboard.press("j")
        playing(page)
        page.keyboard.press("e")
        page.fill("dialog [name=reason]", "a bicycle was stolen")
        page.click("[data-test=export-go]")
        page.wait_for_selector("[data-test=package]")
        with page.expect_download() as fetched:
            page.click("[data-test=package]")
        fetched.value.save_as(tmp_path / "package.zip")
    found = verify(tmp_path / "package.zip")
    assert found.wrong == ()
    assert (found.manifest.about["who"], found.manifest.about["reason"]) == ("admin", "a bicycle was stolen")
    entry = Browser(demo).ask("/api/audit?action=export")["entries"][0]
    assert entry["hash"] == found.manifest.about["audit_hash"]


def closest(frames, shown_picture):
    errors = np.mean((frames - shown_picture) ** 2, axis=(1, 2))
    return int(errors.argmin())


def test_without_the_right_nothing_is_revealed_and_the_try_is_written_down(browser, demo):
    with opened(browser, ignore_https_errors=True) as page:
        sign_in(page, demo.url, "guard", demo.words["guard_password"])
        until(page, "document.querySelectorAll('[data-test=tile][data-state=playing]').length === 2")
        page.keyboard.press("1")
        playing(page)
        assert page.locator("[data-test=reveal]").count() == 0
        camera = Browser(demo).ask("/api/cameras")["cameras"][0]["id"]
        status = page.evaluate(
            """async ([camera, passphrase]) => {
              const me = await (await fetch('/api/me')).json();
              const body = { camera, passphrase, reason: 'no right to do this', from: me.now };
              const headers = { 'X-Veilcam-CSRF': me.csrf, 'Content-Type': 'application/json' };
              return (await fetch('/api/reveals', { method: 'POST', headers, body: JSON.stringify(body) })).status;
            }""",
            [camera, demo.words["passphrase"]],
        )
        assert status == 403
    refused = [one for one in Browser(demo).ask("/api/audit?action=reveal")["entries"] if not one["granted"]]
    assert (refused[0]["who"], refused[0]["camera"]) == ("guard", camera)
