"""A headless Chromium and a served page for the browser tests."""

import asyncio
import contextlib
import threading

from aiohttp import web
from page_box import StandInBox
from playwright.sync_api import sync_playwright

from nvr_box.web import sessions
from nvr_box.web.app import application

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WAIT_MS = 120_000  # eight programs may share two cores; every wait ends at once when its condition holds


@contextlib.contextmanager
def served(scene, state, *, history_s):
    """Serve a stand-in box from a thread of its own; yields (address, box)."""
    ready, stop, held = threading.Event(), threading.Event(), {}

    async def serve():
        async with StandInBox(scene, state, history_s=history_s) as box:
            runner = web.AppRunner(application(box))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            held["address"] = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"
            held["box"] = box
            ready.set()
            await asyncio.to_thread(stop.wait)
            await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    sessions._SIGN_INS = 1000  # every test signs in anew from the same address
    thread.start()
    if not ready.wait(60):
        raise TimeoutError("the stand-in box did not start")
    try:
        yield held["address"], held["box"]
    finally:
        stop.set()
        thread.join(60)


@contextlib.contextmanager
def chromium(*arguments):
    """One browser for a module of tests."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[*ARGS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(browser, *, width=1280, height=800, **options):
    """A fresh window; a script error on the page fails the test that caused it."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    errors, asked = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request))  # noqa: PLW0108  # playwright marks what it is given
    page.asked = asked
    try:
        yield page
        assert not errors, errors
    finally:
        context.close()


def sign_in(page, address, name, password=None):
    page.goto(address)
    page.fill("[name=name]", name)
    page.fill("[name=password]", password or f"{name} password")
    page.click("button.primary")
    page.wait_for_selector("header.bar")


def shown_us(page):
    """UTC in microseconds of the picture on screen."""
    until(page, "document.querySelector('[data-test=now]')?.dataset.us > 0")
    return int(page.get_attribute("[data-test=now]", "data-us"))


def until(page, script, arg=None):
    """Wait until a JavaScript expression, or a function of `arg`, is true. The page's CSP forbids eval of text."""
    return page.wait_for_function(script if "=>" in script.split("(", 1)[0] or arg else f"() => ({script})", arg=arg)


PIXELS = """() => {
  const opened = document.querySelector('.picture .opened');
  if (opened) return opened.toDataURL('image/png');
  const video = document.querySelector('.picture video');
  if (!video || video.readyState < 2 || video.seeking) return null;
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  return canvas.toDataURL('image/png');
}"""


def pixels(page):
    """What is on screen as a PNG's data URL, once something is."""
    return page.wait_for_function(PIXELS).json_value()


# Texts whose contrast with the ground behind them is below 4.5 : 1 (WCAG 2.2, 1.4.3), except over pictures.
CONTRAST = """() => {
  const parse = (text) => {
    const n = text.match(/[\\d.]+/g).map(Number);
    const scale = text.startsWith('color(srgb') ? 255 : 1;
    return [n[0] * scale, n[1] * scale, n[2] * scale, n[3] ?? 1];
  };
  const linear = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    if (!element.checkVisibility() || element.closest('.picture, .tile, canvas, .shot, option, [disabled]')) continue;
    let ground = null;
    const over = [];
    for (let at = element; at && !ground; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) ground = colour; else if (colour[3] > 0) over.unshift(colour);
    }
    ground ??= [255, 255, 255, 1];
    for (const colour of over) {
      ground = ground.map((v, i) => i < 3 ? v * (1 - colour[3]) + colour[i] * colour[3] : 1);
    }
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${element.tagName}.${element.className}: ${element.textContent.slice(0, 30)} ${ratio}`);
  }
  return poor;
}"""

# Controls that a screen reader could not name.
NAMELESS = """() => [...document.querySelectorAll('button, a, input, select, [role=slider]')].filter((one) =>
  one.checkVisibility()
  && !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length || one.title)
).map((one) => one.outerHTML.slice(0, 120))"""
