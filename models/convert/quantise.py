"""A network in eight bits: static, signed weights per channel, unsigned activations, scales from a list of pictures.

QDQ form, which onnxruntime fuses. Activations are unsigned because on x86 (VNNI) signed ones were measured to buy
nothing (32.6 ms against 33.2 in float, unsigned 12.5); Arm with dot-product takes either. The last convolutions of a
detector's heads stay in float: their outputs span orders of magnitude and there is little work in them.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.quant_utils import QuantFormat, QuantType
from onnxruntime.quantization.quantize import quantize_static

from models.registry import ModelEntry

Images = npt.NDArray[np.float32]


class _Pictures(CalibrationDataReader):
    def __init__(self, name: str, images: Iterable[Images]) -> None:
        self._rows: Iterator[dict[str, Any]] = iter([{name: image} for image in images])

    def get_next(self) -> dict[str, Any]:
        return next(self._rows, None)  # type: ignore[arg-type]  # the end is None, which the base class does not say


def folded(weights: bytes, path: Path) -> onnx.ModelProto:
    """The graph with its float16 weights widened and its constants folded, written to `path`."""
    ort: Any = onnxruntime  # it exports its names without declaring them
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    model = onnx.load(str(path))
    for number, node in enumerate(model.graph.node):
        # Nodes are left in float by name, so each must have one.
        node.name = node.name or f"{node.op_type}_{number}"
    onnx.save(model, str(path))
    return model


def heads(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions behind which no other convolution comes."""
    reaches: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            reaches.setdefault(name, []).append(node)

    def leads_on(node: onnx.NodeProto) -> bool:
        return any(
            after.op_type in {"Conv", "ConvTranspose", "Gemm"} or leads_on(after)
            for output in node.output
            for after in reaches.get(output, [])
        )

    return [node.name for node in model.graph.node if node.op_type in {"Conv", "Gemm"} and not leads_on(node)]


# Networks whose first convolutions must stay in float as well: CenterFace's heads answer to differences of a few grey
# levels between small windows (cosine of its outputs 0.94 without, 0.99 with).
KEPT_FIRST = {"centerface": 4}


def int8(
    entry: ModelEntry, weights: bytes, pictures: Iterable[Images], *, keep_heads: bool = True, keep_first: int = 0
) -> bytes:
    """`weights` of the network `entry` in eight bits, calibrated on `pictures` (each (n, 3, h, w), normalised).

    Args:
        keep_heads, keep_first: leave the last convolutions, and so many of the first ones, in float.
    """
    with tempfile.TemporaryDirectory() as scratch:
        wide, small = Path(scratch) / "wide.onnx", Path(scratch) / "int8.onnx"
        model = folded(weights, wide)
        first = [node.name for node in model.graph.node if node.op_type == "Conv"][:keep_first]
        quantize_static(
            str(wide),
            str(small),
            _Pictures(entry.input.name, pictures),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=first + (heads(model) if keep_heads else []),
            extra_options={"ActivationSymmetric": False},
        )
        return small.read_bytes()


def unsigned(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with unsigned weights: every weight and its zero point raised by 128, which changes no product.

    x86 without VNNI multiplies unsigned activations with signed weights in pairs whose sums saturate at sixteen bits
    (vpmaddubsw), so that what the network sees there is another; for unsigned weights onnxruntime has an exact way.
    """
    known = {initializer.name: initializer for initializer in model.graph.initializer}
    scaled = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    raised: set[str] = set()
    for node in model.graph.node:
        scale = scaled.get(node.input[1]) if node.op_type == "Conv" else None
        if scale is None or scale.input[0] not in known or scale.input[0] in raised:
            continue
        weights, zeros = (onnx.numpy_helper.to_array(known[scale.input[place]]) for place in (0, 2))
        if weights.dtype != np.int8:
            continue
        if zeros.any():
            raise ValueError(f"{node.name}: signed weights with a zero point of their own")
        raised |= {scale.input[0]}
        for name, values in ((scale.input[0], weights), (scale.input[2], zeros)):
            moved = (values.astype(np.int16) + 128).astype(np.uint8)
            known[name].CopyFrom(onnx.numpy_helper.from_array(moved, name))
    return model
