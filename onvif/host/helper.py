"""The privileged program: one request on standard input, one answer on standard output, then it ends.

Started as root by `veilcam-host.socket` for each connection (systemd.socket(5), Accept=yes), whose mode and group say
which accounts may connect. It takes a line of JSON, does what `verbs` makes of it, and answers `{"done": true}` or
`{"refused": why}` or `{"failed": why}`; nothing of the request reaches a shell.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from base.files import write_atomically
from onvif.host.verbs import CommandRefused, FileContent, Step, steps

LONGEST = 8192
"""Bytes of a request."""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_PATIENCE_S = 30.0


def answer(line: bytes, root: Path, path: str = PATH) -> dict[str, object]:
    """Do one request.

    Args:
        line: as it came.
        root: of the host's files.
        path: where the host's programs are.
    """
    try:
        if len(line) > LONGEST:
            raise CommandRefused(f"a request has at most {LONGEST} bytes")
        todo = steps(json.loads(line))
    except (ValueError, RecursionError) as problem:
        return {"refused": f"the request is no JSON: {problem}"[:200]}
    except CommandRefused as refusal:
        return {"refused": str(refusal)}
    try:
        for step in todo:
            _do(step, root, path)
    except (OSError, subprocess.SubprocessError) as problem:
        return {"failed": str(problem)[:400]}
    return {"done": True}


def _do(step: Step, root: Path, path: str) -> None:
    if isinstance(step, FileContent):
        file = root / step.path
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, step.text.encode(), mode=0o644)
        return
    program = _program(step.arguments[0], path)
    result = subprocess.run(
        [program, *step.arguments[1:]], env={"PATH": path, "LC_ALL": "C"}, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=_PATIENCE_S, check=False,
    )  # fmt: skip
    if result.returncode and not step.may_fail:
        output = (result.stderr or result.stdout).decode(errors="replace").strip()
        raise OSError(f"{step.arguments[0]} ended with {result.returncode}: {output[:200]}")


def _program(name: str, path: str) -> str:
    for folder in path.split(":"):
        found = Path(folder) / name
        if os.access(found, os.X_OK):
            return str(found)
    raise OSError(f"the host has no {name}")


def main(requests: BinaryIO, replies: BinaryIO, root: Path = Path("/")) -> None:
    """One request and its answer."""
    line = requests.readline(LONGEST + 1)
    replies.write(json.dumps(answer(line, root)).encode() + b"\n")
    replies.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
