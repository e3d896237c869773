"""The signed list of what is in a package: `manifest.json` and `manifest.sig` beside the files.

The signature is Ed25519 of the box over the ASCII text `veilcam export 1`, a line feed and the bytes of
`manifest.json`. To learn whose package it is, compare `signing_key` with the box's own
(`python -m nvr_box keys list`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from base.errors import WireError

CONTEXT = b"veilcam export 1\n"
NAME, SIGNATURE = "manifest.json", "manifest.sig"


@dataclass(frozen=True, slots=True)
class Listed:
    """One file: its length and SHA-256 in hex."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PackageManifest:
    """`about` is what the box says of the package: camera, times, requester and reason."""

    signing_key: bytes
    files: tuple[Listed, ...]
    about: Mapping[str, Any]

    def __bytes__(self) -> bytes:
        files = [{"name": each.name, "bytes": each.bytes, "sha256": each.sha256} for each in self.files]
        table = {"veilcam_export": 1, "signing_key": self.signing_key.hex(), "about": dict(self.about), "files": files}
        return json.dumps(table, indent=1, sort_keys=True).encode()

    @classmethod
    def parse(cls, data: bytes) -> "PackageManifest":
        """Read what `__bytes__` wrote.

        Raises:
            WireError: it is no manifest of version 1.
        """
        try:
            table = json.loads(data)
            if table["veilcam_export"] != 1:
                raise WireError("no manifest of version 1")
            files = tuple(Listed(str(f["name"]), int(f["bytes"]), str(f["sha256"])) for f in table["files"])
            return cls(bytes.fromhex(table["signing_key"]), files, dict(table["about"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise WireError(f"{NAME} is no manifest: {error!r}") from error
