"""The receiving end of the cameras' push; cameras sign in with the token they got when they were paired."""

from aiohttp import web

from nvr_box.rights import Refused
from nvr_box.web.asked import box
from wire.base.errors import StoreError, WireError

routes = web.RouteTableDef()


@routes.post("/api/packets")
async def accept(request: web.Request) -> web.Response:
    """Take a batch of sealed packets and say which are on disk."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return web.json_response({"error": "a bearer token is needed"}, status=401)
    try:
        receipt = await box(request).intake.accept(token, await request.read())
    except Refused as error:
        return web.json_response({"error": str(error)}, status=401)
    except WireError as error:
        return web.json_response({"error": str(error)}, status=400)
    except StoreError as error:
        return web.json_response({"error": str(error)}, status=503)
    return web.json_response(
        {
            "acknowledged": list(receipt.acknowledged),
            "refused": [{"sequence": one.sequence, "index": one.index, "why": one.why} for one in receipt.refused],
        }
    )
