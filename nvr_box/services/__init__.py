"""The box as an ONVIF device: Profile G over its real recordings.

Every added camera is a receiver, a recording with a video and a metadata track, and a recording job that ties the two.
"""
