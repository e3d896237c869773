"""What the reader said of the pictures shown so far."""

from dataclasses import dataclass, replace

from wire.recovery.reader import NO_RECOVERY_DATA, NOT_A_RECIPIENT, OTHER_CAMERA, OpenedUnit
from wire.recovery.verdict import Check


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Counted in access units, but `unsigned` in GOPs.

    Attributes:
        opened: the originals were restored.
        nothing_masked: opened, and the camera had masked nothing.
        missing: recovery data was removed on the way.
        not_for_us: sealed for another recipient, or by another camera.
        damaged: recovery data does not authenticate.
        waiting: readable, but the pictures it builds on are not; shown masked.
        base_altered: opened, but the masked picture is not what the camera made.
        unsigned: the origin of the GOP could not be proven.
        reason: the newest refusal as a sentence, empty when there was none.
    """

    opened: int = 0
    nothing_masked: int = 0
    missing: int = 0
    not_for_us: int = 0
    damaged: int = 0
    waiting: int = 0
    base_altered: int = 0
    unsigned: int = 0
    reason: str = ""


_COUNTS = tuple(name for name in Verdicts.__dataclass_fields__ if name != "reason")


def counted(before: Verdicts, opened: OpenedUnit, *, revealed: bool, unsigned: int) -> Verdicts:
    """`before` with one more access unit and `unsigned` more GOPs without a valid signature."""
    name = _kind(opened, revealed=revealed)
    values = {name: getattr(before, name) + 1, "unsigned": before.unsigned + unsigned}
    if opened.verdict.base_intact is Check.NO:
        values["base_altered"] = before.base_altered + 1
    return replace(before, reason=opened.reason or before.reason, **values)


def added(before: Verdicts, more: Verdicts) -> Verdicts:
    """Both together."""
    counts = {name: getattr(before, name) + getattr(more, name) for name in _COUNTS}
    return Verdicts(**counts, reason=more.reason or before.reason)


def _kind(opened: OpenedUnit, *, revealed: bool) -> str:
    if opened.payload_au is not None:
        if not opened.payload_au:
            return "nothing_masked"
        return "opened" if revealed else "waiting"
    if opened.reason == NO_RECOVERY_DATA:
        return "missing"
    if opened.reason in {NOT_A_RECIPIENT, OTHER_CAMERA}:
        return "not_for_us"
    return "damaged" if opened.verdict.authentic is Check.NO else "waiting"
