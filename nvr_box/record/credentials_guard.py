"""Between libavformat and a camera on a plain RTSP connection: a password leaves only as a digest.

libavformat answers whatever the other end asks for, Basic too, which is the password in clear for an eavesdropper, or
answers in the camera's place. It has no option against it, and asking the camera beforehand would prove nothing: a
thief says Digest first. So the connection goes through here, on loopback, and ends where a request
carries a Basic password, where an answer sends the client to another address, to which it would take its password
along, or where what comes before the stream has no end.

Once the stream plays, what comes from the camera is passed on unread. In the HTTP tunnel (two connections, the requests
in base64 on the second) the same holds for HTTP's own heads and for what is inside.
"""

import base64
import binascii
import contextlib
import re
import selectors
import socket
import threading
from urllib.parse import urlsplit, urlunsplit

from base.errors import PeerError

_CHUNK = 1 << 18
_MOST_HEAD = 1 << 16
# What a camera says before its stream plays: descriptions have a few kB.
_MOST_SAID = 1 << 20
_PORT = 554
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_BASIC = re.compile(rb"^\s*authorization\s*:\s*basic\b", re.IGNORECASE | re.MULTILINE)
_LENGTH = re.compile(rb"^\s*content-length\s*:\s*(\d{1,6})\s*$", re.IGNORECASE | re.MULTILINE)
_REDIRECT = re.compile(rb"(?:RTSP|HTTP)/\S*\s+\+?0*3\d\d")
_OVERLAP = 512
_NAME = "credentials-guard"
# Each direction once without and once with an answer to a challenge, and one in reserve.
_MOST_TUNNELLED = 5

IN_CLEAR = (
    "it asks for the password in clear (RTSP Basic) on a connection that can be listened to, so it was not sent;"
    " switch the camera to digest authentication, or to RTSPS"
)
ENDLESS = f"what it says before its stream begins is longer than {_MOST_SAID >> 10} kB"
ELSEWHERE = "it sends its clients to another address; give that address instead"


class Requests:
    """What the client sends, message by message: RTSP texts, and interleaved frames behind a dollar sign."""

    def __init__(self, *, tunnel: bool = False) -> None:
        self._held = bytearray()
        self._skip = 0
        self._tunnel = tunnel
        self._inside: Requests | None = None
        self._text, self._unpassed = bytearray(), bytearray()
        self._playing = False

    @property
    def playing(self) -> bool:
        """Whether the client has requested the stream to begin."""
        return self._playing or (self._inside is not None and self._inside.playing)

    @property
    def between(self) -> bool:
        """Whether nothing of a message is held back."""
        return not self._held

    def accept(self, data: bytes) -> bytes:
        """What may go on of it; the beginning of a message is held back until its head is whole.

        Raises:
            PeerError: it carries a password in clear, or is no RTSP.
        """
        held, at = self._held, 0
        held += data
        while at < len(held):
            if self._inside is not None:
                return self._tunnelled()
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
                head = bytes(held[at : end.end()])
                self._skip = len(head) + self._judge(head)
                if self._tunnel and head.lstrip().startswith(b"POST "):
                    # Its body is the requests, and its length a number that means nothing.
                    self._skip, self._inside = 0, Requests()
                    passed = bytes(held[: at + len(head)])
                    del held[: at + len(head)]
                    return passed + self._tunnelled()
        passed = bytes(held[:at])
        del held[:at]
        return passed

    def _tunnelled(self) -> bytes:
        """As `take`, of what is held: base64, which goes on when what it says is whole."""
        assert self._inside is not None
        self._text += bytes(each for each in self._held if each not in b"\r\n \t")
        whole = len(self._text) // 4 * 4
        try:
            # A request ends with its own padding, in the middle of the text.
            quads = (bytes(self._text[at : at + 4]) for at in range(0, whole, 4))
            self._inside.accept(b"".join(base64.b64decode(each, validate=True) for each in quads))
        except (binascii.Error, ValueError) as error:
            raise PeerError("the stream cannot be opened: its tunnel carries no base64") from error
        del self._text[:whole]
        if len(self._unpassed) > 2 * _MOST_HEAD:
            raise PeerError("the stream cannot be opened: a request without an end")
        if self._text or not self._inside.between:
            # Decoded once, but not passed on yet.
            self._unpassed += self._held
            self._held.clear()
            return b""
        passed = bytes(self._unpassed + self._held)
        self._unpassed.clear()
        self._held.clear()
        return passed

    def _judge(self, head: bytes) -> int:
        """The length of the body behind this head."""
        if _BASIC.search(head):
            raise PeerError(IN_CLEAR)
        self._playing |= head.lstrip().startswith(b"PLAY ")
        length = _LENGTH.search(head)
        return int(length[1]) if length else 0


