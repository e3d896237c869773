"""Credentials on the server's side: digest, UsernameToken, replay, clock, guessing."""

import base64
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from onvif import digest, names
from onvif.auth import Authenticator, Guard, token_digest
from onvif.errors import Fault, NotAuthorized
from onvif.names import q
from onvif.users import Level, User

USERS = {"anna": User("anna", "right-one", Level.OPERATOR)}
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.s = 1000.0

    def __call__(self):
        return self.s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def authenticator(clock):
    return Authenticator(lambda: USERS, realm="veilcam", now=lambda: NOW, monotonic=clock)


def token(password="right-one", *, user="anna", created=NOW, nonce=b"0123456789abcdef", kind=names.PASSWORD_DIGEST):
    text = created if isinstance(created, str) else created.strftime("%Y-%m-%dT%H:%M:%SZ")
    header = etree.Element(q(names.ENV12, "Header"))
    security = etree.SubElement(header, q(names.WSSE, "Security"))
    element = etree.SubElement(security, q(names.WSSE, "UsernameToken"))
    etree.SubElement(element, q(names.WSSE, "Username")).text = user
    secret = etree.SubElement(element, q(names.WSSE, "Password"), Type=kind)
    secret.text = token_digest(nonce, text, password).decode()
    etree.SubElement(element, q(names.WSSE, "Nonce")).text = base64.b64encode(nonce).decode()
    etree.SubElement(element, q(names.WSU, "Created")).text = text
    return header


def http(authenticator, password="right-one", *, user="anna", algorithm="SHA-256", uri="/onvif/x", count=1, of=None):
    challenge = of or next(found for found in digest.challenges(authenticator.challenges())
                           if found.algorithm == algorithm)  # fmt: skip
    text = digest.credentials(challenge, user=user, password=password, method="POST", uri=uri, count=count)
    return SimpleNamespace(headers={"Authorization": text}, method="POST", path_qs="/onvif/x", remote="192.0.2.7")


def refused(call, *args):
    with pytest.raises(Fault) as caught:
        call(*args)
    assert caught.value.subcodes == ("NotAuthorized",)
    return str(caught.value)


def test_token_vector_of_the_onvif_programmers_guide():
    # ONVIF Application Programmer's Guide 1.0, 6.1.1.3.
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    assert token_digest(nonce, "2010-09-16T07:50:45Z", "userpassword") == b"tuOSpGlFlIXsozq4HFNeeGeFLEI="


def test_token_is_taken_once(authenticator):
    assert authenticator.from_token(token(), "192.0.2.7").level is Level.OPERATOR
    assert "used before" in refused(authenticator.from_token, token(), "192.0.2.7")
    assert authenticator.from_token(token(nonce=b"another"), "192.0.2.7")


@pytest.mark.parametrize("minutes", [-6, 6, 60 * 24 * 400])
def test_token_far_from_the_clock_is_refused(authenticator, minutes):
    assert "clock" in refused(authenticator.from_token, token(created=NOW + timedelta(minutes=minutes)), "a")


@pytest.mark.parametrize(
    "header",
    [
        token("wrong"), token(user="nobody"), token(kind="PasswordText"), token(created=""), token(nonce=b""),
        token(created="yesterday"), token(created="0001-01-01T00:00:00+14:00"),
    ],
)  # fmt: skip
def test_other_tokens_are_refused(authenticator, header):
    refused(authenticator.from_token, header, "a")


def test_no_token_is_nobody(authenticator):
    assert authenticator.from_token(None, "a") is None
    assert authenticator.from_token(etree.Element("x"), "a") is None


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_digest_counts_up_and_is_taken_once(authenticator, algorithm):
    challenge = next(c for c in digest.challenges(authenticator.challenges()) if c.algorithm == algorithm)
    for count in (1, 3, 2):
        assert authenticator.from_http(http(authenticator, of=challenge, count=count)).name == "anna"
    with pytest.raises(NotAuthorized) as caught:
        authenticator.from_http(http(authenticator, of=challenge, count=3))
    assert caught.value.stale


def test_nonce_grows_old(authenticator, clock):
    challenge = digest.challenges(authenticator.challenges())[0]
    clock.s += 299
    assert authenticator.from_http(http(authenticator, of=challenge))
    clock.s += 2
    with pytest.raises(NotAuthorized) as caught:
        authenticator.from_http(http(authenticator, of=challenge, count=2))
    assert caught.value.stale


def test_foreign_nonce_realm_and_address_are_refused(authenticator):
    ours = digest.challenges(authenticator.challenges())[0]
    foreign = digest.Challenge("veilcam", "16ff93-f958cb5053e3-b15cf0b0d873d5a7cbbe211771028af3", "MD5")
    for request in (
        http(authenticator, of=foreign),
        http(authenticator, of=digest.Challenge("other", ours.nonce, "MD5")),
        http(authenticator, uri="/onvif/other"),
        http(authenticator, "wrong"),
        http(authenticator, user="nobody"),
    ):
        with pytest.raises(NotAuthorized):
            authenticator.from_http(request)


def test_basic_is_not_offered(authenticator):
    request = SimpleNamespace(headers={"Authorization": "Basic YTpi"}, method="GET", path_qs="/", remote="a")
    with pytest.raises(NotAuthorized):
        authenticator.from_http(request)


