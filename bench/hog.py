"""OpenCV's HOG people detector, the floor that detection is compared with.

OpenCV 5, which the cameras run, no longer has it. Where it is not there an OpenCV 4 is fetched once into a folder of
its own beside the demo clip, by pip, and run in a process of its own: nothing else ever imports it.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

_OPENCV_4 = "opencv-python-headless==4.12.0.88"
_FOLDER = Path.home() / ".cache/veilcam/bench" / _OPENCV_4
_ENLARGED = 1.3

_LOOK = """
import sys, time
import av, cv2, numpy as np
clip, every, enlarged, out = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
cv2.setNumThreads(1)
hog = cv2.HOGDescriptor()
hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
numbers, boxes, scores, spent_s, looked = [], [], [], 0.0, 0
with av.open(clip) as container:
    for number, frame in enumerate(container.decode(video=0)):
        if number % every:
            continue
        rgb = frame.to_ndarray(format="rgb24")
        began_s = time.process_time()
        larger = cv2.resize(rgb, None, fx=enlarged, fy=enlarged)
        found, weights = hog.detectMultiScale(larger, winStride=(8, 8), scale=1.05)
        spent_s += time.process_time() - began_s
        looked += 1
        for (x, y, w, h), weight in zip(found, np.reshape(weights, -1)):
            numbers.append(number)
            # The detector was trained with a margin around people; OpenCV's own example takes it off like this.
            box = (x + 0.1 * w, y + 0.07 * h, x + 0.9 * w, y + 0.87 * h)
            boxes.append([edge / enlarged for edge in box])
            scores.append(weight)
np.savez(out, numbers=numbers, boxes=np.reshape(boxes, (-1, 4)), scores=scores, ms=1000 * spent_s / looked)
"""


def run(clip: Path, every: int, out: Path) -> tuple[dict[int, tuple[np.ndarray, np.ndarray]], float] | None:
    """Picture → (boxes, scores) before suppression, of every n-th picture, and CPU milliseconds a picture.

    None when no OpenCV 4 can be had here.
    """
    if not (_FOLDER / "cv2").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(_FOLDER), _OPENCV_4]
        if subprocess.run(command, check=False).returncode:
            return None
    environment = {**os.environ, "PYTHONPATH": str(_FOLDER), "OMP_NUM_THREADS": "1"}
    arguments = [str(clip), str(every), str(_ENLARGED), str(out)]
    if subprocess.run([sys.executable, "-c", _LOOK, *arguments], env=environment, check=False).returncode:
        return None
    with np.load(out) as found:
        numbers, boxes, scores = found["numbers"], found["boxes"].astype(np.float32), found["scores"]
        ms = float(found["ms"])
    analysed = range(0, int(numbers.max(initial=0)) + 1, every)
    return {n: (boxes[numbers == n], scores[numbers == n].astype(np.float32)) for n in analysed}, ms
