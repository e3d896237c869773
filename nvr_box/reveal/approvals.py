"""Reveals that a second person has to agree to: requested, shown to the approvers, answered in time.

Requests are kept in memory: a restart of the box forgets them, and they are made again. The log keeps them all.
"""

import secrets
from dataclasses import dataclass, replace
from enum import Enum

from base.clock import boot_us, utc_us
from base.errors import RightRefused, StoreError
from nvr_box.audit.log import Audit
from nvr_box.reveal.scope import Point, Scope, sound
from nvr_box.rights import Account, Right

LEAST_REASON = 8
_LASTS_US = 10 * 60_000_000
_MOST_OF_ONE = 5


class RequestState(Enum):
    """Where a request stands; the value is what the page reads."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RevealRequest:
    """An account's request to reveal `camera` from `from_us` on and before `until_us`.

    Attributes:
        point: x, y as shares of the picture, one person only; None for the whole picture.
        expires_us: until when it may be answered and, once approved, used, as people read it.
        until_boot_us: the same by a clock that is never set.
        approver: the account that answered, empty until then.
        why: their words.
    """

    key: str
    account: str
    camera: int
    reason: str
    from_us: int
    until_us: int
    point: Point | None
    asked_us: int
    expires_us: int
    until_boot_us: int
    state: RequestState = RequestState.WAITING
    approver: str = ""
    why: str = ""

    @property
    def is_over(self) -> bool:
        """Whether its time is up; a clock that was set back gives it no more."""
        return utc_us() >= self.expires_us or boot_us() >= self.until_boot_us

    @property
    def scope(self) -> Scope:
        """What a reveal under it may show."""
        return Scope(self.camera, self.from_us, self.until_us, self.from_us, self.point, limited=True)


def sound_reason(reason: str) -> str:
    """The reason with its blanks put in order.

    Raises:
        Refused: it is too short to be one.
    """
    reason = " ".join(reason.split())
    if len(reason) < LEAST_REASON:
        raise RightRefused(f"a reason of at least {LEAST_REASON} characters is needed")
    return reason


class Approvals:
    """The requests.

    Args:
        wanted: whether a reveal needs a second person at all.
        minutes: of recording that a request is for which names no end.
    """

    def __init__(self, log: Audit, *, wanted: bool, minutes: float = 5.0) -> None:
        self._log = log
        self.wanted = wanted
        self._minutes = minutes
        self._requests: dict[str, RevealRequest] = {}

    async def ask(
        self,
        account: Account,
        camera: int,
        *,
        reason: str,
        from_us: int,
        until_us: int | None = None,
        point: Point | None = None,
    ) -> RevealRequest:
        """Put a request to the approvers; needs `REVEAL` and `VIEW`.

        Raises:
            Refused: a right, the reason, the stretch of time, or too many requests of the same person are waiting.
        """
        until_us = from_us + round(self._minutes * 60e6) if until_us is None else until_us
        try:
            account.demand(Right.REVEAL, camera)
            account.demand(Right.VIEW, camera)
            reason = sound_reason(reason)
            sound(from_us, until_us)
            if len(self.of(account)) >= _MOST_OF_ONE:
                raise RightRefused("other requests of yours are waiting; take one back first")
        except RightRefused as refusal:
            await self._log.write(
                account.name, "reveal-ask", camera=camera, reason=reason, granted=False, why=str(refusal)
            )
            raise
        now_us = utc_us()
        key = secrets.token_urlsafe(12)
        until = now_us + _LASTS_US, boot_us() + _LASTS_US
        request = RevealRequest(key, account.name, camera, reason, from_us, until_us, point, now_us, *until)
        # Before the log is written: many asking at once must not get past the limit.
        self._requests[key] = request
        try:
            await self._log.write(
                account.name, "reveal-ask", camera=camera, reason=reason, key=key, whole=point is None,
                start_us=from_us, end_us=until_us,
            )  # fmt: skip
        except StoreError:
            self._requests.pop(key, None)
            raise
        return request

    def of(self, account: Account) -> tuple[RevealRequest, ...]:
        """What `account` has requested and not used yet, answered or not."""
        return tuple(each for each in self._alive() if each.account == account.name)

    def to_answer(self, account: Account) -> tuple[RevealRequest, ...]:
        """What others wait for and `account` may approve."""
        waiting = (each for each in self._alive() if each.state is RequestState.WAITING)
        return tuple(
            each for each in waiting if each.account != account.name and account.may(Right.APPROVE, each.camera)
        )

    async def answer(self, account: Account, key: str, *, approve: bool, why: str) -> RevealRequest:
        """Approve or refuse; needs `APPROVE` for the camera, and to be another person.

        Raises:
            Refused: the right is missing, it is one's own request, it was answered, or its time is up.
        """
        request = self._get(key)
        try:
            account.demand(Right.APPROVE, request.camera)
            if request.account == account.name:
                raise RightRefused("somebody else has to approve what you asked for")
            if request.state is not RequestState.WAITING or request.approver:
                raise RightRefused(f"{request.approver} has answered this already")
        except RightRefused as refusal:
            await self._write(account, request, granted=False, why=str(refusal))
            raise
        state = RequestState.APPROVED if approve else RequestState.REFUSED
        answered = replace(request, state=state, approver=account.name, why=" ".join(why.split()))
        # Before the log is written: two approvers' answers must not cross. Until it is, nothing may be taken on it.
        self._requests[key] = replace(answered, state=RequestState.WAITING)
        try:
            await self._write(account, answered, granted=True, answer=state.value, why=answered.why)
        except StoreError:
            self._requests[key] = request
            raise
        if key in self._requests:  # not taken back meanwhile
            self._requests[key] = answered
        return answered

    def withdraw(self, account: Account, key: str) -> None:
        """Take one's own request back; nothing when it is gone."""
        request = self._requests.get(key)
        if request is not None and request.account == account.name:
            del self._requests[key]

    def approved(self, account: Account, camera: int, key: str) -> RevealRequest:
        """The approved request under which `account` may reveal `camera` now.

        Raises:
            Refused: there is none: not requested, not answered yet, refused, used or too old.
        """
        request = self._requests.get(key)
        if request is None or request.account != account.name or request.camera != camera:
            raise RightRefused("a second person has to approve this reveal first")
        if request.is_over:
            raise RightRefused("the approval is too old; ask again")
        if request.state is RequestState.WAITING:
            raise RightRefused("nobody has approved this reveal yet")
        if request.state is RequestState.REFUSED:
            raise RightRefused(f"{request.approver} refused this reveal")
        return request

    def claim(self, request: RevealRequest) -> None:
        """An approval is good for one reveal: from here on it is used, however many ask at once."""
        del self._requests[request.key]

    def give_back(self, request: RevealRequest) -> None:
        """Nothing was shown under it: it may be used again while it lasts."""
        self._requests[request.key] = request

    def _alive(self) -> list[RevealRequest]:
        self._requests = {key: each for key, each in self._requests.items() if not each.is_over}
        return list(self._requests.values())

    def _get(self, key: str) -> RevealRequest:
        for each in self._alive():
            if each.key == key:
                return each
        raise RightRefused("this request is gone: it was used, taken back, or its time is up")

    async def _write(self, account: Account, request: RevealRequest, *, granted: bool, **details: str) -> None:
        await self._log.write(
            account.name, "reveal-answer", camera=request.camera, reason=request.reason, granted=granted,
            key=request.key, asked_by=request.account, **details,
        )  # fmt: skip
