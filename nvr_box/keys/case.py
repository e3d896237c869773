"""Keys of cases, for legal holds: each under a passphrase of its own, with what was sealed to it beside it.

`CASE/case.json` is the key, `CASE/DAY.json` a day key sealed to it, `CASE/CAMERA-NUMBER.hold` the content keys of the
groups of pictures of one hold (`wire/hold.py`).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from base.errors import Invalid, StoreError
from nvr_box.keys.passphrase import long_enough
from wire import keys
from wire.keys import Identity, Recipient

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def sound_name(case: str) -> None:
    """Raise `RequestError` unless this can be a case's name."""
    if not _NAME.fullmatch(case):
        raise Invalid("case: letters, digits, dot, dash and underscore only", "case")


@dataclass(frozen=True, slots=True)
class CaseKeys:
    """The folder of all cases."""

    folder: Path

    def public(self, case: str) -> Recipient | None:
        """The public half of a case's key; None while it has none."""
        path = self.folder / case / "case.json"
        return keys.load_recipient(path) if path.exists() else None

    def ready(self, case: str, passphrase: str) -> Recipient:
        """A case's key, made under `passphrase` where it has none yet.

        Raises:
            RequestError: the name or the passphrase does not do.
            StoreError: the folder cannot be written.
        """
        sound_name(case)
        known = self.public(case)
        if known is not None:
            return known
        long_enough(passphrase)
        identity = Identity.generate(label=f"case {case}")
        path = self.folder / case / "case.json"
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            keys.save(path, identity, passphrase)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        return identity.recipient

    def forget(self, case: str) -> None:
        """Take back a key to which nothing is sealed."""
        if all(path.name == "case.json" for path in (self.folder / case).glob("*")):
            (self.folder / case / "case.json").unlink(missing_ok=True)

    def key_files(self) -> list[Path]:
        """The cases' own keys."""
        return sorted(self.folder.glob("*/case.json"))

    def day_files(self) -> list[Path]:
        """Day keys that are sealed to a case."""
        return [path for path in self.folder.glob("*/*.json") if path.name != "case.json"]

    def hold_files(self, camera: int) -> list[Path]:
        """Content keys of one camera that are sealed to cases."""
        return sorted(self.folder.glob(f"*/{camera}-*.hold"))

    def hold_file(self, case: str, camera: int, number: int) -> Path:
        """Where those of one hold lie."""
        return self.folder / case / f"{camera}-{number}.hold"
