"""Triangles with what shading needs, and simple solids: boxes, tubes, rings, shells.

Space is metres: x to the person's left, -y to the front, z up.
"""

from dataclasses import dataclass

import numpy as np

# What a triangle belongs to. From THING on, the number says which of the things' colours it has.
TORSO, ARM, HAND, LEG, FOOT, HEAD, EYE, HAIR, SKIRT, THING = range(1, 11)


@dataclass
class Mesh:
    """`rest`: where a vertex is on the body at rest (patterns stick to it); `along`: the share of its limb's length."""

    position: np.ndarray
    faces: np.ndarray
    region: np.ndarray  # of each face
    rest: np.ndarray
    along: np.ndarray

    def normals(self):
        a, b, c = (self.position[self.faces[:, i]] for i in range(3))
        of_face = np.cross(b - a, c - a)
        normals = np.zeros_like(self.position)
        for i in range(3):
            np.add.at(normals, self.faces[:, i], of_face)
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def joined(meshes):
    starts = np.cumsum([0] + [len(m.position) for m in meshes])
    return Mesh(
        np.concatenate([m.position for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]),
        np.concatenate([m.region for m in meshes]),
        np.concatenate([m.rest for m in meshes]),
        np.concatenate([m.along for m in meshes]),
    )


def sheet(grid, region, *, closed=False):
    """A grid of points (rows, columns, 3) as a two-sided sheet; `closed` joins the last column to the first."""
    rows, columns = grid.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, axis=1)[:-1] if closed else index[:-1, 1:]
    below_right = np.roll(index, -1, axis=1)[1:] if closed else index[1:, 1:]
    here, below = (index[:-1], index[1:]) if closed else (index[:-1, :-1], index[1:, :-1])
    faces = np.concatenate(
        [np.stack([here, below, right], -1).reshape(-1, 3), np.stack([right, below, below_right], -1).reshape(-1, 3)]
    )
    points = grid.reshape(-1, 3).astype(float)
    along = np.repeat(np.linspace(0, 1, rows), columns)
    return Mesh(points, faces, np.full(len(faces), region), points.copy(), along)


def box(low, high, region):
    low, high = np.array(low, float), np.array(high, float)
    sides = []
    for axis in range(3):
        for side in (low, high):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            grid = np.zeros((2, 2, 3))
            grid[..., axis] = side[axis]
            grid[..., u] = np.array([[low[u], high[u]], [low[u], high[u]]])
            grid[..., v] = np.array([[low[v], low[v]], [high[v], high[v]]])
            sides.append(sheet(grid if side is high else grid[:, ::-1], region))
    return joined(sides)


def _frame(direction):
    direction = direction / np.linalg.norm(direction)
    other = np.array([1.0, 0, 0]) if abs(direction[0]) < 0.9 else np.array([0, 1.0, 0])
    u = np.cross(direction, other)
    u /= np.linalg.norm(u)
    return u, np.cross(direction, u)


def tube(start, end, radius, region, sides=10):
    start, end = np.array(start, float), np.array(end, float)
    u, v = _frame(end - start)
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)[:, None]
    ring = radius * (np.cos(angles) * u + np.sin(angles) * v)
    return sheet(np.stack([start + 0 * ring, start + ring, end + ring, end + 0 * ring]), region, closed=True)


def ring(centre, axis, radius, thickness, region, *, turns=40):
    """A wheel's rim."""
    u, v = _frame(np.array(axis, float))
    axis = np.array(axis, float) / np.linalg.norm(axis)
    around = np.linspace(0, 2 * np.pi, turns, endpoint=False)
    inside = np.linspace(0, 2 * np.pi, 9)
    out = np.cos(around)[None, :, None] * u + np.sin(around)[None, :, None] * v
    grid = np.array(centre, float) + out * (radius + thickness * np.cos(inside)[:, None, None])
    return sheet(grid + axis * thickness * np.sin(inside)[:, None, None], region, closed=True)


def disc(centre, axis, radius, region, turns=30):
    u, v = _frame(np.array(axis, float))
    around = np.linspace(0, 2 * np.pi, turns, endpoint=False)[:, None]
    rim = np.array(centre, float) + radius * (np.cos(around) * u + np.sin(around) * v)
    return sheet(np.stack([rim * 0 + np.array(centre, float), rim]), region, closed=True)


def dome(apex, radius, depth, region, ribs=8):
    """An umbrella: a shallow dome below `apex`, scalloped between its ribs."""
    around = np.linspace(0, 2 * np.pi, ribs * 6, endpoint=False)
    out = np.linspace(0.02, 1, 9)[:, None]
    scallop = 1 - 0.06 * out * (1 - np.abs(np.cos(around * ribs / 2)))
    radii = radius * np.sin(out * 1.15) / np.sin(1.15) * scallop
    drop = depth * (1 - np.cos(out * 1.35)) / (1 - np.cos(1.35)) + 0 * around
    grid = np.array(apex, float) + np.stack([radii * np.cos(around), radii * np.sin(around), -drop], -1)
    return sheet(grid, region, closed=True)
