"""The vendored ONVIF schemas under XSD 1.1: an opinion on our replies that shares nothing with zeep."""

from functools import cache

import xmlschema
from lxml import etree

from onvif import names
from onvif.registry import ROOT, SERVICES


@cache
def schema():
    """One XMLSchema11 of every service's types and of what they import; some seconds, once per test run."""
    found = []
    for path in SERVICES.values():
        wsdl = ROOT / path
        for node in etree.parse(str(wsdl)).iter(names.q(names.XS, "schema")):
            target = node.get("targetNamespace")
            if target is None:
                continue
            # The embedded schema keeps the folder of its WSDL, so that its relative imports resolve.
            found.append((etree.tostring(node, encoding="unicode"), wsdl.parent.as_uri() + "/"))
    main = xmlschema.XMLSchema11(str(ROOT / "ver10/schema/onvif.xsd"), allow="local", build=False)
    main.include_schema((ROOT / "ver10/schema/metadatastream.xsd").as_uri())
    for text, base in found:
        main.add_schema(text, base_url=base, build=False)
    main.build()
    return main


def problems(element):
    """Why an element is not valid, as sentences; empty when it is."""
    text = etree.tostring(element, encoding="unicode")
    return [f"{error.path}: {error.reason}" for error in schema().iter_errors(text)]