class CredentialsGuard:
    """One client's way to a camera; from its making on, `uri` is where it has to go instead. Close it after the client.

    Args:
        uri: of a plain RTSP stream.
        timeout_s: for reaching it, and for a client to come.
        tunnel: the client comes by HTTP, with a connection for each direction.

    Raises:
        OSError: it cannot be reached.
    """

    def __init__(self, uri: str, timeout_s: float, *, tunnel: bool = False) -> None:
        parts = urlsplit(uri)
        self.refusal = ""
        self._where, self._timeout_s, self._tunnel = (parts.hostname or "", parts.port or _PORT), timeout_s, tunnel
        self._playing = self._closed = False
        self._lock = threading.Lock()
        self._links: list[socket.socket] = []
        first = self._reach()
        try:
            self._door = socket.create_server(("127.0.0.1", 0), backlog=2)
        except OSError:
            first.close()
            raise
        account, at, _ = parts.netloc.rpartition("@")
        self.uri = urlunsplit(parts._replace(netloc=f"{account}{at}127.0.0.1:{self._door.getsockname()[1]}"))
        self._threads = [threading.Thread(target=self._accept, args=(first,), name=_NAME, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End the connections."""
        with self._lock:
            self._closed = True
            links = (self._door, *self._links)
        for link in links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(self._timeout_s)

    def _reach(self) -> socket.socket:
        camera = socket.create_connection(self._where, self._timeout_s)
        camera.settimeout(None)
        return self._known(camera)

    def _known(self, link: socket.socket) -> socket.socket:
        """A connection that `close` ends."""
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._links.append(link)
            if self._closed:
                link.close()
                raise ConnectionAbortedError
        return link

    def _accept(self, camera: socket.socket) -> None:
        """The client's connections, one of them or, in a tunnel, two and those that ask for a password first."""
        with contextlib.suppress(OSError), self._door:
            self._door.settimeout(self._timeout_s)
            for number in range(_MOST_TUNNELLED if self._tunnel else 1):
                with contextlib.ExitStack() as stack:
                    stack.callback(camera.close)
                    client, _ = self._door.accept()
                    client.settimeout(None)
                    self._known(client)
                    stack.pop_all()
                serving = threading.Thread(target=self._serve, args=(client, camera), name=_NAME, daemon=True)
                self._threads.append(serving)
                serving.start()
                if self._tunnel and number + 1 < _MOST_TUNNELLED:
                    camera = self._reach()

    def _serve(self, client: socket.socket, camera: socket.socket) -> None:
        with client, camera:
            try:
                self._pass_on(client, camera)
            except PeerError as refusal:
                self.refusal = self.refusal or str(refusal)
            except OSError:
                pass  # one end is gone; closing both tells the other

    def _pass_on(self, client: socket.socket, camera: socket.socket) -> None:
        requests, seen, said = Requests(tunnel=self._tunnel), b"", 0
        with selectors.DefaultSelector() as waiting:
            waiting.register(client, selectors.EVENT_READ)
            waiting.register(camera, selectors.EVENT_READ)
            while True:
                for key, _ in waiting.select():
                    data = client.recv(_CHUNK) if key.fileobj is client else camera.recv(_CHUNK)
                    if not data:
                        return
                    if key.fileobj is client:
                        passed = requests.accept(data)
                        self._playing |= requests.playing
                        camera.sendall(passed)
                        continue
                    if not self._playing:
                        seen = seen[-_OVERLAP:] + data
                        said += len(data)
                        if said > _MOST_SAID:
                            raise PeerError(ENDLESS)
                        if _REDIRECT.search(seen):
                            raise PeerError(ELSEWHERE)
                    client.sendall(data)
