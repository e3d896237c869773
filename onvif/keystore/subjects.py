"""tas:DistinguishedName → X.509 name, by the raw element: its order is the name's order, which the type loses.

ONVIF Security Configuration 26.06, CreatePKCS10CSR; RFC 4514, 2.4 and 3 (`#` and the hexadecimal DER value).
"""

import re

from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from lxml import etree

from onvif.errors import invalid
from onvif.names import TAS, q

_KINDS = {
    "Country": NameOID.COUNTRY_NAME, "Organization": NameOID.ORGANIZATION_NAME,
    "OrganizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "DistinguishedNameQualifier": NameOID.DN_QUALIFIER, "StateOrProvinceName": NameOID.STATE_OR_PROVINCE_NAME,
    "CommonName": NameOID.COMMON_NAME, "SerialNumber": NameOID.SERIAL_NUMBER, "Locality": NameOID.LOCALITY_NAME,
    "Title": NameOID.TITLE, "Surname": NameOID.SURNAME, "GivenName": NameOID.GIVEN_NAME, "Initials": NameOID.INITIALS,
    "Pseudonym": NameOID.PSEUDONYM, "GenerationQualifier": NameOID.GENERATION_QUALIFIER,
    "DomainComponent": NameOID.DOMAIN_COMPONENT,
}  # fmt: skip
_SHORT = {
    "C": "Country", "O": "Organization", "OU": "OrganizationalUnit", "ST": "StateOrProvinceName", "CN": "CommonName",
    "L": "Locality", "DC": "DomainComponent",
}  # fmt: skip
_DOTTED = re.compile(r"[0-2](\.\d{1,18}){1,20}", re.ASCII)
_LONGEST_DER = 130


def subject(element: etree._Element | None) -> x509.Name:
    """The name that a Subject element means; ter:InvalidSubject when it has none or an impossible part."""
    parts = [] if element is None else [_relative(child) for child in element.iterchildren(tag=etree.Element)]
    nested = [part for part in parts if part is not None]
    if element is not None:
        nested += [
            x509.RelativeDistinguishedName([_attribute("DomainComponent", child.text)])
            for child in element.iterfind(f"{q(TAS, 'anyAttribute')}/{q(TAS, 'DomainComponent')}")
        ]
    if not nested:
        raise invalid("the subject is empty", "InvalidSubject")
    return x509.Name(nested)


def _relative(element: etree._Element) -> x509.RelativeDistinguishedName | None:
    name = etree.QName(element).localname
    if name == "anyAttribute":
        return None
    if name == "MultiValuedRDN":
        attributes = [_generic(child) for child in element.iterfind(q(TAS, "Attribute"))]
    else:
        attributes = [_generic(element) if name == "GenericAttribute" else _attribute(name, element.text)]
    try:
        return x509.RelativeDistinguishedName(attributes)
    except ValueError as problem:
        raise invalid(f"the subject's {name}: {problem}", "InvalidSubject") from problem


def _generic(element: etree._Element) -> x509.NameAttribute[str]:
    kind = (element.findtext(q(TAS, "Type")) or "").strip()
    return _attribute(kind, element.findtext(q(TAS, "Value")))


def _attribute(kind: str, value: str | None) -> x509.NameAttribute[str]:
    known = _KINDS.get(_SHORT.get(kind, kind))
    if known is None and not _DOTTED.fullmatch(kind):
        raise invalid(f"the subject has no attribute {kind[:60]!r}", "InvalidSubject")
    try:
        oid = known or x509.ObjectIdentifier(kind)
        text = (value or "").strip()
        if text.startswith("#"):
            type_, text = _encoded(text[1:])
            return x509.NameAttribute(oid, text, _type=type_)
        return x509.NameAttribute(oid, text)
    except (ValueError, TypeError) as problem:
        raise invalid(f"the subject's {kind[:60]}: {problem}", "InvalidSubject") from problem


def _encoded(text: str) -> tuple[_ASN1Type, str]:
    """A DER string in hexadecimal: its type and its text. ValueError for anything else."""
    der = bytes.fromhex(text)
    if not 2 <= len(der) <= _LONGEST_DER or der[1] != len(der) - 2:
        raise ValueError("the hexadecimal value is no short DER string")
    type_ = _ASN1Type(der[0])
    return type_, der[2:].decode("utf-16-be" if type_ is _ASN1Type.BMPString else "utf-8")
