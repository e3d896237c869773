"""One person: body, pose, clothes and things to an RGBA sprite with its head's box."""

from dataclasses import dataclass, field

import numpy as np
from people import body as bodies
from people import dress, mesh, shade
from people.raster import Raster, camera


@dataclass(frozen=True)
class Person:
    """`of` is the class by which the bench counts; azimuth 0 shows the front, 90 the person's left."""

    name: str
    of: str
    pose: dict
    clothes: dress.Clothes
    azimuth: float = 0.0
    elevation: float = 12.0
    shape: dict = field(default_factory=dict)
    things: tuple = ()
    tall_px: int = 360
    key: tuple = (35.0, 0.45)


@dataclass(frozen=True)
class Sprite:
    """`rgba` is cut to what is drawn; `head` and `person` (without things) are x0 y0 x1 y1 as shares of it."""

    rgba: np.ndarray
    head: np.ndarray
    person: np.ndarray
    height_m: float


def render(raster: Raster, person: Person, seed: int) -> Sprite:
    """The sprite of `person`; `seed` chooses the noise of cloth, skin and hair."""
    noise = shade.Noise(seed)
    body = bodies.made(**person.shape)
    head, clothes = dress.Head(body), person.clothes
    dressed = dress.Dressed(body, clothes, noise, head)
    parts, weights = [_skin(dressed)], [body.weights]
    extra = [dress.shoe(body, side) for side in "LR"]
    if clothes.skirt:
        extra.append(dress.skirt(clothes, body))
    if clothes.hair in {"long", "bun"} and not (clothes.hat and clothes.hair == "bun"):
        extra.append(dress.long_hair(dressed))
    if clothes.hat:
        extra.append(dress.cap_brim(head, body))
    for part, share in extra:
        parts.append(part)
        weights.append(share)
    posed = bodies.Posed(body, person.pose)
    for part, share in zip(parts, weights, strict=True):
        part.position = posed.apply(part.position, share)
    floor = min(part.position[:, 2].min() for part in parts)
    if "bicycle" in [t.__name__ for t in person.things]:
        floor -= 0.10
    for thing in person.things:
        parts += thing(posed, floor)
    whole = mesh.joined(parts)
    points = whole.position
    view, width, height, per_metre = camera(points, person.azimuth, person.elevation, person.tall_px * 2)
    raster.load(whole)
    seen = raster.seen(view, width, height)
    rgba = shade.halved(shade.picture(raster, points, seen, dressed, person.key))
    opaque = rgba[..., 3] > 0.02
    whole = np.array(_bounds(opaque))
    size = np.tile(whole[2:] - whole[:2], 2)

    def share(where):
        return np.clip((np.array(_bounds(where)) / 2 - np.tile(whole[:2], 2)) / size, 0, 1)

    body_only = (seen.region > 0) & (seen.region < mesh.THING)
    x0, y0, x1, y1 = whole
    return Sprite(
        (rgba[y0:y1, x0:x1] * 255).round().astype(np.uint8),
        share(_head(seen, head)),
        share(body_only),
        float((y1 - y0) * 2 / per_metre),
    )


def _skin(dressed):
    body = dressed.body
    # A triangle between two groups belongs to the one that most of its corners have.
    corners = body.region[body.faces]
    region = np.where(
        corners[:, 0] == corners[:, 1],
        corners[:, 0],
        np.where(corners[:, 1] == corners[:, 2], corners[:, 1], corners[:, 2]),
    )
    region[body.eye_faces] = mesh.EYE
    made = mesh.Mesh(body.rest.copy(), body.faces, region, body.rest, body.along)
    made.position = body.rest + made.normals() * dress.stand_off(dressed)[:, None]
    return made


def _head(seen, head):
    """Where the head is drawn, hair included, from the chin up."""
    up = head.of(seen.rest)[2]
    return (((seen.region == mesh.HEAD) | (seen.region == mesh.HAIR)) & (up > -4.0)) | (seen.region == mesh.EYE)


def _bounds(where):
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(rows) else (0, 0, 0, 0)
