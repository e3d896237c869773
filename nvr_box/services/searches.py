"""The search service (ONVIF Recording Search 26.06): recordings, events and metadata of the past."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from base.clock import utc_us
from nvr_box.services.event_search import RECORDED, Found, past, start_states
from nvr_box.services.expressions import expression
from nvr_box.services.information import attributes, element, information
from nvr_box.services.jobs import Jobs
from nvr_box.services.metadata_search import merged, seen_matches
from nvr_box.services.recordings_view import Catalogue, RecordingView, microseconds, moment
from nvr_box.services.search_sessions import SearchSessions
from onvif import names
from onvif.events.filters import Filter, compile_filter
from onvif.names import TSE, q
from onvif.registry import load
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/search"


class RecordingSearch:
    """The handlers."""

    def __init__(self, catalogue: Catalogue, jobs: Jobs) -> None:
        self._catalogue, self._jobs = catalogue, jobs
        self.searches = SearchSessions()

    @operation("GetRecordingSummary")
    async def get_recording_summary(self, _call: Call) -> Reply:
        recordings = await self._catalogue.recordings()
        starts = [recording.earliest_us for recording in recordings if recording.earliest_us is not None]
        ends = [recording.latest_us for recording in recordings if recording.latest_us is not None]
        now = utc_us()
        return {
            "Summary": {
                "DataFrom": moment(min(starts, default=now)), "DataUntil": moment(max(ends, default=now)),
                "NumberRecordings": len(recordings),
            }
        }  # fmt: skip

    @operation("GetRecordingInformation")
    async def get_recording_information(self, call: Call) -> Reply:
        recording = await self._catalogue.recording(str(call.request.RecordingToken))
        return {"RecordingInformation": information(recording)}

    @operation("GetMediaAttributes")
    async def get_media_attributes(self, call: Call) -> Reply:
        at_us = microseconds(call.request.Time)
        tokens = [str(token) for token in call.request.RecordingTokens or ()]
        recordings = [await self._catalogue.recording(token) for token in tokens] or await self._catalogue.recordings()
        return {"MediaAttributes": [found for one in recordings if (found := attributes(one, at_us)) is not None]}

    @operation("FindRecordings")
    async def find_recordings(self, call: Call) -> Reply:
        found = [information(recording) for recording in await self._scope(call.request.Scope)]
        return await self._begin("recordings", _listed(found), call, utc_us())

    @operation("GetRecordingSearchResults")
    async def get_recording_search_results(self, call: Call) -> Reply:
        portion, state = await self.searches.portion("recordings", call.request)
        return {"ResultList": {"SearchState": state, "RecordingInformation": portion}}

    @operation("FindEvents")
    async def find_events(self, call: Call) -> Reply:
        request = call.request
        start_us, end_us = _range(request)
        events = self._catalogue.box.recordings.events
        wanted = compile_filter(call.element.find(q(TSE, "SearchFilter")), RECORDED | await events.topics())
        scope = await self._scope(request.Scope)
        start = [
            found
            for recording in (scope if request.IncludeStartState else ())
            for found in await start_states(events, recording, start_us)
        ]
        found = merged([past(events, one, start_us, end_us) for one in scope], reverse=end_us < start_us)
        return await self._begin("events", _wanted(start, found, wanted), call, end_us)

    @operation("GetEventSearchResults")
    async def get_event_search_results(self, call: Call) -> Reply:
        portion, state = await self.searches.portion("events", call.request)
        reply = load().operation(TSE, "GetEventSearchResults").encode_reply({"ResultList": {"SearchState": state}})
        reply[0].extend(portion)
        return reply

    @operation("FindMetadata")
    async def find_metadata(self, call: Call) -> Reply:
        request = call.request
        start_us, end_us = _range(request)
        test = expression(str(request.MetadataFilter.MetadataStreamFilter or ""))
        found = seen_matches(self._catalogue.box.recordings, await self._scope(request.Scope), start_us, end_us, test)
        return await self._begin("metadata", found, call, end_us)

    @operation("GetMetadataSearchResults")
    async def get_metadata_search_results(self, call: Call) -> Reply:
        portion, state = await self.searches.portion("metadata", call.request)
        return {"ResultList": {"SearchState": state, "Result": portion}}

    @operation("GetSearchState")
    async def get_search_state(self, call: Call) -> Reply:
        search = await self.searches.get(str(call.request.SearchToken))
        return {"State": "Completed" if search.completed else "Searching"}

    @operation("EndSearch")
    async def end_search(self, call: Call) -> Reply:
        return {"Endpoint": await self.searches.end(str(call.request.SearchToken))}

    async def _begin(self, kind: str, results: AsyncIterator[Any], call: Call, end_us: int) -> Reply:
        token = f"search-{self._catalogue.number()}"
        await self.searches.begin(token, kind, results, call.request, moment(end_us))
        return {"SearchToken": token}

    async def _scope(self, scope: Any) -> Sequence[RecordingView]:
        """The recordings that a tt:SearchScope means; raises Fault for an expression that is none."""
        recordings = await self._catalogue.recordings()
        if scope is None:
            return recordings
        if scope.IncludedRecordings:
            wanted = {str(token) for token in scope.IncludedRecordings}
            for token in wanted:
                self._catalogue.camera(token)
            recordings = [recording for recording in recordings if recording.token in wanted]
        if scope.IncludedSources:
            sources = {str(source.Token) for source in scope.IncludedSources}
            jobs = {job.recording for job in self._jobs.all() if job.source in sources}
            recordings = [recording for recording in recordings if recording.token in jobs]
        if scope.RecordingInformationFilter:
            test = expression(str(scope.RecordingInformationFilter))
            recordings = [recording for recording in recordings if test(element(recording))]
        return recordings


def search_service(handlers: RecordingSearch) -> Service:
    return service(handlers, names.TSE, path=PATH, capabilities=_capabilities)


def _capabilities() -> Mapping[str, Any]:
    return {"MetadataSearch": True, "GeneralStartEvents": True}


def _range(request: Any) -> tuple[int, int]:
    """Start and end of a search; an end before the start is a search backwards."""
    return microseconds(request.StartPoint), microseconds(
        request.EndPoint
    ) if request.EndPoint is not None else utc_us()


async def _listed(results: Iterable[Any]) -> AsyncIterator[Any]:
    for result in results:
        yield result


async def _wanted(start: Iterable[Found], found: AsyncIterator[Found], wanted: Filter) -> AsyncIterator[Any]:
    """The results whose event passes the filter."""
    for result, event in start:
        if wanted(event):
            yield result
    async for result, event in found:
        if wanted(event):
            yield result
