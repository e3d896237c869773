"""One of the two programs, started, restarted when it dies, and ended."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
END_S = 4.5
READY_S = 90.0
_RESTART_S = 1.0


class DemoProcess:
    """`python -m module --config FILE`, as systemd's Restart=always would keep it.

    It runs in a session of its own, so that Ctrl-C is ours to pass on; what it prints on stderr goes to `log`.
    """

    def __init__(self, module: str, config: Path, log: Path) -> None:
        self.module, self._config, self._log = module, config, log
        self._ready: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._process: asyncio.subprocess.Process | None = None
        self._ending = False
        self._keeper = asyncio.create_task(self._keep(), name=f"keeper of {module}")

    async def _keep(self) -> None:
        while not self._ending:
            with self._log.open("ab") as stderr:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", self.module, "--config", str(self._config),
                    cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=stderr, start_new_session=True,
                )  # fmt: skip
            assert self._process.stdout is not None
            async for line in self._process.stdout:
                head, *words = line.decode(errors="replace").split() or [""]
                if head == "READY":
                    await self._ready.put(dict(word.split("=", 1) for word in words if "=" in word))
            status = await self._process.wait()
            if not self._ending:
                print(f"  {self.module} ended with status {status}; starting it again", flush=True)
                await asyncio.sleep(_RESTART_S)

    async def until_ready(self) -> dict[str, str]:
        """The next READY line's pairs; ends the demo, showing the log's end, when none comes in time."""
        try:
            return await asyncio.wait_for(self._ready.get(), READY_S)
        except TimeoutError:
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            raise SystemExit(f"demo: {self.module} did not come up; the end of {self._log}:\n{tail}") from None

    async def ended(self) -> None:
        """Ask it to end, and insist before five seconds are over."""
        self._ending = True
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(process.wait(), END_S)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
