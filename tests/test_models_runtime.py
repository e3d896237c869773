"""Providers that are there or not, graphs of another shape, and numbers that are none."""

import dataclasses
import logging

import numpy as np
import pytest

import models
from base.errors import ModelError
from models import runtime
from models.config import ModelsConfig
from models.registry import ModelRegistry, Tensor
from models.runtime import InferenceSession

CONFIG = ModelsConfig()


@pytest.fixture(scope="module")
def nanodet():
    return InferenceSession.load("nanodet", CONFIG)


def test_no_wanted_provider_is_there():
    with pytest.raises(ModelError, match=r"none of the execution providers NoSuchProvider is there; .*CPUExecution"):
        models.load(ModelsConfig(providers=("NoSuchProvider",)))


def test_a_missing_provider_is_passed_over_and_said(caplog):
    with caplog.at_level(logging.WARNING):
        loaded = models.load(ModelsConfig(providers=("NoSuchProvider", "CPUExecutionProvider")))
    assert loaded.provider == "CPUExecutionProvider"
    assert "NoSuchProvider" in caplog.text


def test_a_provider_that_cannot_start_is_said(monkeypatch, caplog):
    class Refusing:
        """onnxruntime when a GPU provider is compiled in but there is no GPU: it goes on with the next."""

        def __init__(self, *args, **kwargs):
            self._real = real(*args, **{**kwargs, "providers": ["CPUExecutionProvider"]})

        def __getattr__(self, name):
            return getattr(self._real, name)

    real = runtime.ort.InferenceSession
    monkeypatch.setattr(runtime.ort, "InferenceSession", Refusing)
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(runtime.ort, "get_available_providers", lambda: both)
    with caplog.at_level(logging.WARNING):
        session = InferenceSession.load("nanodet", ModelsConfig(providers=tuple(both)))
    assert session.provider == "CPUExecutionProvider"
    assert "runs on CPUExecutionProvider" in caplog.text


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"input": Tensor(name="image", shape=(0, 1, 0, 0))}, "input 'image' is"),
        ({"input": Tensor(name="pixels", shape=(0, 3, 0, 0))}, "no input 'pixels'"),
        ({"outputs": (Tensor(name="scores8", shape=(0, 0, 20)),)}, "output 'scores8' is"),
    ],
)
def test_a_graph_of_another_shape_is_refused(change, complaint):
    registry = ModelRegistry.read()
    entry = dataclasses.replace(registry.entry("nanodet"), **change)
    with pytest.raises(ModelError, match=complaint):
        InferenceSession(entry, registry.weights("nanodet"), CONFIG)


def test_bytes_that_are_no_graph():
    with pytest.raises(ModelError, match="onnxruntime refuses the graph"):
        InferenceSession(ModelRegistry.read().entry("nanodet"), b"not a graph", CONFIG)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_not_a_number_is_not_used(nanodet, value):
    image = np.zeros((1, 3, 64, 64), np.float32)
    image[0, 0, 5, 5] = value
    with pytest.raises(ModelError, match=r"output .* not a finite number"):
        nanodet.run(image, ("scores8", "sides8"))


def test_an_inference_that_fails(nanodet):
    with pytest.raises(ModelError, match="inference failed"):
        nanodet.run(np.zeros((1, 2, 64, 64), np.float32), ("scores8",))


def test_normalisation_follows_the_entry(nanodet):
    rgb = np.zeros((32, 64, 3), np.uint8)
    rgb[..., 0] = 255
    blob = nanodet.normalised(rgb)
    entry = nanodet.entry
    assert blob.shape == (1, 3, 32, 64)
    assert entry.order == "BGR"
    assert blob[0, 2, 0, 0] == pytest.approx((255 - entry.mean[2]) / entry.deviation[2], rel=1e-5)
    assert blob[0, 0, 0, 0] == pytest.approx(-entry.mean[0] / entry.deviation[0], rel=1e-5)


@pytest.mark.parametrize("wrong", [{"providers": ()}, {"threads": 0}, {"profile": "fast"}])
def test_configuration_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ModelsConfig(**wrong)


def test_unknown_encoder():
    with pytest.raises(ModelError, match="'faces' is not a known encoder; known: stripes"):
        models.load(ModelsConfig(appearance="faces"))
