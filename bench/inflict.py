"""The faults, each over when its function returns: processes killed, disk, clock, cable, database, crowds."""

import contextlib
import http.client
import os
import resource
import socket
import sqlite3
import ssl
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import rig as hosts

DAY_US = 86_400_000_000
FULL_S, CUT_S, LOCKED_S, SLOW_S, CLOCK_S = 8.0, 60.0, 45.0, 20.0, 12.0
IDLE, SLOW, SOAP, WEBSOCKETS = 1100, 500, 10_000, 64
_PAGE = 4096
_PAUSE = threading.Event()


def pause(seconds):
    """A fault lasts this long."""
    _PAUSE.wait(seconds)


def kill_box(rig, ledger, dice):
    pause(dice.uniform(0.0, 2.0))
    rig.box.kill()
    ledger.note_growing()


def kill_recorder(rig, ledger, _dice):
    """While a segment is being finished: its file is whole, its row may not be there yet."""
    root = rig.state / "recordings"
    known = set(root.rglob("*.mp4"))
    newest = max(known, key=lambda path: path.stat().st_mtime).parent
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        names = {entry.path for entry in os.scandir(newest) if entry.name.endswith(".mp4")}
        if names - {str(path) for path in known if path.parent == newest}:
            break
        pause(0.002)
    rig.box.kill()
    ledger.note_growing()


def kill_camera(rig, _ledger, dice):
    pause(dice.uniform(0.0, 2.0))
    rig.camera.kill()


def kill_reveal(rig, _ledger, dice):
    """The process that holds the unlocked key of a reveal."""
    (camera,) = rig.page.ask("/api/cameras")["cameras"]
    fields = {"camera": camera["id"], "from": camera["last_frame"], "reason": "a round of faults"}
    fields["passphrase"] = hosts.PASSPHRASE
    rig.page.ask("/api/reveals", fields)
    pause(dice.uniform(0.0, 0.5))
    victims = [pid for pid in pids("nvr_box.reveal.process") if parent(pid) == rig.box.process.pid]
    assert victims, "no reveal process"
    for pid in victims:
        os.kill(pid, 9)


def pids(word):
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word in (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                yield int(folder.name)


def parent(pid):
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def full_disk(rig, _ledger, _dice):
    """Another program's file takes all that is left, for a while."""
    ballast = rig.disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, _PAGE, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    pause(FULL_S)
    ballast.unlink()


def clock_by(days):
    def inflict(rig, ledger, _dice):
        jump(rig, ledger, days * DAY_US, CLOCK_S)

    inflict.__name__ = f"clock {days:+d} d"
    return inflict


def clock_dst(rig, ledger, _dice):
    """Ten seconds before and fifteen after summer time ends where the box stands."""
    before = datetime(2026, 10, 25, 0, 59, 50, tzinfo=UTC)
    jump(rig, ledger, int(before.timestamp() * 1e6) - time.time_ns() // 1000, 25.0)


def jump(rig, ledger, offset_us, seconds):
    ledger.offsets_us.add(offset_us)
    rig.clock.set(offset_us)
    pause(seconds)
    rig.clock.set(0)


def cut_cable(rig, _ledger, _dice):
    rig.cable(whole=False)
    pause(CUT_S)
    rig.cable(whole=True)


def lock_database(rig, _ledger, _dice):
    with contextlib.closing(sqlite3.connect(rig.state / "box.db", isolation_level=None, timeout=60)) as thief:
        thief.execute("BEGIN IMMEDIATE")
        pause(LOCKED_S)
        thief.execute("ROLLBACK")


def many_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))


def answered(rig, within_s=30):
    """How long a person at an address of their own waits for the page."""
    del rig
    began = time.monotonic()
    trust = ssl._create_unverified_context()
    link = http.client.HTTPSConnection("127.0.0.1", hosts.PAGE, context=trust, timeout=within_s,
                                       source_address=("127.0.0.9", 0))  # fmt: skip
    with contextlib.closing(link):
        link.request("GET", "/")
        assert link.getresponse().status == 200
    return time.monotonic() - began


