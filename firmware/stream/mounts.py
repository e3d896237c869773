"""The RTSP paths of the media profiles: `/TOKEN` carries what the profile of that token ties together.

Profiles with the same encoder and the same tracks share one stream, so that a second profile costs nothing and a
configuration's multicast group has one sender. Paths come and go with the profiles; what a profile's viewers see ends
only when that profile's own tracks change.
"""

import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from base.settings_file import Stored
from firmware.encode.access_unit import AccessUnit
from firmware.media_state import METADATA, MediaProfile, MediaState, Multicast
from firmware.stream.live import PipelineControl
from onvif.rtsp.live import LiveStream as Stream
from onvif.rtsp.live import StreamTracks
from onvif.rtsp.serve import MulticastGroup, RtspServer

SECURE = "srtp/"
"""In front of a token: the same stream by SRTP, on the RTSPS port only."""
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,40}")


def path(token: str) -> str:
    """Of the profile of this token, without a slash in front; clients may choose tokens that no address can hold."""
    return token if _PLAIN.fullmatch(token) else f"profile-{hashlib.sha256(token.encode()).hexdigest()[:20]}"


@dataclass(frozen=True, slots=True)
class StreamContent:
    """What a stream carries: the picture of an encoder, by token, or none; the metadata; by SRTP or not."""

    encoder: str
    metadata: bool
    secure: bool = False


def stream_content(profile: MediaProfile) -> StreamContent | None:
    """What a profile's stream carries; None for a profile that has nothing to stream."""
    encoder = profile.encoder if profile.source else ""
    return StreamContent(encoder, bool(profile.metadata)) if encoder or profile.metadata else None


class MountPoints:
    """Keeps the server's paths as the media settings want them; fed by the encode thread, changed by any.

    Args:
        server: of RTSP.
        live: the encoders.
        media: profiles and configurations.
        group: the multicast group of a configuration as set, and its token.
    """

    def __init__(
        self,
        server: RtspServer,
        live: PipelineControl,
        media: Stored[MediaState],
        group: Callable[[Multicast, str], Multicast],
    ) -> None:
        self._server = server
        self._live = live
        self._media = media
        self._group = group
        self._streams: dict[StreamContent, Stream] = {}
        self._mounted: set[str] = set()
        self._changing = threading.Lock()
        live.changing.listen(self._change)
        self.apply()
        media.listen(lambda _old, _new: self.apply())

    def apply(self) -> None:
        """Take over profiles and groups as they are now."""
        with self._changing:
            self._apply_state(self._media.value)

    def _apply_state(self, state: MediaState) -> None:
        for token, encoder in state.encoders.items():
            self._server.group(token, _as_group(self._group(encoder.multicast, token)))
        self._server.group(METADATA, _as_group(self._group(state.metadata.multicast, METADATA)))
        wanted = {
            path(profile.token): found for profile in state.profiles if (found := stream_content(profile)) is not None
        }
        for carried in wanted.values():
            timed = state.encoders[carried.encoder] if carried.encoder else state.metadata
            for content in (carried, replace(carried, secure=True)):
                self._stream(content).timeout_s = timed.session_timeout_s
        for place in self._mounted - wanted.keys():
            self._server.unmount(place)
            self._server.unmount(SECURE + place)
        for place, carried in wanted.items():
            self._server.mount(place, self._stream(carried))
            self._server.mount(SECURE + place, self._stream(replace(carried, secure=True)))
        self._mounted = set(wanted)

    def watched(self, encoder: str) -> bool:
        """Whether a viewer watches the pictures of this encoder; encode thread."""
        return any(stream.watched for carried, stream in list(self._streams.items()) if carried.encoder == encoder)

    def video(self, encoder: str, unit: AccessUnit) -> None:
        """One access unit of this encoder; encode thread."""
        for carried, stream in list(self._streams.items()):
            # The last pictures before a change of encoding come behind its announcement: no viewer can show them any
            # more.
            if carried.encoder == encoder and stream.track.codec == unit.encoding:
                stream.video(unit.data, pts_90k=unit.pts_90k, utc_us=unit.utc_us, idr=unit.idr)

    @property
    def metadata_watched(self) -> bool:
        """Whether a stream with metadata is watched."""
        return any(carried.metadata and stream.watched for carried, stream in list(self._streams.items()))

    def metadata(self, document: bytes, *, pts_90k: int, utc_us: int) -> None:
        """One document, into every stream that has metadata; any thread."""
        for carried, stream in list(self._streams.items()):
            if carried.metadata:
                stream.metadata(document, pts_90k=pts_90k, utc_us=utc_us)

    @contextlib.contextmanager
    def _change(self, encoder: str, encoding: str) -> Iterator[None]:
        """The encoder is changed over within the block: viewers that come meanwhile wait for the new one."""
        with contextlib.ExitStack() as changing:
            for carried, stream in list(self._streams.items()):
                if carried.encoder == encoder and stream.track.codec != encoding:
                    changing.enter_context(self._server.changing(stream, encoding))
            yield
        with self._changing:
            for carried, stream in list(self._streams.items()):  # one more that came within the block
                if carried.encoder == encoder and stream.track.codec != self._live.encoding(encoder):
                    self._server.carry(stream, self._live.encoding(encoder))

    def _without_pictures(self, _from_utc_us: int) -> None:
        """A viewer joins a stream that has only metadata."""
        self._live.joined()

    def _stream(self, carried: StreamContent) -> Stream:
        found = self._streams.get(carried)
        if found is None:
            encoding = self._live.encoding(carried.encoder) if carried.encoder else None
            request_idr = self._live.idr_requester(carried.encoder) if carried.encoder else self._without_pictures
            groups = {} if carried.secure else {"video": carried.encoder, "metadata": METADATA}
            track = StreamTracks(encoding, carried.metadata, carried.secure)
            found = self._streams[carried] = self._server.stream(track, request_idr, groups)
        return found


def _as_group(chosen: Multicast) -> MulticastGroup:
    return MulticastGroup(chosen.address, chosen.port, chosen.ttl)
