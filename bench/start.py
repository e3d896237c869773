"""A box with a history: how soon it records and searches after a start, its idle cost: `python -m bench.start [N]`.

N passages (a million), 16 cameras and 30 days of segments of a minute, with their (empty) files. The cameras are
sockets that note when the box asks them for a stream, since how long a camera then takes to send is its own affair.

    recording_s            from the start of the process until every recorder has sent its camera a request
    searchable_s           from the start of the process until a search over HTTP compares all N passages
    idle_core_share        of one core, over a minute, with no camera recording and no page open
    fresh_over_settled     a search of 4 cameras and a day, with 4,000 packets pushed singly just now over one without:
                           the least of many, taken in turn
    timeline_16_days_ms    GET of a camera's timeline of 16 days, median
"""

import asyncio
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from bench.report import report
from nvr_box import state as places
from nvr_box.accounts.users import Accounts
from nvr_box.audit.log import Audit
from nvr_box.db.database import Store
from nvr_box.rights import Account, Right
from nvr_box.search.gallery import Columns, Gallery, Row
from nvr_box.search.passages import Passages
from nvr_box.search.search import Filters, _compare
from wire.features.packet import AppearanceCode
from wire.features.vocabulary import CodeKind

ROOT = Path(__file__).parent.parent
CAMERAS, DAYS, SEGMENT_S = 16, 30, 60
MINUTE_US, DAY_US = 60_000_000, 86_400_000_000
FRESH, REPEATS, REQUESTS = 4000, 200, 9
SETTLE_S, IDLE_S = 90.0, 60.0
PASSWORD = "a password for the bench"
MODEL = "bench-1"


def filled(state, count, port):
    """The history; when it ends, UTC microseconds."""
    store = Store.open(state / places.DATABASE)
    end_us = time.time_ns() // 1000
    # Nothing becomes too old while this runs.
    first_us = end_us - DAYS * DAY_US + 3_600_000_000
    rng = np.random.default_rng(3)

    def add(link):
        camera = (
            "INSERT INTO camera VALUES (?, ?, '', '', '', ?, '', '', '', '', NULL, NULL, NULL, NULL, 0, '', 1, 0, 0)"
        )
        link.executemany(camera, [(n, f"camera {n}", f"rtsp://127.0.0.1:{port}/{n}") for n in cameras()])
        link.executemany(
            "INSERT INTO segment (camera, start_us, end_us, path, bytes, sha256, mime, gop_index)"
            " VALUES (?, ?, ?, ?, 15000000, zeroblob(32), 'video/mp4; codecs=\"avc1.640028\"', zeroblob(360))",
            segments(state / places.RECORDINGS, first_us, end_us),
        )
        link.executemany(
            "INSERT INTO packet (camera, camera_id, sequence, track, class, first_us, best_us, last_us, quality, model,"
            " code, box, colours, attributes, provenance) VALUES (?, ?, ?, ?, 1, ?, ?, ?, 0.7, ?, ?,"
            " '[0.1, 0.2, 0.3, 0.4]', '[[1, 3, 0.612], [2, 5, 0.4], [1, 1, 0.201]]', '[[1, 1, 0.812]]', 'bench')",
            passages(rng, count, first_us, end_us),
        )

    store.submit(add).result()

    async def account():
        rights = [Right.VIEW, Right.OPERATE, Right.ADMIN]
        users = Accounts(store, Audit(store))
        await users.save(Account("setup", frozenset(Right)), "bench", password=PASSWORD, rights=rights)
        await Passages(store).load()  # as the box before the restart has done

    asyncio.run(account())
    store.close()
    return end_us


def cameras():
    return range(1, CAMERAS + 1)


def segments(root, first_us, end_us):
    for camera in cameras():
        folder = None
        for start_us in range(first_us, end_us - MINUTE_US, MINUTE_US):
            at = datetime.fromtimestamp(start_us / 1e6, UTC)
            wanted = root / str(camera) / f"{at:%Y-%m-%d}" / f"{at:%H}"
            if wanted != folder:
                folder = wanted
                folder.mkdir(parents=True, exist_ok=True)
            os.close(os.open(folder / f"{start_us}.mp4", os.O_CREAT | os.O_WRONLY, 0o640))
            yield camera, start_us, start_us + MINUTE_US - 40_000, f"{folder.relative_to(root)}/{start_us}.mp4"


