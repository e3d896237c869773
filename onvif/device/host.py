"""What carries the services of a device, camera or recorder: its identity, its ports, how it is found, how it ends."""

import asyncio
import contextlib
import logging
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from urllib.parse import quote

from aiohttp import web

from base.settings_file import Stored
from base.version import VERSION
from onvif import names
from onvif.connection_bounds import runner_of
from onvif.device.ports import DevicePorts
from onvif.device_state import DeviceState
from onvif.discovery.messages import Endpoint
from onvif.discovery.multicast import served_by
from onvif.discovery.responder import Responder
from onvif.platform import Platform
from onvif.service import Service
from onvif.services.device import PATH
from onvif.services.device_context import DeviceContext, DeviceIdentity

log = logging.getLogger(__name__)
_CLEANUP_S = 1.5


class DeviceHost:
    """Event loop only.

    Args:
        identity: what names the device, in discovery and in its device service.
        state: what clients set of it.
        types: Clark names of discovery.
        address: what its services listen on.
    """

    def __init__(
        self, identity: DeviceIdentity, state: Stored[DeviceState], ports: DevicePorts, *, types: tuple[str, ...],
        address: str,
    ) -> None:  # fmt: skip
        self.identity, self.ports = identity, ports
        self._state, self._types = state, types
        self._responder = Responder(self._endpoint, interfaces=served_by(address))
        self._tasks: set[asyncio.Task[None]] = set()

    def context(
        self, platform: Platform, services: Callable[[], Sequence[Service]], factory_default: Callable[[bool], None]
    ) -> DeviceContext:
        """What the device service needs."""
        return DeviceContext(
            identity=self.identity, state=self._state, platform=platform, services=services,
            protocols=self.ports.shown, free=self.ports.free, announce=self._announce, reopen=self._reopen,
            factory_default=factory_default,
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def serving(self, application: web.Application, *, discovery: bool) -> AsyncIterator[None]:
        """Answer on the device's ports, and be found, until the block ends.

        Raises:
            HostError: no port of the web services can be listened on.
        """
        runner = await runner_of(application)
        try:
            await self.ports.start(runner)
            if discovery:
                try:
                    await self._responder.start()
                except OSError as problem:
                    log.error("the device cannot be discovered: %s", problem)  # noqa: TRY400 - an operator's sentence
            yield
        finally:
            await self._responder.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLEANUP_S):
                    await runner.cleanup()

    def _endpoint(self, address: str) -> Endpoint | None:
        state = self._state.value
        if not state.discoverable:
            return None
        return Endpoint(
            address=self.identity.endpoint,
            types=self._types,
            scopes=(*self.identity.fixed_scopes, *state.scopes),
            xaddrs=tuple(
                f"{scheme}://{address}:{port}{PATH}"
                for scheme, port in (("http", self.ports.http), ("https", self.ports.https))
                if port
            ),
            metadata_version=state.metadata_version,
        )

    def _announce(self) -> None:
        self._later(self._responder.hello())

    def _reopen(self) -> None:
        self._later(self._move())

    async def _move(self) -> None:
        """Listen where SetNetworkProtocols says, then tell it: the addresses in the Hello are new."""
        await self.ports.reconcile()
        await self._responder.hello()

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="discovery")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def device_identity(
    kind: str, name: str, serial: str, *, hardware: str, namespace: uuid.UUID, scopes: tuple[str, ...]
) -> DeviceIdentity:
    """The identity of a device; the endpoint follows from the serial number and so outlives every restart.

    Args:
        kind: `camera` or `box`, for the model and for a name that leaves nothing of itself in a host name.
        namespace: of the identifiers of such devices; any fixed value.
        scopes: type and profiles, without the root.
    """
    own = (*scopes, f"name/{quote(name, safe='')}", f"hardware/{quote(hardware, safe='')}")
    return DeviceIdentity(
        manufacturer="Veilcam",
        model=f"Veilcam {kind}",
        firmware=VERSION,
        serial=serial,
        hardware=hardware,
        endpoint=f"urn:uuid:{uuid.uuid5(namespace, serial)}",
        fixed_scopes=tuple(f"{names.SCOPE_ROOT}{scope}" for scope in own),
        default_hostname=re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or kind,
    )


def restart_process() -> None:
    """End this process as its supervisor would; the supervisor starts it again."""
    os.kill(os.getpid(), signal.SIGTERM)
