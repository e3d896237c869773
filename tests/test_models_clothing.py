"""Recipe and network on clothes together: who is believed about what, and what stays unsaid."""

import numpy as np
import pytest

import models
from models import clothing, selftest
from models.config import ModelsConfig
from models.registry import ModelRegistry
from wire.features.packet import ColourShare
from wire.features.vocabulary import BodyPart, Colour, ObjectClass

NAMES = ModelRegistry.read().entry("market64").names


def logits(**told):
    return np.array([told.get(name, -4.0) for name in NAMES], np.float32)


def test_the_network_turns_grey_jeans_blue():
    told = (ColourShare(BodyPart.LOWER, Colour.GREY, 0.6), ColourShare(BodyPart.LOWER, Colour.BLUE, 0.3))
    thought = clothing.opinion(logits(downblue=5.0), NAMES)
    joined = clothing.joined(told, thought)
    assert joined[0].colour == Colour.BLUE
    assert sum(share.share for share in joined) <= 1 + 1e-6


def test_how_common_a_colour_was_in_training_does_not_decide():
    thought = clothing.opinion(np.zeros(len(NAMES), np.float32), NAMES)
    rare, common = thought[BodyPart.UPPER][Colour.PURPLE], thought[BodyPart.UPPER][Colour.WHITE]
    assert rare > common
    assert thought[BodyPart.LOWER].sum() == pytest.approx(1, abs=1e-5)


def test_shoes_and_darkness_stay_as_they_were_told():
    told = (ColourShare(BodyPart.UPPER, Colour.UNKNOWN, 1.0), ColourShare(BodyPart.SHOES, Colour.BLACK, 0.8))
    assert clothing.joined(told, clothing.opinion(logits(upred=6.0), NAMES)) == told


def test_extreme_logits_stay_finite():
    thought = clothing.opinion(np.full(len(NAMES), 1e4, np.float32), NAMES)
    assert all(np.isfinite(part).all() for part in thought.values())


def test_the_choice_of_network_chooses_who_names_colours():
    plain = models.load(ModelsConfig())
    trained = models.load(ModelsConfig(appearance="market64"))
    assert not isinstance(plain.colours, clothing.Clothes)
    assert isinstance(trained.colours, clothing.Clothes)
    box = np.array([30, 10, 200, 318], np.float32)
    parts = {share.part for share in trained.colours.describe(selftest.picture(), box, ObjectClass.PERSON)}
    assert {BodyPart.UPPER, BodyPart.LOWER} <= parts
    assert trained.colours.describe(selftest.picture(), box, ObjectClass.CAR) == plain.colours.describe(
        selftest.picture(), box, ObjectClass.CAR
    )
