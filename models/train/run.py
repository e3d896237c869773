"""Train the appearance network: `python -m models.train.run --data DATASETS --out FOLDER --minutes 70`.

It begins with small pictures (`HEIGHTS`) and ends at 128x64. The learning rate follows whichever is further on, the
share of the steps or of the minutes, so a run on a busy machine still ends with its rate at zero; `FOLDER/schedule`
says so, also while it runs, when the machine will be busy and when not. Every epoch leaves a checkpoint from which
`--resume` goes on. Choices were made on 100 people held out of the people to fit (`--develop`); the people of `val_ids`
were only scored. Workers meet in the order in which the machine lets them, so two runs agree to within their noise, not
bit by bit.
"""

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as processes
from torch import nn

from models.train.augment import augment
from models.train.batches import EACH, PEOPLE, Batches
from models.train.evaluate import evaluate
from models.train.losses import Heads
from models.train.market import attributes, load, split
from models.train.net import CODE, Net, Shape
from models.train.together import Centre, Worker, state

ATTRIBUTE_WEIGHT = 0.5
WARM_UP = 0.04
# Height of the pictures and the share of the run until which it holds: most can be learnt from small ones, at 25 and
# 56 % of the work.
HEIGHTS = ((64, 0.22), (96, 0.55), (128, 2.0))
AVERAGE = 0.998
EVALUATE_EVERY = 5


class Average:
    """An exponential average of the weights and of the statistics of normalisation."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval()
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def follow(self, net: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for mine, its in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(its, 1 - decay)
            else:
                mine.copy_(its)


def work(rank: int, o: argparse.Namespace, centre: Centre, start: float) -> None:
    """One worker's training; the first also keeps the average, writes the log and the checkpoints."""
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed + rank)
    everything = load(o.data)
    fit_ids, held_ids = split(o.data)
    if o.develop:
        fit_ids, held_ids = fit_ids[:-100], fit_ids[-100:]
    fit, held = everything.of(fit_ids), everything.of(held_ids)
    batches = Batches(fit, o.seed + rank + centre.steps.value)
    table = attributes(o.data)
    names = sorted(table[fit_ids[0]])
    wanted = torch.tensor([[table[int(p)][name] == 2 for name in names] for p in batches.people]).float()
    net, heads = fresh(o)
    worker = Worker(centre, net, heads)
    worker.take()
    optimiser = optimiser_of(net, heads, o.lr)
    average = Average(net, AVERAGE)
    if o.resume:
        kept = torch.load(o.out / "last.pt", weights_only=True)
        average.net.load_state_dict(kept["average"])
        average.steps = kept["step"]
        optimiser.load_state_dict(kept["optimisers"][0])
    rng = torch.Generator().manual_seed(o.seed + rank + centre.steps.value)
    length = len(fit.rgb) // (PEOPLE * EACH)
    log = (o.out / "log.txt").open("a")

    def say(text: str) -> None:
        if rank == 0:
            print(text, flush=True)
            print(text, file=log, flush=True)

    chosen = {key: value for key, value in vars(o).items() if not isinstance(value, Path)}
    say(f"{chosen} {Shape()} parameters {sum(p.numel() for p in net.parameters())} steps per epoch {length}")
    rgb, label = torch.from_numpy(fit.rgb), torch.from_numpy(batches.label)
    sums: dict[str, float] = {}
    step = centre.steps.value
    epoch, counted = step // length, 0
    while True:
        progress = max(step / o.steps, share(o, (time.monotonic() - start) / 60))
        if progress >= 1:
            break
        factor = min(progress / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * progress)) + 1e-4
        for group in optimiser.param_groups:
            group["lr"] = o.lr * factor
        height = next(height for height, until in HEIGHTS if progress < until)
        index = torch.from_numpy(batches.draw())
        person = label[index]
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            deep = net.blocks(net.stem(augment(rgb[index], height, rng)))
        raw, necked, code = net.head(deep)
        loss, parts = heads(raw, necked, code, person)
        seen = nn.functional.binary_cross_entropy_with_logits(net.attributes(torch.cat(necked, 1)), wanted[person])
        (loss + ATTRIBUTE_WEIGHT * seen).backward()
        optimiser.step()
        optimiser.zero_grad()
        step = worker.step()
        if rank:
            continue
        average.follow(net)
        counted += 1
        for key, value in {**parts, "attributes": float(seen.detach())}.items():
            sums[key] = sums.get(key, 0) + value
        if step // length == epoch:
            continue
        epoch = step // length
        elapsed = time.monotonic() - start
        text = " ".join(f"{key} {value / counted:.3f}" for key, value in sums.items())
        say(f"epoch {epoch} step {step} (mine {counted}) {elapsed:.0f} s height {height} factor {factor:.3f} {text}")
        sums, counted = {}, 0
        torch.save(
            {
                "net": net.state_dict(),
                "heads": heads.state_dict(),
                "average": average.net.state_dict(),
                "optimisers": [optimiser.state_dict()],
                "step": step,
                "elapsed_s": elapsed,
                "names": names,
            },
            o.out / "new.pt",
        )
        (o.out / "new.pt").rename(o.out / "last.pt")
        if epoch % EVALUATE_EVERY == 0:
            whole, small, least = evaluate(average.net, held)
            say(f"  held out: {whole}, 64 bytes {small}, 512 bits {least}")
    if rank == 0:
        torch.save({"average": average.net.state_dict(), "names": names, "step": step}, o.out / "final.pt")
        whole, small, least = evaluate(average.net, held)
        say(f"end, step {step}: held out: {whole}, 64 bytes {small}, 512 bits {least}")


