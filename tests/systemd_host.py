"""A real systemd that a test may give orders to: PID 1 of namespaces over this machine's own files."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
_START_S = 120
_PAUSE_S = 0.2


class Host:
    """The machine inside.

    Args:
        pid: of its PID 1, seen from here.
    """

    def __init__(self, pid):
        self.pid = pid

    def run(self, *command, check=True, timeout=400):
        """A command inside; its standard output."""
        inside = ["nsenter", "-t", str(self.pid), "-m", "-p", "-C", "-n", "-u", "-i", *command]
        done = subprocess.run(inside, capture_output=True, text=True, check=False, timeout=timeout)
        if check:
            assert done.returncode == 0, (command, done.stdout[-1000:], done.stderr[-1000:])
        return done

    def start(self, unit):
        """`systemctl start`, until it is active."""
        done = self.run("systemctl", "start", unit, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{self.show(unit)['StatusText']}\n{self.log(unit)}"

    def write(self, path, text):
        """A file inside, which everyone there may read."""
        self.run("install", "-D", "-m", "644", "/dev/null", path)
        inside = ["nsenter", "-t", str(self.pid), "-m", "tee", path]
        subprocess.run(inside, input=text, text=True, stdout=subprocess.DEVNULL, check=True)

    def copy(self, source, path):
        """A file from here, inside."""
        inside = ["nsenter", "-t", str(self.pid), "-m", "sh", "-c", 'cat > "$0" && chmod 644 "$0"', path]
        with source.open("rb") as file:
            subprocess.run(inside, stdin=file, check=True)

    def show(self, unit):
        """The unit's properties."""
        lines = self.run("systemctl", "show", unit).stdout.splitlines()
        empty = dict.fromkeys(KEYS, "")
        return empty | dict(line.split("=", 1) for line in lines if "=" in line)

    def until(self, unit, test, patience_s=180):
        """Wait until `test` holds of the unit's properties; they have no event that a test could wait for."""
        end_s = time.monotonic() + patience_s
        while not test(shown := self.show(unit)):
            assert time.monotonic() < end_s, {key: shown.get(key) for key in KEYS} | {"log": self.log(unit)}
            time.sleep(_PAUSE_S)
        return shown

    def log(self, unit):
        """The last lines of its journal."""
        return self.run("journalctl", "-u", unit, "-n", "40", "--no-pager", "-o", "cat", check=False).stdout

    def children(self, unit):
        """Processes of the unit whose parent is its main process; by their numbers inside."""
        main = self.show(unit)["MainPID"]
        return [int(word) for word in self.run("ps", "--ppid", main, "-o", "pid=", check=False).stdout.split()]

    def signal(self, pid, name):
        """Send a signal to a process inside."""
        self.run("kill", f"-{name}", str(pid))


KEYS = ("ActiveState", "SubState", "Result", "StatusText", "NRestarts", "ExecMainStatus")


@contextlib.contextmanager
def host(scratch):
    """Boot it over `scratch`, a folder that need not outlive it, with the project's units and users."""
    assert os.geteuid() == 0, "a systemd in namespaces of its own needs root: run `make test-long` as root"
    script = [Path(__file__).with_name("systemd_namespace.sh"), TREE, scratch]
    with (
        (scratch / "console").open("wb") as console,
        subprocess.Popen(
            ["bash", *map(str, script)], stdin=subprocess.DEVNULL, stdout=console, stderr=console
        ) as outer,
    ):
        try:
            inner = Host(_booted(outer, scratch / "console"))
            for unit in sorted((TREE / "systemd").glob("veilcam*.s[eo]*")):
                inner.copy(unit, f"/etc/systemd/system/{unit.name}")
            inner.run("systemd-sysusers", "/opt/veilcam/systemd/veilcam.sysusers")
            inner.run("systemctl", "daemon-reload")
            yield inner
        finally:
            outer.send_signal(signal.SIGKILL)  # unshare's --kill-child takes its PID 1 along, and that everything
            outer.wait()
            _cgroup_removed(scratch / "cgroup", f"veilcam-test-{outer.pid}")


def _cgroup_removed(mount_point, name):
    """Remove the empty control groups, once the last process is gone; a folder of one that stays is no failure."""
    script = """mount -t cgroup2 none "$0" || exit 0
    for turn in $(seq 50); do
        find "$0/$1" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d "$0/$1" ] || break
        sleep 0.1
    done
    umount -l "$0" """
    subprocess.run(["bash", "-c", script, str(mount_point), name], check=False)


def _booted(outer, console):
    """The number of its PID 1 once it takes orders."""
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s and outer.poll() is None:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
            state = Host(int(children[0])).run("systemctl", "is-system-running", check=False).stdout.strip()
            if state in {"running", "degraded"}:
                return int(children[0])
        time.sleep(_PAUSE_S)
    raise AssertionError(f"systemd does not run in namespaces here:\n{console.read_text(errors='replace')[-2000:]}")
