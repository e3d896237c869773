"""A live stream: whole access units and metadata documents in, RTP out, for as many viewers as come.

What comes in is never parsed into anything that could lose an SEI message. Each media (gst-rtsp-server's word for a
running pipeline) is made for the first viewer and shared by the others; a stream whose description or multicast
groups change gets another media for later viewers, while the first goes on for the present ones.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from onvif.rtsp import jpeg_rtp, metadata_rtp
from onvif.rtsp.description_gate import DescriptionGate
from onvif.rtsp.fmtp import with_profile_level_id
from onvif.rtsp.gst import GLib, Gst, GstRtsp, GstRtspServer

ROLE = "viewer"
_NS_PER_90K_NUMERATOR, _NS_PER_90K_DENOMINATOR = 100_000, 9
_REPORT_NS = 1_000_000_000
_OLDEST_US = 10_000_000
_QUEUE_BYTES = 8 << 20
_EMPTY_DOCUMENT = b'<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"/>'
# A viewer may set up one track of two; a track that was not set up has no sink, which must not end the other track.
_UNWANTED = "errorignore ignore-notlinked=true convert-to=ok"
_SOURCE = f"is-live=true format=time max-bytes={_QUEUE_BYTES} block=false"
_PAYLOADERS = {"H264": ("video/x-h264", "rtph264pay"), "H265": ("video/x-h265", "rtph265pay")}


@dataclass(frozen=True, slots=True)
class StreamTracks:
    """What a stream carries.

    Args:
        codec: ONVIF's word for the video that is `pay0`: `H264`, `H265`, `JPEG`; None for no video.
        metadata: whether metadata documents follow as the last track.
        secure: SRTP with keys by MIKEY (RFC 3830), for RTSP inside TLS only.
    """

    codec: str | None = "H264"
    metadata: bool = True
    secure: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """`video` and `metadata` in the order of the description."""
        return (("video",) if self.codec else ()) + (("metadata",) if self.metadata else ())


class LiveStream:
    """One stream. Made by `Server.stream`; fed by `video` and `metadata`; silent while no viewer watches.

    Args:
        track: what it carries.
        request_idr: called for an IDR picture from a UTC microsecond on; 0 is the very next one.
        later: does something in a moment, on the GLib thread.
        pools: the address pool (gst-rtsp-server's) of a part's multicast group now, None where it has none.
    """

    def __init__(
        self, track: StreamTracks, request_idr: Callable[[int], None], later: Callable[[Callable[[], None]], None],
        pools: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:  # fmt: skip
        self.track = track
        self.timeout_s = 60
        """How long a viewer's session lives without a word of theirs; announced at SETUP."""
        self._request_idr = request_idr
        self._later = later
        self._pools = pools
        self._lock = threading.Lock()
        self._running: list[_Running] = []
        self._edition = 0
        self._entries = DescriptionGate()
        self.generation = 0
        """How many encodings it has carried; a description holds for one of them."""
        self._ssrc = {"video": secrets.randbits(32), "metadata": secrets.randbits(32)}
        self.factory = _Factory(self._media_key)
        self.factory.set_media_gtype(_Media.__gtype__)
        self.factory.set_launch(self._launch())
        self.factory.set_shared(True)
        self.factory.set_latency(0)
        self.factory.set_enable_rtcp(True)
        profile = GstRtsp.RTSPProfile.SAVP if track.secure else GstRtsp.RTSPProfile.AVP
        self.factory.set_profiles(profile)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role(ROLE, "media.factory.access", True)
        permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
        self.factory.set_permissions(permissions)
        self.factory.connect("media-configure", lambda _factory, media: self._configure(media))

    @property
    def watched(self) -> bool:
        """Whether a viewer has requested this stream; nothing need be encoded for it otherwise."""
        return bool(self._running)

    def video(self, access_unit: bytes, *, pts_90k: int, utc_us: int, idr: bool) -> None:
        """Send one access unit.

        Pictures taken before the first request of a viewer, and those before the first IDR picture, are not sent.

        Args:
            access_unit: Annex B with parameter sets in front of every IDR picture, or one whole baseline JPEG.
            pts_90k: media time, which spaces the pictures; it does not know of steps of the wall clock.
            utc_us: wall clock of the exposure; places the first picture.
            idr: whether decoding can start here.

        Raises:
            ValueError: a JPEG that RTP cannot carry.
        """
        with self._lock:
            for running in self._running:
                if running.video is None or (not running.started and not idr):
                    continue
                pts = running.at_ns(pts_90k, utc_us)
                if pts >= 0:
                    running.started = True
                    running.send_video(access_unit, pts)
                elif idr:
                    self._request_idr(running.zero_us)

    def metadata(self, document: bytes, *, pts_90k: int, utc_us: int) -> None:
        """Send one `tt:MetadataStream` document, in front of or behind the picture of the same time."""
        with self._lock:
            for running in self._running:
                if running.metadata is not None:
                    running.send_document(document, max(0, running.at_ns(pts_90k, utc_us)))

    def play(self) -> None:
        """A viewer sent PLAY: the next picture shall be an IDR picture."""
        self._request_idr(0)

    @contextlib.contextmanager
    def changing(self, codec: str) -> Iterator[list[Any]]:
        """Change the encoder over within the block; from its end on video of another encoding is carried.

        Waits until viewers that are about to get a description have it; later ones get the new one.

        Yields:
            After the block: the media whose description no longer holds, for `Server`.
        """
        void: list[Any] = []
        with self._entries.closed():
            yield void
            void += self.carry(codec)

    def carry(self, codec: str) -> list[Any]:
        """Carry video of another encoding from now on; the media whose description no longer holds, for `Server`."""
        with self._lock:
            self.track = replace(self.track, codec=codec)
            self.factory.set_launch(self._launch())
            self._edition += 1
            self.generation += 1
            void, self._running = self._running, []
        for running in void:
            running.end()
            self._entries.ready(running.media)
        return [running.media for running in void]

    def generation_of(self, media: Any) -> int:
        """Of the description of a media; -1 when it no longer holds."""
        with self._lock:
            return self.generation if any(running.media == media for running in self._running) else -1

    def regroup(self) -> None:
        """The multicast groups changed: new viewers get them, present ones go on with the old."""
        self._edition += 1

    def _media_key(self) -> str:
        """The key of the media for a viewer that comes now; the thread that serves them."""
        self._keep()
        self._entries.enter(lambda: any(running.edition == self._edition for running in list(self._running)))
        return f"{id(self)}/{self._edition}"

    def _keep(self) -> None:
        """Let the last viewer's leaving wait for a new one: a media that has ended cannot be prepared again."""
        with self._lock:
            prepared = [running for running in self._running if running.edition == self._edition and running.prepared]
        for running in prepared:
            if running.media.prepare(None):
                self._later(running.media.unprepare)
            elif running.edition == self._edition:
                self._edition += 1

    def _configure(self, media: Any) -> None:
        """Take the appsrcs of a media that is being made for a viewer; GLib thread."""
        pools = self._pools()
        for index, part in enumerate(self.track.parts):
            media.get_stream(index).set_address_pool(pools.get(part))
        self._entries.made(media)
        with self._lock:
            running = _Running(media, self.track.codec or "", self._ssrc, self._edition)
            self._running.append(running)
            if running.metadata is not None:
                running.send_document(_EMPTY_DOCUMENT, 0)  # a media is ready only when each of its tracks has data
        edition = running.edition
        media.connect("prepared", self._prepared)
        media.connect("target-state", lambda _media, state: self._leaves(edition, state))
        media.connect("unprepared", self._unprepared)
        self._request_idr(running.zero_us)

    def _leaves(self, edition: int, state: int) -> None:
        """The last viewer left: the factory would still hand out this media, which cannot be prepared again."""
        if state == Gst.State.NULL and edition == self._edition:
            self._edition += 1

    def _prepared(self, media: Any) -> None:
        with self._lock:
            for running in self._running:
                running.prepared |= running.media == media
        self._entries.ready(media)
        _report_each_second(media)

    def _unprepared(self, media: Any) -> None:
        self._entries.ready(media)
        with self._lock:
            self._running = [running for running in self._running if running.media != media]

    def _launch(self) -> str:
        """The factory's pipeline in gst-launch syntax."""
        made = {"video": self._video_launch, "metadata": self._metadata_launch}
        return "( " + " ".join(made[part](index) for index, part in enumerate(self.track.parts)) + " )"

    def _video_launch(self, index: int) -> str:
        if self.track.codec == "JPEG":
            return self._packets_launch("video", index, "media=video,encoding-name=JPEG", jpeg_rtp.PAYLOAD_TYPE)
        caps, payloader = _PAYLOADERS[self.track.codec or ""]
        return (
            f"appsrc name=video_source {_SOURCE} caps={caps},stream-format=byte-stream,alignment=au"
            f" ! {_UNWANTED} ! {payloader} name=pay{index} pt=96 mtu=1400 config-interval=-1"
        )

    def _metadata_launch(self, index: int) -> str:
        kind = "media=application,encoding-name=VND.ONVIF.METADATA"
        return self._packets_launch("metadata", index, kind, metadata_rtp.PAYLOAD_TYPE)

    def _packets_launch(self, part: str, index: int, kind: str, payload_type: int) -> str:
        """A source of RTP packets that are made here."""
        return (
            f"appsrc name={part}_source {_SOURCE} caps=application/x-rtp,{kind},clock-rate=90000,"
            f"payload={payload_type},ssrc=(uint){self._ssrc[part]} ! {_UNWANTED} ! identity name=pay{index}"
        )


class _Running:
    """One media of a stream and what is fed to it; guarded by its stream's lock."""

    def __init__(self, media: Any, codec: str, ssrc: Mapping[str, int], edition: int) -> None:
        element = media.get_element()
        self.media = media
        self.edition = edition
        self.video: Any = element.get_by_name("video_source")
        self.metadata: Any = element.get_by_name("metadata_source")
        self.prepared = False
        self.started = False
        # Running time zero of this media is about now: GLib.get_real_time is UTC in microseconds.
        self.zero_us: int = GLib.get_real_time()
        self._offset_ns: int | None = None
        self._documents = metadata_rtp.MetadataPacketiser(ssrc["metadata"], secrets.randbits(16))
        self._pictures = jpeg_rtp.JpegPacketiser(ssrc["video"], secrets.randbits(16)) if codec == "JPEG" else None

    def at_ns(self, pts_90k: int, utc_us: int) -> int:
        """Running time of a sample; negative for one that was taken before this media began."""
        media_ns = pts_90k * _NS_PER_90K_NUMERATOR // _NS_PER_90K_DENOMINATOR
        if self._offset_ns is None:
            since_us = utc_us - self.zero_us
            # A clock that stepped between the exposure and now says nothing of the picture's age.
            self._offset_ns = (since_us if abs(since_us) < _OLDEST_US else 0) * 1000 - media_ns
        return media_ns + self._offset_ns

    def send_video(self, access_unit: bytes, pts: int) -> None:
        # One by one: a list that meets a source which is just ending is released wrongly (GStreamer 1.22).
        units = [access_unit] if self._pictures is None else self._pictures.packets(access_unit, _rtp_time(pts))
        for unit in units:
            _push(self.video, unit, pts)

    def send_document(self, document: bytes, pts: int) -> None:
        for packet in self._documents.packets(document, _rtp_time(pts)):
            _push(self.metadata, packet, pts)

    def end(self) -> None:
        """Viewers are notified by RTCP BYE."""
        for source in (self.video, self.metadata):
            if source is not None:
                source.emit("end-of-stream")


class _Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]  # gi has no types
    """One media for all viewers while its key holds, whichever port and path they came by."""

    def __init__(self, key: Callable[[], str]) -> None:
        super().__init__()
        self._key = key

    def do_gen_key(self, _url: Any) -> str:
        return self._key()


