"""The receiver service (ONVIF Receiver 26.06): where recordings come from.

Each camera's own receiver is what its recorder connects with; a client may make more and tie them to recording jobs,
or have them connected always.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from yarl import URL

from nvr_box.services.jobs import Jobs
from nvr_box.services.recorder_state import StoredReceiver
from nvr_box.services.recordings_view import MOST_RECEIVERS, Catalogue
from onvif import names
from onvif.errors import impossible, invalid
from onvif.events import Bus
from onvif.events import topics as t
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/receiver"
LONGEST_URI = 1024


class Receivers:
    """The handlers."""

    def __init__(self, catalogue: Catalogue, jobs: Jobs, bus: Bus) -> None:
        self._catalogue, self._jobs = catalogue, jobs
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
        self._catalogue.save_receiver(receiver)
        await self._jobs.reconcile()
        return {"Receiver": _values(receiver)}

    @operation("DeleteReceiver")
    async def delete_receiver(self, call: Call) -> Reply:
        receiver = self._asked(call)
        if self._catalogue.of_camera(receiver.token) is not None:
            raise impossible("a camera's own receiver goes with its camera", "CannotDeleteReceiver")
        if any(job.source == receiver.token for job in self._jobs.all()):
            raise impossible("a recording job uses this receiver", "CannotDeleteReceiver")
        self._catalogue.drop_receiver(receiver.token)
        await self._jobs.reconcile()
        self._bus.retire(t.RECEIVER_STATE.path, {"ReceiverToken": receiver.token})
        return None

    @operation("ConfigureReceiver")
    async def configure_receiver(self, call: Call) -> Reply:
        receiver = self._asked(call)
        configured = _read(receiver, call.request.Configuration)
        if self._catalogue.of_camera(receiver.token) is not None and configured.uri != receiver.uri:
            raise invalid("the address of a camera's own receiver is what the camera tells", "BadConfiguration")
        self._catalogue.save_receiver(configured)
        await self._jobs.reconcile()
        return None

    @operation("SetReceiverMode")
    async def set_receiver_mode(self, call: Call) -> Reply:
        self._catalogue.save_receiver(replace(self._asked(call), mode=_mode(call.request.Mode)))
        await self._jobs.reconcile()
        return None

    @operation("GetReceiverState")
    async def get_receiver_state(self, call: Call) -> Reply:
        receiver = self._asked(call)
        state = self._jobs.receiver_state(receiver)
        return {"ReceiverState": {"State": state, "AutoCreated": receiver.auto_created}}

    def publish_states(self) -> None:
        """Say how every receiver stands; the bus keeps quiet about what it knows."""
        for receiver in self._catalogue.receivers():
            state = self._jobs.receiver_state(receiver)
            said = self._bus.publish(
                t.RECEIVER_STATE.path, {"ReceiverToken": receiver.token},
                {"NewState": state, "MediaUri": receiver.uri},
            )  # fmt: skip
            if said is not None and state == "NotConnected" and self._jobs.wanted(receiver):
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


def _read(receiver: StoredReceiver, wanted: Any) -> StoredReceiver:
    """Raises Fault ter:BadConfiguration for what cannot be received.

    A user and a password in the address are kept, used and never returned.
    """
    uri = str(wanted.MediaUri or "").strip()
    if len(uri) > LONGEST_URI:
        raise invalid(f"an address has at most {LONGEST_URI} characters", "BadConfiguration")
    try:
        parsed = URL(uri)
    except ValueError:
        parsed = URL()
    if parsed.scheme not in {"rtsp", "rtsps"} or not parsed.host:
        raise invalid(f"{uri[:80]!r} is no RTSP address", "BadConfiguration")
    setup = wanted.StreamSetup
    if setup.Stream != "RTP-Unicast":
        raise invalid("this box does not receive multicast", "BadConfiguration")
    if setup.Transport.Tunnel is not None:
        raise invalid("this box does not receive through a further tunnel", "BadConfiguration")
    user, password = parsed.user or "", parsed.password or ""
    if not user and parsed.authority == URL(receiver.uri).authority:
        user, password = receiver.user, receiver.password
    return replace(
        receiver, mode=_mode(wanted.Mode), uri=_without_credentials(uri), user=user, password=password,
        stream=str(setup.Stream), protocol=str(setup.Transport.Protocol),
    )  # fmt: skip


def _mode(wanted: Any) -> str:
    mode = str(wanted)
    if mode not in {"AutoConnect", "AlwaysConnect", "NeverConnect"}:
        raise invalid(f"{mode[:32]!r} is no mode that a receiver can be set to", "BadConfiguration")
    return mode


def _without_credentials(uri: str) -> str:
    """The address as it was written, but for user and password."""
    scheme, _, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def _values(receiver: StoredReceiver) -> dict[str, Any]:
    return {
        "Token": receiver.token,
        "Configuration": {
            "Mode": receiver.mode,
            "MediaUri": receiver.uri,
            "StreamSetup": {"Stream": receiver.stream, "Transport": {"Protocol": receiver.protocol}},
        },
    }
