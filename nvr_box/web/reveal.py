"""Reveals: asking, watching, ending. A reveal that no page watches any more ends by itself."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from base.errors import Error, RightRefused
from nvr_box.record.recordings import MediaSegment
from nvr_box.reveal.approvals import RevealRequest
from nvr_box.reveal.reveals import RevealSession, Stretch, Verdicts
from nvr_box.rights import Account, Right
from nvr_box.web import sockets
from nvr_box.web.request_fields import (
    BOX,
    BadField,
    account_of,
    body,
    box,
    fields_of,
    iso,
    maybe_point,
    maybe_time_us,
    text,
    time_us,
    whole,
)

routes = web.RouteTableDef()
_log = logging.getLogger(__name__)

# The page asks every two seconds; a tab that was closed is noticed after this.
_UNWATCHED_S = 15.0
# Groups of pictures sent before the page has requested more.
_FIRST_AHEAD = 3
_WHY_ENDED = {"": "ended", "passphrase": "the passphrase opened nothing in the page"}


@dataclass(slots=True)
class _Shown:
    """The account whose page watches one reveal, and when it last made a request; `seen_s` is monotonic."""

    account: Account
    seen_s: float = field(default_factory=time.monotonic)


SHOWN = web.AppKey("reveals", dict[str, _Shown])


async def end_unwatched(app: web.Application) -> AsyncIterator[None]:
    """Beside the server: end what no page has requested for a while."""
    app[SHOWN] = {}

    async def watch() -> None:
        while True:
            await asyncio.sleep(1.0)
            for key, shown in list(app[SHOWN].items()):
                if time.monotonic() - shown.seen_s > _UNWATCHED_S:
                    _log.info("reveal of %s ended: no page watches it", shown.account.name)
                    del app[SHOWN][key]
                    try:
                        await app[BOX].reveals.end(shown.account, key)
                    except Error as error:
                        # It has ended; what comes after it must not go unwatched.
                        _log.error("the end of a reveal: %s", error)

    task = asyncio.create_task(watch(), name="end_unwatched")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _answer(session: RevealSession) -> dict[str, object]:
    limits = session.scope
    return {
        "id": session.key,
        "camera": session.camera,
        "who": session.account,
        "reason": session.reason,
        "started": iso(session.started_us),
        "expires": iso(session.expires_us),
        "watermark": session.watermark,
        "from": iso(limits.begin_us),
        "covers": {"start": iso(limits.start_us), "end": iso(limits.end_us)},
        "whole_picture": limits.whole,
        "in_browser": session.in_browser,
        "verdicts": asdict(session.verdicts),
    }


def _wish(fields: dict[str, Any]) -> tuple[str, Stretch]:
    """Reason with the case's number; from when, until when and whom to reveal."""
    case = text(fields, "case", "", most=60).strip()
    reason = text(fields, "reason", most=300).strip()
    stretch = Stretch(time_us(fields, "from"), maybe_time_us(fields, "until"), maybe_point(fields))
    return (f"{reason} (case {case})" if case else reason), stretch


@routes.post("/api/reveals")
async def start(request: web.Request) -> web.Response:
    """Ask for a reveal; a refusal is an entry in the audit log like a grant."""
    fields = await body(request)
    said, stretch = _wish(fields)
    account, reveals = account_of(request), box(request).reveals
    camera = whole(fields, "camera", 0, 1 << 31)
    if fields.get("in_browser", False) is True:
        if not box(request).config.reveal.in_browser:
            why = "This box opens reveals itself; load the page again."
            await box(request).audit.write(account.name, "reveal", camera=camera, reason=said, granted=False, why=why)
            raise RightRefused(why)
        session = await reveals.start_in_browser(account, camera, reason=said, stretch=stretch)
        handed = reveals.handed(account, session.key).tables()
        more = {**session.of_camera, "keys": handed}
    else:
        session = await reveals.start(
            account,
            camera,
            reason=said,
            passphrase=text(fields, "passphrase", most=1024),
            second_passphrase=text(fields, "second_passphrase", "", most=1024),
            stretch=stretch,
            approval=text(fields, "approval", "", most=80),
        )
        more = {}
    request.app[SHOWN][session.key] = _Shown(account)
    return web.json_response(_answer(session) | more, status=201)


