"""RTSP for both ends: live streams over gst-rtsp-server, replay by a server of our own, tunnels for both.

`gst.py` is the only importer of `gi`; `metadata_rtp.py`, `jpeg_rtp.py` and `replay_rtp.py` are bytes and numbers
without it.
"""
