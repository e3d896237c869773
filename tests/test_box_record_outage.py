"""A network that dies without a word: the recorder notices, keeps what it has, and records again when it is back."""

import asyncio
import contextlib

import pytest
from box_fakes import PASSWORD, USER, RtspCamera

from nvr_box.audit.log import Audit
from nvr_box.db.database import Store
from nvr_box.record import recorder as recording
from nvr_box.record import source
from nvr_box.record.recorder import Recorder
from nvr_box.record.recordings import Recordings
from nvr_box.record.segments import Segments
from nvr_box.record.source import RecordedStream
from nvr_box.rights import Account, Right

GUARD = Account("guard", frozenset({Right.VIEW}))
PATIENCE_S = 90


class Network:
    """A TCP path to a camera; while it is dead nothing passes and nothing is refused."""

    def __init__(self, port):
        self._far = port
        self._alive = asyncio.Event()
        self._alive.set()
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def die(self):
        self._alive.clear()

    def revive(self):
        self._alive.set()

    async def _joined(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            await self._alive.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far)
            try:
                await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
            finally:
                far_writer.close()
                writer.close()

    async def _carry(self, reader, writer):
        while data := await reader.read(1 << 14):
            await self._alive.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


@pytest.fixture
def segments(tmp_path):
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    yield Segments(store, tmp_path / "rec")
    store.close()


async def outage(segments, dead_s):
    """Seconds until it was noticed, from the network's return to the next recorded picture, and of the gap on disk."""
    loop, fragments = asyncio.get_running_loop(), asyncio.Queue()

    def publish(_init, _mime, start_us, fragment, _data):
        loop.call_soon_threadsafe(fragments.put_nowait, (start_us, fragment))

    with RtspCamera(rate=20, gop=10) as camera:
        async with Network(camera.server.port) as network:
            uri = f"rtsp://127.0.0.1:{network.port}/main"
            recorder = Recorder(1, "yard", lambda: RecordedStream(uri, USER, PASSWORD), segments, segment_s=60,
                                make_room=lambda: False, publish=publish)  # fmt: skip
            recorder.start()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    for _ in range(8):
                        first, _ = await fragments.get()
                    network.die()
                    died_s = loop.time()
                    while recorder.now.connected:  # noqa: ASYNC110 - the thread sets no event
                        await asyncio.sleep(0.02)
                    noticed_s = loop.time() - died_s
                    assert recorder.now.ever_connected
                    assert "broke off" in recorder.now.message
                    await asyncio.sleep(max(0.0, dead_s - noticed_s))
                    network.revive()
                    revived_s = loop.time()
                    while (await fragments.get())[0] == first:
                        pass
                    back_s = loop.time() - revived_s
                    for _ in range(4):
                        await fragments.get()
            finally:
                recorder.stop()
                assert await asyncio.to_thread(recorder.join, 30)
    spans = await Recordings(segments, Audit(segments.store)).spans(GUARD, 1, 0, 1 << 60)
    assert len(spans) == 2
    return noticed_s, back_s, (spans[1].start_us - spans[0].end_us) / 1e6


async def test_an_outage_is_noticed_and_ended(segments, monkeypatch):
    monkeypatch.setattr(source, "_SILENCE_S", 1.0)
    monkeypatch.setattr(source, "_OPEN_S", 1.0)
    monkeypatch.setattr(recording, "BACK_OFF_S", (0.2, 0.4))
    noticed_s, back_s, gap_s = await outage(segments, 3.0)
    assert noticed_s < 15
    assert back_s < 30
    assert gap_s > 2


@pytest.mark.long
async def test_half_a_minute_without_network(segments):
    noticed_s, back_s, gap_s = await outage(segments, 30.0)
    print(f"noticed after {noticed_s:.1f} s, recording {back_s:.1f} s after the network was back, gap {gap_s:.1f} s")
    # The silence limit twice, for the farewell to the camera waits as long; then the back-off and one attempt to open
    # that began while the network was dead.
    assert noticed_s < 2 * source._SILENCE_S + 5
    assert back_s < recording.BACK_OFF_S[-1] + source._OPEN_S + 10
