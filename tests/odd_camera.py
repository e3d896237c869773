"""A small RTSP server that streams what a test makes up: rates, tracks, time stamps, reports, refusals as cameras have.

Interleaved in TCP, without authentication unless it refuses everybody; one thread a connection.
"""

import contextlib
import itertools
import re
import socket
import socketserver
import struct
import threading
import time

import av

from onvif.rtsp.replay_rtp import video_payloads

NTP_EPOCH_S = 2_208_988_800
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=odd\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"


def video_track(number, codec="H264", fmtp=""):
    extra = f"a=fmtp:96 {fmtp}\r\n" if fmtp else ""
    return f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 {codec}/90000\r\n{extra}a=control:track{number}\r\n"


def metadata_track(number):
    return (f"m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
            f"a=control:track{number}\r\n")  # fmt: skip


class Stream:
    """What `play` writes to one viewer with."""

    def __init__(self, link, stop):
        self._link, self._stop = link, stop
        self._sequence = itertools.count(100)
        self.began_us = time.time_ns() // 1000

    def picture(self, access_unit, at_90k, track=0, codec="h264"):
        payloads = video_payloads(access_unit, codec)
        for number, payload in enumerate(payloads):
            marker = 0x80 if number == len(payloads) - 1 else 0
            self.packet(track, struct.pack(">BBHII", 0x80, 96 | marker, next(self._sequence) & 0xFFFF,
                                           int(at_90k) & 0xFFFFFFFF, 0xABC0 + track) + payload)  # fmt: skip

    def metadata(self, document, at_90k, track=1):
        head = struct.pack(">BBHII", 0x80, 107 | 0x80, next(self._sequence) & 0xFFFF, int(at_90k) & 0xFFFFFFFF,
                           0xABC0 + track)  # fmt: skip
        self.packet(track, head + document)

    def report(self, utc_us, at_90k, track=0):
        """An RTCP sender report with its source description."""
        seconds, micros = divmod(utc_us, 1_000_000)
        ntp = ((seconds + NTP_EPOCH_S) << 32) + (micros << 32) // 1_000_000
        sr = struct.pack(">BBHIQIII", 0x80, 200, 6, 0xABC0 + track, ntp, int(at_90k) & 0xFFFFFFFF, 0, 0)
        sdes = struct.pack(">BBHIBB2sxx", 0x81, 202, 3, 0xABC0 + track, 1, 2, b"ab")
        self.packet(track, sr + sdes, rtcp=True)

    def packet(self, track, data, *, rtcp=False):
        self._link.sendall(struct.pack(">cBH", b"$", track * 2 + rtcp, len(data)) + data)

    def wait_until(self, seconds):
        """So long after the beginning; raises when the test is over."""
        left = self.began_us / 1e6 + seconds - time.time()
        if self._stop.wait(max(0.0, left)):
            raise ConnectionError("the test is over")


class OddCamera:
    """Streams what `play(stream)` writes, to everybody who comes.

    Args:
        tracks: media sections of its description.
        status: of every answer; 401 refuses whoever comes.
    """

    def __init__(self, play, tracks=None, status=200, port=0):
        self.play, self.tracks, self.status = play, tracks or (video_track(0),), status
        self.asked = []
        """(monotonic seconds, method) of every request."""
        self._stop = threading.Event()
        camera = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    camera._attend(self)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.uri = f"rtsp://127.0.0.1:{self.port}/main"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def _attend(self, handler):
        while line := handler.rfile.readline():
            if line[:1] == b"$":
                handler.rfile.read(int.from_bytes(line[2:4], "big") - (len(line) - 4))
                continue
            method, url, _ = line.decode().split()
            headers = {}
            while text := handler.rfile.readline().decode().strip():
                name, _, value = text.partition(":")
                headers[name.lower()] = value.strip()
            self.asked.append((time.monotonic(), method))
            handler.wfile.write(self._answer(method, url, headers))
            if method == "PLAY" and self.status == 200:
                handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._drop, args=(handler.rfile,), daemon=True).start()
                self.play(Stream(handler.connection, self._stop))
                return

    @staticmethod
    def _drop(file):
        with contextlib.suppress(OSError, ValueError):
            while file.read(1):
                pass

    def _answer(self, method, url, headers):
        lines = [f"RTSP/1.0 {self.status} x", f"CSeq: {headers.get('cseq', 0)}"]
        body = ""
        if self.status == 401:
            lines.append('WWW-Authenticate: Digest realm="odd", nonce="n1"')
        elif method == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN")
        elif method == "DESCRIBE":
            body = SDP + "".join(self.tracks)
            lines += [f"Content-Base: {url}/", "Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            track = int(re.search(r"track(\d+)", url)[1])
            channels = f"{track * 2}-{track * 2 + 1}"
            lines += ["Session: 1;timeout=60", f"Transport: RTP/AVP/TCP;unicast;interleaved={channels}"]
        elif method == "PLAY":
            lines += ["Session: 1", "Range: npt=0-"]
        return "\r\n".join([*lines, "", body]).encode()


def access_units(path, form="h264"):
    """The access units of a raw file."""
    with av.open(str(path), format=form) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]
