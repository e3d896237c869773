"""HTTP Digest by the vectors of RFC 7616 and RFC 2617, and challenges as devices really write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onvif.digest import Challenge, challenges, credentials, parameters, response

# RFC 7616, 3.9.1.
RFC7616 = {
    "realm": "http-auth@example.org",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "uri": "/dir/index.html",
    "qop": "auth",
    "nc": "00000001",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
}


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_example(algorithm, expected):
    values = {**RFC7616, "algorithm": algorithm}
    assert response(values, user="Mufasa", password="Circle of Life", method="GET") == expected


def test_rfc_2617_example_and_without_qop():
    values = {
        "realm": "testrealm@host.com", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "uri": "/dir/index.html",
        "qop": "auth", "nc": "00000001", "cnonce": "0a4f113b",
    }  # fmt: skip
    asked = {"user": "Mufasa", "password": "Circle Of Life", "method": "GET"}
    assert response(values, **asked) == "6629fae49393a05397450978507c4ef1"
    bare = {key: values[key] for key in ("realm", "nonce", "uri")}
    assert response(bare, **asked) == "670fd8c2df070c60b045671b8b24ff02"


@pytest.mark.parametrize(
    ("headers", "algorithms"),
    [
        (['Digest realm="a", nonce="1", qop="auth"'], ["MD5"]),
        (['Digest realm="a", nonce="1", algorithm=MD5', 'Digest realm="a", nonce="2", algorithm=SHA-256'],
         ["SHA-256", "MD5"]),
        (['Digest realm="a, b", nonce="1", algorithm=SHA-256, Digest realm="a", nonce="2"'], ["SHA-256", "MD5"]),
        (['Basic realm="x", digest REALM="a", NONCE="1", qop="auth-int,auth", algorithm="md5"'], ["MD5"]),
        (['Digest realm="a", nonce="1", qop="auth-int"'], []),
        (['Digest realm="a", nonce="1", algorithm=MD5-sess'], []),
        (['Basic realm="x"'], []),
        (["Digest"], []),
    ],
)  # fmt: skip
def test_challenges_are_read_as_devices_write_them(headers, algorithms):
    assert [challenge.algorithm for challenge in challenges(headers)] == algorithms


def test_credentials_answer_their_challenge():
    challenge = Challenge('odd "realm"', "n1", "SHA-256", "o1")
    text = credentials(challenge, user="a", password="b", method="POST", uri="/x?y=1", count=3)
    values = parameters(text.removeprefix("Digest "))
    assert values["nc"] == "00000003"
    assert values["realm"] == 'odd "realm"'
    assert values["opaque"] == "o1"
    assert values["response"] == response(values, user="a", password="b", method="POST")


@given(st.lists(st.text(max_size=200), max_size=4))
def test_any_challenge_text_is_read_or_left_out(headers):
    for challenge in challenges(headers):
        assert challenge.nonce is not None
