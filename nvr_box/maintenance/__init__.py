"""What the box does for itself: housekeeping, repair, check."""
