"""Eleven hundred idle connections at the real box: it goes on recording, answers its page, and they go."""

import asyncio
import contextlib
import resource
import signal
import socket
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from box_fakes import RtspCamera
from test_box_kill import Box, prepared

from nvr_box import state as places

IDLE, SOFT = 1100, 1024
ENDED_S = 40


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def listening(pid):
    """The TCP ports of a process; proc(5)."""
    files = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return [int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in files]


def open_to_all(box):
    """Wait for the ONVIF ports: the box records, and opens its page, before them."""
    deadline_s = time.monotonic() + 60
    while not any("ONVIF: http" in line for line in box.log):
        assert time.monotonic() < deadline_s, box.log[-20:]
        time.sleep(0.1)


def come(port, count):
    for number in range(count):
        source = f"127.0.0.{1 + number % 4}", 0
        with contextlib.suppress(ConnectionError):
            yield socket.create_connection(("127.0.0.1", port), timeout=20, source_address=source)


async def page(port):
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.1", 0))
    timeout = aiohttp.ClientTimeout(total=30)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.get(f"https://127.0.0.1:{port}/", ssl=False) as reply,
    ):
        return reply.status


def gone(link):
    """Whether the other end closes it in time; it says nothing before, or what it has to say to no HTTP."""
    link.settimeout(ENDED_S)
    with contextlib.suppress(ConnectionError):
        while link.recv(4096):
            pass
    return True


@pytest.mark.e2e
async def test_idle_connections_do_not_end_the_box_nor_leave_a_hole(tmp_path, many_files):
    state = tmp_path / "state"
    with RtspCamera(rate=20, gop=10) as camera, contextlib.ExitStack() as stack:
        _, config = await asyncio.to_thread(prepared, state, camera.uri)
        with config.open("a") as file:
            file.write('[onvif]\nenabled = true\nhost = "127.0.0.1"\nport = 0\nreplay_port = 0\ndiscovery = false\n')
        prefix = ("sh", "-c", f'ulimit -Sn {SOFT}; exec "$@"', "sh")
        box = await asyncio.to_thread(Box, config, prefix)
        assert await asyncio.to_thread(box.recording.wait, 60)
        await asyncio.to_thread(open_to_all, box)
        ports = listening(box.process.pid)
        assert len(ports) >= 3, "page, ONVIF and replay"
        links = []
        for port in ports:
            count = IDLE if port == box.port else 300
            links += await asyncio.to_thread(lambda port=port, count=count: list(come(port, count)))
        for link in links:
            stack.enter_context(link)
        assert await page(box.port) == 200
        for link in links:
            assert await asyncio.to_thread(gone, link)
        assert await page(box.port) == 200
        assert box.process.poll() is None
        assert await asyncio.to_thread(box.end, signal.SIGTERM) == 0, box.log[-20:]
    with contextlib.closing(sqlite3.connect(state / places.DATABASE)) as link:
        spans = link.execute("SELECT start_us, end_us FROM segment ORDER BY start_us").fetchall()
    assert spans[-1][1] - spans[0][0] > 10_000_000
    # The first segment may be restarted by the camera's first sender report; from there on nothing is missing.
    holes = [after[0] - before[1] for before, after in pairwise(spans[1:])]
    assert max(holes) < 100_000, holes
    assert not [line for line in box.log if "Traceback" in line]
