"""One tree of errors, and what each kind is over HTTP and in SOAP."""

import ast
import errno
import sqlite3
from pathlib import Path

import pytest

from base import errors, refusals
from base.errors import (
    ConfigError,
    Conflict,
    Error,
    HostError,
    Invalid,
    ModelError,
    NotFound,
    PeerError,
    RequestError,
    RightRefused,
    SealError,
    StoreError,
    WireError,
)
from onvif.errors import Fault, OnvifError, Unreachable, fault_of

ROOT = Path(__file__).parent.parent
ENGLISH = refusals.Words()


def caused(error, cause):
    error.__cause__ = cause
    return error


SQL = caused(StoreError("no such column: sealed_to"), sqlite3.OperationalError("no such column: sealed_to"))
DISK = caused(StoreError("/var/lib/x: I/O error"), OSError(errno.EIO, "I/O error"))
FULL = caused(StoreError("/var/lib/x: No space left"), OSError(errno.ENOSPC, "No space left"))


@pytest.mark.parametrize(
    ("error", "status", "code", "subcode"),
    [
        (Invalid("name: too long", "name"), 400, "Sender", "InvalidArgVal"),
        (NotFound("there is no hold 7"), 404, "Sender", "InvalidArgVal"),
        (Conflict("this camera is already added"), 409, "Receiver", "Action"),
        (RightRefused("guard does not hold the right"), 403, "Sender", "NotAuthorized"),
        (WireError("length: missing"), 400, "Sender", "InvalidArgs"),
        (SealError("wrong passphrase"), 403, "Sender", "NotAuthorized"),
        (PeerError("the camera does not answer"), 502, "Receiver", "Action"),
        (Unreachable("http://10.0.0.1/ does not answer"), 502, "Receiver", "Action"),
        (SQL, 503, "Receiver", "Action"),
        (DISK, 503, "Receiver", "Action"),
        (FULL, 507, "Receiver", "Action"),
        (ConfigError("camera.toml: unknown key 'x'"), 503, "Receiver", "Action"),
        (HostError("port 80 cannot be listened on"), 503, "Receiver", "Action"),
        (ModelError("codes of another network"), 503, "Receiver", "Action"),
    ],
)
def test_every_kind_is_one_status_and_one_fault(error, status, code, subcode):
    assert refusals.status(error) == status
    fault = fault_of(error)
    assert (fault.code, fault.subcodes[0]) == (code, subcode)


def test_no_kind_of_the_tree_is_left_to_chance():
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Error)]
    for kind in set(kinds) - {Error, RequestError}:
        error = kind("words", "field") if issubclass(kind, Invalid) else kind("words")
        assert refusals.status(error) != 500, kind


@pytest.mark.parametrize("error", [SQL, DISK, FULL, StoreError("/etc/x: not JSON"), ConfigError("/etc/x.toml: no")])
def test_no_answer_holds_what_a_database_a_disk_or_a_file_said(error):
    for said in (refusals.sentence(error, ENGLISH), fault_of(error).reason):
        assert not any(word in said for word in ("sealed_to", "/var", "/etc", "I/O", "No space", "JSON")), said
    assert refusals.hides(error)


def test_a_fault_stays_the_fault_it_is():
    fault = Fault("no such profile", "InvalidArgVal", "NoProfile")
    assert fault_of(fault) is fault
    assert issubclass(OnvifError, PeerError)


def raised(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                yield path.relative_to(ROOT), node, node.exc.func.id


def test_configuration_is_blamed_by_those_alone_that_read_its_files():
    """A person's request is never called the operator's mistake: the box raises ConfigError nowhere else."""
    assert [(str(path), node.lineno) for path, node, kind in raised("nvr_box") if kind == "ConfigError"] == []


def test_the_page_blames_no_disk_by_itself():
    assert [(str(path), node.lineno) for path, node, kind in raised("nvr_box/web")
            if kind == "StoreError" and node.cause is None] == []  # fmt: skip
