"""The laptop's systemd: two cameras on real footage, the box and its page, all on loopback.

    python systemd/demo.py [--clip FILE] [--state DIR] [--until-ready]

The cameras look at two overlapping windows of one clip, so that people walk from one picture into the other.
Passwords and keys are made at the first start and kept in the state folder, as recordings are; ports are the usual
ones, or free ones where those are taken. Ctrl-C ends everything.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import aiohttp
import av

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "veilcam"
END_S = 4.5
READY_S = 90.0
_MACROBLOCK = 16


@dataclass(frozen=True)
class Secrets:
    """What a person types in the demo."""

    camera_password: str
    admin_password: str
    guard_password: str
    passphrase: str

    @classmethod
    def kept_in(cls, path: Path) -> "Secrets":
        """Those of an earlier start, or fresh ones, written before anything uses them."""
        if path.exists():
            return cls(**json.loads(path.read_text()))
        fresh = cls(*(f"{secrets.token_hex(3)}-{secrets.token_hex(3)}-Aa1" for _ in range(4)))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(fresh), file)
        return fresh


def free_port(usual: int) -> int:
    """`usual` when it can be bound on loopback, else one that the kernel chooses."""
    for port in (usual, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise SystemExit("demo: no free port on 127.0.0.1")


def windows(clip: Path) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """Two overlapping halves of the picture, each 5/8 of its width, on macroblock borders."""
    try:
        with av.open(str(clip)) as file:
            video = file.streams.video[0]
            width, height = video.width, video.height
    except (OSError, av.FFmpegError, IndexError) as error:
        raise SystemExit(f"demo: {clip} is no clip that can be played: {error}") from error
    part = max(_MACROBLOCK, width * 5 // 8 // _MACROBLOCK * _MACROBLOCK)
    tall = height // _MACROBLOCK * _MACROBLOCK
    right = (width - part) // _MACROBLOCK * _MACROBLOCK
    return (0, 0, part, tall), (right, 0, part, tall)


def camera_toml(state: Path, clip: Path) -> str:
    """One file, two virtual cameras."""
    tables = []
    for index, (name, window) in enumerate(zip(("Yard west", "Yard east"), windows(clip), strict=True), start=1):
        folder = state / f"camera-{index}"
        tables.append(f"""[[camera]]
name = "{name}"
serial = "VC-DEMO-{index:04}"
state = "{folder}"
address = "127.0.0.1"
web_port = {free_port(8080 + index)}
rtsp_port = {free_port(8553 + index)}
scopes = ["onvif://www.onvif.org/location/demo/{name.lower().replace(" ", "-")}"]
password_file = "{state / "camera-password"}"
source = {{ clip = "{clip}", window = {list(window)} }}
""")
    return "\n".join(tables)


def nvr_toml(state: Path) -> str:
    """The box, on loopback, with its own certificate."""
    return f"""name = "Veilcam demo"
state = "{state / "box"}"

[web]
host = "127.0.0.1"
port = {free_port(8443)}
"""


def written(path: Path, text: str) -> Path:
    """`text` in `path`, for this user alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path


class Part:
    """One of the two programs, its READY lines, and its log in the state folder."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name, self.process = name, process
        self.ready: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read(), name=f"stdout of {name}")

    @classmethod
    async def started(cls, module: str, config: Path, log: Path) -> "Part":
        """`python -m module --config config`, in a process group of its own so that Ctrl-C is ours to pass on."""
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                "--config",
                str(config),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        return cls(module, process)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            head, *words = line.decode(errors="replace").split()
            if head == "READY":
                pairs = dict(word.split("=", 1) for word in words if "=" in word)
                await self.ready.put(pairs)

    async def until_ready(self, log: Path) -> dict[str, str]:
        """The next READY line's pairs; ends the demo with the log's last lines when the part ends first."""
        line = asyncio.create_task(self.ready.get())
        gone = asyncio.create_task(self.process.wait())
        done, _ = await asyncio.wait({line, gone}, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        if line in done:
            gone.cancel()
            return line.result()
        line.cancel()
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SystemExit(f"demo: {self.name} did not come up; the end of {log}:\n{tail}")

    async def ended(self) -> None:
        """Ask it to end, and insist before the five seconds are over."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(self.process.wait(), END_S)
            except TimeoutError:
                os.killpg(self.process.pid, signal.SIGKILL)
                await self.process.wait()
        self._reader.cancel()


