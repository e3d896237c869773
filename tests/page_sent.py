"""Everything a Chromium sent, out of its network log: requests as bytes inside TLS, WebSocket frames unmasked."""

import base64
import json
from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """All bytes of each connection, in order, and the unmasked payloads of the WebSockets among them."""

    streams: tuple[bytes, ...]

    def found(self, secret):
        """The spellings of `secret` that went out: as it is, in hexadecimal, in base64, percent-encoded, as numbers."""
        return {spelling for spelling in spellings(secret) if any(spelling in stream for stream in self.streams)}


def spellings(secret):
    """How `secret` might be written: base64 at each of the three places that it can have in a longer text."""
    said = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    said |= {",".join(str(byte) for byte in secret).encode(), "".join(f"%{byte:02X}" for byte in secret).encode()}
    for lead in range(3):
        coded = base64.b64encode(bytes(lead) + secret).rstrip(b"=")
        # The characters at both ends hold bits of what stands beside it.
        inner = coded[-(-lead * 8 // 6) : len(secret + bytes(lead)) * 8 // 6]
        said |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return said


def said_by(log):
    """Read a log of `--net-log-capture-mode=Everything`; the browser has to be closed."""
    table = json.loads(log.read_text())
    names = {number: name for name, number in table["constants"]["logEventTypes"].items()}
    connections = defaultdict(list)
    for event in table["events"]:
        said = event.get("params", {}).get("bytes")
        if said and names[event["type"]] in {"SSL_SOCKET_BYTES_SENT", "SOCKET_BYTES_SENT"}:
            connections[event["source"]["id"], event["type"]].append(base64.b64decode(said))
    streams = [b"".join(parts) for parts in connections.values()]
    return Sent((*streams, *(unmasked(stream) for stream in streams)))


def unmasked(stream):
    """The payloads of the client's frames (RFC 6455 5.2) behind a WebSocket's opening handshake."""
    head, upgraded, rest = stream.partition(b"\r\n\r\n")
    # A socket that was kept alive has other requests in front of the handshake.
    while upgraded and b"upgrade: websocket" not in head.lower():
        head, upgraded, rest = rest.partition(b"\r\n\r\n")
    payloads, at = [], 0
    while at + 6 <= len(rest):
        size, at = rest[at + 1] & 0x7F, at + 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(rest[at : at + wide], "big"), at + wide
        mask, at = rest[at : at + 4], at + 4
        payloads.append(bytes(byte ^ mask[i % 4] for i, byte in enumerate(rest[at : at + size])))
        at += size
    return b"\n".join(payloads)
