"""The pictures and mask plans that benchmarks measure on: CLIP= or the demo clip, GT= or our own detector."""

from itertools import islice

import cv2
import numpy as np

import models
from bench import clips
from firmware.mask.background import Background
from firmware.mask.plan import Planner
from firmware.mask.settings import Extent, MaskSettings
from firmware.vision.frame_detections import FrameDetections, TrackBox
from firmware.vision.settings import VisionSettings
from firmware.vision.stage import VisionStage
from models.config import ModelsConfig
from models.detections import Detections
from wire.features.vocabulary import ObjectClass


def pictures(path, *, count=None, size=None):
    """(rate, list of I420 pictures), cropped to multiples of 16, or scaled to `size` (width, height)."""
    out = []
    for i420 in islice(clips.pictures(path), count):
        height, width = i420.shape[0] * 2 // 3, i420.shape[1]
        chroma = (i420[at : at + height // 4] for at in (height, height + height // 4))
        planes = [i420[:height], *(plane.reshape(height // 2, width // 2) for plane in chroma)]
        if size:
            w, h = size
            planes = [
                cv2.resize(plane, (w // step, h // step), interpolation=cv2.INTER_CUBIC)
                for plane, step in zip(planes, (1, 2, 2), strict=True)
            ]
        else:
            h, w = height // 16 * 16, width // 16 * 16
            planes = [
                np.ascontiguousarray(plane[: h // s, : w // s]) for plane, s in zip(planes, (1, 2, 2), strict=True)
            ]
        out.append(np.concatenate([plane.reshape(-1) for plane in planes]).reshape(h * 3 // 2, w))
    return clips.rate_of(path), out


def own_sights(clear, rate):
    """What our own vision sees, picture by picture."""
    eyes = VisionStage(models.load(ModelsConfig()), rate, VisionSettings(detect_every=1))
    return [eyes.detect(picture, number * round(90_000 / rate)) for number, picture in enumerate(clear)]


def true_sights(path, count, rate):
    """Ground truth in MOT format as sightings."""
    rows = np.loadtxt(path, delimiter=",", usecols=range(6))
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.uint8))
    sights = []
    for number in range(count):
        tracks = tuple(
            TrackBox(int(i), ObjectClass.PERSON, np.array((x, y, x + w, y + h), np.float32), 1.0, seen=True, age_s=9)
            for _, i, x, y, w, h in rows[rows[:, 0] == number + 1]
        )
        sights.append(FrameDetections(number * round(90_000 / rate), tracks, none, np.zeros((0, 4), np.float32)))
    return sights


def plans(sights, clear, *, extent=Extent.BODIES):
    """The camera's own mask plan of every picture; start-up masking left out, because a clip has one start-up only."""
    height, width = clear[0].shape[0] * 2 // 3, clear[0].shape[1]
    background = Background(width, height)
    settings = MaskSettings(extent=extent, settle_s=0.0)
    planner = Planner(width, height, settings)
    ahead = iter(sights)
    out = []
    for sight, picture in zip(sights, clear, strict=True):
        while not planner.ready(sight.pts_90k) and (seen := next(ahead, None)) is not None:
            planner.saw(seen)
        out.append(planner.plan(sight.pts_90k, background.update(picture, sight.pts_90k)))
    return settings, out
