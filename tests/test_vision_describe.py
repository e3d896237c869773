"""A passage becomes one packet: of its best shots, with a masked thumbnail, and never of a clear picture."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

import models
from firmware.describe import Describer, best_shot, thumbnail
from firmware.describe.aggregation import attributes, fitted, mean_carried, mean_code, mean_colours
from firmware.describe.relative_height import RelativeHeight
from firmware.describe.shot import covered, judge
from firmware.vision.frame_detections import FrameDetections, TrackBox
from models.appearance import quantised, similarity
from models.detections import Detections
from wire.features.packet import FULL_SCALE, AttributeValue, ColourShare, FeaturePacket, parse
from wire.features.vocabulary import Attribute, BodyPart, Colour, ObjectClass

WIDTH, HEIGHT = 320, 240
STEP_90K, STEP_US = 9000, 100_000
NO_FACES = np.zeros((0, 4), np.float32)


@pytest.fixture(scope="module")
def loaded():
    return models.load()


def track(number, x=100.0, y=60.0, **changes):
    box = np.array([x, y, x + 50, y + 120], np.float32)
    return replace(TrackBox(number, ObjectClass.PERSON, box, 0.8, seen=True, age_s=0.9), **changes)


def sight(n, *tracks, ended=()):
    return FrameDetections(n * STEP_90K, tuple(tracks), Detections.none(), NO_FACES, ended)


def scene(seed=0, *, sharp=True):
    """I420 with a red and blue figure at x 100..150, y 60..180."""
    rgb = np.random.default_rng(seed).integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    rgb[60:80, 115:135] = (190, 150, 130)
    rgb[80:130, 105:145] = (190, 30, 30)
    rgb[80:130:8, 105:145] = (150, 20, 20)
    rgb[130:180, 110:140] = (30, 50, 170)
    if not sharp:
        rgb = cv2.GaussianBlur(rgb, (0, 0), 4)
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)


def masked():
    grey = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    grey[:HEIGHT] = 77
    return grey


def describe(loaded, sights, *, masks=True, originals=None):
    sent = []

    def send(packet, clear):
        sent.append(packet)
        if originals is not None:
            originals.append(clear)

    describer = Describer(loaded, WIDTH, HEIGHT, send, originals=originals is not None)
    for n, seen in enumerate(sights):
        describer.observe(scene(n), seen, 10**15 + n * STEP_US)
        if masks and n >= 2:
            describer.masked(masked(), (n - 2) * STEP_90K)
    return describer, sent


def passage(length, number=1):
    return [sight(n, track(number, age_s=n / 10)) for n in range(length)]


def test_one_packet_when_the_object_has_gone(loaded):
    gone = [sight(n) for n in range(20, 24)] + [sight(24, ended=(1,))] + [sight(25)]
    _, sent = describe(loaded, passage(20) + gone)
    assert len(sent) == 1
    packet = sent[0]
    assert (packet.track_id, packet.class_) == (1, ObjectClass.PERSON)
    assert packet.last_utc_ms - packet.first_utc_ms == 1900
    assert packet.first_utc_ms <= packet.best_utc_ms <= packet.last_utc_ms
    x, y, w, h = packet.fraction_box
    assert np.allclose([x * WIDTH, y * HEIGHT, w * WIDTH, h * HEIGHT], [100, 60, 50, 120], atol=0.1)
    assert packet.codes[0].model == loaded.appearance.model
    told = {(share.part, share.colour) for share in packet.colours}
    assert {(BodyPart.UPPER, Colour.RED), (BodyPart.LOWER, Colour.BLUE)} <= told


def test_colours_are_known_while_the_object_is_still_there(loaded):
    describer, sent = describe(loaded, passage(7))
    assert describer.colours(1) == ()
    describer, sent = describe(loaded, passage(12))
    told = {(share.part, share.colour) for share in describer.colours(1)}
    assert {(BodyPart.UPPER, Colour.RED), (BodyPart.LOWER, Colour.BLUE)} <= told
    assert (sent, describer.colours(2)) == ([], ())


def test_a_camera_learns_how_loud_its_colours_are_and_calls_a_grey_coat_grey(loaded):
    coat = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    coat[60:180, 100:150] = (98, 107, 122)  # grey with a breath of blue
    coat = cv2.cvtColor(coat, cv2.COLOR_RGB2YUV_I420)

    def upper(others):
        sent, times = [], itertools.count()
        describer = Describer(loaded, WIDTH, HEIGHT, lambda packet, _clear: sent.append(packet))
        for number in range(others + 1):
            for age in range(8):
                picture = coat if number == others else scene(age)
                n = next(times)
                describer.observe(picture, sight(n, track(number, age_s=age / 10)), 10**15 + n * STEP_US)
            n = next(times)
            describer.observe(picture, sight(n, ended=(number,)), 10**15 + n * STEP_US)
        describer.close()
        assert len(sent) == others + 1
        return next(share.colour for share in sent[-1].colours if share.part is BodyPart.UPPER)

    assert upper(0) is Colour.BLUE
    assert upper(25) is Colour.GREY


def test_the_thumbnail_is_cut_from_the_masked_picture(loaded):
    _, sent = describe(loaded, [*passage(20), sight(20, ended=(1,)), sight(21)])
    picture = cv2.imdecode(np.frombuffer(sent[0].thumbnail, np.uint8), cv2.IMREAD_COLOR)
    grey = cv2.cvtColor(masked(), cv2.COLOR_YUV2BGR_I420)[0, 0]
    assert np.abs(picture.astype(int) - grey.astype(int)).max() <= 3
    assert picture.shape[0] <= 192


def test_the_original_is_the_same_cut_out_of_the_clear_picture(loaded):
    originals = []
    _, sent = describe(loaded, [*passage(20), sight(20, ended=(1,)), sight(21)], originals=originals)
    masked_jpeg, clear = (
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        for jpeg in (sent[0].thumbnail, originals[0].jpeg)
    )
    assert masked_jpeg.shape == clear.shape
    x0, y0, x1, y1 = thumbnail.rectangle(np.array([100, 60, 150, 180], np.float32), WIDTH, HEIGHT)
    at = (sent[0].best_utc_ms * 1000 - 10**15) // STEP_US
    there = cv2.cvtColor(scene(at), cv2.COLOR_YUV2RGB_I420)[y0:y1, x0:x1]
    assert np.abs(clear.astype(int) - there).mean() < 8
    shares = np.array(originals[0].inside) / FULL_SCALE * np.tile([x1 - x0, y1 - y0], 2)
    assert np.allclose(shares, [100 - x0, 60 - y0, 50, 120], atol=0.1)


def test_no_original_is_made_where_nobody_wants_it_or_no_masked_picture_came(loaded):
    gone = [*passage(20), sight(20, ended=(1,))] + [sight(n) for n in range(21, 60)]
    originals = []
    _, sent = describe(loaded, gone, masks=False, originals=originals)
    assert (sent[0].thumbnail, originals) == (b"", [None])


@pytest.mark.parametrize("box", [(-40, -30, 60, 170), (280, 200, 340, 260), (0, 0, 320, 240), (310, 10, 330, 400)])
def test_cut_outs_at_the_edge_are_the_same_size_in_both_pictures(box):
    edge = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32)
    rgb = cv2.cvtColor(scene(), cv2.COLOR_YUV2RGB_I420)
    seen = TrackBox(1, ObjectClass.PERSON, np.array(box, np.float32), 0.8, seen=True, age_s=0.9)
    shot = best_shot.ObservedTrack._cut(seen, sight(0, seen), 0, None, lambda: rgb)
    clear = thumbnail.clear(shot.rgb, shot.inside, shot.box, WIDTH, HEIGHT)
    hidden = thumbnail.masked(rgb[..., ::-1].copy(), np.clip(seen.box, 0, edge))
    sizes = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape for jpeg in (clear.jpeg, hidden)]
    assert sizes[0] == sizes[1]
    assert hidden == thumbnail.masked(rgb[..., ::-1].copy(), seen.box)


def test_without_a_masked_picture_there_is_no_thumbnail_but_a_packet(loaded):
    _, sent = describe(loaded, [*passage(20), sight(20, ended=(1,))] + [sight(n) for n in range(21, 60)], masks=False)
    assert [packet.thumbnail for packet in sent] == [b""]


def test_a_packet_without_its_thumbnail_fits_160_bytes_and_reads_back(loaded):
    _, sent = describe(loaded, [*passage(20), sight(20, ended=(1,)), sight(21)])
    bare = replace(sent[0], thumbnail=b"")
    assert len(bytes(bare)) <= 160
    assert parse(bytes(sent[0])).codes == sent[0].codes


def test_a_packet_that_tells_everything_leaves_out_what_is_least_sure():
    told = tuple(AttributeValue(each, 0, 0.66 + 0.01 * each) for each in Attribute)
    shares = tuple(
        ColourShare(part, colour, share)
        for part in (BodyPart.UPPER, BodyPart.LOWER, BodyPart.SHOES)
        for colour, share in ((Colour.RED, 0.8), (Colour.BLUE, 0.17))
    )
    packet = FeaturePacket(
        camera_id=bytes(8),
        sequence=0,
        track_id=1,
        class_=ObjectClass.PERSON,
        first_utc_ms=1,
        best_utc_ms=1,
        last_utc_ms=1,
        quality=0.5,
        box=(0, 0, 1, 1),
        codes=(quantised("market64-2", np.ones(64, np.float32)),),
        colours=shares,
        attributes=told,
        provenance="nanodet-int8@1",
    )
    small = fitted(packet)
    assert 155 <= len(bytes(small)) <= 160
    assert (small.codes, small.provenance) == (packet.codes, "")
    assert [each.share for each in small.colours] == [0.8, 0.8, 0.8]
    assert small.attributes == told[-len(small.attributes) :]
    usual = replace(packet, colours=shares[:1], attributes=told[:1])
    assert fitted(usual) is usual


def test_who_stays_is_described_once_and_not_again_when_he_goes(loaded):
    stay = passage(95) + [sight(95, ended=(1,))] + [sight(n) for n in range(96, 100)]
    _, sent = describe(loaded, stay)
    assert [packet.track_id for packet in sent] == [1]


def test_a_flicker_is_not_described(loaded):
    _, sent = describe(loaded, [*passage(4), sight(4, ended=(1,)), sight(5)])
    assert sent == []


def test_what_is_still_there_is_described_at_the_end(loaded):
    describer, sent = describe(loaded, passage(20))
    assert sent == []
    describer.close()
    assert len(sent) == 1
    describer.close()
    assert len(sent) == 1


def test_predicted_boxes_are_no_shots(loaded):
    blind = [sight(n, track(1, seen=False)) for n in range(30)]
    describer, sent = describe(loaded, blind)
    describer.close()
    assert sent == []


def test_nothing_is_kept_of_what_has_gone(loaded):
    describer, _ = describe(loaded, [*passage(20), sight(20, ended=(1,))] + [sight(n) for n in range(21, 60)])
    assert not describer._open
    assert not describer._wanted
    assert not describer._thumbnails
    assert not describer._waiting


LUMA = scene()[:HEIGHT]


def test_gates_come_before_beauty():
    good = judge(LUMA, track(1), sight(0, track(1)))
    assert good.passed
    nearer = track(2, x=120, y=90)
    hidden = judge(LUMA, track(1), sight(0, track(1), nearer))
    border = judge(LUMA, track(1, x=0), sight(0, track(1, x=0)))
    unsure = judge(LUMA, track(1, score=0.3), sight(0, track(1, score=0.3)))
    predicted = judge(LUMA, track(1, seen=False), sight(0, track(1, seen=False)))
    assert not any(v.passed for v in (hidden, border, unsure, predicted))
    assert all(good.rank > v.rank for v in (hidden, border, unsure, predicted))


def test_only_the_nearer_one_hides_the_other():
    near, far = track(1, y=80), track(2, x=110, y=60)
    both = sight(0, near, far)
    assert covered(near, both) == 0
    assert covered(far, both) > 0.3


def test_a_weak_box_on_the_object_itself_hides_nothing():
    weak = Detections(np.array([[101, 61, 151, 183]], np.float32), np.float32([0.35]), np.uint8([0]))
    assert covered(track(1), FrameDetections(0, (track(1),), weak, NO_FACES)) == 0


def test_sharp_beats_blurred_and_large_beats_small():
    blurred = scene(sharp=False)[:HEIGHT]
    assert judge(LUMA, track(1), sight(0, track(1))).quality > judge(blurred, track(1), sight(0, track(1))).quality
    half = cv2.resize(LUMA, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    small = track(1, box=track(1).box / 2)
    assert judge(half, small, sight(0, small)).quality < judge(LUMA, track(1), sight(0, track(1))).quality


def test_the_mean_code_lies_between_and_leans_to_the_better_shot():
    rng = np.random.default_rng(4)
    a, b = (quantised("m", rng.normal(size=64).astype(np.float32)) for _ in range(2))
    mean = mean_code([a, b], [0.9, 0.3])
    assert similarity(mean, a) > similarity(mean, b) > similarity(a, b)
    opposite = quantised("m", -np.frombuffer(a.data, np.int8).astype(np.float32))
    assert similarity(mean_code([a, opposite], [0.5, 0.5]), a) > 0.99


def test_colours_are_unknown_only_where_no_shot_told_one():
    unknown = (ColourShare(BodyPart.UPPER, Colour.UNKNOWN, 1.0), ColourShare(BodyPart.LOWER, Colour.UNKNOWN, 1.0))
    red = (ColourShare(BodyPart.UPPER, Colour.RED, 0.8), ColourShare(BodyPart.UPPER, Colour.WHITE, 0.2))
    told = mean_colours([unknown, red], [0.9, 0.1])
    assert [(s.part, s.colour) for s in told] == [
        (BodyPart.UPPER, Colour.RED),
        (BodyPart.UPPER, Colour.WHITE),
        (BodyPart.LOWER, Colour.UNKNOWN),
    ]
    assert all(0 < share.share <= 1 for share in told)


@pytest.mark.parametrize(
    ("class_", "attribute", "word"),
    [
        (ObjectClass.CAR, Attribute.VEHICLE_TYPE, "car"),
        (ObjectClass.BUS, Attribute.VEHICLE_TYPE, "bus"),
        (ObjectClass.TRUCK, Attribute.VEHICLE_TYPE, "truck"),
        (ObjectClass.BICYCLE, Attribute.TWO_WHEELER, "bicycle"),
        (ObjectClass.MOTORCYCLE, Attribute.TWO_WHEELER, "motorcycle"),
        (ObjectClass.PERSON, Attribute.ASPECT, "0.42"),
    ],
)
def test_the_class_tells_its_attribute(class_, attribute, word):
    told = {value.attribute: value for value in attributes(class_, np.float32([0, 0, 42, 100]))}
    assert told[attribute].word == word


def test_what_is_carried_is_said_when_seen_and_not_denied_when_not():
    shots = [{Attribute.BACKPACK: 0.5, Attribute.BAG: 0.05}, {Attribute.BACKPACK: 0.1, Attribute.BAG: 0.1}]
    (said,) = mean_carried(shots, [1.0, 1.0], ())
    assert (said.attribute, said.value) == (Attribute.BACKPACK, 1)
    assert 0.65 < said.confidence < 1
    known = AttributeValue(Attribute.BACKPACK, 0, 0.9)
    assert mean_carried(shots, [1.0, 1.0], (known,)) == ()
    assert mean_carried([], [], ()) == ()


def standing(row, share=1.0):
    """Somebody `share` as tall as usual, whose feet are at `row` of a picture in which people grow by 0.3 per row."""
    height = (20 + 0.3 * row) * share
    return np.array([100, row - height, 130, row], np.float32)


def test_how_tall_somebody_is_for_the_place_is_known_after_a_while():
    stature, random = RelativeHeight(), np.random.default_rng(4)
    assert stature.relative(standing(200)) is None
    for _ in range(300):
        stature.learn(standing(random.uniform(100, 500), random.normal(1, 0.05)))
    for row in (120, 300, 480):
        assert stature.relative(standing(row)) == pytest.approx(1, abs=0.03)
        assert stature.relative(standing(row, 0.7)) == pytest.approx(0.7, abs=0.03)
    said = {each.attribute: each.value for each in attributes(ObjectClass.PERSON, standing(300), 0.7)}
    assert said[Attribute.RELATIVE_HEIGHT] / 128 == pytest.approx(0.7, abs=0.01)


def test_people_on_one_row_tell_nothing_about_others():
    stature = RelativeHeight()
    for _ in range(200):
        stature.learn(standing(200))
    assert stature.relative(standing(200)) is None
