"""The Security Configuration service as ONVIF's test specification goes through it: keys, certificates, TLS server.

Handshakes are real: a client of Python's `ssl` connects to the running HTTPS port and looks at what it is shown.
"""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from lxml import etree

from onvif import names
from onvif.errors import Fault, NotAuthorized
from onvif.names import TAS, TDS, TEV, TT, WSNT, q
from onvif.registry import load
from onvif.users import AccessClass, Level, may
from tests import onvif_pki as pki
from tests.onvif_camera import running
from tests.onvif_schema import problems

SHA256_RSA, SHA256_ECDSA = "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2"
SUBJECT = {"Country": ["DE"], "CommonName": ["camera.example.org"], "Organization": ["Veilcam"]}
DEADLINE_S = 120
LOOPBACK = ipaddress.ip_address("127.0.0.1")


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
def ask(camera):
    client = camera.client()

    async def call(operation, **values):
        """The reply, judged by both opinions."""
        raw = await client.raw(TAS, operation, **values)
        assert problems(raw) == []
        return load().operation(TAS, operation).decode_reply(raw)

    return call


async def external(camera, key):
    """`externallyGenerated` of a key; zeep's strict decoding stops at the open content in front of it."""
    reply = await camera.client().raw(TAS, "GetAllKeys")
    (found,) = [one for one in reply if one.findtext(q(TAS, "KeyID")) == key]
    return found.findtext(q(TAS, "externallyGenerated"))


async def refused(call):
    with pytest.raises(Fault) as fault:
        await call
    return fault.value.subcodes[-1]


async def until_ok(ask, key):
    async with asyncio.timeout(DEADLINE_S):
        while (await ask("GetKeyStatus", KeyID=key)).KeyStatus == "generating":  # noqa: ASYNC110 - status by polling
            await asyncio.sleep(0.02)
    assert (await ask("GetKeyStatus", KeyID=key)).KeyStatus == "ok"
    return key


async def ecc_key(ask):
    return await until_ok(ask, (await ask("CreateECCKeyPair", EllipticCurve="secp256r1", Alias="web")).KeyID)


async def self_signed(ask, key, **more):
    algorithm = {"algorithm": SHA256_ECDSA}
    made = await ask("CreateSelfSignedCertificate", Subject=SUBJECT, KeyID=key, SignatureAlgorithm=algorithm, **more)
    return made.CertificateID


async def path_of(ask, *certificates):
    made = await ask("CreateCertificationPath", CertificateIDs={"CertificateID": list(certificates)}, Alias="web")
    return made.CertificationPathID


async def follow(camera):
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*camera.web.host._tasks)


