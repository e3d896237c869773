"""A body at rest out of the package `anny`, its bones and skin weights, and its posing by directions of limbs."""

from dataclasses import dataclass
from functools import cache

import anny
import numpy as np
import torch
from anny.face_segmentation import get_face_segmentation_mask
from people import mesh

_GROUPS = (
    ("upperarm", mesh.ARM),
    ("lowerarm", mesh.ARM),
    ("wrist", mesh.HAND),
    ("finger", mesh.HAND),
    ("metacarpal", mesh.HAND),
    ("upperleg", mesh.LEG),
    ("lowerleg", mesh.LEG),
    ("foot", mesh.FOOT),
    ("toe", mesh.FOOT),
    ("neck", mesh.HEAD),
    ("head", mesh.HEAD),
    ("eye", mesh.HEAD),
)
_EYES = ["eye_front.L", "eye_front.R", "eye_back.L", "eye_back.R"]
# The package's grown bodies come out at 1.75 to 2.2 m; like this most measure 1.6 to 1.9 m.
_SCALE = 0.91
_SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")


@cache
def _anny():
    torch.set_num_threads(1)
    return anny.Anny()


@dataclass
class Body:
    """Rest positions (n, 3), bones and the share of each bone (n, bones) in each vertex."""

    rest: np.ndarray
    faces: np.ndarray
    region: np.ndarray  # of each vertex
    eye_faces: np.ndarray
    along: np.ndarray
    bones: dict[str, int]
    parents: list[int]
    heads: np.ndarray
    weights: np.ndarray

    def head_of(self, bone):
        return self.heads[self.bones[bone]]


def made(**shape):
    """A body; `shape` sets build (height, weight, muscle, proportions, and what the package calls age and gender, which
    are used for size and build alone), 0 to 1."""
    model = _anny()
    wanted = {label: torch.tensor([float(shape.get(label, 0.5))]) for label in model.phenotype_labels}
    with torch.no_grad():
        out = model(phenotype_kwargs=wanted)
    rest = out["rest_vertices"][0].numpy().astype(float) * _SCALE
    heads = out["rest_bone_heads"][0].numpy().astype(float) * _SCALE
    labels = list(model.bone_labels)
    weights = np.zeros((len(rest), len(labels)))
    np.add.at(
        weights,
        (np.arange(len(rest))[:, None], model.vertex_bone_indices.numpy()),
        model.vertex_bone_weights.detach().numpy(),
    )
    weights /= weights.sum(axis=1, keepdims=True)
    kinds = np.array([next((g for start, g in _GROUPS if label.startswith(start)), mesh.TORSO) for label in labels])
    region = kinds[weights.argmax(axis=1)]
    faces = model.get_triangular_faces().numpy() if model.faces.shape[1] != 3 else model.faces.numpy()
    eyes = get_face_segmentation_mask(model, _EYES)
    body = Body(
        rest,
        faces,
        region,
        eyes,
        np.zeros(len(rest)),
        {b: i for i, b in enumerate(labels)},
        list(model.bone_parents),
        heads,
        weights,
    )
    body.along[:] = _along(body)
    return body


def _along(body):
    along = np.zeros(len(body.rest))
    for side in "LR":
        same = (body.rest[:, 0] > 0) == (side == "L")
        for group, stations in (
            (mesh.ARM, ("upperarm01", "lowerarm01", "wrist")),
            (mesh.LEG, ("upperleg01", "lowerleg01", "foot")),
        ):
            a, b, c = (body.head_of(f"{name}.{side}") for name in stations)
            first, second = np.linalg.norm(b - a), np.linalg.norm(c - b)
            t = np.clip((body.rest - a) @ (b - a) / first**2, 0, 1) * first
            t += np.clip((body.rest - b) @ (c - b) / second**2, 0, 1) * second
            chosen = same & (body.region == group)
            along[chosen] = (t / (first + second))[chosen]
        along[same & np.isin(body.region, (mesh.HAND, mesh.FOOT))] = 1
    return along


def turned(degrees_xyz):
    """Rotation about x, then y, then z."""
    x, y, z = np.radians(degrees_xyz)
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return rz @ ry @ rx


def _between(a, b):
    """The shortest rotation that brings direction a to direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    v, c = np.cross(a, b), float(a @ b)
    if c < -0.9999:
        return np.diag([1.0, -1, -1])
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / (1 + c)


class Posed:
    """The bones of a body in a pose; `apply` carries points that hang on them."""

    def __init__(self, body, pose):
        """`pose`: "root", "lean", "head" in degrees about x, y, z; "arm.L", "leg.R" and so on as directions of the
        upper and the lower part, each (outward, forward, up), seen from the body; "foot.L" in degrees of pitch."""
        self.body = body
        count = len(body.parents)
        spin = [np.eye(3)] * count
        root = turned(pose.get("root", (0, 0, 0)))
        lean = np.array(pose.get("lean", (0, 0, 0)), float) / len(_SPINE)
        directions = {}
        for limb, upper, lower, end in (
            ("arm", "upperarm01", "lowerarm01", "wrist"),
            ("leg", "upperleg01", "lowerleg01", "foot"),
        ):
            for side, sign in (("L", 1), ("R", -1)):
                for bone, following, wanted in zip(
                    (upper, lower), (lower, end), pose.get(f"{limb}.{side}", ()), strict=False
                ):
                    rest = body.head_of(f"{following}.{side}") - body.head_of(f"{bone}.{side}")
                    directions[f"{bone}.{side}"] = rest, root @ (np.array(wanted, float) * (sign, -1, 1))
        names = {i: name for name, i in body.bones.items()}
        self.origin = body.heads.copy()
        for i in range(count):
            name, parent = names[i], body.parents[i]
            here = spin[parent] if parent >= 0 else root
            if parent >= 0:
                self.origin[i] = self.origin[parent] + spin[parent] @ (body.heads[i] - body.heads[parent])
            if name in _SPINE:
                here = here @ turned(lean)
            elif name in ("neck01", "head"):
                here = here @ turned(np.array(pose.get("head", (0, 0, 0)), float) / 2)
            elif name.startswith("foot"):
                here = here @ turned((pose.get(f"foot.{name[-1]}", 0), 0, 0))
            if name in directions:
                rest, wanted = directions[name]
                here = _between(here @ rest, wanted) @ here
            spin[i] = here
        self.spin = np.array(spin)

    def apply(self, points, weights):
        """Linear blend skinning of `points` (n, 3) at rest with `weights` (n, bones)."""
        used = np.flatnonzero(weights.any(axis=0))
        moved = np.zeros_like(points)
        for b in used:
            at = (points - self.body.heads[b]) @ self.spin[b].T + self.origin[b]
            moved += weights[:, b : b + 1] * at
        return moved

    def at(self, bone):
        return self.origin[self.body.bones[bone]]
