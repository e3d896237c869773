"""A trained network as the product runs it: `python -m models.train.export OUT/final.pt`.

Normalisation is folded into the convolutions where it can be, weights are stored in half precision, the graph speaks
opset 17, and what onnxruntime answers is compared with what PyTorch answers before anything is written.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.convert.halve import halve
from models.train.net import HEIGHT, WIDTH, Block, Net, Shape

WEIGHTS = Path(__file__).parent.parent / "weights" / "market64.onnx"


class Product(nn.Module):
    """Embedding, code and attribute logits, the three that the product reads."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, necked, code = self.net(image)
        embedding = torch.cat(necked, 1)
        assert self.net.attributes is not None
        unit = nn.functional.normalize
        return unit(embedding), unit(code), self.net.attributes(embedding)


def folded(net: Net) -> Net:
    """The same network with each convolution and the batch normalisation behind it made one."""
    net.stem[0], net.stem[1] = fuse_conv_bn_eval(net.stem[0], net.stem[1]), nn.Identity()
    for block in net.blocks:
        assert isinstance(block, Block)
        for conv, norm in (("reduce", "reduce_norm"), ("look", "look_norm"), ("widen", "widen_norm")):
            if isinstance(getattr(block, norm), nn.BatchNorm2d):
                setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                setattr(block, norm, nn.Identity())
        if isinstance(block.short, nn.Sequential):
            block.short = fuse_conv_bn_eval(block.short[0], block.short[1])
    return net


def lowered(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in opset 17, which the oldest runtime that is aimed at reads."""
    for node in model.graph.node:
        # New in 18 and at its default here; the converter carries it over, 17 does not know it.
        for attribute in [a for a in node.attribute if a.name == "noop_with_empty_axes"]:
            node.attribute.remove(attribute)
    return onnx.version_converter.convert_version(model, 17)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("checkpoint", type=Path)
    options.add_argument("--out", type=Path, default=WEIGHTS)
    o = options.parse_args()
    kept = torch.load(o.checkpoint, weights_only=True)
    net = Net(Shape(), len(kept["names"])).eval()
    net.load_state_dict(kept["average"])
    size = sum(p.numel() for p in net.parameters())
    example = torch.randn(2, 3, HEIGHT, WIDTH)
    with torch.inference_mode():
        wanted = [x.numpy() for x in Product(net)(example)]
    product = Product(folded(net)).eval()
    program = torch.onnx.export(
        product,
        (example,),
        dynamo=True,
        input_names=["image"],
        output_names=["embedding", "code", "attributes"],
        opset_version=18,
        dynamic_shapes={"image": {0: torch.export.Dim("n", min=1, max=1024)}},
    )
    assert program is not None
    model = halve(lowered(program.model_proto))
    blob = model.SerializeToString()
    found = onnxruntime.InferenceSession(blob, providers=["CPUExecutionProvider"]).run(None, {"image": example.numpy()})
    for name, mine, theirs in zip(("embedding", "code", "attributes"), wanted, found, strict=True):
        cosine = np.sum(mine * theirs, 1) / np.linalg.norm(mine, axis=1) / np.linalg.norm(theirs, axis=1)
        if cosine.min() < 0.999:
            raise SystemExit(f"{name} of the exported graph differs: cosine {cosine.min():.5f}")
    o.out.write_bytes(blob)
    print(f"{o.out}: {size} parameters in training, step {kept['step']}")
    print(f'bytes = {len(blob)}\nsha256 = "{hashlib.sha256(blob).hexdigest()}"\nnames = {kept["names"]}')


if __name__ == "__main__":
    main()
