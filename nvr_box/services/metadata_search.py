"""Looking through what was recorded, lazily and in order of time: the metadata tracks of several recordings at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

from nvr_box.record.recordings import Recordings
from nvr_box.record.sightings import Sighting
from nvr_box.services.expressions import Test
from nvr_box.services.metadata_frames import stream
from nvr_box.services.recordings_view import METADATA, RecordingView, moment

T = TypeVar("T")


def seen_matches(
    recordings: Recordings, scope: Sequence[RecordingView], start_us: int, end_us: int, test: Test
) -> AsyncIterator[dict[str, Any]]:
    """tt:FindMetadataResult for each picture whose metadata satisfies `test`.

    Args:
        end_us: before `start_us` to look backwards; both belong to the range.
    """
    tracks = [_track(recordings, recording, start_us, end_us, test) for recording in scope]
    return _results(merged(tracks, reverse=end_us < start_us))


async def merged(sources: Sequence[AsyncIterator[tuple[int, T]]], *, reverse: bool) -> AsyncIterator[T]:
    """The values of several (utc_us, value) sequences, each in order, in the order of their times."""
    waiting: list[tuple[int, T, AsyncIterator[tuple[int, T]]]] = []
    for source in sources:
        first = await anext(source, None)
        if first is not None:
            waiting.append((*first, source))
    while waiting:
        place = (max if reverse else min)(range(len(waiting)), key=lambda at: waiting[at][0])
        _, value, source = waiting.pop(place)
        yield value
        following = await anext(source, None)
        if following is not None:
            waiting.insert(place, (*following, source))


async def _results(found: AsyncIterator[tuple[str, int]]) -> AsyncIterator[dict[str, Any]]:
    async for recording, utc_us in found:
        yield {"RecordingToken": recording, "TrackToken": METADATA, "Time": moment(utc_us)}


async def _track(
    recordings: Recordings, recording: RecordingView, start_us: int, end_us: int, test: Test
) -> AsyncIterator[tuple[int, tuple[str, int]]]:
    """(utc_us, (recording, utc_us)) of the matches in one metadata track."""
    low, high, reverse = min(start_us, end_us), max(start_us, end_us), end_us < start_us
    async for sightings in recordings.sightings(recording.camera.camera, low, high, reverse=reverse):
        for utc_us in await asyncio.to_thread(_matching, sightings, test):
            yield utc_us, (recording.token, utc_us)


def _matching(sightings: Sequence[Sighting], test: Test) -> list[int]:
    return [each.utc_us for each in sightings if test(stream(each))]
