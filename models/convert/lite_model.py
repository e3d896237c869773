"""TensorFlow Lite model → ONNX, for convolutional detectors with float16 weights.

Reads the flatbuffer itself (TensorFlow Lite's schema.fbs, version 3: a dozen fields of it) and writes one ONNX graph in
NCHW with free batch, height and width. Paddings stay "same": they depend on the size, which is free here. What a head
reshapes is put back into channels-last order first, so that its rows come out in the order of the original's anchors.
"""

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from base.errors import ModelError

OPSET = 17
INPUT = "image"
Array = npt.NDArray[Any]
_VERSION = 3
_ADD, _CONCATENATION, _CONVOLUTION, _DEPTHWISE, _DEQUANTIZE, _RESHAPE = 0, 2, 3, 4, 6, 22
_SAME, _NO_ACTIVATION, _RELU6 = 0, 0, 3
_STORED = {0: "<f4", 1: "<f2", 2: "<i4"}


class _Table:
    """A table of a flatbuffer: fields by their number in the schema; what is absent has its default."""

    def __init__(self, blob: bytes, at: int) -> None:
        self._blob, self._at = blob, at
        vtable = at - struct.unpack_from("<i", blob, at)[0]
        size = struct.unpack_from("<H", blob, vtable)[0]
        self._fields = struct.unpack_from(f"<{size // 2 - 2}H", blob, vtable + 4)

    @classmethod
    def root(cls, blob: bytes) -> "_Table":
        return cls(blob, struct.unpack_from("<I", blob)[0])

    def _place(self, field: int) -> int:
        offset = self._fields[field] if field < len(self._fields) else 0
        return self._at + offset if offset else 0

    def number(self, field: int, layout: str = "<i") -> int:
        place = self._place(field)
        return int(struct.unpack_from(layout, self._blob, place)[0]) if place else 0

    def _target(self, place: int) -> int:
        return place + int(struct.unpack_from("<I", self._blob, place)[0])

    def table(self, field: int) -> "_Table":
        return _Table(self._blob, self._target(self._place(field)))

    def vector(self, field: int, kind: str) -> Array:
        """A vector of scalars of numpy's type `kind`; empty when it is absent."""
        place = self._place(field)
        if not place:
            return np.zeros(0, kind)
        start = self._target(place)
        return np.frombuffer(self._blob, kind, struct.unpack_from("<I", self._blob, start)[0], start + 4)

    def text(self, field: int) -> str:
        return self.vector(field, "u1").tobytes().decode()

    def tables(self, field: int) -> "list[_Table]":
        start = self._target(self._place(field)) + 4
        count = len(self.vector(field, "<u4"))
        return [_Table(self._blob, self._target(start + 4 * i)) for i in range(count)]


class _Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    data: Array | None


@dataclass(frozen=True, slots=True)
class _Step:
    code: int
    inputs: list[int]
    output: int
    options: _Table | None


def _read(blob: bytes) -> tuple[list[_Tensor], list[_Step], list[int], list[int]]:
    """Tensors, operations in order, inputs and outputs of the only graph in the model `blob`."""
    if blob[4:8] != b"TFL3":
        raise ModelError("not a TensorFlow Lite model")
    model = _Table.root(blob)
    if model.number(0) != _VERSION:
        raise ModelError(f"TensorFlow Lite model of version {model.number(0)}, this program reads {_VERSION}")
    codes = [max(code.number(0, "<b"), code.number(3)) for code in model.tables(1)]
    buffers, graph = model.tables(4), model.tables(2)[0]
    tensors = []
    for tensor in graph.tables(0):
        raw = buffers[tensor.number(2, "<I")].vector(0, "u1")
        shape = tuple(int(side) for side in tensor.vector(0, "<i4"))
        data = raw.view(_STORED[tensor.number(1, "<b")]).reshape(shape) if len(raw) else None
        tensors.append(_Tensor(tensor.text(3), shape, data))
    steps = [
        _Step(
            codes[step.number(0, "<I")],
            step.vector(1, "<i4").tolist(),
            int(step.vector(2, "<i4")[0]),
            step.table(4) if step.number(3, "<B") else None,
        )
        for step in graph.tables(3)
    ]
    return tensors, steps, graph.vector(1, "<i4").tolist(), graph.vector(2, "<i4").tolist()


