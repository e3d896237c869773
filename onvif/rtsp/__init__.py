"""RTSP for both ends: a skin over gst-rtsp-server that is fed whole access units and metadata documents.

`gst.py` is the only importer of `gi`; `metadata_rtp.py` and `clock.py` are bytes and numbers without it.
"""
