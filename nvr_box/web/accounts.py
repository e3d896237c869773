"""Accounts: the list, what they may do, and changing that."""

from typing import Any

from aiohttp import web

from nvr_box.rights import Account, Right
from nvr_box.web.request_fields import SESSIONS, BadField, account_of, body, box, text

routes = web.RouteTableDef()


def _answer(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "rights": sorted(right.value for right in account.rights),
        "cameras": None if account.cameras is None else sorted(account.cameras),
    }


@routes.get("/api/accounts")
async def accounts(request: web.Request) -> web.Response:
    """Everybody, by name."""
    found = sorted(box(request).users.list(account_of(request)), key=lambda account: account.name.lower())
    return web.json_response({"accounts": [_answer(each) for each in found], "rights": [each.value for each in Right]})


@routes.put(r"/api/accounts/{name:[^/]{1,64}}")
async def put(request: web.Request) -> web.Response:
    """Make an account or change one; what is not named stays. A new password signs the account out everywhere."""
    fields = await body(request)
    name = request.match_info["name"]
    every = "cameras" in fields and fields["cameras"] is None
    password = text(fields, "password", most=1024) if "password" in fields else None
    account = await box(request).users.save(
        account_of(request),
        name,
        password=password,
        rights=_rights(fields["rights"]) if "rights" in fields else None,
        cameras=None if every or "cameras" not in fields else _cameras(fields["cameras"]),
        every_camera=every,
    )
    if password is not None and name == account_of(request).name:
        request.app[SESSIONS].renew(request)
    return web.json_response(_answer(account))


@routes.delete(r"/api/accounts/{name:[^/]{1,64}}")
async def remove(request: web.Request) -> web.Response:
    """Remove an account; its sessions end with it."""
    await box(request).users.remove(account_of(request), request.match_info["name"])
    return web.Response(status=204)


def _rights(value: Any) -> list[Right]:
    try:
        return [Right(each) for each in value]
    except (TypeError, ValueError) as error:
        raise BadField(f"rights: a list of {', '.join(each.value for each in Right)}.", "rights") from error


def _cameras(value: Any) -> list[int]:
    if not isinstance(value, list) or not all(type(each) is int and each >= 0 for each in value):
        raise BadField("cameras: a list of numbers, or null for every camera.", "cameras")
    return value
