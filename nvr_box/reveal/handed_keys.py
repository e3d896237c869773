"""What a page that opens a reveal itself is handed: as little as it can do with, and all of it sealed.

The asking operator's own keys under their passphrase, and the keys of one camera's days as sealed to those. No other
operator's key, no other camera's, no day beside those requested, and nothing of cases: the box opens those.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from base.errors import RightRefused
from nvr_box.keys import day as day_keys
from nvr_box.keys.store import KeyFolder
from nvr_box.reveal.scope import Scope

PROOF_INFO = b"veilcam proof 1"
_NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class HandedKeys:
    """The sealed tables for one session.

    Attributes:
        operators: key files of the asking operator; none where they keep the file themselves.
        days: day keys of the camera, each sealed to that operator alone.
        proofs: by key id, `nonce` sealed to the operator's public key: opening one proves the key.
        names: of the days, for the log.
    """

    operators: tuple[Mapping[str, Any], ...]
    days: tuple[Mapping[str, Any], ...]
    proofs: Mapping[str, str]
    names: tuple[str, ...]
    nonce: bytes

    @property
    def kids(self) -> Sequence[str]:
        """Ids of the operator's keys."""
        return tuple(self.proofs)

    def tables(self) -> dict[str, Any]:
        """For the page."""
        return {"operators": list(self.operators), "days": list(self.days), "proofs": dict(self.proofs)}


def handed(keys: KeyFolder, name: str, camera_id: str, limits: Scope) -> HandedKeys:
    """What the page of the account `name` is given for a reveal of one camera.

    Raises:
        Refused: the box knows no key of theirs, or a day's key is every camera's.
        Error: a key file is damaged.
    """
    own = keys.own(name)
    if not own:
        raise RightRefused("the box knows no reveal key of yours: let the box open it, or have one assigned to you")
    kids = frozenset(each.kid.hex() for each in own)
    days, names = [], []
    for day in keys.days_of(camera_id, *limits.dates):
        table = day_keys.for_kids(day.path, kids)
        if table is None:
            continue
        if not day.camera_id:
            raise RightRefused(f"the key of {day.date} is every camera's: the box opens that day itself")
        days.append(table)
        names.append(day.day)
    nonce = os.urandom(_NONCE_BYTES)
    proofs = {each.kid.hex(): each.seal(nonce, PROOF_INFO).hex() for each in own}
    return HandedKeys(keys.sealed_files(kids), tuple(days), proofs, tuple(names), nonce)
