"""The laptop's systemd: two cameras on real footage, the box and its page, all on loopback.

    python systemd/demo.py [--clip FILE] [--state DIR] [--until-ready]

The cameras look at two overlapping windows of one clip, so that people walk from one picture into the other.
Passwords and keys are made at the first start and kept in the state folder, as recordings are; ports are the usual
ones, or free ones where those are taken. Ctrl-C ends everything.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from demo_files import Secrets, camera_toml, nvr_toml, ports, written
from demo_page import Page
from demo_parts import READY_S, ROOT, DemoProcess

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "veilcam"


async def accounts(words: Secrets, config: Path) -> None:
    """The box's first accounts and its reveal key, typed in as a person would at the box's console."""
    typed = [
        (words.admin_password, "users", "put", "admin", "--rights", "viewer,operator,reveal,approve,admin"),
        (words.guard_password, "users", "put", "guard", "--rights", "viewer,operator"),
        (words.passphrase, "keys", "create", "--label", "admin"),
    ]
    for secret, *command in typed:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "nvr_box", "--config", str(config), *command,
            cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await process.communicate(secret.encode() + b"\n")
        if process.returncode:
            raise SystemExit(f"demo: python -m nvr_box {' '.join(command[:2])} failed")


async def eventually(what: str, check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `check` holds; the cameras and the box send no notice, so poll twice a second."""
    deadline = time.monotonic() + READY_S
    while not await check():
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: {what} did not happen within {READY_S:.0f} s")
        await asyncio.sleep(0.5)


async def demo(state: Path, clip: Path, *, until_ready: bool) -> None:
    """Run both programs until Ctrl-C; `until_ready` ends as soon as both cameras are recorded."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    parts: list[DemoProcess] = []
    story = asyncio.create_task(introduced(state, clip, parts), name="introduction")
    end = asyncio.create_task(stop.wait(), name="Ctrl-C")
    try:
        await asyncio.wait({story, end}, return_when=asyncio.FIRST_COMPLETED)
        if story.done():
            story.result()
            if not until_ready:
                await end
    finally:
        story.cancel()
        await asyncio.gather(*(part.ended() for part in parts))


async def introduced(state: Path, clip: Path, parts: list[DemoProcess]) -> None:
    """Start both programs into `parts`, introduce them to each other, and print what a person needs."""
    begun = time.monotonic()
    print(f"demo: {clip.name}, two cameras and the box on loopback; state in {state}; Ctrl-C ends it", flush=True)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    first_start = not (state / "box").exists()
    words = Secrets.kept_in(state / "secrets.json")
    written(state / "camera-password", words.camera_password)
    *camera_ports, box_port = ports(state, 8081, 8082, 8554, 8555, 8443)
    camera_config = written(state / "camera.toml", camera_toml(state, clip, camera_ports[:2], camera_ports[2:]))
    box_config = written(state / "nvr.toml", nvr_toml(state, box_port))
    firmware = DemoProcess("firmware", camera_config, state / "camera.log")
    parts.append(firmware)
    say_step(begun, "the cameras load and test their networks")
    if first_start:
        say_step(begun, "first start: accounts and a reveal key are made")
        await accounts(words, box_config)
    say_step(begun, "the box starts")
    box = DemoProcess("nvr_box", box_config, state / "box.log")
    parts.append(box)
    served = await box.until_ready()
    say_step(begun, f"the page is there: {served['url']}")
    addresses = sorted([f"127.0.0.1:{(await firmware.until_ready())['web']}" for _ in range(2)])
    async with Page(served["url"], served["fingerprint"]) as page:
        say_step(begun, f"the cameras serve: {', '.join(addresses)}; the box is introduced to them")
        await page.sign_in("admin", words.admin_password)
        known = {str(camera["xaddr"]) for camera in await page.cameras()}
        for address in addresses:
            if not any(address in xaddr for xaddr in known):
                await page.add(address, "admin", words.camera_password)

        async def recording() -> bool:
            return all(camera["state"] == "recording" for camera in await page.cameras())

        say_step(begun, "waiting for the first recorded pictures")
        await eventually("recording of both cameras", recording)
    say(served, words, state, addresses, time.monotonic() - begun)


def say_step(begun_s: float, what: str) -> None:
    """One line of progress: a waiting person wants to know for what."""
    print(f"  {time.monotonic() - begun_s:5.1f} s  {what}", flush=True)


def say(served: dict[str, str], words: Secrets, state: Path, cameras: list[str], took_s: float) -> None:
    """What a person needs, on one screen."""
    print(
        f"""
  The page          {served["url"]}
  its certificate   SHA-256 {served["fingerprint"]}
  sign in as        admin / {words.admin_password}      (may reveal)
                    guard / {words.guard_password}      (may not)
  reveal passphrase {words.passphrase}

  The cameras       {", ".join(f"http://{address}/onvif/device_service" for address in cameras)}
  sign in as        admin / {words.camera_password}
  state and logs    {state}
  ready after       {took_s:.1f} s

  Wait a minute for people to pass, then: Live, click a camera, Freeze, click a person. Ctrl-C ends everything.
""",
        flush=True,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Two cameras on real footage, the box and its page.")
    parser.add_argument("--clip", type=Path, default=CACHE / "vtest.avi", help="footage of your own")
    parser.add_argument("--state", type=Path, default=ROOT / "demo-state", help="keys, settings and recordings")
    parser.add_argument("--until-ready", action="store_true", help="start, see both cameras recorded, end")
    words = parser.parse_args()
    if not words.clip.is_file():
        raise SystemExit(f"demo: no clip at {words.clip}")
    asyncio.run(demo(words.state.resolve(), words.clip.resolve(), until_ready=words.until_ready))


if __name__ == "__main__":
    main()
