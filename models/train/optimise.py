"""Muon for the convolutions, AdamW for the rest.

Muon makes each update of a matrix orthogonal (five Newton-Schulz steps), so that rare directions learn as fast as
common ones. On a budget of minutes this is worth more than a larger network.
"""

import torch
from torch import Tensor, nn


def orthogonal(g: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values end between 0.7 and 1.2."""
    wide = g.shape[0] <= g.shape[1]
    x = g if wide else g.T
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x if wide else x.T


class Muon(torch.optim.Optimizer):
    """Momentum whose every update is made orthogonal; for convolution weights, seen as (out, in * k * k)."""

    def __init__(self, weights: list[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.02) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # noqa: ARG002 – the base class asks for it
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                moment = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(moment, group["momentum"]).reshape(len(weight), -1)
                update = orthogonal(ahead) * max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["decay"])
                weight.sub_(group["lr"] * update.view_as(weight))


def optimisers(net: nn.Module, heads: nn.Module, kind: str, lr: float) -> list[torch.optim.Optimizer]:
    """`kind` is "adamw" (everything) or "muon" (the convolutions; the rest stays with AdamW)."""
    matrices = [p for p in net.parameters() if p.ndim == 4] if kind == "muon" else []
    taken = {id(p) for p in matrices}
    others = [p for p in (*net.parameters(), *heads.parameters()) if id(p) not in taken]
    groups = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
    ]
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=lr)]
    if matrices:
        found.append(Muon(matrices, lr=0.03))
    return found
