"""Recording: RTSP in, crash-safe fMP4 segments and their index on disk, the same fragments to its viewers."""
