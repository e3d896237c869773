"""Colours and light: from what a camera sees of a mesh to RGBA. Light is a sky, brighter overhead, and one key light,
each of many directions with its own shadows."""

import numpy as np
from people import dress
from people.raster import light

_SKY = 18
_KEY_ELEVATION = 52
_FOLDS = 0.9
_SHADOW_PX = 256


class Noise:
    """Smooth values from 0 to 1 over space, the same for the same seed."""

    def __init__(self, seed):
        self._flat = np.random.default_rng(seed).random(32**3, dtype=np.float32)

    def __call__(self, at):
        low = np.floor(at).astype(np.int32)
        t = (at - low).astype(np.float32)
        t = t * t * (3 - 2 * t)
        total = np.zeros(at.shape[:-1], np.float32)
        sides = [((1 - t[..., i], low[..., i] & 31), (t[..., i], (low[..., i] + 1) & 31)) for i in range(3)]
        for x_share, x in sides[0]:
            for y_share, y in sides[1]:
                xy, at_xy = x_share * y_share, (x * 32 + y) * 32
                for z_share, z in sides[2]:
                    total += xy * z_share * self._flat[at_xy + z]
        return total


def _linear(colour):
    return (np.asarray(colour, float) / 255) ** 2.2


def _face(albedo, head, rest, skin, hair):
    """Brows, lids, nostrils, lips, beard shadow as tones at their places on a face."""
    side, forward, up = head.of(rest)
    front = forward > -2.2
    across = np.abs(side)

    def blend(where, colour, strength):
        amount = np.clip(where, 0, 1)[..., None] * front[..., None] * strength
        albedo[:] = albedo * (1 - amount) + _linear(colour) * amount

    dark = tuple(0.35 * np.array(hair) + 0.15 * np.array(skin))
    blend(1.4 - np.hypot((across - 1.05) / 0.62, (up - 0.72 + 0.12 * (across - 1) ** 2) / 0.15), dark, 0.85)
    blend(1.6 - np.hypot((across - 1.0) / 0.58, (up - 0.0) / 0.30), tuple(0.62 * np.array(skin)), 0.55)
    blend(1.5 - np.hypot((across - 1.0) / 0.50, (up - 0.16) / 0.075), (30, 22, 20), 0.9)
    blend(1.4 - np.hypot((across - 0.27) / 0.14, (up + 1.52) / 0.09), (60, 30, 26), 0.7)
    red = 0.62 * np.array(skin) * (1.12, 0.78, 0.76)
    blend(1.5 - np.hypot(side / 0.68, (up + 2.28) / 0.22), tuple(red), 0.8)
    blend(1.5 - np.hypot(side / 0.75, (up + 2.26) / 0.05), (50, 20, 20), 0.85)
    blend(1.3 - np.hypot((across - 1.35) / 0.7, (up + 1.2) / 0.6), tuple(np.array(skin) * (1.02, 0.84, 0.8)), 0.3)


def _cloth(clothes, colour, rest, along, noise):
    base = np.broadcast_to(_linear(colour), (*along.shape, 3)).copy()
    second = _linear(clothes.second)
    x, z = rest[..., 0], rest[..., 2]
    if clothes.pattern == "stripes":
        base[(z * 22 % 1) < 0.4] = second
    elif clothes.pattern == "plaid":
        base *= 1 - 0.45 * (z * 12 % 1 < 0.35)[..., None]
        base += second * 0.35 * (x * 12 % 1 < 0.3)[..., None]
    elif clothes.pattern == "blocks":
        base[z > 0.30] = second
    elif clothes.pattern == "open":
        base[(np.abs(x) < 0.035 + 0.03 * (0.5 - z)) & (rest[..., 1] < 0.0)] = second
    return base * (0.86 + 0.28 * noise(rest * 90))[..., None]


def albedo(seen, dressed):
    """Linear colours (n, 3) and which garment is where."""
    clothes, body, head, noise = dressed.clothes, dressed.body, dressed.head, dressed.noise
    of = dress.garment(dressed, seen.region, seen.rest, seen.along)
    out = np.zeros((*of.shape, 3))
    rest = seen.rest
    skin = _linear(clothes.skin) * (0.9 + 0.2 * noise(rest * 25))[..., None] * (1, 0.97, 0.95)
    _face(skin, head, rest, clothes.skin, clothes.hair_colour)
    out[of == dress.SKIN] = skin[of == dress.SKIN]
    side, _, up = head.of(rest)
    iris = np.hypot(np.abs(side) - 1.0, up) < 0.30
    eye = np.where(iris[..., None], _linear((46, 34, 28)), _linear((205, 198, 190)))
    out[of == dress.EYE] = eye[of == dress.EYE]
    strand = noise(np.stack([rest[..., 0] * 160, rest[..., 1] * 160, rest[..., 2] * 22], -1))
    hair = _linear(clothes.hat_colour if clothes.hat else clothes.hair_colour) * (0.55 + 0.9 * strand)[..., None]
    out[of == dress.HAIR] = hair[of == dress.HAIR]
    upper = _cloth(clothes, clothes.upper, rest, seen.along, noise)
    out[of == dress.UPPER] = upper[of == dress.UPPER]
    lower = _linear(clothes.lower) * (0.84 + 0.32 * noise(rest * 70))[..., None]
    out[of == dress.LOWER] = lower[of == dress.LOWER]
    shoes = np.where(
        (rest[..., 2] < body.rest[:, 2].min() + 0.022)[..., None],
        _linear((190, 186, 178)) * 0.5,
        _linear(clothes.shoes),
    )
    out[of == dress.SHOES] = shoes[of == dress.SHOES]
    for i, colour in enumerate(clothes.things):
        here = seen.region == i + 10
        out[here] = (_linear(colour) * (0.9 + 0.2 * noise(rest * 18))[..., None])[here]
    return out, of


