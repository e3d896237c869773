"""The reveal process: `python -m nvr_box.reveal.process`, started by the box for one reveal, ended with it.

It alone opens private keys. It reads requests on standard input and answers on standard output (`pipe.py`); it writes
no file, keeps no swap where the system allows, leaves no core, and ends by itself when the time is up, when the pipe
closes, or when the box goes.
"""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from base import libav, logs, service
from base.errors import Error, SealError, WireError
from nvr_box.keys import day as day_keys
from nvr_box.keys.passphrase import unlocked
from nvr_box.record.access_units import access_units
from nvr_box.record.media_segment import MediaSegment
from nvr_box.reveal import card, pipe
from nvr_box.reveal.render import Renderer, whole_gop
from nvr_box.reveal.verdicts import Verdicts, added
from wire import hold, thumbnail
from wire.keys import Identity, Recipient
from wire.recovery.reader import NO_KEY_UNIT, NO_RECOVERY_DATA, Reader

log = logging.getLogger(__name__)


class Process:
    """State between requests: the unlocked keys and the play that is on."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._identities: list[Identity] = []
        self._held = hold.Held({})
        self._mark = ""
        self._renderer: Renderer | None = None
        self._looking: Renderer | None = None
        self._verdicts = Verdicts()

    def answer(self, head: dict[str, Any], body: bytes) -> None:
        """One request; whatever goes wrong with it is said in the last answer."""
        try:
            self._requests[head["op"]](self, head, body)
        except Error as error:
            self._say({"done": True, "error": str(error), "refused": isinstance(error, SealError)})
        except (KeyError, TypeError, ValueError) as error:
            # By its kind alone: the words of an exception may quote a passphrase.
            self._say({"done": True, "error": f"a request that is none: {type(error).__name__}", "refused": False})

    def _unlock(self, head: dict[str, Any], _body: bytes) -> None:
        """Every key that the passphrases open, and the days behind them; the process ends `seconds` later."""
        self._mark = str(head["mark"])
        ends = threading.Timer(float(head["seconds"]), _end)
        ends.daemon = True
        ends.start()
        operators = unlocked([Path(path) for path in head["operators"]], [str(each) for each in head["passphrases"]])
        self._identities = list(operators)
        for path in head["days"]:
            with contextlib.suppress(SealError):
                self._identities.append(day_keys.unseal(Path(path), operators))
        if not self._identities:
            raise SealError("the passphrase opens no reveal key of this box")
        self._held = _held([Path(path) for path in head["holds"]], operators)
        self._say({"done": True, "kids": [each.kid.hex() for each in self._identities]})

    def _play(self, head: dict[str, Any], _body: bytes) -> None:
        """Begin a play; what was on before is forgotten, but not what was counted: the log is about the session."""
        self._renderer = self._new(head)
        self._renderer.verdicts = self._verdicts
        self._say({"done": True})

    def _gop(self, head: dict[str, Any], body: bytes) -> None:
        if self._renderer is None:
            raise WireError("a GOP without a play")
        init = int(head["init"])
        for piece in self._renderer.gop(body[:init], int(head["segment_us"]), body[init:]):
            self._piece(piece)
        self._verdicts = self._renderer.verdicts
        self._say({"done": True, "verdicts": asdict(self._verdicts)})

    def _finish(self, _head: dict[str, Any], _body: bytes) -> None:
        renderer, self._renderer = self._renderer, None
        if renderer is not None:
            for piece in renderer.finish():
                self._piece(piece)
        self._say({"done": True})

    def _look(self, head: dict[str, Any], _body: bytes) -> None:
        """Begin to look for one picture, beside a play."""
        self._looking = self._new(head)
        self._say({"done": True})

    def _still(self, head: dict[str, Any], body: bytes) -> None:
        """Another GOP on the way to it; the picture after the last."""
        if self._looking is None:
            raise WireError("a still without a look")
        init = int(head["init"])
        self._looking.look(body[:init], int(head["segment_us"]), body[init:], int(head["utc_us"]))
        self._say({"done": True})

    def _jpeg(self, _head: dict[str, Any], _body: bytes) -> None:
        looking, self._looking = self._looking, None
        if looking is None:
            raise WireError("a picture without a look")
        jpeg, said = looking.jpeg()
        self._verdicts = added(self._verdicts, said)
        if self._renderer is not None:
            self._renderer.verdicts = self._verdicts
        self._say({"done": True, "verdicts": asdict(self._verdicts)}, jpeg)

    def _hold(self, head: dict[str, Any], body: bytes) -> None:
        """The content key of one GOP, sealed to a case: the record of a hold file, empty when it does not open.

        `found` says whether the GOP begins here and has a key unit at all.
        """
        init, case = int(head["init"]), Recipient(bytes.fromhex(head["case"]))
        codec, units = access_units(whole_gop(body[:init], int(head["segment_us"]), body[init:]))
        first = next(units, None)
        if first is None or not first.key:
            self._say({"done": True, "found": False})
            return
        reader = Reader(self._identities, codec, held=self._held)
        found = reader.open(first.data).reason not in {NO_RECOVERY_DATA, NO_KEY_UNIT}
        opened = reader.content_key
        self._say({"done": True, "found": found}, hold.record(*opened, case) if opened else b"")

    def _hold_card(self, head: dict[str, Any], body: bytes) -> None:
        """The content key of a best shot, sealed to a case: the record of a hold file, empty when it does not open."""
        opened = thumbnail.content_key(body, self._identities, self._held)
        self._say({"done": True}, hold.record(*opened, Recipient(bytes.fromhex(head["case"]))) if opened else b"")

    def _card(self, head: dict[str, Any], body: bytes) -> None:
        """A stored best shot without its mask."""
        self._say({"done": True}, card.opened(body, self._identities, self._held, _camera(head), self._mark))

    def _new(self, head: dict[str, Any]) -> Renderer:
        if not self._identities:
            raise SealError("nothing is unlocked")
        point = head["point"]
        return Renderer(
            self._identities,
            *_camera(head),
            mark=self._mark,
            from_us=int(head["from_us"]),
            until_us=int(head["until_us"]),
            point=(float(point[0]), float(point[1])) if point else None,
            point_us=int(head["point_us"]),
            held=self._held,
        )

    def _piece(self, piece: MediaSegment) -> None:
        head = {"mime": piece.mime, "utc_us": piece.utc_us, "start_s": piece.start_s, "duration_s": piece.duration_s}
        self._say(head, piece.data)

    def _say(self, head: dict[str, Any], body: bytes = b"") -> None:
        self._out.write(pipe.pack(head, body))
        self._out.flush()

    _requests = {  # noqa: RUF012 - never changed
        "unlock": _unlock, "play": _play, "gop": _gop, "finish": _finish, "look": _look, "still": _still,
        "jpeg": _jpeg, "hold": _hold, "card": _card, "hold-card": _hold_card,
    }  # fmt: skip


def _camera(head: dict[str, Any]) -> tuple[bytes | None, bytes | None]:
    """Signing key and id of the camera that is revealed; both are None of another make's."""
    signing_key, camera_id = head["signing_key"], head["camera_id"]
    return bytes.fromhex(signing_key) if signing_key else None, bytes.fromhex(camera_id) if camera_id else None


def _held(paths: Sequence[Path], identities: Sequence[Identity]) -> hold.Held:
    """What of the hold files these identities open."""
    held = hold.Held({})
    for path in paths:
        for identity in identities:
            with contextlib.suppress(SealError, WireError, OSError):
                held |= hold.unseal(path.read_bytes(), identity)
                break
    return held


def main() -> int:
    """Serve standard input until it ends."""
    logs.start("reveal")
    service.die_with_parent()
    service.keep_secrets()
    libav.bound_allocations()
    process = Process(sys.stdout.buffer)
    # A stray print must not break the pipe.
    sys.stdout = sys.stderr
    try:
        while (message := pipe.read(sys.stdin.buffer)) is not None:
            process.answer(*message)
    except (Error, BrokenPipeError) as error:
        log.warning("ended: %s", error)
        return 1
    return 0


def _end() -> None:
    log.info("the time is up")
    # At once, whatever the main thread is doing: a reveal does not outlive its time.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