async def https(camera, *, on=True):
    """Switch HTTPS on a free port; the port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    port = camera.web.ports.https or port
    wanted = [{"Name": "HTTPS", "Enabled": on, "Port": [port]}]
    await camera.client()(TDS, "SetNetworkProtocols", NetworkProtocols=wanted)
    await follow(camera)
    return camera.web.ports.https


async def shown(port, *, version=None, trust=None):
    """(DER certificate, TLS version) of a handshake; `trust`: PEM that the chain has to end in, for 127.0.0.1."""

    def connect():
        context = ssl.create_default_context(cadata=trust) if trust else ssl._create_unverified_context()
        if version:
            context.minimum_version = context.maximum_version = version
        name = "127.0.0.1" if trust else None
        with (
            socket.create_connection(("127.0.0.1", port), DEADLINE_S) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            return secure.getpeercert(binary_form=True), secure.version()

    return await asyncio.to_thread(connect)


@pytest.mark.case("ADVANCED_SECURITY-1-1-1", "ADVANCED_SECURITY-1-1-3", "ADVANCED_SECURITY-1-1-4",
                  "ADVANCED_SECURITY-1-1-5")  # fmt: skip
async def test_keys_are_generated_listed_and_deleted(camera, ask):
    made = await ask("CreateRSAKeyPair", KeyLength=2048, Alias="rsa one")
    assert made.EstimatedCreationTime > dt.timedelta()
    rsa, ecc = await until_ok(ask, made.KeyID), await ecc_key(ask)
    assert (await ask("GetPrivateKeyStatus", KeyID=rsa)).hasPrivateKey is True
    listed = {key.KeyID: key for key in (await ask("GetAllKeys")).KeyAttribute}
    assert (listed[rsa].Alias, listed[rsa].hasPrivateKey) == ("rsa one", True)
    assert await external(camera, rsa) == "false"
    assert listed[ecc].KeyStatus == "ok"
    await ask("DeleteKey", KeyID=rsa)
    assert [key.KeyID for key in (await ask("GetAllKeys")).KeyAttribute] == [ecc]
    for operation in ("DeleteKey", "GetKeyStatus", "GetPrivateKeyStatus"):
        assert await refused(ask(operation, KeyID=rsa)) == "KeyID"
    assert await refused(ask("CreateRSAKeyPair", KeyLength=1024)) == "KeyLength"
    assert await refused(ask("CreateECCKeyPair", EllipticCurve="secp192r1")) == "UnsupportedEllipticCurve"


@pytest.mark.case("ADVANCED_SECURITY-1-1-2")
async def test_a_keys_status_is_told_by_an_event(camera, ask):
    client = camera.client()
    topic = etree.Element(q(WSNT, "TopicExpression"), Dialect=names.TOPIC_CONCRETE, nsmap={"tns1": names.TNS1})
    topic.text = "tns1:Advancedsecurity/Keystore/KeyStatus"
    created = await client(TEV, "CreatePullPointSubscription", Filter={"_value_1": [topic]})
    key = (await ask("CreateECCKeyPair", EllipticCurve="secp384r1")).KeyID
    client.paths = {**client.paths, TEV: str(created.SubscriptionReference.Address._value_1)[len(camera.base) :]}
    told = []
    async with asyncio.timeout(DEADLINE_S):
        while len(told) < 2:
            pulled = await client.raw(TEV, "PullMessages", Timeout="PT5S", MessageLimit=10)
            told += [
                {item.get("Name"): item.get("Value") for item in message.iter(q(TT, "SimpleItem"))}
                for message in pulled.iter(q(TT, "Message"))
            ]
    assert told == [{"KeyID": key, "NewStatus": "generating"},
                    {"KeyID": key, "OldStatus": "generating", "NewStatus": "ok"}]  # fmt: skip


@pytest.mark.case("ADVANCED_SECURITY-2-1-1", "ADVANCED_SECURITY-2-1-20")
async def test_certification_requests_are_made_and_negatives_refused(ask):
    key = await ecc_key(ask)
    algorithm = {"algorithm": SHA256_ECDSA}
    csr = await ask("CreatePKCS10CSR", Subject=SUBJECT, KeyID=key, SignatureAlgorithm=algorithm)
    request = x509.load_der_x509_csr(csr.PKCS10CSR)
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=camera.example.org,O=Veilcam,C=DE"
    alternative = x509.SubjectAlternativeName([x509.DNSName("camera.example.org")])
    extension = {"extnOID": "2.5.29.17", "critical": False, "extnValue": alternative.public_bytes()}
    csr = await ask("CreatePKCS10CSR", Subject=SUBJECT, KeyID=key, SignatureAlgorithm=algorithm,
                    CSRAttribute=[{"X509v3Extension": extension}])  # fmt: skip
    found = x509.load_der_x509_csr(csr.PKCS10CSR).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert found.value == alternative
    hexadecimal = {"GenericAttribute": [{"Type": "CN", "Value": "#0c0463616d31"}]}
    csr = await ask("CreatePKCS10CSR", Subject=hexadecimal, KeyID=key, SignatureAlgorithm=algorithm)
    assert x509.load_der_x509_csr(csr.PKCS10CSR).subject.rfc4514_string() == "CN=cam1"

    def wrong(**changes):
        values = {"Subject": SUBJECT, "KeyID": key, "SignatureAlgorithm": algorithm} | changes
        return refused(ask("CreatePKCS10CSR", **values))

    assert await wrong(KeyID="key-99") == "KeyID"
    assert await wrong(SignatureAlgorithm={"algorithm": "1.2.840.113549.1.1.5"}) == "UnsupportedSignatureAlgorithm"
    assert await wrong(SignatureAlgorithm={"algorithm": SHA256_RSA}) == "KeySignatureAlgorithmMismatch"
    assert await wrong(Subject={}) == "InvalidSubject"
    assert await wrong(Subject={"Country": ["Germany"]}) == "InvalidSubject"
    assert await wrong(Subject={"GenericAttribute": [{"Type": "CN", "Value": "#ff"}]}) == "InvalidSubject"
    rotten = {"extnOID": "2.5.29.17", "critical": False, "extnValue": b"no DER"}
    assert await wrong(CSRAttribute=[{"X509v3Extension": rotten}]) == "InvalidAttribute"


@pytest.mark.case("ADVANCED_SECURITY-2-1-2", "ADVANCED_SECURITY-2-1-6", "ADVANCED_SECURITY-2-1-8",
                  "ADVANCED_SECURITY-2-1-10")  # fmt: skip
async def test_self_signed_certificates_are_made_got_and_deleted(ask):
    key = await ecc_key(ask)
    made = await self_signed(ask, key, Alias="door")
    got = (await ask("GetCertificate", CertificateID=made)).Certificate
    assert (got.KeyID, got.Alias, got.HasPrivateKey) == (key, "door", True)
    leaf = x509.load_der_x509_certificate(got.CertificateContent)
    leaf.verify_directly_issued_by(leaf)
    assert leaf.version is x509.Version.v3
    assert leaf.not_valid_after_utc.year == 9999
    begins, ends = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    dated = await self_signed(ask, key, notValidBefore=begins, notValidAfter=ends)
    content = (await ask("GetCertificate", CertificateID=dated)).Certificate.CertificateContent
    found = x509.load_der_x509_certificate(content)
    assert (found.not_valid_before_utc, found.not_valid_after_utc) == (begins, ends)
    assert await refused(self_signed(ask, key, notValidBefore=ends, notValidAfter=begins)) == "InvalidDateTime"
    assert await refused(self_signed(ask, key, X509Version=1)) == "UnsupportedX509Version"
    assert {one.CertificateID for one in (await ask("GetAllCertificates")).Certificate} == {made, dated}
    assert await refused(ask("DeleteKey", KeyID=key)) == "ReferenceExists"
    for gone in (made, dated):
        await ask("DeleteCertificate", CertificateID=gone)
    assert (await ask("GetAllCertificates")).Certificate == []
    assert await refused(ask("GetCertificate", CertificateID=made)) == "CertificateID"
    await ask("DeleteKey", KeyID=key)


@pytest.mark.case(
    "ADVANCED_SECURITY-2-1-3", "ADVANCED_SECURITY-2-1-4", "ADVANCED_SECURITY-2-1-5", "ADVANCED_SECURITY-2-1-7",
    "ADVANCED_SECURITY-2-1-9", "ADVANCED_SECURITY-2-1-11", "ADVANCED_SECURITY-2-1-21", "ADVANCED_SECURITY-2-1-22",
    "ADVANCED_SECURITY-2-1-23", "ADVANCED_SECURITY-2-1-24",
)  # fmt: skip
async def test_certificates_of_an_authority_are_uploaded(ask):
    ca, ca_key = pki.authority()
    key = await ecc_key(ask)
    csr = await ask("CreatePKCS10CSR", Subject=SUBJECT, KeyID=key, SignatureAlgorithm={"algorithm": SHA256_ECDSA})
    request = x509.load_der_x509_csr(csr.PKCS10CSR)
    foreign = pki.ecc()
    signed = pki.certificate("camera", foreign, (ca, ca_key))
    upload = {"Certificate": pki.der(signed), "PrivateKeyRequired": True}
    assert await refused(ask("UploadCertificate", **upload)) == "NoMatchingPrivateKey"
    assert (await ask("GetAllCertificates")).Certificate == []

    class Requested:  # a key pair of which only the public half is known here
        public_key = staticmethod(request.public_key)

    mine = pki.certificate("camera", Requested, (ca, ca_key))
    uploaded = await ask("UploadCertificate", Certificate=pki.der(mine), Alias="signed", PrivateKeyRequired=True)
    assert uploaded.KeyID == key
    root = await ask("UploadCertificate", Certificate=pki.der(ca), KeyAlias="authority")
    assert (await ask("GetPrivateKeyStatus", KeyID=root.KeyID)).hasPrivateKey is False
    assert await refused(ask("UploadCertificate", Certificate=pki.der(ca))) == "Duplicate"
    assert await refused(ask("DeleteKey", KeyID=root.KeyID)) == "ReferenceExists"
    assert await refused(ask("UploadCertificate", Certificate=b"no certificate")) == "BadCertificate"
    expired = pki.certificate("old", pki.ecc(), ends=pki.NOW - dt.timedelta(days=2))
    assert (await ask("UploadCertificate", Certificate=pki.der(expired))).CertificateID
    weak = pki.certificate("weak", pki.rsa_key(1024))
    assert await refused(ask("UploadCertificate", Certificate=pki.der(weak))) == "UnsupportedPublicKeyAlgorithm"
    odd = pki.certificate("odd", pki.ecc(), sign=hashes.SHA224)
    assert await refused(ask("UploadCertificate", Certificate=pki.der(odd))) == "UnsupportedSignatureAlgorithm"
    content = (await ask("GetCertificate", CertificateID=root.CertificateID)).Certificate.CertificateContent
    assert content == pki.der(ca)
    await ask("DeleteCertificate", CertificateID=root.CertificateID)
    assert root.KeyID in {one.KeyID for one in (await ask("GetAllKeys")).KeyAttribute}  # its public key stays


@pytest.mark.case(
    "ADVANCED_SECURITY-2-1-12", "ADVANCED_SECURITY-2-1-13", "ADVANCED_SECURITY-2-1-14", "ADVANCED_SECURITY-2-1-15",
    "ADVANCED_SECURITY-2-1-16", "ADVANCED_SECURITY-2-1-17", "ADVANCED_SECURITY-2-1-18", "ADVANCED_SECURITY-2-1-19",
)  # fmt: skip
async def test_certification_paths_are_made_changed_and_deleted(ask):
    ca = pki.authority()
    leaf = pki.certificate("camera", pki.ecc(), ca)
    first = (await ask("UploadCertificate", Certificate=pki.der(leaf))).CertificateID
    root = (await ask("UploadCertificate", Certificate=pki.der(ca[0]))).CertificateID
    own = await self_signed(ask, await ecc_key(ask))
    long, short = await path_of(ask, first, root), await path_of(ask, own)
    got = (await ask("GetCertificationPath", CertificationPathID=long)).CertificationPath
    assert got.CertificateID == [first, root]
    assert (await ask("GetAllCertificationPaths")).CertificationPathID == [long, short]
    assert await refused(path_of(ask, root, first)) == "InvalidCertificationPath"
    assert await refused(path_of(ask, first, "certificate-99")) == "CertificateID"
    assert await refused(ask("DeleteCertificate", CertificateID=root)) == "ReferenceExists"
    await ask("SetCertificationPath", CertificationPathID=long,
              CertificationPath={"CertificateID": [first], "Alias": "shorter"})  # fmt: skip
    changed = (await ask("GetCertificationPath", CertificationPathID=long)).CertificationPath
    assert (changed.CertificateID, changed.Alias) == ([first], "shorter")
    await ask("DeleteCertificate", CertificateID=root)
    for path in (long, short):
        await ask("DeleteCertificationPath", CertificationPathID=path)
    assert (await ask("GetAllCertificationPaths")).CertificationPathID == []
    assert await refused(ask("GetCertificationPath", CertificationPathID=long)) == "CertificationPathID"


@pytest.mark.case("ADVANCED_SECURITY-6-1-1", "ADVANCED_SECURITY-6-1-2", "ADVANCED_SECURITY-6-2-1",
                  "ADVANCED_SECURITY-6-2-2")  # fmt: skip
async def test_key_pairs_are_uploaded_and_passphrases_kept_but_never_told(camera, ask):
    phrase = (await ask("UploadPassphrase", Passphrase="open sesame", PassphraseAlias="for keys")).PassphraseID
    (kept,) = (await ask("GetAllPassphrases")).PassphraseAttribute
    assert (kept.PassphraseID, kept.Alias) == (phrase, "for keys")
    plain, locked = pki.ecc(), pki.rsa_key()
    first = (await ask("UploadKeyPairInPKCS8", KeyPair=pki.pkcs8(plain), Alias="mine")).KeyID
    assert (await ask("UploadKeyPairInPKCS8", KeyPair=pki.pkcs8(plain))).KeyID == first
    sealed = pki.pkcs8(locked, "open sesame")
    second = (await ask("UploadKeyPairInPKCS8", KeyPair=sealed, EncryptionPassphraseID=phrase)).KeyID
    assert (await ask("UploadKeyPairInPKCS8", KeyPair=sealed, EncryptionPassphrase="open sesame")).KeyID == second
    listed = {one.KeyID: one for one in (await ask("GetAllKeys")).KeyAttribute}
    assert await external(camera, first) == "true"
    assert listed[second].hasPrivateKey

    def wrong(**values):
        return refused(ask("UploadKeyPairInPKCS8", **values))

    fresh = pki.pkcs8(pki.ecc(), "another")
    assert await wrong(KeyPair=fresh, EncryptionPassphraseID=phrase) == "DecryptionFailed"
    assert await wrong(KeyPair=fresh) == "DecryptionFailed"
    assert await wrong(KeyPair=fresh, EncryptionPassphraseID="passphrase-99") == "PassphraseID"
    assert await wrong(KeyPair=b"\x30\x03\x02\x01\x00") == "BadPKCS8File"
    await ask("DeletePassphrase", PassphraseID=phrase)
    assert (await ask("GetAllPassphrases")).PassphraseAttribute == []
    assert await refused(ask("DeletePassphrase", PassphraseID=phrase)) == "PassphraseID"


@pytest.mark.case(
    "ADVANCED_SECURITY-6-3-1", "ADVANCED_SECURITY-6-3-2", "ADVANCED_SECURITY-6-3-4", "ADVANCED_SECURITY-2-1-27",
    "ADVANCED_SECURITY-2-1-28", "ADVANCED_SECURITY-3-2-5",
)  # fmt: skip
async def test_a_pkcs12_file_becomes_key_certificates_and_path_and_serves(camera, ask):
    ca = pki.authority()
    key = pki.rsa_key()
    leaf = pki.certificate("camera", key, ca, addresses=[LOOPBACK])
    file = pki.p12(key, leaf, [ca[0]], "secret")
    upload = "UploadCertificateWithPrivateKeyInPKCS12"
    assert await refused(ask(upload, CertWithPrivateKey=file, Passphrase="wrong")) == "DecryptionFailed"
    assert await refused(ask(upload, CertWithPrivateKey=b"junk", Passphrase="secret")) == "BadPKCS12File"
    assert (await ask("GetAllKeys")).KeyAttribute == []
    phrase = (await ask("UploadPassphrase", Passphrase="secret")).PassphraseID
    made = await ask(upload, CertWithPrivateKey=file, IntegrityPassphraseID=phrase, EncryptionPassphraseID=phrase,
                     CertificationPathAlias="ours", KeyAlias="server")  # fmt: skip
    path = (await ask("GetCertificationPath", CertificationPathID=made.CertificationPathID)).CertificationPath
    contents = [
        (await ask("GetCertificate", CertificateID=one)).Certificate.CertificateContent for one in path.CertificateID
    ]
    assert contents == [pki.der(leaf), pki.der(ca[0])]
    algorithm = {"algorithm": SHA256_RSA}
    assert await ask("CreateSelfSignedCertificate", Subject=SUBJECT, KeyID=made.KeyID, SignatureAlgorithm=algorithm)
    assert await ask("CreatePKCS10CSR", Subject=SUBJECT, KeyID=made.KeyID, SignatureAlgorithm=algorithm)
    await ask("AddServerCertificateAssignment", CertificationPathID=made.CertificationPathID)
    port = await https(camera)
    assert (await shown(port, trust=pki.pem(ca[0])))[0] == pki.der(leaf)


@pytest.mark.case(
    "ADVANCED_SECURITY-3-1-1", "ADVANCED_SECURITY-3-1-2", "ADVANCED_SECURITY-3-1-3", "ADVANCED_SECURITY-3-1-4",
    "ADVANCED_SECURITY-3-1-5", "ADVANCED_SECURITY-3-1-6", "ADVANCED_SECURITY-3-1-7", "ADVANCED_SECURITY-3-1-8",
    "ADVANCED_SECURITY-3-2-3", "ADVANCED_SECURITY-3-2-4", "ADVANCED_SECURITY-4-1-1", "ADVANCED_SECURITY-4-1-2",
)  # fmt: skip
async def test_the_running_listener_takes_the_assigned_certificate(camera, ask):
    async def assigned():
        return (await ask("GetAssignedServerCertificates")).CertificationPathID

    first = await self_signed(ask, await ecc_key(ask))
    path = await path_of(ask, first)
    await ask("AddServerCertificateAssignment", CertificationPathID=path)
    assert await assigned() == [path]
    assert await refused(ask("DeleteCertificationPath", CertificationPathID=path)) == "ReferenceExists"
    port = await https(camera)
    content = (await ask("GetCertificate", CertificateID=first)).Certificate.CertificateContent
    assert (await shown(port))[0] == content

    ca = pki.authority()
    key = pki.rsa_key()
    uploaded = await ask("UploadKeyPairInPKCS8", KeyPair=pki.pkcs8(key))
    leaf = pki.certificate("camera", key, ca, addresses=[LOOPBACK])
    signed = await ask("UploadCertificate", Certificate=pki.der(leaf), PrivateKeyRequired=True)
    assert signed.KeyID == uploaded.KeyID
    root = (await ask("UploadCertificate", Certificate=pki.der(ca[0]))).CertificateID
    new = await path_of(ask, signed.CertificateID, root)
    await ask("ReplaceServerCertificateAssignment", OldCertificationPathID=path, NewCertificationPathID=new)
    assert await assigned() == [new]
    assert camera.web.ports.https == port  # no restart, no new listener
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert (await shown(port, version=version, trust=pki.pem(ca[0])))[0] == pki.der(leaf)
    assert camera.web.rtsp_ports.tls.fingerprint == leaf.fingerprint(hashes.SHA256()).hex()

    trusted = await path_of(ask, root)
    assert await refused(ask("AddServerCertificateAssignment", CertificationPathID=trusted)) == "NoPrivateKey"
    assert await refused(ask("AddServerCertificateAssignment", CertificationPathID="path-99")) == "CertificationPathID"
    assert await refused(ask("RemoveServerCertificateAssignment", CertificationPathID=new)) == "ReferenceExists"
    assert await refused(ask("RemoveServerCertificateAssignment", CertificationPathID=path)) == "OldCertificationPathID"
    await https(camera, on=False)
    await ask("RemoveServerCertificateAssignment", CertificationPathID=new)
    assert await assigned() == []


@pytest.mark.case("ADVANCED_SECURITY-9-1-1", "ADVANCED_SECURITY-9-1-2")
async def test_versions_of_tls_are_switched_while_it_runs(camera, ask):
    port = await https(camera)
    v12, v13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    assert (await ask("GetEnabledTLSVersions")).Versions == ["1.2", "1.3"]
    assert ((await shown(port, version=v12))[1], (await shown(port, version=v13))[1]) == ("TLSv1.2", "TLSv1.3")
    await ask("SetEnabledTLSVersions", Versions=["1.3"])
    assert (await ask("GetEnabledTLSVersions")).Versions == ["1.3"]
    assert (await shown(port, version=v13))[1] == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        await shown(port, version=v12)
    await ask("SetEnabledTLSVersions", Versions=["1.2"])
    assert (await shown(port, version=v12))[1] == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        await shown(port, version=v13)
    assert await refused(ask("SetEnabledTLSVersions", Versions=["1.1", "1.2"])) == "TLSVersion"
    assert await refused(ask("SetEnabledTLSVersions", Versions=[])) == "EmptyList"


@pytest.mark.case("ADVANCED_SECURITY-8-1-4", "ADVANCED_SECURITY-8-1-5", "ADVANCED_SECURITY-8-1-6")
async def test_validation_policies_are_made_got_and_deleted(ask):
    ca, _ = pki.authority()
    root = (await ask("UploadCertificate", Certificate=pki.der(ca))).CertificateID
    anchors = {"Parameters": {}, "TrustAnchor": [{"CertificateID": root}]}
    made = (await ask("CreateCertPathValidationPolicy", Alias="brokers", **anchors)).CertPathValidationPolicyID
    got = (await ask("GetCertPathValidationPolicy", CertPathValidationPolicyID=made)).CertPathValidationPolicy
    assert (got.Alias, [one.CertificateID for one in got.TrustAnchor]) == ("brokers", [root])
    assert await refused(ask("DeleteCertificate", CertificateID=root)) == "ReferenceExists"
    changed = {"CertPathValidationPolicyID": made, "Alias": "others", **anchors}
    await ask("SetCertPathValidationPolicy", CertPathValidationPolicyID=made, CertPathValidationPolicy=changed)
    (listed,) = (await ask("GetAllCertPathValidationPolicies")).CertPathValidationPolicy
    assert listed.Alias == "others"
    unknown = {"Parameters": {}, "TrustAnchor": [{"CertificateID": "certificate-99"}]}
    assert await refused(ask("CreateCertPathValidationPolicy", **unknown)) == "CertificateID"
    delta = {**anchors, "Parameters": {"UseDeltaCRLs": True}}
    assert await refused(ask("CreateCertPathValidationPolicy", **delta)) == "CertPathValidationParameters"
    await ask("DeleteCertPathValidationPolicy", CertPathValidationPolicyID=made)
    get = ask("GetCertPathValidationPolicy", CertPathValidationPolicyID=made)
    assert await refused(get) == "CertPathValidationPolicyID"


@pytest.mark.case("ADVANCED_SECURITY-5-1-1", "ADVANCED_SECURITY-5-1-2")
async def test_the_capabilities_are_true_and_the_same_everywhere(camera, ask):
    asked = (await ask("GetServiceCapabilities")).Capabilities
    services = (await camera.client()(TDS, "GetServices", IncludeCapability=True)).Service
    (found,) = [one for one in services if one.Namespace == TAS]
    assert str(found.Capabilities._value_1) == str(asked)
    keystore, tls = asked.KeystoreCapabilities, asked.TLSServerCapabilities
    assert keystore.MaximumNumberOfKeys >= 4
    assert keystore.MaximumNumberOfCertificates >= 4
    assert 3072 in keystore.RSAKeyLengths
    assert {"secp256r1", "secp384r1"} <= set(keystore.EllipticCurves)
    assert list(tls.TLSServerSupported) == ["1.2", "1.3"]
    most = keystore.MaximumNumberOfPassphrases
    for _ in range(most):
        await ask("UploadPassphrase", Passphrase="x")
    assert await refused(ask("UploadPassphrase", Passphrase="x")) == "MaximumNumberOfPassphrasesReached"


async def test_everything_outlives_a_restart_and_a_hard_default_forgets_it(tmp_path):
    async with running(tmp_path) as camera:
        client = camera.client()
        key = (await client(TAS, "UploadKeyPairInPKCS8", KeyPair=pki.pkcs8(pki.ecc()))).KeyID
        port = await https(camera)
        seen = await shown(port)
    async with running(tmp_path) as camera:
        assert camera.web.ports.https == port
        assert await shown(port) == seen
        client = camera.client()
        assert key in {one.KeyID for one in (await client(TAS, "GetAllKeys")).KeyAttribute}
        await client(TDS, "SetSystemFactoryDefault", FactoryDefault="Hard")
    async with running(tmp_path) as camera:
        assert camera.web.ports.https == 0
        assert (await camera.client()(TAS, "GetAllKeys")).KeyAttribute == []


async def test_private_keys_and_passphrases_are_told_to_nobody(camera, ask):
    await ask("UploadPassphrase", Passphrase="very-secret-word")
    pair = pki.ecc()
    await ask("UploadKeyPairInPKCS8", KeyPair=pki.pkcs8(pair))
    number = format(pair.private_numbers().private_value, "x").encode()
    client = camera.client()
    for operation in ("GetAllKeys", "GetAllPassphrases", "GetAllCertificates"):
        told = etree.tostring(await client.raw(TAS, operation))
        assert b"very-secret-word" not in told
        assert number not in told


ACCESS = {
    AccessClass.PRE_AUTH: "GetServiceCapabilities",
    AccessClass.READ_SYSTEM: "CreatePKCS10CSR GetEnabledTLSVersions",
    AccessClass.READ_SYSTEM_SECRET: "GetAllKeys GetKeyStatus GetPrivateKeyStatus GetAllPassphrases GetCertificate "
    "GetAllCertificates GetCertificationPath GetAllCertificationPaths GetAssignedServerCertificates "
    "GetCertPathValidationPolicy GetAllCertPathValidationPolicies",
    AccessClass.WRITE_SYSTEM: "CreateRSAKeyPair CreateECCKeyPair UploadKeyPairInPKCS8 UploadPassphrase "
    "CreateSelfSignedCertificate UploadCertificate UploadCertificateWithPrivateKeyInPKCS12 CreateCertificationPath "
    "SetCertificationPath CreateCertPathValidationPolicy SetCertPathValidationPolicy AddServerCertificateAssignment "
    "RemoveServerCertificateAssignment ReplaceServerCertificateAssignment SetEnabledTLSVersions",
    AccessClass.UNRECOVERABLE: "DeleteKey DeletePassphrase DeleteCertificate DeleteCertificationPath "
    "DeleteCertPathValidationPolicy",
}
"""The line after each operation in the specification."""


async def test_every_operation_is_for_the_levels_of_its_access_class(camera):
    """Asked with a body that no device may execute: refused for its content, or for who asks."""
    ours = {name for name, handled in camera.web.server.operations.items() if handled.service == TAS}
    assert {q(TAS, name) for listed in ACCESS.values() for name in listed.split()} == ours
    for access, listed in ACCESS.items():
        for level in Level:
            client = camera.client(level)
            for name in listed.split():
                body = etree.Element(q(TAS, name))
                etree.SubElement(body, q("urn:veilcam:test", "Nonsense")).text = "x"
                try:
                    await client.carrier.request(client.base + client.paths[TAS], body)
                    let_in = True
                except NotAuthorized:
                    let_in = False
                except Fault as fault:
                    let_in = "NotAuthorized" not in fault.subcodes
                assert let_in == may(level, access), (name, level)
