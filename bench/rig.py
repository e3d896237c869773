"""One camera and one box as they are installed: two hosts on a cable, real processes, a disk of their own for the box.

`inside` runs a benchmark again in namespaces of its own, so that its disk may be filled, its cable cut and its clock
set without the machine noticing, and so that whatever it started ends with it. Works as root, and for users that may
make user namespaces.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

from tests.camera_process import CLIP
from tests.demo_process import Browser

ROOT = Path(__file__).parent.parent
CAMERA_HOST, BOX_HOST = "10.78.0.1", "10.78.0.2"
PAGE, ONVIF, REPLAY, CAMERA_WEB, CAMERA_RTSP = 8443, 8000, 8554, 8080, 8554
NAME, SERIAL = "yard", "VC-FAULTS-1"
PASSWORD, CAMERA_PASSWORD, PASSPHRASE = "a password of the bench", "Camera-secret-17", "a passphrase of the bench"
WITHIN_S = 180.0
_INSIDE = "VEILCAM_BENCH_INSIDE"
_CLOCK = ROOT / "bench" / "rig_clock.c"


def inside(module):
    """Go on in namespaces of this benchmark's own; what follows runs there."""
    if os.environ.get(_INSIDE) == "yes":
        return
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    spaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    # unshare ignores SIGTERM: it goes with us, and the rest with it.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", *user, *spaces]
    words = [*command, sys.executable, "-m", module, *sys.argv[1:]]
    sys.stdout.flush()
    sys.exit(subprocess.run(words, cwd=ROOT, env=os.environ | {_INSIDE: "yes"}, check=False).returncode)


def run(*words):
    subprocess.run(words, check=True, capture_output=True, timeout=60)


class Part:
    """A program, kept running as systemd's Restart=always would.

    Attributes:
        exits: how often it ended by itself, with status and moment.
        starts: how often it said that it is ready.
    """

    def __init__(self, name, words, log, *, env=None, restart_s=2.0):
        self.name, self.exits, self.starts = name, [], 0
        self._words, self._log, self._env = words, log, os.environ | (env or {})
        self._restart_s, self._meant, self._ending = restart_s, False, False
        self._changed = threading.Condition()
        self.process = None
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self):
        while not self._ending:
            with self._log.open("ab") as errors:
                process = subprocess.Popen(
                    self._words, cwd=ROOT, env=self._env, stdout=subprocess.PIPE, stderr=errors, text=True
                )
            with self._changed:
                self.process = process
            for line in process.stdout:
                if line.startswith("READY"):
                    with self._changed:
                        self.starts += 1
                        self._changed.notify_all()
            status = process.wait()
            process.stdout.close()
            with self._changed:
                meant, self._meant, self.process = self._meant, False, None
                self._changed.notify_all()
            if not meant and not self._ending:
                self.exits.append((status, time.time()))
                print(f"    {self.name} ended by itself with status {status}", flush=True)
            if not self._ending:
                threading.Event().wait(self._restart_s)

    def until_ready(self, starts):
        with self._changed:
            if not self._changed.wait_for(lambda: self.starts >= starts, WITHIN_S):
                raise TimeoutError(f"{self.name} did not come up; see {self._log}")

    def kill(self, number=signal.SIGKILL):
        """End it as another process would; returns when it is gone."""
        with self._changed:
            assert self.process is not None, f"{self.name} does not run"
            process, self._meant = self.process, True
            process.send_signal(number)
            self._changed.wait_for(lambda: self.process is not process, 60)

    def end(self):
        """Ask it to end and start it no more; the exit status, None when it did not run."""
        self._ending = True
        process = self.process
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


class Page(Browser):
    """The page's requests, signed in again by itself after a restart of the box."""

    def __init__(self):
        words = {"admin_password": PASSWORD}
        super().__init__(SimpleNamespace(url=f"https://{BOX_HOST}:{PAGE}", words=words))

    def ask(self, path, body=None):
        """As Browser's; an error has what the box said in its text."""
        try:
            return super().ask(path, body)
        except urllib.error.HTTPError as error:
            raise OSError(f"{path}: {error.code} {error.read()[:300].decode(errors='replace')}") from error

    def add(self, address):
        """Add a camera as the button does."""
        fields = {"address": address, "user": "admin", "password": CAMERA_PASSWORD}
        headers = {"Content-Type": "application/json", "Origin": self._url, "X-Veilcam-CSRF": self._csrf}
        request = urllib.request.Request(self._url + "/api/cameras", json.dumps(fields).encode(), headers)
        with self._opener.open(request, timeout=120) as answer:
            said = [json.loads(line) for line in answer.read().splitlines()]
        assert not [each for each in said if each.get("error") or each.get("ok") is False], said


