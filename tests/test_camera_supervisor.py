"""One process per camera: started again with back-off, ended together, none left behind."""

import asyncio
import os
import signal
import socket
import sys

import pytest

from firmware import supervisor

PATIENCE_S = 60

CHILD = """
import os, pathlib, signal, sys, time
from base import service
from firmware import progress
service.die_with_parent()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
name = sys.argv[-1]
folder = pathlib.Path(sys.argv[1])
with (folder / name).open("a") as log:
    log.write(f"{os.getpid()}\\n")
if name == "wrong":
    sys.exit(78)
if name == "brittle" and len((folder / name).read_text().split()) < 3:
    sys.exit(1)
if name == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
report = progress.Reporter.of_this_process()
if name == "failing":
    report.failed("the disk is full")
    sys.exit(78)
if name == "slow":
    signal.sigtimedwait([signal.SIGUSR1], 300)
for second in range(3000):
    report.pictures(progress.Pictures(second + 1, 1 if name == "hung" else second + 1, lost=False))
    signal.sigtimedwait([signal.SIGUSR2], 0.1)
"""


def pids(folder, name):
    path = folder / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


async def until(test):
    async with asyncio.timeout(PATIENCE_S):
        while not test():  # noqa: ASYNC110  # other processes have no event of ours
            await asyncio.sleep(0.02)


def command(folder):
    return [sys.executable, "-c", CHILD, str(folder)]


async def test_children_are_started_again_and_end_with_the_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_FIRST_WAIT_S", 0.05)
    task = asyncio.create_task(supervisor.supervise(command(tmp_path), ["steady", "brittle", "wrong"]))
    await until(lambda: len(pids(tmp_path, "brittle")) == 3 and len(pids(tmp_path, "steady")) == 1)
    os.kill(pids(tmp_path, "steady")[0], signal.SIGKILL)
    await until(lambda: len(pids(tmp_path, "steady")) == 2)
    os.kill(os.getpid(), signal.SIGINT)
    async with asyncio.timeout(PATIENCE_S):
        assert await task == 0
    assert len(pids(tmp_path, "wrong")) == 1
    assert not any(alive(pid) for name in ("steady", "brittle", "wrong") for pid in pids(tmp_path, name))


async def test_a_child_that_ignores_the_signal_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_GRACE_S", 0.3)
    task = asyncio.create_task(supervisor.supervise(command(tmp_path), ["stubborn"]))
    await until(lambda: pids(tmp_path, "stubborn"))
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_S):
        assert await task == 0
    assert not alive(pids(tmp_path, "stubborn")[0])


async def test_when_every_configuration_is_wrong_it_gives_up(tmp_path):
    async with asyncio.timeout(PATIENCE_S):
        assert await supervisor.supervise(command(tmp_path), ["wrong"]) == supervisor.CONFIG_EXIT


async def test_children_die_with_a_killed_supervisor(tmp_path):
    program = (
        "import asyncio, sys\nfrom firmware import supervisor\n"
        f"asyncio.run(supervisor.supervise([sys.executable, '-c', {CHILD!r}, {str(tmp_path)!r}], ['steady']))"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    await until(lambda: pids(tmp_path, "steady"))
    parent.kill()
    await parent.wait()
    await until(lambda: not alive(pids(tmp_path, "steady")[0]))


@pytest.fixture
async def said(tmp_path, monkeypatch):
    """What this process says to its service manager, in a list that grows."""
    path = tmp_path / "notify"
    lines = []

    class Manager(asyncio.DatagramProtocol):
        def datagram_received(self, data, _addr):
            lines.append(data.decode())

    loop = asyncio.get_running_loop()
    end, _ = await loop.create_datagram_endpoint(Manager, local_addr=str(path), family=socket.AF_UNIX)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    yield lines
    end.close()


async def ended(task):
    os.kill(os.getpid(), signal.SIGINT)
    async with asyncio.timeout(PATIENCE_S):
        assert await task == 0


async def test_ready_is_said_when_every_camera_serves(tmp_path, said):
    task = asyncio.create_task(supervisor.supervise(command(tmp_path), ["steady", "slow"]))
    await until(lambda: "STATUS=1 of 2 cameras serve; slow: starting" in said)
    assert "READY=1" not in said
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in said)
    await until(lambda: pids(tmp_path, "slow"))
    os.kill(pids(tmp_path, "slow")[0], signal.SIGUSR1)
    await until(lambda: "READY=1" in said)
    assert "STATUS=2 of 2 cameras serve" in said
    await ended(task)
    assert said.count("READY=1") == 1


@pytest.mark.parametrize("name", ["steady", "hung"])
async def test_one_that_makes_no_progress_is_killed_and_started_again(tmp_path, said, monkeypatch, name):
    """`steady` is stopped from outside; `hung` goes on reporting that no picture leaves its encoder."""
    monkeypatch.setattr(supervisor, "_TRACE_S", 0.2)
    monkeypatch.setattr(supervisor, "_FIRST_WAIT_S", 0.05)
    # Long enough for a fresh interpreter on a busy machine to come to its first report and the next ones.
    task = asyncio.create_task(supervisor.supervise(command(tmp_path), [name], stall_s=2.0))
    await until(lambda: "STATUS=1 of 1 cameras serve" in said)
    if name == "steady":
        os.kill(pids(tmp_path, name)[0], signal.SIGSTOP)
    await until(lambda: len(pids(tmp_path, name)) >= 2)
    assert not alive(pids(tmp_path, name)[0])
    why = "it has reported nothing" if name == "steady" else "no picture has been encoded"
    assert any(why in line for line in said)
    await until(lambda: said[-20:].count("WATCHDOG=1"))
    await ended(task)


async def test_the_reason_of_an_end_is_the_status(tmp_path, said):
    async with asyncio.timeout(PATIENCE_S):
        assert await supervisor.supervise(command(tmp_path), ["failing"]) == supervisor.CONFIG_EXIT
    await until(lambda: said[-1] == "STATUS=0 of 1 cameras serve; failing: the disk is full")
    assert "READY=1" not in said


async def test_a_child_that_cannot_be_killed_starves_the_watchdog(tmp_path, said, monkeypatch):
    """Signals are made harmless here, for no process of a test hangs in the kernel."""
    fed = []  # by round: how often the watchdog has been fed so far

    def status(children):
        fed.append(said.count("WATCHDOG=1"))
        return original(children)

    original = supervisor._status
    monkeypatch.setattr(supervisor, "_status", status)
    monkeypatch.setattr(supervisor, "_ROUND_S", 0.05)
    monkeypatch.setattr(supervisor, "_TRACE_S", 0.1)
    monkeypatch.setattr(supervisor, "_DEAD_S", 0.2)
    monkeypatch.setattr(supervisor, "_send", lambda _child, _number: None)
    task = asyncio.create_task(supervisor.supervise(command(tmp_path), ["hung"], stall_s=2.0))
    await until(lambda: any("no picture has been encoded" in line for line in said))
    await until(lambda: len(fed) > 10 and fed[-1] == fed[-10])
    monkeypatch.undo()
    os.kill(pids(tmp_path, "hung")[0], signal.SIGKILL)
    await ended(task)
