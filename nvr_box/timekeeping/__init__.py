"""Whether the clock may be trusted."""
