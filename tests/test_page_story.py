"""The newcomer's whole story on the running demo, by a browser alone: from signing in to a face restored on record."""

import base64
import time
import tomllib

import av
import cv2
import numpy as np
import pytest
from demo_process import Browser
from page_browser import PIXELS, chromium, opened, sign_in, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

STORY_S = 240
ENDED_US = 12e6  # a passage is described when it ended, or eight seconds after it began


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
    until(
        page,
        """() => { const video = document.querySelector('.picture video');
        return video.readyState > 2 && video.videoWidth > 0 && !video.seeking; }""",
    )


def go_to(page, at_us):
    """Type a time into the field, as whoever knows when it happened does."""
    wanted = page.evaluate(
        """at => { const there = new Date(at / 1000);
        return new Date(there - there.getTimezoneOffset() * 60000).toISOString().slice(0, 19); }""",
        at_us,
    )
    page.fill(".goto input", wanted)
    page.press(".goto input", "Enter")
    until(
        page,
        """wanted => { const video = document.querySelector('.picture video');
        const shown = Number(document.querySelector('[data-test=now]').dataset.us);
        return Math.abs(shown - Date.parse(wanted) * 1000) < 1.2e5
          && video.readyState > 2 && video.videoWidth > 0 && !video.seeking; }""",
        wanted,
    )
    hold(page)


def hold(page):
    if not page.evaluate("document.querySelector('.picture video').paused"):
        page.keyboard.press("k")
    until(page, "document.querySelector('.picture video').paused")


def frozen_person(page, demo, deadline):
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
            if page.locator("[data-test=pick].class-person").count():
                return camera, names[camera]
            page.keyboard.press("Escape")
        page.wait_for_timeout(1000)
    raise AssertionError("nobody walked by whom the page could pick")


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


def test_the_whole_story(browser, demo, clip):
    deadline = time.monotonic() + STORY_S
    with opened(browser, ignore_https_errors=True) as page:
        sign_in(page, demo.url, "admin", demo.words["admin_password"])
        until(page, "document.querySelectorAll('[data-test=tile][data-state=playing]').length === 2")

        camera, name = frozen_person(page, demo, deadline)
        pick = page.locator("[data-test=pick].class-person").first
        box = [float(side) for side in pick.get_attribute("data-box").split()]
        at_us = float(page.get_attribute("[data-test=now]", "data-us"))
        masked = picture(page.get_attribute("[data-test=frozen] img", "src"))
        pick.click()

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

        page.goto(f"{demo.url}#watch/{camera}")
        playing(page)
        go_to(page, at_us)
        page.keyboard.press("r")
        page.fill("[name=reason]", "the story of the newcomer")
        page.fill("[name=passphrase]", demo.words["passphrase"])
        page.click("[data-test=reveal-go]")
        page.wait_for_selector("[data-test=lock][data-open=yes]")
        until(page, "document.querySelector('.watermark')?.textContent.includes('admin')")

        playing(page)
        hold(page)
        go_to(page, at_us)
        revealed = picture(page.evaluate(PIXELS))

        frames = originals(clip, demo, name)
        where = region(box, frames[0].shape)
        original = frames[closest(frames, revealed)]
        nobody = np.median(frames[::8], axis=0)
        assert psnr(original[where], nobody[where]) < 25, "there must be a person in the picked box"
        assert max(psnr(masked[where], frame[where]) for frame in frames) < 25
        assert psnr(revealed[where], original[where]) >= 30

        page.keyboard.press("Escape")
        page.wait_for_selector("[data-test=lock][data-open=no]")
        audit = Browser(demo).ask("/api/audit?action=reveal")["entries"]
        granted = next(one for one in audit if one["granted"])
        assert (granted["who"], granted["reason"]) == ("admin", "the story of the newcomer")


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
