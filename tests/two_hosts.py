"""Two hosts of one Ethernet on this machine: network namespaces joined by a cable, for what loopback hides.

Works as root, and for whoever may make user namespaces; the namespaces end with the block.
"""

import contextlib
import os
import subprocess
from dataclasses import dataclass

DEVICE, CLIENT = "10.77.0.1", "10.77.0.2"
DEVICE_V6, CLIENT_V6 = "fd77::1", "fd77::2"


@dataclass(frozen=True)
class Hosts:
    """Commands in front of another that run it on one of the hosts."""

    device: tuple[str, ...]
    client: tuple[str, ...]


@contextlib.contextmanager
def two_hosts():
    """The device's host has DEVICE, the client's has CLIENT; neither has a route beyond the cable."""
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    into_user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    with contextlib.ExitStack() as stack:
        device = stack.enter_context(_held(["unshare", *own, "--net"]))
        inside = ("nsenter", *into_user, "--net", "--target", str(device.pid))
        client = stack.enter_context(_held([*inside, "unshare", "--net"]))
        beside = ("nsenter", *into_user, "--net", "--target", str(client.pid))
        steps = [
            (inside, f"ip link add cable type veth peer name cable netns {client.pid}"),
            *((host, f"ip addr add {address}/24 dev cable") for host, address in ((inside, DEVICE), (beside, CLIENT))),
            *((host, f"ip link set {name} up") for host in (inside, beside) for name in ("lo", "cable")),
            *((host, "ip route add 224.0.0.0/4 dev cable") for host in (beside,)),
        ]
        for host, step in steps:
            subprocess.run([*host, *step.split()], check=True, capture_output=True, timeout=30)
        yield Hosts(inside, beside)


def speak_ipv6(hosts):
    """Give both hosts their second address, at once: nobody else is on the cable to have it already."""
    for host, address in ((hosts.device, DEVICE_V6), (hosts.client, CLIENT_V6)):
        step = f"ip -6 addr add {address}/64 dev cable nodad"
        subprocess.run([*host, *step.split()], check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def _held(command):
    """A process that keeps its namespace until its standard input ends."""
    with subprocess.Popen([*command, "sh", "-c", "echo held; cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(10)
