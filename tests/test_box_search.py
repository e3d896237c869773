"""Search and intake: exact against the models' own similarity, filters, packets taken once, forged ones refused."""

import asyncio
import contextlib
import dataclasses

import numpy as np
import pytest
from box_fakes import CAMERA_ID, best_shot, jpeg
from hypothesis import given
from hypothesis import strategies as st

import models
from base.errors import NotFound, RightRefused, StoreError, WireError
from models import coarse
from nvr_box.audit.log import Audit
from nvr_box.config import RecordConfig
from nvr_box.db import blocks as block_rows
from nvr_box.db.database import Store
from nvr_box.record.retention import Retention
from nvr_box.rights import Account, Right
from nvr_box.search import blocks, code_similarity, gallery
from nvr_box.search import passages as passages_module
from nvr_box.search.gallery import Columns, Gallery, Row
from nvr_box.search.intake import Intake, token_hash
from nvr_box.search.passages import Passages
from nvr_box.search.search import AppearanceSearch, Filters
from wire.features import seal
from wire.features.packet import AppearanceCode, AttributeValue, ColourShare, FeaturePacket
from wire.features.vocabulary import CHOICES, Attribute, BodyPart, CodeKind, Colour, ObjectClass
from wire.keys import Identity, SigningKey
from wire.push import split

T0_MS = 1_795_000_000_000
GUARD = Account("guard", frozenset({Right.VIEW, Right.OPERATE}))
TOKEN = "a-token-of-a-camera"
BOX, SIGNER = Identity.generate(), SigningKey.generate()


