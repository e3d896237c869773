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

from base.errors import WireError
from base.settings_file import Stored
from firmware.bound import Authorise, Bound, refused
from firmware.mask.selection import MOST_PEOPLE, Chooser, Mode, Person, Selection

log = logging.getLogger(__name__)

VERSION = 1
PATH = "/veilcam/selection"
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

    def routes(self, authorise: Authorise) -> list[web.RouteDef]:
        """To be added to the camera's web application; `authorise` raises unless an administrator asks."""

        def guarded(
            answer: Callable[[web.Request, Bound], Awaitable[web.Response]],
        ) -> Callable[[web.Request], Awaitable[web.Response]]:
            async def handler(request: web.Request) -> web.Response:
                return await answer(request, await authorise(request))

            return handler

        return [
            web.get(PATH, guarded(self.show)),
            web.put(PATH, guarded(self.choose)),
            web.delete(PATH, guarded(self.everyone)),
        ]

    async def show(self, request: web.Request, bound: Bound) -> web.Response:
        """The selection in force, and who can be chosen by track; for the next minute people are looked at for that.

        With `?attend=no` nobody is looked at for it: who only shows the selection asks so.
        """
        if request.query.get("attend") != "no":
            self.chooser.attend()
        return bound.answer(document(self.stored.value) | {"followed": self.chooser.followed()})

    async def choose(self, _request: web.Request, bound: Bound) -> web.Response:
        """Another selection."""
        try:
            selection = self._read(json.loads(bound.body))
        except (ValueError, RecursionError) as error:
            return refused(400, f"not JSON: {error}")
        except WireError as error:
            return refused(400, str(error))
        return bound.answer(self._put(selection))

    async def everyone(self, _request: web.Request, bound: Bound) -> web.Response:
        """Nobody is left open."""
        return bound.answer(self._put(Selection()))

    def _put(self, selection: Selection) -> dict[str, Any]:
        self.stored.put(selection)
        self.chooser.judge()
        names = ", ".join(person.label for person in selection.people) or "nobody"
        log.warning("the mask's selection is now: %s (%s)", selection.mode.value, names)
        return document(selection)

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
