"""The chores of any daemon: errors, configuration, logs, service notification. A leaf: imports nothing of ours."""
