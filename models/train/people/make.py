"""Render everybody: `cd models/train && python -m people.make ../../tests/people [NAME ...]`.

Each becomes a PNG of at most 256 colours with coverage at its edges; `people.toml` says of each its class, where its
head is, and how it was made. The names render some only and leave the rest of the folder, but write the whole table.
"""

import sys
import tomllib
import zlib
from pathlib import Path

import numpy as np
from people.raster import Raster
from people.render import render
from people.roster import people
from PIL import Image

_HEADER = """\
# Rendered people for the bench of exposure and its tests: no photograph and no footage went into them.
# Boxes are shares of the sprite: head_left, head_top, head_right, chin: the head with its hair, from the chin up; left,
# top, right, bottom: the person without chair, bicycle, umbrella. height_m: how tall the sprite is where they are.
# azimuth: degrees from the front to the person's left; elevation: of the camera above the horizon.
# Pictures of one walk have the same `walk` and are in the order of `step`.
made = "rendered by models/train/people; bodies: package anny 0.6.2 (Apache-2.0; data of the MakeHuman community: CC0)"
licence = "Apache-2.0"
"""
_COLOURS = 255
_EDGES = ("head_left", "head_top", "head_right", "chin", "left", "top", "right", "bottom")


def quantised(rgba: np.ndarray) -> Image.Image:
    """A palette picture whose palette has coverage, by k-means on a sample."""
    pixels = rgba.reshape(-1, 4).astype(np.float32)
    clear = pixels[:, 3] < 8
    pixels[:, 3] = np.where(pixels[:, 3] > 247, 255, np.round(pixels[:, 3] / 51) * 51)
    solid = pixels[~clear] * (1, 1, 1, 0.7)
    rng = np.random.default_rng(0)
    sample = solid[rng.choice(len(solid), min(len(solid), 6000), replace=False)]
    centres = sample[rng.choice(len(sample), _COLOURS, replace=False)]
    for _ in range(8):
        nearest = _nearest(sample, centres)
        counts = np.bincount(nearest, minlength=_COLOURS)
        sums = np.stack([np.bincount(nearest, sample[:, i], _COLOURS) for i in range(4)], 1)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    index = np.zeros(len(pixels), np.uint8)
    index[~clear] = _nearest(solid, centres) + 1
    palette = np.concatenate([np.zeros((1, 4)), centres / (1, 1, 1, 0.7)]).round().clip(0, 255).astype(np.uint8)
    out = Image.fromarray(index.reshape(rgba.shape[:2]), "P")
    out.putpalette(palette[:, :3].tobytes())
    out.info["transparency"] = palette[:, 3].tobytes()
    return out


def _nearest(points, centres):
    return ((centres**2).sum(axis=1) - 2 * points @ centres.T).argmin(axis=1)


def main():
    folder, chosen = Path(sys.argv[1]), set(sys.argv[2:])
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "people.toml"
    known = {row["file"]: row for row in tomllib.loads(table.read_text())["person"]} if table.exists() else {}
    raster, rows = Raster(), []
    for person in people():
        file = f"{person.name}.png"
        if (not chosen or person.name in chosen) or file not in known:
            sprite = render(raster, person, zlib.crc32(person.name.encode()))
            picture = quantised(sprite.rgba)
            picture.save(folder / file, optimize=True, transparency=picture.info["transparency"])
            edges = [round(float(share), 3) for share in (*sprite.head, *sprite.person)]
            known[file] = {
                "file": file,
                "class": person.of,
                **dict(zip(_EDGES, edges, strict=True)),
                "height_m": round(sprite.height_m, 3),
                "azimuth": float(person.azimuth),
                "elevation": float(person.elevation),
            }
            walk, _, step = person.name.rpartition("_")
            if step.isdigit() and person.of == "walking":
                known[file] |= {"walk": walk, "step": int(step)}
            print(file, sprite.rgba.shape, (folder / file).stat().st_size, flush=True)
        rows.append(known[file])
        table.write_text(
            _HEADER
            + "".join(
                "\n[[person]]\n"
                + "".join(
                    f'{key} = "{value}"\n' if isinstance(value, str) else f"{key} = {value}\n"
                    for key, value in row.items()
                )
                for row in rows
            )
        )


if __name__ == "__main__":
    main()
