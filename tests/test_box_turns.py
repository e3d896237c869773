"""The sign-in queue: one at a time, known clients first, bounded, and no turn lost when a client goes away."""

import asyncio

import pytest

from nvr_box.accounts.sign_in_queue import Busy, SignInQueue


async def having(turns, key, number, done, gate, *, known=False):
    async with turns.turn(key, known=known):
        await gate.wait()
        done.append(number)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_at_a_time_and_the_known_first():
    turns, done, gate = SignInQueue(4), [], asyncio.Event()
    tasks = [asyncio.create_task(having(turns, "a", number, done, gate)) for number in range(3)]
    await settle()
    tasks.append(asyncio.create_task(having(turns, "a", "known", done, gate, known=True)))
    tasks.append(asyncio.create_task(having(turns, "b", "other", done, gate)))
    await settle()
    gate.set()
    await asyncio.gather(*tasks)
    assert [each for each in done if each != "other"] == [0, "known", 1, 2]
    assert turns._lines == {}


async def test_a_line_has_an_end_and_all_lines_together():
    turns, done, gate = SignInQueue(4), [], asyncio.Event()
    tasks = [asyncio.create_task(having(turns, "a", number, done, gate)) for number in range(6)]
    tasks += [
        asyncio.create_task(having(turns, f"k{key}", number, done, gate)) for key in range(9) for number in range(3)
    ]
    await settle()
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(each, Busy) for each in results[:6]) == 1
    assert sum(isinstance(each, Busy) for each in results[6:]) == 18 - 12
    assert turns._lines == {}
    assert turns._others == 0


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_client_that_goes_away_takes_no_turn_along(after):
    turns, done, gate = SignInQueue(4), [], asyncio.Event()
    tasks = [asyncio.create_task(having(turns, "a", number, done, gate)) for number in range(3)]
    await settle()
    gate.set()
    if after:
        # The first has ended and the second has been given its turn in the same moment.
        await asyncio.sleep(0)
    tasks[min(after, 1)].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert 2 in done
    assert turns._lines == {}
