"""The page in headless Chromium against a stand-in box: every place, by mouse and by keyboard, wide and narrow."""

import base64
import io
import re
import time
from dataclasses import replace

import av
import numpy as np
import pytest
from page_box import FRAMES, PASSPHRASE, RATE, Scene
from page_browser import CONTRAST, NAMELESS, chromium, opened, pixels, served, shown_us, sign_in, until

pytestmark = pytest.mark.e2e
RECORDED = "document.querySelector('[data-test=tile]')"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def served_box(scene, tmp_path_factory):
    with served(scene, tmp_path_factory.mktemp("box"), history_s=45) as served_box:
        yield served_box


@pytest.fixture(scope="module")
def address(served_box):
    return served_box[0]


@pytest.fixture
def second_person(served_box):
    """While it lasts, reveals on the box need an approval."""
    approvals = served_box[1].reveals.approvals
    approvals.wanted = True
    yield
    approvals.wanted = False


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser):
    with opened(browser) as page:
        yield page


def playing(page):
    """Wait until the large picture shows something and is not on its way to another time."""
    until(
        page,
        """(() => { const video = document.querySelector('.picture video');
        return !!video && video.readyState > 2 && video.videoWidth && !video.seeking
          && !!document.querySelector('[data-test=now]').dataset.us; })()""",
    )


def watch(page, address, name="guard", camera=1):
    sign_in(page, address, name)
    page.goto(f"{address}#watch/{camera}")
    playing(page)
    return shown_us(page)


def shows(page, at_us, slack_us):
    """Wait until the picture on screen is of `at_us`."""
    until(
        page,
        """([at, slack]) => Math.abs(Number(document.querySelector('[data-test=now]').dataset.us) - at) < slack""",
        [at_us, slack_us],
    )


def back(page, seconds=20):
    """Go back far enough to be in the recording, and stop there."""
    for _ in range(seconds // 10):
        page.keyboard.press("j")
    until(page, "document.querySelector('.corner .tag').textContent === 'recorded'")
    playing(page)
    page.keyboard.press("k")
    until(page, "document.querySelector('.picture video').paused")


def picture(page):
    """The video's pixels as (h, w, 3) RGB."""
    with av.open(io.BytesIO(base64.b64decode(pixels(page).split(",")[1]))) as image:
        return next(image.decode(video=0)).to_ndarray(format="rgb24").astype(np.int16)


def psnr(a, b):
    return 10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b.astype(float)) ** 2)))


def test_the_first_account_chooses_a_password_before_it_sees_anything(page, browser, served_box):
    address, box = served_box
    sign_in(page, address, "admin")
    made = """() => import('/static/parts/api.js').then(({ call }) => call('PUT', '/api/accounts/newcomer',
      { password: 'made up by the box', rights: ['viewer'] }))"""
    page.evaluate(made)
    box.users._unclaimed = "newcomer"
    with opened(browser) as fresh:
        fresh.goto(address)
        fresh.fill("[name=name]", "newcomer")
        fresh.fill("[name=password]", "made up by the box")
        fresh.keyboard.press("Enter")
        until(fresh, "document.activeElement.name === 'password' && !!document.querySelector('[data-test=claim]')")
        assert fresh.query_selector("[data-test=tile]") is None
        fresh.keyboard.type("my own password")
        fresh.keyboard.press("Tab")
        fresh.keyboard.type("another password")
        fresh.keyboard.press("Enter")
        fresh.wait_for_selector("[role=alert] >> text=The two are not the same.")
        fresh.fill("[name=again]", "my own password")
        fresh.keyboard.press("Enter")
        until(fresh, "document.querySelectorAll('[data-test=tile]').length === 2")
        fresh.reload()
        until(fresh, "document.querySelectorAll('[data-test=tile]').length === 2")


def test_sign_in_says_why_it_is_refused_and_then_shows_both_cameras(page, address):
    page.goto(address)
    until(page, "document.activeElement.name === 'name'")
    page.keyboard.type("guard")
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert] >> text=The name or the password is wrong.")
    page.keyboard.type("guard password")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('[data-test=tile][data-state=playing]').length === 2")
    assert page.get_attribute("[data-test=lock]", "data-open") == "no"
    assert page.locator("nav a").all_inner_texts() == ["Live", "Search", "Cameras"]


