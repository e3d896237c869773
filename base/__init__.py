"""The chores of any daemon: errors, configuration, logs, service notification. The floor: imports nothing of ours."""
