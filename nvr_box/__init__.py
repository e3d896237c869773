"""The box: records cameras, finds where else a person was seen, and reveals masked pictures by right and on record."""