def test_only_the_box_itself_is_asked(page, address):
    watch(page, address)
    hosts = {re.match(r"\w+://[^/]+/|data:|blob:", request.url).group() for request in page.asked}
    hosts -= {"data:", "blob:"}
    assert {host.split(":", 1)[1] for host in hosts} == {address.split(":", 1)[1]}


def test_live_is_near_the_clock_and_stays_there(page, address):
    at = watch(page, address)
    now = page.evaluate("Date.now() * 1000")
    assert 0 < now - at < 8e6
    until(page, "before => Number(document.querySelector('[data-test=now]').dataset.us) > before + 2e6", at)


def test_keys_step_pause_and_return_to_live(page, address):
    watch(page, address)
    back(page)
    at = shown_us(page)
    page.keyboard.press("ArrowLeft")
    shows(page, at - 1e6, 3e5)
    page.keyboard.press(" ")
    until(page, "!document.querySelector('.picture video').paused")
    page.keyboard.press("l")
    until(page, "document.querySelector('.picture video').playbackRate === 2")
    page.keyboard.press("n")
    until(page, "document.querySelector('.corner .tag').textContent === 'live'")
    assert page.get_attribute("[role=toolbar] button:text-is('Live')", "aria-pressed") == "true"


def test_a_click_on_the_timeline_plays_that_time_and_the_wheel_zooms_around_the_pointer(page, address):
    watch(page, address)
    page.click("text=1 min")
    box = page.locator("[data-test=timeline]").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30)
    page.wait_for_selector(".preview img")
    label = page.inner_text(".preview figcaption")
    page.mouse.wheel(0, -240)
    page.mouse.move(box["x"] + box["width"] * 0.5 + 1, box["y"] + 30)
    assert abs(seconds(page.inner_text(".preview figcaption")) - seconds(label)) <= 1
    clicked_s = time.monotonic()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 30)
    until(page, "document.querySelector('.corner .tag').textContent === 'recorded'")
    playing(page)
    shown = page.inner_text("[data-test=now]").split()[-1]
    # It plays on from that time while a slow machine gets round to looking.
    assert 0 <= seconds(shown) - seconds(label) <= 5 + time.monotonic() - clicked_s


def seconds(clock):
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def test_the_go_to_field_is_one_key_away(page, address):
    at = watch(page, address)
    page.keyboard.press("g")
    until(page, "document.activeElement.closest('.goto')")
    wanted = page.evaluate(
        """at => { const there = new Date(at / 1000 - 25000);
        return new Date(there - there.getTimezoneOffset() * 60000).toISOString().slice(0, 19); }""",
        at,
    )
    page.fill(".goto input", wanted)
    page.keyboard.press("Enter")
    shows(page, at - 25e6, 6e6)


def test_freeze_shows_what_is_shown_and_a_click_searches(page, address):
    watch(page, address)
    back(page)
    page.keyboard.press("f")
    page.wait_for_selector("[data-test=pick]")
    page.locator("[data-test=pick]").first.focus()
    assert "person" in page.inner_text("[data-test=pick] >> nth=0")
    assert page.get_attribute("[data-test=pick] >> nth=0", "aria-label").startswith("Search for this person: upper ")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-test=card]")
    alike = [float(card.get_attribute("data-similarity")) for card in page.locator("[data-test=card]").all()]
    assert alike == sorted(alike, reverse=True)
    assert {card.get_attribute("data-camera") for card in page.locator("[data-test=card]").all()} == {"1", "2"}
    assert page.get_attribute("[data-test=wanted] img", "src").startswith("data:image/png")


def test_a_box_drawn_by_hand_searches_too(page, address):
    watch(page, address)
    back(page)
    page.keyboard.press("f")
    box = page.locator("[data-test=frozen] img").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.6)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.8, steps=4)
    page.mouse.up()
    page.wait_for_selector("[data-test=wanted]")
    page.wait_for_selector("[data-test=card]")


