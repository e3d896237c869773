"""`make demo` itself: it comes up, it ends at once, and what was recorded is there at the next start."""

import datetime as dt

import pytest
from demo_process import Browser, start, stop

pytestmark = pytest.mark.e2e


def test_demo_ends_at_once_and_keeps_its_recordings(tmp_path):
    """Both cameras are recorded; Ctrl-C ends all within five seconds; a restart has the same cameras and footage."""
    first = start(tmp_path / "state")
    try:
        cameras = Browser(first).ask("/api/cameras")["cameras"]
        assert {camera["name"] for camera in cameras} == {"Yard west", "Yard east"}
        assert all(camera["paired"] and camera["state"] == "recording" for camera in cameras)
        ended = dt.datetime.now(dt.UTC).isoformat()
        took_s, status = first.interrupt()
        assert status == 0
        assert took_s < 5
    finally:
        stop(first)

    again = start(tmp_path / "state")
    try:
        kept = Browser(again).ask("/api/cameras")["cameras"]
        assert [camera["fingerprint"] for camera in kept] == [camera["fingerprint"] for camera in cameras]
        assert all(camera["oldest"] and camera["oldest"] < ended for camera in kept), kept
    finally:
        stop(again)
