"""A raw RTSP client of the tests' own: requests and interleaved packets, nothing hidden."""

import contextlib
import hashlib
import re
import socket
from collections import Counter


class Client:
    """One TCP connection. `password` None sends no credentials; `wrap` puts TLS around the socket."""

    def __init__(self, port, path="main", user="admin", password="pw", *, scheme="rtsp", wrap=lambda link: link):
        self.link = wrap(socket.create_connection(("127.0.0.1", port), timeout=30))
        self.url = f"{scheme}://127.0.0.1:{port}/{path}"
        self.user, self.password = user, password
        self.count, self.buffer, self.challenge, self.session = 0, b"", None, None

    def request(self, method, url=None, **headers):
        """(status, head, body); answers one digest challenge."""
        url = url or self.url
        for _ in range(2):
            self.count += 1
            lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.count}"]
            if self.challenge:
                lines.append(self._authorization(method, url))
            if self.session:
                lines.append(f"Session: {self.session}")
            lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
            self.link.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            head, body = self._response()
            status = int(head.split()[1])
            if status == 401 and self.password is not None and not self.challenge:
                self.challenge = re.search('realm="([^"]+)"', head)[1], re.search('nonce="([^"]+)"', head)[1]
                continue
            session = re.search(r"Session: ([^;\r]+)", head)
            self.session = session[1] if session else self.session
            return status, head, body
        return status, head, body

    def play(self, tracks=(0,)):
        """Describe, set up the numbered tracks interleaved, play; returns the SDP."""
        controls = self.controls()
        for track in tracks:
            status, head, _ = self.request(
                "SETUP", controls[track], Transport=f"RTP/AVP/TCP;interleaved={2 * track}-{2 * track + 1}"
            )
            assert status == 200, head
        status, head, _ = self.request("PLAY", self.base, Range="npt=0-")
        assert status == 200, head
        return self.sdp

    def controls(self):
        """Describe; the address of each track."""
        status, head, self.sdp = self.request("DESCRIBE", Accept="application/sdp")
        assert status == 200, head
        self.base = re.search(r"Content-Base: (\S+)", head)[1]
        found = [control for control in re.findall(r"a=control:(\S+)", self.sdp) if control != "*"]
        return [control if control.startswith("rtsp") else self.base + control for control in found]

    def packet(self):
        """(channel, bytes) of the next interleaved packet."""
        self._fill(4)
        assert self.buffer[:1] == b"$"
        size = int.from_bytes(self.buffer[2:4], "big")
        self._fill(4 + size)
        channel, data = self.buffer[1], self.buffer[4 : 4 + size]
        self.buffer = self.buffer[4 + size :]
        return channel, data

    def until(self, wanted):
        """Read packets until every (channel, payload type) in `wanted` was seen that often; the counts."""
        seen = Counter()
        while any(seen[key] < count for key, count in wanted.items()):
            channel, data = self.packet()
            seen[channel, data[1] & 0x7F if channel % 2 == 0 else data[1]] += 1
        return seen

    def close(self):
        with contextlib.suppress(OSError):
            self.link.close()

    def _authorization(self, method, url):
        realm, nonce = self.challenge

        def md5(text):
            return hashlib.md5(text.encode()).hexdigest()

        response = md5(f"{md5(f'{self.user}:{realm}:{self.password}')}:{nonce}:{md5(f'{method}:{url}')}")
        return (
            f'Authorization: Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{url}", '
            f'response="{response}"'
        )

    def _fill(self, count):
        while len(self.buffer) < count:
            data = self.link.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self.buffer += data

    def _response(self):
        while True:
            self._fill(1)
            if self.buffer[:1] != b"$":
                break
            self.packet()
        while b"\r\n\r\n" not in self.buffer:
            self._fill(len(self.buffer) + 1)
        raw, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        head = raw.decode()
        length = re.search(r"Content-Length: (\d+)", head, re.IGNORECASE)
        size = int(length[1]) if length else 0
        self._fill(size)
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return head, body.decode()
