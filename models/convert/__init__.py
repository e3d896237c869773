"""How the weights in `models/weights` were made; each conversion can be run again: `python -m models.convert`."""
