"""The rights of accounts: five, each granted for every camera or for some.

The parts of the box ask `Account.demand` themselves, so that the page, the ONVIF services and the command line
cannot differ in what they allow.
"""

from dataclasses import dataclass
from enum import Enum

from base.errors import RightRefused


class Right(Enum):
    """What an account may do. `ADMIN` does not include `REVEAL`: running the box is not a reason to see faces."""

    VIEW = "viewer"
    OPERATE = "operator"
    REVEAL = "reveal"
    APPROVE = "approve"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Account:
    """One person as the box knows them.

    Attributes:
        name: what they sign in with; also what the audit log and the watermark show.
        rights: what they hold; `OPERATE` (search, export masked) implies nothing else.
        cameras: the cameras (box-local numbers) the rights hold for, None for every camera.
    """

    name: str
    rights: frozenset[Right]
    cameras: frozenset[int] | None = None

    def may(self, right: Right, camera: int | None = None) -> bool:
        """Whether `right` is held, for `camera` when one is named."""
        return right in self.rights and (camera is None or self.cameras is None or camera in self.cameras)

    def demand(self, right: Right, camera: int | None = None) -> None:
        """Raise `RightRefused` unless `may(right, camera)`."""
        if not self.may(right, camera):
            where = "" if camera is None else f" for camera {camera}"
            raise RightRefused(f"{self.name} does not hold the right {right.value!r}{where}")

    def demand_everywhere(self, right: Right) -> None:
        """Raise `RightRefused` unless `right` is held for every camera: for what concerns the box as a whole."""
        self.demand(right)
        if self.cameras is not None:
            raise RightRefused(
                f"{self.name} holds the right {right.value!r} for some cameras only; this is about every one"
            )