@routes.post(r"/api/reveals/{key:[\w-]{1,80}}/opened")
async def opened(request: web.Request) -> web.Response:
    """The page proves that its passphrase opened a key: the reveal that it opens itself is granted now."""
    proof = text(await body(request), "proof", most=200)
    try:
        shown = bytes.fromhex(proof)
    except ValueError as error:
        raise BadField("proof: hexadecimal digits are needed.", "proof") from error
    session = await box(request).reveals.opened(account_of(request), request.match_info["key"], shown)
    return web.json_response(_answer(session))


@routes.get("/api/reveals")
async def active(request: web.Request) -> web.Response:
    """The account's reveals that are on; asking keeps them on until their time is up."""
    found = []
    for session in box(request).reveals.active(account_of(request)):
        shown = request.app[SHOWN].get(session.key)
        if shown is not None:
            shown.seen_s = time.monotonic()
            found.append(_answer(session))
    reveals, approvals = box(request).reveals, box(request).reveals.approvals
    here = box(request).config.reveal.in_browser and reveals.may_open_in_browser(account_of(request))
    wants = {"in_browser": here, "dual_control": reveals.dual_control}
    requests = {
        "requests": [_request(each) for each in approvals.of(account_of(request))],
        "to_answer": [_request(each) for each in approvals.to_answer(account_of(request))],
    }
    return web.json_response({"reveals": found, **wants, "second_person": approvals.wanted, **requests})


def _request(wish: RevealRequest) -> dict[str, object]:
    return {
        "id": wish.key,
        "who": wish.account,
        "camera": wish.camera,
        "reason": wish.reason,
        "from": iso(wish.from_us),
        "until": iso(wish.until_us),
        "whole_picture": wish.point is None,
        "asked": iso(wish.asked_us),
        "expires": iso(wish.expires_us),
        "state": wish.state.value,
        "approver": wish.approver,
        "why": wish.why,
    }


@routes.post("/api/reveals/requests")
async def ask(request: web.Request) -> web.Response:
    """Put a wish to the approvers, where a reveal needs a second person."""
    fields = await body(request)
    said, stretch = _wish(fields)
    camera = whole(fields, "camera", 0, 1 << 31)
    approvals = box(request).reveals.approvals
    wish = await approvals.ask(
        account_of(request), camera, reason=said, from_us=time_us(fields, "from"), until_us=stretch.until_us,
        point=stretch.point,
    )  # fmt: skip
    return web.json_response(_request(wish), status=201)


@routes.post(r"/api/reveals/requests/{key:[\w-]{1,80}}")
async def answer(request: web.Request) -> web.Response:
    """Approve or refuse another account's request."""
    fields = await body(request)
    approve = fields.get("approve")
    if not isinstance(approve, bool):
        raise BadField("approve: true or false.", "approve")
    why = text(fields, "why", "", most=300)
    approvals = box(request).reveals.approvals
    wish = await approvals.answer(account_of(request), request.match_info["key"], approve=approve, why=why)
    return web.json_response(_request(wish))


@routes.delete(r"/api/reveals/requests/{key:[\w-]{1,80}}")
async def withdraw(request: web.Request) -> web.Response:
    """Take one's own wish back."""
    box(request).reveals.approvals.withdraw(account_of(request), request.match_info["key"])
    return web.Response(status=204)


@routes.delete(r"/api/reveals/{key:[\w-]{1,80}}")
async def end(request: web.Request) -> web.Response:
    """End a reveal now; ending it twice is nothing."""
    key = request.match_info["key"]
    why = request.query.get("why", "")
    if why not in _WHY_ENDED:
        raise BadField(f"why: one of {', '.join(each for each in _WHY_ENDED if each)}, or nothing.", "why")
    await box(request).reveals.end(account_of(request), key, why=_WHY_ENDED[why])
    request.app[SHOWN].pop(key, None)
    return web.Response(status=204)


