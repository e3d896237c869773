"""HTTP Digest access authentication (RFC 7616), both ends: MD5 and SHA-256, `qop=auth` and `auth-int`.

`auth-int` binds the whole body to the password, of the request and, by `rspauth`, of the answer.

Pure functions of strings; the server's nonces and counters live in `onvif/auth.py`.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALGORITHMS = ("SHA-256", "MD5")
"""In order of preference, as a server offers them."""
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
# Possessive, and never from the middle of a word: a header costs time in proportion to its length.
_PARAMETER = re.compile(r'(?<![A-Za-z0-9_-])([A-Za-z0-9_-]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]*+))')
_MOST_CHALLENGES = 8
"""A device offers two or three; each one more is work that it makes for us."""
_MOST_HEADER = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One `WWW-Authenticate: Digest` of a server."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    opaque: str = ""
    qop: tuple[str, ...] = ("auth",)
    stale: bool = False

    def __str__(self) -> str:
        stale = ", stale=true" if self.stale else ""
        return (
            f'Digest realm="{self.realm}", qop="{",".join(self.qop)}", algorithm={self.algorithm}, '
            f'nonce="{self.nonce}", opaque="{self.opaque}"{stale}'
        )


def parameters(text: str) -> dict[str, str]:
    """The key=value list of a challenge or of credentials; keys in lower case, the first of a repeated key wins."""
    found: dict[str, str] = {}
    for key, quoted, plain in _PARAMETER.findall(text):
        found.setdefault(key.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted else plain)
    return found


def challenges(headers: Sequence[str], *, whole: bool = False) -> list[Challenge]:
    """The Digest challenges among the values of WWW-Authenticate, best algorithm first.

    Devices put several challenges in one line, leave out qop or algorithm, or spell them in lower case. What cannot be
    answered, for it holds bytes that are no text, is left out.

    Args:
        whole: only those that bind the whole body, by SHA-256; nothing on the way can talk the client out of it.
    """
    found: list[Challenge] = []
    for header in headers:
        if len(header) > _MOST_HEADER:
            continue
        for part in re.split(r"(?i)(?:^|,\s*|\s)(?=digest\s|basic\s)", header):
            if len(found) == _MOST_CHALLENGES:
                break
            if part is None or not part.strip().lower().startswith("digest") or not _is_text(part):
                continue
            values = parameters(part.strip()[6:])
            algorithm = values.get("algorithm", "MD5").upper()
            qop = tuple(word.strip().lower() for word in values.get("qop", "").split(",") if word.strip())
            fits = "auth-int" in qop and algorithm == ALGORITHMS[0] if whole else not qop or "auth" in qop
            if algorithm in _HASHES and "nonce" in values and fits:
                found.append(Challenge(values.get("realm", ""), values["nonce"], algorithm, values.get("opaque", ""),
                                       qop, values.get("stale", "").lower() == "true"))  # fmt: skip
    return sorted(found, key=lambda challenge: ALGORITHMS.index(challenge.algorithm))


def credentials(
    challenge: Challenge, *, user: str, password: str, method: str, uri: str, count: int = 1, body: bytes | None = None
) -> str:
    """The value of `Authorization` that answers a challenge.

    Args:
        body: what is sent, to bind the whole of it (`auth-int`); None binds method and address only.
    """
    cnonce = secrets.token_hex(8)
    qop = "auth-int" if body is not None else "auth" if challenge.qop else ""
    values = {"realm": challenge.realm, "nonce": challenge.nonce, "qop": qop, "nc": f"{count:08x}", "cnonce": cnonce,
              "algorithm": challenge.algorithm, "uri": uri}  # fmt: skip
    answer = response(values, user=user, password=password, method=method, body=body or b"")
    text = (
        f'Digest username="{_quote(user)}", realm="{_quote(challenge.realm)}", nonce="{challenge.nonce}", '
        f'uri="{uri}", response="{answer}", algorithm={challenge.algorithm}'
    )
    if qop:
        text += f', qop={qop}, nc={count:08x}, cnonce="{cnonce}"'
    return text + (f', opaque="{challenge.opaque}"' if challenge.opaque else "")


def response(values: Mapping[str, str], *, user: str, password: str, method: str, body: bytes = b"") -> str:
    """The response that these parameters ask for (RFC 7616, 3.4.1; without qop as RFC 2069 had it).

    Args:
        values: realm, nonce, uri, and with qop also nc, cnonce and qop; algorithm defaults to MD5.
        method: empty for the `rspauth` of an answer (3.5).
        body: counts when qop is `auth-int`.

    Raises:
        KeyError: a parameter is missing, or the algorithm is neither MD5 nor SHA-256.
    """
    algorithm = _HASHES[values.get("algorithm", "MD5").upper() or "MD5"]

    def digest(text: str) -> str:
        # What is no text fits no password; a peer that sends it is refused, not an error of ours.
        return algorithm(text.encode(errors="replace")).hexdigest()

    first = digest(f"{user}:{values['realm']}:{password}")
    target = f"{method}:{values['uri']}"
    if values.get("qop") == "auth-int":
        target = f"{target}:{algorithm(body).hexdigest()}"
    second = digest(target)
    if values.get("qop"):
        middle = f"{values['nonce']}:{values['nc']}:{values['cnonce']}:{values['qop']}"
        return digest(f"{first}:{middle}:{second}")
    return digest(f"{first}:{values['nonce']}:{second}")


def answer_info(given: Mapping[str, str], *, user: str, password: str, body: bytes) -> str:
    """The value of `Authentication-Info` with which a server that knows the password vouches for its answer (3.5).

    Args:
        given: the parameters of the request's `Authorization`; complete, as they were checked.
        body: of the answer.
    """
    proof = response(given, user=user, password=password, method="", body=body)
    return f'rspauth="{proof}", qop={given["qop"]}, cnonce="{given["cnonce"]}", nc={given["nc"]}'


def _is_text(text: str) -> bool:
    """Whether it can be hashed and sent: bytes of a header that are no UTF-8 arrive as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" or (character < " " and character != "\t") for character in text)


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
