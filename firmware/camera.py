"""Everything of the camera that its services may touch, in one place."""

from dataclasses import dataclass

from base.settings_file import Stored
from firmware.analytics import Engine
from firmware.config import CameraConfig
from firmware.identity import CameraIdentity
from firmware.imaging import Sensor
from firmware.mask.polygons import PolygonSettings
from firmware.osd import Overlay
from firmware.pairing import PairingEndpoint
from firmware.released_places import ReleasedPlacesEndpoint
from firmware.selection import SelectionEndpoint
from firmware.settings import Settings
from firmware.stream.live import PipelineControl
from firmware.stream.multicast import GroupOf
from onvif.events.bus import Bus
from onvif.rtsp.serve import RtspServer


@dataclass(slots=True)
class CameraContext:
    """One running camera.

    Args:
        config: what the operator wrote.
        identity: its key and identifier.
        settings: what ONVIF clients changed, and the users.
        bus: where events are said.
        sensor: the raw picture: its adjustment and the tamper watch.
        engine: analytics modules and rules.
        overlay: texts on the masked picture.
        polygons: masks drawn by ONVIF clients, joined to the mask plan.
        live: the running picture.
        pairing: the box it belongs to.
        selection: which people are left open.
        released: places that an operator released from the mask.
        rtsp: where the streams are served.
        group: the multicast group of a configuration as set, and its token.
    """

    config: CameraConfig
    identity: CameraIdentity
    settings: Settings
    bus: Bus
    sensor: Sensor
    engine: Engine
    overlay: Overlay
    polygons: Stored[PolygonSettings]
    live: PipelineControl
    pairing: PairingEndpoint
    selection: SelectionEndpoint
    released: ReleasedPlacesEndpoint
    rtsp: RtspServer
    group: GroupOf
