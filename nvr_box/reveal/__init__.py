"""Reveal: the only part that ever holds a private key, in a process of its own, for a limited time, on record."""
