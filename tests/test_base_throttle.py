"""Guessing: counted before the answer, bounded in time, in numbers and in memory; others go on."""

import contextlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.throttle import Limits, SignIns, Throttle, Throttled, place_of

LIMITS = Limits(free=5, first_s=2.0, longest_s=60.0)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.s = 1000.0

    def __call__(self):
        return self.s


@pytest.fixture
def clock():
    return Clock()


def wrong(throttle, key="anna", times=1):
    for _ in range(times):
        with throttle.attempt(key):
            pass


def test_twelve_tries_at_once_are_twelve_tries(clock):
    throttle = Throttle(LIMITS, clock)
    begun, refused = [], 0
    for _ in range(12):
        try:
            begun.append(throttle.attempt("anna"))
        except Throttled:
            refused += 1
    assert (len(begun), refused) == (5, 7)


def test_many_threads_get_no_more_tries_than_one(clock):
    throttle, tried, together = Throttle(LIMITS, clock), [], threading.Barrier(12)

    def guess():
        together.wait()
        try:
            with throttle.attempt("anna"):
                tried.append(1)
        except Throttled:
            pass

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tried) == 5


def test_where_one_try_at_a_time_is_wanted_another_is_refused_and_does_not_count(clock):
    throttle = Throttle(LIMITS, clock, alone=True)
    with throttle.attempt("anna") as first:
        for _ in range(20):
            with pytest.raises(Throttled):
                throttle.attempt("anna")
        throttle.attempt("bert")
        first.void()
    wrong(throttle, times=5)


def test_the_wait_doubles_to_a_limit_and_never_overflows(clock):
    throttle, waits = Throttle(LIMITS, clock), []
    for _ in range(3000):
        wrong(throttle)
        try:
            throttle.demand("anna")
        except Throttled as held:
            waits.append(held.wait_s)
            clock.s += held.wait_s
    assert waits[:6] == [2, 4, 8, 16, 32, 60]
    assert set(waits[5:]) == {60}
    assert len(waits) == 2996


def test_the_right_answer_forgets_and_one_that_told_nothing_counts_nothing(clock):
    throttle = Throttle(LIMITS, clock)
    for _ in range(20):
        wrong(throttle, times=4)
        with throttle.attempt("anna") as attempt:
            attempt.passed()
    assert len(throttle) == 0
    wrong(throttle, times=4)
    for _ in range(20):
        with throttle.attempt("anna") as attempt:
            attempt.void()
    wrong(throttle)
    with pytest.raises(Throttled):
        throttle.demand("anna")


def test_a_try_that_breaks_off_stays_counted(clock):
    throttle = Throttle(LIMITS, clock)
    for _ in range(5):
        with pytest.raises(KeyError), throttle.attempt("anna"):
            raise KeyError
    with pytest.raises(Throttled):
        throttle.attempt("anna")


def test_wrong_tries_are_forgotten_after_an_hour_and_the_table_has_an_end(clock):
    throttle = Throttle(LIMITS, clock, size=100)
    wrong(throttle, times=5)
    clock.s += LIMITS.forget_s + 1
    wrong(throttle, times=4)
    throttle.demand("anna")
    for number in range(1000):
        wrong(throttle, f"name {number}")
    assert len(throttle) == 100


def test_how_many_were_held_off_is_said_with_the_next_try(clock):
    throttle = Throttle(LIMITS, clock)
    wrong(throttle, times=5)
    for _ in range(7):
        with pytest.raises(Throttled):
            throttle.attempt("anna")
    clock.s += 3
    assert throttle.attempt("anna").held_off == 7


def sign_in(throttle, address, name, *, right=False):
    with throttle.attempt(address, name) as attempt:
        if right:
            attempt.passed()


def test_a_neighbour_locks_nobody_else_out_and_made_up_names_get_no_further(clock):
    throttle = SignIns(LIMITS, Limits(free=20, first_s=1.0, longest_s=60.0), clock)
    for _ in range(5):
        sign_in(throttle, "192.0.2.7", "anna")
    with pytest.raises(Throttled):
        throttle.demand("192.0.2.7", "anna")
    sign_in(throttle, "192.0.2.8", "anna", right=True)
    tried = 0
    for number in range(1000):
        with contextlib.suppress(Throttled):
            sign_in(throttle, "192.0.2.7", f"name {number}")
            tried += 1
    assert tried == 15
    sign_in(throttle, "192.0.2.8", "anna", right=True)


def test_right_answers_of_many_people_at_one_address_hold_nobody_up(clock):
    throttle = SignIns(LIMITS, Limits(free=20, first_s=1.0, longest_s=60.0), clock)
    for number in range(500):
        sign_in(throttle, "192.0.2.7", f"name {number}", right=True)


def test_who_has_a_network_of_addresses_has_one_address():
    assert place_of("2001:db8::1") == place_of("2001:db8::ffff:1") != place_of("2001:db8:0:1::1")
    assert place_of("::ffff:192.0.2.7") == place_of("192.0.2.7") != place_of("192.0.2.8")
    assert place_of("::1") != place_of("::2")
    assert place_of("fe80::1%eth0") != place_of("fe80::2%eth0")


@given(st.text(max_size=200))
def test_any_address_is_one(text):
    assert len(place_of(text)) <= 64
