"""The page tells the truth: what the lock, the tags and the labels say is what is on the screen."""

import time
from dataclasses import replace

import pytest
from page_box import Scene
from page_browser import CONTRAST, NAMELESS, chromium, opened, served, sign_in, until

from nvr_box.cameras.masking import Masking, WholeMaskReason
from nvr_box.cameras.masking_history import PastMasking
from nvr_box.cameras.released import ReleasedPlaceRow
from nvr_box.cameras.status import CameraRecordingState
from wire.selection import Mode

pytestmark = pytest.mark.e2e
STATE = """async ([more, player, shown, age_s, live]) => {
  const { pictureState } = await import('/static/player/picture-state.js');
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
    cameras, maskings = served_box[1].cameras, served_box[1].maskings
    usual = dict(cameras.cameras)
    with opened(browser) as page:
        yield page
    cameras.cameras, cameras.says = usual, {}
    maskings.said, maskings.wholes, maskings.history = {}, {}, {}


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
    lost = {"state": CameraRecordingState.LOST, "message": "the stream broke off: no picture for some seconds"}
    lost |= {"last_frame_utc_us": time.time_ns() // 1000 - 9_000_000, "asked_utc_us": time.time_ns() // 1000}
    box.cameras.says = {1: {"state": CameraRecordingState.OFF}, 2: lost}
    page.locator("[data-test=tile][data-kind=off]", has_text="switched off").wait_for()
    page.locator("[data-test=tile][data-kind=lost]", has_text="Asked again at").wait_for()
    page.goto(f"{address}#watch/1")
    page.wait_for_selector("[data-test=picture][data-kind=off]")
    assert page.get_attribute("[role=toolbar] button:text-is('Live')", "aria-pressed") == "false"
    assert page.evaluate(CONTRAST) == []
    box.cameras.says, box.maskings.wholes = {}, {1: WholeMaskReason("the detector is late", 4.0)}
    page.locator("[data-test=over]", has_text="the detector is late: whole picture masked, 4 s behind").wait_for()
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
        ({"masked_whole": {"reason": "too dark"}}, {}, True, 1, "whole", "too dark: whole picture masked"),
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


def test_a_whole_mask_says_why_on_tile_and_enlarged_and_is_gone_when_it_is_over(page, served_box):
    address, box = served_box
    sign_in(page, address, "guard")
    until(page, "document.querySelectorAll('[data-test=tile][data-kind=live]').length === 2")
    box.maskings.wholes = {1: WholeMaskReason("the picture is too dark or too bright")}
    whole = "the picture is too dark or too bright: whole picture masked"
    page.locator("[data-test=tile][data-kind=whole]", has_text=whole).wait_for()
    page.goto(f"{address}#watch/1")
    page.locator("[data-test=over]", has_text=whole).wait_for()
    box.maskings.wholes = {}
    page.wait_for_selector("[data-test=picture][data-kind=live]")
    assert page.locator("[data-test=over]").count() == 0


def test_what_settings_leave_open_counts_in_the_lock(page, served_box):
    address, box = served_box
    box.maskings.said = {1: Masking(extent="faces"), 2: Masking(extent="heads")}
    sign_in(page, address, "guard")
    page.locator("[data-test=lock][data-state=part]", has_text="2 cameras show bodies").wait_for()
    box.maskings.said = {1: Masking(never=((0, 0, 1, 0, 1, 1),))}
    page.locator("[data-test=lock][data-state=part]", has_text="1 camera with a zone never masked").wait_for()
    page.locator("[data-test=tile] >> text=1 zone never masked").wait_for()
    page.wait_for_selector("[data-test=tile] polygon")
    box.maskings.said = {1: None}
    page.locator("[data-test=lock][data-state=part]", has_text="1 camera masking not known").wait_for()
    box.maskings.said = {}
    page.wait_for_selector("[data-test=lock][data-state=masked]")


def test_an_administrator_draws_a_place_everybody_sees_it_and_it_is_taken_back(page, served_box, browser):
    address, box = served_box
    sign_in(page, address, "admin")
    page.goto(f"{address}#watch/1")
    page.wait_for_selector("[data-test=picture][data-kind=live]")
    page.click("[data-test=places-open]")
    frame = page.locator("[data-test=placed] .frame").bounding_box()
    page.mouse.move(frame["x"] + frame["width"] * 0.25, frame["y"] + frame["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * 0.5, frame["y"] + frame["height"] * 0.75, steps=4)
    page.mouse.up()
    page.fill("[data-test=places] [name=reason]", "a coat stand by the door")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []
    page.click("[data-test=release]")
    page.locator("[data-test=place-row]", has_text="a coat stand by the door").wait_for()
    (place,) = box.maskings.said[1].places
    assert place.box == pytest.approx((0.25, 0.5, 0.5, 0.75), abs=0.01)
    assert place.by == "admin"
    page.locator("[data-test=lock][data-state=part]", has_text="1 place released").wait_for()
    with opened(browser, width=390, height=844) as other:
        sign_in(other, address, "guard")
        other.locator("[data-test=lock][data-state=part]").wait_for()
        other.wait_for_selector("[data-test=tile] [data-test=place]")
        other.goto(f"{address}#watch/1")
        other.click("[data-test=places-open]")
        other.locator("[data-test=place-row]", has_text="admin").wait_for()
        assert other.locator("[data-test=take-back], [data-test=release]").count() == 0
    page.click("[data-test=take-back]")
    page.wait_for_selector("[data-test=place-row]", state="detached")
    page.wait_for_selector("[data-test=lock][data-state=masked]")


def test_a_recorded_picture_carries_what_was_left_open_then(page, served_box):
    address, box = served_box
    # As if the selection had just ended: the picture of now is masked, those before are not.
    held = Masking(mode=Mode.EXCEPT, labels=("the guest",))
    box.maskings.history = {1: (PastMasking(0, None, held),)}
    sign_in(page, address, "guard")
    page.goto(f"{address}#watch/1")
    page.wait_for_selector("[data-test=picture][data-kind=live]")
    page.wait_for_selector("[data-test=lock][data-state=masked]")
    page.keyboard.press("j")
    page.locator(".corner [data-test=mask]", has_text="not everybody masked").wait_for()
    page.locator("[data-test=lock][data-state=part]", has_text="people left open").wait_for()
    assert page.get_attribute(".picture video", "aria-label").startswith("Partly masked video")
    stand = ReleasedPlaceRow("stand", (0.1, 0.1, 0.3, 0.9), "a coat stand", "admin", 0)
    box.maskings.history = {1: (PastMasking(0, None, Masking(places=(stand,))),)}
    page.locator("[data-test=lock][data-state=part]", has_text="1 place released").wait_for()
    page.wait_for_selector("[data-test=picture] [data-test=place]")
    box.maskings.history = {1: ()}
    page.locator("[data-test=lock][data-state=part]", has_text="masking not known").wait_for()
    page.keyboard.press("n")
    page.wait_for_selector("[data-test=lock][data-state=masked]")


def test_an_administrator_agrees_that_the_clock_is_right(page, served_box):
    address = served_box[0]
    asked = []

    def jumped(route):
        reply = route.fetch()
        notices = [] if asked else [{"kind": "clock", "text": "The clock jumped 40 days ahead."}]
        route.fulfill(response=reply, json={**reply.json(), "notices": notices})

    def agree(route):
        asked.append(route.request.post_data)
        route.continue_()

    page.route("**/api/cameras", jumped)
    page.route("**/api/clock", agree)
    sign_in(page, address, "guard")
    page.wait_for_selector("[data-test=box-notice][data-kind=clock]")
    assert page.locator("[data-test=clock-right]").count() == 0
    page.context.clear_cookies()
    sign_in(page, address, "admin")
    page.click("[data-test=clock-right]")
    assert not asked, "asked twice"
    assert page.evaluate(CONTRAST) == []
    page.click("[data-test=clock-sure]")
    page.wait_for_selector("[data-test=box-notice]", state="detached")
    assert len(asked) == 1
    newest = page.evaluate("() => fetch('/api/audit?limit=5').then((reply) => reply.json())")["entries"]
    assert ("admin", "clock") in {(entry["who"], entry["action"]) for entry in newest}
