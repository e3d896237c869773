"""`make demo` as a fixture's process: started in a state folder of its own, ended by Ctrl-C."""

import fcntl
import json
import os
import re
import selectors
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
START_S = 240
END_S = 30


@dataclass(frozen=True)
class Demo:
    """A demo that says it is ready, and the words a person would have read."""

    process: subprocess.Popen
    state: Path
    url: str
    fingerprint: str
    cameras: tuple[str, ...]
    ready_s: float

    @property
    def words(self):
        """The passwords and the passphrase, by name."""
        return json.loads((self.state / "secrets.json").read_text())

    def interrupt(self):
        """Ctrl-C; the seconds that it took to end, and its exit status."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(END_S)
        return time.monotonic() - begun, status


def start(state, *arguments, env=None):
    """Run the demo in `state` and return when it has printed the address."""
    # Two that start at the same moment would find the same ports free: one after the other.
    with (Path(tempfile.gettempdir()) / "veilcam-demo.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "systemd/demo.py", "--state", str(state), *arguments],
            cwd=ROOT, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        said = _until(process, "Ctrl-C ends everything")
    fingerprint = re.search(r"SHA-256 ([0-9a-f:]+)", said).group(1)
    return Demo(
        process=process,
        state=Path(state),
        url=re.search(r"The page\s+(\S+)", said).group(1),
        fingerprint=fingerprint,
        cameras=tuple(re.findall(r"http://([\d.:]+)/onvif/device_service", said)),
        ready_s=float(re.search(r"ready after\s+([\d.]+) s", said).group(1)),
    )


def _until(process, words):
    said, deadline = "", time.monotonic() + START_S
    with selectors.DefaultSelector() as ears:
        ears.register(process.stdout, selectors.EVENT_READ)
        while words not in said:
            ready = ears.select(max(0.0, deadline - time.monotonic()))
            chunk = os.read(process.stdout.fileno(), 4096).decode() if ready else ""
            said += chunk
            if not chunk:
                process.kill()
                raise AssertionError(f"the demo did not come up:\n{said}")
    return said


def stop(demo):
    """End it whatever has happened to it."""
    if demo.process.poll() is None:
        try:
            demo.interrupt()
        except subprocess.TimeoutExpired:
            demo.process.kill()
            demo.process.wait()


class Browser:
    """A person's session with the box, by the standard library alone; signed in again when the box forgot it."""

    def __init__(self, demo, name="admin"):
        trust = ssl._create_unverified_context()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trust), urllib.request.HTTPCookieProcessor()
        )
        self._url, self._csrf = demo.url.rstrip("/"), ""
        self._account = {"name": name, "password": demo.words[f"{name}_password"]}

    def ask(self, path, body=None):
        """GET, or POST a body; the answer as JSON. Raises OSError, with a status when the box answered."""
        try:
            return self._ask(path, body)
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
        self._csrf = self._ask("/api/sign-in", self._account)["csrf"]
        return self._ask(path, body)

    def _ask(self, path, body):
        headers = {"Content-Type": "application/json", "Origin": self._url, "X-Veilcam-CSRF": self._csrf}
        data = None if body is None else json.dumps(body).encode()
        with self._opener.open(urllib.request.Request(self._url + path, data, headers), timeout=30) as answer:
            return json.load(answer)
