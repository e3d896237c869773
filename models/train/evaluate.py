"""The score of a network during training; the product's own figures come from `python -m bench.reid`."""

import torch
from torch import Tensor, nn

from models.train.augment import normalise
from models.train.losses import bits, quantised
from models.train.market import Crops, Score, queries, score


@torch.inference_mode()
def encode(net: nn.Module, crops: Crops) -> tuple[Tensor, Tensor]:
    """Embedding and code of each crop, each the mean over the crop and its mirror image."""
    embeddings, codes = [], []
    for start in range(0, len(crops.rgb), 128):
        x = normalise(torch.from_numpy(crops.rgb[start : start + 128])).contiguous(memory_format=torch.channels_last)
        pair = []
        for seen in (x, x.flip(3)):
            with torch.autocast("cpu", torch.bfloat16):
                _, necked, code = net(seen)
            pair.append((nn.functional.normalize(torch.cat(necked, 1).float()), nn.functional.normalize(code.float())))
        embeddings.append(pair[0][0] + pair[1][0])
        codes.append(pair[0][1] + pair[1][1])
    return nn.functional.normalize(torch.cat(embeddings)), quantised(torch.cat(codes))


def evaluate(net: nn.Module, crops: Crops) -> tuple[Score, Score, Score]:
    """Score of the float embedding, of the 64-byte code and of its 512 bits."""
    embedding, code = encode(net, crops)
    code = nn.functional.normalize(code)
    query = queries(crops)
    signs = bits(code).flatten(1)
    return tuple(score((x[query] @ x.T).numpy(), crops, query) for x in (embedding, code, signs))
