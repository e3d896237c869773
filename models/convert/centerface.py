"""CenterFace as published, with free height and width."""

from pathlib import Path

import onnx
from onnx import helper, version_converter


def free_sizes(path: Path) -> onnx.ModelProto:
    """The published graph (fixed 10×3×32×32, weights listed as inputs) with one free input and named outputs.

    The deconvolutions and additions inside are all relative; only the declared shapes pin the size. The landmarks are
    cut off: nothing here may look more closely at a face than where it is.
    """
    model = onnx.load(str(path))
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    del graph.input[:]
    graph.input.extend(inputs)
    names = {"537": "heat", "538": "size", "539": "offset"}
    channels = {"heat": 1, "size": 2, "offset": 2}
    for node in graph.node:
        for index, name in enumerate(node.output):
            node.output[index] = names.get(name, name)
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, "image" if name == inputs[0].name else name)
    landmarks = [node for node in graph.node if "540" in node.output]
    for node in landmarks:
        graph.node.remove(node)
    graph.input[0].CopyFrom(helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"]))
    del graph.value_info[:]
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", count, "h4", "w4"])
        for name, count in channels.items()
    )
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    model.ir_version = max(model.ir_version, 8)
    model = version_converter.convert_version(model, 17) if model.opset_import[0].version < 17 else model
    onnx.checker.check_model(model, full_check=True)
    return model
