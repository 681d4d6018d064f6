"""Times as other tools write them: an instant, a time without a zone, a date, or a time of day."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from datetime import time as daytime
from typing import Any, Final, TypeAlias

from rxcandles.model.moments import KST

__all__ = ["KST", "Moment", "clock_of", "digits_of", "in_zone", "moment_of", "unit_of"]

Moment: TypeAlias = float | datetime | date
"""UTC seconds if the zone is known; otherwise a naive ``datetime``, or a ``date`` without a time of day."""

_WHOLE: Final = re.compile(r"(\d{1,20})(?:\.0*)?", re.ASCII)
_UNITS: Final = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
"""Ticks a second, by the digits of a number: every time from 2001 on has one of these."""
_DATES: Final = (8, 12, 14)
"""Numbers of digits that make a date: down to days, minutes or seconds."""
_MIDNIGHT: Final = daytime()

_LONGEST: Final = 60
_WRITTEN: Final = re.compile(
    r"(?:(?P<year>\d{4})(?:\s*[-/.]\s*|년\s*)(?P<month>\d{1,2})(?:\s*[-/.]\s*|월\s*)(?P<day>\d{1,2})(?:일|\.)?"
    r"|(?P<first>\d{1,2})\.(?P<second>\d{1,2})\.(?P<last>\d{4}))"
    r"(?:[T\s]\s*(?P<clock>.*?))?\s*(?P<zone>Z|(?:UTC|GMT|KST)?[+-]\d{2}:?\d{2}|UTC|GMT|KST)?",
    re.ASCII,
)
_CLOCK: Final = re.compile(
    r"(?:(오전|오후|AM|PM)\s*)?(\d{1,2})(?:\s*[:시]\s*(\d{1,2})(?:\s*[:분]\s*(\d{1,2})(?:\.0*)?초?)?분?|시|(?=\s*-?[AP]M))"
    r"\s*-?(AM|PM)?",
    re.ASCII | re.IGNORECASE,
)


def moment_of(value: Any) -> Moment:
    """Return the time that a value stands for; raise ``ValueError`` that says what to write instead."""
    if isinstance(value, str):
        return _of_text(value.strip())
    if isinstance(value, datetime):
        return _of_datetime(value)
    if isinstance(value, date):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value != value:
            raise ValueError("it is missing")
        if 0 <= value < 10**20 and value == value // 1:
            return _of_number(int(value), str(int(value)))
        if 10**9 <= value < 10**10:  # seconds with a fraction
            return float(value)
    if hasattr(value, "item") and type(value).__module__ == "numpy":
        return moment_of(value.item())
    raise ValueError("give a time, or whole seconds or milliseconds since 1970")


def unit_of(value: Any) -> int | None:
    """Return the ticks a second of a number that counts them from 1970; None for anything else."""
    match = _WHOLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        return _UNITS.get(len(match[1]))
    if isinstance(value, int | float) and 0 <= value < 10**20:
        return _UNITS.get(len(str(int(value))))
    return None


def clock_of(value: Any, digits: int | None = None) -> int | None:
    """Return the seconds since midnight of a time of day (``13:00``, ``오후 1:00``, ``130000``), or None.

    If the column's numbers have six ``digits``, a number is hours, minutes and seconds. Otherwise only a number of five
    or six digits is, and a text of four is hours and minutes, since 900 may be 09:00 or 00:09:00.
    """
    if isinstance(value, daytime):
        return value.hour * 3600 + value.minute * 60 + value.second if not value.microsecond else None
    if isinstance(value, timedelta):
        return int(value.total_seconds()) if 0 <= value.total_seconds() < 86_400 else None
    is_text = isinstance(value, str)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 240_000 and value == value // 1:
        value = str(int(value))
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    text = value.strip()
    if re.fullmatch(r"\d{1,6}", text, re.ASCII):
        if digits == 6 or (digits is None and len(text) >= 5):
            text = text.zfill(6)
        elif len(text) != 4 or not is_text:
            return None
        text = ":".join(text[at : at + 2] for at in range(0, len(text), 2))
    match = _CLOCK.fullmatch(text)
    if not match:
        return None
    hour, minute, second = (int(each or 0) for each in match.group(2, 3, 4))
    if half := (match[1] or match[5] or "").upper():
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in ("PM", "오후") else 0)
    return hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 60 else None


def digits_of(value: Any) -> int | None:
    """Return how many digits the numbers of a column of times of day have, judged by one of them, or None."""
    text = str(int(value)) if isinstance(value, int | float) else value.strip() if isinstance(value, str) else ""
    return (4 if len(text) == 4 else 6) if re.fullmatch(r"\d{4,6}", text, re.ASCII) else None


def in_zone(value: datetime, without: tzinfo) -> float:
    """Return the UTC seconds of a naive time in a zone; raise ``ValueError`` if clocks show it twice or never."""
    value = value.replace(tzinfo=without)
    if value.utcoffset() != value.replace(fold=1 - value.fold).utcoffset():
        raise ValueError(f"in {without} that time is there twice or not at all; write it with its offset")
    return value.timestamp()


def _of_text(text: str) -> Moment:
    if len(text) > _LONGEST:
        raise ValueError("write ISO 8601, or seconds or milliseconds since 1970")
    if whole := _WHOLE.fullmatch(text):
        return _of_number(int(whole[1]), whole[1])
    if text.isascii():
        if re.fullmatch(r"\d{10}\.\d+", text):
            return float(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return moment.date() if len(text) == 10 and moment.tzinfo is None else _of_datetime(moment)
    return _of_written(text)


def _of_written(text: str) -> Moment:
    match = _WRITTEN.fullmatch(text)
    try:
        if not match:
            raise ValueError
        year, month, day = (
            match.group("year", "month", "day") if match["year"] else match.group("last", "second", "first")
        )
        value: Moment = date(int(year), int(month), int(day))
        if match["clock"]:
            clock = clock_of(match["clock"])
            if clock is None:
                raise ValueError
            value = datetime.combine(date(int(year), int(month), int(day)), _MIDNIGHT) + timedelta(seconds=clock)
            if match["zone"]:
                value = value.replace(tzinfo=_offset(match["zone"])).timestamp()
    except ValueError:
        raise ValueError("write ISO 8601, or seconds or milliseconds since 1970") from None
    return value


def _offset(text: str) -> tzinfo:
    if match := re.search(r"([+-])(\d\d):?(\d\d)$", text):
        away = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(away if match[1] == "+" else -away)
    return KST if text == "KST" else UTC


def _of_number(number: int, digits: str) -> Moment:
    if len(digits) in _DATES:
        try:
            moment = datetime.fromisoformat(f"{digits[:8]}T{digits[8:] or '00'}")
        except ValueError:
            raise ValueError("numbers of 8, 12 or 14 digits are dates, such as 20240131 and 202401310900") from None
        return moment.date() if len(digits) == 8 else moment
    ticks = _UNITS.get(len(digits))
    if ticks is None:
        raise ValueError("numbers of 10 digits are seconds since 1970, of 13 milliseconds, and so on")
    return number / ticks if number % ticks else number // ticks


def _of_datetime(value: datetime) -> Moment:
    if value != value:  # pandas' NaT
        raise ValueError("it is missing")
    if getattr(value, "nanosecond", 0):  # pandas has nanoseconds, and the conversion below would drop them
        raise ValueError("no candle opens at a fraction of a microsecond")
    return value if value.tzinfo is None else value.timestamp()
