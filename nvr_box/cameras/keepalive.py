"""Staying connected to a stream that is not recorded: a receiver in the mode AlwaysConnect (ONVIF Receiver 26.06)."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from base.clock import utc_us
from base.errors import Error
from base.logs import printable
from nvr_box.record.recorder import BACK_OFF_S, RecorderStatus
from nvr_box.record.source import RecordedStream

log = logging.getLogger(__name__)


class StreamKeeper:
    """The thread of one stream: opens it, lets its packets go, opens it again.

    `stop` ends it within the source's silence limit.
    """

    def __init__(self, name: str, stream: Callable[[], RecordedStream]) -> None:
        self.now = RecorderStatus(since_utc_us=utc_us())
        self._name, self._open_stream = name, stream
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"hold-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._hold()
                why = "the stream ended"
            except Error as error:
                why = str(error)
            except Exception as error:  # noqa: BLE001
                # As in a recorder: whatever a stream makes libav raise, its thread goes on trying.
                why = f"its stream cannot be read: {printable(str(error)) or type(error).__name__}"
            failures = 0 if self.now.connected else failures + 1
            log.debug("%s: %s", self._name, why)
            self.now = replace(self.now, connected=False, since_utc_us=utc_us(), message=why)
            self._stopping.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])

    def _hold(self) -> None:
        source = self._open_stream()
        source.stopping = self._stopping.is_set
        try:
            for _ in source.packets(lambda _payload: None):
                if self._stopping.is_set():
                    return
                if not self.now.connected:
                    self.now = RecorderStatus(connected=True, ever_connected=True, since_utc_us=utc_us())
        finally:
            source.close()
