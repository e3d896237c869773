"""One ONVIF device, camera or recorder alike: the ports it listens on, how it is found, its identity."""