def _creased(seen, of, noise, depth):
    """Normals bent by the folds of cloth: few and large, more of them at joints."""
    rest = seen.rest
    stretched = np.stack([rest[..., 0] * 13, rest[..., 1] * 13, rest[..., 2] * 24 + rest[..., 0] * 9], -1)
    here = noise(stretched) + 0.5 * noise(stretched * 2.3)
    there = [stretched + step for step in 0.35 * np.eye(3)]
    bend = np.stack([noise(at) + 0.5 * noise(at * 2.3) - here for at in there], -1)
    cloth = ((of == dress.UPPER) | (of == dress.LOWER)) * depth + (of == dress.HAIR) * 0.5 * depth
    bent = seen.normal - bend * cloth[..., None]
    return bent / np.maximum(np.linalg.norm(bent, axis=-1, keepdims=True), 1e-6)


def lit(raster, points, seen, normals, key):
    """Light that falls on each place (n, 3); `key`: the key light's azimuth and its share."""
    key_azimuth, key_share = key
    position, normal = seen.position, normals
    total = np.zeros((len(position), 3))
    a, e = np.radians((key_azimuth, _KEY_ELEVATION))
    towards_key = np.array([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])
    lights = [(towards_key, key_share * np.array([1.05, 1.0, 0.93]))]
    for i in range(_SKY):
        z = (i + 0.5) / _SKY
        turn = i * 2.39996
        towards = np.array([np.cos(turn) * np.sqrt(1 - z * z), np.sin(turn) * np.sqrt(1 - z * z), z])
        lights.append((towards, (1 - key_share) * 2.6 / _SKY * (0.45 + 0.55 * z) * np.array([0.97, 1.0, 1.05])))
    for towards, strength in lights:
        matrix = light(points, -towards)
        shadow = raster.seen(matrix, _SHADOW_PX, _SHADOW_PX)
        depth = np.where(shadow.region > 0, shadow.depth, 1)
        at = (position + normal * 0.008) @ matrix[:3, :3].T + matrix[:3, 3]
        x = np.clip(((at[:, 0] + 1) / 2 * _SHADOW_PX).astype(int), 0, _SHADOW_PX - 1)
        y = np.clip(((1 - at[:, 1]) / 2 * _SHADOW_PX).astype(int), 0, _SHADOW_PX - 1)
        free = (at[:, 2] + 1) / 2 < depth[y, x] + 0.008
        total += (np.clip(normal @ towards, 0, None) * free)[:, None] * strength
    total += 0.16 * (0.6 - 0.4 * normal[:, 2:]) * np.array([1.0, 0.96, 0.9])
    return total


def picture(raster, points, seen, dressed, key):
    """RGBA (h, w, 4) uint8 of twice the wanted size; halve it with `halved`."""
    drawn, seen = seen.region > 0, seen.drawn()
    colours, of = albedo(seen, dressed)
    normals = _creased(seen, of, dressed.noise, _FOLDS)
    shown = colours * lit(raster, points, seen, normals, key)
    shown = shown / (1 + 0.18 * shown) * 1.1
    rgba = np.zeros((*drawn.shape, 4))
    rgba[drawn, :3] = np.clip(shown, 0, 1)
    rgba[drawn, 3] = 1
    return rgba


def halved(rgba):
    """Mean of 2 × 2 elements in linear light, edges by coverage; sRGB bytes."""
    h, w = rgba.shape[0] // 2 * 2, rgba.shape[1] // 2 * 2
    rgba = rgba[:h, :w]
    weighted = np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], -1)
    mean = weighted.reshape(h // 2, 2, w // 2, 2, 4).mean(axis=(1, 3))
    colour = mean[..., :3] / np.maximum(mean[..., 3:], 1e-6)
    return np.concatenate([np.clip(colour, 0, 1) ** (1 / 2.2), mean[..., 3:]], -1)
