"""What happened, as events: when recordings began and ended, from what lies on disk, and the events of their cameras.

tns1:RecordingHistory/Recording/State and /Track/State, and the history of the cameras' own events.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime

from lxml import etree

from nvr_box.record.events import Events, StoredEvent
from nvr_box.services.recordings_view import METADATA, TRACKS, RecordingView, moment
from onvif.events.bus import Event, PropertyOperation
from onvif.events.topics import CAMERA, RECORDING_STATE, TRACK_STATE
from onvif.metadata import utc_text
from onvif.names import TT, WSNT, q

Found = tuple[etree._Element, Event]
"""tt:FindEventResult, and the event in it."""
RECORDED = frozenset({RECORDING_STATE.path, TRACK_STATE.path, *(topic.path for topic in CAMERA)})
"""Topics that can be searched for before anything of them has happened."""
_OPERATIONS = {operation.value: operation for operation in PropertyOperation}


async def past(
    events: Events, recording: RecordingView, start_us: int, end_us: int
) -> AsyncIterator[tuple[int, Found]]:
    """(utc_us, event) of one recording in the order of the search; `end_us` before `start_us` searches backwards."""
    low, high, reverse = min(start_us, end_us), max(start_us, end_us), end_us < start_us
    own = sorted(_changes(recording, low, high), key=lambda pair: pair[0], reverse=reverse)
    camera, last = recording.camera.camera, None
    while page := await events.page(camera, low, high, after=last, reverse=reverse):
        for last in page:
            while own and (own[0][0] >= last.utc_us if reverse else own[0][0] <= last.utc_us):
                yield own.pop(0)
            yield last.utc_us, _result_of(recording, last)
    for pair in own:
        yield pair


async def start_states(events: Events, recording: RecordingView, at_us: int) -> list[Found]:
    """How every property stood at `at_us`, as virtual events of that moment."""
    inside = any(span.start_us <= at_us < span.end_us for span in recording.spans)
    found = list(_states(recording, at_us, present=inside, virtual=True))
    return found + [_result_of(recording, each, at_us) for each in await events.states(recording.camera.camera, at_us)]


def _changes(recording: RecordingView, start_us: int, end_us: int) -> Iterator[tuple[int, Found]]:
    """When the recording began and ended."""
    recording_now = recording.status.state.value == "recording"
    for number, span in enumerate(recording.spans):
        if start_us <= span.start_us <= end_us:
            yield from ((span.start_us, each) for each in _states(recording, span.start_us, present=True))
        growing = recording_now and number == len(recording.spans) - 1
        if start_us <= span.end_us <= end_us and not growing:
            yield from ((span.end_us, each) for each in _states(recording, span.end_us, present=False))


def event(past_: StoredEvent, start_us: int | None = None) -> Event:
    """A camera's event as a search result; with `start_us` the virtual one that says how the property stood then."""
    at = moment(past_.utc_us if start_us is None else start_us)
    operation = _OPERATIONS.get(past_.operation) if start_us is None else PropertyOperation.INITIALIZED
    return Event(past_.topic, at, operation, past_.source, past_.key, past_.data)


def _result_of(recording: RecordingView, past_: StoredEvent, start_us: int | None = None) -> Found:
    said = event(past_, start_us)
    return _result(recording, METADATA, said.utc, said, virtual=start_us is not None), said


def _states(recording: RecordingView, at_us: int, *, present: bool, virtual: bool = False) -> Iterator[Found]:
    at, text = moment(at_us), "true" if present else "false"
    token = ("RecordingToken", recording.token)
    operation = PropertyOperation.INITIALIZED if virtual else PropertyOperation.CHANGED
    event = Event(RECORDING_STATE.path, at, operation, (token,), (), (("IsRecording", text),))
    yield _result(recording, TRACKS[0][0], at, event, virtual=virtual), event
    for track, _ in TRACKS:
        event = Event(TRACK_STATE.path, at, operation, (token, ("Track", track)), (), (("IsDataPresent", text),))
        yield _result(recording, track, at, event, virtual=virtual), event


def _result(recording: RecordingView, track: str, at: datetime, event: Event, *, virtual: bool) -> etree._Element:
    """tt:FindEventResult; by hand, for its event is mixed content."""
    result = etree.Element(q(TT, "Result"))
    for name, value in (("RecordingToken", recording.token), ("TrackToken", track), ("Time", utc_text(at))):
        etree.SubElement(result, q(TT, name)).text = value
    message = event.xml()
    message.tag = q(TT, "Event")
    assert message[0].tag == q(WSNT, "Topic")
    result.append(message)
    etree.SubElement(result, q(TT, "StartStateEvent")).text = "true" if virtual else "false"
    return result
