"""Read times and lengths: ``since``, ``until``, ``last`` and ``count``, and the zone of naive times.

A time is a datetime (pandas' ``Timestamp`` is one), a date, or a string: ``2024-01-01``, ``2024-01-01 09:00``,
``2024-01-01 09:00 KST``, ``2024-01-01T09:00+09:00``. A length is a ``timedelta`` or a string: ``90m 24h 30d 8w 6M 2y``.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import attrs

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import END, Timeframe, from_datetime, to_datetime
from rxcandles.util.arguments import refusal, shown

__all__ = [
    "KST",
    "Length",
    "Span",
    "Time",
    "Zone",
    "check_instant",
    "check_ways",
    "default_zone",
    "ends_asked",
    "home",
    "opened",
    "read_length",
    "read_time",
    "said_zone",
    "zone",
]

Time: TypeAlias = datetime | date | str
Span: TypeAlias = timedelta | str
Zone: TypeAlias = tzinfo | str

KST: Final = timezone(timedelta(hours=9), "KST")
"""Korea's time."""

VARIABLE: Final = "RXCANDLES_TZ"
"""The environment variable with the zone of naive times, used if no other is given."""

_NAMED: Final = re.compile(r"(.*\d)\s*([A-Za-z][A-Za-z_]+(?:[/+-][A-Za-z0-9_+-]+)*|\s[+-]\d{2}:?\d{2})", re.ASCII)
_LENGTH: Final = re.compile(r"([0-9]{1,10}) ?([smhdwMy])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_MONTHS: Final = {"M": 1, "y": 12}
_LONGEST: Final = 36_525 * 86_400
"""A hundred years."""
_WRITTEN: Final = 40
"""The most characters of a time or a length."""

_TIMES: Final = "write '2024-01-31', '2024-01-31 09:00' or '2024-01-31 09:00 KST', or give a datetime or a date"
_LENGTHS: Final = "write a number and a unit: 90m (minutes), 24h, 30d, 8w, 6M (months) or 2y, up to a hundred years"


def zone(name: str, value: Zone) -> tzinfo:
    """Return a zone by name (``KST`` is one); raise :class:`RequestError` if there is none of that name."""
    if isinstance(value, tzinfo):
        return value
    if isinstance(value, str):
        if value in ("UTC", "KST"):
            return UTC if value == "UTC" else KST
        try:
            return ZoneInfo(value)
        except (OSError, ValueError, LookupError):  # no such file, no such name, no data
            pass
    raise refusal(name, value, "give a zone as the time zone database names it, such as 'Asia/Seoul', or UTC or KST")


def default_zone(tz: Zone | None) -> tzinfo:
    """Return ``tz``, or else the zone in ``RXCANDLES_TZ``, or else UTC."""
    return zone("tz", tz) if tz is not None else said_zone() or UTC


def said_zone() -> tzinfo | None:
    """Return the zone in ``RXCANDLES_TZ``, or None if it is not set."""
    named = os.environ.get(VARIABLE)
    return zone(VARIABLE, named) if named else None


_LOG: Final = logging.getLogger(__name__)
_told = False
"""Whether the log has reported once how naive datetimes are read."""


def home(tz: Zone | None, naive: datetime | None = None) -> tzinfo:
    """Return the zone of naive times, as :func:`default_zone`; the log reports once how ``naive`` is read."""
    global _told
    there = default_zone(tz)
    if tz is None and naive is not None and not _told:
        _told = True
        _LOG.warning(
            "%s has no time zone and is taken as %s; give datetimes with one, or tz='Asia/Seoul', as to connect",
            naive,
            there,
        )
    return there


def read_time(name: str, value: Time, tz: Zone | None = UTC) -> datetime:
    """Return the instant of ``value``, read in ``tz`` if it has no zone of its own; a date is its midnight.

    With ``tz=None`` the zone is that of :func:`default_zone`. Raise :class:`RequestError`, which names the argument, if
    the value is no time or before 1970.
    """
    naive = None
    if isinstance(value, str):
        moment = _read(name, value)
    elif isinstance(value, datetime):
        naive = moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - its zone is given below
    else:
        raise refusal(name, value, _TIMES)
    if moment != moment:  # pandas' NaT
        raise refusal(name, value, _TIMES)
    try:
        if moment.utcoffset() is None:
            moment = moment.replace(tzinfo=home(tz, naive))
        seconds = from_datetime(moment)
    except RequestError:
        raise
    except Exception as error:  # a zone may run code of another package
        raise refusal(name, value, f"its zone fails ({shown(error)}); give a datetime of another") from error
    if not seconds >= 0:
        raise refusal(name, value, "give a time from 1970 on, with which time begins here")
    return moment


def check_instant(name: str, value: Time, tz: Zone | None = None) -> float:
    """Return the UTC seconds of a time, as :func:`read_time` reads it."""
    return min(from_datetime(read_time(name, value, tz)), END - 1)  # the last day of 9999 may end later in UTC


def _read(name: str, value: str) -> datetime:
    text = value.strip()
    named = _NAMED.fullmatch(text) if len(text) <= _WRITTEN else None
    if named and named[2] != "Z":
        when, there = named[1], named[2].strip()
        if there[0] not in "+-":
            moment = _iso(when)
            if moment is not None and moment.tzinfo is None:
                return moment.replace(tzinfo=zone(f"the zone of {name}", there))
        text = f"{when}{there}"
    moment = _iso(text)
    if moment is None:
        meant = re.sub(r"[./]", "-", text, count=2)
        meant = f"{meant}-01" if re.fullmatch(r"\d{4}-\d\d", meant, re.ASCII) else meant
        hint = f"; did you mean {meant!r}?" if _iso(meant) is not None else ""
        raise refusal(name, value, f"{_TIMES}{hint}")
    return moment


def _iso(text: str) -> datetime | None:
    # Refuse digits alone: fromisoformat reads 20240101, and may read seconds, as a date.
    if len(text) > _WRITTEN or not text.isascii() or not re.match(r"\d{4}-\d\d-\d\d(?!\d)", text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@attrs.frozen
class Length:
    """A length of time: seconds, or calendar months."""

    seconds: int
    months: int
    text: str
    """As it was written."""

    def before(self, moment: datetime) -> datetime:
        """Return the instant this long before ``moment``; months are counted in its zone, and cut to the month's last
        day.
        """
        if not self.months:  # counted in UTC, so that daylight saving does not change the length
            return (moment.astimezone(UTC) - timedelta(seconds=self.seconds)).astimezone(moment.tzinfo)
        index = moment.year * 12 + moment.month - 1 - self.months
        year, month = divmod(index, 12)
        after = datetime(year + (month == 11), (month + 1) % 12 + 1, 1)  # noqa: DTZ001 - a day of the calendar
        last = (after - timedelta(days=1)).day
        return moment.replace(year=year, month=month + 1, day=min(moment.day, last))

    def since(self, moment: datetime) -> datetime:
        """Return the instant this long before ``moment``, but not before 1970."""
        beginning = to_datetime(0)
        try:
            return max(self.before(moment), beginning)
        except (ValueError, OverflowError):
            return beginning


def read_length(name: str, value: Span) -> Length:
    """Return the length of ``value``, up to a hundred years; raise :class:`RequestError` if it is invalid."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        if not 1 <= seconds <= _LONGEST:  # also refuses pandas' NaT
            raise refusal(name, value, _LENGTHS)
        return Length(int(seconds), 0, str(value))
    found = _LENGTH.fullmatch(value.strip()) if isinstance(value, str) and len(value) <= _WRITTEN else None
    number = int(found[1]) if found else 0
    seconds, months = (number * units.get(found[2] if found else "", 0) for units in (_SECONDS, _MONTHS))
    if seconds + months == 0 or seconds > _LONGEST or months > 1200:
        bare = isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value.strip(), re.ASCII)
        hint = f"; {value.strip()}d are days, count={int(value)} candles" if bare else ""
        raise refusal(name, value, f"{_LENGTHS}{hint}")
    return Length(seconds, months, str(value).strip())


def ends_asked(
    frame: Timeframe,
    *,
    since: Time | None,
    until: Time | None,
    last: Span | None,
    count: int | None,
    tz: Zone | None,
    clock: float,
    settled: int,
) -> tuple[datetime | None, datetime | None]:
    """Return the newer and the older end of a request for ``since``, ``last`` or ``count``, back from ``until`` or now.

    Give exactly one of the three. ``last`` counts back from the end of the newest closed candle (``settled``). Months
    and years are those of the calendar in ``tz``, and naive times are read in ``tz``. Raise :class:`RequestError`,
    which names the argument and its value.
    """
    check_ways({"since": since, "last": last, "count": count}, until)
    to = None if until is None else read_time("until", until, tz)
    if count is not None:
        return to, None
    newer = clock if to is None else from_datetime(to)
    newest = min(frame.ceil(min(newer, END - 1)), settled)
    if since is None:
        assert last is not None
        return to, to_datetime(opened(frame, newest, read_length("last", last), home(tz)))
    end = read_time("since", since, tz)
    if from_datetime(end) >= newer:
        than = f"now, {to_datetime(int(clock)):%Y-%m-%d %H:%M} UTC" if to is None else f"until, {shown(until)}"
        raise refusal("since", since, f"that is not before {than}; give an earlier time")
    if frame.ceil(from_datetime(end)) >= newest:
        stop = f"{to_datetime(newest):%Y-%m-%d %H:%M} UTC"
        raise refusal("since", since, f"no {frame} candle from then on has ended by {stop}; give an earlier time")
    return to, end


def opened(frame: Timeframe, newest: int, length: Length, tz: tzinfo, *, name: str = "last") -> int:
    """Return the open time of the oldest candle of a length that ends at ``newest``.

    Raise :class:`RequestError` for less than one candle; for ``6m`` the error asks whether months are meant.
    """
    try:
        start = from_datetime(length.before(to_datetime(newest).astimezone(tz)))
    except (ValueError, OverflowError):
        start = -1.0
    if start < 0:
        raise refusal(name, length.text, "that is before 1970, with which time begins here; give less")
    if start > frame.shift(newest, -1):
        minutes = re.fullmatch(r"([0-9]+) ?m", length.text)
        meant = f"; {minutes[1]}m are minutes, write {minutes[1]}M for months" if minutes else ""
        raise refusal(name, length.text, f"that is less than one {frame} candle; give more{meant}")
    return frame.floor(start)


def check_ways(ways: Mapping[str, object], until: object) -> None:
    """Raise :class:`RequestError` unless exactly one of ``since``, ``last`` and ``count`` is given."""
    given = [name for name, value in ways.items() if value is not None]
    if not given:
        alone = "" if until is None else f", and until, {shown(until)}, is only the newer end"
        raise RequestError(f"nothing says how far back to go{alone}; give since='2024-01-01', last='30d' or count=200")
    if len(given) > 1:
        values = " and ".join(f"{name}={shown(ways[name])}" for name in given)
        raise RequestError(f"{values} are given together; give one of since, last and count")
