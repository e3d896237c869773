"""The search service (ONVIF Recording Search 26.06): what is recorded, and when recordings began and ended."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lxml import etree

from nvr_box.clock import utc_us
from nvr_box.services.catalogue import (
    METADATA,
    TRACKS,
    VIDEO,
    Catalogue,
    Recording,
    microseconds,
    moment,
    source_values,
)
from nvr_box.services.history import history
from onvif import names
from onvif.errors import impossible, invalid
from onvif.events.filters import compile_filter
from onvif.events.topics import RECORDING_STATE, TRACK_STATE
from onvif.names import TSE, TT, q
from onvif.registry import load
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/search"
MOST_SEARCHES = 32
LONGEST_EXPRESSION = 1000
_LONGEST_LIFE_S, _SHORTEST_LIFE_S = 3600.0, 5.0
_MOST_RESULTS = 1000


@dataclass(slots=True)
class Search:
    """One search and what of it was not fetched yet."""

    kind: str
    results: list[Any]
    end: datetime
    life_s: float
    expires_s: float
    fetched: int = field(default=0)


class RecordingSearch:
    """The handlers. A search is done when it is made; its results are handed out in the portions asked for."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._searches: dict[str, Search] = {}

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
        return {"MediaAttributes": [found for one in recordings if (found := _attributes(one, at_us)) is not None]}

    @operation("FindRecordings")
    async def find_recordings(self, call: Call) -> Reply:
        found = [information(recording) for recording in await self._scope(call.request.Scope)]
        return self._begin("recordings", found, call, moment(utc_us()))

    @operation("GetRecordingSearchResults")
    async def get_recording_search_results(self, call: Call) -> Reply:
        portion, state = self._portion(call, "recordings")
        return {"ResultList": {"SearchState": state, "RecordingInformation": portion}}

    @operation("FindEvents")
    async def find_events(self, call: Call) -> Reply:
        asked = call.request
        start_us = microseconds(asked.StartPoint)
        end_us = microseconds(asked.EndPoint) if asked.EndPoint is not None else utc_us()
        wanted = compile_filter(call.element.find(q(TSE, "SearchFilter")), (RECORDING_STATE.path, TRACK_STATE.path))
        found = [
            (result, event)
            for recording in await self._scope(asked.Scope)
            for result, event in history(
                recording, min(start_us, end_us), max(start_us, end_us), start_state=bool(asked.IncludeStartState)
            )
            if wanted(event)
        ]
        found.sort(key=lambda pair: pair[1].utc, reverse=end_us < start_us)
        return self._begin("events", [result for result, _ in found], call, moment(end_us))

    @operation("GetEventSearchResults")
    async def get_event_search_results(self, call: Call) -> Reply:
        portion, state = self._portion(call, "events")
        reply = load().operation(TSE, "GetEventSearchResults").encode_reply({"ResultList": {"SearchState": state}})
        reply[0].extend(portion)
        return reply

    @operation("GetSearchState")
    async def get_search_state(self, call: Call) -> Reply:
        search = self._get(str(call.request.SearchToken))
        return {"State": "Completed" if search.fetched >= len(search.results) else "Searching"}

    @operation("EndSearch")
    async def end_search(self, call: Call) -> Reply:
        token = str(call.request.SearchToken)
        search = self._get(token)
        del self._searches[token]
        return {"Endpoint": search.end}

    def _begin(self, kind: str, results: list[Any], call: Call, end: datetime) -> Reply:
        self._expire()
        if len(self._searches) >= MOST_SEARCHES:
            raise impossible(f"at most {MOST_SEARCHES} searches at once", "ResourceProblem")
        most, life = call.request.MaxMatches, call.request.KeepAliveTime
        if most is not None:
            results = results[: max(int(most), 0)]
        seconds = life.total_seconds() if hasattr(life, "total_seconds") else _SHORTEST_LIFE_S
        seconds = min(max(seconds, _SHORTEST_LIFE_S), _LONGEST_LIFE_S)
        token = f"search-{self._catalogue.number()}"
        self._searches[token] = Search(kind, results, end, seconds, time.monotonic() + seconds)
        return {"SearchToken": token}

    def _portion(self, call: Call, kind: str) -> tuple[list[Any], str]:
        search = self._get(str(call.request.SearchToken))
        if search.kind != kind:
            raise invalid("this search is of another kind", "InvalidToken")
        most = call.request.MaxResults
        count = min(int(most), _MOST_RESULTS) if most is not None else _MOST_RESULTS
        portion = search.results[search.fetched : search.fetched + max(count, 0)]
        search.fetched += len(portion)
        return portion, "Completed" if search.fetched >= len(search.results) else "Searching"

    def _get(self, token: str) -> Search:
        self._expire()
        search = self._searches.get(token)
        if search is None:
            raise invalid(f"there is no search {token[:64]!r}", "InvalidToken")
        search.expires_s = time.monotonic() + search.life_s
        return search

    def _expire(self) -> None:
        now_s = time.monotonic()
        self._searches = {token: search for token, search in self._searches.items() if search.expires_s > now_s}

    async def _scope(self, scope: Any) -> Sequence[Recording]:
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
            jobs = {job.recording for job in self._catalogue.jobs() if job.source in sources}
            recordings = [recording for recording in recordings if recording.token in jobs]
        if scope.RecordingInformationFilter:
            test = expression(str(scope.RecordingInformationFilter))
            recordings = [recording for recording in recordings if test(_bare(information(recording)))]
        return recordings


