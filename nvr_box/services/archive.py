"""The box's recordings as samples for replay: access units with their SEI untouched, and what the camera saw."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator

from base.clock import utc_us
from base.errors import NotFound, StoreError
from nvr_box.record.access_units import access_units
from nvr_box.record.events import StoredEvent
from nvr_box.record.fmp4 import TIMESCALE
from nvr_box.record.recordings import RecordedGop
from nvr_box.record.sightings import Sighting
from nvr_box.services.event_search import event
from nvr_box.services.metadata_frames import frame
from nvr_box.services.recordings_view import METADATA, SERVICE, VIDEO, Catalogue, recording_token
from onvif import metadata
from onvif.errors import Fault
from onvif.rtsp.replay_play import ReplayDescription, ReplaySample
from wire.nal import Codec, split

log = logging.getLogger(__name__)
_CODECS = {Codec.H264: "H264", Codec.H265: "H265"}
_SAME_SECTION_US = 300_000
_SEEN_EVERY_US = 200_000


class BoxArchive:
    """onvif.rtsp.replay_play.Archive over one box."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def describe(self, token: str) -> ReplayDescription | None:
        """None for an unknown recording and for one with nothing in it."""
        try:
            recording = await self._catalogue.recording(token)
        except Fault:
            return None
        if recording.earliest_us is None or recording.latest_us is None:
            return None
        codecs = await self._catalogue.box.recordings.codecs(recording.camera.camera)
        words = tuple(dict.fromkeys(_CODECS[codec] for codec in codecs if codec in _CODECS))
        if not words:
            return None
        sets = await self._parameter_sets(recording.camera.camera, recording.latest_us)
        return ReplayDescription(words, recording.earliest_us, recording.latest_us, (VIDEO, METADATA), sets)

    async def samples(
        self, token: str, start_us: int, end_us: int | None, *, reverse: bool, user: str
    ) -> AsyncIterator[ReplaySample]:
        """See Archive; `end_us` is the earlier end in reverse. A viewing like one on the page, written down as one."""
        camera, viewings = self._number(token), self._catalogue.box.recordings.viewings
        viewing = await viewings.begin(user, camera, start_us, via="rtsp")
        samples = self._samples(camera, start_us, end_us, reverse=reverse)
        try:
            async with contextlib.aclosing(samples):
                async for sample in samples:
                    if sample.track == VIDEO:
                        viewing.shown.add(sample.utc_us, sample.utc_us)
                    yield sample
        finally:
            viewings.left(viewing)

    async def _samples(
        self, camera: int, start_us: int, end_us: int | None, *, reverse: bool
    ) -> AsyncGenerator[ReplaySample]:
        chunks = self._backwards(camera, start_us, end_us) if reverse else self._forwards(camera, start_us, end_us)
        section, expected_us = 0, None
        async for chunk in chunks:
            codec, units = access_units(chunk)
            if reverse or expected_us is None or abs(chunk.start_us - expected_us) > _SAME_SECTION_US:
                section += 1
            seen_us = 0
            events = list(await self._events(camera, chunk))
            for unit in units:
                expected_us = unit.utc_us
                if not reverse and end_us is not None and unit.utc_us > end_us:
                    return
                yield ReplaySample(VIDEO, unit.data, unit.utc_us, unit.key, section, _CODECS[codec])
                if unit.utc_us - seen_us >= _SEEN_EVERY_US:
                    seen_us = unit.utc_us
                    document = await self._document(camera, unit.utc_us, _until(events, unit.utc_us))
                    yield ReplaySample(METADATA, document, unit.utc_us, True, section)
            if events and expected_us is not None:
                yield ReplaySample(
                    METADATA, await self._document(camera, expected_us, events), expected_us, True, section
                )

    def _forwards(self, camera: int, start_us: int, end_us: int | None) -> AsyncIterator[RecordedGop]:
        return self._catalogue.box.recordings.chunks(camera, start_us, end_us)

    async def _backwards(self, camera: int, start_us: int, end_us: int | None) -> AsyncIterator[RecordedGop]:
        recordings = self._catalogue.box.recordings
        keys = await recordings.key_frames(SERVICE, camera, end_us or 0, min(start_us, utc_us()) + 1)
        for key_us in reversed(keys):
            async for chunk in recordings.chunks(camera, key_us):
                yield chunk
                break

    async def _events(self, camera: int, chunk: RecordedGop) -> tuple[StoredEvent, ...]:
        """The camera's events during a GOP."""
        last, _ = chunk.fragments[-1]
        end_us = chunk.segment_us + (last.time_90k + last.duration_90k) * 1_000_000 // TIMESCALE
        return await self._catalogue.box.recordings.events.page(camera, chunk.start_us, end_us - 1)

    async def _document(self, camera: int, at_us: int, events: list[StoredEvent]) -> bytes:
        """What the camera saw then, as it said it, and its events; a frame without objects when it said nothing."""
        sighting = await self._catalogue.box.recordings.sighting(camera, at_us)
        return metadata.document((frame(sighting or Sighting(at_us, ())),), [event(each).xml() for each in events])

    async def _parameter_sets(self, camera: int, latest_us: int) -> dict[str, tuple[bytes, ...]]:
        """What the latest picture is decoded with, by its codec; nothing where that cannot be read."""
        try:
            chunk = await self._catalogue.box.recordings.showing(camera, latest_us)
            return await asyncio.to_thread(_parameter_sets, chunk)
        except (NotFound, StoreError) as problem:
            log.warning("a recording is described without its parameter sets: %s", problem)
            return {}

    def _number(self, token: str) -> int:
        for camera in self._catalogue.box.cameras.list(SERVICE):
            if recording_token(camera) == token:
                return camera.camera
        raise NotFound(f"there is no recording {token[:64]!r}")


def _until(events: list[StoredEvent], at_us: int) -> list[StoredEvent]:
    """Remove the events up to `at_us` from the front of `events`, and return them."""
    taken = [each for each in events if each.utc_us <= at_us]
    del events[: len(taken)]
    return taken


def _parameter_sets(chunk: RecordedGop) -> dict[str, tuple[bytes, ...]]:
    codec, units = access_units(chunk)
    first = next(units, None)
    found = tuple(unit for unit in split(first.data) if codec.is_parameter_set(unit)) if first is not None else ()
    return {_CODECS[codec]: found}
