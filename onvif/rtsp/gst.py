"""GStreamer's door: the one file that imports `gi`, and what has to be true before it does.

`live` and `serve` take their modules from here.
"""

import ctypes

# GStreamer brings libunwind, whose _Unwind_* functions would take the place of libgcc's for whatever is loaded after
# it: a C++ exception inside onnxruntime then ends the process instead of reaching Python. First in scope wins.
ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)

import gi  # noqa: E402  # after libgcc

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  # versions first

__all__ = ["GLib", "Gio", "Gst", "GstRtsp", "GstRtspServer"]

Gst.init(None)
