"""Where pictures come from: one file per kind of sensor, all behind `FrameSource`."""
