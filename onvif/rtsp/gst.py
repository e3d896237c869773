"""gst-rtsp-server, and nothing else of GStreamer: the one file that imports `gi`.

A `Server` listens; each `Live` path is one shared media with the video as `pay0` and, when asked for, the metadata as
`pay1`. What comes in is whole access units (Annex B) and whole XML documents; they leave as RTP without being parsed
into anything that could lose an SEI message. Transports are TCP, UDP, UDP multicast and the RTSP-over-HTTP tunnel,
all on one port; authentication is HTTP digest (RFC 2617) by user and role.

GLib's main loop runs in a thread of its own. Every public method may be called from any thread.
"""

import ctypes
import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# GStreamer brings libunwind, whose _Unwind_* functions would take the place of libgcc's for whatever is loaded after
# it: a C++ exception inside onnxruntime then ends the process instead of reaching Python. First in scope wins.
ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)

import gi  # noqa: E402  # after libgcc

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  # versions first

from onvif.rtsp.metadata_rtp import PAYLOAD_TYPE, MetadataPacketiser  # noqa: E402

log = logging.getLogger(__name__)

Users = Callable[[], Mapping[str, tuple[str, str]]]
"""name -> (password, ONVIF user level); asked at every new connection, so a changed password holds at once."""

REALM = "veilcam"
_ROLE = "viewer"
_NS_PER_90K_NUMERATOR, _NS_PER_90K_DENOMINATOR = 100_000, 9
_REPORT_NS = 1_000_000_000
_OLDEST_US = 10_000_000
_QUEUE_BYTES = 8 << 20
_EMPTY_DOCUMENT = b'<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"/>'
# A viewer may set up one track of two; what nobody set up has no sink, which must not end the other track.
_UNWANTED = "errorignore ignore-notlinked=true convert-to=ok"
_CAPS = {
    "H264": ("video/x-h264", "rtph264pay"),
    "H265": ("video/x-h265", "rtph265pay"),
}


@dataclass(frozen=True, slots=True)
class Track:
    """What a live path carries: `codec` is `H264`, `H265` or None for no video; `metadata` adds `pay1`."""

    codec: str | None = "H264"
    metadata: bool = True


class Live:
    """One RTSP path. Made by `Server.publish`; fed by `video` and `metadata`; silent while nobody watches."""

    def __init__(self, path: str, track: Track, want_idr: Callable[[int], None]) -> None:
        self.path = path
        self.track = track
        self._want_idr = want_idr
        self._lock = threading.Lock()
        self._video: Any = None
        self._metadata: Any = None
        self._packets = MetadataPacketiser(secrets.randbits(32), secrets.randbits(16))
        self._zero_us = 0
        self._started = False
        self._offset_ns: int | None = None

    @property
    def watched(self) -> bool:
        """Whether anybody has asked for this path; nothing need be encoded for it otherwise."""
        return self._video is not None or self._metadata is not None

    def video(self, access_unit: bytes, *, pts_90k: int, utc_us: int, idr: bool) -> None:
        """Send one access unit: Annex B, parameter sets in front of every IDR picture.

        Pictures taken before the first viewer asked, and those before the first IDR picture, are not sent.

        Args:
            access_unit: as the encoder gave it.
            pts_90k: media time, which spaces the pictures; it does not know of steps of the wall clock.
            utc_us: wall clock of the exposure; places the first picture.
            idr: whether decoding can start here.
        """
        with self._lock:
            if self._video is None or (not self._started and not idr):
                return
            pts = self._running_ns(pts_90k, utc_us)
            if pts < 0:
                if idr:
                    self._want_idr(self._zero_us)
                return
            self._started = True
            buffer = Gst.Buffer.new_wrapped(access_unit)
            buffer.pts = pts
            buffer.dts = pts
            self._video.emit("push-buffer", buffer)

    def metadata(self, document: bytes, *, pts_90k: int, utc_us: int) -> None:
        """Send one `tt:MetadataStream` document, in front of or behind the picture of the same time."""
        with self._lock:
            if self._metadata is None:
                return
            pts = max(0, self._running_ns(pts_90k, utc_us))
            self._push_document(document, pts)

    def _push_document(self, document: bytes, pts: int) -> None:
        rtp_time = pts * _NS_PER_90K_DENOMINATOR // _NS_PER_90K_NUMERATOR
        for packet in self._packets.packets(document, rtp_time):
            buffer = Gst.Buffer.new_wrapped(packet)
            buffer.pts = buffer.dts = pts
            self._metadata.emit("push-buffer", buffer)

    def _running_ns(self, pts_90k: int, utc_us: int) -> int:
        media_ns = pts_90k * _NS_PER_90K_NUMERATOR // _NS_PER_90K_DENOMINATOR
        if self._offset_ns is None:
            since_us = utc_us - self._zero_us
            # A clock that stepped between the exposure and now says nothing of the picture's age.
            self._offset_ns = (since_us if abs(since_us) < _OLDEST_US else 0) * 1000 - media_ns
        return media_ns + self._offset_ns

    def configure(self, media: Any) -> None:
        """Take the appsrcs of a media that is being made for the first viewer; GLib thread."""
        element = media.get_element()
        with self._lock:
            self._video = element.get_by_name("video_source")
            self._metadata = element.get_by_name("metadata_source")
            self._started = False
            self._offset_ns = None
            # Running time zero of this media is about now: GLib.get_real_time is UTC in microseconds.
            self._zero_us = GLib.get_real_time()
            if self._metadata is not None:
                self._push_document(_EMPTY_DOCUMENT, 0)  # a media is ready only when each of its tracks has data
        media.connect("prepared", self._prepared)
        media.connect("unprepared", self._unprepared)
        self._want_idr(self._zero_us)

    def _prepared(self, media: Any) -> None:
        # A recorder that joins learns the wall clock from a sender report; RFC 3550 §6.2 allows less than its 5 s.
        for index in range(media.n_streams()):
            media.get_stream(index).get_rtpsession().set_property("rtcp-min-interval", _REPORT_NS)

    def _unprepared(self, _media: Any) -> None:
        with self._lock:
            self._video = self._metadata = None

    def play(self) -> None:
        """Somebody pressed PLAY: the next picture shall be an IDR picture."""
        self._want_idr(0)

    def launch(self) -> str:
        """The factory's pipeline in gst-launch syntax."""
        parts = []
        if self.track.codec:
            caps, payloader = _CAPS[self.track.codec]
            parts.append(
                f"appsrc name=video_source is-live=true format=time max-bytes={_QUEUE_BYTES} block=false"
                f" caps={caps},stream-format=byte-stream,alignment=au"
                f" ! {_UNWANTED} ! {payloader} name=pay0 pt=96 mtu=1400 config-interval=-1"
            )
        if self.track.metadata:
            number = 1 if self.track.codec else 0
            parts.append(
                f"appsrc name=metadata_source is-live=true format=time max-bytes={_QUEUE_BYTES} block=false"
                f" caps=application/x-rtp,media=application,encoding-name=VND.ONVIF.METADATA,clock-rate=90000,"
                f"payload={PAYLOAD_TYPE},ssrc=(uint){self._packets.ssrc} ! {_UNWANTED} ! identity name=pay{number}"
            )
        return "( " + " ".join(parts) + " )"


