"""The timeline's counts: every passage is in them, the newest too, whatever their number."""

import pytest

from nvr_box.db.database import Store
from nvr_box.search.density import counting
from nvr_box.search.passages import Passages
from wire.features.vocabulary import ObjectClass

HOUR_US = 3600 * 1_000_000
ROW = (
    "INSERT INTO packet (camera, camera_id, sequence, track, class, first_us, best_us, last_us, quality, model, code,"
    " box, colours, attributes, provenance) VALUES (?, x'00', ?, 0, ?, ?, ?, ?, 1, '', x'', '[]', '[]', '[]', '')"
)


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "box.db")
    yield store
    store.close()


def rows(*passages):
    return [
        (camera, number, int(kind), first, first, last) for number, (camera, kind, first, last) in enumerate(passages)
    ]


async def test_the_newest_of_many_passages_are_counted(store):
    many = [(1, ObjectClass.PERSON, n * 20_000_000, n * 20_000_000 + 3_000_000) for n in range(12_000)]
    await store.write(lambda link: link.executemany(ROW, rows(*many)))
    end_us = 12_000 * 20_000_000
    found = await Passages(store).density(1, 0, end_us, 1200)
    counts = dict(found.classes[ObjectClass.PERSON])
    assert found.step_us * 1200 >= end_us
    assert set(counts) == set(range(1200))
    assert sum(counts.values()) == 12_000
    assert await Passages(store).beside(1, end_us, later=False) == many[-1][2]
    assert await Passages(store).beside(1, end_us, later=True) is None
    assert await Passages(store).beside(1, many[7][2], later=True) == many[8][2]


async def test_a_long_passage_fills_its_steps_and_other_cameras_and_times_count_nothing(store):
    await store.write(
        lambda link: link.executemany(
            ROW,
            rows(
                (1, ObjectClass.CAR, -HOUR_US, 3 * HOUR_US),
                (1, ObjectClass.PERSON, 2 * HOUR_US, 2 * HOUR_US),
                (1, ObjectClass.PERSON, 10 * HOUR_US, 11 * HOUR_US),
                (1, ObjectClass.BUS, -3 * HOUR_US, -HOUR_US),
                (2, ObjectClass.PERSON, HOUR_US, 2 * HOUR_US),
            ),
        )
    )
    found = await Passages(store).density(1, 0, 5 * HOUR_US, 5)
    assert found.classes == {
        ObjectClass.CAR: ((0, 1), (1, 1), (2, 1), (3, 1)),
        ObjectClass.PERSON: ((2, 1),),
    }


async def test_a_passage_of_two_days_is_counted_to_its_end(store):
    day_us = 24 * HOUR_US
    await store.write(lambda link: link.executemany(ROW, rows((1, ObjectClass.CAR, 0, 2 * day_us))))
    found = await Passages(store).density(1, 2 * day_us - HOUR_US, 2 * day_us + HOUR_US, 4)
    assert found.classes == {ObjectClass.CAR: ((0, 1), (1, 1), (2, 1))}


async def test_only_the_range_is_read(store):
    def plan(link):
        statements = []
        link.set_trace_callback(statements.append)
        counting(1, 0, HOUR_US, 10)(link)
        link.set_trace_callback(None)
        (sql,) = (each for each in statements if "group_concat" in each)
        return [row[3] for row in link.execute(f"EXPLAIN QUERY PLAN {sql}")]

    bounded = "SEARCH packet USING COVERING INDEX packet_in_time (camera=? AND first_us>? AND first_us<?)"
    found = await store.read(plan)
    assert any(bounded in each for each in found), found
