"""The recording history as events: tns1:RecordingHistory/Recording/State and /Track/State, from what lies on disk."""

from collections.abc import Iterator
from datetime import datetime

from lxml import etree

from nvr_box.services.catalogue import TRACKS, Recording, moment
from onvif.events.bus import Event, Operation
from onvif.events.topics import RECORDING_STATE, TRACK_STATE
from onvif.metadata import utc_text
from onvif.names import TT, WSNT, q


def history(
    recording: Recording, start_us: int, end_us: int, *, start_state: bool
) -> Iterator[tuple[etree._Element, Event]]:
    """Each change within [start_us, end_us] as (tt:Result element, event).

    Args:
        start_state: begin with how everything stood at `start_us`, marked as such.
    """
    recording_now = recording.status.state.value == "recording"
    if start_state:
        inside = any(span.start_us <= start_us < span.end_us for span in recording.spans)
        yield from _states(recording, start_us, present=inside, virtual=True)
    for number, span in enumerate(recording.spans):
        if start_us <= span.start_us <= end_us:
            yield from _states(recording, span.start_us, present=True, virtual=False)
        growing = recording_now and number == len(recording.spans) - 1
        if start_us <= span.end_us <= end_us and not growing:
            yield from _states(recording, span.end_us, present=False, virtual=False)


def _states(
    recording: Recording, at_us: int, *, present: bool, virtual: bool
) -> Iterator[tuple[etree._Element, Event]]:
    at, text = moment(at_us), "true" if present else "false"
    token = ("RecordingToken", recording.token)
    operation = Operation.INITIALIZED if virtual else Operation.CHANGED
    event = Event(RECORDING_STATE.path, at, operation, (token,), (), (("IsRecording", text),))
    yield _result(recording, TRACKS[0][0], at, event, virtual=virtual), event
    for track, _ in TRACKS:
        event = Event(TRACK_STATE.path, at, operation, (token, ("Track", track)), (), (("IsDataPresent", text),))
        yield _result(recording, track, at, event, virtual=virtual), event


def _result(recording: Recording, track: str, at: datetime, event: Event, *, virtual: bool) -> etree._Element:
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
