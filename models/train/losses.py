"""What the embedding and its code are trained for."""

import torch
from torch import Tensor, nn
from torch.nn import functional

STEP = 1 / 256


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

        losses = {
            "id": identity(self.whole, embedding),
            "parts": 0.3 * sum(identity(layer, x) for layer, x in zip(self.parts, necked, strict=True)),
            "triplet": hardest(euclidean(torch.cat(raw, 1)), person),
            "code": 0.5 * identity(self.code, rounded * code.shape[1] ** 0.5),
            "code_triplet": 0.5 * hardest(8 * (1 - rounded @ rounded.T), person),
            "likeness": 4.0 * (rounded @ rounded.T - (units @ units.T).detach()).square().mean(),
        }
        return sum(losses.values()), {key: float(value.detach()) for key, value in losses.items()}
