"""The page tells the truth: what the lock, the tags and the labels say is what is on the screen."""

import time
from dataclasses import replace

import pytest
from page_box import Scene
from page_browser import CONTRAST, NAMELESS, chromium, opened, served, sign_in, until

from nvr_box.cameras.status import State

pytestmark = pytest.mark.e2e
STATE = """async ([more, player, shown, age_s, live]) => {
  const { pictureState } = await import('/static/picture-state.js');
  const camera = { by_client: false, state: 'recording', recording: true, message: '', since_us: 0, rate_fps: 25,
    clock_offset_s: 0, last_frame_us: null, ...more };
  const now_us = Date.now() * 1000;
  return pictureState({ camera, player: { state: 'playing', blank_s: 0, stalled_s: 0, ...player },
    shown_us: shown ? now_us - age_s * 1e6 : null, now_us, live, away: false });
}"""


@pytest.fixture(scope="module")
def served_box(tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("scene"))
    with served(scene, tmp_path_factory.mktemp("box"), history_s=45) as served_box:
        yield served_box


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, served_box):
    cameras = served_box[1].cameras
    usual = dict(cameras.cameras)
    with opened(browser) as page:
        yield page
    cameras.cameras, cameras.says = usual, {}


def test_the_lock_names_the_cameras_that_do_not_mask_and_every_label_agrees(page, served_box):
    address, box = served_box
    sign_in(page, address, "guard")
    page.wait_for_selector("[data-test=lock][data-state=masked] >> text=all masked")
    box.cameras.cameras[2] = replace(box.cameras.cameras[2], camera_id=None, name="Back door")
    page.wait_for_selector("[data-test=lock][data-state=part]")
    assert page.inner_text("[data-test=lock]").split() == ["1", "camera", "not", "masked"]
    page.click("[data-test=lock]")
    assert "Back door" in page.inner_text("[data-test=lock-names]")
    assert "Entrance" not in page.inner_text("[data-test=lock-names]")
    tile = page.locator("[data-test=tile]", has_text="Back door")
    assert "not masked" in tile.get_attribute("aria-label")
    assert page.evaluate(CONTRAST) == []
    page.goto(f"{address}#watch/2")
    page.wait_for_selector(".corner [data-test=mask] >> text=not masked")
    assert page.get_attribute(".picture video", "aria-label").startswith("Unmasked video of Back door")
    page.goto(f"{address}#watch/1")
    page.wait_for_selector("[data-test=lock][data-state=masked]")
    assert page.get_attribute(".picture video", "aria-label").startswith("Masked video of Entrance")


def test_each_trouble_has_its_own_words_on_tiles_and_enlarged(page, served_box):
    address, box = served_box
    sign_in(page, address, "guard")
    until(page, "document.querySelectorAll('[data-test=tile][data-kind=live]').length === 2")
    lost = {"state": State.LOST, "message": "the stream broke off: no picture for some seconds"}
    lost |= {"last_frame_utc_us": time.time_ns() // 1000 - 9_000_000, "asked_utc_us": time.time_ns() // 1000}
    box.cameras.says = {1: {"state": State.OFF}, 2: lost}
    page.locator("[data-test=tile][data-kind=off]", has_text="switched off").wait_for()
    page.locator("[data-test=tile][data-kind=lost]", has_text="Asked again at").wait_for()
    page.goto(f"{address}#watch/1")
    page.wait_for_selector("[data-test=picture][data-kind=off]")
    assert page.get_attribute("[role=toolbar] button:text-is('Live')", "aria-pressed") == "false"
    assert page.evaluate(CONTRAST) == []
    box.cameras.says = {1: {"masked_whole": "no detection", "behind_s": 4.0}}
    page.locator("[data-test=over]", has_text="whole picture masked: no detection, 4 s behind").wait_for()
    assert page.evaluate(NAMELESS) == []


@pytest.mark.parametrize(
    "case",
    [
        ({}, {}, True, 2, "live", "live"),
        ({}, {}, True, 19, "late", "19 s behind"),
        ({"clock_offset_s": -19}, {}, True, 1, "late", "20 s behind"),
        ({"clock_offset_s": 4}, {}, True, -3, "live", "live"),
        ({"rate_fps": 0.2}, {}, True, 12, "live", "live"),
        ({}, {"state": "connecting", "blank_s": 2}, False, 0, "connecting", "connecting"),
        ({}, {"state": "connecting", "blank_s": 12}, False, 0, "none", "no picture for 12 s"),
        ({}, {"state": "unplayable", "why": "x"}, False, 0, "unplayable", "cannot be shown here"),
        ({"state": "off"}, {}, True, 1, "off", "switched off"),
        ({"masked_whole": {"reason": "too dark"}}, {}, True, 1, "whole", "too dark"),
        ({"masked_whole": "camera moved"}, {}, True, 1, "whole", "camera moved"),
    ],
)
def test_live_is_said_of_pictures_of_the_last_seconds_only(page, served_box, case):
    camera, player, shown, age_s, kind, says = case
    page.goto(served_box[0])
    said = page.evaluate(STATE, [camera, player, shown, age_s, True])
    assert said["kind"] == kind
    assert says in said["words"]


def test_a_session_that_ended_says_so_and_what_the_box_says_of_itself_is_shown(page, served_box):
    address = served_box[0]
    sign_in(page, address, "guard")

    def full(route):
        reply = route.fetch()
        notice = {"kind": "disk", "text": "The disk is full: nothing is recorded."}
        route.fulfill(response=reply, json={**reply.json(), "notices": [notice]})

    page.route("**/api/cameras", full)
    page.locator("[data-test=box-notice][data-kind=disk]", has_text="The disk is full").wait_for()
    assert page.evaluate(CONTRAST) == []
    page.unroute("**/api/cameras")
    page.wait_for_selector("[data-test=box-notice]", state="detached")
    page.context.clear_cookies()
    page.locator("[data-test=session-end]", has_text="Your session has ended").wait_for()