class _Converter:
    """Walks the operations in order; `names` of what is computed at run time, `constants` of what is known now."""

    def __init__(self, tensors: list[_Tensor], image: int) -> None:
        self._tensors = tensors
        self.names = {image: INPUT}
        self._constants: dict[int, Array] = {i: t.data for i, t in enumerate(tensors) if t.data is not None}
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def take(self, number: int, step: _Step) -> None:
        name = f"step{number}"
        if step.code == _DEQUANTIZE:
            self._constants[step.output] = self._constants[step.inputs[0]].astype(np.float32)
            return
        if step.code in (_CONVOLUTION, _DEPTHWISE):
            self._convolution(step, name)
        elif step.code == _ADD:
            self._expect(step, 0, _NO_ACTIVATION)
            self._emit("Add", [self.names[i] for i in step.inputs], name)
        elif step.code == _CONCATENATION:
            self._emit("Concat", [self.names[i] for i in step.inputs], name, axis=1)
        elif step.code == _RESHAPE:
            self._reshape(step, name)
        else:
            raise ModelError(f"operation {step.code} of TensorFlow Lite is not known to this converter")
        self.names[step.output] = name

    def _convolution(self, step: _Step, name: str) -> None:
        depthwise, options = step.code == _DEPTHWISE, step.options
        if options is None or options.number(0, "<b") != _SAME:
            raise ModelError(f"{name}: a convolution without 'same' padding is not known to this converter")
        weights = self._constants[step.inputs[1]]
        # Ordinary: outputs, rows, columns, inputs. Depthwise: 1, rows, columns, outputs.
        weights = weights.transpose(3, 0, 1, 2) if depthwise else weights.transpose(0, 3, 1, 2)
        activation = options.number(4 if depthwise else 3, "<b")
        linear = name if activation == _NO_ACTIVATION else f"{name}/linear"
        self._emit(
            "Conv",
            [
                self.names[step.inputs[0]],
                self._store(f"{name}/weights", weights),
                self._store(f"{name}/bias", self._constants[step.inputs[2]]),
            ],
            linear,
            auto_pad="SAME_UPPER",
            strides=[options.number(2), options.number(1)],
            group=len(weights) if depthwise else 1,
            kernel_shape=list(weights.shape[2:]),
        )
        if activation == _RELU6:
            bounds = [self._store(f"bound{bound:g}", np.array(bound, np.float32)) for bound in (0.0, 6.0)]
            self._emit("Clip", [linear, *bounds], name)
        elif activation != _NO_ACTIVATION:
            raise ModelError(f"{name}: activation {activation} is not known to this converter")

    def _reshape(self, step: _Step, name: str) -> None:
        """Rows of a head: (n, c, h, w) → (n, h · w · c / k, k); a reshape of rows leaves them as they are."""
        source, kept = self._tensors[step.inputs[0]], self._tensors[step.output].shape[-1]
        if len(source.shape) != 4 or (source.shape[2] == 1 and source.shape[3] == kept):
            self._emit("Identity", [self.names[step.inputs[0]]], name)
            return
        last = self._emit("Transpose", [self.names[step.inputs[0]]], f"{name}/last", perm=[0, 2, 3, 1])
        shape = self._store(f"rows{kept}", np.array([0, -1, kept], np.int64))
        self._emit("Reshape", [last, shape], name)

    @staticmethod
    def _expect(step: _Step, field: int, value: int) -> None:
        if step.options is not None and step.options.number(field, "<b") != value:
            raise ModelError(f"operation {step.code} with an activation is not known to this converter")

    def _emit(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def _store(self, name: str, array: Array) -> str:
        if all(t.name != name for t in self.initialisers):
            self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def convert(blob: bytes, *, outputs: dict[str, str], probabilities: tuple[str, ...], producer: str) -> onnx.ModelProto:
    """The TensorFlow Lite model `blob` as ONNX with free batch, height and width.

    Args:
        outputs: target output name → source tensor name; each (n, anchors, numbers).
        probabilities: those of the outputs that pass through a sigmoid.
        producer: written into the model as its origin.

    Raises:
        ModelError: it is no such model, or it holds what this converter does not know.
    """
    tensors, steps, images, results = _read(blob)
    graph = _Converter(tensors, images[0])
    for number, step in enumerate(steps):
        graph.take(number, step)
    found = {tensors[i].name: (graph.names[i], tensors[i].shape) for i in results}
    values = []
    for target, source in outputs.items():
        name, shape = found[source]
        graph.nodes.append(helper.make_node("Sigmoid" if target in probabilities else "Identity", [name], [target]))
        values.append(helper.make_tensor_value_info(target, TensorProto.FLOAT, ["n", "anchors", shape[-1]]))
    image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 3, "h", "w"])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "lite", [image], values, graph.initialisers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
        producer_name="veilcam",
        doc_string=producer,
    )
    onnx.checker.check_model(model, full_check=True)
    return model
