"""Keys: only the right identity opens, only the right passphrase unlocks, and every refusal is named."""

import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import SealError, WireError
from wire import keys
from wire.keys import Identity, Kem, Recipient, SigningKey

INFO = b"test"


@pytest.mark.parametrize("kem", Kem)
def test_only_the_identity_opens(kem):
    identity, other = Identity.generate(kem), Identity.generate(kem)
    sealed = identity.recipient.seal(b"content key", INFO)
    assert identity.open(sealed, INFO) == b"content key"
    for attempt in (
        lambda: other.open(sealed, INFO),
        lambda: identity.open(sealed, b"other purpose"),
        lambda: identity.open(sealed[:-1] + bytes((sealed[-1] ^ 1,)), INFO),
        lambda: identity.open(sealed[:10], INFO),
        lambda: identity.open(b"", INFO),
    ):
        with pytest.raises(SealError):
            attempt()


@given(st.binary(max_size=200))
def test_opening_is_total(sealed):
    with pytest.raises(SealError):
        Identity(bytes(31) + b"\x01").open(sealed, INFO)


def test_a_recipient_survives_the_pairing_message():
    recipient = Identity.generate(label="data protection officer").recipient
    assert Recipient.from_json(recipient.to_json()) == recipient


@pytest.mark.parametrize(
    "table",
    [None, [], {}, {"kid": "00", "public": "zz"}, {"kid": "0" * 16, "public": "00" * 32}, {"kid": 1, "public": 2}],
)
def test_a_broken_recipient_is_refused(table):
    with pytest.raises(WireError):
        Recipient.from_json(table)


def test_a_public_key_that_is_no_point_is_named():
    with pytest.raises(SealError, match="cannot seal"):
        Recipient(bytes(32)).seal(b"x", INFO)


def test_signatures():
    key = SigningKey.generate()
    signature = key.sign(b"message")
    keys.verify(key.public, signature, b"message")
    for public, sign, message in (
        (SigningKey.generate().public, signature, b"message"),
        (key.public, signature, b"massage"),
        (key.public, signature[:-1], b"message"),
        (b"short", signature, b"message"),
    ):
        with pytest.raises(SealError):
            keys.verify(public, sign, message)


@pytest.mark.parametrize("kem", Kem)
def test_an_identity_file_needs_its_passphrase(tmp_path, kem):
    path, identity = tmp_path / "officer.key", Identity.generate(kem, "officer")
    keys.save(path, identity, "correct horse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert identity.private.hex() not in path.read_text()
    assert keys.load_identity(path, "correct horse") == identity
    assert keys.load_recipient(path) == identity.recipient
    with pytest.raises(SealError, match="wrong passphrase"):
        keys.load_identity(path, "correct house")
    with pytest.raises(SealError, match="passphrase is needed"):
        keys.load_identity(path)


def test_a_signing_key_may_lie_open_for_an_unattended_start(tmp_path):
    path, key = tmp_path / "device.key", SigningKey.generate()
    keys.save(path, key, None)
    keys.save(path, key, None)
    assert keys.load_signing_key(path) == key
    with pytest.raises(WireError, match="no identity"):
        keys.load_identity(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(label="somebody else"),
        lambda t: t.update(public="00" * 32),
        lambda t: t.update(n=2**30),
        lambda t: t.update(n="many"),
        lambda t: t.update(sealed=t["sealed"][:-2]),
        lambda t: t.pop("salt"),
        lambda t: t.update(kdf="none"),
        lambda t: t.update(veilcam_key=2),
    ],
)
def test_a_changed_key_file_is_refused(tmp_path, change):
    path = tmp_path / "officer.key"
    keys.save(path, Identity.generate(label="officer"), "pass")
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))
    with pytest.raises((SealError, WireError)):
        keys.load_identity(path, "pass")


@given(st.binary(max_size=100))
def test_any_file_is_a_key_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("k") / "k"
    path.write_bytes(content)
    with pytest.raises(WireError):
        keys.load_identity(path, "pass")
