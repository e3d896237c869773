"""Which access class an operation belongs to (ONVIF service specifications 26.06, the line after each operation).

`access_classes.json` holds the facts, by prefix of the service and name. Where a specification names no class, the
entry follows the neighbours of its kind: reads are READ_SYSTEM or READ_MEDIA, users and roles READ_SYSTEM_SECRET, the
rest WRITE_SYSTEM or ACTUATE. An operation that is not listed is an administrator's.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from onvif import names
from onvif.registry import Operation
from onvif.users import AccessClass


@cache
def classes() -> Mapping[tuple[str, str], AccessClass]:
    """Access class by (service namespace, operation name)."""
    table = json.loads((files("onvif") / "access_classes.json").read_text(encoding="utf-8"))
    return {
        (names.PREFIXES[prefix], name): AccessClass(access)
        for prefix, operations in table.items()
        for name, access in operations.items()
    }


def access_class(operation: Operation) -> AccessClass:
    return classes().get((operation.service, operation.name), AccessClass.UNRECOVERABLE)
