"""The RTSP server of live streams: paths, doors, users; a skin over gst-rtsp-server.

Three doors lead to the same paths. The outer one is RTSP's port: TCP, UDP, UDP multicast and the RTSP-over-HTTP
tunnel. The inner one listens on this host only, for the tunnels of the web services' ports, and streams through its
connection or to a multicast group, never to an address. The secure one is RTSPS: TLS 1.2 and newer. Authentication is
HTTP digest by user and password at each (`door.py`).

GLib's main loop runs in a thread of its own. Every public method may be called from any thread.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from onvif.auth import Authenticator, Guard
from onvif.rtsp.gst import Gio, GLib, GstRtsp, GstRtspServer
from onvif.rtsp.listener import RtspListener
from onvif.rtsp.live import LiveStream, StreamTracks
from onvif.rtsp.transport import Judge, anywhere, through_a_tunnel, under_tls
from onvif.users import Level, User

Users = Callable[[], Mapping[str, tuple[str, str]]]
"""name -> (password, ONVIF user level); looked up at every request, so a changed password holds at once."""

REALM = "veilcam"
LOOPBACK = "127.0.0.1"
_GOODBYE_MS = 200
_FORGET_EVERY_S = 5
# From a viewer's request for a stream to their own hold on it: microseconds, and what a thread may wait for its turn.
_KEEP_MS = 100


@dataclass(frozen=True, slots=True)
class MulticastGroup:
    """Where a configuration's stream goes by multicast: RTP to an even `port`, RTCP to the next."""

    address: str
    port: int
    ttl: int = 1


