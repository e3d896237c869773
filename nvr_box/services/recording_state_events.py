"""tns1:RecordingHistory on the bus: whether each recording and track is being written now."""

from nvr_box.cameras.cameras import CameraRecordingState
from nvr_box.services.recordings_view import SERVICE, TRACKS, Catalogue, recording_token
from onvif.events import Bus
from onvif.events.topics import RECORDING_STATE, TRACK_STATE


def publish_recordings(catalogue: Catalogue, bus: Bus) -> None:
    """Say how every recording stands; the bus keeps quiet about what it knows."""
    for camera in catalogue.box.cameras.list(SERVICE):
        written = catalogue.box.cameras.status(SERVICE, camera.camera).state is CameraRecordingState.RECORDING
        token = recording_token(camera)
        bus.publish(RECORDING_STATE.path, {"RecordingToken": token}, {"IsRecording": written})
        for track, _ in TRACKS:
            bus.publish(TRACK_STATE.path, {"RecordingToken": token, "Track": track}, {"IsDataPresent": written})
