"""Choosing the people left open, over HTTP: `/veilcam/selection`, for administrators.

The document is that of `wire/selection.md`. A track becomes the code of its clothing at once, because the numbers of
tracks end with the tracks. Every change is written to the log.
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
from firmware.mask.exemption import ExemptionPolicy, ExemptPerson, Selection
from wire.selection import PATH, ChosenPerson, FollowedPerson, SelectionDocument

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SelectionEndpoint:
    """The HTTP side; event-loop thread.

    Args:
        stored: the selection in force.
        chooser: knows the people that are being tracked.
    """

    stored: Stored[Selection]
    chooser: ExemptionPolicy

    def routes(self, authorise: Authorise) -> list[web.RouteDef]:
        """To be added to the camera's web application; `authorise` raises unless an administrator calls."""

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
        """The selection in force, and the people that can be chosen by track; appearances are measured for a minute.

        With `?attend=no` none is measured for it: for clients that only show the selection.
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
        return bound.answer(self._set(selection))

    async def everyone(self, _request: web.Request, bound: Bound) -> web.Response:
        """No one is left open."""
        return bound.answer(self._set(Selection()))

    def _set(self, selection: Selection) -> dict[str, Any]:
        self.stored.set(selection)
        self.chooser.judge()
        names = ", ".join(person.label for person in selection.people) or "nobody"
        log.warning("the mask's selection is now: %s (%s)", selection.mode.value, names)
        return document(selection)

    def _read(self, table: Any) -> Selection:
        """Raises WireError, which names what is wrong."""
        requested = SelectionDocument.from_json(table)
        limits = {"alike": requested.alike, "unlike": requested.unlike}
        try:
            return Selection(
                mode=requested.mode, people=tuple(self._person(person) for person in requested.people),
                **{name: value for name, value in limits.items() if value is not None},
            )  # fmt: skip
        except ValueError as error:
            raise WireError(str(error)) from error

    def _person(self, requested: ChosenPerson | FollowedPerson) -> ExemptPerson:
        if isinstance(requested, ChosenPerson):
            return ExemptPerson(label=requested.label, model=requested.model, code=requested.code)
        found = self.chooser.person(requested.track, requested.label)
        if found is None:
            raise WireError(f"track {requested.track}: no person of that number is tracked and known well enough")
        return found


def document(selection: Selection) -> dict[str, Any]:
    """The selection as JSON values."""
    people = tuple(ChosenPerson(person.label, person.model, person.code) for person in selection.people)
    return SelectionDocument(selection.mode, people, selection.alike, selection.unlike).to_json()
