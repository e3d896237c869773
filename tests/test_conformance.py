"""Every operation of Profiles S, T, M (camera) and G (recorder): it answers, validly, and only to whom it may.

Schema validity is judged twice: by `xmlschema` in XSD 1.1 mode and by zeep's strict decoding. That says nothing about
certification: only ONVIF's own members' tool can issue a declaration of conformance.
"""

import pytest

from onvif import names
from onvif.users import Level
from tests import onvif_box, onvif_camera
from tests.conformance import camera, common, recorder
from tests.conformance.enumeration import LEVELS, Device


def mandatory(profiles):
    return {key for key, entry in LEVELS.items() if any(entry["levels"].get(profile) == "M" for profile in profiles)}


def test_the_table_is_that_of_the_profiles():
    assert len(mandatory("STM")) == 104
    assert len(mandatory("G")) == 62
    assert len(mandatory("STMG")) == 131
    assert len(LEVELS) == 231


@pytest.fixture(params=["camera", "recorder"])
async def dut(request, tmp_path):
    module, script, profiles = {
        "camera": (onvif_camera, camera.script, "STM"),
        "recorder": (onvif_box, recorder.script, "G"),
    }[request.param]
    async with module.running(tmp_path) as running:
        level = Level.ADMINISTRATOR
        device = Device(running.base, {level: (level.lower(), onvif_camera.PASSWORDS[level])})
        try:
            await script(device)
            yield device, profiles
        finally:
            await device.close()


async def test_all_mandatory_operations_answer_validly_and_only_to_whom_they_may(dut):
    device, profiles = dut
    for key in [key for key in device.outcomes if key in LEVELS]:
        await device.check_access(key)
    await common.deadly(device)
    for key in ("tds:SystemReboot", "tds:SetSystemFactoryDefault"):
        await device.check_access(key)
    missing = {
        key: device.outcomes[key].why if key in device.outcomes else "never asked"
        for key in mandatory(profiles)
        if key not in device.outcomes or not device.outcomes[key].valid
    }
    assert missing == {}
    assert device.invalid == []
    assert [key for key, outcome in device.outcomes.items() if outcome.access is False] == []


@pytest.mark.case("ANALYTICS-3-1-1", "IMAGING-3-1-2", "RECORDING-1-1-3", "SEARCH-1-1-2", "REPLAY-1-1-2")
async def test_services_say_the_same_everywhere(dut):
    """GetServices(IncludeCapability), GetServiceCapabilities and GetCapabilities agree."""
    device, _ = dut
    listed = await device.ask("tds:GetServices", IncludeCapability=True)
    prefixes = {uri: prefix for prefix, uri in names.PREFIXES.items()}
    for service in listed.Service:
        key = f"{prefixes[service.Namespace]}:GetServiceCapabilities"
        asked = await device.ask(key)
        assert str(asked.Capabilities) == str(service.Capabilities._value_1), key


@pytest.mark.case("DEVICEIO-5-1-1", "DEVICEIO-7-1-1")
async def test_device_io_and_media_know_the_same_sources(tmp_path):
    async with onvif_camera.running(tmp_path) as running:
        client = running.client()
        tokens = await client(names.TMD, "GetVideoSources")
        sources = await client(names.TRT, "GetVideoSources")
        assert list(tokens.Token) == [source.token for source in sources.VideoSources]
