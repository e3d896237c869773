"""Certificates as X.509 wants them (RFC 5280): what Python verifies by default since 3.13, asked of every version."""

import ipaddress
import ssl

import onvif_pki as pki
import pytest
from cryptography.hazmat.primitives import serialization

from nvr_box.web import certificate as page
from onvif.keystore.keystore import own_certificate

PEM = serialization.Encoding.PEM


def handshake(server, trusted):
    """A TLS handshake in memory, verified strictly against `trusted`; raises when the certificate is refused."""
    client = ssl.create_default_context(cadata=trusted)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    pipes = [ssl.MemoryBIO() for _ in range(4)]
    ends = [
        client.wrap_bio(pipes[0], pipes[1], server_hostname="127.0.0.1"),
        server.wrap_bio(pipes[2], pipes[3], server_side=True),
    ]
    done = set()
    while len(done) < 2:
        for end in ends:
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                pass
            pipes[2].write(pipes[1].read())
            pipes[0].write(pipes[3].read())


def served(folder, leaf, key):
    (folder / "crt").write_bytes(leaf.public_bytes(PEM))
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context


def text(certificate):
    return certificate.public_bytes(PEM).decode()


def test_a_chain_of_the_tests_own_authority(tmp_path):
    authority, key = pki.authority()
    secret = pki.ecc()
    leaf = pki.certificate("camera", secret, (authority, key), addresses=[ipaddress.ip_address("127.0.0.1")])
    handshake(served(tmp_path, leaf, secret), text(authority))


def test_a_cameras_own(tmp_path):
    key = pki.ecc()
    leaf = own_certificate(key, "camera", ["127.0.0.1"])
    handshake(served(tmp_path, leaf, key), text(leaf))


def test_the_pages(tmp_path):
    made = page.ensure(tmp_path, ("127.0.0.1",))
    crt = next(path for path in tmp_path.rglob("*") if path.is_file() and b"BEGIN CERTIFICATE" in path.read_bytes())
    handshake(made.context, crt.read_text())


def test_one_for_another_address_is_refused(tmp_path):
    key = pki.ecc()
    leaf = own_certificate(key, "camera", ["127.0.0.2"])
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        handshake(served(tmp_path, leaf, key), text(leaf))