class Page:
    """The box's page, used as a person's browser would: signed in, over TLS with the box's own certificate."""

    def __init__(self, url: str, state: Path) -> None:
        certificate = next(iter(sorted((state / "box").rglob("*.pem"))), None)
        self._url = url.rstrip("/")
        self._tls = ssl.create_default_context(cafile=str(certificate) if certificate else None)
        self._tls.check_hostname = False
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._csrf = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def _ask(self, method: str, path: str, body: object = None) -> str:
        headers = {"X-Veilcam-CSRF": self._csrf, "Origin": self._url}
        async with self._session.request(
            method, self._url + path, json=body, ssl=self._tls, headers=headers
        ) as response:
            text = await response.text()
            if response.status >= 400:
                raise SystemExit(f"demo: {method} {path}: {response.status} {text}")
            return text

    async def sign_in(self, name: str, password: str) -> None:
        """As that account from here on."""
        self._csrf = json.loads(await self._ask("POST", "/api/sign-in", {"name": name, "password": password}))["csrf"]

    async def cameras(self) -> list[dict[str, object]]:
        """The cameras that the box has."""
        return list(json.loads(await self._ask("GET", "/api/cameras"))["cameras"])

    async def add(self, address: str, user: str, password: str) -> None:
        """Add a camera as the page's button does; a step that fails ends the demo with what it said."""
        text = await self._ask("POST", "/api/cameras", {"address": address, "user": user, "password": password})
        for line in map(json.loads, text.splitlines()):
            if line.get("error") or line.get("ok") is False:
                raise SystemExit(f"demo: adding {address}: {line}")


async def accounts(state: Path, words: Secrets, config: Path) -> None:
    """The box's accounts and the reveal key; both commands leave alone what already exists."""
    wanted = [
        (
            "users",
            "put",
            "admin",
            "--rights",
            "view,search,reveal,approve,admin",
            "--password-file",
            written(state / "admin-password", words.admin_password),
        ),
        (
            "users",
            "put",
            "guard",
            "--rights",
            "view,search",
            "--password-file",
            written(state / "guard-password", words.guard_password),
        ),
        ("keys", "create", "--label", "operator", "--passphrase-file", written(state / "passphrase", words.passphrase)),
    ]
    for arguments in wanted:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "nvr_box",
            *map(str, arguments),
            "--config",
            str(config),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
        )
        if await process.wait():
            raise SystemExit(f"demo: python -m nvr_box {' '.join(map(str, arguments[:2]))} failed")


async def eventually(what: str, check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `check` holds; the cameras and the box tell nobody, so ask twice a second."""
    deadline = time.monotonic() + READY_S
    while not await check():
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: {what} did not happen within {READY_S:.0f} s")
        await asyncio.sleep(0.5)


async def demo(state: Path, clip: Path, *, until_ready: bool) -> None:
    """Start both programs, introduce them to each other, print what a person needs, and wait for Ctrl-C."""
    begun = time.monotonic()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    words = Secrets.kept_in(state / "secrets.json")
    written(state / "camera-password", words.camera_password)
    camera_config = written(state / "camera.toml", camera_toml(state, clip))
    box_config = written(state / "nvr.toml", nvr_toml(state))
    camera_log, box_log = state / "camera.log", state / "box.log"
    parts: list[Part] = []
    try:
        parts.append(await Part.started("firmware", camera_config, camera_log))
        await accounts(state, words, box_config)
        parts.append(await Part.started("nvr_box", box_config, box_log))
        firmware, box = parts
        served = await box.until_ready(box_log)
        addresses = [f"127.0.0.1:{(await firmware.until_ready(camera_log))['web']}" for _ in range(2)]
        async with Page(served["url"], state) as page:
            await page.sign_in("admin", words.admin_password)
            known = {str(camera["xaddr"]) for camera in await page.cameras()}
            for address in addresses:
                if not any(address in xaddr for xaddr in known):
                    await page.add(address, "admin", words.camera_password)

            async def recording() -> bool:
                return all(camera["state"] == "recording" for camera in await page.cameras())

            await eventually("recording of both cameras", recording)
        say(served, words, state, addresses, time.monotonic() - begun)
        if not until_ready:
            waiting = [asyncio.create_task(part.process.wait()) for part in parts]
            await asyncio.wait([asyncio.create_task(told.wait()), *waiting], return_when=asyncio.FIRST_COMPLETED)
            if not told.is_set():
                gone = next(part for part in parts if part.process.returncode is not None)
                raise SystemExit(f"demo: {gone.name} ended by itself; see {state}/*.log")
    finally:
        await asyncio.gather(*(part.ended() for part in parts))


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
