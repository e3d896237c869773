"""The receiver service (ONVIF Receiver 26.06): where recordings come from.

Each camera's own receiver is what its recorder connects with; a client may make more and tie them to recording jobs.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from yarl import URL

from nvr_box.services.catalogue import MOST_RECEIVERS, Catalogue
from nvr_box.services.recorder_state import StoredReceiver
from onvif import names
from onvif.errors import impossible, invalid
from onvif.events import Bus
from onvif.events import topics as t
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/receiver"
LONGEST_URI = 1024


class Receivers:
    """The handlers."""

    def __init__(self, catalogue: Catalogue, bus: Bus) -> None:
        self._catalogue = catalogue
        self._bus = bus

    @operation("GetReceivers")
    async def get_receivers(self, _call: Call) -> Reply:
        return {"Receivers": [_values(receiver) for receiver in self._catalogue.receivers()]}

    @operation("GetReceiver")
    async def get_receiver(self, call: Call) -> Reply:
        return {"Receiver": _values(self._asked(call))}

    @operation("CreateReceiver")
    async def create_receiver(self, call: Call) -> Reply:
        if len(self._catalogue.receivers()) >= MOST_RECEIVERS:
            raise impossible(f"at most {MOST_RECEIVERS} receivers", "MaxReceivers")
        token = f"receiver-new-{self._catalogue.number()}"
        receiver = _read(StoredReceiver(token), call.request.Configuration)
        self._catalogue.put_receiver(receiver)
        return {"Receiver": _values(receiver)}

    @operation("DeleteReceiver")
    async def delete_receiver(self, call: Call) -> Reply:
        receiver = self._asked(call)
        if self._catalogue.of_camera(receiver.token) is not None:
            raise impossible("a camera's own receiver goes with its camera", "CannotDeleteReceiver")
        if any(job.source == receiver.token for job in self._catalogue.jobs()):
            raise impossible("a recording job uses this receiver", "CannotDeleteReceiver")
        kept = {token: one for token, one in self._catalogue.state.value.receivers.items() if token != receiver.token}
        self._catalogue.state.change(receivers=kept)
        self._bus.retire(t.RECEIVER_STATE.path, {"ReceiverToken": receiver.token})
        return None

    @operation("ConfigureReceiver")
    async def configure_receiver(self, call: Call) -> Reply:
        receiver = self._asked(call)
        configured = _read(receiver, call.request.Configuration)
        if self._catalogue.of_camera(receiver.token) is not None and configured.uri != receiver.uri:
            raise invalid("the address of a camera's own receiver is what the camera tells", "BadConfiguration")
        self._catalogue.put_receiver(configured)
        return None

    @operation("SetReceiverMode")
    async def set_receiver_mode(self, call: Call) -> Reply:
        self._catalogue.put_receiver(replace(self._asked(call), mode=str(call.request.Mode)))
        return None

    @operation("GetReceiverState")
    async def get_receiver_state(self, call: Call) -> Reply:
        receiver = self._asked(call)
        state = self._catalogue.receiver_state(receiver)
        return {"ReceiverState": {"State": state, "AutoCreated": receiver.auto_created}}

    def tell_states(self) -> None:
        """Say how every receiver stands; the bus keeps quiet about what it knows."""
        for receiver in self._catalogue.receivers():
            state = self._catalogue.receiver_state(receiver)
            said = self._bus.publish(
                t.RECEIVER_STATE.path, {"ReceiverToken": receiver.token},
                {"NewState": state, "MediaUri": receiver.uri},
            )  # fmt: skip
            if said is not None and state == "NotConnected" and self._catalogue.of_camera(receiver.token) is not None:
                self._bus.publish(t.RECEIVER_FAILED.path, {"ReceiverToken": receiver.token}, {"MediaUri": receiver.uri})

    def _asked(self, call: Call) -> StoredReceiver:
        return self._catalogue.receiver(str(call.request.ReceiverToken))


def receiver_service(handlers: Receivers) -> Service:
    return service(handlers, names.TRV, path=PATH, capabilities=_capabilities)


def _capabilities() -> Mapping[str, Any]:
    return {
        "RTP_Multicast": False, "RTP_TCP": True, "RTP_RTSP_TCP": True, "SupportedReceivers": MOST_RECEIVERS,
        "MaximumRTSPURILength": LONGEST_URI,
    }  # fmt: skip


def _read(receiver: StoredReceiver, asked: Any) -> StoredReceiver:
    """Raises Fault ter:BadConfiguration for what cannot be received."""
    uri = str(asked.MediaUri or "").strip()
    if len(uri) > LONGEST_URI:
        raise invalid(f"an address has at most {LONGEST_URI} characters", "BadConfiguration")
    try:
        parsed = URL(uri)
    except ValueError:
        parsed = URL()
    if parsed.scheme not in {"rtsp", "rtsps", "http", "https"} or not parsed.host:
        raise invalid(f"{uri[:80]!r} is no RTSP address", "BadConfiguration")
    setup = asked.StreamSetup
    if setup.Stream != "RTP-Unicast":
        raise invalid("this box does not receive multicast", "BadConfiguration")
    return replace(
        receiver, mode=str(asked.Mode), uri=uri, stream=str(setup.Stream), protocol=str(setup.Transport.Protocol)
    )


def _values(receiver: StoredReceiver) -> dict[str, Any]:
    return {
        "Token": receiver.token,
        "Configuration": {
            "Mode": receiver.mode,
            "MediaUri": receiver.uri,
            "StreamSetup": {"Stream": receiver.stream, "Transport": {"Protocol": receiver.protocol}},
        },
    }
