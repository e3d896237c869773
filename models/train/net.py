"""The appearance network: plain bottleneck blocks, a pooled whole and two halves, one embedding, one 64-byte code.

Plain 3x3 convolutions in narrow bottlenecks run several times faster on a CPU than depthwise ones of the same size.
The first stages normalise half of their channels per picture, which takes light and colour cast of a camera out.
The last stage keeps the stride of the one before it: 16x8 cells see a bag or a shoe, 8x4 do not.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CODE = 64
HEIGHT, WIDTH = 128, 64


@dataclass(frozen=True)
class Shape:
    """Widths and depths of the stages."""

    stem: tuple[tuple[int, int], ...] = ((32, 2),)
    widths: tuple[int, ...] = (32, 96, 192, 256)
    depths: tuple[int, ...] = (1, 3, 4, 2)
    strides: tuple[int, ...] = (1, 2, 2, 1)
    narrow: int = 4
    parts: tuple[int, ...] = (128, 64, 64)


class HalfInstance(nn.Module):
    """Instance normalisation on the first half of the channels, batch normalisation on the rest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.instance = nn.InstanceNorm2d(self.half, affine=True)
        self.batch = nn.BatchNorm2d(channels - self.half)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.instance(x[:, : self.half]), self.batch(x[:, self.half :])), 1)


class Block(nn.Module):
    """1x1, 3x3, 1x1 with a residual around them."""

    def __init__(self, inside: int, outside: int, stride: int, narrow: int, *, instance: bool) -> None:
        super().__init__()
        middle = outside // narrow
        self.reduce = nn.Conv2d(inside, middle, 1, bias=False)
        self.reduce_norm = nn.BatchNorm2d(middle)
        self.look = nn.Conv2d(middle, middle, 3, stride, 1, bias=False)
        self.look_norm = HalfInstance(middle) if instance else nn.BatchNorm2d(middle)
        self.widen = nn.Conv2d(middle, outside, 1, bias=False)
        self.widen_norm = nn.BatchNorm2d(outside)
        nn.init.zeros_(self.widen_norm.weight)
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.short = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.reduce_norm(self.reduce(x)), inplace=True)
        y = functional.relu(self.look_norm(self.look(y)), inplace=True)
        return functional.relu(self.widen_norm(self.widen(y)) + self.short(x), inplace=True)


class Net(nn.Module):
    """(n, 3, 128, 64) normalised RGB to an embedding and a code."""

    def __init__(self, shape: Shape = Shape(), attributes: int = 0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 3
        for width, stride in shape.stem:
            layers += [nn.Conv2d(inside, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            inside = width
        self.stem = nn.Sequential(*layers)
        blocks: list[nn.Module] = []
        for stage, (width, depth, stride) in enumerate(zip(shape.widths, shape.depths, shape.strides, strict=True)):
            for index in range(depth):
                blocks.append(Block(inside, width, stride if index == 0 else 1, shape.narrow, instance=stage < 2))
                inside = width
        self.blocks = nn.Sequential(*blocks)
        self.project = nn.ModuleList(nn.Linear(inside, size, bias=False) for size in shape.parts)
        self.neck = nn.ModuleList(nn.BatchNorm1d(size) for size in shape.parts)
        size = sum(shape.parts)
        self.code = nn.Linear(size, CODE, bias=False)
        self.code_neck = nn.BatchNorm1d(CODE, affine=False)
        self.attributes = nn.Linear(size, attributes) if attributes else None

    def pool(self, x: Tensor) -> list[Tensor]:
        """The whole, the upper half and the lower half, each (n, channels)."""
        # Seen as (n, cells, channels) the memory of a channels-last picture is in order, and so are the gradients.
        cells = x.permute(0, 2, 3, 1).flatten(1, 2)
        half = cells.shape[1] // 2
        upper, lower, most = cells[:, :half].mean(1), cells[:, half:].mean(1), cells.amax(1)
        return [((upper + lower) / 2 + most) / 2, upper, lower]

    def head(self, deep: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Parts before their neck, parts behind it, and the code before rounding."""
        raw = [layer(p.float()) for layer, p in zip(self.project, self.pool(deep), strict=True)]
        necked = [layer(r) for layer, r in zip(self.neck, raw, strict=True)]
        return raw, necked, self.code_neck(self.code(torch.cat(necked, 1)))

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        return self.head(self.blocks(self.stem(x)))
