"""The vendored schemas: unaltered, loaded without a network, and strict about what a request may hold."""

import hashlib
import socket

import pytest
from lxml import etree

from base.errors import StoreError
from onvif import names, registry
from onvif.access import classes
from onvif.registry import ROOT, load
from onvif.values import InvalidValue, MalformedRequest


def request(text):
    return etree.fromstring(text)


def test_every_file_is_the_published_one_and_is_listed():
    listed = dict(reversed(line.split("  ")) for line in (ROOT / "MANIFEST.sha256").read_text().splitlines())
    ours = {"MANIFEST.sha256", "NOTICE.md"}
    present = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()} - ours
    assert present == set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == digest, name


def test_notices_of_the_publishers_are_kept():
    for path in (*ROOT.glob("ver*/**/*.wsdl"), *ROOT.glob("ver*/**/*.xsd")):
        assert b"No license is granted to modify this document" in path.read_bytes(), path


def test_loading_asks_no_network(monkeypatch):
    def refused(*_args, **_kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    found = load.__wrapped__()
    assert len(found.operations) == 474
    assert {operation.service for operation in found.operations.values()} == set(registry.SERVICES)


def test_an_altered_schema_is_refused(tmp_path, monkeypatch):
    for path in ROOT.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    target = tmp_path / "ver10/replay.wsdl"
    target.write_bytes(target.read_bytes() + b"\n")
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    with pytest.raises(StoreError, match=r"ver10/replay\.wsdl"):
        load.__wrapped__()


def test_every_operation_has_an_access_class():
    known = classes()
    missing = [operation.name for operation in load().operations.values()
               if (operation.service, operation.name) not in known]  # fmt: skip
    assert missing == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<DateTimeType>Banana</DateTimeType><DaylightSavings>false</DaylightSavings>", InvalidValue),
        ("<DateTimeType>NTP</DateTimeType><DaylightSavings>maybe</DaylightSavings>", InvalidValue),
        ("<DateTimeType>NTP</DateTimeType>", MalformedRequest),
        ("<DaylightSavings>false</DaylightSavings><DateTimeType>NTP</DateTimeType>", MalformedRequest),
        ("<DateTimeType>NTP</DateTimeType><DaylightSavings>false</DaylightSavings><Odd/>", MalformedRequest),
        (
            (
                '<DateTimeType>Manual</DateTimeType><DaylightSavings>0</DaylightSavings><UTCDateTime><Time xmlns="'
                f'{names.TT}"><Hour>x</Hour><Minute>1</Minute><Second>1</Second></Time></UTCDateTime>'
            ),
            InvalidValue,
        ),
    ],
)
def test_what_zeep_reads_past_is_refused(body, problem):
    operation = load().operation(names.TDS, "SetSystemDateAndTime")
    with pytest.raises(problem):
        operation.decode_request(request(f'<SetSystemDateAndTime xmlns="{names.TDS}">{body}</SetSystemDateAndTime>'))


def test_ranges_and_lengths_of_the_schema_hold():
    operation = load().operation(names.TRT, "CreateProfile")
    long = f'<CreateProfile xmlns="{names.TRT}"><Name>{"x" * 65}</Name></CreateProfile>'
    with pytest.raises(InvalidValue, match="longer than 64"):
        operation.decode_request(request(long))


def test_wsa_actions_follow_the_wsdl():
    pull = load().operation(names.TEV, "PullMessages")
    assert pull.action == "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/PullMessagesRequest"
    assert pull.reply_action == "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/PullMessagesResponse"
    renew = load().operation(names.TEV, "Renew")
    assert renew.request == names.q(names.WSNT, "Renew")
    assert renew.reply_action == "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewResponse"
