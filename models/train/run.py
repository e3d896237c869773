"""Train the appearance network: `python -m models.train.run --data DATASETS --out FOLDER --minutes 70`.

The learning rate follows whichever is further on, the share of the steps or of the minutes, so a run on a busy
machine still ends with its rate at zero. Every epoch leaves a checkpoint from which `--resume` goes on.
Choices were made on 100 people held out of the people to fit (`--develop`); the people of `val_ids` were only scored.
"""

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.train.augment import augment, normalise
from models.train.losses import Heads, quantised
from models.train.market import Crops, Score, attributes, load, queries, score, split
from models.train.net import CODE, Net, Shape
from models.train.optimise import optimisers

PEOPLE, EACH = 16, 4
ATTRIBUTE_WEIGHT = 0.5
WARM_UP = 0.04


class Batches:
    """16 people by 4 crops, the four from as many cameras as there are."""

    def __init__(self, crops: Crops, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.people, self.label = np.unique(crops.person, return_inverse=True)
        self.places = [
            [np.flatnonzero((self.label == i) & (crops.camera == c)) for c in range(1, 7)]
            for i in range(len(self.people))
        ]
        self.places = [[where for where in row if len(where)] for row in self.places]
        self.order: list[int] = []

    def draw(self) -> np.ndarray:
        """Indices of the next 64 crops."""
        if len(self.order) < PEOPLE:
            self.order = list(self.rng.permutation(len(self.people)))
        chosen, self.order = self.order[:PEOPLE], self.order[PEOPLE:]
        found = []
        for person in chosen:
            cameras = self.places[person]
            turns = [cameras[i % len(cameras)] for i in self.rng.permutation(len(cameras)).tolist() * EACH][:EACH]
            taken: list[int] = []
            for where in turns:
                fresh = np.setdiff1d(where, taken)
                taken.append(int(self.rng.choice(fresh if len(fresh) else where)))
            found += taken
        return np.array(found)


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


def evaluate(net: nn.Module, crops: Crops) -> tuple[Score, Score]:
    """Score of the float embedding and of the 64-byte code."""
    embedding, code = encode(net, crops)
    code = nn.functional.normalize(code)
    query = queries(crops)
    return tuple(score((x[query] @ x.T).numpy(), crops, query) for x in (embedding, code))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--steps", type=int, default=100_000)
    options.add_argument("--minutes", type=float, default=1e9)
    options.add_argument("--optimiser", default="muon", choices=("muon", "adamw"))
    options.add_argument("--lr", type=float, default=3e-3)
    options.add_argument("--seed", type=int, default=5)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--develop", action="store_true", help="fit 550 people, score the other 100 of fit_ids")
    options.add_argument("--resume", action="store_true")
    o = options.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    o.out.mkdir(parents=True, exist_ok=True)
    log = (o.out / "log.txt").open("a")

    def say(text: str) -> None:
        print(text, flush=True)
        print(text, file=log, flush=True)

    everything = load(o.data)
    fit_ids, held_ids = split(o.data)
    if o.develop:
        fit_ids, held_ids = fit_ids[:-100], fit_ids[-100:]
    fit, held = everything.of(fit_ids), everything.of(held_ids)
    batches = Batches(fit, o.seed)
    table = attributes(o.data)
    names = sorted(table[fit_ids[0]])
    wanted = torch.tensor([[table[int(p)][name] == 2 for name in names] for p in batches.people]).float()
    net = Net(Shape(), len(names)).to(memory_format=torch.channels_last)
    heads = Heads(Shape().parts, CODE, len(fit_ids))
    average = Average(net, 0.998)
    turns = optimisers(net, heads, o.optimiser, o.lr)
    rates = [[group["lr"] for group in turn.param_groups] for turn in turns]
    rng = torch.Generator().manual_seed(o.seed)
    step, before = 0, 0.0
    if o.resume:
        kept = torch.load(o.out / "last.pt", weights_only=True)
        net.load_state_dict(kept["net"]), heads.load_state_dict(kept["heads"])
        average.net.load_state_dict(kept["average"])
        for turn, state in zip(turns, kept["optimisers"], strict=True):
            turn.load_state_dict(state)
        step, before = kept["step"], kept["elapsed_s"]
        average.steps = step
    length = len(fit.rgb) // (PEOPLE * EACH)
    say(f"{vars(o)} shape {Shape()} parameters {sum(p.numel() for p in net.parameters())} steps per epoch {length}")
    rgb, label = torch.from_numpy(fit.rgb), torch.from_numpy(batches.label)
    sums: dict[str, float] = {}
    start = time.monotonic() - before
    while True:
        elapsed = time.monotonic() - start
        progress = max(step / o.steps, elapsed / (60 * o.minutes))
        if progress >= 1:
            break
        factor = min(progress / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * progress)) + 1e-4
        for turn, base in zip(turns, rates, strict=True):
            for group, rate in zip(turn.param_groups, base, strict=True):
                group["lr"] = rate * factor
        index = torch.from_numpy(batches.draw())
        person = label[index]
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            deep = net.blocks(net.stem(augment(rgb[index], rng)))
        raw, necked, code = net.head(deep.float())
        loss, parts = heads(raw, necked, code, person)
        seen = nn.functional.binary_cross_entropy_with_logits(net.attributes(torch.cat(necked, 1)), wanted[person])
        loss = loss + ATTRIBUTE_WEIGHT * seen
        loss.backward()
        for turn in turns:
            turn.step()
            turn.zero_grad()
        average.follow(net)
        step += 1
        for key, value in {**parts, "attributes": float(seen)}.items():
            sums[key] = sums.get(key, 0) + value / length
        if step % length == 0:
            elapsed = time.monotonic() - start
            text = " ".join(f"{key} {value:.3f}" for key, value in sums.items())
            say(f"epoch {step // length} step {step} {elapsed:.0f} s factor {factor:.3f} {text}")
            sums = {}
            state = {
                "net": net.state_dict(), "heads": heads.state_dict(), "average": average.net.state_dict(),
                "optimisers": [turn.state_dict() for turn in turns], "step": step, "elapsed_s": elapsed, "names": names,
            }
            torch.save(state, o.out / "new.pt")
            (o.out / "new.pt").rename(o.out / "last.pt")
            if step // length % 5 == 0:
                whole, small = evaluate(average.net, held)
                say(f"  held out: {whole}, 64 bytes {small}")
    torch.save({"average": average.net.state_dict(), "names": names, "step": step}, o.out / "final.pt")
    whole, small = evaluate(average.net, held)
    say(f"end, step {step}: held out: {whole}, 64 bytes {small}")


if __name__ == "__main__":
    main()
