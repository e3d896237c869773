"""What the search service tells of a recording: tt:RecordingInformation and tt:MediaAttributes."""

from typing import Any

from lxml import etree

from base.clock import utc_us
from nvr_box.services.recordings_view import METADATA, TRACKS, VIDEO, RecordingView, moment, source_values
from onvif.names import TSE
from onvif.registry import load


def information(recording: RecordingView) -> dict[str, Any]:
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


def element(recording: RecordingView) -> etree._Element:
    """The same as an element, for tests of its content."""
    values = {"RecordingInformation": information(recording)}
    return load().operation(TSE, "GetRecordingInformation").encode_reply(values)[0]


def attributes(recording: RecordingView, at_us: int) -> dict[str, Any] | None:
    """tt:MediaAttributes of the stretch that holds `at_us`; None where nothing was recorded."""
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


def _status(recording: RecordingView) -> str:
    if recording.status.state.value == "recording":
        return "Recording"
    return "Stopped" if recording.spans else "Initiated"
