"""Times in the night in which the clocks are put back: each of the two hours can be named, and is shown once."""

import json

import pytest
from page_box import Scene
from page_browser import CONTRAST, NAMELESS, chromium, opened, served, sign_in, until

pytestmark = pytest.mark.e2e
# By zone: a wall time that comes twice, its two instants, and one that never comes.
NIGHTS = {
    "Europe/Berlin": ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-03-29 02:30:00"),
    "America/New_York": ("2026-11-01 01:30:00", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-03-08 02:30:00"),
    "Australia/Lord_Howe": (
        "2026-04-05 01:45:00", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-10-04 02:15:00",
    ),
}  # fmt: skip
TIMES = """async ([text, first, second, never]) => {
  const times = await import('/static/parts/times.js');
  const said = [first, second].map((one) => Date.parse(one) * 1000);
  const [a, b] = said;
  const marks = times.marks(a - 7200e6, b + 7200e6, 1800e6);
  return { found: times.instants(text), said, never: times.instants(never), clocks: said.map(times.clock),
    back: said.map((one) => times.instants(times.toField(one)).includes(one)), usual: times.clock(a - 86400e6 * 3),
    marks, labels: marks.map(times.clockMinute), odd: times.instants('2026-02-30 10:00:00') };
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("scene"))
    with served(scene, tmp_path_factory.mktemp("box"), history_s=20) as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("zone", NIGHTS)
def test_a_repeated_hour_has_two_instants_and_each_is_written_and_marked_once(browser, address, zone):
    with opened(browser, timezone_id=zone) as page:
        page.goto(address)
        told = page.evaluate(TIMES, list(NIGHTS[zone]))
    assert told["found"] == told["said"]
    assert told["never"] == told["odd"] == []
    assert all(told["back"])
    assert len(set(told["clocks"])) == 2
    assert len(told["usual"]) == len("01:30:00"), "no offset where there is no doubt"
    assert len(told["labels"]) == len(set(told["labels"])) >= 8
    steps = {b - a for a, b in zip(told["marks"], told["marks"][1:], strict=False)}
    assert steps == {1800e6}, "even where wall time jumps"


def test_both_hours_can_be_asked_for_in_the_log_and_in_a_search(browser, address):
    text, first, second, never = NIGHTS["Europe/Berlin"]
    with opened(browser, timezone_id="Europe/Berlin") as page:
        sign_in(page, address, "admin")
        page.goto(f"{address}#audit")
        page.wait_for_selector("[data-test=entry]")
        with page.expect_request(lambda request: f"start={first[:19].replace(':', '%3A')}" in request.url):
            page.fill(".time-field input >> nth=0", text)
        page.wait_for_selector("[data-test=twice]")
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(NAMELESS) == []
        with page.expect_request(lambda request: f"start={second[:19].replace(':', '%3A')}" in request.url):
            page.select_option("[data-test=twice]", index=1)
        page.fill(".time-field input >> nth=0", never)
        until(page, "document.querySelector('.time-field input').validationMessage.startsWith('There is no such time')")

        page.goto(f"{address}#search")
        page.wait_for_selector("[data-test=card]")
        page.click(".chip:has-text('from – to')")
        page.fill(".range .time-field input >> nth=0", text)

        def asks(request):
            body = json.loads(request.post_data or "{}")
            return request.url.endswith("/api/searches") and (body.get("start") or "").startswith(second[:19])

        with page.expect_request(asks):
            page.select_option(".range [data-test=twice]", index=1)
