"""The audit log and its signed head."""
