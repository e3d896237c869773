"""Evidence that leaves the box: recordings with their seals, what a reader says of them, and a signature over all."""
