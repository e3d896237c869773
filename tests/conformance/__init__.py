"""Every operation that Profiles S, T, M and G mention, called on running devices: what answers, what is valid, for whom."""
