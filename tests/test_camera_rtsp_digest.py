"""Who may watch: digests by SHA-256 and MD5 at every door of the RTSP server, and one count of wrong passwords."""

import asyncio
import base64
import contextlib
import hashlib
import re
import secrets
import socket
from datetime import UTC, datetime

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onvif.auth import Authenticator, Guard
from onvif.errors import NotAuthorized
from onvif.rtsp.live import StreamTracks
from onvif.rtsp.serve import REALM, RtspServer
from onvif.rtsp.tunnel import Tunnels
from onvif.users import Level, User

HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
PASSWORDS = {"ann": ("right", "User"), "bob": ("fine", "Operator"), "nobody": ("x", "Anonymous")}
BASE = "rtsp://camera/words"


@pytest.fixture(scope="module")
def opened():
    server = RtspServer("127.0.0.1", 0, lambda: PASSWORDS)
    server.publish("words", StreamTracks(None, metadata=True), lambda _from: None)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(opened):
    opened.guard.__init__()
    return opened


class Link:
    """RTSP by hand over a socket: what is sent and what comes back."""

    def __init__(self, port, source="127.0.0.1", opening=b""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0))
        self.file = self.socket.makefile("rb")
        self.count = 0
        if opening:
            self.socket.sendall(opening)

    def ask(self, method, url, authorization=None, **headers):
        """(status, lines of the head)."""
        self.count += 1
        lines = [f"{method} {url} RTSP/1.0".encode(), f"CSeq: {self.count}".encode()]
        lines += [f"{name}: {value}".encode() for name, value in headers.items()]
        if authorization is not None:
            raw = authorization if isinstance(authorization, bytes) else authorization.encode()
            lines.append(b"Authorization: " + raw)
        self.socket.sendall(b"\r\n".join([*lines, b"", b""]))
        return self.answer()

    def answer(self):
        head = []
        while line := self.file.readline().decode().strip():
            head.append(line)
        if not head:
            raise EOFError
        size = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length")), 0)
        self.file.read(size)
        return int(head[0].split()[1]), head

    def offered(self, url=BASE):
        """{algorithm: nonce} of the challenges, in their order."""
        status, head = self.ask("DESCRIBE", url)
        assert status == 401
        lines = [line for line in head if line.startswith("WWW-Authenticate: Digest ")]
        return {re.search("algorithm=([A-Z0-9-]+)", line)[1]: re.search('nonce="([^"]+)"', line)[1] for line in lines}

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def link(server):
    made = []

    def connect(port=None, **more):
        made.append(Link(port or server.port, **more))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def digest(nonce, algorithm, *, user="ann", password="right", method="DESCRIBE", uri=BASE, count=1):
    """RFC 7616 §3.4.1 written out; without a count as RFC 2069 had it."""

    def hashed(text):
        return HASHES[algorithm](text.encode()).hexdigest()

    secret, request = hashed(f"{user}:{REALM}:{password}"), hashed(f"{method}:{uri}")
    counted = f":{count:08x}:c0ffee:auth" if count else ""
    text = (
        f'Digest username="{user}", realm="{REALM}", nonce="{nonce}", uri="{uri}", algorithm={algorithm}, '
        f'response="{hashed(f"{secret}:{nonce}{counted}:{request}")}"'
    )
    return text + (f', qop=auth, nc={count:08x}, cnonce="c0ffee"' if count else "")


def test_both_digests_are_offered_and_md5_last(link):
    assert list(link().offered()) == ["SHA-256", "MD5"]


@pytest.mark.parametrize("count", [1, 0])
@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_a_client_of_either_digest_watches(link, algorithm, count):
    one = link()
    nonce = one.offered()[algorithm]
    assert one.ask("DESCRIBE", BASE, digest(nonce, algorithm, count=count))[0] == 200
    track, transport = f"{BASE}/stream=0", "RTP/AVP/TCP;unicast;interleaved=0-1"
    setup = digest(nonce, algorithm, method="SETUP", uri=track, count=count and 2)
    status, head = one.ask("SETUP", track, setup, Transport=transport)
    assert status == 200
    session = next(line.split(":")[1].split(";")[0] for line in head if line.startswith("Session"))
    assert one.ask("PLAY", BASE, Session=session)[0] == 200


def test_a_digest_of_the_whole_stream_is_good_for_its_tracks_and_for_nothing_else(link):
    one = link()
    nonce = one.offered()["SHA-256"]
    transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
    for uri, count, wanted in (("rtsp://camera/other", 1, 401), ("rtsp://camera/wor", 2, 401), (f"{BASE}/", 3, 200)):
        given_ = digest(nonce, "SHA-256", method="SETUP", uri=uri, count=count)
        assert one.ask("SETUP", f"{BASE}/stream=0", given_, Transport=transport)[0] == wanted


