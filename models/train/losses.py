"""What the embedding and its code are trained for."""

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional

STEP = 1 / 256
# As in `models.coarse`: thresholds in standard deviations of a dimension, and their distance.
THRESHOLDS = (-1.4, -1.0, -0.6, -0.2, 0.2, 0.6, 1.0, 1.4)
SPACING = 0.4


class Rounded(torch.autograd.Function):
    """Round to the code's steps; the gradient passes as if nothing had happened."""

    @staticmethod
    def forward(_ctx, x: Tensor) -> Tensor:
        return torch.clamp(torch.round(x / STEP), -127, 127) * STEP

    @staticmethod
    def backward(_ctx, grad: Tensor) -> Tensor:
        return grad


def quantised(code: Tensor) -> Tensor:
    """Unit length, then the steps that the packet carries."""
    return Rounded.apply(functional.normalize(code))


class Above(torch.autograd.Function):
    """Which thresholds a value is above, +1 or -1; the gradient is that of a slope around each threshold."""

    @staticmethod
    def forward(ctx: FunctionCtx, distance: Tensor) -> Tensor:
        ctx.save_for_backward(distance)
        return torch.where(distance > 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        (distance,) = ctx.saved_tensors
        over = torch.sigmoid(distance * 5)
        return grad * 10 * over * (1 - over)


def bits(code: Tensor) -> Tensor:
    """(n, dimensions) → (n, dimensions, 8) of +1 and -1, as the coarse search sees a code."""
    level = functional.normalize(code) * code.shape[1] ** 0.5
    return Above.apply(level[:, :, None] - level.new_tensor(THRESHOLDS))


def hardest(distance: Tensor, person: Tensor) -> Tensor:
    """Soft-margin triplet loss over the farthest picture of the same and the nearest of another person."""
    same = person[:, None] == person[None, :]
    far = distance.masked_fill(~same, -1e9).amax(1)
    near = distance.masked_fill(same, 1e9).amin(1)
    return functional.softplus(far - near).mean()


def euclidean(x: Tensor) -> Tensor:
    return (x.square().sum(1)[:, None] + x.square().sum(1)[None] - 2 * x @ x.T).clamp_min(1e-6).sqrt()


class Heads(nn.Module):
    """The classifiers that only training needs, and the sum of the losses."""

    def __init__(self, parts: tuple[int, ...], code: int, people: int) -> None:
        super().__init__()
        self.whole = nn.Linear(sum(parts), people, bias=False)
        self.parts = nn.ModuleList(nn.Linear(size, people, bias=False) for size in parts)
        self.code = nn.Linear(code, people, bias=False)
        for layer in (self.whole, *self.parts, self.code):
            nn.init.normal_(layer.weight, std=0.01)

    def forward(
        self, raw: list[Tensor], necked: list[Tensor], code: Tensor, person: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        embedding = torch.cat(necked, 1)
        units = functional.normalize(embedding)
        rounded = quantised(code)

        def identity(layer: nn.Module, x: Tensor) -> Tensor:
            return functional.cross_entropy(layer(x), person, label_smoothing=0.1)

        signs = bits(code)
        flat = signs.flatten(1) / signs[0].numel() ** 0.5
        alike = flat @ flat.T
        level = functional.normalize(signs.sum(2) * (SPACING / 2)) * code.shape[1] ** 0.5
        # The sum of absolute differences of two codes whose angle is known.
        apart = 0.7 * (1 - rounded @ rounded.T).detach().clamp_min(0).sqrt()

        losses = {
            "id": identity(self.whole, embedding),
            "parts": 0.3 * sum(identity(layer, x) for layer, x in zip(self.parts, necked, strict=True)),
            "triplet": hardest(euclidean(torch.cat(raw, 1)), person),
            "code": 0.5 * identity(self.code, rounded * code.shape[1] ** 0.5),
            "code_triplet": 0.5 * hardest(8 * (1 - rounded @ rounded.T), person),
            "likeness": 4.0 * (rounded @ rounded.T - (units @ units.T).detach()).square().mean(),
            "bits": 0.6 * identity(self.code, level),
            "bits_triplet": 0.8 * hardest(12 * (1 - alike), person),
            "bits_likeness": 4.0 * (1 - alike - apart).square().mean(),
        }
        return sum(losses.values()), {key: float(value.detach()) for key, value in losses.items()}
