"""GStreamer's door: the one file that imports `gi`, and what has to be true before it does.

`live`, `serve` and the encoders that GStreamer offers take their modules from here.
"""

import ctypes
import os

# GStreamer brings libunwind, whose _Unwind_* functions would take the place of libgcc's for whatever is loaded after
# it: a C++ exception inside onnxruntime then ends the process instead of reaching Python. First in scope wins.
ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)

# RTSPS: what glib-networking offers by itself begins with TLS 1.0. AEAD suites only, as for the web services.
os.environ["G_TLS_GNUTLS_PRIORITY"] = (
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305"
)

import gi  # noqa: E402  # after libgcc

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer, GstVideo  # noqa: E402  # versions first

__all__ = ["GLib", "Gio", "Gst", "GstRtsp", "GstRtspServer", "GstVideo"]

Gst.init(None)
