"""Show times to people: in the zone of ``--tz`` or ``RXCANDLES_TZ``, else in UTC, with the name of the zone.

Output for programs (JSON, csv, jsonl) is always in UTC.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from typing import Final

from rxcandles.model.timeframe import to_datetime

__all__ = [
    "ZONE",
    "at_home",
    "headed",
    "home",
    "minute_shown",
    "said_apart",
    "span_shown",
    "time_shown",
    "time_written",
    "zone_name",
]

ZONE: Final[ContextVar[tzinfo]] = ContextVar("rxcandles.zone", default=UTC)
"""The zone of the running command."""

SHORT: Final = 5
"""Longest name of a zone, in characters, that fits into the heading of a column."""

_DAY: Final = r"(?<!['\"\w])\d{4}-\d\d-\d\d"
_WRITTEN: Final = re.compile(rf"{_DAY}T\d\d:\d\d:\d\d(?:Z\b|\+00:00)", re.ASCII)
_SHOWN: Final = re.compile(rf"(?:({_DAY} \d\d:\d\d:\d\d) to )?({_DAY} \d\d:\d\d:\d\d) UTC\b", re.ASCII)
"""Times in messages of the library; a time in quotes is what the user wrote, and stays."""


def home(moment: datetime | float) -> datetime:
    """Return a time (aware, or UTC seconds) in the zone of the command."""
    found = moment if isinstance(moment, datetime) else to_datetime(moment)
    try:
        return found.astimezone(ZONE.get())
    except OverflowError:  # years 1 and 9999
        return found


def zone_name() -> str:
    """Return the name of the zone: ``UTC``, ``KST``, ``America/New_York``."""
    return str(ZONE.get())


def time_shown(moment: datetime | float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a time without its zone; if it occurs twice, when clocks go back, add its offset: ``01:30-04:00``."""
    there = home(moment)
    twice = "%H" in form and there.utcoffset() != there.replace(fold=1 - there.fold).utcoffset()
    return f"{there:{form}}{_offset(there) if twice else ''}"


def minute_shown(moment: datetime | float) -> str:
    """Return a time to the minute, or to the second if its seconds are not 0."""
    return time_shown(moment, "%Y-%m-%d %H:%M:%S" if home(moment).second else "%Y-%m-%d %H:%M")


def span_shown(start: datetime | float, stop: datetime | float) -> str:
    """Return a span with its zone: ``2024-01-01 00:00:00 to 2024-01-02 00:00:00 UTC``."""
    return f"{time_shown(start)} to {time_shown(stop)} {zone_name()}"


def time_written(moment: datetime | float, *, seconds: bool = True) -> str:
    """Return a time for use in a command, with its offset: ``2024-01-01T09:00:00+09:00``, or ``Z`` for UTC."""
    there = home(moment)
    offset = "Z" if there.tzinfo is UTC else _offset(there)
    return f"{there:{'%Y-%m-%dT%H:%M:%S' if seconds else '%Y-%m-%dT%H:%M'}}{offset}"


def headed(name: str) -> str:
    """Return the heading of a column of times, with the zone if its name is short: ``from (UTC)``."""
    return f"{name} ({zone_name()})" if len(zone_name()) <= SHORT else name


def said_apart() -> str | None:
    """Return the name of the zone if it is too long for headings and must be printed beside the table; else None."""
    return None if len(zone_name()) <= SHORT else zone_name()


def at_home(message: str) -> str:
    """Return a message of the library with its times, which are in UTC, in the zone of the command."""
    if ZONE.get() is UTC:
        return message
    return _SHOWN.sub(_shown, _WRITTEN.sub(_written, message))


def _written(found: re.Match[str]) -> str:
    moment = _read(found[0])
    return found[0] if moment is None else time_written(moment)


def _shown(found: re.Match[str]) -> str:
    moments = [_read(each) for each in found.groups() if each is not None]
    if None in moments:
        return found[0]
    return f"{' to '.join(time_shown(each) for each in moments if each is not None)} {zone_name()}"


def _read(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # such as February 30
        return None
    return moment.replace(tzinfo=UTC)


def _offset(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")[16:]
