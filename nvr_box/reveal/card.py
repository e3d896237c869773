"""A stored best shot opened on the box: the original, larger, with the watermark on it; in the reveal process."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from base.errors import NotFound
from nvr_box.reveal.watermark import Watermark
from wire import thumbnail
from wire.keys import Identity

# A watermark can be read on a picture that is at least so high.
_HEIGHT_PX = 384
_JPEG_QUALITY = 90


def opened(
    data: bytes,
    identities: Sequence[Identity],
    held: Mapping[bytes, bytes],
    camera: tuple[bytes | None, bytes | None],
    mark: str,
) -> bytes:
    """JPEG of the original inside a thumbnail, marked; `held` as `thumbnail.open_sealed` takes it.

    Args:
        camera: its signing key and its id.

    Raises:
        StoreError: it stays masked; the message says why.
    """
    signing_key, camera_id = camera
    found = thumbnail.open_sealed(data, identities, signing_key, camera_id=camera_id, held=held)
    if found.clear is None:
        raise NotFound(f"this best shot stays masked: {found.reason}")
    bgr = cv2.imdecode(np.frombuffer(found.clear, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise NotFound("this best shot stays masked: its original is no picture")
    times = max(1.0, _HEIGHT_PX / bgr.shape[0])
    # Even sides: the mark is drawn on I420.
    width, height = (max(2, round(side * times / 2) * 2) for side in (bgr.shape[1], bgr.shape[0]))
    i420 = cv2.cvtColor(cv2.resize(bgr, (width, height), interpolation=cv2.INTER_CUBIC), cv2.COLOR_BGR2YUV_I420)
    picture = np.ascontiguousarray(i420, np.uint8)
    Watermark(mark, width, height).draw(picture)
    marked = cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420)
    return bytes(cv2.imencode(".jpg", marked, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])
