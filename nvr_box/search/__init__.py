"""Search by similar appearance: packets in, codes in memory, exact comparison, and freezing a picture to ask with."""
