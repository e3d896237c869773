"""What is uploaded to the keystore comes from outside: any bytes are a key, certificates, a name, or a named fault."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from onvif.errors import Fault
from onvif.keystore import uploads
from onvif.keystore.subjects import subject
from onvif.names import TAS, q
from tests import onvif_pki as pki

_CA = pki.authority()
_KEY = pki.ecc()
_LEAF = pki.certificate("camera", _KEY, _CA)
WHOLE = {
    "certificate": (uploads.certificate, pki.der(_LEAF)),
    "pkcs8": (lambda der: uploads.pkcs8(der, None), pki.pkcs8(_KEY)),
    "sealed pkcs8": (lambda der: uploads.pkcs8(der, "word"), pki.pkcs8(_KEY, "word")),
    "pkcs12": (lambda der: uploads.pkcs12_file(der, "word"), pki.p12(_KEY, _LEAF, [_CA[0]], "word")),
}
FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_whole_is_read(kind):
    read, der = WHOLE[kind]
    assert read(der)


@pytest.mark.parametrize("kind", WHOLE)
@FEW
@given(data=st.data())
def test_damaged_uploads_are_read_or_refused_by_name(kind, data):
    read, der = WHOLE[kind]
    damaged = bytearray(der)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for candidate in (bytes(damaged), bytes(damaged[: data.draw(st.integers(0, len(damaged)))])):
        with contextlib.suppress(Fault):
            read(candidate)


@pytest.mark.parametrize("kind", WHOLE)
@FEW
@given(junk=st.binary(max_size=300))
def test_junk_is_refused_by_name(kind, junk):
    with contextlib.suppress(Fault):
        WHOLE[kind][0](junk)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=80).filter(
    lambda text: all(letter not in text for letter in "\ufffe\uffff")
)
ATTRIBUTE = st.tuples(st.sampled_from(["CommonName", "Country", "SerialNumber", "GenericAttribute", "Other"]),
                      TEXT | st.from_regex(r"#[0-9a-f]{0,60}", fullmatch=True),
                      TEXT | st.from_regex(r"[0-9](\.[0-9]{1,6}){0,6}", fullmatch=True))  # fmt: skip


@settings(deadline=None)
@given(st.lists(ATTRIBUTE, max_size=5), st.booleans())
def test_any_subject_is_a_name_or_refused(attributes, several):
    root = etree.Element(q(TAS, "Subject"))
    holder = etree.SubElement(root, q(TAS, "MultiValuedRDN")) if several else root
    for name, value, kind in attributes:
        element = etree.SubElement(holder, q(TAS, "Attribute" if several else name))
        if several or name == "GenericAttribute":
            etree.SubElement(element, q(TAS, "Type")).text = kind
            etree.SubElement(element, q(TAS, "Value")).text = value
        else:
            element.text = value
    with contextlib.suppress(Fault):
        assert subject(root).public_bytes()