def come(count, ports, host="127.0.0.1"):
    for number in range(count):
        source = (f"127.0.1.{1 + number % 20}", 0) if host.startswith("127.") else None
        with contextlib.suppress(OSError):
            yield socket.create_connection((host, ports[number % len(ports)]), timeout=20, source_address=source)


def idle(rig, _ledger, _dice):
    many_files()
    with contextlib.ExitStack() as stack:
        for link in come(IDLE, (hosts.PAGE, hosts.ONVIF, hosts.REPLAY)):
            stack.enter_context(link)
        waited_s = answered(rig)
        pause(SLOW_S)
        waited_s = max(waited_s, answered(rig))
    return f"page {waited_s:.1f} s"


def slow(rig, _ledger, _dice):
    """Each sends a byte of its request a second."""
    many_files()
    request = b"GET /api/cameras HTTP/1.1\r\nHost: box\r\nX-Long: " + b"a" * 500
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(link) for link in come(SLOW, (hosts.ONVIF, hosts.REPLAY, hosts.PAGE))]
        until, at, waited_s = time.monotonic() + SLOW_S, 0, 0.0
        while time.monotonic() < until:
            for link in links:
                with contextlib.suppress(OSError):
                    link.setblocking(False)
                    link.send(request[at : at + 1])
            at += 1
            waited_s = max(waited_s, answered(rig))
            pause(1.0)
    return f"page {waited_s:.1f} s"


def soap(_rig, _ledger, _dice):
    body = (
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
        b'<GetSystemDateAndTime xmlns="http://www.onvif.org/ver10/device/wsdl"/></s:Body></s:Envelope>'
    )
    failed = []

    def call(count):
        link = http.client.HTTPConnection(hosts.BOX_HOST, hosts.ONVIF, timeout=60)
        for _ in range(count):
            try:
                link.request("POST", "/onvif/device_service", body, {"Content-Type": "application/soap+xml"})
                reply = link.getresponse()
                if b"UTCDateTime" not in reply.read():
                    failed.append(reply.status)
            except (OSError, http.client.HTTPException) as error:
                failed.append(repr(error))
                link.close()
        link.close()

    began = time.monotonic()
    threads = [threading.Thread(target=call, args=(SOAP // 8,)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed, failed[:5]
    return f"{SOAP / (time.monotonic() - began):.0f} calls/s"


def websockets(_rig, _ledger, _dice):
    """RTSP tunnels of the box's replay and of the camera that are opened and then say nothing."""
    upgrade = (
        "GET /onvif/rtsp HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: rtsp.onvif.org\r\n\r\n"
    )
    said = []
    with contextlib.ExitStack() as stack:
        for host, port in ((hosts.BOX_HOST, hosts.ONVIF), (hosts.CAMERA_HOST, hosts.CAMERA_WEB)):
            opened = 0
            for link in come(WEBSOCKETS, (port,), host):
                stack.enter_context(link)
                with contextlib.suppress(OSError):
                    link.sendall(upgrade.format(host).encode())
                    opened += link.recv(64).startswith(b"HTTP/1.1 101")
            said.append(f"{opened} open")
        pause(SLOW_S)
    return ", ".join(said)


def damage_packets(rig, _ledger, _dice):
    """A page of the database's passages becomes noise while the box runs."""
    path = rig.state / "box.db"
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as link:
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    leaves = [at for at in range(0, len(data), _PAGE) if data[at] == 13 and b"[0." in data[at : at + _PAGE]]
    assert leaves, "no passages yet"
    with path.open("r+b") as file:
        file.seek(leaves[len(leaves) // 2])
        file.write(os.urandom(_PAGE))
    with contextlib.suppress(OSError, ValueError):
        rig.page.ask("/api/searches", {"limit": 1000, "threshold": 0.0})
