"""The receiving end of the cameras' push; cameras sign in with the token they got when they were paired."""

from aiohttp import web

from base.errors import RightRefused
from nvr_box.web.request_fields import box
from onvif.connection_bounds import read_in_time

routes = web.RouteTableDef()
_MOST_BYTES, _BODY_S = 8 << 20, 120.0


@routes.post("/api/packets")
async def accept(request: web.Request) -> web.Response:
    """Take a batch of sealed packets and say which are on disk."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return web.json_response({"error": "a bearer token is needed"}, status=401)
    try:
        await box(request).intake.recognise(token)
        batch = await read_in_time(request, most=_MOST_BYTES, limit_s=_BODY_S)
        receipt = await box(request).intake.accept(token, batch)
    except RightRefused as error:
        return web.json_response({"error": str(error)}, status=401)
    return web.json_response(receipt.to_json())
