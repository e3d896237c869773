"""Choosing who is left open, over HTTP: `/veilcam/selection`, for administrators.

GET shows the selection; PUT replaces it: `{"version": 1, "mode": "everyone" | "only" | "except", "people": [...],
"alike": 0.8, "unlike": 0.5}`, where each of the people is `{"label", "model", "code"}` or `{"label", "track"}`:
somebody whose number GET told in `followed` a moment ago. A track becomes the code of its clothing at once, because
the numbers of tracks end with the tracks. DELETE masks everyone again. Every change is written to the log.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from firmware.mask.selection import MOST_PEOPLE, Chooser, Mode, Person, Selection
from onvif.doorway import read_in_time
from onvif.store import Stored
from wire.base.errors import WireError

log = logging.getLogger(__name__)

VERSION = 1
PATH = "/veilcam/selection"
_MAX_BODY = 64 * 1024
_BODY_S = 20.0
_KEYS = {"version", "mode", "people", "alike", "unlike"}


@dataclass(frozen=True, slots=True)
class SelectionEndpoint:
    """The HTTP side; event-loop thread.

    Args:
        stored: the selection in force.
        chooser: knows the people who are being followed.
    """

    stored: Stored[Selection]
    chooser: Chooser

    def routes(self, authorise: Callable[[web.Request], Awaitable[Any]]) -> list[web.RouteDef]:
        """To be added to the camera's web application; `authorise` raises unless an administrator asks."""

        def guarded(
            answer: Callable[[web.Request], Awaitable[web.Response]],
        ) -> Callable[[web.Request], Awaitable[web.Response]]:
            async def handler(request: web.Request) -> web.Response:
                await authorise(request)
                return await answer(request)

            return handler

        return [
            web.get(PATH, guarded(self.show)),
            web.put(PATH, guarded(self.choose)),
            web.delete(PATH, guarded(self.everyone)),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """The selection in force, and who can be chosen by track; for the next minute people are looked at for that.

        With `?attend=no` nobody is looked at for it: who only shows the selection asks so.
        """
        if request.query.get("attend") != "no":
            self.chooser.attend()
        return web.json_response(document(self.stored.value) | {"followed": self.chooser.followed()})

    async def choose(self, request: web.Request) -> web.Response:
        """Another selection."""
        try:
            body = await read_in_time(request, most=_MAX_BODY, limit_s=_BODY_S)
        except web.HTTPRequestEntityTooLarge:
            return _refused(413, f"the document is larger than {_MAX_BODY} bytes")
        try:
            selection = self._read(json.loads(body))
        except (ValueError, RecursionError) as error:
            return _refused(400, f"not JSON: {error}")
        except WireError as error:
            return _refused(400, str(error))
        return self._put(selection)

    async def everyone(self, _request: web.Request) -> web.Response:
        """Nobody is left open."""
        return self._put(Selection())

    def _put(self, selection: Selection) -> web.Response:
        self.stored.put(selection)
        self.chooser.judge()
        names = ", ".join(person.label for person in selection.people) or "nobody"
        log.warning("the mask's selection is now: %s (%s)", selection.mode.value, names)
        return web.json_response(document(selection))

    def _read(self, table: Any) -> Selection:
        """Raises WireError, which names what is wrong."""
        if not isinstance(table, dict) or table.get("version") != VERSION:
            raise WireError(f"version: want a JSON object of version {VERSION}")
        if unknown := set(table) - _KEYS:
            raise WireError(f"unknown key {min(unknown)!r}; known: {', '.join(sorted(_KEYS))}")
        people = table.get("people", [])
        if not isinstance(people, list) or len(people) > MOST_PEOPLE:
            raise WireError(f"people: want a list of at most {MOST_PEOPLE}")
        if table.get("mode") not in list(Mode):
            raise WireError(f"mode: want one of {', '.join(Mode)}")
        limits = {key: table[key] for key in ("alike", "unlike") if key in table}
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in limits.values()):
            raise WireError("alike, unlike: want numbers")
        try:
            return Selection(mode=Mode(table["mode"]), people=tuple(self._person(one) for one in people), **limits)
        except ValueError as error:
            raise WireError(str(error)) from error

    def _person(self, table: Any) -> Person:
        if not isinstance(table, dict) or not isinstance(table.get("label"), str):
            raise WireError("people: want objects with a label")
        if set(table) == {"label", "track"} and type(table["track"]) is int:
            found = self.chooser.person(table["track"], table["label"])
            if found is None:
                raise WireError(f"track {table['track']}: nobody of that number is followed and known well enough")
            return found
        if set(table) != {"label", "model", "code"} or not all(isinstance(value, str) for value in table.values()):
            raise WireError("people: want label and track, or label, model and code")
        return Person(**table)


def document(selection: Selection) -> dict[str, Any]:
    """The selection as JSON values."""
    people = [{"label": one.label, "model": one.model, "code": one.code} for one in selection.people]
    return {"version": VERSION, "mode": selection.mode.value, "people": people,
            "alike": selection.alike, "unlike": selection.unlike}  # fmt: skip


def _refused(status: int, why: str) -> web.Response:
    return web.json_response({"error": why}, status=status)