def codes(count, seed=1):
    """Codes of `count` passages of a few looks, with noise."""
    rng = np.random.default_rng(seed)
    looks = rng.normal(size=(max(1, count // 8), 64))
    values = looks[rng.integers(0, len(looks), count)] + rng.normal(size=(count, 64)) * 0.5
    return np.clip(values * 40, -127, 127).astype(np.int8)


def packet(sequence, code=None, **changes):
    fields = {
        "camera_id": CAMERA_ID,
        "sequence": sequence,
        "track_id": sequence,
        "class_": ObjectClass.PERSON,
        "first_utc_ms": T0_MS + sequence * 1000,
        "best_utc_ms": T0_MS + sequence * 1000 + 300,
        "last_utc_ms": T0_MS + sequence * 1000 + 900,
        "quality": 0.8,
        "box": (1000, 2000, 3000, 9000),
        "codes": () if code is None else (AppearanceCode("net-1", CodeKind.INT8, 64, code.tobytes()),),
    }
    return FeaturePacket(**(fields | changes))


def batch(*blobs):
    return b"".join(len(blob).to_bytes(4, "big") + blob for blob in blobs)


@pytest.fixture
async def place(tmp_path):
    store = Store.open(tmp_path / "box.db")

    def add(link):
        link.execute(
            "INSERT INTO camera VALUES (1, 'yard', 'x', 'u', 'p', 'rtsp://x', 'main', '', '', '', ?, ?, 'net-1', ?, 1,"
            " '', 1, 0, 0)",
            (CAMERA_ID.hex(), SIGNER.public.hex(), token_hash(TOKEN)),
        )

    await store.write(add)
    passages = Passages(store)
    intake = Intake(store, passages, BOX, lambda _: None)
    yield store, passages, intake, AppearanceSearch(passages, None, Audit(store))
    store.close()


def sealed(each):
    return seal.seal(each, BOX.recipient, SIGNER)


@pytest.mark.parametrize("count", [1, 7, 33_000])
def test_the_coarse_comparison_counts_differing_bits(count):
    fine = codes(count)
    words = gallery.words_of(fine)
    bits = coarse.bits(fine)
    want = coarse.distance(bits[0], bits)
    assert np.array_equal(code_similarity.hamming(words, words[:, 0]), want)


def test_similarities_are_those_of_the_models():
    fine = codes(200)
    rows = Columns.of([Row(n, n, 1, 0, 0, 0, fine[n].tobytes()) for n in range(200)])
    chosen, found = code_similarity.similarities(rows, np.arange(200), fine[3], gallery.words_of(fine[3:4])[:, 0])
    packets = [AppearanceCode("net-1", CodeKind.INT8, 64, code.tobytes()) for code in fine]
    assert np.array_equal(chosen, np.arange(200))
    assert found == pytest.approx([models.similarity(packets[3], each) for each in packets], abs=1e-5)


def test_two_stages_find_what_one_finds(monkeypatch):
    fine = codes(20_000)
    rows = Columns.of([Row(n, n, 1, 0, 0, 0, fine[n].tobytes()) for n in range(len(fine))])
    among = np.arange(0, len(fine), 2)
    _, exact = code_similarity.similarities(rows, among, fine[12], gallery.words_of(fine[12:13])[:, 0])
    monkeypatch.setattr(code_similarity, "FINE_ROWS", 1000)
    monkeypatch.setattr(code_similarity, "RERANKED", 500)
    chosen, found = code_similarity.similarities(rows, among, fine[12], gallery.words_of(fine[12:13])[:, 0])
    assert 500 <= len(chosen) < 1000
    best = set(among[np.argsort(-exact)[:8]])
    assert best <= set(chosen) <= set(among)
    assert found.max() == pytest.approx(exact.max())


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=60), st.integers(0, 5000), st.integers(0, 5000))
def test_a_gallery_slices_by_time_in_whatever_order_rows_came(times, a, b):
    some = Gallery()
    for number, at in enumerate(times):
        some.append(Columns.of([Row(number, at, 1, 0, 0, 0, b"")]))
    found = sorted(int(n) for part in some.parts(min(a, b), max(a, b)) for n in part.packet)
    assert found == [number for number, at in enumerate(times) if min(a, b) <= at < max(a, b)]


def test_a_full_tail_is_merged_in_order_and_old_rows_are_forgotten(monkeypatch):
    monkeypatch.setattr(gallery, "_TAIL", 16)
    some = Gallery()
    rng = np.random.default_rng(5)
    times = rng.permutation(100)
    for number, at in enumerate(times):
        some.append(Columns.of([Row(number, int(at), 1, 0, 0, 0, b"")]))
    assert len(some) == 100
    assert [len(part) for part in some.parts(None, None)] == [64, 32, 4], "runs of like size became one"
    assert all((np.diff(part.best_us) >= 0).all() for part in some.parts(None, None))
    some.forget_before(40, np.array([int(np.argmin(times))], np.int64))
    left = sorted(int(at) for part in some.parts(None, None) for at in part.best_us)
    assert left == [0, *range(40, 100)], "the oldest was spared"


async def test_what_passed_in_kept_evidence_is_found_for_as_long_as_it_is_kept(place, tmp_path):
    store, passages, intake, searches = place
    await filled(intake, 6)
    second = T0_MS * 1000 + 2_000_000

    def keep(link):
        link.execute(
            "INSERT INTO segment (camera, start_us, end_us, path, bytes, sha256, mime, gop_index, locked)"
            " VALUES (1, ?, ?, 'one.mp4', 1, x'', 'video/mp4', x'', 1)",
            (second, second + 1_500_000),
        )

    await store.write(keep)
    retention = Retention(store, tmp_path, RecordConfig(keep_days=0.001, keep_free_mib=0))

    async def left():
        await retention.sweep()
        await passages.forget_before(T0_MS * 1000 + 60_000_000)
        return {match.packet for match in (await searches.by_attributes(GUARD, Filters())).matches}

    assert await left() == {3, 4}, "the two that were seen in it"
    await store.write(lambda link: link.execute("DELETE FROM segment"))
    assert await left() == set()


async def test_packets_are_taken_once_and_acknowledged_again(place):
    store, passages, intake, _ = place
    fine = codes(3)
    blobs = [sealed(packet(n, fine[n], thumbnail=jpeg(n))) for n in range(3)]
    receipt = await intake.accept(TOKEN, batch(*blobs))
    assert (receipt.acknowledged, receipt.refused) == ((0, 1, 2), ())
    again = await intake.accept(TOKEN, batch(blobs[1], blobs[1], sealed(packet(3, fine[0]))))
    assert again.acknowledged == (1, 1, 3)
    assert len(passages) == 4
    fresh = Passages(store)
    await fresh.load()
    assert len(fresh) == 4
    assert await store.read(lambda link: link.execute("SELECT count(*) FROM packet").fetchone()) == (4,)


async def test_forged_foreign_and_broken_packets_are_refused_by_name_and_lose_nothing(place):
    _, passages, intake, _ = place
    good = sealed(packet(1, codes(1)[0]))
    forged = seal.seal(packet(2), BOX.recipient, SigningKey.generate())
    flipped = bytearray(good)
    flipped[60] ^= 1
    other_box = seal.seal(packet(3), Identity.generate().recipient, SIGNER)
    other_camera = seal.seal(packet(4, camera_id=bytes(8)), BOX.recipient, SIGNER)
    receipt = await intake.accept(TOKEN, batch(forged, bytes(flipped), good, other_box, other_camera, b"", good[:40]))
    assert receipt.acknowledged == (1,)
    assert [refusal.index for refusal in receipt.refused] == [0, 1, 3, 4, 5, 6]
    assert all(refusal.why for refusal in receipt.refused)
    assert len(passages) == 1


async def test_a_stranger_is_refused_before_anything_is_read(place):
    _, passages, intake, _ = place
    with pytest.raises(RightRefused):
        await intake.accept("no-token", batch(sealed(packet(1))))
    assert len(passages) == 0


@pytest.mark.parametrize("body", [b"\0\0", b"\0\0\0\x09short", b"\xff\xff\xff\xff" + bytes(10)])
async def test_a_batch_with_broken_framing_takes_nothing(place, body):
    _, passages, intake, _ = place
    with pytest.raises(WireError):
        await intake.accept(TOKEN, batch(sealed(packet(1))) + body)
    assert len(passages) == 0


@given(st.binary(max_size=200))
def test_any_body_splits_or_raises_a_wire_error(body):
    with contextlib.suppress(WireError):
        assert batch(*split(body)) == body


async def test_a_camera_with_a_wrong_clock_is_put_on_the_boxs(place):
    store, passages, _, searches = place
    wrong = Intake(store, passages, BOX, lambda _: -3600.0)
    await wrong.accept(TOKEN, batch(sealed(packet(1))))
    (tick,) = await searches.ticks(GUARD, 1, 0, 1 << 60)
    assert tick.first_us == (T0_MS + 1000) * 1000 + 3_600_000_000


async def test_a_full_disk_keeps_the_cameras_packets_with_the_camera(place, monkeypatch):
    store, _, intake, _ = place

    def refuse(_change):
        raise StoreError("the database refused: database or disk is full")

    monkeypatch.setattr(store, "write", refuse)
    with pytest.raises(StoreError):
        await intake.accept(TOKEN, batch(sealed(packet(1))))


async def filled(intake, count=40):
    fine = codes(count)
    colours = [(ColourShare(BodyPart.UPPER, Colour.RED, 0.9),), (ColourShare(BodyPart.UPPER, Colour.BLUE, 0.9),)]
    bag = (AttributeValue(Attribute.BACKPACK, 1, 0.9),)
    packets = [
        packet(
            n,
            fine[n],
            colours=colours[n % 2],
            attributes=bag if n % 5 == 0 else (),
            class_=ObjectClass.CAR if n % 10 == 9 else ObjectClass.PERSON,
        )
        for n in range(count)
    ]
    await intake.accept(TOKEN, batch(*[sealed(each) for each in packets]))
    return fine, packets


async def test_a_search_by_a_stored_passage_is_exact_and_best_first(place):
    _, _passages, intake, searches = place
    _fine, packets = await filled(intake)
    results = await searches.by_packet(GUARD, 5, Filters(threshold=0.0, limit=1000))
    want = sorted(
        ((models.similarity(packets[4].codes[0], each.codes[0]), n + 1) for n, each in enumerate(packets) if n != 4),
        reverse=True,
    )
    assert [match.packet for match in results.matches][:10] == [number for _, number in want][:10]
    assert [match.similarity for match in results.matches] == pytest.approx([like for like, _ in want], abs=1e-5)
    assert (results.compared, results.stored, sum(results.histogram)) == (39, 40, 39)


async def test_filters_are_exact(place):
    _, _, intake, searches = place
    await filled(intake)

    async def numbers(**filters):
        results = await searches.by_attributes(GUARD, Filters(limit=1000, **filters))
        return sorted(match.packet - 1 for match in results.matches)

    everyone = range(40)
    assert await numbers() == list(everyone)
    assert await numbers(colours=((BodyPart.UPPER, Colour.RED),)) == [n for n in everyone if n % 2 == 0]
    assert await numbers(colours=((BodyPart.UPPER, Colour.RED), (BodyPart.UPPER, Colour.BLUE))) == []
    assert await numbers(attributes=((Attribute.BACKPACK, 1),)) == [n for n in everyone if n % 5 == 0]
    assert await numbers(classes=(ObjectClass.CAR,)) == [n for n in everyone if n % 10 == 9]
    assert await numbers(cameras=(2,)) == []
    start = (T0_MS + 10_300) * 1000
    assert await numbers(start_us=start, end_us=start + 5_000_000) == [10, 11, 12, 13, 14]


async def test_nothing_found_names_the_filter_that_removed_the_most(place):
    _, _, intake, searches = place
    await filled(intake)
    for filters, name in (
        (Filters(cameras=(2,)), "cameras"),
        (Filters(start_us=1 << 60), "time"),
        (Filters(classes=(ObjectClass.BUS,)), "classes"),
        (Filters(colours=((BodyPart.LOWER, Colour.PINK),)), "colours"),
    ):
        results = await searches.by_attributes(GUARD, filters)
        assert (results.matches, results.narrowest) == ((), name)
    results = await searches.by_packet(GUARD, 1, Filters(threshold=1.0))
    assert results.narrowest == "threshold"


async def test_codes_of_another_model_are_counted_and_never_compared(place):
    _, _, intake, searches = place
    await filled(intake)
    fine = codes(5, seed=2)
    other = [packet(100 + n, codes=(AppearanceCode("net-2", CodeKind.INT8, 64, fine[n].tobytes()),)) for n in range(5)]
    await intake.accept(TOKEN, batch(*[sealed(each) for each in other]))
    results = await searches.by_packet(GUARD, 1, Filters(threshold=0.0, limit=1000))
    assert (results.compared, results.other_model) == (39, 5)
    assert {match.packet for match in results.matches} <= set(range(1, 41))


async def test_a_viewer_may_not_search_and_an_operator_sees_their_cameras_only(place):
    store, _, intake, searches = place
    await filled(intake)
    viewer = dataclasses.replace(GUARD, rights=frozenset({Right.VIEW}))
    with pytest.raises(RightRefused):
        await searches.by_attributes(viewer, Filters())
    elsewhere = dataclasses.replace(GUARD, cameras=frozenset({2}))
    assert (await searches.by_attributes(elsewhere, Filters())).matches == ()
    assert (await searches.by_attributes(elsewhere, Filters(cameras=(1,)))).matches == ()
    with pytest.raises(RightRefused):
        await searches.best_shot(elsewhere, 1)
    rows = await store.read(lambda link: link.execute("SELECT granted FROM audit WHERE action = 'search'").fetchall())
    assert [granted for (granted,) in rows] == [0, 1, 1]


async def test_the_best_shot_comes_back_and_says_when_there_is_none(place):
    _, _, intake, searches = place
    await intake.accept(TOKEN, batch(sealed(packet(1, thumbnail=jpeg(1))), sealed(packet(2))))
    assert await searches.best_shot(GUARD, 1) == jpeg(1)
    for number in (2, 77):
        with pytest.raises(NotFound):
            await searches.best_shot(GUARD, number)


async def test_a_best_shot_is_kept_as_sealed_and_shown_without_what_is_sealed(place):
    store, _, intake, searches = place
    operator, escrow = Identity.generate(), Identity.generate()
    whole = best_shot(packet(1), [operator.recipient, escrow.recipient], SIGNER, masked=jpeg(1), clear=jpeg(99))
    receipt = await intake.accept(TOKEN, batch(sealed(whole)))
    assert receipt.acknowledged == (1,)
    assert await searches.best_shot(GUARD, 1) == jpeg(1)
    row = await store.read(lambda link: link.execute("SELECT jpeg, sealed FROM best_shot").fetchone())
    assert row == (whole.thumbnail, operator.kid + escrow.kid)


async def test_best_shots_that_are_broken_or_another_packets_are_refused_with_their_packet(place):
    _, passages, intake, _ = place
    other = best_shot(packet(2), [Identity.generate().recipient], SIGNER, masked=jpeg(1), clear=jpeg(99)).thumbnail
    broken = [b"picture", other[:90], other]
    receipt = await intake.accept(TOKEN, batch(*[sealed(packet(1, thumbnail=each)) for each in broken]))
    assert [refusal.index for refusal in receipt.refused] == [0, 1, 2]
    assert "another packet" in receipt.refused[2].why
    assert (receipt.acknowledged, len(passages)) == ((), 0)


def test_every_attribute_and_colour_has_a_bit_of_its_own():
    bits = {gallery.colour_bit(part, colour) for part in BodyPart for colour in Colour}
    assert len(bits) == len(BodyPart) * len(Colour)
    assert max(bits) < 1 << 64
    bits = [gallery.attribute_bit(name, value) for name, words in CHOICES.items() for value in range(len(words))]
    assert len(set(bits)) == len(bits)
    assert max(bits) < 1 << 64


async def test_a_start_reads_blocks_and_finds_what_rows_would_say(place, monkeypatch):
    store, passages, *_ = place
    monkeypatch.setattr(blocks, "ROWS", 100)
    fine = codes(350)
    coded = [AppearanceCode(("net-1", "net-2")[n % 3 % 2], CodeKind.INT8, 64, fine[n].tobytes()) for n in range(350)]
    sent = [packet(n, codes=(coded[n],) if n % 3 < 2 else ()) for n in range(350)]
    for start in range(0, 350, 50):
        await passages.add(1, sent[start : start + 50])
    kept = await store.read(block_rows.ranges)
    assert [last - first + 1 for first, last in kept] == [100, 100, 100], "sealed as they came"
    singly = Passages(store)
    with monkeypatch.context() as without:
        without.setattr(block_rows, "ranges", lambda _link: [])
        without.setattr(blocks, "keep", lambda *_: False)
        await singly.load()
    quick = Passages(store)
    read = []
    monkeypatch.setattr(passages_module, "_columns", lambda rows: read.extend(found := [*rows]) or columns_of(found))
    await quick.load()
    assert len(read) == 50, "only what is in no block"
    assert contents(quick) == contents(singly) == contents(passages)
    assert (await AppearanceSearch(quick, None, Audit(store)).by_packet(GUARD, 1, Filters())).compared == 116

    # A passage that is gone or coded again takes its block with it, and the next start makes another.
    await store.write(lambda link: link.execute("DELETE FROM packet WHERE packet = 130"))
    await store.write(lambda link: link.execute("UPDATE packet SET model = 'net-2', code = ? WHERE packet = 7",
                                                (fine[0].tobytes(),)))  # fmt: skip
    assert await store.read(block_rows.ranges) == [(201, 300)]
    monkeypatch.setattr(blocks, "LEAST_ROWS", 10)
    again = Passages(store)
    await again.load()
    assert len(again) == 349
    assert len(again.galleries["net-2"]) == len(passages.galleries["net-2"]) + 1
    assert [first for first, _ in await store.read(block_rows.ranges)] == [1, 101, 201]
    once_more = Passages(store)
    await once_more.load()
    assert contents(once_more) == contents(again)


columns_of = passages_module._columns


def contents(passages):
    found = {}
    for model, rows in passages.galleries.items():
        for part in rows.parts(None, None):
            for n in range(len(part)):
                row = (part.best_us[n], part.camera[n], part.object_class[n], part.colours[n], part.attributes[n])
                found[int(part.packet[n])] = (model, *map(int, row), part.fine[n].tobytes(), part.words[:, n].tobytes())
    return found


async def test_coarse_bits_of_another_day_are_made_again(place, monkeypatch):
    store, passages, *_ = place
    monkeypatch.setattr(blocks, "ROWS", 10)
    fine = codes(10)
    await passages.add(1, [packet(n, fine[n]) for n in range(10)])
    want = contents(passages)
    (count,) = await store.read(lambda link: link.execute("SELECT count(*) FROM block").fetchone())
    assert count == 1
    size = 10 * 64
    sql = "UPDATE block SET data = CAST(substr(data, 1, length(data) - ?) || zeroblob(?) AS BLOB)"
    await store.write(lambda link: link.execute(sql, (size, size)))
    again = Passages(store)
    await again.load()
    assert contents(again) == want
    await store.write(lambda link: link.execute("UPDATE block SET form = 'of tomorrow'"))
    again = Passages(store)
    await again.load()
    assert contents(again) == want


async def test_a_search_waits_for_what_is_still_being_loaded(place):
    store, passages, *_ = place
    fine = codes(3)
    await passages.add(1, [packet(n, fine[n]) for n in range(3)])
    fresh = Passages(store)
    fresh.begin()
    search = asyncio.create_task(AppearanceSearch(fresh, None, Audit(store)).by_attributes(GUARD, Filters()))
    await asyncio.sleep(0)
    assert not search.done()
    await fresh.load()
    assert (await search).stored == 3


def test_fresh_rows_cost_a_search_no_more_than_settled_ones():
    """Counted in parts, which is what thousands of single packets cost time by."""
    some = Gallery()
    for number in range(4000):
        some.append(Columns.of([Row(number, number, 1, 0, 0, 0, b"")]))
    assert len(some.parts(None, None)) == 1
    snapshot = some.parts(100, 200)[0]
    for number in range(5000):
        some.append(Columns.of([Row(4000 + number, number, 1, 0, 0, 0, b"")]))
    assert list(snapshot.packet) == list(range(100, 200)), "a snapshot stays as it was"
