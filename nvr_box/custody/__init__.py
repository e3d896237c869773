"""What administrators do to keys: holds, revocation, destruction."""
