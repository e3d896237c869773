"""The recoverable stream: sealed originals inside a standard masked stream. The format is in `wire/recovery.md`."""
