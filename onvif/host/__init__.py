"""A device that owns its host: a closed list of verbs, the privileged program that does them, and its client.

`verbs` is all that the privileged side may do; `helper` runs as root, one request a start; `platform` runs with the
device and has no rights of its own. The first two import the standard library only.
"""