def search(page, address, name="guard"):
    sign_in(page, address, name)
    page.goto(f"{address}#watch/1")
    playing(page)
    back(page)
    page.keyboard.press("f")
    page.click("[data-test=pick] >> nth=0")
    page.wait_for_selector("[data-test=card]")


def test_the_slider_counts_while_it_moves_and_filters_narrow(page, address):
    search(page, address)
    counted = "Number(document.querySelector('[data-test=count] b').textContent)"
    before = page.evaluate(counted)
    page.focus("[data-test=threshold]")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    until(page, f"before => {counted} < before", before)
    left = page.evaluate(counted)
    until(
        page,
        """left => [...document.querySelectorAll('[data-test=card]')].reduce((sum, card) =>
        sum + Number(card.querySelector('.times')?.textContent.split(' ')[0] ?? 1), 0) === left""",
        left,
    )
    page.click(".chip:has-text('Forecourt')")
    until(page, "!document.querySelector('[data-test=card]:not([data-camera=\"2\"])')")
    page.click(".chip:has-text('bus')")
    page.wait_for_selector("text=The filter that removes the most is")
    page.click("text=Clear the filters")
    page.wait_for_selector("[data-test=card]")


def test_similar_never_means_the_same_and_is_said_once(page, address):
    search(page, address)
    page.wait_for_selector("text=Similar appearance, never identity.")
    page.click("text=I understand")
    page.reload()
    page.wait_for_selector("[data-test=card]")
    assert page.locator("text=Similar appearance, never identity.").count() == 0


def test_a_result_plays_from_before_it_and_the_results_stay(page, address):
    search(page, address)
    cards = page.locator("[data-test=card]").count()
    page.click("[data-test=card] .open >> nth=0")
    playing(page)
    best = page.inner_text("[data-test=card] >> nth=0 >> time").split()[-1]
    until(page, "document.querySelector('[data-test=now]').dataset.us > 0")
    assert -8 <= seconds(page.inner_text("[data-test=now]").split()[-1]) - seconds(best) <= 2
    assert page.locator("[data-test=card]").count() == cards
    page.click("text=More like this >> nth=1")
    page.wait_for_selector("[data-test=card]")
    page.click("text=Not this >> nth=0")
    page.wait_for_selector("text=Show 1 set aside")


def test_a_reveal_shows_the_original_a_countdown_and_ends_with_one_key(page, address, scene):
    watch(page, address, "controller")
    back(page)
    masked = picture(page)
    page.keyboard.press("r")
    page.wait_for_selector("dialog[open]")
    page.fill("[name=reason]", "incident 7 at the gate")
    page.fill("[name=passphrase]", "not this one")
    page.click("[data-test=reveal-go]")
    page.wait_for_selector("[data-test=refusal] >> text=The passphrase is wrong.")
    page.fill("[name=passphrase]", PASSPHRASE)
    page.click("[data-test=reveal-go]")
    page.wait_for_selector("[data-test=lock][data-open=yes]")
    until(page, "/04:5\\d/.test(document.querySelector('[data-test=lock]').textContent)")
    assert page.inner_text(".watermark") == "controller · revealed"
    playing(page)
    page.keyboard.press("k")
    until(page, "document.querySelector('.picture video').paused")
    clear = picture(page)
    best = max(range(FRAMES), key=lambda n: psnr(clear, scene.clear[0][n]))
    assert psnr(clear, scene.clear[0][best]) >= 30
    assert max(psnr(masked, frame) for frame in scene.clear[0]) < psnr(clear, scene.clear[0][best]) - 5
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-test=lock][data-open=no]")
    playing(page)
    assert page.locator(".watermark").count() == 0
    hidden = picture(page)
    assert max(psnr(hidden, frame) for frame in scene.masked[0]) >= 30
    page.goto(f"{address}#audit")
    granted = page.locator("[data-test=entry][data-action=reveal]")
    granted.first.wait_for()
    assert {entry.get_attribute("data-granted") for entry in granted.all()} == {"yes", "no"}


