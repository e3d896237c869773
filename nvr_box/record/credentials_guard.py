"""Between libavformat and a camera on a plain RTSP connection: a password leaves only as a digest.

libavformat answers whatever the other end asks for, Basic too, which is the password in clear for whoever listens or
answers in the camera's place. It has no option against it, and asking the camera beforehand would prove nothing: who
wants the password says Digest first. So the connection goes through here, on loopback, and ends where a request
carries a Basic password, or an answer sends the client to another address, to which it would take its password along.

Once the stream plays, what comes from the camera is passed on unread.
"""

import contextlib
import re
import selectors
import socket
import threading
from urllib.parse import urlsplit, urlunsplit

from wire.base.errors import PeerError

_CHUNK = 1 << 18
_MOST_HEAD = 1 << 16
_PORT = 554
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_BASIC = re.compile(rb"^\s*authorization\s*:\s*basic\b", re.IGNORECASE | re.MULTILINE)
_LENGTH = re.compile(rb"^\s*content-length\s*:\s*(\d{1,6})\s*$", re.IGNORECASE | re.MULTILINE)
_REDIRECT = re.compile(rb"RTSP/\S*\s+\+?0*3\d\d")
_OVERLAP = 512

IN_CLEAR = (
    "it asks for the password in clear (RTSP Basic) on a connection that can be listened to, so it was not sent;"
    " switch the camera to digest authentication, or to RTSPS"
)
ELSEWHERE = "it sends its clients to another address; give that address instead"


class Requests:
    """What the client sends, message by message: RTSP texts, and interleaved frames behind a dollar sign."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._skip = 0
        self.playing = False

    def take(self, data: bytes) -> bytes:
        """What may go on of it; the beginning of a message is held back until its head is whole.

        Raises:
            PeerError: it carries a password in clear, or is no RTSP.
        """
        held, at = self._held, 0
        held += data
        while at < len(held):
            if self._skip:
                step = min(self._skip, len(held) - at)
                at, self._skip = at + step, self._skip - step
            elif held[at] == 0x24:
                if len(held) - at < 4:
                    break
                self._skip = 4 + int.from_bytes(held[at + 2 : at + 4], "big")
            else:
                end = _END_OF_HEAD.search(held, at)
                if end is None:
                    if len(held) - at > _MOST_HEAD:
                        raise PeerError("the stream cannot be opened: a request without an end")
                    break
                self._skip = end.end() - at + self._judge(bytes(held[at : end.end()]))
        passed = bytes(held[:at])
        del held[:at]
        return passed

    def _judge(self, head: bytes) -> int:
        """The length of the body behind this head."""
        if _BASIC.search(head):
            raise PeerError(IN_CLEAR)
        self.playing |= head.lstrip().startswith(b"PLAY ")
        length = _LENGTH.search(head)
        return int(length[1]) if length else 0


class CredentialsGuard:
    """One connection; from its making on, `uri` is where the client has to go instead. Close it after the client.

    Args:
        uri: of a plain RTSP stream.
        timeout_s: for reaching it, and for a client to come.

    Raises:
        OSError: it cannot be reached.
    """

    def __init__(self, uri: str, timeout_s: float) -> None:
        parts = urlsplit(uri)
        self.refusal = ""
        self._timeout_s = timeout_s
        self._camera = socket.create_connection((parts.hostname or "", parts.port or _PORT), timeout_s)
        self._camera.settimeout(None)
        self._client: socket.socket | None = None
        try:
            self._door = socket.create_server(("127.0.0.1", 0), backlog=1)
        except OSError:
            self._camera.close()
            raise
        account, at, _ = parts.netloc.rpartition("@")
        self.uri = urlunsplit(parts._replace(netloc=f"{account}{at}127.0.0.1:{self._door.getsockname()[1]}"))
        self._thread = threading.Thread(target=self._run, name="credentials-guard", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the connection."""
        for link in (self._door, self._camera, self._client):
            if link is not None:
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
        self._thread.join(self._timeout_s)

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self._camera.close)
            stack.callback(self._door.close)
            try:
                self._door.settimeout(self._timeout_s)
                self._client, _ = self._door.accept()
                self._door.close()
                stack.callback(self._client.close)
                self._client.settimeout(None)
                self._pass_on(self._client)
            except PeerError as refusal:
                self.refusal = str(refusal)
            except OSError:
                pass  # one end is gone; closing both tells the other

    def _pass_on(self, client: socket.socket) -> None:
        requests, seen = Requests(), b""
        for link in (client, self._camera):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with selectors.DefaultSelector() as waiting:
            waiting.register(client, selectors.EVENT_READ)
            waiting.register(self._camera, selectors.EVENT_READ)
            while True:
                for key, _ in waiting.select():
                    data = client.recv(_CHUNK) if key.fileobj is client else self._camera.recv(_CHUNK)
                    if not data:
                        return
                    if key.fileobj is client:
                        self._camera.sendall(requests.take(data))
                        continue
                    if not requests.playing:
                        seen = seen[-_OVERLAP:] + data
                        if _REDIRECT.search(seen):
                            raise PeerError(ELSEWHERE)
                    client.sendall(data)
