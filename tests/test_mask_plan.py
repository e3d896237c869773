"""Which macroblocks are masked: margins, hold, look-back, levels, zones, and whole when in doubt."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.mask.background import Foreground
from firmware.mask.grid import MB, grow, to_rect
from firmware.mask.plan import Planner
from firmware.mask.settings import ClassRule, Extent, Fill, Infrared, MaskedPart, MaskSettings, Pattern, Zone
from firmware.vision.frame_detections import FrameDetections, TrackBox
from models.detections import Detections
from wire.features.vocabulary import ObjectClass

WIDTH, HEIGHT = 640, 480
STEP_90K = 9000  # ten pictures a second
NO_FACES = np.zeros((0, 4), np.float32)
SETTINGS = MaskSettings(settle_s=0, hold_s=0.7, look_back_s=0.2)


def sight(number, *boxes, seen=True, faces=NO_FACES, class_=ObjectClass.PERSON, weak=()):
    tracks = tuple(TrackBox(id_, class_, np.array(box, np.float32), 0.9, seen, 5) for id_, box in enumerate(boxes, 1))
    found = Detections(
        np.array(weak, np.float32).reshape(-1, 4),
        np.full(len(weak), 0.25, np.float32),
        np.full(len(weak), int(ObjectClass.PERSON), np.uint8),
    )
    return FrameDetections(number * STEP_90K, tracks, found, np.array(faces, np.float32).reshape(-1, 4))


def planned(sights, number, mask_settings=SETTINGS):
    planner = Planner(WIDTH, HEIGHT, mask_settings)
    for one in sights:
        planner.saw(one)
    return planner.plan(number * STEP_90K)


def masked(plan, box):
    x0, y0, x1, y1 = (int(value) for value in box)
    return plan.mask[y0 // MB : -(-y1 // MB), x0 // MB : -(-x1 // MB)]


BODY = (200, 100, 240, 220)


def test_a_body_is_masked_with_its_margin_and_nothing_far_away():
    plan = planned([sight(n, BODY) for n in range(10)], 5)
    assert masked(plan, (196, 90, 244, 230)).all()
    assert not masked(plan, (320, 100, 400, 220)).any()
    assert not plan.full
    (region,) = plan.regions
    assert (region.track_id, region.class_) == (1, int(ObjectClass.PERSON))
    assert region.x * MB <= BODY[0]
    assert (region.x + region.w) * MB >= BODY[2]


def test_before_vision_has_spoken_everything_is_masked():
    planner = Planner(WIDTH, HEIGHT, SETTINGS)
    assert planner.plan(0).full
    assert planner.plan(0).mask.all()


def test_after_a_failure_everything_is_masked_until_it_has_settled_again():
    planner = Planner(WIDTH, HEIGHT, MaskSettings(settle_s=0.5))
    for n in range(10):
        planner.saw(sight(n))
    assert not planner.plan(7 * STEP_90K).full
    planner.failed()
    assert planner.plan(8 * STEP_90K).full
    for n in range(10, 20):
        planner.saw(sight(n))
    assert planner.plan(12 * STEP_90K).full
    assert not planner.plan(16 * STEP_90K).full


def test_six_looks_settle_a_quick_camera_sooner():
    planner = Planner(WIDTH, HEIGHT, MaskSettings(settle_s=0.5))
    for n in range(12):
        planner.saw(replace(sight(n), pts_90k=n * 3600))
    assert planner.plan(4 * 3600).full
    assert not planner.plan(5 * 3600).full


def test_a_gap_in_the_sightings_is_masked_whole():
    sights = [sight(n) for n in (0, 1, 2, 3, 4, 13, 14, 15)]
    assert planned(sights, 8).why == "the detector is late"
    assert planned([sight(n) for n in (0, 1, 2, 4, 5, 6)], 3).full is False


def test_someone_who_walks_is_covered_while_vision_skips_pictures():
    boxes = {n: (100 + 8 * n, 100, 140 + 8 * n, 220) for n in range(20)}
    plan = planned([sight(n, boxes[n]) for n in range(0, 20, 3)], 7)
    assert not plan.full
    assert masked(plan, boxes[7]).all()


def test_pictures_after_the_last_sighting_are_masked_whole():
    assert planned([sight(n) for n in range(5)], 6).full


@pytest.mark.parametrize(("number", "covered"), [(2, False), (3, True), (5, True), (11, True), (12, True), (14, False)])
def test_a_mask_begins_before_the_first_sighting_and_holds_after_the_last(number, covered):
    sights = [sight(n, BODY) if n in (5, 6) else sight(n) for n in range(20)]
    assert masked(planned(sights, number), BODY).all() == covered


def test_someone_who_walks_is_covered_between_two_sightings():
    boxes = {n: (100 + 12 * n, 100, 140 + 12 * n, 220) for n in range(20)}
    sights = [sight(n, boxes[n]) if n != 9 else sight(n) for n in range(20)]
    assert masked(planned(sights, 9), boxes[9]).all()


def test_what_was_seen_again_no_longer_masks_where_it_was():
    boxes = {n: (40 + 25 * n, 100, 80 + 25 * n, 220) for n in range(20)}
    plan = planned([sight(n, boxes[n]) for n in range(20)], 10)
    assert masked(plan, boxes[10]).all()
    assert not masked(plan, (boxes[5][0], 100, boxes[5][0] + 10, 220)).any()


def test_weak_detections_are_masked_too():
    assert masked(planned([sight(n, weak=[BODY]) for n in range(10)], 5), BODY).all()


def test_only_chosen_classes_are_masked():
    sights = [sight(n, BODY, class_=ObjectClass.CAR) for n in range(10)]
    assert not planned(sights, 5).mask.any()
    cars = MaskSettings(settle_s=0, classes=("PERSON", "CAR"))
    assert masked(planned(sights, 5, cars), BODY).all()


def test_heads_leave_the_legs_and_faces_replace_the_estimate():
    heads = MaskSettings(settle_s=0, extent=Extent.HEADS)
    plan = planned([sight(n, BODY) for n in range(10)], 5, heads)
    assert masked(plan, (200, 100, 240, 135)).all()
    assert not masked(plan, (200, 180, 240, 220)).any()
    faces = MaskSettings(settle_s=0, extent=Extent.FACES)
    found = [(212, 104, 226, 120)]
    plan = planned([sight(n, BODY, faces=found) for n in range(10)], 5, faces)
    assert masked(plan, found[0]).all()
    estimate = planned([sight(n, BODY) for n in range(10)], 5, faces)
    assert masked(estimate, (205, 100, 235, 125)).all()


def test_cells_grow_with_the_person():
    coarse = MaskSettings(settle_s=0, level=2)
    small = planned([sight(n, (200, 100, 230, 180)) for n in range(10)], 5, coarse)
    large = planned([sight(n, (200, 20, 360, 440)) for n in range(10)], 5, coarse)
    assert small.cells.max() * MB >= 32
    assert large.cells.max() * MB >= 160 / 2
    fine = planned([sight(n, (200, 20, 360, 440)) for n in range(10)], 5, MaskSettings(settle_s=0, level=1))
    assert fine.cells.max() < large.cells.max()


def test_dilated_boxes_are_of_few_sizes():
    dilated = MaskSettings(settle_s=0, pattern=Pattern.DILATED, margin=0)
    areas = set()
    for height in range(70, 120, 5):
        plan = planned([sight(n, (300, 200, 340, 200 + height)) for n in range(10)], 5, dilated)
        areas.add((plan.regions[0].w, plan.regions[0].h))
        assert masked(plan, (300, 200, 340, 200 + height)).all()
    assert len(areas) <= 2


def test_zones_mask_always_or_never():
    corner = (0, 0, 0.25, 0, 0.25, 0.25, 0, 0.25)
    always = MaskSettings(settle_s=0, zones=(Zone(corners=corner),))
    plan = planned([sight(n) for n in range(10)], 5, always)
    assert masked(plan, (0, 0, 160, 120)).all()
    assert not masked(plan, (180, 140, 640, 480)).any()
    never = MaskSettings(settle_s=0, zones=(Zone(corners=(0, 0, 1, 0, 1, 1, 0, 1), rule="never"),))
    assert not planned([sight(n, BODY) for n in range(10)], 5, never).mask.any()
    assert planned([sight(n, BODY) for n in range(3)], 8, never).mask.all(), "fail closed is above every zone"


def foreground(*boxes, learnt=True):
    grid = np.zeros((HEIGHT // MB, WIDTH // MB), bool)
    for x0, y0, x1, y1 in boxes:
        grid[y0 // MB : -(-y1 // MB), x0 // MB : -(-x1 // MB)] = True
    return Foreground(grid, grid, learnt)


def follow(sights, foregrounds, mask_settings=SETTINGS, look_back=2):
    """The plans of all pictures in turn, as the pipeline asks for them."""
    planner, plans, seen = Planner(WIDTH, HEIGHT, mask_settings), [], iter(sights)
    for number, before in enumerate(foregrounds):
        while not planner.ready(number * STEP_90K) and (one := next(seen, None)) is not None:
            planner.saw(one)
        plans.append(planner.plan(number * STEP_90K, before))
    return plans


STRICT = MaskSettings(settle_s=0, strict=True)
STRANGER = (400, 200, 448, 320)


def test_what_no_detection_explains_is_masked_when_strict_and_open_otherwise():
    sights, before = [sight(n) for n in range(15)], [foreground(STRANGER)] * 12
    assert masked(follow(sights, before, STRICT)[5], STRANGER).all()
    assert not follow(sights, before)[5].mask.any()


@pytest.mark.parametrize("doubt", ["hazy", "sparse"])
def test_where_detection_misses_people_what_nothing_explains_is_masked(doubt):
    sights = [replace(sight(n), **{doubt: True}) for n in range(15)]
    assert masked(follow(sights, [foreground(STRANGER)] * 12)[5], STRANGER).all()


def test_strict_masks_whole_until_the_scene_is_known():
    sights = [sight(n) for n in range(10)]
    assert follow(sights, [foreground(learnt=False)] * 5, STRICT)[4].full
    assert planned(sights, 5, STRICT).full
    assert not follow(sights, [foreground()] * 5, STRICT)[4].full


def test_a_recognised_car_explains_what_moves_there():
    sights = [sight(n, BODY, class_=ObjectClass.CAR) for n in range(15)]
    plan = follow(sights, [foreground(BODY, STRANGER)] * 12, STRICT)[5]
    assert masked(plan, STRANGER).all()
    assert not masked(plan, BODY).any()


def walk(number):
    return (40 + 14 * number, 100, 80 + 14 * number, 220)


def test_somebody_lost_by_the_detector_stays_masked_wherever_he_walks():
    """He is seen in pictures 0 to 9 and then for three seconds in none."""
    sights = [sight(n, walk(n)) if n < 10 else sight(n) for n in range(40)]
    plans = follow(sights, [foreground(walk(n)) for n in range(38)])
    assert all(masked(plan, walk(n)).all() for n, plan in enumerate(plans))
    lost = follow(sights, [foreground(walk(n)) if n < 10 else foreground() for n in range(38)])
    assert not lost[25].mask.any()


def test_what_was_lost_for_too_long_is_given_up():
    sights = [sight(n, BODY) if n < 10 else sight(n) for n in range(80)]
    plans = follow(sights, [foreground(BODY)] * 78)
    assert masked(plans[45], BODY).all()
    assert not plans[70].mask.any()


def test_somebody_half_seen_stays_masked_whole():
    """The detector finds the legs alone, as it does when a post hides the middle of a body."""
    legs = (200, 180, 240, 220)
    sights = [sight(n, BODY if n < 10 else legs) for n in range(40)]
    plans = follow(sights, [foreground(BODY)] * 38)
    assert all(masked(plan, BODY).all() for plan in plans)


@pytest.mark.parametrize("scene", [foreground(), foreground(BODY), foreground(learnt=False)])
def test_no_memory_of_the_scene_takes_a_mask_from_a_doubtful_detection(scene):
    sights = [sight(n, weak=[BODY]) for n in range(15)]
    for settings_ in (SETTINGS, STRICT):
        plan = follow(sights, [scene] * 12, settings_)[5]
        assert masked(plan, BODY).all()


def test_a_place_where_a_person_is_believed_is_masked_without_a_detection():
    sights = [replace(sight(n), kept=np.array([BODY], np.float32)) for n in range(15)]
    assert masked(follow(sights, [foreground()] * 12)[8], BODY).all()


def test_a_released_place_is_open_for_a_thing_and_not_for_a_person_who_is_followed():
    stand = np.array([[BODY[0] / WIDTH, BODY[1] / HEIGHT, BODY[2] / WIDTH, BODY[3] / HEIGHT]], np.float32)
    followed = (BODY[0] + 4, BODY[1], BODY[2] + 4, BODY[3])

    def drawn(sights):
        planner = Planner(WIDTH, HEIGHT, SETTINGS, released=lambda: stand)
        for one in sights:
            planner.saw(one)
        return planner.plan(5 * STEP_90K)

    thing = [replace(sight(n, weak=[BODY, STRANGER]), kept=np.array([BODY], np.float32)) for n in range(10)]
    plan = drawn(thing)
    assert not masked(plan, BODY).any()
    assert masked(plan, STRANGER).all(), "what stands elsewhere"
    assert masked(drawn([sight(n, followed, weak=[BODY]) for n in range(10)]), BODY).all()


def test_who_is_surely_found_before_the_scene_of_a_released_place_is_masked():
    stand = np.array([[BODY[0] / WIDTH, BODY[1] / HEIGHT, BODY[2] / WIDTH, BODY[3] / HEIGHT]], np.float32)

    def drawn(score, scene):
        planner = Planner(WIDTH, HEIGHT, SETTINGS, released=lambda: stand)
        for n in range(10):
            one = sight(n, weak=[BODY])
            planner.saw(replace(one, weak=replace(one.weak, scores=np.full(1, score, np.float32))))
        return planner.plan(5 * STEP_90K, scene)

    assert masked(drawn(0.6, foreground(BODY)), BODY).all()
    assert masked(drawn(0.6, foreground(learnt=False)), BODY).all()
    assert not masked(drawn(0.6, foreground()), BODY).any(), "the thing itself"
    assert not masked(drawn(0.3, foreground(BODY)), BODY).any(), "the thing in another light"


def test_a_walker_trails_no_mask_as_long_as_the_hold():
    """Detections that nobody follows, five pictures a box's width: what was seen again later has moved on."""
    sights = [sight(n, weak=[(100 + 8 * n, 100, 140 + 8 * n, 220)]) for n in range(30)]
    plan = follow(sights, [foreground()] * 28)[20]
    assert masked(plan, (260, 100, 300, 220)).all()
    assert not masked(plan, (176, 100, 222, 220)).any()


