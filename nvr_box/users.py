"""Accounts: scrypt verifiers, rights, and a brake on guessing."""

from collections.abc import Iterable

from nvr_box.rights import Account, Right


class Users:
    """Accounts in the store. Web sessions (cookies, idle time) belong to the page; rights are re-read on every ask."""

    async def authenticate(self, name: str, password: str, *, peer: str) -> Account:
        """Check a password; writes the audit entry either way.

        Raises:
            Refused: wrong name or password (the same sentence for both), or too many failures: says for how long.
        """
        raise NotImplementedError

    def get(self, name: str) -> Account | None:
        """The account as it is now, None when it was removed; call on every request of a session."""
        raise NotImplementedError

    def list(self, by: Account) -> tuple[Account, ...]:
        """All accounts; needs `ADMIN`."""
        raise NotImplementedError

    async def put(
        self,
        by: Account,
        name: str,
        *,
        password: str | None = None,
        rights: Iterable[Right] | None = None,
        cameras: Iterable[int] | None = None,
    ) -> Account:
        """Create or change an account; None leaves a part as it is. Needs `ADMIN`.

        Raises:
            ConfigError: the name or password does not meet the rules; says which.
        """
        raise NotImplementedError

    async def remove(self, by: Account, name: str) -> None:
        """Remove an account; needs `ADMIN`; the last admin stays (`ConfigError`)."""
        raise NotImplementedError
