"""The two video streams: the recoverable main stream and the masked sub stream of half its size.

A channel is driven by the encode thread alone; new settings, recipients and wishes for an IDR picture may come from
any thread and hold from the next picture on.
"""

import threading
from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np

from firmware.capture.frame import Frame, Picture, planes
from firmware.encode.access_unit import AccessUnit
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.recoverable import PlainEncoder
from firmware.encode.settings import EncoderSettings
from firmware.mask.plan import MaskPlan
from wire.keys import Recipient


class Wishes:
    """IDR pictures that were asked for, each from a moment on; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._from_us: list[int] = []

    def want(self, from_utc_us: int = 0) -> None:
        """The first picture taken at or after `from_utc_us` shall be an IDR picture."""
        with self._lock:
            self._from_us.append(from_utc_us)

    def due(self, utc_us: int) -> bool:
        """Whether the picture taken at `utc_us` fulfils a wish; those it fulfils are forgotten."""
        with self._lock:
            left = [moment for moment in self._from_us if moment > utc_us]
            fulfilled = len(left) < len(self._from_us)
            self._from_us = left
            return fulfilled


class MainChannel:
    """Masked base, sealed originals, one access unit."""

    def __init__(self, width: int, height: int, rate: Fraction, encoder: ProtectedEncoder) -> None:
        self.width, self.height, self.rate = width, height, rate
        self.wishes = Wishes()
        self._encoder = encoder

    @property
    def settings(self) -> EncoderSettings:
        """In force, or from the next picture on."""
        return self._encoder.settings

    @settings.setter
    def settings(self, settings: EncoderSettings) -> None:
        self._encoder.set_settings(settings)

    def set_recipients(self, recipients: Sequence[Recipient]) -> None:
        """From the next picture on, which becomes an IDR picture, only these may reveal."""
        self._encoder.set_recipients(recipients)
        self.wishes.want()

    def encode(self, masked: Picture, clear: Picture, plan: MaskPlan, frame: Frame) -> AccessUnit:
        """The protected access unit of one picture; encode thread."""
        return self._encoder.encode(
            masked,
            clear,
            plan.mask,
            plan.regions,
            pts_90k=frame.pts_90k,
            utc_us=frame.utc_us,
            idr=self.wishes.due(frame.utc_us),
            full_frame=plan.full,
        )

    def close(self) -> None:
        """End the encoder's thread."""
        self._encoder.close()


class SubChannel:
    """The masked picture at half size, nothing sealed in it."""

    def __init__(self, width: int, height: int, rate: Fraction, settings: EncoderSettings) -> None:
        self.width, self.height, self.rate = width // 2, height // 2, rate
        self.settings = settings
        self.wishes = Wishes()
        self._encoder = PlainEncoder(self.width, self.height, rate, settings)

    def encode(self, masked: Picture, pts_90k: int, utc_us: int) -> AccessUnit:
        """The access unit of one masked picture; encode thread."""
        if self._encoder.settings != self.settings:
            self._encoder = PlainEncoder(self.width, self.height, self.rate, self.settings)
        data, idr = self._encoder.encode(halved(masked), force_idr=self.wishes.due(utc_us))
        return AccessUnit(data, pts_90k, utc_us, idr, self._encoder.settings.base.name)


def halved(i420: Picture) -> Picture:
    """The picture at half width and height; both must be multiples of 4."""
    rows, width = i420.shape
    out = np.empty((rows // 2, width // 2), np.uint8)
    for source, target in zip(planes(i420), planes(out), strict=True):
        height, across = target.shape
        target[:] = cv2.resize(source, (across, height), interpolation=cv2.INTER_AREA)
    return out


def jpeg(i420: Picture, width: int = 0, height: int = 0, quality: int = 85) -> bytes:
    """A masked picture as baseline JPEG, scaled when a size is given; any thread."""
    bgr = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
    if width and height and (bgr.shape[1], bgr.shape[0]) != (width, height):
        bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV's JPEG encoder takes every 8-bit picture"
    return data.tobytes()
