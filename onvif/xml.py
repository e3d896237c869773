"""XML from outside: one way to read it, without entities, document types, network or surprise sizes."""

from lxml import etree

from onvif.errors import NotOnvif

MOST_TAGS = 100_000
"""Opening and closing ones together: an element takes a hundred times its letters in memory, and time with whatever
walks the tree."""


def read(data: bytes, *, limit: int, what: str, tags: int = MOST_TAGS) -> etree._Element:
    """The root element of an untrusted document.

    Comments and processing instructions are dropped; a document type declaration is refused whole, since neither SOAP
    (1.2 Part 1, 5) nor a metadata stream may carry one and every entity attack needs one.

    Args:
        data: the document.
        limit: the largest size in bytes that is read.
        what: what the document should be, for the message ("The probe", "The metadata document").
        tags: how many it may have.

    Raises:
        NotOnvif: too large, too many tags, not well-formed, or with a document type declaration.
    """
    if len(data) > limit:
        raise NotOnvif(f"{what} has {len(data)} bytes; at most {limit} are read.")
    if data.count(b"<") > tags:
        raise NotOnvif(f"{what} has more than {tags} tags.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as broken:
        raise NotOnvif(f"{what} is not well-formed XML: {broken}") from broken
    if root.getroottree().docinfo.internalDTD is not None:
        raise NotOnvif(f"{what} carries a document type declaration.")
    return root
