"""What one camera costs, and whether it keeps up: `make bench-pipeline [CLIP=FILE] [SECONDS=30]`.

Two runs of the same pictures. The first goes picture by picture through every stage in one thread, as fast as the
machine goes, beside a plain x264 encode of the same clear pictures at the same preset and quality, and counts the CPU
seconds of each: nothing is skipped, so the load of the machine shows in the time and not in the figures. The second is
the real pipeline at the clip's own rate: what was dropped, skipped, late.

`cpu_over_plain_encode` is both encoders with sealing and packing over the plain encode, which take turns in coming
first after the networks: the first finds the caches gone. It lies above `bench.recovery`'s figure for the same
because the groups of pictures are shorter here (a start costs two encodes more), the picture is smaller and everything
runs cold, as in a camera; `pack_ms_per_au` likewise.
`camera_cpu_over_plain_encode` is the whole camera with its neural networks.
"""

import os
import threading
import time
from pathlib import Path

from bench.clips import DEMO_CLIP
from bench.report import report
from firmware.capture.clip import Clip
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.recoverable import base_encoder
from firmware.encode.settings import EncoderSettings
from firmware.mask.background import Background
from firmware.mask.paint import Painter
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.stream.channels import MainChannel, SubChannel
from firmware.stream.pipeline import Pipeline, Stages
from firmware.vision import VisionStage
from models import load
from wire.keys import Identity, SigningKey

WINDOW = (0, 0, 480, 576)
SETTINGS = EncoderSettings(gop_frames=20)
SUB = EncoderSettings(gop_frames=20, qp=30, preset="superfast")


class Sink:
    """Counts what comes out and encodes the sub stream, as a watched camera does."""

    def __init__(self, sub):
        self.sub, self.units, self.octets, self.latency_s = sub, 0, 0, []

    def masked(self, masked):
        self.sub.encode(masked.picture, masked.pts_90k, masked.utc_us)

    def access_unit(self, unit):
        self.units += 1
        self.octets += len(unit.data)
        self.latency_s.append(time.time() - unit.utc_us / 1e6)

    def signal(self, *, lost, why):
        assert not lost, why


class Packing:
    """Wraps a writer to learn what sealing and packing cost."""

    def __init__(self, writer):
        self._writer, self.spent_s, self.count = writer, 0.0, 0

    def __getattr__(self, name):
        return getattr(self._writer, name)

    def protect(self, *args, **kwargs):
        began_s = time.thread_time()
        out = self._writer.protect(*args, **kwargs)
        self.spent_s += time.thread_time() - began_s
        self.count += 1
        return out


class Stopwatch:
    """CPU seconds of this process by stage."""

    def __init__(self):
        self.spent_s = {}
        self._last_s = time.process_time()

    def lap(self, stage):
        now_s = time.process_time()
        if stage:
            self.spent_s[stage] = self.spent_s.get(stage, 0.0) + now_s - self._last_s
        self._last_s = now_s


def protected_encoder(width, height, rate):
    return ProtectedEncoder(
        width, height, rate, SETTINGS,
        camera_id=b"benchcam", signer=SigningKey.generate(), recipients=[Identity.generate().recipient],
    )  # fmt: skip


def costs(clip, networks, pictures):
    """(stage -> CPU seconds, pictures encoded, packing, octets): every picture through every stage, one by one."""
    width, height, rate = clip.width, clip.height, clip.rate
    eyes, mask = VisionStage(networks, rate), MaskSettings()
    planner, painter = Planner(width, height, mask), Painter(width, height, mask)
    background = Background(width, height)
    protected, plain = protected_encoder(width, height, rate), base_encoder(width, height, rate, SETTINGS)
    protected._writer = packing = Packing(protected._writer)
    main, sub = MainChannel(width, height, rate, protected), SubChannel(width, height, rate, SUB)
    watch, waiting, done, octets = Stopwatch(), [], 0, 0
    for taken in clip.frames():
        watch.lap("capture")
        planner.saw(eyes.detect(taken.i420, taken.pts_90k))
        watch.lap("vision")
        waiting.append(taken)
        while waiting and planner.ready(waiting[0].pts_90k):
            frame = waiting.pop(0)
            plan = planner.plan(frame.pts_90k, background.update(frame.i420, frame.pts_90k))
            masked = painter.paint(frame.i420, plan, frame.pts_90k)
            watch.lap("mask")
            for last in (False, True):
                if last is bool(done % 2):
                    plain.encode(frame.i420, idr=done % SETTINGS.gop_frames == 0)
                    watch.lap("plain")
                else:
                    octets += len(main.encode(masked, frame.i420, plan, frame).data)
                    watch.lap("encode both and seal")
            sub.encode(masked, frame.pts_90k, frame.utc_us)
            watch.lap("sub stream")
            done += 1
        if done >= pictures:
            break
    protected.close()
    return watch.spent_s, done, packing, octets


