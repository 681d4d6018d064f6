"""The rules for candles as conditions in SQL, so that a database finds what breaks them."""

from __future__ import annotations

import sqlite3
from typing import Final

from rxcandles.model.rules import finite, possible
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.stores.sqlite.schema import COLUMNS

__all__ = ["CLAIMED_WITHIN", "COVERED_WITHIN", "is_span", "on_grid_sql", "overlapping", "sound_sql", "teach_grid"]

# Spans lie apart, so that only the last one to begin before a stretch can reach into it. Without that bound all older
# ones would be looked at, for every page.
COVERED_WITHIN: Final = (
    "series = :series AND start < :stop AND stop > :start"
    " AND start >= coalesce((SELECT max(start) FROM coverage WHERE series = :series AND start <= :start), 0)"
)
"""The condition that a covered span overlaps a stretch, given what :func:`overlapping` returns."""
CLAIMED_WITHIN: Final = (
    "series = :series AND start < :stop AND stop > :start"
    " AND start >= coalesce((SELECT max(start) FROM claims WHERE series = :series AND start <= :start), 0)"
)
"""The same of a claim."""


def overlapping(series: int, start: int, stop: int) -> dict[str, int]:
    """Return the parameters of a condition on the stretch ``[start, stop)`` of a series.

    They are named, since Python 3.12.0 to 3.12.3 warn of numbered ones (CPython's gh-117995).
    """
    return {"series": series, "start": start, "stop": stop}


class _Sql:
    """An expression in SQL; what is done with it makes a longer one."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _with(self, sign: str, other: object) -> _Sql:
        value = other.text if isinstance(other, _Sql) else str(other).replace("inf", "9e999")
        return _Sql(f"({self.text} {sign} {value})")

    def __lt__(self, other: object) -> _Sql:
        return self._with("<", other)

    def __le__(self, other: object) -> _Sql:
        return self._with("<=", other)

    def __gt__(self, other: object) -> _Sql:
        return self._with(">", other)

    def __ge__(self, other: object) -> _Sql:
        return self._with(">=", other)

    def __eq__(self, other: object) -> _Sql:  # type: ignore[override]
        return self._with("=", other)

    def __and__(self, other: _Sql) -> _Sql:
        return self._with("AND", other)

    def __mul__(self, other: object) -> _Sql:
        return self._with("*", other)

    def __sub__(self, other: object) -> _Sql:
        return self._with("-", other)

    def __mod__(self, other: object) -> _Sql:
        return self._with("%", other)

    __hash__ = None  # type: ignore[assignment]


_PLAIN: Final = COLUMNS[:8]
_CHANGES: Final = COLUMNS[8:]


def on_grid_sql(timeframe: Timeframe) -> str:
    """Return the condition that a candle opens where one can; the connection must have been taught the grid."""
    if timeframe.seconds:
        rule = timeframe.on_grid(_Sql("open_time")).text
    else:
        rule = f"opens_at('{timeframe.name}', open_time)"
    return f"(typeof(open_time) = 'integer' AND {rule})"


def sound_sql(timeframe: Timeframe) -> str:
    """Return the condition that a candle may be as it is; not true also where a value is missing."""
    rule = possible(*map(_Sql, _PLAIN)).text
    changes = " AND ".join(f"({name} IS NULL OR {finite(_Sql(name)).text})" for name in _CHANGES)
    return f"({on_grid_sql(timeframe)} AND typeof(timestamp) = 'integer' AND {rule} AND {changes})"


def is_span(start: object, stop: object) -> bool:
    """Return whether these two of a ledger are a span of times that there are."""
    return type(start) is int and type(stop) is int and BEGINNING <= start < stop < END


def teach_grid(connection: sqlite3.Connection) -> None:
    """Give a connection the grids of months and years, which SQL has no arithmetic for."""
    connection.create_function("opens_at", 2, _opens_at, deterministic=True)


def _opens_at(name: str, time: object) -> bool:
    try:
        return bool(Timeframe.of(name).on_grid(time))
    except (TypeError, ValueError, OverflowError, OSError):
        return False  # no time of a calendar