def test_a_digest_is_good_once_and_for_our_nonces_only(link):
    one = link()
    good = digest(one.offered()["SHA-256"], "SHA-256")
    assert one.ask("DESCRIBE", BASE, good)[0] == 200
    for outdated in (good, digest("made-up", "SHA-256")):
        status, head = link().ask("DESCRIBE", BASE, outdated)
        assert status == 401
        assert any("stale=true" in line for line in head)


def test_a_level_that_may_not_watch_does_not(link):
    one = link()
    given_ = digest(one.offered()["MD5"], "MD5", user="nobody", password="x")
    assert one.ask("DESCRIBE", BASE, given_)[0] == 401


def guess(one, times, user="ann"):
    nonce = one.offered()["SHA-256"]
    for count in range(1, times + 1):
        assert one.ask("DESCRIBE", BASE, digest(nonce, "SHA-256", user=user, password="no", count=count))[0] == 401


def described(one, user="ann"):
    return one.ask("DESCRIBE", BASE, digest(one.offered()["MD5"], "MD5", user=user, password=PASSWORDS[user][0]))[0]


def test_guessing_locks_that_user_out_from_that_address_and_nobody_else(link):
    guess(link(), Guard.FREE)
    assert described(link()) == 401
    assert described(link(), user="bob") == 200
    assert described(link(source="127.0.0.3")) == 200


def test_what_just_worked_works_beside_guesses_and_forgives_them(link):
    guess(link(source="127.0.0.4"), Guard.FREE - 1)
    assert described(link(source="127.0.0.4")) == 200
    guess(link(source="127.0.0.4"), 2 * Guard.FREE)
    assert described(link(source="127.0.0.4")) == 200


def test_guesses_at_the_web_services_and_at_rtsp_are_counted_together(server, link):
    users = {"ann": User("ann", "right", Level.USER)}
    web_side = Authenticator(lambda: users, realm=REALM, now=lambda: datetime.now(UTC), guard=server.guard)

    def at_the_web(password, address="127.0.0.1"):
        nonce = re.search('nonce="([^"]+)"', web_side.challenges()[0])[1]
        header = digest(nonce, "SHA-256", password=password, method="POST", uri="/onvif/device_service")
        return web_side.from_authorization(header, "POST", "/onvif/device_service", address)

    guess(link(), Guard.FREE // 2)
    for _ in range(Guard.FREE - Guard.FREE // 2):
        with pytest.raises(NotAuthorized, match="wrong"):
            at_the_web("no")
    with pytest.raises(NotAuthorized, match="too many"):
        at_the_web("right")
    assert described(link()) == 401
    assert at_the_web("right", "127.0.0.3").name == "ann"


async def test_who_guesses_inside_a_tunnel_locks_out_his_own_address(server, link):
    app = web.Application()
    Tunnels(lambda: server.inner_port, server.origins).install(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        statuses = await asyncio.to_thread(lambda: [through(port, "127.0.0.7", "no") for _ in range(Guard.FREE)])
        assert statuses == [401] * Guard.FREE
        assert await asyncio.to_thread(lambda: through(port, "127.0.0.7", "right")) == 401
        assert await asyncio.to_thread(lambda: through(port, "127.0.0.8", "right")) == 200
        assert described(link()) == 200
    finally:
        await runner.cleanup()
    assert not server.origins


def through(port, source, password):
    """The answer to DESCRIBE inside an HTTP tunnel from this address of ours."""
    cookie = secrets.token_hex(8)
    head = f"/words HTTP/1.0\r\nx-sessioncookie: {cookie}\r\n"
    back = Link(port, source, f"GET {head}Accept: application/x-rtsp-tunnelled\r\n\r\n".encode())
    assert back.answer()[0] == 200
    forth = Link(port, source, f"POST {head}Content-Length: 32767\r\n\r\n".encode())
    back.socket, forth.socket = Coded(forth.socket), back.socket
    try:
        given_ = digest(back.offered()["SHA-256"], "SHA-256", password=password)
        return back.ask("DESCRIBE", BASE, given_)[0]
    finally:
        back.close()
        forth.close()


class Coded:
    """The POST's connection: requests in base64."""

    def __init__(self, link):
        self.link = link

    def sendall(self, data):
        self.link.sendall(base64.b64encode(data))

    def close(self):
        self.link.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(
    st.binary(max_size=60).map(lambda raw: re.sub(rb"[\r\n\0]", b"", raw)),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=60).map(
        lambda text: f'Digest username="ann", realm="{REALM}", nonce="1-2-3", nc={text}, uri="{text}"'.encode()
    ),
))  # fmt: skip
def test_no_authorization_ends_the_server(server, header):
    one = Link(server.port)
    with contextlib.closing(one), contextlib.suppress(EOFError, ConnectionError):
        assert one.ask("DESCRIBE", BASE, header)[0] in {400, 401}
    other = Link(server.port)
    with contextlib.closing(other):
        assert other.offered()