def paced(clip, networks, seconds):
    """(pipeline, sink) after the real pipeline ran at the clip's rate for so long."""
    width, height, rate = clip.width, clip.height, clip.rate
    protected = protected_encoder(width, height, rate)
    sink = Sink(SubChannel(width, height, rate, SUB))
    mask = MaskSettings()
    planner, painter = Planner(width, height, mask), Painter(width, height, mask)
    stages = Stages(
        open_source=lambda: clip, open_eyes=lambda: VisionStage(networks, rate), adjust=lambda i420, _pts: i420,
        examined=lambda _frame, _sight: None, encoder=MainChannel(width, height, rate, protected),
    )  # fmt: skip
    pipeline = Pipeline(stages, planner, painter, sink, rate)
    pipeline.start()
    threading.Event().wait(seconds)
    pipeline.stop()
    protected.close()
    return pipeline, sink


def main():
    given = os.environ.get("CLIP")
    clip_path, window = (Path(given), None) if given else (DEMO_CLIP, WINDOW)
    seconds = float(os.environ.get("SECONDS", "30"))
    networks = load()
    clip = Clip(clip_path, window, paced=False)
    rate = clip.rate
    spent_s, done, packing, octets = costs(clip, networks, int(seconds * rate))
    video_s = done / float(rate)
    stage_s = {stage: spent / video_s for stage, spent in spent_s.items()}
    plain_s = stage_s.pop("plain")
    camera_s = sum(stage_s.values())
    pipeline, sink = paced(Clip(clip_path, window), networks, seconds)
    counters = pipeline.counters
    sink.latency_s.sort()
    figures = {
        "cpu_s_per_video_s": camera_s,
        "cpu_over_plain_encode": stage_s["encode both and seal"] / plain_s,
        "camera_cpu_over_plain_encode": camera_s / plain_s,
        "plain_encode_cpu_s_per_video_s": plain_s,
        "pack_ms_per_au": packing.spent_s / max(packing.count, 1) * 1000,
        "kbit_per_s": octets * 8 / 1000 / video_s,
        "dropped_access_units": counters.encoded - sink.units,
        "dropped_raw_pictures": counters.dropped_raw,
        "skipped_by_vision": counters.skipped_by_vision,
        "masked_whole_share": counters.masked_whole / max(counters.encoded, 1),
        "latency_p50_s": sink.latency_s[len(sink.latency_s) // 2],
        "latency_p95_s": sink.latency_s[int(len(sink.latency_s) * 0.95)],
        **{f"cpu_{stage.replace(' ', '_')}": spent for stage, spent in stage_s.items()},
    }
    rows = [("stage", "CPU s per s of video")]
    rows += [(stage, f"{spent:.4f}") for stage, spent in stage_s.items()]
    rows += [("whole camera", f"{camera_s:.4f}"), ("plain x264 of the same", f"{plain_s:.4f}")]
    inputs = {"clip": clip_path.name, "picture": f"{clip.width}x{clip.height}", "rate": str(rate), "seconds": seconds,
              "preset": SETTINGS.preset, "qp": SETTINGS.qp, "pictures": done}  # fmt: skip
    report("pipeline", inputs, figures, rows)


if __name__ == "__main__":
    main()
