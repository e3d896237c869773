"""What is said about an object: its code and colours averaged over its best shots, and what its box shows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.appearance import quantised
from models.carried import SEEN
from models.detections import Boxes
from wire.features.packet import AppearanceCode, AttributeValue, ColourShare, FeaturePacket
from wire.features.vocabulary import QUANTITY_STEP, Attribute, BodyPart, Colour, ObjectClass

_VEHICLE_TYPES = {ObjectClass.CAR: 0, ObjectClass.BUS: 2, ObjectClass.TRUCK: 3}
_TWO_WHEELERS = {ObjectClass.BICYCLE: 0, ObjectClass.MOTORCYCLE: 1}
_MINIMUM_SHARE = 0.15
_MOST = 2
_SURE = 0.65
# Bytes of a packet without its best shot.
MOST_BYTES = 160
# What is carried is reported with at least `_SURE`; from this much above the threshold on it is beyond doubt.
_CLEARLY_SEEN = 0.4


def fitted(packet: FeaturePacket) -> FeaturePacket:
    """`packet`, which has no best shot yet, in at most 160 bytes.

    The name of the network goes first, for it says nothing about the object; then the least sure words, one by one: the
    attribute of lowest confidence or the colour of the smallest share.
    """
    if len(bytes(packet)) > MOST_BYTES:
        packet = replace(packet, provenance="")
    while len(bytes(packet)) > MOST_BYTES and (packet.attributes or packet.colours):
        attribute = min(packet.attributes, key=lambda item: item.confidence, default=None)
        colour = min(packet.colours, key=lambda item: item.share, default=None)
        if colour is None or (attribute is not None and attribute.confidence <= colour.share):
            packet = replace(packet, attributes=tuple(item for item in packet.attributes if item is not attribute))
        else:
            packet = replace(packet, colours=tuple(item for item in packet.colours if item is not colour))
    return packet


def mean_code(codes: Sequence[AppearanceCode], weights: Sequence[float]) -> AppearanceCode:
    """The weighted mean direction of codes of one model; the first one when they cancel out."""
    rows = np.stack([np.frombuffer(code.data, np.int8).astype(np.float32) for code in codes])
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    mean = np.asarray(np.asarray(weights, np.float32) @ rows, np.float32)
    return quantised(codes[0].model, mean) if np.abs(mean).max() > 1e-6 else codes[0]


def mean_colours(shots: Sequence[Sequence[ColourShare]], weights: Sequence[float]) -> tuple[ColourShare, ...]:
    """Weighted shares per part; "unknown" only where no shot showed a colour. Largest share of each part first."""
    mass: dict[BodyPart, dict[Colour, float]] = defaultdict(lambda: defaultdict(float))
    total: dict[BodyPart, float] = defaultdict(float)
    for shares, weight in zip(shots, weights, strict=True):
        coloured = {share.part for share in shares if share.colour is not Colour.UNKNOWN}
        for part in coloured:
            total[part] += weight
        for share in shares:
            mass[share.part][share.colour] += weight * share.share if share.part in coloured else 0.0
    found = []
    for part, colours in sorted(mass.items()):
        if not total[part]:
            found.append(ColourShare(part, Colour.UNKNOWN, 1.0))
            continue
        ranked = sorted(colours.items(), key=lambda item: -item[1])
        found += [
            ColourShare(part, colour, min(value / total[part], 1.0))
            for colour, value in ranked[:_MOST]
            if value / total[part] >= _MINIMUM_SHARE
        ]
    return tuple(found)


def mean_attributes(shots: Sequence[Mapping[Attribute, float]], weights: Sequence[float]) -> tuple[AttributeValue, ...]:
    """The weighted mean probability of each attribute over the shots; those above `_SURE` are returned."""
    values = []
    for attribute in sorted(shots[0]):
        second = float(np.average([shot[attribute] for shot in shots], weights=weights))
        confidence = max(second, 1 - second)
        if confidence >= _SURE:
            values.append(AttributeValue(attribute, int(second > 0.5), confidence))
    return tuple(values)


def mean_textures(
    shots: Sequence[Mapping[Attribute, NDArray[np.float64]]], weights: Sequence[float]
) -> tuple[AttributeValue, ...]:
    """The weighted mean probabilities of textures by garment, over the shots that show it; those above `_SURE`."""
    values = []
    for attribute in sorted({name for shot in shots for name in shot}):
        seen = [(shot[attribute], weight) for shot, weight in zip(shots, weights, strict=True) if attribute in shot]
        chances = np.average([chances for chances, _ in seen], axis=0, weights=[weight for _, weight in seen])
        best = int(chances.argmax())
        if chances[best] >= _SURE:
            values.append(AttributeValue(attribute, best, float(chances[best])))
    return tuple(values)


def mean_carried(
    shots: Sequence[Mapping[Attribute, float]], weights: Sequence[float], known: Sequence[AttributeValue]
) -> tuple[AttributeValue, ...]:
    """What the detector saw on a person, over the shots; what a network has `known` already is not repeated."""
    found, present = [], {value.attribute for value in known}
    for attribute in sorted(shots[0] if shots else ()):
        score = float(np.average([shot[attribute] for shot in shots], weights=weights))
        if score >= SEEN and attribute not in present:
            clear = min((score - SEEN) / _CLEARLY_SEEN, 1.0)
            found.append(AttributeValue(attribute, 1, _SURE + (1 - _SURE) * clear))
    return tuple(found)


def attributes(class_: ObjectClass, box: Boxes, relative_height: float | None = None) -> tuple[AttributeValue, ...]:
    """What the class and the box show at first sight; `relative_height` is over what is usual at its place."""
    width, height = float(box[2] - box[0]), max(float(box[3] - box[1]), 1.0)
    steps = min(round(width / height / QUANTITY_STEP[Attribute.ASPECT]), 255)
    values = [AttributeValue(Attribute.ASPECT, steps, 1.0)]
    if relative_height is not None:
        steps = min(round(relative_height / QUANTITY_STEP[Attribute.RELATIVE_HEIGHT]), 255)
        values.append(AttributeValue(Attribute.RELATIVE_HEIGHT, steps, 1.0))
    if class_ in _VEHICLE_TYPES:
        values.append(AttributeValue(Attribute.VEHICLE_TYPE, _VEHICLE_TYPES[class_], 0.8))
    if class_ in _TWO_WHEELERS:
        values.append(AttributeValue(Attribute.TWO_WHEELER, _TWO_WHEELERS[class_], 0.8))
    return tuple(values)
