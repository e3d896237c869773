"""Lost entries of the audit log, accepted by an administrator: `python -m nvr_box accept-loss REASON`.

A log that lacks what the box signed is signed no further, so that a cut cannot pass unseen. After an accident (a disk
that lost a page) an administrator has to say so: the old head is put aside as the proof of what there was, an entry of
its own names what was lost, and the box signs on from there. `check` and the page go on reporting the loss, and
packages of evidence whose entries are among the lost do not verify.
"""

from pathlib import Path
from typing import Any

from base.errors import Conflict, Invalid, SealError, StoreError, WireError
from nvr_box.audit import head as audit_head
from nvr_box.audit.log import Audit
from nvr_box.db.database import Store
from nvr_box.maintenance import repair


async def accept(store: Store, log: Audit, folder: Path, *, actor: str, reason: str, signing_key: str | None) -> str:
    """Put the signed head aside that the log does not hold any more; returns what was lost, as a sentence.

    Args:
        signing_key: the box's, hex, None where there is none.

    Raises:
        RequestError: nothing is lost, or no reason is given.
        StoreError: the log or the head cannot be written.
    """
    if not reason.strip():
        raise Invalid("accept-loss: give the reason in words; it stays in the log", "reason")
    path = folder / audit_head.FILE
    head, fault = None, ""
    try:
        head = audit_head.read(path)
    except (SealError, WireError) as error:
        fault = str(error)
    if head is not None:
        fault = await store.read(head.fault)
        if not fault and signing_key is not None and head.signing_key != signing_key:
            fault = f"{path} was signed by another box"
    if not fault:
        raise Conflict("accept-loss: the log holds everything that the box signed; nothing was lost")
    details: dict[str, Any] = {"why": fault}
    if head is not None:
        details |= {"signed_entry": head.number, "signed_hash": head.hash, "signed_utc_us": head.utc_us}
    damage = await store.read(repair.last)
    if damage is not None:
        details |= {"damage_utc_us": damage.utc_us, "damage_lost": damage.lost.get("audit", 0)}
    # First the entry: a head that is gone without one looks like an attack.
    entry = await log.write(actor, audit_head.ACCEPTED, reason=reason, **details)
    try:
        path.rename(folder / audit_head.ASIDE.format(entry.number))
    except OSError as error:
        raise StoreError(f"{path}: cannot be put aside: {error.strerror}") from error
    return fault
