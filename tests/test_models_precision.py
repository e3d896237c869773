"""Eight bits are taken where they still see and are quicker; otherwise the exact network stays, and says why."""

import logging

import numpy as np
import pytest

import models
from base.errors import ModelError
from models import precision, selftest
from models.config import ModelsConfig
from models.detections import ious
from models.registry import Registry
from models.runtime import Session

REGISTRY = Registry.read()
AUTO = ModelsConfig(precision="auto")


@pytest.fixture(scope="module")
def exact():
    return Session.load(precision.FLOAT, AUTO, REGISTRY)


def test_eight_bits_see_what_float_sees():
    found = [models.load(ModelsConfig(precision=name)).detector.detect(selftest.picture(), 0.4)
             for name in ("float", "int8")]
    assert [len(each) for each in found] == [1, 1]
    assert ious(found[0].boxes, found[1].boxes)[0, 0] > 0.9
    assert abs(found[0].scores[0] - found[1].scores[0]) < 0.1


def test_the_appearance_code_does_not_depend_on_the_precision():
    codes = [models.load(ModelsConfig(precision=name)).appearance.encode(
        selftest.picture(), np.float32([9, 9, 228, 318]), 0) for name in ("float", "int8")]
    assert codes[0] == codes[1]


@pytest.mark.parametrize(("float_s", "int8_s", "chosen"), [(0.05, 0.02, "nanodet-int8"), (0.05, 0.045, "nanodet"),
                                                            (0.02, 0.05, "nanodet")])
def test_the_quicker_one_is_taken(monkeypatch, exact, float_s, int8_s, chosen):
    seconds = {"nanodet": float_s, "nanodet-int8": int8_s}
    monkeypatch.setattr(precision, "_seconds", lambda session, _profile: seconds[session.entry.name])
    assert precision.detecting(exact, REGISTRY, AUTO).entry.name == chosen


def test_what_does_not_see_in_eight_bits_stays_in_float(monkeypatch, exact, caplog):
    def blind(_detector):
        raise ModelError("self-test: the detector must find one person")

    monkeypatch.setattr(selftest, "ask_detector", blind)
    with caplog.at_level(logging.WARNING):
        assert precision.detecting(exact, REGISTRY, AUTO) is exact
    assert "stays in float" in caplog.text


def test_on_another_provider_the_choice_is_that_providers(exact, monkeypatch):
    monkeypatch.setattr(exact, "provider", "TensorrtExecutionProvider")
    assert precision.detecting(exact, REGISTRY, AUTO) is exact


def test_the_jetson_profile_asks_for_its_own_providers_first(caplog):
    config = ModelsConfig(profile="jetson")
    assert config.wanted[0] == "TensorrtExecutionProvider"
    with caplog.at_level(logging.WARNING):
        assert models.load(config).provider in config.wanted
    assert ModelsConfig(profile="jetson", providers=("CUDAExecutionProvider",)).wanted == ("CUDAExecutionProvider",)


def test_an_unknown_precision():
    with pytest.raises(ValueError, match="precision: 'half' is not one of float, int8, auto"):
        ModelsConfig(precision="half")
