"""Which crops make a batch."""

import numpy as np

from models.train.market import Crops

PEOPLE, EACH = 16, 4


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
