"""A weight file that is not the one `models.toml` names is refused, and the message says what is wrong with it."""

import shutil

import pytest

import models
from base.errors import ModelError
from models.config import ModelsConfig
from models.precision import eight_bits
from models.registry import HERE, WEIGHTS, ModelRegistry

REGISTRY = ModelRegistry.read()


@pytest.fixture
def weights(tmp_path):
    for entry in REGISTRY.models:
        shutil.copy(WEIGHTS / entry.file, tmp_path / entry.file)
    return tmp_path


@pytest.mark.parametrize("entry", REGISTRY.models, ids=lambda entry: entry.name)
def test_every_entry_has_its_file_its_card_and_its_notice(entry):
    assert len(REGISTRY.weights(entry.name)) == entry.bytes
    assert (HERE / entry.card).is_file(), f"{entry.card} is missing"
    assert entry.file in (HERE.parent / "NOTICE").read_text(encoding="utf-8")


def test_every_weight_file_is_registered():
    assert {path.name for path in WEIGHTS.iterdir()} == {entry.file for entry in REGISTRY.models}


def test_missing_file(weights):
    (weights / "nanodet.onnx").unlink()
    with pytest.raises(ModelError, match=r"nanodet.*cannot be read"):
        models.load(ModelsConfig(weights=weights))


def test_truncated_file(weights):
    path = weights / "centerface.onnx"
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ModelError, match=r"centerface.*truncated: 100000 of"):
        models.load(ModelsConfig(weights=weights))


def test_swapped_files(weights):
    shutil.copy(WEIGHTS / "centerface.onnx", weights / "nanodet.onnx")
    with pytest.raises(ModelError, match=r"nanodet.*holds the model centerface"):
        models.load(ModelsConfig(weights=weights))


@pytest.mark.parametrize("at", [100, 1_000_000, -1])
def test_one_flipped_bit_is_another_version(weights, at):
    path = weights / "nanodet.onnx"
    blob = bytearray(path.read_bytes())
    blob[at] ^= 1
    path.write_bytes(blob)
    with pytest.raises(ModelError, match=r"nanodet.*another version or was altered"):
        models.load(ModelsConfig(weights=weights))


def test_unknown_model_names_the_known_ones():
    with pytest.raises(ModelError, match=r"is called 'yolo'; known: nanodet, nanodet-int8, nanodet-uint8, centerface"):
        REGISTRY.entry("yolo")


@pytest.mark.parametrize(
    ("line", "instead", "complaint"),
    [
        ("format = 1", "format = 2", "this program reads 1"),
        ('order = "BGR"', 'order = "GBR"', "neither BGR nor RGB"),
        ("version = 1", 'version = "one"', "version: want int"),
        ("card =", "cards =", "unknown key 'cards'"),
        ("deviation = [57.375, 57.12, 58.395]", "deviation = [57.375, 0.0, 58.395]", "no deviation zero"),
    ],
)
def test_a_registry_that_says_nonsense_is_refused(tmp_path, line, instead, complaint):
    text = (HERE / "models.toml").read_text(encoding="utf-8")
    assert line in text
    broken = tmp_path / "models.toml"
    broken.write_text(text.replace(line, instead, 1), encoding="utf-8")
    with pytest.raises(ModelError, match=complaint):
        ModelRegistry.read(broken)


def test_no_registry(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        ModelRegistry.read(tmp_path / "models.toml")


@pytest.mark.parametrize("precision", ["auto", "int8"])
def test_a_broken_network_in_eight_bits_is_not_passed_over_in_silence(weights, precision):
    name = eight_bits()
    path = weights / f"{name}.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=rf"{name}.*truncated"):
        models.load(ModelsConfig(weights=weights, precision=precision))
    models.load(ModelsConfig(weights=weights, precision="float"))
