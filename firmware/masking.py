"""What the mask leaves open now, for the box to show: `GET /veilcam/masking`, for administrators.

`{"version": 1, "mark", "whole", "people", "extent", "never", "selection", "places"}`: `whole` is null, or
`{"reason", "behind_s"}` while the whole picture is masked; `people` whether people are masked at all, `extent` how
much of one (faces, heads, bodies), `never` the polygons in which nothing is masked, `selection` `{"mode", "people"}`
with labels only, `places` those of `/veilcam/released-places`. `?mark=M&wait_s=S` is answered when that changes, or
after S seconds.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from base.settings_file import Stored
from firmware import released_places
from firmware.bound import Authorise, Bound, refused
from firmware.mask.exemption import Selection
from firmware.mask.settings import MaskSettings
from firmware.released_places import ReleasedPlaces
from firmware.stream.live import PipelineControl

VERSION = 1
PATH = "/veilcam/masking"
LONGEST_WAIT_S = 10.0
_LOOK_EVERY_S = 0.25
_MARK_BYTES = 8


@dataclass(frozen=True, slots=True)
class MaskingEndpoint:
    """The HTTP side; event-loop thread.

    Args:
        live: the running picture and the mask settings in force.
        chosen: which people are left open.
        released: which places are.
    """

    live: PipelineControl
    chosen: Stored[Selection]
    released: Stored[ReleasedPlaces]

    def routes(self, authorise: Authorise) -> list[web.RouteDef]:
        """To be added to the camera's web application; `authorise` raises unless an administrator calls."""

        async def show(request: web.Request) -> web.Response:
            return await self._show(request, await authorise(request))

        return [web.get(PATH, show)]

    async def _show(self, request: web.Request, bound: Bound) -> web.Response:
        try:
            wait_s = float(request.query.get("wait_s", "0"))
        except ValueError:
            wait_s = -1.0
        if not 0 <= wait_s <= LONGEST_WAIT_S:
            return refused(400, f"wait_s: want 0 to {LONGEST_WAIT_S:g}")
        loop, known = asyncio.get_running_loop(), request.query.get("mark", "")
        until_s = loop.time() + wait_s
        while (found := self.document())["mark"] == known and loop.time() < until_s:  # noqa: ASYNC110 - writers must not wait
            await asyncio.sleep(_LOOK_EVERY_S)
        return bound.answer(found)

    def document(self) -> dict[str, Any]:
        """The document as it is now."""
        whole, chosen = self.live.whole.now, self.chosen.value
        document = {
            "version": VERSION,
            **settings_document(self.live.mask),
            "selection": {"mode": chosen.mode.value, "people": [person.label for person in chosen.people]},
            "places": released_places.document(self.released.value)["places"],
        }
        # Lateness grows with every picture; its order of size is enough of a change to speak of.
        late = None if whole is None or whole.behind_s is None else int(whole.behind_s).bit_length()
        mark = hashlib.sha256(json.dumps([document, whole and whole.reason, late]).encode()).hexdigest()
        reported = None if whole is None else {"reason": whole.reason, "behind_s": whole.behind_s}
        return {**document, "whole": reported, "mark": mark[: 2 * _MARK_BYTES]}


def settings_document(settings: MaskSettings) -> dict[str, Any]:
    """What the settings leave open, in any picture."""
    return {
        "people": "PERSON" in settings.classes or any(rule.name == "PERSON" for rule in settings.rules),
        "extent": settings.extent.value,
        "never": [list(zone.corners) for zone in settings.zones if zone.rule == "never"],
    }