@routes.post(r"/api/reveals/{key:[\w-]{1,80}}/verdicts")
async def verdicts(request: web.Request) -> web.Response:
    """What the page's own reader says; the entry of the reveal's end will name it."""
    fields = await body(request)
    counts = {name: whole(fields, name, 0, 1 << 40, 0) for name in Verdicts.__dataclass_fields__ if name != "reason"}
    said = Verdicts(reason=text(fields, "reason", "", most=200), **counts)
    box(request).reveals.report_verdicts(account_of(request), request.match_info["key"], said)
    return web.Response(status=204)


@routes.get(r"/api/reveals/{key:[\w-]{1,80}}/units")
async def units(request: web.Request) -> web.StreamResponse:
    """Masked access units for a page that opens them itself; api.md says how."""
    if not sockets.same_origin(request):
        return sockets.refused()
    from_us, key = time_us(request.query, "from"), request.match_info["key"]
    reveals = box(request).reveals
    parts = reveals.units(account_of(request), key, from_us)
    socket = await sockets.accepted(request)
    more = asyncio.Semaphore(_FIRST_AHEAD)

    async def send() -> sockets.End:
        async with contextlib.aclosing(parts):
            async for part in parts:
                await more.acquire()
                said = {"codec": part.codec, "units": [{"utc": iso(u.utc_us), "size": len(u.data)} for u in part.units]}
                await socket.send_str(json.dumps(said))
                await socket.send_bytes(b"".join(unit.data for unit in part.units))
        return sockets.DONE, "The recording ends here."

    async def listen() -> sockets.End:
        async for message in socket:
            try:
                said = message.data if isinstance(message.data, bytes) else str(message.data).encode()
                for _ in range(whole(fields_of(said), "more", 1, 16)):
                    more.release()
            except (ValueError, BadField):
                return sockets.REFUSED, "This is not what the page may say here."
        return sockets.DONE, ""

    async def watch() -> sockets.End:
        needed, camera = (Right.REVEAL, Right.VIEW), reveals.session(account_of(request), key).camera
        return await sockets.watch_rights(request, needed, camera, "The right to reveal was taken back.")

    return await sockets.served(socket, send(), listen(), watch(), refused=sockets.OVER)


@routes.get(r"/api/reveals/{key:[\w-]{1,80}}/still")
async def still(request: web.Request) -> web.Response:
    """One revealed, watermarked picture."""
    at_us = maybe_time_us(request.query, "at")
    if at_us is None:
        raise BadField("at: a time is needed.", "at")
    jpeg = await box(request).reveals.still(account_of(request), request.match_info["key"], at_us)
    return web.Response(body=jpeg, content_type="image/jpeg")


@routes.get(r"/api/reveals/{key:[\w-]{1,80}}/cards/{passage:\d{1,15}}")
async def card(request: web.Request) -> web.Response:
    """A best shot: opened and watermarked, or, where the page opens, masked with its original sealed inside."""
    account = account_of(request)
    shot = await box(request).searches.stored_shot(account, int(request.match_info["passage"]))
    jpeg = await box(request).reveals.card(account, request.match_info["key"], shot)
    return web.Response(body=jpeg, content_type="image/jpeg")


async def pieces(
    request: web.Request, camera: int, key: str, from_us: int | None
) -> AsyncGenerator[MediaSegment, None]:
    """The revealed stream from `from_us` on, going on as the recording grows; a newer one of the same reveal ends it.

    Raises:
        Refused: the reveal is over, was never this account's, is of another camera or time, or has shown what it
            covers.
    """
    reveals, account = box(request).reveals, account_of(request)
    session = reveals.session(account, key)
    if session.camera != camera:
        raise RightRefused("This reveal is of another camera.")
    # One person is found by where they are in the picture at one time, so that stream always begins there.
    at_us = None if not session.scope.whole else from_us
    async for piece in reveals.play(account, key, at_us):
        yield piece
    raise RightRefused("What this reveal covers ends here.")  # and not the recording: the page must not ask again
