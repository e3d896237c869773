"""A failure inside onnxruntime stays a Python exception when GStreamer is in the process too."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import av
import onvif.rtsp.gst
import onnxruntime
try:
    onnxruntime.InferenceSession(b"no graph at all")
except Exception as error:
    print(type(error).__name__)
"""


def test_an_exception_of_the_runtime_is_not_the_end_of_the_camera():
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout.strip()) == (0, "InvalidProtobuf"), result.stderr[-500:]
