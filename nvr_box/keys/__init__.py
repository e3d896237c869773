"""Keys of days, cases and operators, as files."""
