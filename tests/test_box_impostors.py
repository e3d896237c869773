"""A paired camera proves its key at each connection; whatever else answers at its address is not recorded as it."""

import dataclasses

import pytest
from aiohttp import web
from odd_camera import OddCamera
from pairing_ends import PASSWORD as ADMIN_PASSWORD
from pairing_ends import USER as ADMIN_USER
from pairing_ends import CameraEnd, introduction, listening
from test_box_cameras import ADMIN, camera
from test_box_moved import place, play, until  # noqa: F401 - fixtures
from test_onvif_client import Device, serving

from nvr_box.cameras.cameras import CameraRecordingState
from wire.pairing import PATH, Pairing


@pytest.fixture
async def ends(tmp_path):
    async with CameraEnd(tmp_path / "ours").serving() as ours, CameraEnd(tmp_path / "other").serving() as other:
        yield ours, other


async def recorded(cameras, roster, end, rtsp):
    who = end.who
    row = camera(xaddr=end.xaddr, user=ADMIN_USER, camera_id=who.camera_id.hex(), paired=True, stream_uri=rtsp.uri,
                 signing_key=who.signer.public.hex())  # fmt: skip
    added = await roster.add(row, ADMIN_PASSWORD, None, "test")
    cameras._start(added)
    await until(lambda: cameras.status(ADMIN, added.camera).state is CameraRecordingState.RECORDING)
    return added


async def test_another_camera_at_the_address_is_not_recorded_and_a_notice_says_so(place, play, ends):  # noqa: F811
    cameras, roster, log = place
    ours, other = ends
    with OddCamera(play) as rtsp:
        added = await recorded(cameras, roster, ours, rtsp)
        for _ in range(2):
            await cameras._upkeep._visit(added)
        assert cameras.status(ADMIN, added.camera).state is CameraRecordingState.RECORDING, "it has the right key"
        assert not list(cameras.notices())
        there = await roster.save(dataclasses.replace(added, xaddr=other.xaddr), None) or roster.get(added.camera)
        await cameras._recorders.stop(added.camera)
        cameras._start(there)
        await until(lambda: cameras.status(ADMIN, added.camera).state is CameraRecordingState.RECORDING)
        for _ in range(2):
            await cameras._upkeep._visit(there)
            status = cameras.status(ADMIN, added.camera)
            assert status.state is CameraRecordingState.LOST
            assert "another device answers" in status.message
            assert cameras._recorders.now(added.camera) is None, "nothing of it is recorded"
            assert [notice.kind for notice in cameras.notices()] == ["identity"]
        found = [each for each in await log.entries(ADMIN) if each.action == "camera-change"]
        assert [(each.granted, each.camera, each.who) for each in found] == [(False, added.camera, "the box")]
        await roster.save(added, None)
        await cameras._upkeep._visit(added)
        await until(lambda: cameras.status(ADMIN, added.camera).state is CameraRecordingState.RECORDING)
        assert not list(cameras.notices())


async def test_a_device_of_another_make_is_taken_for_one_when_it_answers_twice(place, play, ends):  # noqa: F811
    cameras, roster, _ = place
    with OddCamera(play) as rtsp:
        added = await recorded(cameras, roster, ends[0], rtsp)
        async with serving(Device()) as device:
            there = dataclasses.replace(added, xaddr=f"{device.base}/onvif/device_service")
            await roster.save(there, None)
            await cameras._upkeep._visit(there)
            assert cameras.status(ADMIN, added.camera).state is CameraRecordingState.RECORDING, (
                "a camera that starts may say nothing"
            )
            await cameras._upkeep._visit(there)
            assert cameras.status(ADMIN, added.camera).state is CameraRecordingState.LOST
        await cameras._upkeep._visit(there)
        assert "another device" in cameras.status(ADMIN, added.camera).message, "until it proves itself"


async def test_a_camera_paired_under_version_1_is_recorded_and_the_page_says_what_to_do(place, play, ends):  # noqa: F811
    cameras, roster, log = place
    ours, _ = ends
    older = {
        "version": 1, "camera_id": ours.who.camera_id.hex(), "name": "yard", "serial": "S1", "paired_with": "00" * 8,
        "signing_key": ours.who.signer.public.hex(), "appearance_model": "net-1",
    }  # fmt: skip

    async def document(_request):
        return web.json_response(older)

    app = web.Application()
    app.router.add_get(PATH, document)
    with OddCamera(play) as rtsp:
        added = await recorded(cameras, roster, ours, rtsp)
        async with listening(app) as xaddr:
            there = dataclasses.replace(added, xaddr=xaddr)
            await roster.save(there, None)
            for _ in range(3):
                await cameras._upkeep._visit(there)
                status = cameras.status(ADMIN, added.camera)
                assert status.state is CameraRecordingState.RECORDING
                assert "update the camera's program, then pair it again" in status.message
            assert not list(cameras.notices())
        # Its program is updated: the pairing that it kept names no key of the box yet.
        box = introduction()
        offer = box.offer(ours.xaddr, ours.who.camera_id.hex(), "token")
        kept = Pairing.from_json(offer.to_json())
        ours.pairings.set(dataclasses.replace(kept, box_key=None))
        await roster.save(added, None)
        await cameras._upkeep._visit(added)
        status = cameras.status(ADMIN, added.camera)
        assert (status.state, status.message.rpartition(": ")[2]) == (CameraRecordingState.RECORDING, "pair it again")
        ours.pairings.set(kept)
        await cameras._upkeep._visit(added)
        assert "pair it again" not in cameras.status(ADMIN, added.camera).message
        assert not [each for each in await log.entries(ADMIN) if not each.granted]
