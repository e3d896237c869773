"""Packages of evidence: made, and fetched once or more while they are there."""

from aiohttp import web

from nvr_box.export.exports import ExportRequest
from nvr_box.web.request_fields import account_of, body, box, maybe_point, text, time_us, whole

routes = web.RouteTableDef()


@routes.post("/api/exports")
async def make(request: web.Request) -> web.Response:
    """Make a package; with a passphrase the revealed picture goes with it."""
    fields = await body(request)
    wish = ExportRequest(
        camera=whole(fields, "camera", 0, 1 << 31),
        start_us=time_us(fields, "start"),
        end_us=time_us(fields, "end"),
        reason=text(fields, "reason", most=300).strip(),
        passphrase=text(fields, "passphrase", "", most=1024),
        second_passphrase=text(fields, "second_passphrase", "", most=1024),
        approval=text(fields, "approval", "", most=80),
        point=maybe_point(fields),
    )
    package = await box(request).exports.make(account_of(request), wish)
    answer = {"id": package.key, "name": package.name, "bytes": package.bytes}
    return web.json_response(answer, status=201)


@routes.get(r"/api/exports/{key:[\w-]{1,80}}")
async def fetch(request: web.Request) -> web.StreamResponse:
    """The package itself."""
    package = box(request).exports.get(account_of(request), request.match_info["key"])
    headers = {"Content-Disposition": f'attachment; filename="{package.name}"', "Content-Type": "application/zip"}
    return web.FileResponse(package.path, headers=headers)
