"""What hiding the originals costs: total bits over plain bits at equal quality of the masked regions.

`make bench-recovery [CLIP=… GT=…]`: masks by the project's own detector and mask plan, or by ground truth in MOT
format. Plain is one unmasked encode of the same clip, codec, preset and quantiser. Every protected stream is opened and
composed by the reader before its quality is measured; bits include SEI framing, tables, tags, keys for two recipients
and manifests. FRAMES=n shortens the clip, ONLY=a,b picks variants.

Both encoders of a variant have the same preset unless it says otherwise; the payload's may split macroblocks to 4x4,
which few macroblocks have to pay for. What protection costs in CPU is measured by `bench.cost`; the last column of the
table is a single pass and trembles with the load of the machine. ONLY=cost renews the CPU figures alone.
"""

import json
import os
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bench.clips import clip_key, clip_path
from bench.cost import over_plain
from bench.footage import own_sights, pictures, plans, true_sights
from bench.report import RESULTS, report
from firmware.encode.recoverable import PlainEncoder, RecoverableEncoder
from firmware.encode.settings import EncoderSettings
from firmware.mask.paint import Painter
from firmware.mask.plan import MaskPlan
from firmware.mask.settings import Extent, MaskSettings
from wire.compose import Composer, PictureDecoder
from wire.keys import Identity, SigningKey
from wire.recovery.reader import Reader
from wire.recovery.writer import Writer

PLAIN = EncoderSettings(gop_frames=50, qp=26)
JPEG_EVERY = 5
PADS = (64, 256)
DB_PER_STEP = 0.8
HD = (1920, 1088)
HD_FRAMES = 60
CBR_BPS = 400_000


@dataclass(frozen=True)
class Scene:
    """Clear and masked pictures with their plans."""

    rate: object
    clear: list
    masked: list
    plans: list

    @property
    def size(self):
        return self.clear[0].shape[1], self.clear[0].shape[0] * 2 // 3


@dataclass(frozen=True)
class Run:
    """One encode: bits of all access units, luma squared error inside and outside the masks."""

    bits: int
    roi_db: float
    outside_db: float
    cpu_s: float
    pack_ms: float = 0.0
    start: str = ""


class Quality:
    """Luma PSNR under the masks and outside them, over all pictures together."""

    def __init__(self):
        self.error = {True: 0.0, False: 0.0}
        self.samples = {True: 0, False: 0}

    def add(self, clear, shown, mask):
        rows, columns = mask.shape
        luma = slice(0, rows * 16)
        error = (clear[luma].astype(np.int32) - shown[luma]) ** 2
        per_block = error.reshape(rows, 16, columns, 16).sum((1, 3))
        for inside in (True, False):
            at = mask == inside
            self.error[inside] += float(per_block[at].sum())
            self.samples[inside] += int(at.sum()) * 256

    def db(self, *, inside):
        if not self.samples[inside]:
            return float("nan")
        return 10 * np.log10(255**2 / max(1e-9, self.error[inside] / self.samples[inside]))


def scene_of(rate, clear, sights, extent):
    width, height = clear[0].shape[1], clear[0].shape[0] * 2 // 3
    settings, all_plans = plans(sights, clear, extent=extent)
    painter = Painter(width, height, settings)
    step = round(90_000 / rate)
    masked = [
        painter.paint(picture, plan, i * step) for i, (picture, plan) in enumerate(zip(clear, all_plans, strict=True))
    ]
    return Scene(rate, clear, masked, all_plans)


def plain(scene, settings):
    encoder, decoder, quality = (
        PlainEncoder(*scene.size, scene.rate, settings),
        PictureDecoder(settings.base),
        Quality(),
    )
    bits, cpu_s = 0, 0.0
    for picture, plan in zip(scene.clear, scene.plans, strict=True):
        began_s = time.process_time()
        au, _ = encoder.encode(picture)
        cpu_s += time.process_time() - began_s
        bits += 8 * len(au)
        quality.add(picture, decoder.decode(au), plan.mask)
    return Run(bits, quality.db(inside=True), quality.db(inside=False), cpu_s)


