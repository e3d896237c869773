"""The box: records cameras, finds where else somebody was seen, and reveals masked pictures to who may, on record."""
