"""Re-identification on people the network has not seen: every code beside colour stripes and an untrained backbone.

    make bench-reid DATA=/path/to/datasets          # market1501_train.tar and market1501_split.json

One query for each person and camera; the gallery is every crop of these people, without the query's person in the
query's camera.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from bench.report import report
from firmware.describe.aggregation import fitted
from models import coarse, stripes
from models.appearance import Stripes
from models.appearance_net import NAME, AppearanceNet
from models.config import ModelsConfig
from models.registry import ModelRegistry
from models.runtime import InferenceSession
from models.train.market import Crops, Score, load, queries, score, split
from wire.features.packet import AppearanceCode, AttributeValue, ColourShare, FeaturePacket
from wire.features.seal import seal
from wire.features.vocabulary import Attribute, BodyPart, Colour, ObjectClass
from wire.keys import Identity, SigningKey

BOX = np.array([0, 0, 64, 128], np.float32)
USUAL = (
    Attribute.SLEEVE,
    Attribute.LOWER_LENGTH,
    Attribute.HAT,
    Attribute.BAG,
    Attribute.BACKPACK,
    Attribute.HAIR_LENGTH,
)


def unit(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def values(codes: list[AppearanceCode]) -> np.ndarray:
    return np.stack([np.frombuffer(code.data, np.int8) for code in codes])


def cosine(x: np.ndarray, crops: Crops) -> Score:
    x = unit(x)
    query = queries(crops)
    return score(x[query] @ x.T, crops, query)


def hamming(bits: np.ndarray, crops: Crops) -> Score:
    query = queries(crops)
    return score(-np.stack([coarse.distance(bits[q], bits) for q in query]).astype(np.float32), crops, query)


def refined(codes: np.ndarray, bits: np.ndarray, crops: Crops, keep: int) -> Score:
    """Bits choose the best `keep`, bytes put them in order."""
    query = queries(crops)
    x = unit(codes)
    rows = []
    for q in query:
        far = coarse.distance(bits[q], bits)
        row = -far.astype(np.float32) - 1e6
        best = np.argsort(far, kind="stable")[:keep]
        row[best] = x[best] @ x[q]
        rows.append(row)
    return score(np.stack(rows), crops, query)


def random_bits(x: np.ndarray) -> np.ndarray:
    planes = np.random.default_rng(1).standard_normal((x.shape[1], coarse.BITS)).astype(np.float32)
    return np.packbits(x @ planes > 0, axis=1)


def interval(left: Score, right: Score) -> tuple[float, float]:
    """95 % of the paired bootstrap of the loss of mAP, over the queries."""
    loss = 100 * (left.precision - right.precision)
    rng = np.random.default_rng(2)
    means = [loss[rng.integers(0, len(loss), len(loss))].mean() for _ in range(2000)]
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


def milliseconds(net: AppearanceNet, picture: np.ndarray) -> tuple[list[float], list[float]]:
    """Cutting, resizing and encoding one person of a whole picture forty times: time of the processor, of the wall."""
    box = np.array([200, 100, 290, 330], np.float32)
    busy, wall = [], []
    for turn in range(45):
        start = time.process_time(), time.perf_counter()
        net.encode(picture, box, ObjectClass.PERSON)
        if turn >= 5:
            busy.append(1000 * (time.process_time() - start[0]))
            wall.append(1000 * (time.perf_counter() - start[1]))
    return busy, wall


def packet(code: AppearanceCode, words: tuple[Attribute, ...], colours: int, provenance: str) -> FeaturePacket:
    """One passage without a thumbnail, of which these words and so many colours are known."""
    said = [AttributeValue(kind, 1, 0.9) for kind in words]
    worn = [ColourShare(part, Colour.BLUE, 0.8) for part in (BodyPart.UPPER, BodyPart.LOWER, BodyPart.SHOES)] * 3
    return fitted(
        FeaturePacket(
            camera_id=bytes(8),
            sequence=7,
            track_id=7,
            class_=ObjectClass.PERSON,
            first_utc_ms=1,
            best_utc_ms=2,
            last_utc_ms=3,
            quality=0.9,
            box=(1, 2, 3, 4),
            codes=(code,),
            colours=tuple(worn[:colours]),
            attributes=tuple(said),
            provenance=provenance,
        )
    )


def main() -> None:
    data = os.environ.get("DATA") or (sys.argv[1] if len(sys.argv) > 1 else "")
    if not (Path(data) / "market1501_train.tar").is_file():
        raise SystemExit("DATA=/path/to/datasets must name the folder of market1501_train.tar")
    crops = load(Path(data)).of(split(Path(data))[1])
    config, registry = ModelsConfig(), ModelRegistry.read()
    detector = InferenceSession.load("nanodet", config, registry)
    permissive = Stripes(detector, registry, config)
    net = AppearanceNet(InferenceSession.load(NAME, config, registry), permissive)

    features = np.stack([stripes.features(detector, rgb, upright=True) for rgb in crops.rgb])
    half = stripes.CELLS * 128
    codes64 = values([permissive.encode(rgb, BOX, ObjectClass.PERSON) for rgb in crops.rgb])
    seen = [net.read(crops.rgb[start : start + 64]) for start in range(0, len(crops.rgb), 64)]
    embedding, exact = (np.concatenate([getattr(s, name) for s in seen]) for name in ("embedding", "code"))
    codes = np.concatenate(
        [values(net.encode_crops(crops.rgb[start : start + 64])) for start in range(0, len(crops.rgb), 64)]
    )
    bits = coarse.bits(codes, net.model)
    plain = coarse.thermometer(codes)

    whole, narrow, small = cosine(embedding, crops), cosine(exact, crops), cosine(codes, crops)
    binary = hamming(bits, crops)
    # What the bytes and bits are measured against: the better of what the network gives in floating point.
    best = max(whole, narrow, key=lambda found: found.map)
    fine = refined(codes, bits, crops, 200)
    rows = [("appearance", "bytes", "mAP", "Rank-1")]
    for label, size, found in (
        ("colour stripes, untrained, float", 4 * half, cosine(features[:, :half], crops)),
        ("NanoDet backbone stripes, untrained, float", 4 * half, cosine(features[:, half:], crops)),
        ("stripes code (permissive)", 64, cosine(codes64, crops)),
        ("market64 embedding, float", 4 * embedding.shape[1], whole),
        ("market64 code, float", 4 * exact.shape[1], narrow),
        ("market64 code, int8", 64, small),
        ("market64 512 learnt bits of the code", 64, binary),
        ("market64 512 thermometer bits of the code", 64, hamming(plain, crops)),
        ("market64 512 random-projection bits of the embedding", 64, hamming(random_bits(embedding), crops)),
        ("market64 bits choose 200, bytes order them", 64, fine),
    ):
        rows.append((label, size, round(found.map, 2), round(found.rank1, 2)))
    low, high = interval(best, small)
    busy, wall = milliseconds(net, np.random.default_rng(3).integers(0, 255, (576, 768, 3), np.uint8))
    code = net.encode_crops(crops.rgb[:1])[0]
    usual, most = packet(code, USUAL, 3, ""), packet(code, tuple(Attribute), 9, "nanodet@1")
    sealed = len(seal(usual, Identity.generate().recipient, SigningKey.generate()))
    figures = {
        "map": round(small.map, 2),
        "rank1": round(small.rank1, 2),
        "map_float": round(best.map, 2),
        "rank1_float": round(best.rank1, 2),
        "map_embedding": round(whole.map, 2),
        "map_loss_64b": round(best.map - small.map, 2),
        "map_loss_64b_low": round(low, 2),
        "map_loss_64b_high": round(high, 2),
        "map_bits": round(binary.map, 2),
        "rank1_bits": round(binary.rank1, 2),
        "map_loss_bits": round(best.map - binary.map, 2),
        "map_loss_bits_embedding": round(whole.map - binary.map, 2),
        "map_refined": round(fine.map, 2),
        "rank1_refined": round(fine.rank1, 2),
        "map_stripes_code": rows[3][2],
        "map_colour_stripes": rows[1][2],
        "map_backbone": rows[2][2],
        "packet_bytes": len(bytes(usual)),
        "packet_bytes_most": len(bytes(most)),
        "packet_bytes_sealed": sealed,
        "encode_ms": round(float(np.median(busy)), 2),
        "encode_ms_wall": round(float(np.median(wall)), 2),
    }
    inputs = {
        "data": "Market-1501 training split",
        "people": len(np.unique(crops.person)),
        "gallery": len(crops.rgb),
        "queries": len(queries(crops)),
        "model": net.model,
        "threads": config.threads,
    }
    report("reid", inputs, figures, rows)


if __name__ == "__main__":
    main()
