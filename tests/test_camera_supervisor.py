"""One process per camera: started again with back-off, ended together, none left behind."""

import asyncio
import os
import signal
import sys

from firmware import supervisor

PATIENCE_S = 60

CHILD = """
import os, pathlib, signal, sys, time
from base import service
service.die_with_parent()
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
signal.sigtimedwait([signal.SIGUSR1], 300)
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
