"""The device I/O service (ONVIF Device IO 26.06): one video source, and none of the other sockets a camera may have."""

from collections.abc import Mapping
from typing import Any

from onvif import names
from onvif.errors import invalid
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/deviceio"


class DeviceIoService:
    """The handlers.

    Args:
        source: token of the one video source.
    """

    def __init__(self, *, source: str = "source") -> None:
        self._source = source

    @operation("GetVideoSources")
    async def get_video_sources(self, _call: Call) -> Reply:
        return {"Token": [self._source]}

    @operation("GetVideoOutputs")
    async def get_video_outputs(self, _call: Call) -> Reply:
        return {"VideoOutputs": []}

    @operation("GetAudioSources")
    async def get_audio_sources(self, _call: Call) -> Reply:
        return {"Token": []}

    @operation("GetAudioOutputs")
    async def get_audio_outputs(self, _call: Call) -> Reply:
        return {"Token": []}

    @operation("GetRelayOutputs", names.TDS)
    async def get_relay_outputs(self, _call: Call) -> Reply:
        return {"RelayOutputs": []}

    @operation("GetRelayOutputOptions")
    async def get_relay_output_options(self, call: Call) -> Reply:
        token = call.request.RelayOutputToken if call.request is not None else None
        if token is not None:
            raise invalid(f"There is no relay output {token[:64]!r}.", "RelayToken")
        return {"RelayOutputOptions": []}

    @operation("GetDigitalInputs")
    async def get_digital_inputs(self, _call: Call) -> Reply:
        return {"DigitalInputs": []}

    @operation("GetDigitalInputConfigurationOptions")
    async def get_digital_input_configuration_options(self, call: Call) -> Reply:
        token = call.request.Token if call.request is not None else None
        raise invalid(f"There is no digital input {(token or '')[:64]!r}.", "DigitalInputToken")

    @operation("GetSerialPorts")
    async def get_serial_ports(self, _call: Call) -> Reply:
        return {"SerialPort": []}


def device_io_service(handlers: DeviceIoService) -> Service:
    return service(handlers, names.TMD, path=PATH, capabilities=_capabilities)


def _capabilities() -> Mapping[str, Any]:
    return {
        "VideoSources": 1,
        "VideoOutputs": 0,
        "AudioSources": 0,
        "AudioOutputs": 0,
        "RelayOutputs": 0,
        "SerialPorts": 0,
        "DigitalInputs": 0,
        "DigitalInputOptions": False,
    }
