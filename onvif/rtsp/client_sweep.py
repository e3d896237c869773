"""The connections at a listener of the RTSP server: how many, and for how long without a session.

gst-rtsp-server itself accepts every connection and keeps silent ones. A session takes credentials, so what is
bounded is how many there are in all and from one address, and how long one may be there without.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onvif.rtsp.gst import GstRtspServer

MOST, MOST_PER_ADDRESS = 128, 32
PATIENCE_S = 20.0


@dataclass(slots=True)
class _Visitor:
    client: Any
    address: str
    bare_since_mono_s: float


class ClientSweep:
    """Those of one door. `came` and `sweep` on the thread that accepts; a client goes on its own thread.

    Args:
        address_of: the address of a client.
        hang_up: ends a client's connection.
        by_address: False where all come from one, which bounds them itself.
    """

    def __init__(
        self, address_of: Callable[[Any], str], hang_up: Callable[[Any], object], *, by_address: bool = True
    ) -> None:
        self._address_of, self._hang_up, self._by_address = address_of, hang_up, by_address
        self._visitors: dict[int, _Visitor] = {}
        self._lock = threading.Lock()

    def add(self, client: Any) -> None:
        """A new connection; the oldest without a session makes room when there are too many, else it has to go."""
        now_mono_s = time.monotonic()
        visitor = _Visitor(client, self._address_of(client), now_mono_s)
        with self._lock:
            everybody = list(self._visitors.values())
        same = [guest for guest in everybody if guest.address == visitor.address]
        for those, most in ((same, MOST_PER_ADDRESS if self._by_address else MOST), (everybody, MOST)):
            if len(those) >= most:
                leaving = next((guest for guest in those if not _has_session(guest.client)), None)
                if leaving is None:
                    self._hang_up(client)
                    return
                self._leave(leaving)
                break
        with self._lock:
            self._visitors[id(client)] = visitor
        client.connect("closed", self._forget)

    def sweep(self) -> None:
        """End the connections that have been without a session for too long."""
        now_mono_s = time.monotonic()
        with self._lock:
            everybody = list(self._visitors.values())
        for visitor in everybody:
            if _has_session(visitor.client):
                visitor.bare_since_mono_s = now_mono_s
            elif now_mono_s - visitor.bare_since_mono_s > PATIENCE_S:
                self._leave(visitor)

    def _leave(self, visitor: _Visitor) -> None:
        self._forget(visitor.client)
        self._hang_up(visitor.client)

    def _forget(self, client: Any) -> None:
        with self._lock:
            self._visitors.pop(id(client), None)


def _has_session(client: Any) -> bool:
    found = []

    def note(_client: Any, session: Any) -> Any:
        found.append(session)
        return GstRtspServer.RTSPFilterResult.KEEP

    client.session_filter(note)
    return bool(found)
