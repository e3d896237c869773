"""The device's clock: GetSystemDateAndTime, SetSystemDateAndTime (ONVIF Core 26.06, 8.3.4)."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from onvif.errors import invalid
from onvif.service import Call, Reply, operation
from onvif.services.device_context import DeviceContext

YEARS = (1970, 2105)
"""What an unsigned 32-bit clock can show."""
_NAME = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_OFFSET = r"[+-]?\d{1,2}(?::[0-5]\d(?::[0-5]\d)?)?"
_RULE = rf",(?:M\d{{1,2}}\.[1-5]\.[0-6]|J?\d{{1,3}})(?:/{_OFFSET})?"
_POSIX = re.compile(rf"{_NAME}({_OFFSET})({_NAME}(?:{_OFFSET})?(?:{_RULE}{_RULE})?)?")
"""IEEE Std 1003.1, 8.3: std offset [dst[offset][,start[/time],end[/time]]]."""
_REGION = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+){0,2}")


class Time:
    """The handlers of the clock."""

    def __init__(self, context: DeviceContext) -> None:
        self._context = context

    @operation("GetSystemDateAndTime")
    async def get_system_date_and_time(self, _call: Call) -> Reply:
        clock = self._context.state.value.clock
        now = self._context.platform.now()
        return {
            "SystemDateAndTime": {
                "DateTimeType": "NTP" if clock.ntp else "Manual",
                "DaylightSavings": clock.daylight_savings,
                "TimeZone": {"TZ": clock.timezone},
                "UTCDateTime": _values(now),
                "LocalDateTime": _values(local(now, clock.timezone)),
            }
        }

    @operation("SetSystemDateAndTime")
    async def set_system_date_and_time(self, call: Call) -> Reply:
        requested, clock = call.request, self._context.state.value.clock
        timezone = clock.timezone
        if requested.TimeZone is not None:
            timezone = str(requested.TimeZone.TZ or "").strip()
            if not _POSIX.fullmatch(timezone) and _region(timezone) is None:
                raise invalid(f"{timezone[:60]!r} is no POSIX time zone and no name of one", "InvalidTimeZone")
        ntp = requested.DateTimeType == "NTP"
        utc = _utc(requested.UTCDateTime) if requested.UTCDateTime is not None else None
        wanted = replace(clock, ntp=ntp, timezone=timezone, daylight_savings=bool(requested.DaylightSavings))
        offset = await self._context.platform.set_clock(
            None if ntp else utc, replace(self._context.state.value, clock=wanted)
        )
        self._context.state.change(clock=replace(wanted, offset_s=offset.total_seconds()))
        return None


def local(utc: datetime, timezone: str) -> datetime:
    """Local time: that of the place for a name such as `Europe/Oslo`, standard time for a POSIX string."""
    region = _region(timezone)
    return utc.astimezone(region) if region is not None else utc - standard_offset(timezone)


def _region(timezone: str) -> ZoneInfo | None:
    """The zone of a name of the IANA's database that this host knows; clients send them though ONVIF wants POSIX."""
    if _POSIX.fullmatch(timezone) or not _REGION.fullmatch(timezone):
        return None
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def standard_offset(timezone: str) -> timedelta:
    """What has to be taken from UTC to have local standard time; POSIX counts west of Greenwich as positive."""
    found = _POSIX.fullmatch(timezone)
    if found is None:
        return timedelta()
    text = found.group(1)
    hours, minutes, seconds = (*(int(part) for part in text.lstrip("+-").split(":")), 0, 0)[:3]
    size = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return -size if text.startswith("-") else size


def _utc(requested: Any) -> datetime:
    date, time = requested.Date, requested.Time
    try:
        if not YEARS[0] <= int(date.Year) <= YEARS[1]:
            raise ValueError("outside of what the clock can show")
        return datetime(int(date.Year), int(date.Month), int(date.Day), int(time.Hour), int(time.Minute),
                        int(time.Second), tzinfo=UTC)  # fmt: skip
    except (ValueError, OverflowError):
        raise invalid("the date or time does not exist", "InvalidDateTime") from None


def _values(at: datetime) -> dict[str, Any]:
    return {
        "Time": {"Hour": at.hour, "Minute": at.minute, "Second": at.second},
        "Date": {"Year": at.year, "Month": at.month, "Day": at.day},
    }