def test_a_track_that_is_lost_is_masked_from_where_it_was_seen_last_to_where_it_is_predicted():
    boxes = [(100 + 8 * n, 100, 140 + 8 * n, 220) for n in range(30)]
    sights = [sight(n, boxes[n], seen=n <= 15) for n in range(30)]
    plan = follow(sights, [foreground()] * 28)[19]
    assert masked(plan, boxes[15]).all()
    assert masked(plan, boxes[19]).all()
    assert not masked(plan, (160, 100, 190, 220)).any()


@pytest.mark.parametrize(("what", "why"), [
    ({"blind": "the picture is too dark or too bright"}, "dark"), ({"moved": True}, "moved"),
    ({"colourless": True}, "infra-red")])  # fmt: skip
def test_what_makes_a_detector_doubtful_masks_the_whole_and_says_so(what, why):
    odd = dict.fromkeys(range(5, 8), what)
    sights = [replace(sight(n), **odd.get(n, {})) for n in range(60)]
    plans = follow(sights, [foreground()] * 58)
    assert plans[7].full
    assert why in plans[7].why
    assert not plans[50].full


def test_infra_red_pictures_may_show_the_scene_when_the_operator_says_so():
    sights = [replace(sight(n, BODY), colourless=True) for n in range(15)]
    night = MaskSettings(settle_s=0, infrared=Infrared.FOREGROUND)
    assert follow(sights, [foreground(learnt=False)] * 12, night)[5].full
    other = (400, 300, 430, 360)
    plan = follow(sights, [foreground(BODY, other)] * 12, night)[5]
    assert not plan.full
    assert masked(plan, BODY).all()
    assert masked(plan, other).all(), "what nothing explains"


