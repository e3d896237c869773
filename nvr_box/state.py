"""Where things lie in the state folder, and who acts without an account."""

from nvr_box.rights import Account, Right

RECORDINGS, DATABASE, KEYS, LOCK = "recordings", "box.db", "keys", "lock"
FIRST_PASSWORD = "first-password"  # noqa: S105 - the name of a file
# Whoever holds the shell of the box; used by the command line and the first start, never by the page.
CONSOLE = Account("console", frozenset({Right.ADMIN, Right.VIEW, Right.APPROVE}))