class Server:
    """An RTSP server on one port.

    Args:
        address: the address to listen on.
        port: TCP port; 0 takes a free one, see `port` after `start`.
        users: who may watch; nobody when it is empty.
    """

    def __init__(self, address: str, port: int, users: Users) -> None:
        Gst.init(None)
        self._users = users
        self._known: dict[str, tuple[str, str]] = {}
        self._lives: dict[str, Live] = {}
        self._context = GLib.MainContext()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address(address)
        self._server.set_service(str(port))
        self._auth = GstRtspServer.RTSPAuth()
        self._auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        self._auth.set_realm(REALM)
        self._server.set_auth(self._auth)
        self._server.connect("client-connected", self._client_connected)
        self._thread = threading.Thread(target=self._run, name="rtsp", daemon=True)
        self._source = 0

    @property
    def port(self) -> int:
        """The port it listens on; the asked one before `start`."""
        bound: int = self._server.get_bound_port()
        return bound if bound > 0 else int(self._server.get_service())

    def publish(self, path: str, track: Track, want_idr: Callable[[int], None]) -> Live:
        """Serve `/path`.

        Args:
            path: the media profile's token, without a slash.
            track: what it carries.
            want_idr: called on any thread when a viewer comes: the next picture taken at or after this UTC
                microsecond shall be an IDR picture; 0 means the very next one.
        """
        live = Live(path, track, want_idr)
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(live.launch())
        factory.set_shared(True)
        factory.set_latency(0)
        factory.set_enable_rtcp(True)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role(_ROLE, "media.factory.access", True)
        permissions.add_permission_for_role(_ROLE, "media.factory.construct", True)
        factory.set_permissions(permissions)
        factory.connect("media-configure", lambda _factory, media: live.configure(media))
        self._server.get_mount_points().add_factory(f"/{path}", factory)
        self._lives[f"/{path}"] = live
        return live

    def start(self) -> None:
        """Listen and serve.

        Raises:
            OSError: the port is taken or may not be used.
        """
        self._refresh_users()
        self._source = self._server.attach(self._context)
        if not self._source:
            raise OSError(f"RTSP port {self._server.get_service()} cannot be listened on; is it taken?")
        self._thread.start()

    def stop(self) -> None:
        """Close every session and end the thread; idempotent."""
        if not self._thread.is_alive():
            return
        done = threading.Event()

        def close(*_: Any) -> bool:
            self._server.client_filter(lambda _server, _client: GstRtspServer.RTSPFilterResult.REMOVE)
            self._loop.quit()
            done.set()
            return False

        source = GLib.idle_source_new()
        source.set_callback(close)
        source.attach(self._context)
        done.wait(2.0)
        self._thread.join(2.0)

    def _run(self) -> None:
        self._context.push_thread_default()
        self._loop.run()
        self._context.pop_thread_default()

    def _client_connected(self, _server: Any, client: Any) -> None:
        self._refresh_users()
        client.connect("play-request", self._play)

    def _play(self, _client: Any, context: Any) -> None:
        live = self._lives.get(context.uri.abspath if context.uri else "")
        if live:
            live.play()

    def _refresh_users(self) -> None:
        users = dict(self._users())
        for name in self._known.keys() - users.keys():
            self._auth.remove_digest(name)
        for name, (password, level) in users.items():
            if self._known.get(name) == (password, level):
                continue
            if name in self._known:
                self._auth.remove_digest(name)
            token = GstRtspServer.RTSPToken()
            token.set_string("media.factory.role", _ROLE)
            self._auth.add_digest(name, password, token)
        self._known = users
