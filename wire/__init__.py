"""The two formats of our own, the recoverable stream and the feature packet, and the sealing under both."""
