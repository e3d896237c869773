"""Reveals: asking, watching, ending. A reveal that no page watches any more ends by itself."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict, dataclass, field

from aiohttp import web

from nvr_box.record.recordings import Piece
from nvr_box.reveal.reveals import RevealSession
from nvr_box.rights import Account, Refused
from nvr_box.web.asked import BOX, BadField, body, box, by, iso, maybe_time_us, number, text, time_us, whole

routes = web.RouteTableDef()
_log = logging.getLogger(__name__)

# The page asks every two seconds; a tab that was closed is noticed after this.
_UNWATCHED_S = 15.0


@dataclass(slots=True)
class _Shown:
    """What the page wants to see of one reveal; `seen_s` is monotonic."""

    account: Account
    from_us: int
    point: tuple[float, float] | None
    seen_s: float = field(default_factory=time.monotonic)


SHOWN = web.AppKey("reveals", dict[str, _Shown])


async def end_unwatched(app: web.Application) -> AsyncIterator[None]:
    """Beside the server: end what no page has asked about for a while."""
    app[SHOWN] = {}

    async def watch() -> None:
        while True:
            await asyncio.sleep(1.0)
            for key, shown in list(app[SHOWN].items()):
                if time.monotonic() - shown.seen_s > _UNWATCHED_S:
                    _log.info("reveal of %s ended: no page watches it", shown.account.name)
                    del app[SHOWN][key]
                    await app[BOX].reveals.end(shown.account, key)

    task = asyncio.create_task(watch(), name="end_unwatched")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _answer(session: RevealSession, shown: _Shown) -> dict[str, object]:
    return {
        "id": session.key,
        "camera": session.camera,
        "who": session.who,
        "reason": session.reason,
        "started": iso(session.started_us),
        "expires": iso(session.expires_us),
        "watermark": session.watermark,
        "from": iso(shown.from_us),
        "whole_picture": shown.point is None,
        "verdicts": asdict(session.verdicts),
    }


@routes.post("/api/reveals")
async def start(request: web.Request) -> web.Response:
    """Ask for a reveal; a refusal is an entry in the audit log like a grant."""
    fields = await body(request)
    case = text(fields, "case", "", most=60).strip()
    reason = text(fields, "reason", most=300).strip()
    point = None
    if fields.get("point") is not None:
        wanted = fields["point"]
        if not isinstance(wanted, list) or len(wanted) != 2:
            raise BadField("point: two numbers are needed.", "point")
        point = (number({"point": wanted[0]}, "point", 0, 1), number({"point": wanted[1]}, "point", 0, 1))
    from_us = time_us(fields, "from")
    account = by(request)
    session = await box(request).reveals.start(
        account,
        whole(fields, "camera", 0, 1 << 31),
        reason=f"{reason} (case {case})" if case else reason,
        passphrase=text(fields, "passphrase", most=1024),
    )
    shown = _Shown(account, from_us, point)
    request.app[SHOWN][session.key] = shown
    return web.json_response(_answer(session, shown), status=201)


@routes.get("/api/reveals")
async def active(request: web.Request) -> web.Response:
    """The account's reveals that are on; asking keeps them on until their time is up."""
    found = []
    for session in box(request).reveals.active(by(request)):
        shown = request.app[SHOWN].get(session.key)
        if shown is not None:
            shown.seen_s = time.monotonic()
            found.append(_answer(session, shown))
    return web.json_response({"reveals": found})


@routes.delete(r"/api/reveals/{key:[\w-]{1,80}}")
async def end(request: web.Request) -> web.Response:
    """End a reveal now; ending it twice is nothing."""
    key = request.match_info["key"]
    await box(request).reveals.end(by(request), key)
    request.app[SHOWN].pop(key, None)
    return web.Response(status=204)


@routes.get(r"/api/reveals/{key:[\w-]{1,80}}/still")
async def still(request: web.Request) -> web.Response:
    """One revealed, watermarked picture."""
    at_us = maybe_time_us(request.query, "at")
    if at_us is None:
        raise BadField("at: a time is needed.", "at")
    jpeg = await box(request).reveals.still(by(request), request.match_info["key"], at_us)
    return web.Response(body=jpeg, content_type="image/jpeg")


async def pieces(request: web.Request, key: str, from_us: int | None) -> AsyncGenerator[Piece, None]:
    """The revealed stream from `from_us` on, going on as the recording grows; a newer one of the same reveal ends it.

    Raises:
        Refused: the reveal is over, or was never this account's.
    """
    shown = request.app[SHOWN].get(key)
    if shown is None:
        raise Refused("The reveal is over.")
    # One person is found by where they are in the picture at one time, so that stream always begins there.
    at_us = shown.from_us if from_us is None or shown.point is not None else from_us
    async for piece in box(request).reveals.play(by(request), key, at_us, point=shown.point):
        yield piece
