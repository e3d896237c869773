"""Several single-threaded workers that share one network, without waiting for each other.

On a busy machine two threads inside every operation wait for the slower one thousands of times a second. Two workers
of one thread each train on batches of their own and every few steps meet the others at a centre in shared memory: the
centre becomes the mean, weighted by the steps that each has brought since the worker's last visit.
"""

from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Lock

import torch
import torch.multiprocessing as processes
from torch import Tensor, nn

EVERY = 8


class Centre:
    """The shared weights and the count of steps; made once, handed to every worker."""

    def __init__(self, values: Tensor) -> None:
        self.values = values.share_memory_()
        context = processes.get_context("spawn")
        self.lock: Lock = context.Lock()
        self.steps: Synchronized[int] = context.Value("q", 0)


class Worker:
    """One worker's side of the centre."""

    def __init__(self, centre: Centre, *modules: nn.Module) -> None:
        self.centre = centre
        self.tensors = [t for m in modules for t in m.state_dict().values() if t.dtype.is_floating_point]
        self.own, self.seen = 0, 0

    def take(self) -> None:
        """Begin where the centre is."""
        with self.centre.lock:
            self._put(self.centre.values)
            self.seen = self.centre.steps.value

    def step(self) -> int:
        """Count one step, meet the others when it is time; the steps of all workers together."""
        self.own += 1
        if self.own < EVERY:
            return self.centre.steps.value + self.own
        mine = flat(self.tensors)
        with self.centre.lock:
            others = self.centre.steps.value - self.seen
            self.centre.values.lerp_(mine, self.own / (self.own + others))
            self.centre.steps.value += self.own
            self.seen, self.own = self.centre.steps.value, 0
            self._put(self.centre.values)
        return self.seen

    def _put(self, values: Tensor) -> None:
        with torch.no_grad():
            for tensor, part in zip(self.tensors, values.split([t.numel() for t in self.tensors]), strict=True):
                tensor.copy_(part.view(tensor.shape))


def flat(tensors: list[Tensor]) -> Tensor:
    """All values in one row, in the order of the shapes."""
    return torch.cat([t.detach().reshape(-1) for t in tensors])


def state(*modules: nn.Module) -> Tensor:
    """What the workers share: every floating-point weight and statistic."""
    return flat([t for m in modules for t in m.state_dict().values() if t.dtype.is_floating_point])