def test_best_shots_are_clear_while_a_reveal_is_on_for_those_who_ask_for_them(page, address):
    sign_in(page, address, "controller")
    page.evaluate(
        """async (passphrase) => {
          const me = await (await fetch('/api/me')).json();
          const from = new Date(new Date(me.now) - 30 * 60_000).toISOString();
          const body = { camera: 1, passphrase, reason: 'incident 9 at the gate', from };
          const headers = { 'X-Veilcam-CSRF': me.csrf, 'Content-Type': 'application/json' };
          await fetch('/api/reveals', { method: 'POST', headers, body: JSON.stringify(body) });
        }""",
        PASSPHRASE,
    )
    page.wait_for_selector("[data-test=lock][data-open=yes]")
    page.goto(f"{address}#search")
    page.wait_for_selector("[data-test=card]")
    assert page.locator("[data-test=shot]:not([data-state=masked])").count() == 0, "nothing is clear unasked"
    assert page.locator("[data-test=card][data-camera='2'] [data-test=card-clear]").count() == 0, "another camera"
    one = page.locator("[data-test=card][data-camera='1']").filter(has=page.locator("[data-test=card-clear]")).first
    one.locator("[data-test=card-clear]").click()
    one.locator("[data-state=clear] canvas, [data-state=sealed] .why").wait_for()
    one.locator("[data-test=card-clear]").click()
    one.locator("[data-state=masked] img").wait_for()

    page.check("[data-test=cards-clear]")
    ours = page.locator("[data-test=card][data-camera='1']").count()
    settled = "[data-test=shot]:is([data-state=clear], [data-state=sealed])"
    until(page, "([path, n]) => document.querySelectorAll(path).length === n", [settled, ours])
    clear, sealed = (page.locator(f"[data-test=shot][data-state={state}]") for state in ("clear", "sealed"))
    assert clear.count() > 0
    assert sealed.count() > 0
    assert "sealed to other keys" in sealed.first.inner_text()
    assert sealed.first.locator("img").count() == 1, "with its mask"
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-test=lock][data-open=no]")
    until(page, "document.querySelectorAll('[data-test=shot]:not([data-state=masked]), .shot canvas').length === 0")
    assert page.locator("[data-test=card-clear], [data-test=cards-clear]").count() == 0


def test_leaving_the_page_ends_the_reveal(page, address):
    watch(page, address, "controller")
    page.keyboard.press("r")
    page.fill("[name=reason]", "incident 8 at the gate")
    page.fill("[name=passphrase]", PASSPHRASE)
    page.click("[data-test=reveal-go]")
    page.wait_for_selector("[data-test=lock][data-open=yes]")
    page.reload()
    page.wait_for_selector("[data-test=lock][data-open=no]")
    until(page, "fetch('/api/reveals').then((reply) => reply.json()).then((answer) => answer.reveals.length === 0)")


def test_without_the_right_there_is_no_button(page, address):
    watch(page, address)
    assert page.locator("[data-test=reveal]").count() == 0
    page.keyboard.press("r")
    assert page.locator("dialog[open]").count() == 0


def test_cameras_are_found_tried_and_explained(page, address):
    sign_in(page, address, "admin")
    page.goto(f"{address}#cameras")
    page.click("[data-test=discover]")
    page.click("text=Add…")
    until(page, "document.querySelector('[name=address]').value === 'http://192.0.2.7/onvif/device_service'")
    page.fill("[name=password]", "wrong")
    page.click("text=Test")
    page.wait_for_selector(".steps .bad >> text=sign-in")
    page.click("[data-test=camera] button >> nth=0")
    page.wait_for_selector("text=3f2a 77c1 9d04 5be8")


