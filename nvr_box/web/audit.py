"""The audit log, read and checked."""

from aiohttp import web

from nvr_box.audit.log import AuditEntry
from nvr_box.web.request_fields import account_of, box, iso, maybe_time_us, text, whole

routes = web.RouteTableDef()

# What the page offers to filter by; an action that is not here is still shown and can be requested by name.
ACTIONS = (
    "sign-in",
    "sign-out",
    "view-live",
    "view-recording",
    "view-recording-end",
    "freeze",
    "search",
    "reveal-ask",
    "reveal-answer",
    "reveal-keys",
    "reveal",
    "reveal-view",
    "reveal-end",
    "export",
    "lock",
    "unlock",
    "camera-add",
    "camera-change",
    "camera-remove",
    "pair",
    "clock",
    "database",
    "user-change",
    "user-remove",
    "keys",
    "reencode",
    "reencode-end",
    "hold",
    "select",
    "onvif",
    "audit-view",
    "audit-verify",
    "accept-loss",
)


def _entry(entry: AuditEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "at": iso(entry.utc_us),
        "who": entry.who,
        "action": entry.action,
        "camera": entry.camera,
        "reason": entry.reason,
        "granted": entry.granted,
        "details": dict(entry.details),
        "hash": entry.hash,
    }


@routes.get("/api/audit")
async def entries(request: web.Request) -> web.Response:
    """Entries, newest first; this look becomes one as well."""
    query = request.query
    found = await box(request).audit.entries(
        account_of(request),
        before=whole(query, "before", 0, 1 << 53) if query.get("before") else None,
        limit=whole(query, "limit", 1, 500, 100),
        actor=text(query, "who", most=64) if query.get("who") else None,
        camera=whole(query, "camera", 0, 1 << 31) if query.get("camera") else None,
        action=text(query, "action", most=40) if query.get("action") else None,
        start_us=maybe_time_us(query, "start"),
        end_us=maybe_time_us(query, "end"),
    )
    return web.json_response({"entries": [_entry(entry) for entry in found], "actions": ACTIONS})


@routes.post("/api/audit/verify")
async def verify(request: web.Request) -> web.Response:
    """Recompute the whole chain."""
    verdict = await box(request).audit.verify(account_of(request))
    head = verdict.head
    return web.json_response(
        {
            "whole": verdict.broken_at is None,
            "entries": verdict.entries,
            "broken_at": verdict.broken_at,
            "why": verdict.why,
            "lost": verdict.losses,
            "head": {"number": head.number, "hash": head.hash, "signed": iso(head.utc_us)} if head else None,
        }
    )
