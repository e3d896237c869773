"""Where things lie in the state folder, and the accounts of the box itself."""

from nvr_box.rights import Account, Right

RECORDINGS, DATABASE, KEYS, LOCK = "recordings", "box.db", "keys", "lock"
FIRST_PASSWORD = "first-password"  # noqa: S105 - the name of a file
# The person at the shell of the box; used by the command line and the first start, never by the page.
CONSOLE = Account("console", frozenset({Right.ADMIN, Right.VIEW, Right.APPROVE}))
