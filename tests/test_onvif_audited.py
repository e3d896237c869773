"""What ONVIF clients do on the box stands in its audit log under their own names, replay as a viewing."""

import asyncio
from datetime import timedelta

import pytest
from test_onvif_replay import END_US, Client, box, clip

from nvr_box.rights import Account, Right
from onvif.errors import NotAuthorized
from onvif.names import TRC
from onvif.rtsp.replay_play import clock_text
from onvif.users import Level
from tests.onvif_box import START_US

__all__ = ["box", "clip"]  # fixtures

READER = Account("reader", frozenset({Right.ADMIN}))
CONFIGURATION = {
    "Source": {"SourceId": "urn:a", "Name": "a", "Location": "", "Description": "", "Address": "urn:a"},
    "Content": "", "MaximumRetentionTime": timedelta(hours=1),
}  # fmt: skip


async def test_what_a_client_changes_is_written_down_under_its_users_name(box):
    client = box.client(Level.ADMINISTRATOR)
    wanted = {"RecordingToken": "recording-1", "RecordingConfiguration": CONFIGURATION}
    await client(TRC, "SetRecordingConfiguration", **wanted)
    await client(TRC, "GetRecordings")
    found = await box.box.audit.entries(READER)
    said = {(entry.who, entry.action, entry.details.get("operation")) for entry in found}
    assert ("administrator", "onvif", "SetRecordingConfiguration") in said
    assert ("administrator", "camera-change", None) in said
    assert not any(who == "onvif" or operation == "GetRecordings" for who, _, operation in said)


async def test_what_a_user_may_not_do_is_written_down_as_refused(box):
    with pytest.raises(NotAuthorized):
        await box.client(Level.USER)(TRC, "DeleteRecording", RecordingToken="recording-1")
    entry = (await box.box.audit.entries(READER, action="onvif"))[0]
    assert (entry.who, entry.granted, entry.details["operation"]) == ("user", False, "DeleteRecording")


@pytest.mark.parametrize("reverse", [False, True])
async def test_a_replay_is_a_viewing_of_the_user_that_watches(box, reverse):
    box.box.recordings.viewings._apart_s = 0.01
    async with Client(box, Level.USER) as client:
        await client.set_up("video")
        where = f"clock={clock_text(END_US)}-" if reverse else f"clock={clock_text(START_US)}-"
        status, _, _ = await client.ask("PLAY", Range=where, Scale="-1.0" if reverse else "1.0", Rate_Control="no")
        assert status == 200
        await client.until(0, lambda packets: len(packets) > 30)
        begun = await box.box.audit.entries(READER, action="view-recording")
        assert [(entry.who, entry.camera, entry.details["via"]) for entry in begun] == [("user", 1, "rtsp")]
    async with asyncio.timeout(30):
        while not (ends := await box.box.audit.entries(READER, action="view-recording-end")):
            await asyncio.gather(*box.box.recordings.viewings._ending)
    assert (ends[0].who, ends[0].camera) == ("user", 1)
    assert ends[0].details["shown"].startswith("20")
