"""Weights kept as float16 in the file and widened when a session is made: half the bytes, float32 arithmetic."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Small tensors (biases, shapes, scales) stay as they are: nothing to gain.
_MINIMUM_VALUES = 256


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with its large float32 weights stored as float16 behind a Cast that runtimes fold at load."""
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    casts = []
    for tensor in halved.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        array = numpy_helper.to_array(tensor)
        if array.size < _MINIMUM_VALUES:
            continue
        full = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{full}/half"))
        casts.append(helper.make_node("Cast", [f"{full}/half"], [full], name=f"{full}/widen", to=TensorProto.FLOAT))
    nodes = list(halved.graph.node)
    del halved.graph.node[:]
    halved.graph.node.extend(casts + nodes)
    onnx.checker.check_model(halved, full_check=True)
    return halved
