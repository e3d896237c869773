"""How a camera shows clothes: what it learns, and what its colours are called then."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import colours
from models.rendition import USUAL, Rendition, Renditions
from wire.features.vocabulary import BodyPart, Colour, ObjectClass

BOX = np.array([40, 20, 72, 116], np.float32)


def cloth(chroma, lightness):
    return np.tile(np.float32([lightness, 0, -chroma]), (64, 1))


def dressed(lab):
    """Somebody all in one colour on asphalt."""
    scene = np.full((136, 112, 3), 120, np.uint8)
    rgb = cv2.cvtColor(np.float32([[lab]]), cv2.COLOR_LAB2RGB)[0, 0]
    scene[20:116, 40:72] = (rgb * 255).round()
    return scene


def upper(picture, rendition=USUAL):
    told = colours.describe(picture, BOX, ObjectClass.PERSON, rendition=rendition)
    return next(share.colour for share in told if share.part is BodyPart.UPPER)


def test_who_has_seen_nobody_is_the_usual_camera():
    assert Renditions().now == USUAL
    assert USUAL.factors == (1, 1, 1)


@given(st.floats(2, 40), st.floats(8, 95))
def test_many_looks_are_believed_and_one_hardly(chroma, lightness):
    known = Renditions()
    known.learn(cloth(chroma, lightness))
    first = known.now
    assert abs(np.log(first.chroma / USUAL.chroma)) <= abs(np.log(chroma / USUAL.chroma)) * 0.1 + 0.05
    for _ in range(400):
        known.learn(cloth(chroma, lightness))
    assert known.now.chroma == pytest.approx(chroma, rel=0.25)
    assert known.now.lightness == pytest.approx(lightness, rel=0.25)


def test_other_light_is_learnt_anew():
    known = Renditions()
    for _ in range(2000):
        known.learn(cloth(12, 50))
    for _ in range(2000):
        known.learn(cloth(4, 30))
    assert known.now.chroma == pytest.approx(4, abs=0.5)
    assert known.now.lightness == pytest.approx(30, abs=1)


def test_a_crowd_in_colours_says_more_by_its_middle_than_by_its_loudest():
    known = Renditions()
    for number in range(300):
        known.learn(cloth(60 if number % 3 == 0 else 5, 38))
    assert known.now.chroma == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize("lab", [(45, 1, -9), (45, 6, -6), (45, -2, 8)])
def test_a_grey_coat_is_grey_to_a_camera_that_paints_everything(lab):
    painted = dressed(lab)
    assert upper(painted) is not Colour.GREY
    assert upper(painted, Rendition(chroma=11.0, lightness=38.0)) is Colour.GREY


def test_vehicles_are_named_as_they_are_shown():
    picture = dressed((45, 1, -12))
    loud = Rendition(chroma=20.0, lightness=80.0)
    told = [colours.describe(picture, BOX, ObjectClass.CAR, rendition=one) for one in (USUAL, loud)]
    assert told[0] == told[1]


def test_what_is_learnt_from_is_the_clothes():
    assert np.allclose(colours.cloth(dressed((60, 20, 30)), BOX).mean(axis=0), (60, 20, 30), atol=1.5)
