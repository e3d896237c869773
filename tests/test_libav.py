"""No claim from outside makes libav take more memory than a large picture needs."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import av
from base import libav
assert libav.bound_allocations()
av.VideoFrame(7680, 4320, "yuv444p10le")
try:
    av.VideoFrame(16000, 16000, "yuv420p")
except (MemoryError, av.FFmpegError):
    print("refused")
"""


def test_a_picture_larger_than_any_camera_makes_is_not_made_room_for():
    """In a process of its own: the bound is the whole process's."""
    command = [sys.executable, "-c", SCRIPT]
    said = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
    assert said.stdout == "refused\n"