def passages(rng, count, first_us, end_us):
    looks = rng.normal(size=(max(1, count // 50), 64)).astype(np.float32)
    times = np.sort(rng.integers(first_us, end_us - MINUTE_US, count))
    for start in range(0, count, 10_000):
        size = min(10_000, count - start)
        values = looks[rng.integers(0, len(looks), size)] + rng.normal(size=(size, 64)).astype(np.float32) * 0.4
        codes = np.clip(values * 40, -127, 127).astype(np.int8)
        for n in range(size):
            at = int(times[start + n])
            camera = (start + n) % CAMERAS + 1
            yield (
                camera,
                bytes(7) + bytes([camera]),
                start + n,
                n,
                at,
                at + 2_000_000,
                at + 9_000_000,
                MODEL,
                bytes(codes[n]),
            )


class FirstRequests:
    """Sixteen cameras in one socket: when a stream was first requested of each. They refuse."""

    def __init__(self):
        self.first, self.all = {}, threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            link, _ = self._socket.accept()
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def _answer(self, link):
        with link:
            data = link.recv(4096).decode("ascii", "replace")
            if data:
                self.first.setdefault(data.split()[1], time.monotonic())
                if len(self.first) == CAMERAS:
                    self.all.set()
                link.sendall(b"RTSP/1.0 503 Service Unavailable\r\nCSeq: 1\r\n\r\n")


class Box:
    """The process. `began` is monotonic."""

    def __init__(self, config):
        words = [sys.executable, "-m", "nvr_box", "--config", str(config)]
        self.began = time.monotonic()
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = next(line for line in self.process.stdout if line.startswith("READY box"))
        self.ready_s = time.monotonic() - self.began
        self._link = http.client.HTTPConnection("127.0.0.1", int(line.split("web=")[1].split()[0]), timeout=120)
        self._headers = {"Content-Type": "application/json"}
        answer = self.ask("POST", "/api/sign-in", {"name": "bench", "password": PASSWORD})
        self._headers["X-Veilcam-CSRF"] = answer["csrf"]

    def ask(self, method, path, fields=None):
        self._link.request(method, path, json.dumps(fields) if fields is not None else None, self._headers)
        reply = self._link.getresponse()
        cookie = reply.getheader("Set-Cookie")
        if cookie:
            self._headers["Cookie"] = cookie.split(";")[0]
        answer = json.loads(reply.read())
        assert reply.status < 300, answer
        return answer

    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.process.stdout.close()


def fresh_over_settled(state, end_us):
    """The least of both in milliseconds, taken in turn, and what loading took in seconds."""
    store = Store.open(state / places.DATABASE)
    found = Passages(store)
    began = time.perf_counter()
    asyncio.run(found.load())
    load_s = time.perf_counter() - began
    store.close()
    settled = found.galleries[MODEL]
    fresh = Gallery(settled.parts(None, None)[0])
    rng = np.random.default_rng(5)
    for n in range(FRESH):
        code = rng.integers(-120, 120, 64).astype(np.int8).tobytes()
        row = Row(1 << 40 | n, end_us - FRESH * 1000 + n * 1000, n % CAMERAS + 1, 1, 0, 0, code)
        fresh.append(Columns.of([row], MODEL))
    filters = Filters(threshold=0.5, start_us=end_us - DAY_US, end_us=end_us + DAY_US)
    code = AppearanceCode(MODEL, CodeKind.INT8, 64, settled.parts(None, None)[0].fine[1000].tobytes())
    taken = {"settled": [], "fresh": []}
    for _ in range(REPEATS):
        for name, gallery in (("settled", settled), ("fresh", fresh)):
            began = time.perf_counter()
            _compare(
                gallery.parts(filters.start_us, filters.end_us),
                [],
                filters=filters,
                cameras=frozenset(range(1, 5)),
                code=code,
                leave_out=1,
                everything=len(gallery),
            )
            taken[name].append((time.perf_counter() - began) * 1000)
    return min(taken["settled"]), min(taken["fresh"]), load_s


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="veilcam-start-") as folder:
        state = Path(folder) / "state"
        (state / places.RECORDINGS).mkdir(parents=True)
        contacted = FirstRequests()
        config = Path(folder) / "nvr.toml"
        config.write_text(
            f'state = "{state}"\n[web]\nport = 0\ntls = false\n[onvif]\nenabled = false\n'
            f"[record]\nkeep_free_mib = 0\nkeep_days = {DAYS}\n"
        )
        end_us = filled(state, count, contacted.port)
        settled_ms, fresh_ms, load_s = fresh_over_settled(state, end_us)
        box = Box(config)
        try:
            search = {"limit": 10, "threshold": 0.0}
            answer = box.ask("POST", "/api/searches", search)
            searchable_s = time.monotonic() - box.began
            assert answer["stored"] == answer["compared"] == count, answer
            assert contacted.all.wait(60), f"only {len(contacted.first)} cameras got a request"
            recording_s = max(contacted.first.values()) - box.began
            for camera in cameras():
                box.ask("PATCH", f"/api/cameras/{camera}", {"recording": False})
            at = datetime.fromtimestamp(end_us / 1e6, UTC)
            query = f"start={at - timedelta(days=16):%Y-%m-%dT%H:%M:%SZ}&end={at:%Y-%m-%dT%H:%M:%SZ}"
            time.sleep(SETTLE_S)
            taken = []
            for n in range(REQUESTS):
                path = f"/api/cameras/{n + 1}/timeline?{query}"
                box.ask("GET", path)  # the page asks again every three seconds
                began = time.perf_counter()
                box.ask("GET", path)
                taken.append((time.perf_counter() - began) * 1000)
            before, began = box.cpu_s(), time.monotonic()
            time.sleep(IDLE_S)
            idle = (box.cpu_s() - before) / (time.monotonic() - began)
        finally:
            box.end()
    figures = {
        "recording_s": recording_s,
        "searchable_s": searchable_s,
        "idle_core_share": idle,
        "fresh_over_settled": fresh_ms / settled_ms,
        "timeline_16_days_ms": statistics.median(taken),
        "ready_s": box.ready_s,
        "load_s": load_s,
        "settled_ms": settled_ms,
        "fresh_ms": fresh_ms,
        "passages": count,
    }
    inputs = {"passages": count, "cameras": CAMERAS, "days": DAYS, "segment_s": SEGMENT_S, "fresh": FRESH}
    report("start", inputs, figures)


if __name__ == "__main__":
    main()
