"""Every operation that Profiles S, T, M and G mention, called on running devices: which answers, validly, to whom."""
