"""How long ten common ONVIF operations take, beside ipycam 1.3.0 (MIT), whose replies are string templates.

Both servers run as processes of their own on loopback and are queried in turn, in the same minute, by the same client
over kept connections where the server keeps them. Ours checks credentials, decodes by the schema and encodes by the
schema; ipycam does none of the three. It comes by `pip download` into the cache folder; without it only ours is
measured.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from bench.report import report
from onvif import names
from onvif.digest import challenges, credentials
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, envelope

ROUNDS = 150
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "veilcam" / "ipycam"
SETUP = (
    "<trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP</tt:Protocol>"
    "</tt:Transport></trt:StreamSetup>"
)
OPERATIONS = {
    "GetSystemDateAndTime": "<tds:GetSystemDateAndTime/>",
    "GetDeviceInformation": "<tds:GetDeviceInformation/>",
    "GetCapabilities": "<tds:GetCapabilities><tds:Category>All</tds:Category></tds:GetCapabilities>",
    "GetServices": "<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>",
    "GetScopes": "<tds:GetScopes/>",
    "GetUsers": "<tds:GetUsers/>",
    "GetProfiles": "<trt:GetProfiles/>",
    "GetStreamUri": f"<trt:GetStreamUri>{SETUP}<trt:ProfileToken>main</trt:ProfileToken></trt:GetStreamUri>",
    "GetSnapshotUri": "<trt:GetSnapshotUri><trt:ProfileToken>main</trt:ProfileToken></trt:GetSnapshotUri>",
    "GetVideoEncoderConfiguration": "<trt:GetVideoEncoderConfiguration><trt:ConfigurationToken>main"
    "</trt:ConfigurationToken></trt:GetVideoEncoderConfiguration>",
}
OURS = """
import asyncio, json, sys, time
from pathlib import Path
from tests.onvif_camera import running
began = time.perf_counter()
async def main():
    async with running(Path(sys.argv[1])) as camera:
        started = time.perf_counter() - began
        print(json.dumps({"port": camera.web.ports.http, "startup_s": started}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""
THEIRS = """
import json, sys, threading, time
began = time.perf_counter()
from ipycam import CameraConfig, IPCamera
from ipycam.camera import ReusableThreadingTCPServer
from ipycam.http import IPCameraHTTPHandler
IPCameraHTTPHandler.camera = IPCamera(CameraConfig())
server = ReusableThreadingTCPServer(("127.0.0.1", 0), IPCameraHTTPHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"port": server.server_address[1], "startup_s": time.perf_counter() - began}), flush=True)
sys.stdin.read()
"""


class Server:
    """A server process; `ask` returns the seconds of one exchange."""

    def __init__(self, code, *arguments, path="/onvif/device_service", extra_path=""):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (".", extra_path)))}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        line = next((line for line in self.process.stdout if line.startswith(b"{")), b"{}")
        self.report = json.loads(line)
        self.path = path
        self.connection = http.client.HTTPConnection("127.0.0.1", self.report["port"], timeout=60)
        self.challenge, self.count = None, 0

    def ask(self, body, action):
        headers = {"Content-Type": "application/soap+xml; charset=utf-8", "SOAPAction": f'"{action}"'}
        if self.challenge is not None:
            self.count += 1
            headers["Authorization"] = credentials(
                self.challenge,
                user="administrator",
                password=PASSWORDS[Level.ADMINISTRATOR],
                method="POST",
                uri=self.path,
                count=self.count,
            )
        began = time.perf_counter()
        self.connection.request("POST", self.path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - began
        if answer.status == 401 and self.challenge is None:
            self.challenge = challenges(answer.headers.get_all("WWW-Authenticate"))[0]
            return self.ask(body, action)
        if answer.status != 200 or b"Fault" in content:
            raise RuntimeError(f"{action}: status {answer.status}: {content[:200]!r}")
        return took

    def memory_mib(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def close(self):
        self.connection.close()
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def peer():
    """The folder that holds ipycam, None when it cannot be had."""
    if not (CACHE / "ipycam").is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        got = subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(CACHE), "ipycam==1.3.0"],
            check=False,
            capture_output=True,
        )
        wheels = sorted(CACHE.glob("ipycam-1.3.0*.whl"))
        if got.returncode or not wheels:
            return None
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(CACHE)
    return CACHE


def medians(servers):
    """Median milliseconds per operation and server, queried in turn so that the machine's load falls on both."""
    times = {(name, which): [] for name in OPERATIONS for which in range(len(servers))}
    for round_ in range(ROUNDS + 5):
        for name, body in OPERATIONS.items():
            service = names.TRT if "trt:" in body[:6] else names.TDS
            for which, server in enumerate(servers):
                took = server.ask(envelope(body), f"{service}/{name}")
                if round_ >= 5:
                    times[name, which].append(took * 1000)
    return {key: statistics.median(found) for key, found in times.items()}


def figures():
    """Figures and table rows of both servers."""
    where = peer()
    with tempfile.TemporaryDirectory() as state:
        servers = [Server(OURS, state)]
        if where is not None:
            servers.append(Server(THEIRS, extra_path=str(where)))
        try:
            found = medians(servers)
            memory = [server.memory_mib() for server in servers]
        finally:
            for server in servers:
                server.close()
    rows = [("operation", "ours ms", "ipycam ms", "ratio")]
    ratios = []
    for name in OPERATIONS:
        ours, theirs = found[name, 0], found.get((name, 1))
        ratios.append(ours / theirs if theirs else None)
        rows.append((name, ours, theirs or "-", ratios[-1] if theirs else "-"))
    rows.append(("memory MiB", memory[0], memory[1] if len(memory) > 1 else "-", "-"))
    over = sum(found[name, 0] for name in OPERATIONS) / sum(found[name, 1] for name in OPERATIONS) if where else None
    return {
        "latency_ms": statistics.median(found[name, 0] for name in OPERATIONS),
        "latency_over_ipycam": over,
        "latency_over_ipycam_worst": max(ratios) if where else None,
        "startup_s": servers[0].report["startup_s"],
        "memory_mib": memory[0],
        "memory_mib_ipycam": memory[1] if where else None,
    }, rows


if __name__ == "__main__":
    numbers, table = figures()
    report("onvif_latency", {"rounds": ROUNDS, "operations": len(OPERATIONS)}, numbers, table)
