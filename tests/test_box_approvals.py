"""A second person's approval before a reveal: by and for which account, for how long, and what the log keeps."""

import pytest

from base.errors import RightRefused
from nvr_box.audit.log import Audit
from nvr_box.db.database import Store
from nvr_box.reveal import approvals as approvals_
from nvr_box.reveal.approvals import Approvals, RequestState
from nvr_box.rights import Account, Right

ASKER = Account("asker", frozenset({Right.VIEW, Right.REVEAL, Right.APPROVE}))
OFFICER = Account("officer", frozenset({Right.APPROVE}))
ELSEWHERE = Account("elsewhere", frozenset({Right.APPROVE}), frozenset({2}))
GUARD = Account("guard", frozenset({Right.VIEW}))
READER = Account("reader", frozenset({Right.ADMIN}))
REASON = "bicycle theft, case 12"


@pytest.fixture
def log(tmp_path):
    store = Store.open(tmp_path / "box.db")
    yield Audit(store)
    store.close()


@pytest.fixture
def now(monkeypatch):
    clock = {"us": 1_800_000_000_000_000}
    monkeypatch.setattr(approvals_, "utc_us", lambda: clock["us"])
    return clock


@pytest.fixture
def approvals(log, now):
    return Approvals(log, wanted=True)


async def requested(approvals, account=ASKER):
    return await approvals.ask(account, 1, reason=f" {REASON} ", from_us=5, point=(0.5, 0.25))


async def test_an_approved_request_is_good_for_one_reveal(approvals):
    request = await requested(approvals)
    with pytest.raises(RightRefused, match="nobody has approved"):
        approvals.approved(ASKER, 1, request.key)
    answered = await approvals.answer(OFFICER, request.key, approve=True, why="seen the report")
    assert (answered.state, answered.approver, answered.reason, answered.point) == (
        RequestState.APPROVED, "officer", REASON, (0.5, 0.25),
    )  # fmt: skip
    found = approvals.approved(ASKER, 1, request.key)
    approvals.claim(found)
    with pytest.raises(RightRefused, match="a second person has to approve"):
        approvals.approved(ASKER, 1, request.key)
    approvals.give_back(found)
    assert approvals.approved(ASKER, 1, request.key) == found


async def test_it_is_good_for_no_other_account_and_nothing_else(approvals):
    request = await requested(approvals)
    await approvals.answer(OFFICER, request.key, approve=True, why="")
    for account, camera, key in (
        (OFFICER, 1, request.key),
        (ASKER, 2, request.key),
        (ASKER, 1, "other"),
        (ASKER, 1, ""),
    ):
        with pytest.raises(RightRefused, match="a second person has to approve"):
            approvals.approved(account, camera, key)


async def test_only_another_account_with_the_right_may_answer(approvals, log):
    request = await requested(approvals)
    for account, why in ((ASKER, "somebody else"), (GUARD, "'approve'"), (ELSEWHERE, "'approve' for camera 1")):
        with pytest.raises(RightRefused, match=why):
            await approvals.answer(account, request.key, approve=True, why="")
    assert [each.account for each in approvals.to_answer(OFFICER)] == ["asker"]
    assert not any(approvals.to_answer(account) for account in (ASKER, GUARD, ELSEWHERE))
    refused = await log.entries(READER, action="reveal-answer")
    assert [(entry.who, entry.granted) for entry in refused] == [
        ("elsewhere", False),
        ("guard", False),
        ("asker", False),
    ]


async def test_a_refusal_names_account_and_reason_and_is_final(approvals, log):
    request = await requested(approvals)
    await approvals.answer(OFFICER, request.key, approve=False, why="ask the police first")
    with pytest.raises(RightRefused, match="officer refused"):
        approvals.approved(ASKER, 1, request.key)
    with pytest.raises(RightRefused, match="answered this already"):
        await approvals.answer(OFFICER, request.key, approve=True, why="")
    assert approvals.of(ASKER)[0].why == "ask the police first"
    entry = (await log.entries(READER, action="reveal-answer"))[-1]
    assert (entry.details["answer"], entry.details["asked_by"], entry.reason) == ("refused", "asker", REASON)


async def test_time_ends_a_request_and_an_approval(approvals, now):
    waiting, approved = await requested(approvals), await requested(approvals)
    await approvals.answer(OFFICER, approved.key, approve=True, why="")
    now["us"] = approved.expires_us
    with pytest.raises(RightRefused, match="too old"):
        approvals.approved(ASKER, 1, approved.key)
    with pytest.raises(RightRefused, match="gone"):
        await approvals.answer(OFFICER, waiting.key, approve=True, why="")
    assert not approvals.of(ASKER)


async def test_a_clock_that_is_set_back_prolongs_nothing(approvals, now, monkeypatch):
    monkeypatch.setattr(approvals_, "boot_us", lambda: now["boot"])
    now["boot"] = 5_000_000
    waiting, approved = await requested(approvals), await requested(approvals)
    await approvals.answer(OFFICER, approved.key, approve=True, why="")
    now["us"] -= 86_400_000_000
    now["boot"] += 599_000_000
    assert approvals.approved(ASKER, 1, approved.key)
    now["boot"] += 1_000_000
    with pytest.raises(RightRefused, match="too old"):
        approvals.approved(ASKER, 1, approved.key)
    with pytest.raises(RightRefused, match="gone"):
        await approvals.answer(OFFICER, waiting.key, approve=True, why="")


async def test_asking_wants_the_right_a_reason_and_patience(approvals, log):
    with pytest.raises(RightRefused, match="'reveal'"):
        await requested(approvals, GUARD)
    with pytest.raises(RightRefused, match="reason"):
        await approvals.ask(ASKER, 1, reason="theft  ", from_us=0)
    requests = [await requested(approvals) for _ in range(5)]
    with pytest.raises(RightRefused, match="take one back"):
        await requested(approvals)
    approvals.withdraw(GUARD, requests[0].key)
    assert len(approvals.of(ASKER)) == 5, "no account takes back another's"
    approvals.withdraw(ASKER, requests[0].key)
    await requested(approvals)
    tries = await log.entries(READER, action="reveal-ask")
    assert sum(entry.granted for entry in tries) == 6
    assert sum(not entry.granted for entry in tries) == 3
