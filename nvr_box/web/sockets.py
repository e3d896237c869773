"""What every WebSocket of the page has in common: whom it is for, what runs beside it, and how it is closed."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from base.errors import Error, RightRefused
from nvr_box.rights import Right
from nvr_box.web import refusals, sessions
from nvr_box.web.request_fields import BOX, SESSIONS

DONE, BROKEN = 1000, 1011
OVER, REFUSED = 4001, 4003
_RIGHTS_EVERY_S = 2.0
_MOST_REASON_BYTES = 120  # RFC 6455 5.5: a control frame carries 125 bytes, two of them the code

End = tuple[int, str]
"""A close code and its sentence."""

same_origin = sessions.same_origin


def refused() -> web.Response:
    """The answer to another site; WebSockets have no other protection against foreign pages."""
    return web.json_response({"error": "Another site asked for this stream.", "field": None}, status=403)


async def accepted(request: web.Request) -> web.WebSocketResponse:
    """The socket, open; the page says little on it."""
    socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=4096, compress=False)
    await socket.prepare(request)
    return socket


async def served(
    socket: web.WebSocketResponse, *work: Coroutine[Any, Any, End], refused: int = REFUSED
) -> web.WebSocketResponse:
    """Run `work` until the first of it ends, which says how to close; `refused` is the code of a `RightRefused`."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        code, why = next(iter(done)).result()
    except RightRefused as refusal:
        code, why = refused, str(refusal)
    except ConnectionError:
        code, why = DONE, ""
    except Error as error:
        code, why = BROKEN, refusals.sentence(error)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if len(why.encode()) > _MOST_REASON_BYTES:
        why = why.partition(". ")[0] + "."
    await socket.close(code=code, message=why.encode()[:_MOST_REASON_BYTES].decode(errors="ignore").encode())
    return socket


async def watch_rights(request: web.Request, rights: tuple[Right, ...], camera: int, loss: str) -> End:
    """Return when the session is over, or when the account lost one of `rights`; `loss` is the sentence for that."""
    users = request.app[BOX].users
    while True:
        found = request.app[SESSIONS].find(request)
        if found is None:
            return OVER, "You are signed out."
        if not all(found[1].may(right, camera) for right in rights):
            return REFUSED, loss
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RIGHTS_EVERY_S):
                await users.changed()