def share(o: argparse.Namespace, minutes: float) -> float:
    """How much of the run is over after so many minutes; lines of "minute share" in `OUT/schedule` bend it."""
    try:
        rows = [line.split() for line in (o.out / "schedule").read_text().splitlines()]
    except OSError:
        rows = []
    if not rows:
        return minutes / float(o.minutes)
    return float(np.interp(minutes, *zip(*[(float(minute), float(over)) for minute, over in rows], strict=True)))


def optimiser_of(net: nn.Module, heads: nn.Module, lr: float) -> torch.optim.Optimizer:
    """AdamW; scales and offsets of the normalisation do not decay."""
    weights = [*net.parameters(), *heads.parameters()]
    return torch.optim.AdamW(
        [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": 0.05},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=lr,
    )


def fresh(o: argparse.Namespace) -> tuple[Net, Heads]:
    """The network and its heads, with first weights."""
    fit_ids, _ = split(o.data)
    names = next(iter(attributes(o.data).values()))
    net = Net(Shape(), len(names)).to(memory_format=torch.channels_last)
    return net, Heads(Shape().parts, CODE, len(fit_ids) - 100 * o.develop)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--steps", type=int, default=100_000)
    options.add_argument("--minutes", type=float, default=1e9)
    options.add_argument("--lr", type=float, default=4e-3)
    options.add_argument("--seed", type=int, default=5)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--threads", type=int, default=1, help="of each worker")
    options.add_argument("--develop", action="store_true", help="fit 550 people, score the other 100 of fit_ids")
    options.add_argument("--resume", action="store_true")
    o = options.parse_args()
    torch.manual_seed(o.seed)
    o.out.mkdir(parents=True, exist_ok=True)
    net, heads = fresh(o)
    steps, before = 0, 0.0
    if o.resume:
        kept = torch.load(o.out / "last.pt", weights_only=True)
        net.load_state_dict(kept["net"])
        heads.load_state_dict(kept["heads"])
        steps, before = kept["step"], kept["elapsed_s"]
    centre = Centre(state(net, heads))
    centre.steps.value = steps
    start = time.monotonic() - before
    if o.workers == 1:
        work(0, o, centre, start)
    else:
        processes.spawn(work, (o, centre, start), nprocs=o.workers)


if __name__ == "__main__":
    main()
