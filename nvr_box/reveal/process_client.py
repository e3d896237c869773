"""The box's end of the pipes to a reveal process."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from base.errors import NotFound, RightRefused, WireError
from nvr_box.keys.store import Sealed
from nvr_box.record.recordings import RecordedGop
from nvr_box.reveal import pipe

_ANSWER_S = 30.0
_END_S = 2.0
_ENVIRONMENT = ("PATH", "HOME", "LANG", "PYTHONPATH", "JOURNAL_STREAM", "OMP_NUM_THREADS", "VIRTUAL_ENV")


class Gone(RightRefused):
    """The process has ended, as it does when the time is up."""


class Silent(RightRefused):
    """The process does not answer."""


def unlocking(sealed: Sealed, passphrases: Sequence[str], *, mark: str, seconds: float) -> dict[str, Any]:
    """What opens the keys of a fresh process; it ends `seconds` later."""
    files = {name: [str(path) for path in getattr(sealed, name)] for name in ("operators", "days", "holds")}
    return {"op": "unlock", **files, "passphrases": list(passphrases), "mark": mark, "seconds": seconds}


class RevealProcess:
    """A reveal process. `turn` is held during an exchange with it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.turn = asyncio.Lock()

    @classmethod
    async def launch(cls) -> "RevealProcess":
        """A fresh process, which knows nothing yet."""
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "nvr_box.reveal.process",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={name: value for name, value in os.environ.items() if name in _ENVIRONMENT},
                limit=1 << 20,
            )
        )

    async def ask(
        self, head: dict[str, Any], chunk: RecordedGop | None = None, body: bytes = b""
    ) -> list[pipe.Message]:
        """Say one thing and collect the answers up to the last; `turn` has to be held.

        Raises:
            Refused: a key or passphrase does not fit; `Gone`, `Silent`.
            StoreError: what is recorded does not decode.
        """
        if chunk is not None:
            body = chunk.init + b"".join(data for _, data in chunk.fragments)
            head = {**head, "init": len(chunk.init), "segment_us": chunk.segment_us}
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        answers: list[pipe.Message] = []
        try:
            async with asyncio.timeout(_ANSWER_S):
                process.stdin.write(pipe.pack(head, body))
                await process.stdin.drain()
                while not answers or not answers[-1][0].get("done"):
                    answers.append(await pipe.receive(process.stdout))
        except (WireError, OSError) as error:
            raise Gone("this reveal is over: its process has ended") from error
        except TimeoutError as error:
            raise Silent("this reveal is over: its process does not answer") from error
        last = answers[-1][0]
        if "error" in last:
            raise RightRefused(last["error"]) if last["refused"] else NotFound(last["error"])
        return answers

    async def kill(self) -> None:
        """The keys are in its memory: it gets no time to put anything in order."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self._process.wait()
