"""The topics that our devices publish, and the topic set that describes them to a client.

ONVIF Core 26.06, 9.4 (message description) and 9.6 (topic structure); the topics themselves come from the specification
of the service that each belongs to (Imaging, Media 2, Analytics, Recording Control, Receiver).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lxml import etree

from onvif.names import TAS, TNS1, TT, WSTOP, XS, q

Items = Sequence[tuple[str, str]]
"""(item name, type as `xs:boolean` or `tt:ReferenceToken`) in message order."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic and the shape of its message.

    Args:
        path: as clients write it: `tns1:VideoSource/MotionAlarm`.
        lasting: a property with a state (PropertyOperation, re-sent on a synchronisation point) or a bare event.
        source, key, data: the simple items of each part.
        elements: element items of the data part.
    """

    path: str
    lasting: bool
    source: Items = ()
    key: Items = ()
    data: Items = ()
    elements: Items = ()


_SOURCE = (("Source", "tt:ReferenceToken"),)
_STATE = (("State", "xs:boolean"),)
RULE_SOURCE: Items = (
    ("VideoSource", "tt:ReferenceToken"),
    ("AnalyticsConfiguration", "tt:ReferenceToken"),
    ("Rule", "xs:string"),
)
"""Of the events of analytics rules: ONVIF Analytics 26.06, A.1.1."""
_CELL_MOTION = (
    ("VideoSourceConfigurationToken", "tt:ReferenceToken"),
    ("VideoAnalyticsConfigurationToken", "tt:ReferenceToken"),
    ("Rule", "xs:string"),
)
"""ONVIF Analytics 26.06, Annex B, which kept the older names; so do the clients that listen for it."""

MOTION_ALARM = Topic("tns1:VideoSource/MotionAlarm", True, _SOURCE, data=_STATE)
SIGNAL_LOSS = Topic("tns1:VideoSource/SignalLoss", True, _SOURCE, data=_STATE)
TOO_DARK = Topic("tns1:VideoSource/ImageTooDark/ImagingService", True, _SOURCE, data=_STATE)
TOO_BRIGHT = Topic("tns1:VideoSource/ImageTooBright/ImagingService", True, _SOURCE, data=_STATE)
TOO_BLURRY = Topic("tns1:VideoSource/ImageTooBlurry/ImagingService", True, _SOURCE, data=_STATE)
SCENE_CHANGE = Topic("tns1:VideoSource/GlobalSceneChange/ImagingService", True, _SOURCE, data=_STATE)
CELL_MOTION = Topic("tns1:RuleEngine/CellMotionDetector/Motion", True, _CELL_MOTION, data=(("IsMotion", "xs:boolean"),))
PROFILE_CHANGED = Topic("tns1:Media/ProfileChanged", False, (("Token", "tt:ReferenceToken"),))
CONFIGURATION_CHANGED = Topic(
    "tns1:Media/ConfigurationChanged", False, (("Token", "tt:ReferenceToken"), ("Type", "xs:string"))
)
KEY_STATUS = Topic(
    "tns1:Advancedsecurity/Keystore/KeyStatus", False, (("KeyID", "tas:KeyID"),),
    data=(("OldStatus", "tas:KeyStatus"), ("NewStatus", "tas:KeyStatus")),
)  # fmt: skip
LAST_REBOOT = Topic("tns1:Monitoring/OperatingTime/LastReboot", True, data=(("Status", "xs:dateTime"),))
LAST_RESET = Topic("tns1:Monitoring/OperatingTime/LastReset", True, data=(("Status", "xs:dateTime"),))
PROCESSOR_USAGE = Topic(
    "tns1:Monitoring/ProcessorUsage", True, (("Token", "tt:ReferenceToken"),), data=(("Value", "xs:float"),)
)
STORAGE_FAILURE = Topic(
    "tns1:Device/HardwareFailure/StorageFailure", True, (("Token", "tt:ReferenceToken"),),
    data=(("Failed", "xs:boolean"),),
)  # fmt: skip

CAMERA: tuple[Topic, ...] = (
    MOTION_ALARM, CELL_MOTION, SIGNAL_LOSS, TOO_DARK, TOO_BRIGHT, TOO_BLURRY, SCENE_CHANGE,
    PROFILE_CHANGED, CONFIGURATION_CHANGED, KEY_STATUS, LAST_REBOOT, STORAGE_FAILURE,
)  # fmt: skip
"""Of every camera; those of its analytics rules come from the rule types that it has."""

_RECORDING = ("RecordingToken", "tt:ReferenceToken")
_TRACK = ("TrackToken", "tt:ReferenceToken")
JOB_STATE = Topic(
    "tns1:RecordingConfig/JobState", True, (("RecordingJobToken", "tt:ReferenceToken"),),
    data=(("State", "xs:string"),), elements=(("Information", "tt:RecordingJobStateInformation"),),
)  # fmt: skip
RECORDING_CONFIGURATION = Topic(
    "tns1:RecordingConfig/RecordingConfiguration", False, (_RECORDING,),
    elements=(("Configuration", "tt:RecordingConfiguration"),),
)  # fmt: skip
TRACK_CONFIGURATION = Topic(
    "tns1:RecordingConfig/TrackConfiguration", False, (_RECORDING, _TRACK),
    elements=(("Configuration", "tt:TrackConfiguration"),),
)  # fmt: skip
RECORDING_JOB_CONFIGURATION = Topic(
    "tns1:RecordingConfig/RecordingJobConfiguration", False, (("RecordingJobToken", "tt:ReferenceToken"),),
    elements=(("Configuration", "tt:RecordingJobConfiguration"),),
)  # fmt: skip
CREATE_RECORDING = Topic("tns1:RecordingConfig/CreateRecording", False, (_RECORDING,))
DELETE_RECORDING = Topic("tns1:RecordingConfig/DeleteRecording", False, (_RECORDING,))
CREATE_TRACK = Topic("tns1:RecordingConfig/CreateTrack", False, (_RECORDING, _TRACK))
DELETE_TRACK = Topic("tns1:RecordingConfig/DeleteTrack", False, (_RECORDING, _TRACK))
DELETE_TRACK_DATA = Topic(
    "tns1:RecordingConfig/DeleteTrackData", False, (_RECORDING, _TRACK),
    data=(("StartTime", "xs:dateTime"), ("EndTime", "xs:dateTime")),
)  # fmt: skip
RECORDING_STATE = Topic(
    "tns1:RecordingHistory/Recording/State", True, (_RECORDING,), data=(("IsRecording", "xs:boolean"),)
)
TRACK_STATE = Topic(
    "tns1:RecordingHistory/Track/State", True, (_RECORDING, ("Track", "tt:ReferenceToken")),
    data=(("IsDataPresent", "xs:boolean"),),
)  # fmt: skip
RECEIVER_STATE = Topic(
    "tns1:Receiver/ChangeState", True, (("ReceiverToken", "tt:ReferenceToken"),),
    data=(("NewState", "xs:string"), ("MediaUri", "xs:anyURI")),
)  # fmt: skip
RECEIVER_FAILED = Topic(
    "tns1:Receiver/ConnectionFailed", False, (("ReceiverToken", "tt:ReferenceToken"),),
    data=(("MediaUri", "xs:anyURI"),),
)  # fmt: skip

RECORDER: tuple[Topic, ...] = (
    JOB_STATE, RECORDING_CONFIGURATION, TRACK_CONFIGURATION, RECORDING_JOB_CONFIGURATION, CREATE_RECORDING,
    DELETE_RECORDING, CREATE_TRACK, DELETE_TRACK, DELETE_TRACK_DATA, RECORDING_STATE, TRACK_STATE, RECEIVER_STATE,
    RECEIVER_FAILED, KEY_STATUS, LAST_REBOOT, STORAGE_FAILURE,
)  # fmt: skip


def topic_set(topics: Iterable[Topic]) -> etree._Element:
    """The `wstop:TopicSet` of GetEventProperties.

    Only the root topics carry the `tns1` prefix, their descendants none (ONVIF Core 9.6.1, as the field reads it).
    """
    root = etree.Element(q(WSTOP, "TopicSet"), nsmap={"wstop": WSTOP, "tns1": TNS1, "tt": TT, "tas": TAS, "xs": XS})
    for topic in topics:
        node = root
        names = topic.path.removeprefix("tns1:").split("/")
        for depth, name in enumerate(names):
            tag = q(TNS1, name) if depth == 0 else name
            found = node.find(tag)
            node = found if found is not None else etree.SubElement(node, tag)
        node.set(q(WSTOP, "topic"), "true")
        node.append(describe(topic))
    return root


def describe(topic: Topic) -> etree._Element:
    """The `tt:MessageDescription` of one topic."""
    description = etree.Element(q(TT, "MessageDescription"), IsProperty="true" if topic.lasting else "false")
    for name, simple, elements in (
        ("Source", topic.source, ()), ("Key", topic.key, ()), ("Data", topic.data, topic.elements)
    ):  # fmt: skip
        if not simple and not elements:
            continue
        part = etree.SubElement(description, q(TT, name))
        for item, type_ in simple:
            etree.SubElement(part, q(TT, "SimpleItemDescription"), Name=item, Type=type_)
        for item, type_ in elements:
            etree.SubElement(part, q(TT, "ElementItemDescription"), Name=item, Type=type_)
    return description
