"""The keys by their public sides, and the ceremonies that are safe in a page: revoke, destroy a day, hold for a case.

The refusals are those of the command line, because the parts that refuse are the same (`custody.py`, `holds.py`).
"""

from aiohttp import web

from nvr_box.custody.custody import Day
from nvr_box.custody.holds import Hold
from nvr_box.keys.known import KnownKey
from nvr_box.web.request_fields import BadField, account_of, body, box, iso, maybe_iso, text, time_us, whole

routes = web.RouteTableDef()


def _key(key: KnownKey) -> dict[str, object]:
    return {
        "kid": key.kid,
        "kind": key.kind,
        "label": key.label,
        "algorithm": key.algorithm,
        "fingerprint": key.fingerprint,
        "here": key.here,
        "added": iso(key.added_us),
        "revoked": maybe_iso(key.revoked_us),
        "destroyed": maybe_iso(key.destroyed_us),
    }


def _day(day: Day) -> dict[str, object]:
    return {
        "day": day.day,
        "keys": list(day.keys),
        "opened_by": list(day.opened_by),
        "destroyed": maybe_iso(day.destroyed_us),
        "recorded": {str(camera): length_us / 1e6 for camera, length_us in day.recorded_us.items()},
        "holds": list(day.holds),
    }


def _hold(hold: Hold) -> dict[str, object]:
    return {
        "number": hold.number,
        "case": hold.case,
        "camera": hold.camera,
        "start": iso(hold.start_us),
        "end": iso(hold.end_us),
        "reason": hold.reason,
        "who": hold.account,
        "placed": iso(hold.placed_us),
        "kept": hold.kept,
        "missed": hold.missed,
        "sealed": hold.sealed,
    }


@routes.get("/api/keys")
async def overview(request: web.Request) -> web.Response:
    """Every key by its public side, the days and the holds."""
    seen = await box(request).custody.overview(account_of(request))
    return web.json_response(
        {
            "signing": seen.signing,
            "rotate": seen.rotate,
            "dual_control": seen.dual_control,
            "keys": [_key(each) for each in seen.keys],
            "days": [_day(each) for each in seen.days],
            "holds": [_hold(each) for each in seen.holds],
            "cases": dict(seen.cases),
        }
    )


@routes.post(r"/api/keys/{kid:[0-9a-f]{1,16}}/revoke")
async def revoke(request: web.Request) -> web.Response:
    """Seal nothing to a key any more; the past still opens with it."""
    await box(request).custody.revoke(account_of(request), request.match_info["kid"])
    return web.Response(status=204)


@routes.post(r"/api/keys/days/{day:[\d-]{1,10}}/shred")
async def shred(request: web.Request) -> web.Response:
    """Destroy every key of a day, which the request has to name twice."""
    day = request.match_info["day"]
    if text(await body(request), "typed", most=20) != day:
        raise BadField(f"typed: type {day} to destroy its keys.", "typed")
    await box(request).custody.shred(account_of(request), day)
    return web.Response(status=204)


@routes.post("/api/keys/holds")
async def place(request: web.Request) -> web.Response:
    """Put a stretch of one camera's recording on hold for a case."""
    fields = await body(request)
    hold = await box(request).holds.place(
        account_of(request),
        text(fields, "case", most=64).strip(),
        whole(fields, "camera", 0, 1 << 31),
        time_us(fields, "start"),
        time_us(fields, "end"),
        reason=text(fields, "reason", most=300),
    )
    return web.json_response(_hold(hold), status=201)


@routes.post(r"/api/keys/holds/{number:\d{1,9}}/seal")
async def seal(request: web.Request) -> web.Response:
    """Seal the content keys of its groups of pictures to the case's key."""
    fields = await body(request)
    words = [text(fields, "passphrase", most=1024), text(fields, "second_passphrase", "", most=1024)]
    case_passphrase = text(fields, "case_passphrase", "", most=1024)
    number = int(request.match_info["number"])
    hold = await box(request).holds.seal(
        account_of(request), number, passphrases=words, case_passphrase=case_passphrase
    )
    return web.json_response(_hold(hold))


@routes.delete(r"/api/keys/holds/{number:\d{1,9}}")
async def lift(request: web.Request) -> web.Response:
    """End a hold."""
    reason = text(await body(request), "reason", most=300)
    await box(request).holds.lift(account_of(request), int(request.match_info["number"]), reason=reason)
    return web.Response(status=204)
