"""The device as a viewer of its own stream: what keeps a multicast going that no RTSP client requested.

StartMulticastStreaming wants packets at a group without any session of a client. A session from this host to this
host gets exactly what a client's would: the same group, the same packets, RTCP reports and refusals.
"""

import asyncio
import contextlib
import logging
import re

from onvif import digest

log = logging.getLogger(__name__)

_TIMEOUT_S = 60.0
"""Of a session, where the server names none (RFC 2326 §12.37)."""
_ANSWER_S = 10.0
_AGAIN_S = (0.5, 2.0, 5.0)
_MOST_BYTES = 1 << 16


class ViewerRefused(Exception):
    """The RTSP server answered otherwise than hoped; the message is the request and its status."""


async def multicast(port: int, path: str, user: str, password: str) -> None:
    """Keep `/path` sent to its groups until cancelled.

    Tracks whose group is in use by another stream are left out: that configuration is on its way already. A session
    that ends, as when the encoding changes, is made again.

    Args:
        port: of the RTSP server on this host.
    """
    for attempt in range(1 << 30):
        try:
            async with asyncio.timeout(_ANSWER_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await _Session(reader, writer, f"rtsp://127.0.0.1:{port}/{path}", user, password).watch()
            finally:
                writer.close()
        except (OSError, EOFError, TimeoutError, ValueError, ViewerRefused) as problem:
            report = log.warning if attempt == 0 else log.debug
            report("multicast of %s is interrupted: %s", path, problem)
        await asyncio.sleep(_AGAIN_S[min(attempt, len(_AGAIN_S) - 1)])


class _Session:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str, user: str, password: str
    ) -> None:
        self._reader, self._writer, self._url = reader, writer, url
        self._user, self._password = user, password
        self._count = 0
        self._session = ""
        self._timeout_s = _TIMEOUT_S
        self._challenge: digest.Challenge | None = None

    async def watch(self) -> None:
        """Play by multicast and stay; tear down when cancelled.

        Raises:
            Refused: not one track could be set up.
        """
        _, description = await self._request("DESCRIBE", self._url, Accept="application/sdp")
        controls = [control for control in re.findall(r"(?m)^a=control:(\S+)", description) if control != "*"]
        refusals = []
        for control in controls:
            try:
                await self._request("SETUP", f"{self._url}/{control.rpartition('/')[2]}", Transport="RTP/AVP;multicast")
            except ViewerRefused as refusal:
                refusals.append(str(refusal))
        if len(refusals) == len(controls):
            raise ViewerRefused(", ".join(refusals) or "the description names no track")
        await self._request("PLAY", self._url)
        try:
            while True:
                await asyncio.sleep(self._timeout_s / 3)
                await self._request("OPTIONS", self._url)
        finally:
            with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError, ViewerRefused):
                await self._request("TEARDOWN", self._url)

    async def _request(self, method: str, url: str, **headers: str) -> tuple[dict[str, str], str]:
        """Headers in lower case and body of the answer.

        Raises:
            Refused: the status is not 200.
            ValueError: the answer is not RTSP.
        """
        async with asyncio.timeout(_ANSWER_S):
            for _ in range(2):
                status, found, body = await self._exchange(method, url, headers)
                offered = digest.challenges([found.get("www-authenticate", "")])
                if status != 401 or not offered:
                    break
                self._challenge = offered[0]
        if status != 200:
            raise ViewerRefused(f"{method} {url}: {status}")
        if "session" in found:
            self._session, _, rest = found["session"].partition(";")
            timeout = re.search(r"timeout=(\d+)", rest)
            self._timeout_s = float(timeout[1]) if timeout else _TIMEOUT_S
        return found, body

    async def _exchange(self, method: str, url: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
        self._count += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._count}", *(f"{k}: {v}" for k, v in headers.items())]
        if self._session:
            lines.append(f"Session: {self._session}")
        if self._challenge is not None:
            answer = digest.credentials(self._challenge, user=self._user, password=self._password, method=method,
                                        uri=url)  # fmt: skip
            lines.append(f"Authorization: {answer}")
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode(errors="replace").split("\r\n")
        found = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        size = int(found.get("content-length", "0"))
        if size > _MOST_BYTES:
            raise ValueError(f"an answer of {size} bytes")
        body = (await self._reader.readexactly(size)).decode(errors="replace")
        return int(head[0].split()[1]), found, body
