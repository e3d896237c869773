"""An RTSP client of the tests' own inside a WebSocket: one request and one packet at a time."""

import asyncio
import re

import aiohttp

from onvif import digest


class WebSocketRtsp:
    """RTSP in binary messages, digest included."""

    def __init__(self, link, url, user, password):
        self.link, self.url, self.user, self.password = link, url, user, password
        self.count, self.session, self.challenge, self.buffer = 0, "", None, b""

    async def ask(self, method, url=None, **headers):
        url = url or self.url
        for _ in range(2):
            self.count += 1
            lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.count}", *(f"{k}: {v}" for k, v in headers.items())]
            if self.session:
                lines.append(f"Session: {self.session}")
            if self.challenge:
                answer = digest.credentials(self.challenge, user=self.user,
                                            password=self.password, method=method, uri=url)  # fmt: skip
                lines.append(f"Authorization: {answer}")
            await self.link.send_bytes(("\r\n".join(lines) + "\r\n\r\n").encode())
            head, body = await self.answer()
            status = int(head.split()[1])
            if status != 401:
                break
            self.challenge = digest.challenges(re.findall(r"(?im)^www-authenticate: *(.*?)\r?$", head))[0]
        found = re.search(r"(?i)session: *([^;\r]+)", head)
        self.session = found[1] if found else self.session
        return status, head, body

    async def more(self):
        message = await asyncio.wait_for(self.link.receive(), 30)
        assert message.type is aiohttp.WSMsgType.BINARY, message
        self.buffer += message.data

    async def packet(self):
        while len(self.buffer) < 4 or len(self.buffer) < 4 + int.from_bytes(self.buffer[2:4], "big"):
            await self.more()
        size = 4 + int.from_bytes(self.buffer[2:4], "big")
        channel, data, self.buffer = self.buffer[1], self.buffer[4:size], self.buffer[size:]
        return channel, data

    async def answer(self):
        while True:
            while not self.buffer:
                await self.more()
            if self.buffer[:1] != b"$":
                break
            await self.packet()
        while b"\r\n\r\n" not in self.buffer:
            await self.more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        while len(self.buffer) < size:
            await self.more()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return head.decode(), body.decode()
