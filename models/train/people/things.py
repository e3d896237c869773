"""What people sit on, ride or carry, built round a posed body. Each gives meshes; regions count from mesh.THING."""

import numpy as np
from people.mesh import THING, box, disc, dome, ring, tube


def _v(*xyz):
    return np.array(xyz, float)


def chair(pose, floor):
    """A chair under a sitting person; colours: seat, legs."""
    x, y, z = pose.at("root")
    seat = z - 0.115
    parts = [
        box((x - 0.22, y - 0.32, seat - 0.04), (x + 0.22, y + 0.16, seat), THING),
        box((x - 0.22, y + 0.15, seat), (x + 0.22, y + 0.18, seat + 0.42), THING),
    ]
    return parts + [
        tube((x + u, y + v, floor), (x + u, y + v, seat), 0.016, THING + 1)
        for u in (-0.19, 0.19)
        for v in (-0.29, 0.14)
    ]


def bench(pose, floor):
    x, y, z = pose.at("root")
    seat = z - 0.115
    parts = [
        box((x - 0.75, y - 0.34 + 0.13 * i, seat - 0.035), (x + 0.55, y - 0.24 + 0.13 * i, seat), THING)
        for i in range(4)
    ]
    parts += [
        box((x - 0.75, y + 0.2, seat + 0.12 + 0.14 * i), (x + 0.55, y + 0.23, seat + 0.23 + 0.14 * i), THING)
        for i in range(2)
    ]
    return parts + [
        box((x + u, y - 0.30, floor), (x + u + 0.05, y + 0.22, seat - 0.03), THING + 1) for u in (-0.68, 0.43)
    ]


def wheelchair(pose, floor):
    """Colours: cushions, frame, tyres."""
    x, y, z = pose.at("root")
    seat = z - 0.115
    parts = [
        box((x - 0.23, y - 0.32, seat - 0.05), (x + 0.23, y + 0.14, seat), THING),
        box((x - 0.23, y + 0.14, seat), (x + 0.23, y + 0.18, seat + 0.42), THING),
    ]
    for side in (-1, 1):
        s = x + side * 0.31
        hub = (s, y + 0.08, floor + 0.30)
        parts += [
            ring(hub, (1, 0, 0), 0.285, 0.018, THING + 2),
            ring(hub, (1, 0, 0), 0.25, 0.006, THING + 1),
            ring((s - side * 0.05, y - 0.40, floor + 0.085), (1, 0, 0), 0.07, 0.016, THING + 2, turns=20),
        ]
        parts += [
            tube(hub, (s, y + 0.08 + 0.28 * np.cos(a), floor + 0.30 + 0.28 * np.sin(a)), 0.004, THING + 1, 5)
            for a in np.linspace(0, 2 * np.pi, 14, endpoint=False)
        ]
        t = x + side * 0.25
        parts += [
            tube((t, y + 0.17, floor + 0.30), (t, y + 0.17, seat + 0.50), 0.013, THING + 1),
            tube((t, y + 0.17, seat + 0.50), (t, y + 0.30, seat + 0.50), 0.016, THING + 2),
            tube((t, y + 0.15, seat + 0.22), (t, y - 0.22, seat + 0.22), 0.02, THING),
            tube((t, y - 0.30, seat), (t, y - 0.42, floor + 0.10), 0.013, THING + 1),
            tube((t, y + 0.16, seat - 0.03), (t, y - 0.32, seat - 0.03), 0.013, THING + 1),
            tube((t, y - 0.22, seat), (t, y - 0.22, seat + 0.22), 0.013, THING + 1),
        ]
    return [*parts, box((x - 0.2, y - 0.66, floor + 0.06), (x + 0.2, y - 0.48, floor + 0.08), THING + 1)]


def bicycle(pose, floor):
    """Colours: frame, metal, tyres. The saddle is under the hip, the bars at the hands."""
    x, y, z = pose.at("root")
    saddle = np.array([x, y + 0.08, z - 0.13])
    hands = (pose.at("wrist.L") + pose.at("wrist.R")) / 2
    rear, front = np.array([x, y + 0.42, floor + 0.33]), np.array([x, y - 0.68, floor + 0.33])
    crank, neck = np.array([x, y - 0.06, floor + 0.27]), np.array([x, y - 0.50, floor + 0.80])
    bars = np.array([x, hands[1] - 0.06, hands[2] - 0.03])
    parts = []
    for hub in (rear, front):
        parts.append(ring(hub, (1, 0, 0), 0.315, 0.019, THING + 2))
        parts += [
            tube(hub, hub + _v(0, 0.31 * np.cos(a), 0.31 * np.sin(a)), 0.003, THING + 1, 4)
            for a in np.linspace(0, 2 * np.pi, 18, endpoint=False)
        ]
    pairs = [
        (crank, saddle),
        (crank, neck),
        (saddle + _v(0, -0.02, -0.12), neck),
        (rear, crank),
        (rear, saddle + _v(0, 0, -0.1)),
        (neck, front),
        (neck, bars),
    ]
    parts += [tube(a, b, 0.019, THING) for a, b in pairs]
    parts += [
        tube(bars + _v(-0.27, 0, 0), bars + _v(0.27, 0, 0), 0.013, THING + 1),
        box(saddle - _v(0.07, 0.14, 0.0), saddle + _v(0.07, 0.14, 0.045), THING + 2),
        disc(crank + _v(0.03, 0, 0), (1, 0, 0), 0.09, THING + 1),
    ]
    for side in "LR":
        foot = pose.at(f"foot.{side}") + _v(0, -0.08, -0.06)
        parts.append(tube(crank + _v(0.06 if side == "L" else -0.06, 0, 0), foot, 0.013, THING + 1))
    return parts


def umbrella(pose, _floor):
    """Colours: cloth, stick."""
    hand = pose.at("finger3-1.R")
    top = hand + np.array([0.10, 0.02, 0.0])
    top[2] = pose.at("head")[2] + 0.42
    return [tube(hand - (top - hand) * 0.12, top, 0.010, THING + 1), dome(top, 0.62, 0.26, THING)]


def backpack(pose, _floor):
    a = pose.at("spine01") + _v(0, 0.17, 0.02)
    return [
        box(a - _v(0.15, 0.07, 0.28), a + _v(0.15, 0.09, 0.14), THING),
        box(a - _v(0.11, -0.09, 0.24), a + _v(0.11, 0.13, -0.04), THING + 1),
    ]


def bag(pose, _floor):
    """A carrier bag in the left hand."""
    hand = pose.at("finger3-1.L")
    return [
        box(hand - _v(0.06, 0.17, 0.46), hand + _v(0.06, 0.17, -0.14), THING),
        *(tube(hand + np.array([0, y, -0.16]), hand, 0.008, THING + 1) for y in (-0.09, 0.09)),
    ]


def suitcase(pose, floor):
    hand = pose.at("finger3-1.R") + _v(-0.05, 0.12, 0)
    return [
        box((hand[0] - 0.13, hand[1] + 0.02, floor + 0.05), (hand[0] + 0.13, hand[1] + 0.42, floor + 0.60), THING),
        tube(hand, (hand[0], hand[1] + 0.1, floor + 0.60), 0.014, THING + 1),
    ]