def test_an_edge_moves_only_when_the_box_has_left_it():
    """A box that jitters by a few pixels around a macroblock's edge leaves the mask as it is."""
    sights = [sight(n, (200, 100, 236 + (n % 2) * 6, 220)) for n in range(30)]
    plans = follow(sights, [foreground()] * 28)[6:20]
    assert all((plan.mask == plans[0].mask).all() for plan in plans)
    away = [sight(n, (200, 100, 240, 220) if n < 10 else (120, 100, 160, 220)) for n in range(40)]
    assert not masked(follow(away, [foreground()] * 38)[30], (200, 100, 240, 220)).any()


def test_plates_are_a_solid_band_of_a_vehicle_and_the_rest_of_it_stays_open():
    car = (100, 200, 300, 320)
    plates = MaskSettings(settle_s=0, rules=(ClassRule(name="CAR", part=MaskedPart.PLATES),))
    sights = [sight(n, car, class_=ObjectClass.CAR) for n in range(15)]
    plan = follow(sights, [foreground(car)] * 12, plates)[5]
    assert masked(plan, (130, 270, 270, 310)).all()
    assert not masked(plan, (100, 200, 300, 240)).any()
    assert (plan.fills[plan.mask] == Fill.SOLID).all()


def test_a_class_has_its_own_pattern_and_the_stronger_one_holds_where_two_meet():
    mixed = MaskSettings(settle_s=0, rules=(ClassRule(name="CAR", pattern=Pattern.SOLID),))
    tracks = [
        TrackBox(1, ObjectClass.PERSON, np.array(BODY, np.float32), 0.9, seen=True, age_s=0.5),
        TrackBox(2, ObjectClass.CAR, np.array((230, 150, 400, 260), np.float32), 0.9, seen=True, age_s=0.5),
    ]
    sights = [replace(sight(n), tracks=tuple(tracks)) for n in range(10)]
    fills = planned(sights, 5, mixed).fills
    assert fills[110 // MB, 210 // MB] == Fill.MOSAIC_1
    assert fills[200 // MB, 300 // MB] == Fill.SOLID
    assert fills[200 // MB, 235 // MB] == Fill.SOLID


def test_a_zone_has_its_own_pattern_and_keeps_it_when_all_is_masked():
    screen = Zone(corners=(0, 0, 0.25, 0, 0.25, 0.25, 0, 0.25), pattern=Pattern.SOLID)
    zoned = MaskSettings(settle_s=0, zones=(screen,))
    for plan in (planned([sight(n) for n in range(10)], 5, zoned), Planner(WIDTH, HEIGHT, zoned).plan(0)):
        assert (plan.fills[:7, :10] == Fill.SOLID).all()
        assert (plan.fills[9:, 12:] == (Fill.MOSAIC_1 if plan.full else Fill.CLEAR)).all()


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: ClassRule(name="CAR", part=MaskedPart.PLATES, pattern=Pattern.MOSAIC), "plates"),
        (lambda: ClassRule(name="PERSON", part=MaskedPart.PLATES), "part"),
        (lambda: ClassRule(name="DOG"), "name"),
        (lambda: Zone(corners=(0, 0, 1, 0, 1, 1), level=3), "level"),
        (lambda: Zone(corners=(0, 0, 1, 0, 1, 1), rule="never", pattern=Pattern.SOLID), "pattern"),
        (lambda: MaskSettings(classes=("CAT",)), "classes"),
        (lambda: MaskSettings(rules=(ClassRule(name="CAR"), ClassRule(name="CAR"))), "rules"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(make, key):
    with pytest.raises(ValueError, match=key):
        make()


number = st.floats(-2000, 2000, width=32) | st.just(float("nan")) | st.just(float("inf"))


@given(st.lists(st.tuples(number, number, number, number), max_size=4), st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_any_box_gives_a_plan(boxes, asked):
    plan = planned([sight(n, *boxes) for n in range(10)], asked)
    assert plan.full or np.isfinite(np.array(boxes)).all()
    assert plan.mask.shape == (HEIGHT // MB, WIDTH // MB)
    for region in plan.regions:
        assert region.x + region.w <= WIDTH // MB
        assert region.y + region.h <= HEIGHT // MB


@given(st.tuples(*[st.floats(0, 639, width=32)] * 2), st.tuples(*[st.floats(1, 300, width=32)] * 2))
def test_a_rectangle_holds_its_box(corner, size):
    box = np.array([*corner, corner[0] + size[0], corner[1] + size[1]], np.float32)
    rect = to_rect(box, WIDTH // MB, HEIGHT // MB)
    if rect is not None:
        x, y, w, h = rect
        assert x * MB <= box[0]
        assert y * MB <= box[1]
        assert (x + w) * MB >= min(box[2], WIDTH)
        assert (y + h) * MB >= min(box[3], HEIGHT)
    assert (grow(box.reshape(1, 4), 0.1)[0, 2:] > box[2:]).all()


def test_whoever_may_be_somebody_else_before_a_followed_person_is_claimed_for_nobody():
    another_view, child, between = (202, 100, 238, 205), (205, 170, 228, 218), (225, 100, 265, 220)
    beside = (250, 100, 290, 220)

    def claims(*boxes, weak):
        return planned([sight(n, *boxes, weak=[weak]) for n in range(10)], 5).claims

    assert claims(BODY, weak=another_view) == ()
    for boxes, weak in (((BODY,), child), ((BODY, beside), between), ((), BODY)):
        (claim,) = claims(*boxes, weak=weak)
        assert claim.track_id == 0
        assert claim.x * MB <= weak[0]
        assert (claim.y + claim.h) * MB >= weak[3]


def quick(sights, number):
    """The plan of picture `number` of a camera of 25 pictures a second."""
    planner = Planner(WIDTH, HEIGHT, SETTINGS)
    for n, one in enumerate(sights):
        planner.saw(replace(one, pts_90k=n * 3600))
    return planner.plan(number * 3600)


def test_a_doubtful_find_stands_until_each_size_has_looked_again_and_a_sure_one_longer():
    doubtful = [sight(n, weak=[STRANGER]) if n == 10 else sight(n) for n in range(40)]
    assert masked(quick(doubtful, 10), STRANGER).all()
    assert masked(quick(doubtful, 16), STRANGER).all()
    assert not masked(quick(doubtful, 22), STRANGER).any()
    sure = [replace(one, weak=replace(one.weak, scores=one.weak.scores + 0.2)) for one in doubtful]
    assert masked(quick(sure, 22), STRANGER).all()


def test_a_view_of_somebody_who_is_seen_now_leaves_no_trail():
    def at(n):
        return (100 + 8 * n, 100, 160 + 8 * n, 340)

    def face(n):
        return (110 + 8 * n, 105, 150 + 8 * n, 145)

    walking = [sight(n, at(n), faces=[face(n)]) for n in range(40)]
    plan = quick(walking, 30)
    assert masked(plan, at(30)).all()
    assert not plan.mask[:, : (at(30)[0] - 40) // MB].any()
    lost = [one if n <= 27 else sight(n) for n, one in enumerate(walking)]
    assert masked(quick(lost, 30), face(27)).all(), "who is lost stays masked where they were seen"
