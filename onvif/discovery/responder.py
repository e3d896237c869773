"""A device that can be found: Hello, Bye, and answers to Probe and Resolve by multicast and unicast.

ONVIF Core 26.06, 7.3. Runs on one event loop; the sockets never block it.

Of several devices on one host only one is given a unicast datagram by the kernel; it passes it on to the others by
multicast on loopback, with the sender's address in front, and each answers for itself.
"""

import asyncio
import contextlib
import ipaddress
import logging
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from onvif.discovery import messages, multicast
from onvif.discovery.messages import Endpoint, Message
from onvif.errors import NotOnvif

_log = logging.getLogger(__name__)
_MAX_DELAY_S = 0.5
"""APP_MAX_DELAY of WS-Discovery 2.4: answers to a multicast are spread over it."""
_REPEATS = 2
_PASSED_ON = b"veilcam passes on "
_LOOPBACK = "127.0.0.1"
_WAITING = 256


class Responder:
    """One device's presence.

    Args:
        describe: how the device stands now, for clients that reach it by the address of ours given to it; None while
            it does not want to be found (DiscoveryMode NonDiscoverable): it then neither greets nor answers.
        interfaces: IPv4 addresses to be found on, every interface by default. A client that comes by another one is not
            answered: the services do not listen there.
        port: another one for tests only.
    """

    def __init__(
        self,
        describe: Callable[[str], Endpoint | None],
        *,
        interfaces: Sequence[str] | None = None,
        port: int = multicast.PORT,
        max_delay_s: float = _MAX_DELAY_S,
    ) -> None:
        self._describe = describe
        self._interfaces = tuple(interfaces) if interfaces is not None else None
        self._port = port
        self._max_delay_s = max_delay_s
        self._socket: socket.socket | None = None
        self._senders: dict[str, socket.socket] = {}
        self._passing: socket.socket | None = None
        self._answered: deque[tuple[str, str, int]] = deque(maxlen=_WAITING)
        self._answers: set[asyncio.Task[None]] = set()
        self._instance = int(time.time())
        self._number = 0

    async def start(self) -> None:
        """Join the group and say Hello.

        Raises:
            OSError: the port is taken by a program that does not share it, or no interface has multicast.
        """
        addresses = self._interfaces if self._interfaces is not None else multicast.interfaces()
        # Loopback is joined for what other devices of this host pass on.
        self._socket = multicast.listener(tuple(dict.fromkeys((*addresses, _LOOPBACK))), self._port)
        for address in addresses:
            with contextlib.suppress(OSError):
                self._senders[address] = multicast.sender(address)
        with contextlib.suppress(OSError):
            self._passing = multicast.sender(_LOOPBACK)
        asyncio.get_running_loop().add_reader(self._socket, self._readable)
        await self.hello()

    async def stop(self) -> None:
        """Say Bye and leave; without a start it does nothing."""
        if self._socket is None:
            return
        await self.bye()
        asyncio.get_running_loop().remove_reader(self._socket)
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
        self._socket.close()
        self._socket = None
        for sender in (*self._senders.values(), *([self._passing] if self._passing is not None else [])):
            sender.close()
        self._senders.clear()
        self._passing = None

    async def hello(self) -> None:
        """Greet on every interface: after a start, and whenever scopes, types or addresses change."""
        await self._announce(messages.hello)

    async def bye(self) -> None:
        """Take leave: before a stop, a reboot, and when discovery is switched off."""
        await self._announce(messages.bye, even_hidden=True)

    async def _announce(
        self, build: Callable[[Endpoint, tuple[int, int]], bytes], *, even_hidden: bool = False
    ) -> None:
        datagrams = []
        for address, sender in self._senders.items():
            endpoint = self._describe(address)
            if endpoint is None and not even_hidden:
                return
            if endpoint is not None:
                datagrams.append((address, sender, build(endpoint, self._sequence())))
        for turn in range(_REPEATS):
            # SOAP-over-UDP 1.0, Appendix I: a multicast is repeated after a short, random pause.
            if turn:
                await asyncio.sleep(random.uniform(0.05, 0.25) * min(1.0, self._max_delay_s * 2))  # noqa: S311
            for address, sender, data in datagrams:
                try:
                    sender.sendto(data, (multicast.GROUP, self._port))
                except OSError as problem:
                    _log.debug("no multicast by %s: %s", address, problem)

    def _sequence(self) -> tuple[int, int]:
        self._number += 1
        return self._instance, self._number

    def _readable(self) -> None:
        assert self._socket is not None
        for _ in range(64):
            try:
                data, peer, to_group = multicast.receive(self._socket, messages.MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as problem:
                _log.debug("discovery socket: %s", problem)
                return
            if len(self._answers) >= _WAITING:
                continue
            passed_on = to_group and data.startswith(_PASSED_ON) and peer[0] == _LOOPBACK
            if passed_on:
                head, _, data = data.partition(b"\n")
                peer, to_group = _address(head.removeprefix(_PASSED_ON)), False
            elif not to_group:
                self._pass_on(data, peer)
            task = asyncio.create_task(self._answer(data, peer, to_group, first=not passed_on), name="discovery answer")
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    def _pass_on(self, data: bytes, peer: tuple[str, int]) -> None:
        if self._passing is not None:
            with contextlib.suppress(OSError):
                head = _PASSED_ON + f"{peer[0]} {peer[1]}\n".encode()
                self._passing.sendto(head + data, (multicast.GROUP, self._port))

    async def _answer(self, data: bytes, peer: tuple[str, int], to_group: bool, *, first: bool) -> None:  # noqa: FBT001
        try:
            message = messages.parse(data)
            reply = self._reply(message, multicast.local_address(peer[0]), to_group=to_group, first=first)
        except NotOnvif as problem:
            _log.debug("datagram of %s:%d ignored: %s", *peer, problem)
            return
        request_id = (message.message_id, *peer)
        if reply is None or request_id in self._answered:
            return
        self._answered.append(request_id)
        if to_group:
            await asyncio.sleep(random.uniform(0.0, self._max_delay_s))  # noqa: S311
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(reply, peer)

    def _reply(self, message: Message, address: str, *, to_group: bool, first: bool) -> bytes | None:
        if message.action not in {"Probe", "Resolve"}:
            return None
        if self._interfaces is not None and address not in self._interfaces:
            return None
        endpoint = self._describe(address)
        if endpoint is None:
            return None
        if message.action == "Resolve":
            wanted = messages.parse_resolve(message)
            return messages.matches(message, [endpoint], self._sequence()) if wanted == endpoint.address else None
        probe = messages.parse_probe(message)
        if not probe.understood and not to_group and first:
            return messages.rule_not_supported(message, self._sequence())
        return messages.matches(message, [endpoint], self._sequence()) if probe.matches(endpoint) else None


def _address(head: bytes) -> tuple[str, int]:
    """(address, port) in front of a datagram that was passed on; one that cannot be answered for any other bytes."""
    host, _, port = head.decode("ascii", "replace").partition(" ")
    try:
        return str(ipaddress.IPv4Address(host)), int(port) if 0 < int(port) < 65536 else 9
    except ValueError:
        return _LOOPBACK, 9
