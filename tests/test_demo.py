"""`make demo` itself: it comes up, it ends at once, and what was recorded is there at the next start."""

import datetime as dt
import json
import ssl
import urllib.request

import pytest
from demo_process import start, stop

pytestmark = pytest.mark.e2e


class Browser:
    """A person's session with the box, by the standard library alone."""

    def __init__(self, demo):
        trust = ssl._create_unverified_context()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trust), urllib.request.HTTPCookieProcessor()
        )
        self._url, self._csrf = demo.url.rstrip("/"), ""
        self._csrf = self.ask("/api/sign-in", {"name": "admin", "password": demo.words["admin_password"]})["csrf"]

    def ask(self, path, body=None):
        """GET, or POST a body; the answer as JSON."""
        headers = {"Content-Type": "application/json", "Origin": self._url, "X-Veilcam-CSRF": self._csrf}
        data = None if body is None else json.dumps(body).encode()
        with self._opener.open(urllib.request.Request(self._url + path, data, headers), timeout=30) as answer:
            return json.load(answer)


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
