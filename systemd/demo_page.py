"""The box's page, as the demo and the tests of the whole use it."""

import json
from typing import Self

import aiohttp


class Page:
    """The box's page, used as a person's browser would: signed in, over TLS to the certificate whose
    fingerprint the box printed.
    """

    def __init__(self, url: str, fingerprint: str) -> None:
        self._url = url.rstrip("/")
        self._tls = aiohttp.Fingerprint(bytes.fromhex(fingerprint.replace(":", "")))
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._csrf = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def _ask(self, method: str, path: str, body: object = None) -> str:
        headers = {"X-Veilcam-CSRF": self._csrf, "Origin": self._url}
        async with self._session.request(
            method, self._url + path, json=body, ssl=self._tls, headers=headers
        ) as response:
            text = await response.text()
            if response.status >= 400:
                raise SystemExit(f"demo: {method} {path}: {response.status} {text}")
            return text

    async def sign_in(self, name: str, password: str) -> None:
        """As that account from here on."""
        self._csrf = json.loads(await self._ask("POST", "/api/sign-in", {"name": name, "password": password}))["csrf"]

    async def cameras(self) -> list[dict[str, object]]:
        """The cameras that the box has."""
        return list(json.loads(await self._ask("GET", "/api/cameras"))["cameras"])

    async def add(self, address: str, user: str, password: str) -> None:
        """Add a camera as the page's button does; a step that fails ends the demo with what it said."""
        text = await self._ask("POST", "/api/cameras", {"address": address, "user": user, "password": password})
        for line in map(json.loads, text.splitlines()):
            if line.get("error") or line.get("ok") is False:
                raise SystemExit(f"demo: adding {address}: {line}")
