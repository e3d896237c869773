"""The layout of the pictures that the networks take."""

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
"""(height, width, 3) red, green, blue; of crops in one array, (number, height, width, 3)."""