def packing_ms(calls, make_writer):
    """Milliseconds of one thread that sealing and packing take, everything packed again in one go, best of three."""
    spent = []
    for _ in range(3):
        writer = make_writer()
        began_s = time.thread_time()
        for base_au, payload_au, options in calls:
            writer.protect(base_au, payload_au, **options)
        spent.append(time.thread_time() - began_s)
    return 1000 * min(spent) / len(calls)


def protected(scene, settings, *, pad_to=1):
    width, height = scene.size
    officer, second, signer = Identity.generate(), Identity.generate(), SigningKey.generate()
    recipients, grid = [officer.recipient, second.recipient], {"columns": width // 16, "rows": height // 16}
    make_writer = partial(Writer, b"bench-01", settings.base, signer, recipients, pad_to=pad_to, **grid)
    writer, calls = make_writer(), []
    encoder = RecoverableEncoder(width, height, scene.rate, settings)
    reader, composer, quality = Reader([officer], settings.base, signer.public), Composer(settings.base), Quality()
    bits, cpu_s = 0, 0.0
    for number, (clear, masked, plan) in enumerate(zip(scene.clear, scene.masked, scene.plans, strict=True)):
        began_s = time.process_time()
        coded = encoder.encode(masked, clear, plan.mask, plan.regions)
        cpu_s += time.process_time() - began_s
        at_s = number / scene.rate
        options = {
            "mask": plan.mask, "regions": plan.regions, "pts_90k": round(90_000 * at_s),
            "utc_us": 1_790_000_000_000_000 + round(1_000_000 * at_s), "idr": coded.idr,
            "payload_idr": coded.payload_idr, "payload_codec": coded.payload_codec, "shared_idr": coded.shared_idr,
            "full_frame": plan.full, "tracks": coded.tracks,
        }  # fmt: skip
        calls.append((coded.base_au, coded.payload_au, options))
        au = writer.protect(*calls[-1][:2], **options)
        bits += 8 * len(au)
        composed = composer.compose(au, reader.open(au))
        if not composed.revealed:
            raise SystemExit(f"picture {number} was not restored: {composed.reason}")
        quality.add(clear, composed.i420, plan.mask)
    encoder.close()
    pack_ms = packing_ms(calls, make_writer)
    return Run(bits, quality.db(inside=True), quality.db(inside=False), cpu_s, pack_ms, encoder.start.name)


def around(scene, settings, target_db):
    """The run at the configured quantiser, and the one beside it that brings the target quality nearer."""
    same = protected(scene, settings)
    step = round((same.roi_db - target_db) / DB_PER_STEP) or (1 if same.roi_db > target_db else -1)
    return same, protected(scene, replace(settings, payload_qp_offset=step))


def coding_frames(scene):
    """By how many pictures decoding of the base or of the payload lags behind encoding, at most."""
    pair = RecoverableEncoder(*scene.size, scene.rate, replace(PLAIN, shared_idr=False))
    decoders = PictureDecoder(PLAIN.base), PictureDecoder(PLAIN.payload)
    late = 0
    for clear, masked, plan in list(zip(scene.clear, scene.masked, scene.plans, strict=True))[: PLAIN.gop_frames]:
        coded = pair.encode(masked, clear, plan.mask)
        for decoder, au in zip(decoders, (coded.base_au, coded.payload_au), strict=True):
            late += bool(au) and decoder.decode(au) is None
    pair.close()
    return late


def base_bits(scene, settings):
    encoder = PlainEncoder(*scene.size, scene.rate, settings)
    return 8 * sum(len(encoder.encode(picture)[0]) for picture in scene.masked)


def at_quality(target_db, runs):
    """Bits at `target_db` under the masks, by linear interpolation of log bits over PSNR."""
    runs = sorted(runs, key=lambda run: run.roi_db)
    db = [run.roi_db for run in runs]
    slope = np.polyfit(db, np.log([run.bits for run in runs]), 1)[0]
    near = min(runs, key=lambda run: abs(run.roi_db - target_db))
    inside = db[0] <= target_db <= db[-1]
    if inside:
        return float(np.exp(np.interp(target_db, db, np.log([run.bits for run in runs]))))
    return float(near.bits * np.exp(slope * (target_db - near.roi_db)))


def constant_rate(scene, rows):
    """Total bits over plain bits where, under constant bit rate, both the masks and the rest look as good as plain."""
    settings = replace(PLAIN, bitrate_bps=CBR_BPS)
    reference = plain(scene, settings)
    runs = []
    for total, share in ((0.98, 0.5), (0.98, 0.6), (1.1, 0.55)):
        run = protected(scene, replace(settings, bitrate_bps=round(total * CBR_BPS), payload_share=share))
        runs.append(
            (
                np.log(run.bits / reference.bits),
                share,
                run.roi_db - reference.roi_db,
                run.outside_db - reference.outside_db,
            )
        )
    log_total, share, roi_db, outside_db = np.array(runs).T
    planes = np.column_stack([log_total, share, np.ones(len(runs))])
    fits = [np.linalg.lstsq(planes, db, rcond=None)[0] for db in (roi_db, outside_db)]
    total, share = np.linalg.solve(np.array([fit[:2] for fit in fits]), [-fit[2] for fit in fits])
    rows.append(("cbr", float(np.exp(total)), "", 0.0, 0.0, f"{run.start}, share {share:.2f}", ""))
    return {"total_over_plain_cbr": float(np.exp(total)), "cbr_payload_share": float(share)}


def jpeg_crops(scene, target_db):
    """Bits per picture of one JPEG per masked blob, at the quality that gives `target_db`."""
    runs = []
    for jpeg_quality in (60, 75, 85, 92, 96):
        quality, bits, count = Quality(), 0, 0
        for clear, plan in zip(scene.clear[::JPEG_EVERY], scene.plans[::JPEG_EVERY], strict=True):
            colour = cv2.cvtColor(clear, cv2.COLOR_YUV2BGR_I420)
            shown = clear.copy()
            count += 1
            _, _, boxes, _ = cv2.connectedComponentsWithStats(plan.mask.astype(np.uint8))
            inside = np.kron(plan.mask, np.ones((16, 16), bool))[..., None]
            colour = np.where(inside, colour, np.uint8(128))
            for x, y, w, h, _ in boxes[1:] * 16:
                _, jpeg = cv2.imencode(".jpg", colour[y : y + h, x : x + w], [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
                bits += 8 * len(jpeg)
                luma = cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2YUV_I420)[:h]
                shown[y : y + h, x : x + w] = luma
            quality.add(clear, shown, plan.mask)
        runs.append(Run(bits * len(scene.clear) // count, quality.db(inside=True), 0.0, 0.0))
    return at_quality(target_db, runs)


def hd(scene):
    """Real footage at 1920 x 1088: the clip beside and below itself at other times, at its own sharpness."""
    width, height = scene.size
    columns, rows = -(-HD[0] // width), -(-HD[1] // height)
    shift = len(scene.clear) // (columns * rows)
    clear, masked, all_plans = [], [], []
    for number in range(min(HD_FRAMES, len(scene.clear))):
        at = [[(number + (r * columns + c) * shift) % len(scene.clear) for c in range(columns)] for r in range(rows)]
        clear.append(tiled(scene.clear, at, scene.size))
        masked.append(tiled(scene.masked, at, scene.size))
        cells = np.block([[scene.plans[i].cells for i in row] for row in at])
        all_plans.append(MaskPlan(np.ascontiguousarray(cells[: HD[1] // 16, : HD[0] // 16])))
    return Scene(scene.rate, clear, masked, all_plans)


def tiled(pictures_, at, size):
    parts = []
    for index, step in enumerate((1, 2, 2)):
        plane = np.block([[split_planes(pictures_[i], *size)[index] for i in row] for row in at])
        parts.append(plane[: HD[1] // step, : HD[0] // step].reshape(-1))
    return np.concatenate(parts).reshape(HD[1] * 3 // 2, HD[0])


def split_planes(i420, width, height):
    flat = i420.reshape(-1)
    luma = width * height
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma * 5 // 4].reshape(height // 2, width // 2),
        flat[luma * 5 // 4 :].reshape(height // 2, width // 2),
    )


def earlier(inputs):
    """The figures of the last run, when it measured the same thing: ONLY= renews some and keeps the others."""
    path = RESULTS / "recovery.json"
    if not path.is_file():
        return {}
    measured = json.loads(path.read_text())
    measured = measured.get(clip_key(clip_path()), measured)
    same = all(measured["inputs"].get(name) == inputs[name] for name in ("clip", "frames", "masks", "qp", "gop_frames"))
    return measured["figures"] if same else {}


def main():
    count = int(os.environ.get("FRAMES") or 0) or None
    only = set(filter(None, os.environ.get("ONLY", "").split(",")))
    truth = os.environ.get("GT")
    rate, clear = pictures(clip_path(), count=count)
    sights = true_sights(truth, len(clear), rate) if truth else own_sights(clear, rate)
    bodies, heads = (scene_of(rate, clear, sights, extent) for extent in (Extent.BODIES, Extent.FACES))
    rows = [("variant", "total/plain", "at equal QP", "ROI dB - plain", "outside dB - plain", "start", "CPU/plain")]
    figures = {}
    careful, hevc = replace(PLAIN, payload_preset="medium"), replace(PLAIN, payload_codec="h265", payload_preset="slow")
    variants = {
        "h264": (bodies, PLAIN),
        "h264_b2": (bodies, replace(PLAIN, shared_idr=False)),
        "h264_gop20": (bodies, replace(PLAIN, gop_frames=20)),
        "h264_careful": (bodies, careful),
        "heads": (heads, PLAIN),
        "per_track": (bodies, replace(PLAIN, per_track=True)),
        "hevc_payload": (bodies, hevc),
        "hevc": (bodies, replace(PLAIN, codec="h265", payload_codec="h265")),
        "1080p": (hd(bodies), PLAIN),
    }
    plains = {}
    print(*rows[0], sep="  ")
    for name, (scene, settings) in variants.items():
        if only and name not in only:
            continue
        key = f"total_over_plain_{name}"
        reference_key = (id(scene), settings.codec, settings.gop_frames)
        if reference_key not in plains:
            plains[reference_key] = plain(scene, replace(PLAIN, codec=settings.codec, gop_frames=settings.gop_frames))
        reference = plains[reference_key]
        same, near = around(scene, settings, reference.roi_db)
        figures[key] = at_quality(reference.roi_db, [same, near]) / reference.bits
        rows.append(
            (name, figures[key], same.bits / reference.bits, same.roi_db - reference.roi_db,
             same.outside_db - reference.outside_db, same.start, same.cpu_s / reference.cpu_s)
        )  # fmt: skip
        print(*rows[-1], flush=True)
        if name == "h264":
            figures |= {
                "roi_db_minus_plain": same.roi_db - reference.roi_db,
                "outside_db_minus_plain": same.outside_db - reference.outside_db,
                "pack_ms_per_au": same.pack_ms,
                **over_plain(scene, settings),
                "added_coding_frames": coding_frames(scene),
                "look_back_s": MaskSettings().look_back_s,
            }
            for pad_to in PADS:
                padded = protected(scene, settings, pad_to=pad_to)
                figures[f"padding_{pad_to}_over_plain"] = (padded.bits - same.bits) / reference.bits
                rows.append((f"padding to {pad_to} bytes, more", figures[f"padding_{pad_to}_over_plain"]))
            base = base_bits(scene, settings)
            figures["masked_base_over_plain"] = base / reference.bits
            figures["total_over_plain_dual_streams"] = 1 + base / reference.bits
            figures["total_over_plain_jpeg_crops"] = (base + jpeg_crops(scene, reference.roi_db)) / reference.bits
            rows.append(("dual full streams", figures["total_over_plain_dual_streams"], "", "", "", "", ""))
            rows.append(("JPEG crops", figures["total_over_plain_jpeg_crops"], "", "", "", "", ""))
    if "cost" in only:
        figures |= over_plain(bodies, PLAIN)
    if not only or "cbr" in only:
        figures |= constant_rate(bodies, rows)
    inputs = {
        "clip": clip_path().name,
        "frames": len(clear),
        "size": "x".join(map(str, bodies.size)),
        "masks": f"ground truth {Path(truth).name}" if truth else "own detector and mask plan",
        "masked_share_bodies": float(np.mean([plan.mask.mean() for plan in bodies.plans])),
        "masked_share_heads": float(np.mean([plan.mask.mean() for plan in heads.plans])),
        "preset": PLAIN.preset,
        "qp": PLAIN.qp,
        "gop_frames": PLAIN.gop_frames,
    }
    if only:
        figures = earlier(inputs) | figures
    report("recovery", inputs, figures, rows, clip=clip_key(clip_path()))


if __name__ == "__main__":
    main()
