"""The tracks of one replay: how they are described, where they are sent and how they get there."""

import asyncio
import secrets
from dataclasses import dataclass

from onvif.rtsp.fmtp import fmtp
from onvif.rtsp.replay_message import RtspRefusal
from onvif.rtsp.replay_play import ReplayDescription, clock_text
from onvif.rtsp.replay_rtp import METADATA_PAYLOAD, VIDEO_PAYLOADS, Packetiser
from onvif.rtsp.transport import parse


@dataclass(slots=True)
class ReplayTrack:
    """One track of one client; `channel` inside the connection, or UDP sockets."""

    packets: Packetiser
    channel: int | None = None
    udp: asyncio.DatagramTransport | None = None
    rtcp_udp: asyncio.DatagramTransport | None = None

    @staticmethod
    def of(name: str) -> "ReplayTrack":
        kind = VIDEO_PAYLOADS[0] if name == "video" else METADATA_PAYLOAD
        return ReplayTrack(Packetiser(secrets.randbits(32), kind, secrets.randbits(16)))

    async def set_up(self, transports: str, number: int, line: asyncio.StreamWriter, *, udp: bool) -> str:
        """Take the first of the client's transports that is offered, and say it.

        Args:
            transports: the header's value.
            number: of this track in its session.
            line: the connection; its addresses are those of UDP.
            udp: whether packets may leave beside the connection.

        Raises:
            Refusal: none of them is offered.
            OSError: there is no socket for it.
        """
        for choice in parse(transports):
            if choice.encrypted or choice.multicast or not (choice.tcp or udp):
                continue
            if choice.tcp:
                pair = choice.pair or (2 * number, 2 * number + 1)
                self.channel = pair[0]
                return f"RTP/AVP/TCP;unicast;interleaved={self.channel}-{self.channel + 1}"
            if choice.pair is not None:
                mine = await self._sockets(line, choice.pair)
                return f"{choice};server_port={mine[0]}-{mine[1]}"
        raise RtspRefusal(461)

    async def _sockets(self, line: asyncio.StreamWriter, ports: tuple[int, int]) -> list[int]:
        host = line.get_extra_info("peername")[0]
        local = line.get_extra_info("sockname")[0]
        loop, mine = asyncio.get_running_loop(), []
        for port, attribute in zip(ports, ("udp", "rtcp_udp"), strict=True):
            transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=(local, 0), remote_addr=(host, port)
            )
            setattr(self, attribute, transport)
            mine.append(transport.get_extra_info("sockname")[1])
        return mine

    def send(self, packet: bytes, line: asyncio.StreamWriter, *, rtcp: bool) -> None:
        """Hand one packet to the connection or the network."""
        if self.channel is not None:
            line.write(b"$" + bytes([self.channel + rtcp]) + len(packet).to_bytes(2) + packet)
            return
        transport = self.rtcp_udp if rtcp else self.udp
        if transport is not None:
            transport.sendto(packet)

    def close(self) -> None:
        for transport in (self.udp, self.rtcp_udp):
            if transport is not None:
                transport.close()


def description(token: str, found: ReplayDescription) -> bytes:
    """SDP of a recording (ONVIF Streaming 26.06, 6.2)."""
    span = f"clock={clock_text(found.start_us)}-{clock_text(found.end_us)}"
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", f"s={token}", "c=IN IP4 0.0.0.0", "t=0 0", f"a=range:{span}",
             "a=control:*"]  # fmt: skip
    # A camera that was set to another codec has left a recording of both: each has its payload type.
    video = dict(zip(VIDEO_PAYLOADS, found.codecs, strict=False))
    lines.append(f"m=video 0 RTP/AVP {' '.join(map(str, video))}")
    for payload, codec in video.items():
        lines.append(f"a=rtpmap:{payload} {codec}/90000")
        if value := fmtp(codec, found.parameter_sets.get(codec, ())):
            lines.append(f"a=fmtp:{payload} {value}")
    lines += ["a=control:video", "a=x-onvif-track:video"]
    if "metadata" in found.tracks:
        lines += [f"m=application 0 RTP/AVP {METADATA_PAYLOAD}",
                  f"a=rtpmap:{METADATA_PAYLOAD} vnd.onvif.metadata/90000", "a=control:metadata",
                  "a=x-onvif-track:metadata"]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n").encode()