def search_service(handlers: RecordingSearch) -> Service:
    return service(handlers, names.TSE, path=PATH, capabilities=_capabilities)


def _capabilities() -> Mapping[str, Any]:
    return {"MetadataSearch": False, "GeneralStartEvents": False}


def expression(text: str) -> Any:
    """A test of the XPath dialect (Recording Search 26.06, 5.26) on recording information without namespaces.

    Raises:
        Fault: ter:InvalidFilterFault when it is none.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise invalid(f"an expression has at most {LONGEST_EXPRESSION} characters", "InvalidFilterFault")
    try:
        compiled = etree.XPath(text, regexp=False)
        compiled(etree.Element("RecordingInformation"))
    except etree.XPathError as problem:
        raise invalid(f"the expression cannot be read: {problem}", "InvalidFilterFault") from problem
    return lambda element: bool(compiled(element))


def information(recording: Recording) -> dict[str, Any]:
    """tt:RecordingInformation."""
    values: dict[str, Any] = {
        "RecordingToken": recording.token, "Source": source_values(recording), "Content": recording.texts.content,
        "Track": [], "RecordingStatus": _status(recording),
    }  # fmt: skip
    now = utc_us()
    first = recording.earliest_us if recording.earliest_us is not None else now
    last = recording.latest_us if recording.latest_us is not None else now
    if recording.spans:
        values |= {"EarliestRecording": moment(first), "LatestRecording": moment(last)}
    for token, kind in TRACKS:
        values["Track"].append(
            {"TrackToken": token, "TrackType": kind, "Description": recording.description(token),
             "DataFrom": moment(first), "DataTo": moment(last)}
        )  # fmt: skip
    return values


def _status(recording: Recording) -> str:
    if recording.status.state.value == "recording":
        return "Recording"
    if recording.status.state.value == "off":
        return "Stopped" if recording.spans else "NoData"
    return "Initiated"


def _attributes(recording: Recording, at_us: int) -> dict[str, Any] | None:
    span = next((span for span in recording.spans if span.start_us <= at_us <= span.end_us), None)
    if span is None:
        return None
    tracks = {track["TrackToken"]: track for track in information(recording)["Track"]}
    status = recording.status
    video = {
        "Width": status.width, "Height": status.height, "Encoding": recording.encoding or "H264",
        "Framerate": float(status.rate_fps), "Bitrate": 0,
    }  # fmt: skip
    metadata = {"CanContainPTZ": False, "CanContainAnalytics": True, "CanContainNotifications": True}
    return {
        "RecordingToken": recording.token, "From": moment(span.start_us), "Until": moment(span.end_us),
        "TrackAttributes": [
            {"TrackInformation": tracks[VIDEO], "VideoAttributes": video},
            {"TrackInformation": tracks[METADATA], "MetadataAttributes": metadata},
        ],
    }  # fmt: skip


def _bare(values: dict[str, Any]) -> etree._Element:
    """Recording information as element without namespaces, as the dialect's examples address it."""
    reply = load().operation(TSE, "GetRecordingInformation").encode_reply({"RecordingInformation": values})[0]
    for element in reply.iter():
        element.tag = str(element.tag).removeprefix(f"{{{TT}}}").removeprefix(f"{{{TSE}}}")
    return reply
