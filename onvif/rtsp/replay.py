"""An RTSP server for recordings: `rtsp://host:port/TOKEN` (RFC 2326; ONVIF Streaming 26.06, 6: onvif-replay).

Interleaved and by UDP, inside HTTP (Apple's tunnel) on the same port, under TLS; digest authentication. One recording
per connection, as many connections as allowed. The live streams are gst-rtsp-server's; recordings need absolute time,
which it does not know, and little else.
"""

import asyncio
import contextlib
import logging
import secrets
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from onvif.auth import Authenticator
from onvif.connection_bounds import Bounds, ConnectionLimit, listen
from onvif.errors import NotAuthorized
from onvif.rtsp.replay_message import (
    LINE_BYTES,
    METHODS,
    RtspRefusal,
    RtspRequest,
    answer,
    decode,
    read_headers,
    read_line,
    read_request,
)
from onvif.rtsp.replay_play import Archive, PlayRequest, ReplayDescription, ReplaySample
from onvif.rtsp.replay_play import play as play_samples
from onvif.rtsp.replay_rtp import VIDEO_PAYLOADS, Mark, metadata_payloads, video_payloads
from onvif.rtsp.replay_session import END_OF_RANGE, SessionState, after
from onvif.rtsp.replay_track import ReplayTrack, description
from onvif.users import AccessClass, may

log = logging.getLogger(__name__)
BOUNDS = Bounds(in_all=64, per_address=16, patience_s=30.0)
"""Patience is until a session is set up, which takes credentials."""
_REQUEST_S = 10.0
_DROPPED = 1 << 14


