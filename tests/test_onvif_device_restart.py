"""SystemReboot and factory default on a supervised camera: Bye, another process, Hello, and what was set is there."""

import asyncio
import contextlib
import queue
import socket
import threading

import pytest

from onvif import names
from onvif.discovery import messages, multicast
from onvif.registry import load
from onvif.soap_transport import SoapTransport
from tests.test_camera_app import clip, configure, start  # noqa: F401 - a fixture

pytestmark = [pytest.mark.long, pytest.mark.e2e]
PATIENCE_S = 120


@contextlib.contextmanager
def ear():
    """What is said on loopback by WS-Discovery, as (action, endpoint)."""
    sock = multicast.listener(("127.0.0.1",))
    sock.setblocking(True)
    sock.settimeout(0.2)
    heard, over = queue.Queue(), threading.Event()

    def listen():
        while not over.is_set():
            with contextlib.suppress(TimeoutError, OSError, ValueError):
                message = messages.parse(multicast.receive(sock, messages.MAX_DATAGRAM)[0])
                if message.action in {"Hello", "Bye"}:
                    heard.put((message.action, messages.parse_endpoints(message)[0]))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
    finally:
        over.set()
        thread.join()
        sock.close()


def until_hello(heard, port):
    """The next Hello of a device on that port."""
    while True:
        said, endpoint = heard.get(timeout=PATIENCE_S)
        if said == "Hello" and any(f":{port}/" in address for address in endpoint.xaddrs):
            return endpoint


def until_bye(heard, endpoint):
    while True:
        said, other = heard.get(timeout=PATIENCE_S)
        if said == "Bye" and other.address == endpoint.address:
            return


def ask(port, operation, **values):
    async def once():
        carrier = SoapTransport("admin", "first-password", timeout_s=60)
        try:
            found = load().operation(names.TDS, operation)
            url = f"http://127.0.0.1:{port}/onvif/device_service"
            return found.decode_reply(await carrier.request(url, found.encode_request(values)))
        finally:
            await carrier.close()

    return asyncio.run(once())


def test_a_reboot_says_bye_and_hello_and_keeps_what_was_set(tmp_path, clip):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as probe:
        chosen = probe.getsockname()[1]
    config = configure(tmp_path, clip)
    config.write_text(config.read_text().replace("discovery = false", "discovery = true"))
    with ear() as heard:
        process = start(config)
        try:
            ready = process.stdout.readline().split()
            port = int(ready[2].removeprefix("web="))
            first = until_hello(heard, port)
            ask(port, "SetHostname", Name="gate-3")
            ask(port, "SetNetworkProtocols", NetworkProtocols=[{"Name": "HTTP", "Enabled": True, "Port": [chosen]}])
            until_hello(heard, chosen)
            assert ask(chosen, "SystemReboot").Message
            until_bye(heard, first)
            again = process.stdout.readline().split()
            assert again[2] == f"web={chosen}"
            back = until_hello(heard, chosen)
            assert back.address == first.address
            assert ask(chosen, "GetHostname").HostnameInformation.Name == "gate-3"
            ask(chosen, "SetSystemFactoryDefault", FactoryDefault="Soft")
            until_bye(heard, first)
            process.stdout.readline()
            until_hello(heard, chosen)
            # A soft default keeps how the camera is reached.
            assert ask(chosen, "GetHostname").HostnameInformation.Name == "gate-3"
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)
