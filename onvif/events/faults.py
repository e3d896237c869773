"""The typed faults of WS-BaseNotification 1.3 and WS-ResourceFramework that the event operations declare."""

from datetime import UTC, datetime

from lxml import etree

from onvif.errors import Fault
from onvif.metadata import utc_text
from onvif.names import WSNT, WSRF_BF, WSRF_RW, q


def refusal(name: str, reason: str, *content: etree._Element) -> Fault:
    """A WS-BaseNotification fault (`InvalidFilterFault`, …): the SOAP reason, and the typed fault in its detail.

    Args:
        name: local name of the fault's element.
        reason: one sentence for a person.
        content: elements that the fault's type has beside wsrf-bf:BaseFaultType's.
    """
    return _typed(WSNT, name, reason, *content)


def resource_unknown() -> Fault:
    """The subscription that the address names does not exist, or no longer."""
    return _typed(WSRF_RW, "ResourceUnknownFault", "There is no such subscription, or it has ended.")


def _typed(namespace: str, name: str, reason: str, *content: etree._Element) -> Fault:
    detail = etree.Element(q(namespace, name), nsmap={"wsrf-bf": WSRF_BF})
    etree.SubElement(detail, q(WSRF_BF, "Timestamp")).text = utc_text(datetime.now(UTC))
    etree.SubElement(detail, q(WSRF_BF, "Description")).text = reason
    detail.extend(content)
    return Fault(reason, "InvalidArgVal", name.removesuffix("Fault"), detail=detail)
