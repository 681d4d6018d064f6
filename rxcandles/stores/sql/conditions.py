"""The rules for candles as conditions in SQL, so that the database finds rows that break them."""

from __future__ import annotations

import sqlite3
from typing import Final

from rxcandles.model import TRADE_FIELDS
from rxcandles.model.rules import finite, possible
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.stores.sql.columns import COLUMNS

__all__ = ["CLAIMED_WITHIN", "COVERED_WITHIN", "is_span", "on_grid_sql", "overlapping", "sound_sql", "teach_grid"]

# Spans are disjoint, so only the last one that begins before a given span can reach into it. Without that bound every
# page would read all older spans.
COVERED_WITHIN: Final = (
    "series = :series AND start < :stop AND stop > :start"
    " AND start >= coalesce((SELECT max(start) FROM coverage WHERE series = :series AND start <= :start), 0)"
)
"""The condition that a covered span overlaps a span, given the parameters of :func:`overlapping`."""
CLAIMED_WITHIN: Final = (
    "series = :series AND start < :stop AND stop > :start"
    " AND start >= coalesce((SELECT max(start) FROM claims WHERE series = :series AND start <= :start), 0)"
)
"""The same condition for a claim."""


def overlapping(series: int, start: int, stop: int) -> dict[str, int]:
    """Return the parameters of a condition on the span ``[start, stop)`` of a series.

    They are named, since Python 3.12.0 to 3.12.3 warns about numbered ones (CPython's gh-117995).
    """
    return {"series": series, "start": start, "stop": stop}


class _Sql:
    """An expression in SQL; operators on it make a longer one."""

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
    """Return the condition that a candle opens on the grid; the connection needs the functions of ``teach_grid``."""
    if timeframe.seconds:
        rule = timeframe.on_grid(_Sql("open_time")).text
    else:
        rule = f"opens_at('{timeframe.name}', open_time)"
    return f"(typeof(open_time) = 'integer' AND {rule})"


def sound_sql(timeframe: Timeframe, *, counted: bool = False) -> str:
    """Return the condition that a candle has possible values; it is not true if a value is missing.

    ``counted``: also those of trades, as :func:`~rxcandles.model.rules.sound_trades` has it.
    """
    rule = possible(*map(_Sql, _PLAIN)).text
    changes = " AND ".join(f"({name} IS NULL OR {finite(_Sql(name)).text})" for name in _CHANGES)
    trades = "".join(f" AND ({name} IS NULL OR ({name} >= 0 AND {name} < 9e999))" for name in TRADE_FIELDS[1:])
    trades = f" AND (trades IS NULL OR (typeof(trades) = 'integer' AND trades >= 0)){trades}" if counted else ""
    return f"({on_grid_sql(timeframe)} AND typeof(timestamp) = 'integer' AND {rule} AND {changes}{trades})"


def is_span(start: object, stop: object) -> bool:
    """Return whether these two columns are a valid span."""
    return type(start) is int and type(stop) is int and BEGINNING <= start < stop < END


def teach_grid(connection: sqlite3.Connection) -> None:
    """Register the grid of months and years on a connection, since SQL has no arithmetic for it."""
    connection.create_function("opens_at", 2, _opens_at, deterministic=True)


def _opens_at(name: str, time: object) -> bool:
    try:
        return bool(Timeframe.of(name).on_grid(time))
    except (TypeError, ValueError, OverflowError, OSError):
        return False  # outside the calendar
