"""TensorFlow.js graph model → ONNX, for convolutional detectors.

Reads `model.json` and its weight shards (TensorFlow.js "Model and weights format", graph-model) and writes one ONNX
graph in NCHW. Three things make the result better than a literal translation: transpositions are carried along as a
pending permutation and vanish where a convolution undoes them; paddings and biases are folded into their convolution;
sizes that were frozen at export (resizes, reshapes) become relative, so that height, width and batch stay free.
"""

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from base.errors import ModelError

OPSET = 17
INPUT = "image"
Array = npt.NDArray[Any]
_IDENTITY = (0, 1, 2, 3)
_STORED = {"float16": np.float16, "float32": np.float32, "int32": np.int32}


@dataclass(frozen=True, slots=True)
class _Value:
    """A tensor of the source graph: `name` in the target graph, seen through `perm` and padded by `pads`.

    Axis i of the source tensor is axis perm[i] of the target tensor; pads is (before, after) per target axis.
    """

    name: str
    perm: tuple[int, ...] = _IDENTITY
    pads: tuple[tuple[int, int], ...] = ((0, 0),) * 4

    @property
    def padded(self) -> bool:
        return any(sum(pair) for pair in self.pads)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The model's description and its weights by name (float16 storage widened to float32).

    Raises:
        ModelError: the file is not a graph model, or its shards are shorter than the manifest says.
    """
    document = json.loads(path.read_text())
    if document.get("format") != "graph-model":
        raise ModelError(f"{path.name} is not a TensorFlow.js graph model")
    weights: dict[str, Array] = {}
    for group in document["weightsManifest"]:
        blob = b"".join((path.parent / shard).read_bytes() for shard in group["paths"])
        at = 0
        for entry in group["weights"]:
            stored = np.dtype(_STORED[entry.get("quantization", entry)["dtype"]])
            count = int(np.prod(entry["shape"], dtype=np.int64))
            if at + count * stored.itemsize > len(blob):
                raise ModelError(f"{path.name}: the weights stop before {entry['name']}")
            array = np.frombuffer(blob, stored, count, at).reshape(entry["shape"])
            weights[entry["name"]] = array.astype(entry["dtype"])
            at += count * stored.itemsize
    return document, weights


def _attribute(node: dict[str, Any], name: str) -> Any:
    attribute = node["attr"][name]
    if "list" in attribute:
        return [int(i) for i in attribute["list"].get("i", [])]
    if "s" in attribute:
        return base64.b64decode(attribute["s"]).decode()
    return attribute["f"] if "f" in attribute else int(attribute["i"])


class GraphConverter:
    """Walks the source nodes in order; `values` are tensors computed at run time, `constants` are known now."""

    def __init__(self, document: dict[str, Any], weights: dict[str, Array]) -> None:
        self._topology: list[dict[str, Any]] = document["modelTopology"]["node"]
        self.constants: dict[str, Array] = dict(weights)
        self.values: dict[str, _Value] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self._spatial: dict[str, int] = {}  # rows of a target tensor in the exported size, to find resize factors

    def run(self) -> None:
        for node in self._topology:
            op, name = node["op"], node["name"]
            if op == "Const":
                continue
            inputs = [i.removesuffix(":0") for i in node.get("input", [])]
            if op == "Placeholder":
                self.values[name] = _Value(INPUT)
                self._spatial[INPUT] = int(node["attr"]["shape"]["shape"]["dim"][2]["size"])
            elif all(i in self.constants for i in inputs):
                self.constants[name] = self._fold(op, [self.constants[i] for i in inputs])
            else:
                getattr(self, f"_{op.lower()}", self._unknown)(node, name, inputs)

    def _fold(self, op: str, inputs: list[Array]) -> Array:
        if op == "SparseToDense":
            indices, shape, values, default = inputs
            dense = np.full(shape, default.reshape(-1)[0] if default.size == 1 else 0, np.int64)
            if default.size > 1:
                dense[...] = default
            for index, value in zip(indices, values, strict=True):
                dense[tuple(index)] = value
            return dense
        if op in {"Add", "AddV2"}:
            return np.asarray(inputs[0] + inputs[1])
        raise ModelError(f"constant {op} is not known to this converter")

    def _unknown(self, node: dict[str, Any], name: str, _inputs: list[str]) -> None:
        raise ModelError(f"operation {node['op']} ({name}) is not known to this converter")

    def _emit(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        self._spatial.setdefault(output, self._spatial.get(inputs[0], 0))
        return output

    def _store(self, name: str, array: Array) -> str:
        if all(t.name != name for t in self.initialisers):
            self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def settled(self, value: _Value, *, plain: bool = False) -> _Value:
        """`value` with its pending padding applied, and with `plain` its pending permutation as well."""
        if value.padded:
            pads = [p[0] for p in value.pads] + [p[1] for p in value.pads]
            name = self._emit(
                "Pad", [value.name, self._store(f"{value.name}/pads", np.array(pads, np.int64))], f"{value.name}/padded"
            )
            value = _Value(name, value.perm)
        if plain and value.perm != tuple(range(len(value.perm))):
            name = self._emit("Transpose", [value.name], f"{value.name}/plain", perm=list(value.perm))
            value = _Value(name, tuple(range(len(value.perm))))
        return value

    def _identity(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        self.values[name] = self.values[inputs[0]]

    def _transpose(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        value, order = self.values[inputs[0]], self.constants[inputs[1]]
        self.values[name] = replace(value, perm=tuple(value.perm[int(i)] for i in order))

    def _pad(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        value = self.settled(self.values[inputs[0]])
        pads = [(0, 0)] * 4
        for axis, pair in enumerate(self.constants[inputs[1]]):
            pads[value.perm[axis]] = (int(pair[0]), int(pair[1]))
        self.values[name] = replace(value, pads=tuple(pads))

    # PadV2 pads with -inf in front of a pooling; ONNX's own padding of MaxPool means the same.
    _padv2 = _pad

    def _spatial_pads(self, value: _Value) -> list[int]:
        if any(sum(pair) for pair in value.pads[:2]):
            raise ModelError(f"{value.name}: padding over batch or channels")
        return [value.pads[2][0], value.pads[3][0], value.pads[2][1], value.pads[3][1]]

    def _window(self, node: dict[str, Any], value: _Value) -> dict[str, Any]:
        if value.perm != (0, 2, 3, 1) or _attribute(node, "padding") != "VALID":
            raise ModelError(f"{node['name']}: only NHWC windows over NCHW tensors without own padding are known")
        return {"strides": _attribute(node, "strides")[1:3], "pads": self._spatial_pads(value)}

    def _conv2d(self, node: dict[str, Any], name: str, inputs: list[str]) -> None:
        value, kernel = self.values[inputs[0]], self.constants[inputs[1]]
        attributes = self._window(node, value)
        stored = self._store(inputs[1], kernel.transpose(3, 2, 0, 1))
        self._spatial[name] = self._spatial[value.name] // attributes["strides"][0]
        self._emit(
            "Conv",
            [value.name, stored],
            name,
            kernel_shape=list(kernel.shape[:2]),
            dilations=_attribute(node, "dilations")[1:3],
            group=1,
            **attributes,
        )
        self.values[name] = _Value(name, (0, 2, 3, 1))

    def _maxpool(self, node: dict[str, Any], name: str, inputs: list[str]) -> None:
        value = self.values[inputs[0]]
        attributes = self._window(node, value)
        self._spatial[name] = self._spatial[value.name] // attributes["strides"][0]
        self._emit("MaxPool", [value.name], name, kernel_shape=_attribute(node, "ksize")[1:3], **attributes)
        self.values[name] = _Value(name, (0, 2, 3, 1))

    def _add(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        left = self.settled(self.values[inputs[0]])
        last = self.nodes[-1] if self.nodes else None
        if inputs[1] in self.constants:
            bias = self.constants[inputs[1]]
            if last is None or last.op_type != "Conv" or last.output[0] != left.name or len(last.input) != 2:
                last = next(n for n in self.nodes if n.output[0] == left.name)
            if last.op_type != "Conv" or bias.ndim != 1:
                raise ModelError(f"{name}: a constant is added to something else than a convolution")
            last.input.append(self._store(inputs[1], bias))
            self.values[name] = left
            return
        right = self.settled(self.values[inputs[1]])
        if left.perm != right.perm:
            raise ModelError(f"{name}: sum of differently laid out tensors")
        self._emit("Add", [left.name, right.name], name)
        self.values[name] = _Value(name, left.perm)

    def _leakyrelu(self, node: dict[str, Any], name: str, inputs: list[str]) -> None:
        value = self.settled(self.values[inputs[0]])
        self._emit("LeakyRelu", [value.name], name, alpha=float(_attribute(node, "alpha")))
        self.values[name] = _Value(name, value.perm)

    def _sigmoid(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        value = self.settled(self.values[inputs[0]])
        self._emit("Sigmoid", [value.name], name)
        self.values[name] = _Value(name, value.perm)

    def _concatv2(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        parts = [self.settled(self.values[i]) for i in inputs[:-1]]
        if any(part.perm != parts[0].perm for part in parts):
            raise ModelError(f"{name}: concatenation of differently laid out tensors")
        self._emit("Concat", [part.name for part in parts], name, axis=parts[0].perm[int(self.constants[inputs[-1]])])
        self.values[name] = _Value(name, parts[0].perm)

    def _splitv(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        value = self.settled(self.values[inputs[0]])
        sizes = self.constants[inputs[1]].astype(np.int64)
        outputs = [name] + [f"{name}:{i}" for i in range(1, len(sizes))]
        axis = value.perm[int(self.constants[inputs[2]])]
        self.nodes.append(
            helper.make_node("Split", [value.name, self._store(f"{name}/sizes", sizes)], outputs, name=name, axis=axis)
        )
        self.values.update({output: _Value(output, value.perm) for output in outputs})

    def _resizebilinear(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        value = self.settled(self.values[inputs[0]])
        rows = int(self.constants[inputs[1]][0])
        factor = rows / self._spatial[value.name]
        scales = self._store(f"{name}/scales", np.array([1, 1, factor, factor], np.float32))
        self._spatial[name] = rows
        self.nodes.append(
            helper.make_node(
                "Resize",
                [value.name, "", scales],
                [name],
                name=name,
                mode="linear",
                coordinate_transformation_mode="half_pixel",
            )
        )
        self.values[name] = _Value(name, value.perm)

    def _reshape(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        value = self.settled(self.values[inputs[0]], plain=True)
        shape = self.constants[inputs[1]].astype(np.int64)
        # Batch first and places last: both follow the input instead of the exported size.
        free = np.concatenate([[0], shape[1:-1], [-1]])
        self._emit("Reshape", [value.name, self._store(f"{name}/shape", free)], name)
        self.values[name] = _Value(name, tuple(range(len(shape))), ((0, 0),) * len(shape))


def convert(path: Path, *, outputs: dict[str, tuple[str, list[int | str]]], producer: str) -> onnx.ModelProto:
    """The graph model at `path` as ONNX with free batch, height and width.

    Args:
        outputs: target output name → source tensor name and shape; words in the shape are free.
        producer: written into the model as its origin.
    """
    document, weights = read(path)
    graph = GraphConverter(document, weights)
    graph.run()
    for target, (source, _) in outputs.items():
        settled = graph.settled(graph.values[source], plain=True)
        graph.nodes.append(helper.make_node("Identity", [settled.name], [target]))
    placeholder = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 3, "h", "w"])
    results = [helper.make_tensor_value_info(o, TensorProto.FLOAT, shape) for o, (_, shape) in outputs.items()]
    model = helper.make_model(
        helper.make_graph(graph.nodes, path.stem, [placeholder], results, graph.initialisers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
        producer_name="veilcam",
        doc_string=producer,
    )
    onnx.checker.check_model(model, full_check=True)
    return model
