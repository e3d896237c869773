"""Accounts of the page and their passwords."""