class ReplayServer:
    """Serves an archive.

    Args:
        timeout_s: after so long without a request a session ends; called at each session.
    """

    def __init__(self, archive: Archive, authenticator: Authenticator, *, timeout_s: float = 60.0) -> None:
        self.archive = archive
        self.authenticator = authenticator
        self.timeout_s = timeout_s
        self.tunnels: dict[str, Connection] = {}
        """Their GET halves, by cookie."""
        self.origins: dict[int, str] = {}
        """The address of the client behind a connection to the inner door, by that connection's own port."""
        self.limit = ConnectionLimit(BOUNDS)
        self._doors: dict[str, asyncio.Server] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, door: str, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen; where this door listened before is closed, its connections go on.

        Args:
            door: `plain`, `tls` (RTSPS, RFC 7826 19.2), or `inner`, for tunnels that the web server hands through.
            port: 0 takes a free one, or leaves it where it is.

        Raises:
            OSError: the port cannot be listened on; where it listened before goes on.
        """
        if door in self._doors and port in {0, self.port_of(door)}:
            return
        # Those inside tunnels have been counted at the port that they came by.
        link = listen(host, port, None if door == "inner" else self.limit)
        server = await asyncio.start_server(self._connected, sock=link, limit=LINE_BYTES * 4, ssl=tls)
        await self.close(door)
        self._doors[door] = server

    async def close(self, door: str) -> None:
        """Take no new connections there."""
        server = self._doors.pop(door, None)
        if server is not None:
            server.close()

    def port_of(self, door: str) -> int:
        """As bound; 0 while it is closed."""
        server = self._doors.get(door)
        return int(server.sockets[0].getsockname()[1]) if server is not None else 0

    @property
    def port(self) -> int:
        """Of RTSP without TLS."""
        return self.port_of("plain")

    async def stop(self) -> None:
        for door in tuple(self._doors):
            await self.close(door)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection(self, reader, writer)
        connection.wait_for_a_session()
        try:
            await connection.run()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, UnicodeDecodeError,
                ValueError) as gone:  # fmt: skip
            log.debug("replay: a client went away: %s", gone)
        finally:
            await connection.end()
            self._tasks.discard(task)


@dataclass(slots=True)
class Connection:
    """One client; what it may ask when is `replay_session`'s table."""

    server: ReplayServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    out: asyncio.StreamWriter = field(init=False)
    state: SessionState = SessionState.INIT
    session: str = ""
    user: str = ""
    token: str = ""
    described: ReplayDescription | None = None
    tracks: dict[str, ReplayTrack] = field(default_factory=dict)
    player: asyncio.Task[None] | None = None
    position_us: int | None = None
    other_half: "Connection | None" = None
    """The GET of a tunnel whose POST this is."""
    patience: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self.out = self.writer

    async def run(self) -> None:
        """Answer until the client leaves or is silent for too long."""
        first = await read_line(self.reader)
        if first.endswith(("HTTP/1.0", "HTTP/1.1")):
            await self._tunnel(first)
            return
        await self._serve(self.reader, first)

    def wait_for_a_session(self) -> None:
        """End the connection if it gets no session in time."""
        self.patience = asyncio.get_running_loop().call_later(BOUNDS.patience_s, self.writer.transport.abort)

    def keep(self) -> None:
        """It has a session, and stays for as long as that."""
        if self.patience is not None:
            self.patience.cancel()
        self.server.limit.mark_requested(self.writer.get_extra_info("peername"))
        if self.other_half is not None:
            self.other_half.keep()

    async def end(self) -> None:
        if self.patience is not None:
            self.patience.cancel()
        await self._halt()
        for track in self.tracks.values():
            track.close()
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, line: str = "") -> None:
        while True:
            if not line:
                async with asyncio.timeout(self.server.timeout_s):
                    line = await read_line(reader)
            if line.startswith("$"):
                line = ""
                continue
            async with asyncio.timeout(_REQUEST_S):
                request = await read_request(reader, line)
            line = ""
            try:
                headers, body = await self._answer(request)
                await self._reply(request, 200, headers.items(), body)
            except RtspRefusal as refusal:
                await self._reply(request, refusal.status, refusal.headers, b"")
                continue
            if request.method == "TEARDOWN":
                return

    async def _reply(self, request: RtspRequest, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        self.out.write(answer(request, status, headers, body))
        await self.out.drain()

    async def _answer(self, request: RtspRequest) -> tuple[dict[str, str], bytes]:
        if request.method == "OPTIONS":
            return {"Public": METHODS}, b""
        self._authorise(request)
        wanted = request.headers.get("require", "")
        if wanted and wanted != "onvif-replay":
            raise RtspRefusal(551, ("Unsupported", wanted))
        if request.method == "DESCRIBE":
            return await self._describe(request)
        following = after(self.state, request.method)
        if following == 405:
            raise RtspRefusal(405, ("Allow", METHODS))
        session = request.headers.get("session", "").partition(";")[0]
        if request.method != "SETUP" and session not in {self.session, ""}:
            raise RtspRefusal(454)
        if isinstance(following, int):
            raise RtspRefusal(following)
        headers = {}
        match request.method:
            case "SETUP":
                headers = await self._setup(request)
            case "PLAY":
                headers = await self._play(request)
            case "PAUSE" | "TEARDOWN":
                await self._halt()
        self.state = following
        return {"Session": self.session} | headers, b""

    def _authorise(self, request: RtspRequest) -> None:
        address, port = (self.writer.get_extra_info("peername") or ("", 0))[:2]
        address = self.server.origins.get(port, address)
        path = urlsplit(request.url).path
        authenticator = self.server.authenticator
        try:
            header = request.headers.get("authorization", "")
            user = authenticator.from_authorization(header, request.method, path, address)
            if user is None:
                raise NotAuthorized("this needs a user and a password")
        except NotAuthorized as refusal:
            # MD5 is offered last: players take the last challenge, and most of them know nothing else.
            offered = [("WWW-Authenticate", challenge) for challenge in authenticator.challenges(stale=refusal.stale)]
            raise RtspRefusal(401, *offered) from refusal
        if not may(user.level, AccessClass.READ_MEDIA):
            raise RtspRefusal(403)
        self.user = user.name

    async def _find(self, request: RtspRequest) -> ReplayDescription:
        if not request.path:
            raise RtspRefusal(404)
        found = await self.server.archive.describe(request.path[0])
        if found is None:
            raise RtspRefusal(404)
        self.token, self.described = request.path[0], found
        return found

    async def _describe(self, request: RtspRequest) -> tuple[dict[str, str], bytes]:
        found = await self._find(request)
        headers = {"Content-Base": request.url.rstrip("/") + "/", "Content-Type": "application/sdp"}
        return headers, description(self.token, found)

    async def _setup(self, request: RtspRequest) -> dict[str, str]:
        found = self.described or await self._find(request)
        name = request.path[-1] if len(request.path) > 1 else "video"
        if name not in found.tracks:
            raise RtspRefusal(404)
        self.session = self.session or secrets.token_hex(8)
        self.keep()
        track = ReplayTrack.of(name)
        # Inside a tunnel or under TLS there is no UDP: the packets would go around what protects them.
        bare = self.out is self.writer and self.writer.get_extra_info("ssl_object") is None
        transport = await track.set_up(request.headers.get("transport", ""), len(self.tracks), self.writer, udp=bare)
        self.tracks[name] = track
        return {"Session": f"{self.session};timeout={int(self.server.timeout_s)}",
                "Transport": f"{transport};ssrc={track.packets.ssrc:08X}"}  # fmt: skip

    async def _play(self, request: RtspRequest) -> dict[str, str]:
        assert self.described is not None  # a track was set up
        zero_us = self.described.start_us
        try:
            play_request = PlayRequest.of(request.headers, zero_us)
        except ValueError as problem:
            raise RtspRefusal(457) from problem
        if play_request.start_us is not None and not play_request.runs_from(play_request.start_us):
            raise RtspRefusal(457)
        await self._halt()
        start = play_request.start_us if play_request.start_us is not None else self.position_us
        if start is None:
            start = self.described.end_us if play_request.reverse else zero_us
        if not play_request.runs_from(start):
            raise RtspRefusal(457)
        if not play_request.reverse and start > self.described.end_us:
            # It may have grown since.
            now = await self.server.archive.describe(self.token)
            if now is None or start > now.end_us:
                raise RtspRefusal(457)
        samples = self.server.archive.samples(
            self.token, start, play_request.end_us, reverse=play_request.reverse, user=self.user
        )
        self.player = asyncio.create_task(self._play_out(samples, play_request), name="replay")
        until = (
            play_request.end_us
            if play_request.end_us is not None
            else (None if play_request.reverse else self.described.end_us)
        )
        span = play_request.range_text(start, until, zero_us)
        base = request.url.rstrip("/")
        info = ",".join(f"url={base}/{name};seq={track.packets.sequence}" for name, track in self.tracks.items())
        return {"Session": self.session, "Range": span, "RTP-Info": info}

    async def _play_out(self, samples: AsyncIterator[ReplaySample], play_request: PlayRequest) -> None:
        try:
            await play_samples(samples, play_request, self._send, self._report)
        finally:
            # At once, and not when it is collected: the archive writes down which user watched until when.
            if isinstance(samples, AsyncGenerator):
                await samples.aclose()
        for track in self.tracks.values():
            track.send(track.packets.bye(self.position_us or 0), self.out, rtcp=True)
        following = after(self.state, END_OF_RANGE)
        assert isinstance(following, SessionState)
        self.state = following

    async def _halt(self) -> None:
        """Stop playing and wait until nothing more is sent."""
        player, self.player = self.player, None
        if self.state is SessionState.PLAYING:
            self.state = SessionState.READY
        if player is not None:
            player.cancel()
            results = await asyncio.gather(player, return_exceptions=True)
            for problem in results:
                if isinstance(problem, Exception) and not isinstance(problem, OSError):
                    log.warning("replay of %s ended: %s", self.token, problem)

    async def _send(self, sample: ReplaySample, mark: Mark) -> None:
        track = self.tracks.get(sample.track)
        self.position_us = sample.utc_us
        if track is None:
            return
        assert self.described is not None
        if sample.track == "video":
            # Of a codec that came after DESCRIBE the client knows nothing.
            if sample.codec not in self.described.codecs[: len(VIDEO_PAYLOADS)]:
                return
            track.packets.payload_type = VIDEO_PAYLOADS[self.described.codecs.index(sample.codec)]
            payloads = video_payloads(sample.data, sample.codec)
        else:
            payloads = metadata_payloads(sample.data)
        for packet in track.packets.packets(payloads, mark):
            track.send(packet, self.out, rtcp=False)
        await self.out.drain()

    async def _report(self, utc_us: int) -> None:
        for track in self.tracks.values():
            track.send(track.packets.report(utc_us), self.out, rtcp=True)

    async def _tunnel(self, line: str) -> None:
        """One half of a tunnel: the GET carries what we send, the POST brings base64 of what the client sends."""
        headers = await read_headers(self.reader)
        cookie = headers.get("x-sessioncookie", "")
        if not cookie or len(cookie) > 64:
            raise ValueError("HTTP, and no tunnel")
        if line.startswith("GET "):
            self.server.tunnels[cookie] = self
            self.writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n"
                              b"Cache-Control: no-store\r\nPragma: no-cache\r\n\r\n")  # fmt: skip
            try:
                while await self.reader.read(_DROPPED):
                    pass
            finally:
                if self.server.tunnels.get(cookie) is self:
                    del self.server.tunnels[cookie]
            return
        self.other_half = self.server.tunnels.get(cookie)
        if self.other_half is None:
            raise ValueError("a POST without its GET")
        self.out = self.other_half.writer
        inner = asyncio.StreamReader(limit=LINE_BYTES * 4)
        feeding = asyncio.create_task(decode(self.reader, inner), name="tunnel")
        try:
            await self._serve(inner)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            # The session ends with its POST; another one may come.
            self.other_half.wait_for_a_session()