class RtspServer:
    """An RTSP server.

    Args:
        address: the address to listen on.
        port: TCP port; 0 takes a free one, see `port` after `start`.
        users: those that may watch; no one when it is empty.
        interface: name of the network interface that multicast leaves by; empty for the one of the route.
    """

    def __init__(self, address: str, port: int, users: Users, *, interface: str = "") -> None:
        self._users = users
        self._interface = interface
        self._address = address
        self.internal_credentials = (f"house-{secrets.token_hex(8)}", secrets.token_hex(16))
        """Name and password by which this program watches its own streams; made again at each start."""
        self.guard = Guard()
        """Counts wrong passwords; the web services of the same users are to count by it too."""
        self.origins: dict[int, str] = {}
        """The address of the client behind a connection to the inner port, by that connection's own port."""
        self._authenticator = Authenticator(
            self._accounts, realm=REALM, now=lambda: datetime.now(UTC), guard=self.guard
        )
        self._paths: dict[str, LiveStream] = {}
        self._pools: dict[str, tuple[MulticastGroup, Any]] = {}
        self._groups: dict[LiveStream, Mapping[str, str]] = {}
        self._owed: list[Callable[[], None]] = []
        self._context = GLib.MainContext()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._mounts = GstRtspServer.RTSPMountPoints()
        self._secure_mounts = GstRtspServer.RTSPMountPoints()
        self._outer = self._door(address, port, self._mounts, anywhere)
        self._inner = self._door(LOOPBACK, 0, self._mounts, through_a_tunnel, tunnelled=True)
        self._secure: RtspListener | None = None
        self._left: list[RtspListener] = []
        self._thread = threading.Thread(target=self._run, name="rtsp", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on; the requested one before `start`, the last one while it does not listen."""
        return self._outer.port

    @property
    def inner_port(self) -> int:
        """On this host only, for tunnels."""
        return self._inner.port

    @property
    def secure_port(self) -> int:
        """Of RTSPS; 0 while it is not served."""
        return self._secure.port if self._secure is not None else 0

    def stream(
        self, track: StreamTracks, request_idr: Callable[[int], None], groups: Mapping[str, str] | None = None
    ) -> LiveStream:
        """A stream without a path yet.

        Args:
            track: what it carries.
            request_idr: called on any thread when a viewer comes: the next picture taken at or after this UTC
                microsecond shall be an IDR picture; 0 means the very next one.
            groups: the names (see `group`) of the multicast groups of `video` and `metadata`.
        """
        named = dict(groups or {})

        def pools() -> dict[str, Any]:
            return {part: self._pools[name][1] for part, name in named.items() if name in self._pools}

        live = LiveStream(track, request_idr, self._soon, pools)
        if self._interface:
            live.factory.set_multicast_iface(self._interface)
        self._groups[live] = named
        return live

    def mount(self, path: str, live: LiveStream) -> None:
        """Serve a stream at `/path`; what was there before ends for its viewers unless it is the same."""
        if self._paths.get(path) is live:
            return
        self.unmount(path)
        self._paths[path] = live
        if not live.track.secure:
            self._mounts.add_factory(f"/{path}", live.factory)
        self._secure_mounts.add_factory(f"/{path}", live.factory)

    def unmount(self, path: str) -> None:
        """Serve nothing at `/path` any more; its viewers' sessions end."""
        if self._paths.pop(path, None) is not None:
            self._mounts.remove_factory(f"/{path}")
            self._secure_mounts.remove_factory(f"/{path}")
            self._end(lambda session: session.matches(f"/{path}")[0])

    def publish(self, path: str, track: StreamTracks, request_idr: Callable[[int], None]) -> LiveStream:
        """`stream` and `mount` in one."""
        live = self.stream(track, request_idr)
        self.mount(path, live)
        return live

    @contextlib.contextmanager
    def changing(self, live: LiveStream, codec: str) -> Iterator[None]:
        """Change a stream's encoder over to another encoding within the block; its viewers' sessions end with it.

        Waits a moment for viewers that are about to get a description; others get the new encoding's.
        """
        with live.changing(codec) as void:
            yield
        self._end_of(void)

    def carry(self, live: LiveStream, codec: str) -> None:
        """Let a stream carry video of another encoding; its viewers' sessions end, for their description is void."""
        self._end_of(live.carry(codec))

    def _end_of(self, void: list[Any]) -> None:
        if void:
            self._end(lambda session: session.get_media() in void)

    def group(self, name: str, group: MulticastGroup | None) -> None:
        """Set or change a multicast group; receivers of the old one go on with it.

        One stream at a time has a group: SETUP of another is refused with 461 while the first is sent there.
        """
        if group == self._pools.get(name, (None, None))[0]:
            return
        if group is None:
            del self._pools[name]
        else:
            pool = GstRtspServer.RTSPAddressPool()
            if not pool.add_range(group.address, group.address, group.port, group.port + 1, group.ttl):
                raise ValueError(f"{group} is no multicast group with an even port")
            self._pools[name] = (group, pool)
        for live, names in self._groups.items():
            if name in names.values():
                live.regroup()

    def start(self) -> None:
        """Listen and serve.

        Raises:
            OSError: the port is taken or may not be used.
        """
        self._outer.open(self._context)
        self._inner.open(self._context)
        self._thread.start()
        self._in_loop(self._forget_ended, _FORGET_EVERY_S * 1000)

    def listen(self, port: int) -> None:
        """Listen on another port from now on, or on none when it is 0; sessions in progress go on.

        Raises:
            OSError: the port is taken or may not be used; the old one stays.
        """
        before = self._outer
        if before.listening and port == before.port:
            return
        if port:
            door = self._door(self._address, port, self._mounts, anywhere)
            door.open(self._context)
            self._outer = door
            self._left.append(before)
        self._done(before.leave)

    def serve_tls(self, port: int, pem: str) -> None:
        """Serve RTSPS too, or with another certificate; port 0 takes a free one.

        Args:
            pem: certificate chain and private key.

        Raises:
            OSError: the port cannot be listened on, or the certificate cannot be used.
        """
        try:
            certificate = Gio.TlsCertificate.new_from_pem(pem, -1)
        except GLib.Error as problem:
            raise OSError(f"the certificate for RTSPS cannot be used: {problem.message}") from problem
        if self._secure is not None and port in {0, self._secure.port}:
            self._secure.auth.set_tls_certificate(certificate)
            return
        self.end_tls()
        door = self._door(self._address, port, self._secure_mounts, under_tls)
        door.auth.set_tls_certificate(certificate)
        door.open(self._context)
        self._secure = door

    def end_tls(self) -> None:
        """Serve RTSPS no more; idempotent."""
        door, self._secure = self._secure, None
        if door is not None:
            self._done(door.close)

    def stop(self) -> None:
        """Close every session and end the thread; idempotent."""
        if not self._thread.is_alive():
            return

        def close() -> None:
            for door in self._doors():
                door.close()
            for work in self._owed:
                work()
            self._loop.quit()

        self._done(close)
        self._thread.join(2.0)

    def _door(self, address: str, port: int, mounts: Any, judge: Judge, *, tunnelled: bool = False) -> RtspListener:
        door = RtspListener(address, port, mounts, self._authenticator, self.origins, judge=judge, tunnelled=tunnelled)
        door.server.connect("client-connected", self._attend)
        return door

    def _accounts(self) -> dict[str, User]:
        found = {name: User(name, password, Level(level)) for name, (password, level) in self._users().items()}
        name, password = self.internal_credentials
        return {**found, name: User(name, password, Level.USER)}

    def _attend(self, _server: Any, client: Any) -> None:
        requested: list[Any] = [None]
        generations: dict[LiveStream, int] = {}

        def described(_client: Any, context: Any) -> None:
            self._at(context.uri, lambda live: generations.__setitem__(live, live.generation_of(context.media)))

        def note(_client: Any, context: Any) -> Any:
            requested[0] = context.uri
            live = self._live(context.uri)
            # gst-rtsp-server would set up what it described, though no picture comes there any more.
            void = live is not None and generations.get(live, live.generation) != live.generation
            return GstRtsp.RTSPStatusCode.GONE if void else GstRtsp.RTSPStatusCode.OK

        # The answer to the SETUP that makes a session names its time-out.
        client.connect("pre-setup-request", note)
        client.connect("describe-request", described)
        client.connect(
            "new-session",
            lambda _client, session: self._at(requested[0], lambda live: session.set_timeout(live.timeout_s)),
        )
        client.connect("play-request", lambda _client, context: self._at(context.uri, LiveStream.play))

    def _doors(self) -> list[RtspListener]:
        return [door for door in (self._outer, self._inner, self._secure, *self._left) if door is not None]

    def _run(self) -> None:
        self._context.push_thread_default()
        self._loop.run()
        self._context.pop_thread_default()

    def _in_loop(self, work: Callable[[], bool], after_ms: int = 0) -> None:
        """Do this on the GLib thread; again and again while it says True."""
        source = GLib.timeout_source_new(after_ms)
        source.set_callback(lambda *_: work())
        source.attach(self._context)

    def _soon(self, work: Callable[[], None]) -> None:
        """Do this on the GLib thread in a moment, at the latest when the server stops."""
        self._owed.append(work)

        def now() -> bool:
            self._owed.remove(work)
            work()
            return False

        self._in_loop(now, _KEEP_MS)

    def _done(self, work: Callable[[], None]) -> None:
        """Do this on the GLib thread, and wait a moment for it."""
        done = threading.Event()

        def once() -> bool:
            work()
            done.set()
            return False

        self._in_loop(once)
        done.wait(2.0)

    def _forget_ended(self) -> bool:
        for door in self._doors():
            door.server.get_session_pool().cleanup()
            door.visitors.sweep()
        return True

    def _end(self, void: Callable[[Any], bool]) -> None:
        """End the sessions of some media; their clients get a moment to hear the goodbye."""

        def close() -> bool:
            for door in self._doors():
                door.end(void)
            return False

        self._in_loop(close, _GOODBYE_MS)

    def _live(self, uri: Any) -> LiveStream | None:
        """The stream that a request is about; its address may name a track of it."""
        place = uri.abspath.strip("/") if uri else ""
        return self._paths.get(place) or self._paths.get(place.rpartition("/")[0])

    def _at(self, uri: Any, act: Callable[[LiveStream], None]) -> None:
        """Do something with the stream that a request is about."""
        live = self._live(uri)
        if live:
            act(live)
