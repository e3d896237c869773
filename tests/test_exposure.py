"""The release gate: rendered people before a fixed camera of default settings are never left open for long.

Small, so that it runs with everything else; photographs, clips and night frames are `make bench-exposure`.
"""

from fractions import Fraction

import numpy as np
import pytest

import models
from bench.rendered import Scene, Visit
from bench.rendered_look import Look
from firmware.mask.background import Background
from firmware.mask.grid import MB
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.vision import VisionStage

WIDTH, HEIGHT = 640, 368
COVERED, SEEN = 0.70, 0.5
# So long may a person go open before any look has found them; the longest that one may be open at a stretch later.
FIRST_S, LATER_S = 2.0, 2.0


@pytest.fixture(scope="module")
def loaded():
    return models.load()


def standing(name, x, tall, *, arrives_s=0.0, seconds=600.0, **more):
    return Visit(arrives_s, x, 0.95, tall, ((name, seconds),), **more)


def played(loaded, scene, rate, duration_s):
    """(seconds, plan, people) of every picture, as the camera draws it."""
    planner, background = Planner(WIDTH, HEIGHT, MaskSettings()), Background(WIDTH, HEIGHT)
    eyes, waiting, drawn = VisionStage(loaded, rate), [], []
    for i420, pts_90k, people in scene.play(rate, duration_s):
        planner.saw(eyes.detect(i420, pts_90k))
        waiting.append((pts_90k, background.update(i420, pts_90k), people))
        while waiting and planner.ready(waiting[0][0]):
            at_90k, foreground, there = waiting.pop(0)
            drawn.append((at_90k / 90_000, planner.plan(at_90k, foreground), there))
    return drawn


def covered(plan, head):
    """The share of a head's box that is masked; of what is in the picture."""
    x0, y0, x1, y1 = np.clip(np.round(head), 0, (WIDTH, HEIGHT, WIDTH, HEIGHT)).astype(int)
    if x1 <= x0 or y1 <= y0:
        return 1.0
    return float(np.kron(plan.mask, np.ones((MB, MB), bool))[y0:y1, x0:x1].mean())


def longest_open(drawn):
    """Seconds of the longest stretch in which a person's head is open after their first two seconds."""
    since, longest = {}, 0.0
    for at_s, plan, people in drawn:
        for person in people:
            opened = person.since_s >= FIRST_S and person.head_seen >= SEEN and covered(plan, person.head) < COVERED
            began = since.setdefault(person.id, at_s) if opened else since.pop(person.id, None)
            if opened:
                longest = max(longest, at_s - began)
    return longest


NEAR = [standing("front_1", 0.3, 0.9), standing("side_1", 0.7, 0.8)]
MIDDLE = [standing("front_2", 0.25, 0.45), standing("back_1", 0.5, 0.5), standing("side_2", 0.75, 0.4)]
LOW = [standing("sit_1", 0.3, 0.6), standing("crouch_1", 0.7, 0.6)]


@pytest.mark.parametrize("visits", [NEAR, MIDDLE, LOW], ids=["near", "middle", "low"])
@pytest.mark.parametrize("look", [Look(), Look(sway_px=2.0), Look(fog=0.4)], ids=["still", "swaying", "fog"])
def test_people_who_stand_there_from_the_first_picture_on_stay_masked(loaded, visits, look):
    drawn = played(loaded, Scene(WIDTH, HEIGHT, tuple(visits), look, seed=4), Fraction(5), 9.0)
    assert longest_open(drawn) <= LATER_S
    assert drawn[-1][1].mask.mean() <= 0.8 or drawn[-1][1].full


@pytest.mark.parametrize("rate", [2, 10, 25])
def test_people_who_come_stand_and_go_are_masked_at_any_rate(loaded, rate):
    visits = (
        standing("front_3", 0.35, 0.5, arrives_s=3.0, seconds=6.0, comes="left", goes="right"),
        standing("back_2", 0.6, 0.6, arrives_s=4.0, seconds=4.0, comes="far", goes="far"),
    )
    drawn = played(loaded, Scene(WIDTH, HEIGHT, visits, Look(), seed=6), Fraction(rate), 10.0 if rate > 10 else 14.0)
    assert longest_open(drawn) <= LATER_S


def test_an_infra_red_picture_is_masked_whole_and_says_why(loaded):
    drawn = played(loaded, Scene(WIDTH, HEIGHT, tuple(MIDDLE), Look(infra_red=True), seed=4), Fraction(5), 5.0)
    assert all(plan.full for _, plan, _ in drawn)
    assert "infra-red" in drawn[-1][1].why


def test_an_empty_scene_is_open(loaded):
    drawn = played(loaded, Scene(WIDTH, HEIGHT, (), Look(), seed=4), Fraction(5), 8.0)
    assert not drawn[-1][1].full
    assert drawn[-1][1].mask.mean() <= 0.15
