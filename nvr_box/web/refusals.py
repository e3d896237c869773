"""The box's own sentences for what its page cannot say in detail; kinds and statuses are those of `base/refusals.py`.

The page says what happened in plain words, what goes on regardless, and what to do next.
"""

from base import refusals
from base.errors import Error

FULL = (
    "The box's disk is full, so this was not done. The red notice says what the box does about it;"
    " an administrator has to free space or put in a larger disk."
)
DATABASE = (
    "The box's database does not take this now, so nothing was changed. Try again in a minute; if it stays so,"
    " an administrator runs `python -m nvr_box check` on the box."
)
DISK = (
    "The box's disk does not let this be read or written, so nothing was changed. Try again in a minute; if it stays"
    " so, an administrator looks at the disk: the box's log names the file."
)
CONFIG = "A file of the box's configuration cannot be used; the box's log says which, and an administrator changes it."
SYSTEM = (
    "The box's system does not do its part of this. Try again in a minute; if it stays so, an administrator looks into"
    " the box's log, which says why."
)
UNFORESEEN = (
    "The box made a mistake with this, and its log says which. Recording is not affected; try again,"
    " and if it stays so, send the log to whoever looks after the box."
)
_WORDS = refusals.Words(full=FULL, database=DATABASE, disk=DISK, config=CONFIG, system=SYSTEM)


def sentence(error: Error) -> str:
    """What the page shows: never a path, SQL, or a library's own words about a disk."""
    return refusals.sentence(error, _WORDS)
