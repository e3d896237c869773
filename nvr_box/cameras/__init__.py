"""Cameras as the box knows them: found, tried, added, paired, watched."""
