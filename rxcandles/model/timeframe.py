"""The grid of candle open times: floor, shift, and the slots between two times.

Times are UTC seconds since the epoch. Minutes and days count from the epoch, weeks open Monday 00:00, months and years
have their calendar length. These are Upbit's grids, each checked against recorded answers.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from rxcandles.util.arguments import refusal

__all__ = [
    "BEGINNING",
    "TIMEFRAMES",
    "Timeframe",
    "from_datetime",
    "meant_by",
    "plain_time",
    "time_text",
    "to_datetime",
]

BEGINNING: Final = 0
"""1970-01-01, the oldest time of the library; a span covered down to it has reached the market's first candle."""

END: Final = 253_402_300_800
"""10000-01-01, where ``datetime`` ends."""

_MONDAY: Final = 4 * 86_400  # 1970-01-05, the first Monday after the epoch


def from_datetime(value: datetime) -> float:
    """Return the UTC seconds of ``value``; a naive datetime, also one whose zone returns no offset, is read as UTC."""
    return (value if value.utcoffset() is not None else value.replace(tzinfo=UTC)).timestamp()


def to_datetime(seconds: float) -> datetime:
    """Return the aware UTC datetime of ``seconds`` since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def time_text(seconds: float) -> str:
    """Return a time for errors and events, ``2026-03-11T14:41:00Z``; an invalid time as its ``repr``."""
    try:
        return f"{to_datetime(int(seconds)):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError, TypeError):
        return repr(seconds)


def plain_time(seconds: float) -> str:
    """Return a time for people, ``2026-03-11 14:41:00``; the caller writes beside it that it is UTC."""
    return f"{to_datetime(seconds):%Y-%m-%d %H:%M:%S}"


def _days_from_civil(month_index: int) -> int:
    """Return the days from the epoch to the first of a month, counted in months since year 0 (proleptic Gregorian)."""
    year, month = divmod(month_index, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC).toordinal() - 719_163


@attrs.frozen(order=False, eq=False, repr=False)
class Timeframe:
    """One candle length, with the arithmetic of its grid.

    ``Timeframe.of("1h")`` is ``Timeframe.of("60m")``; ``1m`` is a minute and ``1M`` a month. Instances are shared, so
    they compare by identity.

    >>> Timeframe.of("1h").slots(0, 86_400)
    24
    """

    name: str
    seconds: int
    """Length in seconds; 0 for months and years, whose length varies."""
    months: int = 0
    """Length in months; 0 for a fixed length."""
    offset: int = 0
    """Open time of one slot of the grid, in seconds."""

    @staticmethod
    def of(name: str | Timeframe) -> Timeframe:
        """Return the timeframe called ``name``; raise :class:`RequestError` for any other name."""
        if isinstance(name, Timeframe) and name in TIMEFRAMES:
            return name
        found = _BY_NAME.get(str.__str__(name)) if isinstance(name, str) else None
        if found is None:
            meant = meant_by(name)
            hint = "" if meant is None else f"; did you mean {meant!r}?"
            raise refusal("timeframe", name, f"take one of {' '.join(_BY_NAME)}{hint}")
        return found

    def on_grid(self, time: Any) -> Any:
        """Return whether a slot opens at ``time``; for a length in seconds, ``time`` may also be a column."""
        return (time - self.offset) % self.seconds == 0 if self.seconds else self.floor(time) == time

    def floor(self, time: float) -> int:
        """Return the open time of the slot that contains ``time``."""
        if self.months:
            moment = to_datetime(time)
            index = moment.year * 12 + moment.month - 1
            return _days_from_civil(index - index % self.months) * 86_400
        return int((time - self.offset) // self.seconds) * self.seconds + self.offset

    def ceil(self, time: float) -> int:
        """Return the first open time at or after ``time``."""
        opened = self.floor(time)
        return opened if opened == time else self.shift(opened, 1)

    def shift(self, open_time: int, slots: int) -> int:
        """Return the open time ``slots`` later (earlier if negative), kept within years 1 to 9999."""
        if self.months:
            moment = to_datetime(open_time)
            index = moment.year * 12 + moment.month - 1 + slots * self.months
            return _days_from_civil(min(max(index, 12), 9999 * 12 + 11)) * 86_400
        return open_time + slots * self.seconds

    def slots(self, start: float, stop: float) -> int:
        """Count the open times in ``[start, stop)``."""
        first, last = self.ceil(start), self.ceil(stop)
        if last <= first:
            return 0
        if self.months:
            a, b = to_datetime(first), to_datetime(last)
            return ((b.year - a.year) * 12 + b.month - a.month) // self.months
        return (last - first) // self.seconds

    def divides(self, longer: Timeframe) -> bool:
        """Return whether each slot of ``longer`` consists of whole slots of this timeframe; true for itself."""
        if self.months:
            return longer.months > 0 and longer.months % self.months == 0
        if longer.months:
            return 86_400 % self.seconds == 0
        return longer.seconds % self.seconds == 0 and (longer.offset - self.offset) % self.seconds == 0

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Timeframe({self.name!r})"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Timeframe.of, (self.name,)


TIMEFRAMES: Final[tuple[Timeframe, ...]] = (
    Timeframe("1s", 1),
    *(Timeframe(f"{minutes}m", minutes * 60) for minutes in (1, 3, 5, 10, 15, 30, 60, 240)),
    Timeframe("1d", 86_400),
    Timeframe("1w", 7 * 86_400, offset=_MONDAY),
    Timeframe("1M", 0, months=1),
    Timeframe("1y", 0, months=12),
)
"""All timeframes, shortest first."""

_BY_NAME: Final[dict[str, Timeframe]] = {each.name: each for each in TIMEFRAMES}
_BY_NAME.update({"1h": _BY_NAME["60m"], "4h": _BY_NAME["240m"]})

_UNITS_ELSEWHERE: Final = {
    "second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w", "month": "M", "mo": "M",
    "year": "y", "S": "s", "H": "h", "D": "d", "W": "w", "Y": "y",
}  # fmt: skip


def meant_by(name: object) -> str | None:
    """Return our name of a timeframe that others call ``name`` (``minute1``, ``day``, ``1min``, ``60``), or None."""
    if not isinstance(name, str) or name in _BY_NAME or len(name) > 20:
        return None
    if re.fullmatch(r"[0-9]{1,3}", name, re.ASCII):  # Upbit's own ``unit``: minutes
        name += "m"
        return _BY_NAME[name].name if name in _BY_NAME else None
    for unit, letter in _UNITS_ELSEWHERE.items():
        found = re.fullmatch(rf"([0-9]*){unit}s?/?([0-9]*)", name if len(unit) == 1 else name.lower(), re.ASCII)
        if found and (len(unit) > 1 or found[1]) and not (found[1] and found[2]):
            frame = _BY_NAME.get(f"{found[1] or found[2] or '1'}{letter}")
            if frame is not None:
                return frame.name
    return None
