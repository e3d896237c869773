"""Learn the 512 bits of the trained network's codes: `python -m models.train.bits --data DATASETS --out FILE.npz`.

Each bit is a plane in the space of the 64 bytes: which side of it a code lies on. What is learnt is that few bits
differ where the person is the same, and that bits order a gallery as the bytes do. The people trained on lie closer
together than strangers will, so every code is first moved: by the difference of two crops of another person, and by
noise.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.appearance import Stripes
from models.appearance_net import NAME, AppearanceNet
from models.coarse import BITS, DIMENSIONS
from models.config import ModelsConfig
from models.registry import ModelRegistry
from models.runtime import InferenceSession
from models.train.market import Crops, load, split

PEOPLE, EACH, STEPS = 64, 8, 1500
PEAK_RATE = 2e-3
NOISE = 0.3 / DIMENSIONS**0.5
# Temperatures of the similarities: of the bytes that teach, of the bits that learn.
TEACHER, LEARNER = 0.07, 0.05
SLOPE = (1.5, 7.5)


class Planes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        turns = [torch.linalg.qr(torch.randn(DIMENSIONS, DIMENSIONS))[0] for _ in range(BITS // DIMENSIONS)]
        self.normals = nn.Parameter(torch.cat(turns, 1))
        self.offsets = nn.Parameter(torch.zeros(BITS))

    def side(self, codes: Tensor) -> Tensor:
        """(n, 64) of unit length → (n, 512), positive on one side of each plane."""
        return codes * DIMENSIONS**0.5 @ functional.normalize(self.normals, dim=0) + self.offsets

    def bits(self, codes: Tensor, slope: float) -> Tensor:
        """(n, 512) of +1 and -1; the gradient is that of a slope around each plane."""
        soft = torch.tanh(slope * self.side(codes))
        return soft + (torch.sign(soft) - soft).detach()


class Codes:
    """Codes by person, and strangers' codes made of them."""

    def __init__(self, net: AppearanceNet, crops: Crops, seed: int) -> None:
        seen = [net.see(crops.rgb[start : start + 64]).code for start in range(0, len(crops.rgb), 64)]
        self._codes = torch.from_numpy(np.concatenate(seen))
        self._of = [np.flatnonzero(crops.person == person) for person in np.unique(crops.person)]
        self._random = np.random.default_rng(seed)

    def batch(self) -> Tensor:
        """`EACH` codes of each of `PEOPLE` people, one person after the other, moved."""
        people = self._random.choice(len(self._of), PEOPLE, replace=False)
        codes = torch.cat([self._some(person, EACH) for person in people])
        others = self._random.choice(len(self._of), len(codes))
        pairs = torch.stack([self._some(person, 2) for person in others])
        moved = codes + pairs[:, 0] - pairs[:, 1] + torch.randn_like(codes) * NOISE
        return functional.normalize(moved)

    def _some(self, person: int, number: int) -> Tensor:
        return self._codes[self._random.choice(self._of[person], number)]


def loss(bits: Tensor, codes: Tensor) -> Tensor:
    """How far the bits' order of a batch is from the bytes' order, and from putting the same person first."""
    itself = torch.eye(len(codes), dtype=torch.bool)
    person = torch.arange(PEOPLE).repeat_interleave(EACH)
    same = (person[:, None] == person) & ~itself

    def likelihood(alike: Tensor, temperature: float) -> Tensor:
        return functional.log_softmax((alike / temperature).masked_fill(itself, -1e9), 1)

    taught, learnt = likelihood(codes @ codes.T, TEACHER), likelihood(bits @ bits.T / BITS, LEARNER)
    order = (taught.exp() * (taught - learnt)).sum(1).mean()
    return order - (learnt * same).sum(1).mean() / (EACH - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    torch.manual_seed(o.seed)
    config, registry = ModelsConfig(), ModelRegistry.read()
    others = Stripes(InferenceSession.load("nanodet", config, registry), registry, config)
    net = AppearanceNet(InferenceSession.load(NAME, config, registry), others)
    codes = Codes(net, load(o.data).of(split(o.data)[0]), o.seed)
    planes = Planes()
    optimiser = torch.optim.Adam(planes.parameters(), lr=PEAK_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=STEPS)
    start = time.monotonic()
    for step in range(STEPS):
        batch = codes.batch()
        slope = SLOPE[0] + (SLOPE[1] - SLOPE[0]) * step / STEPS
        found = loss(planes.bits(batch, slope), batch)
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            spent_s = time.monotonic() - start
            print(f"{step + 1} of {STEPS} batches, loss {float(found):.3f}, {spent_s:.0f} s", flush=True)
    normals = functional.normalize(planes.normals, dim=0).detach().numpy()
    np.savez_compressed(o.out, normals=normals.astype(np.float16), offsets=planes.offsets.detach().numpy())


if __name__ == "__main__":
    main()
