"""A camera's password on plain RTSP: as a digest or not at all, whatever the other end asks for and when."""

import base64
import socket
import threading

import pytest
from box_fakes import PASSWORD, USER, RtspCamera
from hypothesis import given
from hypothesis import strategies as st

from base.errors import PeerError
from nvr_box.record.credentials_guard import ELSEWHERE, IN_CLEAR, Requests
from nvr_box.record.source import RecordedStream

BASIC, DIGEST = 'Basic realm="cam"', 'Digest realm="cam", nonce="0123", algorithm=MD5'
CLEAR = base64.b64encode(f"{USER}:{PASSWORD}".encode())


class Asking:
    """Answers every RTSP request with the next of `answers`, the last one again and again; keeps what it was sent."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.heard = b""
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(10)

    def _run(self):
        while True:
            try:
                link, _ = self._door.accept()
            except OSError:
                return
            with link:
                self._serve(link)

    def _serve(self, link):
        held = b""
        try:
            while data := link.recv(65536):
                self.heard += data
                held += data
                while b"\r\n\r\n" in held:
                    head, _, held = held.partition(b"\r\n\r\n")
                    lines = head.split(b"\r\n")
                    sequence = next((line for line in lines if line.lower().startswith(b"cseq")), b"X: y")
                    answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                    link.sendall(answer.encode().replace(b"\r\n", b"\r\n" + sequence + b"\r\n", 1))
        except OSError:
            return


def challenge(*ways):
    return "RTSP/1.0 401 Unauthorized\r\n" + "".join(f"WWW-Authenticate: {way}\r\n" for way in ways) + "\r\n"


OK = "RTSP/1.0 200 OK\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n"


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
@pytest.mark.parametrize(
    "answers",
    [[challenge(BASIC)], [OK, challenge(BASIC)], [OK, challenge(DIGEST), challenge(BASIC)],
     [challenge(BASIC, "Unknown x")], [OK, challenge("basic realm=x")]],
)  # fmt: skip
def test_a_server_that_demands_the_password_in_clear_does_not_get_it(answers, transport):
    with Asking(*answers) as peer:
        with pytest.raises(PeerError) as caught:
            RecordedStream(f"rtsp://127.0.0.1:{peer.port}/main", USER, PASSWORD, transport)
        assert peer.heard
        assert CLEAR not in peer.heard
        assert b"basic" not in peer.heard.lower()
    if challenge(DIGEST) not in answers and transport != "http":
        assert IN_CLEAR in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("user", [USER, ""])
def test_a_description_without_an_end_is_not_taken(user):
    """Libav makes room for as many bytes as the head says, and fills it: 1.9 GB in 10 s."""
    said = "RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\nContent-Length: 2000000000\r\n\r\nv=0\r\n"
    with Asking(OK, said + "a=tool:x\r\n" * 300_000) as peer, pytest.raises(PeerError, match="longer than 1024 kB"):
        RecordedStream(f"rtsp://127.0.0.1:{peer.port}/main", user, PASSWORD if user else "")


def test_where_both_are_offered_the_digest_is_sent():
    with Asking(OK, challenge(BASIC, DIGEST)) as peer:
        with pytest.raises(PeerError):
            RecordedStream(f"rtsp://127.0.0.1:{peer.port}/main", USER, PASSWORD)
        assert b"Authorization: Digest" in peer.heard
        assert CLEAR not in peer.heard


def test_a_client_is_not_sent_elsewhere_with_the_password():
    with Asking(challenge(BASIC)) as thief:
        moved = f"RTSP/1.0 302 Moved\r\nLocation: rtsp://127.0.0.1:{thief.port}/main\r\n\r\n"
        with Asking(OK, moved) as peer, pytest.raises(PeerError, match=ELSEWHERE[:20]):
            RecordedStream(f"rtsp://127.0.0.1:{peer.port}/main", USER, PASSWORD)
        assert thief.heard == b""


def test_a_camera_that_asks_for_a_digest_plays_through_it_and_nothing_stays_behind():
    before = threading.active_count()
    with RtspCamera() as camera:
        source = RecordedStream(camera.uri, USER, PASSWORD)
        timed = source.packets(lambda _: None)
        assert [next(timed).packet.size > 0 for _ in range(20)] == [True] * 20
        source.close()
        with pytest.raises(PeerError):
            RecordedStream(camera.uri, USER, "wrong")
    assert not [each for each in threading.enumerate() if each.name == "credentials-guard"]
    assert threading.active_count() <= before + 2


def test_a_camera_that_is_not_there_is_said_as_before():
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with pytest.raises(PeerError, match="nothing answers"):
        RecordedStream(f"rtsp://127.0.0.1:{port}/main", USER, PASSWORD)


def test_in_the_http_tunnel_the_password_is_demanded_in_vain_too():
    basic = challenge(BASIC).replace("RTSP/1.0", "HTTP/1.1")
    with Asking(basic) as peer:
        with pytest.raises(PeerError, match="in clear"):
            RecordedStream(f"rtsp://127.0.0.1:{peer.port}/main", USER, PASSWORD, "http")
        assert peer.heard.startswith(b"GET /")
        assert CLEAR not in peer.heard


POST = b"POST /main HTTP/1.0\r\nContent-Length: 32767\r\n\r\n"


@given(st.lists(st.integers(1, 60), max_size=12), st.booleans())
def test_what_is_tunnelled_passes_whole_or_not_at_all(cuts, clear):
    said = [DESCRIBE, BODY, SECRET if clear else PLAY]
    whole = POST + b"".join(base64.b64encode(each) for each in said)
    right = len(POST) + sum(len(base64.b64encode(each)) for each in said[:2])
    requests, passed, at = Requests(tunnel=True), b"", 0
    try:
        for step in [*cuts, len(whole)]:
            passed += requests.accept(whole[at : at + step])
            at += step
    except PeerError:
        assert clear
    assert whole.startswith(passed)
    assert len(passed) <= right if clear else passed == whole
    assert requests.playing is not clear


FRAME = b"$\x00\x00\x05hello"
DESCRIBE = b"DESCRIBE rtsp://x/ RTSP/1.0\r\nCSeq: 2\r\nAuthorization: Digest x\r\n\r\n"
BODY = b"SET_PARAMETER rtsp://x/ RTSP/1.0\r\nContent-Length: 4\r\n\r\nabcd"
PLAY = b"PLAY rtsp://x/ RTSP/1.0\r\nCSeq: 3\r\n\r\n"
SECRET = b"DESCRIBE rtsp://x/ RTSP/1.0\r\nauthorization:BASIC " + CLEAR + b"\r\n\r\n"


@given(st.lists(st.sampled_from([FRAME, DESCRIBE, BODY, PLAY]), max_size=6), st.data())
def test_requests_pass_whole_however_they_are_cut(messages, data):
    whole, requests, passed, at = b"".join(messages), Requests(), b"", 0
    while at < len(whole):
        step = data.draw(st.integers(1, len(whole) - at))
        passed += requests.accept(whole[at : at + step])
        at += step
    assert passed == whole
    assert requests.playing == (PLAY in messages)


@given(st.lists(st.sampled_from([FRAME, DESCRIBE, BODY, PLAY]), max_size=4), st.data())
def test_no_byte_of_a_request_with_a_password_in_clear_passes(messages, data):
    before = b"".join(messages)
    whole, requests, passed, at = before + SECRET, Requests(), b"", 0
    with pytest.raises(PeerError, match="in clear"):  # noqa: PT012 - cut anywhere
        while True:
            step = data.draw(st.integers(1, max(1, len(whole) - at)))
            passed += requests.accept(whole[at : at + step])
            at += step
    assert CLEAR not in passed
    assert before.startswith(passed)