def test_a_camera_s_new_password_is_entered_on_the_page_and_tried(page, address):
    sign_in(page, address, "admin")
    page.goto(f"{address}#cameras")
    page.click("[data-test=camera] button >> nth=0")
    reaching = page.locator("[data-test=reaching]")
    reaching.locator("[name=password]").fill("a guess")
    reaching.locator("button").click()
    page.wait_for_selector("[data-test=notice] >> text=refuses the user or the password")
    reaching.locator("[name=password]").fill("right password")
    reaching.locator("button").click()
    page.wait_for_selector("[data-test=notice] >> text=is used so from now on")
    assert reaching.locator("[name=password]").input_value() == ""


def test_the_audit_chain_is_checked_at_a_press(page, address):
    sign_in(page, address, "admin")
    page.goto(f"{address}#audit")
    page.wait_for_selector("[data-test=entry]")
    page.click("[data-test=verify]")
    page.wait_for_selector("text=The chain is whole")
    page.select_option("select >> nth=0", "sign-in")
    until(page, "!document.querySelector('[data-test=entry]:not([data-action=sign-in])')")
    page.click("[data-test=entry] button >> nth=0")
    page.wait_for_selector("text=Hash")


def test_a_box_that_is_away_is_said_once_and_taken_back(page, address):
    watch(page, address)
    page.context.set_offline(True)
    page.wait_for_selector("[data-test=notice] >> text=The box does not answer.")
    assert "Recording goes on" in page.inner_text("[data-test=notice]")
    page.context.set_offline(False)
    page.wait_for_selector("[data-test=notice]", state="detached")


