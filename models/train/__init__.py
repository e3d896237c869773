"""How the appearance network was made; never imported by the product, run by hand with PyTorch beside it."""
