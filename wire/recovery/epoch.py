"""How far a track's number names the same object: from one start of the camera to the next.

`wire/recovery.md`, "Parts": a group of pictures goes on with the part before it only where the stream says so itself.
"""

from dataclasses import dataclass

from wire.recovery.unit_reader import GopManifest, KeyUnit


@dataclass(slots=True)
class StreamEpochs:
    """Counts the parts of a stream, in order; `number` is that of the group of pictures at hand, 1 for the first."""

    number: int = 1
    _before: KeyUnit | None = None

    def begin(self, unit: KeyUnit, manifest: GopManifest | None, *, impostor: bool) -> None:
        """A group of pictures begins.

        Args:
            manifest: what came with it.
            impostor: whether the camera's signature on that manifest is known to be wrong.
        """
        before, self._before = self._before, unit
        if before is None or unit.hash == before.hash:
            return
        if impostor or not _follows(before, unit, manifest):
            self.number += 1


def _follows(before: KeyUnit, unit: KeyUnit, manifest: GopManifest | None) -> bool:
    """Whether the camera that began `unit` says that it made `before` just before it."""
    return (
        manifest is not None
        and manifest.camera_id == unit.camera_id == before.camera_id
        and manifest.gop_id == before.gop_id
        and unit.gop_id == before.gop_id + 1 & 0xFFFFFFFF
        and manifest.first_seq == before.first_seq
        and unit.first_seq == before.first_seq + manifest.frames & 0xFFFFFFFF
    )
