"""Times as other tools write them: ISO 8601, datetimes of a zone or of none, and whole numbers since the epoch."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from datetime import time as midnight
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from rxcandles.arguments import refusal

__all__ = ["KST", "Instant", "instants", "zone"]

Instant: TypeAlias = Callable[[Any], float]
"""Makes UTC seconds of a value; raises ``ValueError``, which says why it can't."""

KST: Final = timezone(timedelta(hours=9), "KST")
"""Korea's time, in which pyupbit's frames are, without saying so."""

_WHOLE: Final = re.compile(r"(\d+)(?:\.0*)?", re.ASCII)
_UNITS: Final = {9: 1, 10: 1, 12: 10**3, 13: 10**3, 15: 10**6, 16: 10**6, 18: 10**9, 19: 10**9}
"""Ticks a second, by the digits of a number: from 1973 on no two units have the same."""


def zone(name: str, value: str | tzinfo) -> tzinfo:
    """Return a zone, or raise :class:`RequestError` where there is none of that name; ``KST`` is one."""
    if isinstance(value, tzinfo):
        return value
    if isinstance(value, str):
        if value in ("UTC", "KST"):
            return UTC if value == "UTC" else KST
        try:
            return ZoneInfo(value)
        except (OSError, ValueError, LookupError):  # no such file, no such name, no data
            pass
    raise refusal(name, value, "name a zone as the time zone database does, such as 'Asia/Seoul', or UTC or KST")


def instants(without: tzinfo, *, milliseconds: bool = False) -> Instant:
    """Return the function that reads times; those ``without`` a zone of their own are of that one.

    Numbers are ``milliseconds``, or by their digits: 9 or 10 are seconds, 12 or 13 milliseconds, and so on.
    """

    def read(value: Any) -> float:
        if isinstance(value, str):
            text = value.strip()
            if (whole := _WHOLE.fullmatch(text)) and len(whole[1]) != 8:  # else a date, 20240131
                return since_epoch(int(whole[1]))
            try:
                value = datetime.fromisoformat(text)
            except ValueError:
                raise ValueError("write ISO 8601, or seconds or milliseconds since 1970") from None
        if isinstance(value, datetime):
            return of_datetime(value)
        if isinstance(value, date):
            return of_datetime(datetime.combine(value, midnight()))
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
            return since_epoch(int(value))
        raise ValueError("give a time, or whole seconds or milliseconds since 1970")

    def since_epoch(number: int) -> float:
        ticks = 1000 if milliseconds else _UNITS.get(len(str(number)), 0)
        if not ticks:
            raise ValueError("numbers of 9 or 10 digits are seconds since 1970, of 12 or 13 milliseconds, and so on")
        return number / ticks if number % ticks else number // ticks

    def of_datetime(value: datetime) -> float:
        if value != value:  # pandas' NaT
            raise ValueError("it is missing")
        if getattr(value, "nanosecond", 0):  # pandas has those, and would leave them out below
            raise ValueError("no candle opens at a fraction of a microsecond")
        if value.tzinfo is None:
            value = value.replace(tzinfo=without)
            if value.utcoffset() != value.replace(fold=1 - value.fold).utcoffset():
                raise ValueError(f"in {without} that time is there twice or not at all; write it with its offset")
        return value.timestamp()

    return read