def test_challenges_share_one_nonce(authenticator):
    first, second = digest.challenges(authenticator.challenges())
    assert (first.algorithm, second.algorithm) == ("SHA-256", "MD5")
    assert first.nonce == second.nonce


def test_guessing_locks_out_that_address_and_user_only(authenticator, clock):
    for number in range(Guard.FREE):
        refused(authenticator.from_token, token("wrong", nonce=bytes([number])), "192.0.2.7")
    assert "too many" in refused(authenticator.from_token, token(), "192.0.2.7")
    with pytest.raises(NotAuthorized, match="too many"):
        authenticator.from_http(http(authenticator))
    assert authenticator.from_token(token(), "192.0.2.8")
    clock.s += Guard.FIRST_S + 1
    assert authenticator.from_token(token(nonce=b"fresh"), "192.0.2.7")


def test_lock_out_doubles_to_a_limit_and_never_overflows(authenticator, clock):
    said = ""
    for number in range(2000):
        said = refused(authenticator.from_token, token("wrong", nonce=number.to_bytes(2, "big")), "192.0.2.7")
        clock.s += Guard.LONGEST_S / 2
    assert "too many" in said
    clock.s += Guard.LONGEST_S / 2 + 1
    assert authenticator.from_token(token(nonce=b"fresh"), "192.0.2.7")


def test_what_was_overheard_and_is_played_back_takes_no_wrong_tries_back(authenticator):
    right = http(authenticator)
    assert authenticator.from_http(right)
    tried = 0
    for _ in range(9 * Guard.FREE):
        with pytest.raises(NotAuthorized) as caught:
            authenticator.from_http(http(authenticator, "a guess"))
        tried += "is wrong" in str(caught.value)
        with pytest.raises(NotAuthorized):
            authenticator.from_http(right)
    assert tried == 8 * Guard.FREE


def test_one_address_gets_no_further_by_making_up_names(authenticator):
    tried = 0
    for number in range(200):
        with pytest.raises(NotAuthorized) as caught:
            authenticator.from_http(http(authenticator, "a guess", user=f"name-{number}"))
        tried += "is wrong" in str(caught.value)
    assert tried == 8 * Guard.FREE


@given(st.text(max_size=300))
def test_any_authorization_is_refused_and_nothing_worse(text):
    authenticator = Authenticator(lambda: USERS, realm="veilcam", now=lambda: NOW)
    request = SimpleNamespace(headers={"Authorization": f"Digest {text}"}, method="POST", path_qs="/", remote="a")
    with pytest.raises(NotAuthorized):
        authenticator.from_http(request)


@pytest.mark.parametrize("fold", ["\n", "\r\n    ", " "])
def test_a_folded_nonce_is_the_same_nonce_and_taken_once(authenticator, fold):
    header = token(nonce=b"0123456789abcdef" * 6)
    node = header.find(f".//{q(names.WSSE, 'Nonce')}")
    plain = node.text
    node.text = f"\n  {plain[:76]}{fold}{plain[76:]}\n"
    assert authenticator.from_token(header, "192.0.2.7")
    node.text = plain
    assert "used before" in refused(authenticator.from_token, header, "192.0.2.7")


def wrong(authenticator, times, *, by_token=False):
    for number in range(times):
        header = token("old", nonce=b"wrong %d" % number)
        with pytest.raises((Fault, NotAuthorized)):
            authenticator.from_token(header, "192.0.2.7") if by_token else authenticator.from_http(
                http(authenticator, "old")
            )


@pytest.mark.parametrize("by_token", [False, True])
def test_a_neighbour_s_old_password_does_not_lock_out_what_just_worked(authenticator, clock, by_token):
    assert authenticator.from_http(http(authenticator))
    wrong(authenticator, 3 * Guard.FREE, by_token=by_token)
    assert authenticator.from_http(http(authenticator)), "another challenge, the same address"
    wrong(authenticator, Guard.FREE, by_token=by_token)
    assert authenticator.from_token(token(nonce=b"fresh"), "192.0.2.7")
    clock.s += Guard.KNOWN_S + 1
    wrong(authenticator, Guard.FREE, by_token=by_token)
    with pytest.raises(NotAuthorized, match="too many"):
        authenticator.from_http(http(authenticator))


def test_who_has_an_answered_challenge_goes_on_however_many_guess_beside(authenticator):
    (challenge, *_) = digest.challenges(authenticator.challenges())
    assert authenticator.from_http(http(authenticator, of=challenge, count=1))
    wrong(authenticator, 9 * Guard.FREE)
    with pytest.raises(NotAuthorized, match="too many"):
        authenticator.from_http(http(authenticator))
    assert authenticator.from_http(http(authenticator, of=challenge, count=2))
    with pytest.raises(NotAuthorized):
        authenticator.from_http(http(authenticator, "guess", of=challenge, count=3))


def test_guessing_from_where_the_owner_is_ends_with_the_tries_of_the_address(authenticator, clock):
    tried = 0
    for _ in range(20 * Guard.FREE):
        try:
            authenticator.from_http(http(authenticator, "guess"))
        except NotAuthorized as refusal:
            tried += "is wrong" in str(refusal)
        clock.s += 0.01
        if tried == 1:
            assert authenticator.from_http(http(authenticator))
    assert tried <= 8 * Guard.FREE + 3
