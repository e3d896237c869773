"""Eight bits are taken where they still see and are quicker; otherwise the exact network stays, and says why."""

import logging

import numpy as np
import onnx
import pytest

import models
from base.errors import ModelError
from models import precision, selftest
from models.config import ModelsConfig
from models.convert.quantise import unsigned
from models.detections import ious
from models.registry import ModelRegistry
from models.runtime import InferenceSession

REGISTRY = ModelRegistry.read()
AUTO = ModelsConfig(precision="auto")
EIGHT = precision.eight_bits()


@pytest.fixture(scope="module")
def exact():
    return InferenceSession.load(precision.FLOAT, AUTO, REGISTRY)


def test_eight_bits_see_what_float_sees():
    found = [
        models.load(ModelsConfig(precision=name)).detector.detect(selftest.picture(), 0.4) for name in ("float", "int8")
    ]
    assert [len(each) for each in found] == [1, 1]
    assert ious(found[0].boxes, found[1].boxes)[0, 0] > 0.9
    assert abs(found[0].scores[0] - found[1].scores[0]) < 0.1


@pytest.mark.parametrize(
    ("machine", "flags", "form"),
    [
        ("x86_64", "fma avx2", "nanodet-uint8"),
        ("x86_64", "avx2 avx512f avx512_vnni", "nanodet-int8"),
        ("x86_64", "avx2 avx_vnni", "nanodet-int8"),
        ("x86_64", None, "nanodet-uint8"),
        ("aarch64", "asimd asimddp", "nanodet-int8"),
    ],
)
def test_signed_weights_are_for_processors_that_do_not_saturate(monkeypatch, tmp_path, machine, flags, form):
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse\n")
    monkeypatch.setattr(precision, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(precision.platform, "machine", lambda: machine)
    assert precision.eight_bits() == form


def test_both_forms_are_the_same_network():
    """Weights less their zero points, times their scales: every product is the same in both files."""
    made = unsigned(onnx.load_from_string(REGISTRY.weights(precision.INT8)))
    assert made.SerializeToString(deterministic=True) == REGISTRY.weights(precision.UINT8)
    both = [onnx.load_from_string(REGISTRY.weights(name)) for name in (precision.INT8, precision.UINT8)]
    signed, plain = (weights_of(model) for model in both)
    assert len(signed) == 31
    assert all(np.array_equal(signed[name], plain[name]) for name in signed)


def weights_of(model):
    """Of every convolution in eight bits: its weights as the network means them."""
    known = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    scaled = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    found = {}
    for node in model.graph.node:
        scale = scaled.get(node.input[1]) if node.op_type == "Conv" else None
        if scale is not None and scale.input[0] in known:
            weights, factor, zero = (known[name].astype(np.float64) for name in scale.input)
            shape = (-1, *[1] * (weights.ndim - 1))
            found[node.name] = (weights - zero.reshape(shape)) * factor.reshape(shape)
    return found


def test_the_appearance_code_does_not_depend_on_the_precision():
    codes = [
        models.load(ModelsConfig(precision=name)).appearance.encode(selftest.picture(), np.float32([9, 9, 228, 318]), 0)
        for name in ("float", "int8")
    ]
    assert codes[0] == codes[1]


@pytest.mark.parametrize(
    ("float_s", "int8_s", "chosen"), [(0.05, 0.02, EIGHT), (0.05, 0.045, "nanodet"), (0.02, 0.05, "nanodet")]
)
def test_the_quicker_one_is_taken(monkeypatch, exact, float_s, int8_s, chosen):
    seconds = {"nanodet": float_s, EIGHT: int8_s}
    monkeypatch.setattr(precision, "_seconds", lambda session, _profile: seconds[session.entry.name])
    assert precision.detecting(exact, REGISTRY, AUTO).entry.name == chosen


def test_what_does_not_see_in_eight_bits_stays_in_float(monkeypatch, exact, caplog):
    def blind(_detector):
        raise ModelError("self-test: the detector must find one person")

    monkeypatch.setattr(selftest, "check_detector", blind)
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
