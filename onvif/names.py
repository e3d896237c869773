"""The namespaces, prefixes and standard URIs of ONVIF and of what it builds on; each is written here once."""

from lxml.etree import QName

TT = "http://www.onvif.org/ver10/schema"
TER = "http://www.onvif.org/ver10/error"
TNS1 = "http://www.onvif.org/ver10/topics"

TDS = "http://www.onvif.org/ver10/device/wsdl"
TRT = "http://www.onvif.org/ver10/media/wsdl"
TR2 = "http://www.onvif.org/ver20/media/wsdl"
TIMG = "http://www.onvif.org/ver20/imaging/wsdl"
TPTZ = "http://www.onvif.org/ver20/ptz/wsdl"
TEV = "http://www.onvif.org/ver10/events/wsdl"
TAN = "http://www.onvif.org/ver20/analytics/wsdl"
TMD = "http://www.onvif.org/ver10/deviceIO/wsdl"
TRC = "http://www.onvif.org/ver10/recording/wsdl"
TSE = "http://www.onvif.org/ver10/search/wsdl"
TRP = "http://www.onvif.org/ver10/replay/wsdl"
TRV = "http://www.onvif.org/ver10/receiver/wsdl"
TAS = "http://www.onvif.org/ver10/advancedsecurity/wsdl"
TTH = "http://www.onvif.org/ver10/thermal/wsdl"
TPV = "http://www.onvif.org/ver10/provisioning/wsdl"
DN = "http://www.onvif.org/ver10/network/wsdl"
BD = "http://www.onvif.org/ver20/analytics/humanbody"
VC = "urn:veilcam:analytics"

ENV11 = "http://schemas.xmlsoap.org/soap/envelope/"
ENV12 = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"
WSA04 = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WSD = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
WSNT = "http://docs.oasis-open.org/wsn/b-2"
WSTOP = "http://docs.oasis-open.org/wsn/t-1"
WSRF_RW = "http://docs.oasis-open.org/wsrf/rw-2"
WSRF_BF = "http://docs.oasis-open.org/wsrf/bf-2"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
XS = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
VEILCAM_ANALYTICS = "urn:veilcam:analytics"
"""Where the names of our own analytics modules live."""
XMIME = "http://www.w3.org/2005/05/xmlmime"

PREFIXES = {
    "tt": TT, "ter": TER, "tns1": TNS1,
    "tds": TDS, "trt": TRT, "tr2": TR2, "timg": TIMG, "tptz": TPTZ, "tev": TEV, "tan": TAN, "tmd": TMD,
    "trc": TRC, "tse": TSE, "trp": TRP, "trv": TRV, "tas": TAS, "tth": TTH, "tpv": TPV, "dn": DN,
    "wsa5": WSA, "wsnt": WSNT, "wstop": WSTOP, "wsrf-rw": WSRF_RW, "wsrf-bf": WSRF_BF, "wsse": WSSE, "wsu": WSU,
    "xs": XS, "xsi": XSI, "xmime": XMIME, "vc": VEILCAM_ANALYTICS,
}  # fmt: skip
"""The prefixes that the field's documents use; clients that match on text find what they expect."""

_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
PASSWORD_DIGEST = f"{_WSS}username-token-profile-1.0#PasswordDigest"
BASE64_BINARY = f"{_WSS}soap-message-security-1.0#Base64Binary"
WSA_ANONYMOUS = "http://www.w3.org/2005/08/addressing/anonymous"
WSA_FAULT_ACTION = "http://www.w3.org/2005/08/addressing/fault"
WSA_SOAP_FAULT_ACTION = "http://www.w3.org/2005/08/addressing/soap/fault"

TOPIC_CONCRETE = "http://docs.oasis-open.org/wsn/t-1/TopicExpression/Concrete"
TOPIC_CONCRETE_SET = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
ITEM_FILTER = "http://www.onvif.org/ver10/tev/messageContentFilter/ItemFilter"
MESSAGE_CONTENT_SCHEMA = "http://www.onvif.org/onvif/ver10/schema/onvif.xsd"

SCOPE_ROOT = "onvif://www.onvif.org/"


def q(namespace: str, name: str) -> str:
    """The name in Clark notation, as lxml and zeep spell qualified names."""
    return f"{{{namespace}}}{name}"


def split(tag: str) -> tuple[str, str]:
    """(namespace, local name) of a tag in Clark notation; the namespace is empty where there is none."""
    name = QName(tag)
    return name.namespace or "", name.localname
