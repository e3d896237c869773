"""One camera, put together and run until a signal."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

from base import service
from base.errors import HostError
from base.settings_file import Stored
from firmware import identity
from firmware.analytics.engine import Engine
from firmware.camera import CameraContext
from firmware.camera_topics import CAMERA_TOPICS
from firmware.capture.frame import CapturedFrame
from firmware.capture.sources import open_source
from firmware.config import CameraConfig
from firmware.delivery.outbox import Outbox
from firmware.delivery.packet_sender import PacketSender
from firmware.delivery.push import Pusher
from firmware.describe import Describer
from firmware.encode.protected import ProtectedEncoder
from firmware.imaging import Sensor
from firmware.mask import polygons
from firmware.mask.exemption import ExemptionPolicy, Selection
from firmware.mask.paint import Painter
from firmware.mask.plan import Planner
from firmware.osd import Overlay
from firmware.pairing import PairingEndpoint, Pairings
from firmware.progress import EVERY_S, Pictures, Reporter
from firmware.released_places import ReleasedPlaces, ReleasedPlacesEndpoint
from firmware.selection import SelectionEndpoint
from firmware.services.web import CameraWeb
from firmware.settings import Settings
from firmware.stream.channels import MainChannel, SubChannel
from firmware.stream.detection_pace import DetectionPace
from firmware.stream.event_track import EventTrack
from firmware.stream.live import PipelineControl
from firmware.stream.mounts import MountPoints
from firmware.stream.multicast import grouping
from firmware.stream.pipeline import Pipeline, Stages
from firmware.stream.publish import MotionAlarm, Publisher
from firmware.viewer import ViewerAccount
from firmware.vision import VisionStage
from firmware.vision.frame_detections import FrameDetections
from models import load
from onvif.events.bus import Bus
from onvif.events.settings_damage import publish_damage, publish_lost
from onvif.platform import interface_of
from onvif.rtsp.serve import RtspServer
from wire.pairing import Pairing

log = logging.getLogger(__name__)

_LOG_S = 60.0


async def run(config: CameraConfig, reporter: Reporter) -> None:
    """Run this camera until SIGINT or SIGTERM.

    Args:
        reporter: is given the pictures' numbers every second.

    Raises:
        ConfigError: something in the configuration cannot be used.
        HostError: a port cannot be listened on.
        ModelError: a model failed its self-test; the camera does not start without eyes.
    """
    camera_identity = identity.load(config.state)
    first = open_source(config.source)
    networks = await asyncio.to_thread(load, config.models)  # self-tested
    pairings = Pairings(config.state)
    outbox = Outbox.open_or_replace(config.state / "outbox.sqlite")
    settings = Settings(config)
    bus = Bus(CAMERA_TOPICS)
    sensor = Sensor(config.state, bus)
    engine = Engine(config.state, bus)
    overlay = Overlay(config.state)
    drawn = polygons.stored(config.state)
    mask = polygons.joined(config.mask, drawn.value)

    width, height, rate = first.width, first.height, first.rate
    encoder = ProtectedEncoder(
        width, height, rate, config.main, camera_id=camera_identity.camera_id, signer=camera_identity.signer,
        recipients=pairings.current.recipients if pairings.current else (),
    )  # fmt: skip
    live_main = MainChannel(width, height, rate, encoder)
    live_sub = SubChannel(width, height, rate, config.sub)
    # Where the choice was lost, no one is left open, not even people that the operator's file named before.
    chosen = Stored(config.state / "selection.json", config.selection, lost=Selection())
    released = Stored(config.state / "released-places.json", ReleasedPlaces())
    if pairings.damage is not None:
        pairings.listen(publish_lost(bus, pairings.damage))
    publish_damage(bus, settings.device, settings.media, overlay.settings, drawn, chosen, released)
    chooser = ExemptionPolicy(networks, lambda: chosen.value)
    planner = Planner(width, height, mask, chooser.open, lambda: released.value.boxes)
    painter = Painter(width, height, mask)
    pusher = Pusher(outbox, pairings)
    loop = asyncio.get_running_loop()

    def news() -> None:
        loop.call_soon_threadsafe(pusher.wake)

    posts = PacketSender(outbox, pairings, camera_identity, news, config.thumbnails)
    describer = Describer(networks, width, height, posts.send, originals=config.thumbnails == "recoverable")

    def examined(frame: CapturedFrame, sight: FrameDetections) -> None:
        live.whole.examined(sight.pts_90k)
        chooser.look(frame.i420, sight)
        describer.observe(frame.i420, sight, frame.utc_us)

    sources = [first]
    live = PipelineControl(live_main, live_sub, planner, painter)
    drawn.listen(lambda _old, new: live.set_mask(polygons.joined(config.mask, new)))
    pace = DetectionPace()
    stages = Stages(
        open_source=lambda: sensor.attached(sources.pop() if sources else open_source(config.source)),
        open_eyes=lambda: VisionStage(networks, rate, config.vision, interval_s=pace.interval_s),
        pace=pace,
        adjust=sensor.process,
        examined=examined,
        encoder=live_main,
        overlay=overlay.draw,
    )
    rtsp = RtspServer(config.address, config.rtsp_port, settings.users, interface=interface_of(config.address))
    group = grouping(config.serial)
    paths = MountPoints(rtsp, live, settings.media, group)
    events = EventTrack(bus, settings.media, paths)
    live.joined.listen(events.synchronise)
    publisher = Publisher(
        live=live,
        paths=paths,
        bus=bus,
        engine=engine,
        alarm=MotionAlarm(),
        best_shots=describer.masked,
        colours=describer.colours,
        events=events,
        describes=lambda: settings.media.value.metadata.analytics,
    )
    pipeline = Pipeline(stages, planner, painter, publisher, rate)

    def paired(before: Pairing | None, pairing: Pairing | None) -> None:
        live_main.set_recipients(pairing.recipients if pairing else ())
        if pairing is None or before is None or pairing.feature_key.public != before.feature_key.public:
            # The same box pairs again whenever its reveal keys rotate; only for another one are packets unreadable.
            outbox.forget_all()
        pusher.wake()

    pairings.listen(paired)
    endpoint = PairingEndpoint(
        pairings, camera_identity, config.name, config.serial, networks.appearance.model, ViewerAccount(settings.device)
    )

    camera = CameraContext(config, camera_identity, settings, bus, sensor, engine, overlay, drawn, live, endpoint,
                    SelectionEndpoint(chosen, chooser), ReleasedPlacesEndpoint(released), rtsp, group)  # fmt: skip
    face = CameraWeb(camera)
    try:
        rtsp.start()
    except OSError as error:
        raise HostError(f"camera {config.name}: {error}") from error
    try:
        async with face.serving():
            pipeline.start()
            print(f"READY {config.name} web={face.ports.http or face.ports.https} rtsp={rtsp.port}", flush=True)
            await _until_end(pipeline, pusher, _reporting(pipeline, live, reporter))
    finally:
        await asyncio.to_thread(pipeline.stop, 2.0)
        rtsp.stop()
        describer.close()
        live_main.close()
        outbox.close()
    if pipeline.failed is not None:
        raise pipeline.failed


async def _until_end(pipeline: Pipeline, pusher: Pusher, reporting: Coroutine[Any, Any, None]) -> None:
    """Until a signal, or until the pipeline or a task ends by itself."""
    tasks = [
        asyncio.create_task(service.until_signal(), name="signal"),
        asyncio.create_task(asyncio.to_thread(pipeline.ended.wait), name="pipeline"),
        asyncio.create_task(pusher.run(), name="push"),
        asyncio.create_task(reporting, name="report"),
    ]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    pipeline.ended.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if not task.cancelled() and task.exception() is not None:
            raise task.exception() or RuntimeError(task.get_name())


async def _reporting(pipeline: Pipeline, live: PipelineControl, reporter: Reporter) -> None:
    """What was seen and encoded, every second to the supervisor, and every minute one line into the log."""
    counters, logged_s = pipeline.counters, time.monotonic()
    while True:
        reporter.pictures(Pictures(counters.taken_up, counters.encoded, lost=live.signal_lost))
        if time.monotonic() - logged_s >= _LOG_S:
            logged_s = time.monotonic()
            log.info("%s", counters.line())
        await asyncio.sleep(EVERY_S)
