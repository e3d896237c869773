"""The order of a start: recording first, whatever everything else takes."""

import asyncio
import socket
import threading

import pytest
from box_fakes import CAMERA_ID

import models
from nvr_box import app
from nvr_box import state as places
from nvr_box.config import BoxConfig, OnvifConfig, WebConfig
from nvr_box.db.database import Store
from nvr_box.search.passages import Passages


@pytest.fixture
def camera():
    """A socket that notes when a stream is requested of it."""
    requested = threading.Event()
    door = socket.create_server(("127.0.0.1", 0))

    def serve():
        try:
            while True:
                link, _ = door.accept()
                requested.set()
                link.close()
        except OSError:
            pass  # the test is over

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"rtsp://127.0.0.1:{door.getsockname()[1]}/main", requested
    door.shutdown(socket.SHUT_RDWR)
    door.close()
    thread.join(10)


async def test_recorders_wait_neither_for_networks_nor_for_passages(tmp_path, camera, monkeypatch):
    uri, requested = camera
    store = Store.open(tmp_path / places.DATABASE)
    row = "INSERT INTO camera VALUES (1, 'yard', '', '', '', ?, '', '', '', '', ?, NULL, NULL, NULL, 0, '', 1, 0, 0)"
    await store.write(lambda link: link.execute(row, (uri, CAMERA_ID.hex())))
    store.close()
    before = []

    def load(_config):
        """As slow as it has to be to see which comes first."""
        before.append(requested.wait(30))

    async def loaded(_passages):
        pytest.fail("passages are loaded beside everything else")

    monkeypatch.setattr(models, "load", load)
    monkeypatch.setattr(Passages, "load", loaded)
    config = BoxConfig(state=tmp_path, web=WebConfig(port=0, tls=False), onvif=OnvifConfig(enabled=False))
    async with asyncio.timeout(60), app.built(config) as (box, _parts):
        assert before == [True]
        assert [each.name for each in box.cameras._roster.all()] == ["yard"]
        assert list(box.notices()) == []
