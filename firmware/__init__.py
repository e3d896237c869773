"""The camera: masks people before the encoder sees the picture, and serves the rest of ONVIF from there."""