class Clock:
    """The box's wall clock, set beside the machine's: a library in front of libc's, where a compiler is there."""

    def __init__(self, folder):
        self._file, library = folder / "clock", folder / "clock.so"
        self._file.write_bytes(bytes(8))
        made = subprocess.run(
            ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(_CLOCK), "-ldl"], check=False, capture_output=True
        )
        self.there = made.returncode == 0
        self.offset_us = 0
        self.env = {"LD_PRELOAD": str(library), "VEILCAM_CLOCK_FILE": str(self._file)} if self.there else {}

    def set(self, offset_us):
        """Ahead of the machine's clock by this from now on."""
        self.offset_us = offset_us
        with self._file.open("r+b") as file:
            file.write(offset_us.to_bytes(8, sys.byteorder, signed=True))


class Rig:
    """The two hosts and what runs on them; `with` ends it."""

    def __init__(self, folder, *, segment_s=4, disk_mib=1024, window=(0, 0, 384, 288)):
        self.folder, self.state = folder, folder / "disk" / "box"
        self.disk = folder / "disk"
        self.camera_state = folder / "camera"
        self.segment_s, self._disk_mib, self._window = segment_s, disk_mib, window
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _build(self, stack):
        self.disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={self._disk_mib}m", "bench", str(self.disk))
        stack.callback(lambda: subprocess.run(["umount", "-l", str(self.disk)], check=False))
        run("ip", "link", "set", "lo", "up")
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo held; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        stack.callback(holder.wait)
        stack.callback(holder.stdin.close)
        assert holder.stdout.readline() == b"held\n"
        self._there = ("nsenter", "--net", "--target", str(holder.pid))
        run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(holder.pid))
        for host, address in (((), BOX_HOST), (self._there, CAMERA_HOST)):
            run(*host, "ip", "addr", "add", f"{address}/24", "dev", "cable")
            for link in ("lo", "cable"):
                run(*host, "ip", "link", "set", link, "up")
        self.clock = Clock(self.folder)
        self._write()
        self._account("users", "put", "admin", "--rights", "viewer,operator,reveal,approve,admin", typed=PASSWORD)
        self._account("keys", "create", "--label", "admin", typed=PASSPHRASE)
        config = self.folder / "camera.toml"
        words = [*self._there, sys.executable, "-m", "firmware", "--config", str(config), "--only", NAME]
        self.camera = Part("camera", words, self.folder / "camera.log")
        stack.callback(self.camera.end)
        words = [sys.executable, "-m", "nvr_box", "--config", str(self.config)]
        env = self.clock.env | {"TZ": "Europe/Berlin"}
        self.box = Part("box", words, self.folder / "box.log", env=env)
        stack.callback(self.box.end)
        self.camera.until_ready(1)
        self.box.until_ready(1)
        self.page = Page()
        self.page.ask("/api/cameras")
        self._add()

    def _add(self):
        """On a machine with much else to do a step may take too long."""
        for left in reversed(range(5)):
            try:
                self.page.add(f"{CAMERA_HOST}:{CAMERA_WEB}")
            except AssertionError:
                if not left:
                    raise
            else:
                return

    def _write(self):
        (self.folder / "password").write_text(CAMERA_PASSWORD + "\n")
        # Vision seldom: what is tested is what comes after it, beside everything else that the machine does.
        (self.folder / "camera.toml").write_text(
            f'[[camera]]\nname = "{NAME}"\nserial = "{SERIAL}"\nstate = "{self.camera_state}"\ndiscovery = false\n'
            f'address = "{CAMERA_HOST}"\nweb_port = {CAMERA_WEB}\nrtsp_port = {CAMERA_RTSP}\n'
            f'password_file = "{self.folder}/password"\n'
            f'[camera.source]\nclip = "{CLIP}"\nwindow = {list(self._window)}\n'
            "[camera.vision]\ndetect_every = 5\nfaces_per_picture = 0\n"
        )
        self.config = self.folder / "nvr.toml"
        self.config.write_text(
            f'state = "{self.state}"\n'
            f'[web]\nhost = "0.0.0.0"\nport = {PAGE}\nadvertised_host = "{BOX_HOST}"\n'
            f'[onvif]\nhost = "0.0.0.0"\nport = {ONVIF}\nreplay_port = {REPLAY}\n'
            f"[record]\nsegment_s = {self.segment_s}\nkeep_free_mib = 0\n"
        )

    def _account(self, *words, typed):
        command = [sys.executable, "-m", "nvr_box", "--config", str(self.config), *words]
        subprocess.run(command, cwd=ROOT, input=typed + "\n", text=True, check=True, stdout=subprocess.DEVNULL)

    def check(self):
        """`python -m nvr_box check`: its sentences, without the last line."""
        command = [sys.executable, "-m", "nvr_box", "--config", str(self.config), "check"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.stdout.endswith("findings\n"), done.stderr
        return done.stdout.splitlines()[:-1]

    def cable(self, *, whole):
        """Cut the cable between the two, or mend it."""
        run("ip", "link", "set", "cable", "up" if whole else "down")