@pytest.mark.parametrize("place", ["live", "watch/1", "search", "cameras", "accounts", "audit"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_text_is_readable_and_every_control_has_a_name(page, address, place, theme):
    page.add_init_script(f"localStorage.setItem('veilcam.theme', '{theme}')")
    sign_in(page, address, "admin")
    page.goto(f"{address}#{place}")
    page.wait_for_selector(
        {
            "live": "[data-test=tile]",
            "watch/1": "[data-test=timeline]",
            "search": "[data-test=card]",
            "cameras": "[data-test=camera]",
            "accounts": "[data-test=account]",
            "audit": "[data-test=entry]",
        }[place]
    )
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []


@pytest.mark.parametrize("place", ["live", "watch/1", "search", "cameras", "accounts", "keys", "audit"])
def test_at_360_pixels_nothing_is_cut_off(browser, address, place):
    with opened(browser, width=360, height=740, has_touch=True) as page:
        sign_in(page, address, "admin")
        page.goto(f"{address}#{place}")
        page.wait_for_selector("main section")
        until(page, "document.documentElement.scrollWidth <= 360")


def test_question_mark_lists_the_keys_and_focus_is_visible(page, address):
    watch(page, address)
    page.keyboard.press("?")
    page.wait_for_selector("dialog#help[open]")
    assert "freeze" in page.inner_text("dialog#help")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Alt+c")
    page.wait_for_selector("h1 >> text=Cameras")


def test_the_scene_has_people_to_hide(scene):
    """What the others rely on: the stand-in's masks change the picture where somebody walks."""
    assert RATE * FRAMES
    assert all(any(boxes) for boxes in scene.boxes)
    assert psnr(scene.clear[0][50], scene.masked[0][50]) < 30


def ask_somebody(page, reason):
    page.keyboard.press("r")
    until(page, "document.querySelector('[data-test=reveal-go]')?.textContent === 'Ask for approval'")
    page.fill("[name=reason]", reason)
    page.click("[data-test=reveal-go]")
    page.wait_for_selector("[data-test=standing][data-state=waiting]")


def answer(approver, how, why):
    """Wait until the bar says that somebody asks, look, and answer."""
    approver.wait_for_selector("[data-test=count]")
    approver.click("text=Approve >> nth=0")
    approver.wait_for_selector("[data-test=wish]")
    approver.fill("[data-test=why]", why)
    assert approver.evaluate(CONTRAST) == []
    assert approver.evaluate(NAMELESS) == []
    approver.click(f"[data-test={how}]")
    approver.wait_for_selector("[data-test=none]")


def test_a_second_person_agrees_before_anything_is_revealed(browser, address, second_person):
    with opened(browser) as page, opened(browser) as approver:
        watch(page, address, "controller")
        sign_in(approver, address, "officer")
        ask_somebody(page, "a bag was left behind")
        answer(approver, "refuse", "call the guard first")
        page.wait_for_selector("[data-test=standing][data-state=refused]")
        assert "officer refused" in page.inner_text("[data-test=standing]")
        assert "call the guard first" in page.inner_text("[data-test=standing]")

        page.fill("[name=reason]", "the guard found it open")
        page.click("[data-test=reveal-go]")
        page.wait_for_selector("[data-test=standing][data-state=waiting]")
        answer(approver, "approve", "")
        page.wait_for_selector("[data-test=standing][data-state=approved]")
        assert page.locator("[name=reason]").count() == 0, "the reason is the one that was agreed to"
        page.fill("[name=passphrase]", PASSPHRASE)
        page.click("[data-test=reveal-go]")
        page.wait_for_selector("[data-test=lock][data-open=yes]")
        playing(page)
        page.keyboard.press("Escape")
        page.wait_for_selector("[data-test=lock][data-open=no]")

        page.keyboard.press("r")
        until(page, "document.querySelector('[data-test=reveal-go]')?.textContent === 'Ask for approval'")


def test_without_the_right_there_is_nobody_to_approve(browser, address, second_person):
    with opened(browser) as page:
        sign_in(page, address, "guard")
        page.wait_for_selector("[data-test=tile]")
        assert page.locator("nav >> text=Approve").count() == 0


def test_an_account_is_made_changed_and_removed(browser, address):
    with opened(browser) as page:
        sign_in(page, address, "admin")
        page.click("nav >> text=Accounts")
        page.click("[data-test=new-account]")
        page.fill("[name=name]", "night watch")
        page.fill("[name=password]", "short")
        page.click("[data-test=save]")
        page.wait_for_selector("[data-test=refusal]")
        assert "at least 10 characters" in page.inner_text("[data-test=refusal]")
        page.fill("[name=password]", "a long enough one")
        page.click("[data-test=save]")
        row = page.locator("[data-test=account]", has_text="night watch")
        row.wait_for()
        assert "viewer" in row.inner_text()

        row.locator("button").click()
        page.check("[data-right=operator]")
        page.click("[data-test=save]")
        page.locator("[data-test=account]", has_text="night watch").get_by_text("operator, viewer").wait_for()
        page.locator("[data-test=account]", has_text="night watch").locator("button").click()
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(NAMELESS) == []
        page.click("[data-test=remove]")
        assert page.is_disabled("[data-test=remove-go]")
        page.fill("[data-test=typed]", "night watch")
        page.click("[data-test=remove-go]")
        until(
            page,
            """() => ![...document.querySelectorAll('[data-test=account]')].some((one) =>
            one.textContent.includes('night watch'))""",
        )

        page.wait_for_selector("[data-test=remove-go]", state="detached")
        page.locator("[data-test=account]", has_text="admin").locator("button").click()
        page.uncheck("[data-right=admin]")
        page.click("[data-test=save]")
        page.wait_for_selector("[data-test=refusal]")
        assert "last admin" in page.inner_text("[data-test=refusal]")


def test_the_keys_are_listed_and_their_ceremonies_refuse_what_the_command_line_refuses(browser, address):
    with opened(browser) as page:
        sign_in(page, address, "admin")
        page.keyboard.press("Alt+k")
        keys = page.locator("[data-test=key]")
        keys.nth(1).wait_for()
        assert "X25519" in keys.nth(0).inner_text()
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(NAMELESS) == []

        page.locator("[data-test=key]", has_text="bert").locator("button").click()
        page.click("[data-test=revoke-go]")
        page.locator("[data-test=key]", has_text="bert").get_by_text("revoked").wait_for()
        page.locator("[data-test=key]", has_text="anna").locator("button").click()
        page.click("[data-test=revoke-go]")
        page.locator("[data-test=refusal]", has_text="only operator's key").wait_for()

        at = page.evaluate("Date.now()")
        field = "at => new Date(at - new Date(at).getTimezoneOffset() * 60000).toISOString().slice(0, 19)"
        page.fill("[name=case]", "case-7")
        page.fill("[data-test=hold-form] [name=reason]", "court order 12/26")
        page.fill("[name=start]", page.evaluate(field, at - 20_000))
        page.fill("[name=end]", page.evaluate(field, at - 10_000))
        page.click("[data-test=hold-go]")
        page.wait_for_selector("[data-test=hold][data-sealed=no]")

        page.click("[data-test=seal]")
        page.fill("[name=passphrase]", "not anna's passphrase")
        page.fill("[name=case_passphrase]", "passphrase of case 7")
        page.click("[data-test=seal-go]")
        page.locator("[data-test=refusal]", has_text="opens no reveal key").wait_for()
        assert page.input_value("[name=passphrase]") == ""

        day = page.get_attribute("[data-test=day]:has([data-test=shred])", "data-day")
        page.click("[data-test=shred] >> nth=0")
        assert "Nobody will be able to restore" in page.inner_text("[data-test=shred-form]")
        assert page.is_disabled("[data-test=shred-go]")
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(NAMELESS) == []
        page.fill("[data-test=shred-typed]", day)
        page.click("[data-test=shred-go]")
        page.locator("[data-test=refusal]", has_text="on hold for case-7").wait_for()

        page.click("[data-test=lift]")
        page.fill("[data-test=lift-form] [name=reason]", "case closed in May")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Nothing is on hold.")
        page.click("[data-test=shred-go]")
        page.locator(f"[data-test=day][data-day='{day}']").get_by_text("destroyed").wait_for()


def test_whom_the_camera_masks_is_chosen_on_a_frozen_picture_and_said_while_it_lasts(browser, address, served_box):
    with opened(browser) as page:
        watch(page, address, "admin")
        back(page)
        page.keyboard.press("f")
        page.wait_for_selector("[data-test=pick]")
        page.select_option("[data-test=click-does]", "masks")
        name = page.get_attribute("[data-test=pick] >> nth=0", "aria-label")
        assert name.startswith("Choose whether the camera masks this person")
        page.locator("[data-test=pick]").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open] [name=label]")
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(NAMELESS) == []
        page.fill("[name=label]", "the guest")
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-test=selection-dialog]", state="detached")
        page.locator("[data-test=selection]", has_text="the guest left open by choice").wait_for()
        assert served_box[1].selections.asked[-1][1:] == (1, "except", "the guest")
        with opened(browser) as other:
            sign_in(other, address, "guard")
            other.locator("[data-test=tile]", has_text="not everybody masked").wait_for()
            other.goto(f"{address}#watch/1")
            other.wait_for_selector("[data-test=selection]")
            assert other.locator("[data-test=selection-end]").count() == 0
        page.click("[data-test=selection-end]")
        page.wait_for_selector("[data-test=selection]", state="detached")


def test_a_recording_that_a_client_made_is_no_camera_and_has_no_live_view(page, address, served_box):
    cameras = served_box[1].cameras.cameras
    usual = cameras[2]
    cameras[2] = replace(usual, name="Copy of the gate", xaddr="", manufacturer="", model="", serial="", camera_id=None)
    try:
        sign_in(page, address, "admin")
        until(page, "document.querySelectorAll('[data-test=tile]').length === 1")
        page.goto(f"{address}#cameras")
        row = page.locator("[data-test=camera]", has_text="Copy of the gate")
        row.locator("[data-test=by-client]").wait_for()
        row.locator("button[aria-expanded]").click()
        row.get_by_text("by an ONVIF client, which decides").wait_for()
        row.get_by_text("rtsp://192.0.2.9/other").wait_for()
        assert row.get_by_text("Address").count() == row.get_by_text("not masked").count() == 0
        assert page.evaluate(CONTRAST) == []
        row.get_by_role("link", name="watch").click()
        playing(page)
        assert page.text_content(".corner .tag") == "recorded"
        assert page.get_by_role("button", name="Live", exact=True).count() == 0
        page.keyboard.press("n")
        assert page.text_content(".corner .tag") == "recorded"
    finally:
        cameras[2] = usual