class _Media(GstRtspServer.RTSPMedia):  # type: ignore[misc]  # gi has no types
    """A media whose description says the H.264 profile and level too: rtph264pay keeps them to itself."""

    def do_setup_sdp(self, sdp: Any, info: Any) -> bool:
        """Called with the description of the media while it is made."""
        if not GstRtspServer.RTSPMedia.do_setup_sdp(self, sdp, info):
            return False
        for media in (sdp.get_media(index) for index in range(sdp.medias_len())):
            for index in range(media.attributes_len()):
                found = media.get_attribute(index)
                if found.key == "fmtp" and (longer := with_profile_level_id(found.value)) != found.value:
                    media.remove_attribute(index)
                    media.add_attribute("fmtp", longer)
                    break
        return True


def _push(source: Any, data: bytes, pts: int) -> None:
    buffer = Gst.Buffer.new_wrapped(data)
    buffer.pts = buffer.dts = pts
    source.emit("push-buffer", buffer)


def _rtp_time(pts: int) -> int:
    return pts * _NS_PER_90K_DENOMINATOR // _NS_PER_90K_NUMERATOR


def _report_each_second(media: Any) -> None:
    # A recorder that joins learns the wall clock from a sender report; RFC 3550 §6.2 allows less than its 5 s.
    for index in range(media.n_streams()):
        media.get_stream(index).get_rtpsession().set_property("rtcp-min-interval", _REPORT_NS)
