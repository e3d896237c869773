"""One listening port of the RTSP server, and which clients are admitted by it.

Digest by SHA-256 and MD5 (RFC 7616, and RFC 2069 for clients that know no `qop`), in place of gst-rtsp-server's own
check, which knows MD5 alone and counts no guesses.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from onvif.auth import Authenticator
from onvif.digest import parameters
from onvif.errors import NotAuthorized
from onvif.rtsp.client_sweep import ClientSweep
from onvif.rtsp.gst import Gio, GLib, GstRtsp, GstRtspServer
from onvif.rtsp.live import ROLE
from onvif.rtsp.transport import Judge, Transport, parse
from onvif.users import AccessClass, may


class RtspListener:
    """`open`, `close` and `end` on the GLib thread, or before it runs.

    Args:
        port: TCP port; 0 takes a free one.
        authenticator: knows which users may watch.
        origins: the address of the client behind a connection, by that connection's own port on this host.
        judge: which transports it offers.
        tunnelled: whether its clients come out of tunnels, which count them by address.
    """

    def __init__(
        self, address: str, port: int, mounts: Any, authenticator: Authenticator, origins: Mapping[int, str],
        *, judge: Judge, tunnelled: bool = False,
    ) -> None:  # fmt: skip
        self._source: Any = None
        self._port = 0
        self._mounts, self._judge = mounts, judge
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address(address)
        self.server.set_service(str(port))
        self.server.set_mount_points(mounts)
        self.auth = _Auth(authenticator, origins)
        self.server.set_auth(self.auth)
        self.visitors = ClientSweep(
            lambda client: _address(client.get_connection(), origins), _hang_up, by_address=not tunnelled
        )
        self.server.connect("client-connected", lambda _server, client: self.visitors.add(client))
        self.server.connect(
            "client-connected", lambda _server, client: client.connect("pre-setup-request", self._judged)
        )

    @property
    def listening(self) -> bool:
        return self._source is not None

    @property
    def port(self) -> int:
        return self._port or int(self.server.get_service())

    def open(self, context: Any) -> None:
        """Raises OSError when the port cannot be listened on."""
        number = self.server.attach(context)
        if not number:
            raise OSError(f"RTSP port {self.server.get_service()} cannot be listened on; is it taken?")
        self._source = context.find_source_by_id(number)
        self._port = self.server.get_bound_port()

    def _judged(self, _client: Any, context: Any) -> Any:
        """The status of a SETUP by its transport."""
        status = GstRtsp.RTSPStatusCode
        return status.OK if self._fits(context) else status.UNSUPPORTED_TRANSPORT

    def _fits(self, context: Any) -> bool:
        """Whether the transport that gst-rtsp-server is about to take is understood and offered here."""
        try:
            # Of several it takes the first; it splits them at the commas itself.
            _, header = context.request.get_header(GstRtsp.RTSPHeaderField.TRANSPORT, 0)
        except UnicodeDecodeError:
            return False
        requested = parse(header or "")
        return len(requested) == 1 and self._offers(requested[0], context.uri) and _reads_alike(requested[0], header)

    def _offers(self, transport: Transport, uri: Any) -> bool:
        factory, _ = self._mounts.match(uri.abspath)
        srtp = factory is not None and bool(factory.get_profiles() & GstRtsp.RTSPProfile.SAVP)
        return transport.encrypted == srtp and self._judge(transport)

    def leave(self) -> None:
        """Listen no more; connections go on."""
        if self._source is not None:
            self._source.destroy()
            self._source = None

    def close(self) -> None:
        """Listen no more and end every connection."""
        self.leave()
        self.server.client_filter(lambda _server, client: _hang_up(client))

    def end(self, void: Callable[[Any], bool]) -> None:
        """End the connections that have a session of such a media."""
        keep, remove = GstRtspServer.RTSPFilterResult.KEEP, GstRtspServer.RTSPFilterResult.REMOVE

        def of_client(_server: Any, client: Any) -> Any:
            concerned: list[Any] = []

            def of_media(_session: Any, media: Any) -> Any:
                if not void(media):
                    return keep
                concerned.append(media)
                return remove

            client.session_filter(lambda _client, session: (session.filter(of_media), keep)[1])
            return _hang_up(client) if concerned else keep

        self.server.client_filter(of_client)


def _hang_up(client: Any) -> Any:
    """End a connection by its socket; the thread that serves it sees the end and closes it.

    A client that is closed while another thread reads from it leaves that thread turning round for ever.
    """
    connection = client.get_connection()
    for socket in (connection.get_read_socket(), connection.get_write_socket()):
        if socket is not None and not socket.is_closed():
            with contextlib.suppress(GLib.Error):  # it has gone by itself
                socket.shutdown(True, True)
    return GstRtspServer.RTSPFilterResult.KEEP


def _reads_alike(requested: Transport, header: str) -> bool:
    """Whether GStreamer understands the same: it takes multicast for granted where it understands nothing."""
    kinds, profiles = GstRtsp.RTSPLowerTrans, GstRtsp.RTSPProfile
    status, read = GstRtsp.RTSPTransport.parse(header)
    kind = kinds.TCP if requested.tcp else kinds.UDP_MCAST if requested.multicast else kinds.UDP
    profile = profiles.SAVP if requested.encrypted else profiles.AVP
    return bool(status == GstRtsp.RTSPResult.OK and read.lower_transport == kind and read.profile == profile)


class _Auth(GstRtspServer.RTSPAuth):  # type: ignore[misc]  # gi has no types
    """Called by gst-rtsp-server at each step of a request, on the thread that serves the door's clients."""

    def __init__(self, authenticator: Authenticator, origins: Mapping[int, str]) -> None:
        super().__init__()
        self._authenticator = authenticator
        self._origins = origins
        self._viewer = GstRtspServer.RTSPToken()
        self._viewer.set_string("media.factory.role", ROLE)

    def do_check(self, context: Any, check: str) -> bool:
        """Whether the request may go on; when not, it has been answered."""
        if check == GstRtspServer.RTSP_AUTH_CHECK_TRANSPORT_CLIENT_SETTINGS:
            # Where a group's packets go is the camera's to say, whatever the client wants; the answer names it.
            return False
        if check == GstRtspServer.RTSP_AUTH_CHECK_MEDIA_FACTORY_ACCESS and context.token is None:
            try:
                self._authenticate(context)
            except NotAuthorized as refusal:
                self._challenge(context, stale=refusal.stale)
                return False
        return bool(GstRtspServer.RTSPAuth.do_check(self, context, check))

    def _authenticate(self, context: Any) -> None:
        """Let a viewer pass; raises NotAuthorized."""
        try:
            _, header = context.request.get_header(GstRtsp.RTSPHeaderField.AUTHORIZATION, 0)
            _, method, uri, _ = context.request.parse_request()
        except UnicodeDecodeError:
            raise NotAuthorized("the request is no UTF-8") from None
        header = header or ""
        user = self._authenticator.from_authorization(
            header, GstRtsp.rtsp_method_as_text(method), _target(uri, header), _origin(context, self._origins)
        )
        if user is None or not may(user.level, AccessClass.READ_MEDIA):
            raise NotAuthorized("this needs a user that may watch")
        context.set_token(self._viewer)

    def _challenge(self, context: Any, *, stale: bool) -> None:
        """Ask for credentials; MD5 is offered last: players take the last challenge and mostly know nothing else."""
        status = GstRtsp.RTSPStatusCode.UNAUTHORIZED
        _, answer = GstRtsp.rtsp_message_new_response(status, GstRtsp.rtsp_status_as_text(status), context.request)
        for challenge in self._authenticator.challenges(stale=stale):
            answer.add_header(GstRtsp.RTSPHeaderField.WWW_AUTHENTICATE, challenge)
        context.client.send_message(context.session, answer)


def _origin(context: Any, origins: Mapping[int, str]) -> str:
    """The address of the client, behind a tunnel too; empty when it is gone already."""
    return _address(context.conn, origins)


def _address(connection: Any, origins: Mapping[int, str]) -> str:
    link = connection.get_read_socket()
    peer = None if link is None or link.is_closed() else link.get_remote_address()
    if not isinstance(peer, Gio.InetSocketAddress):
        return ""
    return origins.get(peer.get_port()) or str(peer.get_address().to_string())


def _target(uri: str, authorization: str) -> str:
    """The path of a request, or the one in its digest when that is of the whole stream and the request of a track."""
    requested = _path(uri)
    meant = _path(parameters(authorization).get("uri", ""))
    return meant if meant.strip("/") and f"{requested}/".startswith(f"{meant.rstrip('/')}/") else requested


def _path(uri: str) -> str:
    return "/" + uri.split("://", 1)[1].partition("/")[2] if "://" in uri else uri
