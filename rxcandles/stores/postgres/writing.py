"""Write a page to a server: by one function if nothing of its span is known yet, else by the shared functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rxcandles.model import Row, RowWithTrades
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.claims import Absence
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Written
from rxcandles.stores.postgres.block import WRITING, lock_of
from rxcandles.stores.postgres.session import Session
from rxcandles.stores.sql.columns import ADD_SERIES_SQL
from rxcandles.stores.sql.with_trades import ALL_COLUMNS
from rxcandles.stores.sql.writing import write_rows

__all__ = ["add_series", "put_candles", "write_page"]

_WHOLE: Final = {"open_time", "timestamp", "trades"}
_KINDS: Final = tuple("int8[]" if name in _WHOLE else "float8[]" for name in ALL_COLUMNS)
_ARRAYS: Final = ", ".join(f"%b::{kind}" for kind in _KINDS)
_WRITE: Final = f"SELECT rx_write(%b::int8, %b::int8, %b::int8, %b::int8, %b::int8, %b::bool, %s::text, {_ARRAYS})"
_PUT: Final = (
    f"INSERT INTO candles (series, {', '.join(ALL_COLUMNS)}) SELECT %b::int8, * FROM unnest({_ARRAYS})"
    " ON CONFLICT (series, open_time) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in ALL_COLUMNS[1:])
)


def write_page(
    session: Session,
    series: int,
    timeframe: Timeframe,
    rows: Sequence[Row],
    proven: Span,
    absences: Sequence[Absence],
    heard: float,
    gone: Sequence[int] | None = None,
    said: float | None = None,
    impossible: Mapping[int, str] | None = None,
    absent: AbsentSlot | None = None,
) -> Written:
    """Do what :func:`~rxcandles.stores.sql.writing.write_rows` does, in one call of the server if that is enough."""
    if not absences and not gone and not impossible:
        counted = any(isinstance(row, RowWithTrades) for row in rows[:1])
        with session.block("", kind=WRITING, lock=lock_of(series)) as block:
            values = (session.number, block.mark, series, *proven, counted, absent, *_columns(rows))
            [written] = session.native(_WRITE, values).fetchone()
            if written is None:
                block.undo()
            else:
                block.commit(marked=True)
        if written is not None:
            return Written(written)
    return write_rows(
        session, series, timeframe, rows, proven, absences, heard, gone, said, impossible, absent, put=put_candles
    )


def add_series(connection: Session, names: Sequence[str]) -> None:
    """Give a series its number, which the server's disk has when this returns, whatever the durability.

    A crash would else take it back, and give it to another series while a store still writes under it.
    """
    with connection.block(f"SET LOCAL synchronous_commit = {connection.durable_commit}"):
        connection.execute(ADD_SERIES_SQL, names)


def put_candles(session: Session, series: int, rows: Sequence[Row], counted: bool) -> None:
    """Write rows, which replace those that are stored; within the caller's transaction."""
    session.native(_PUT, (series, *_columns(rows)))


def _columns(rows: Sequence[Row]) -> list[list[Any] | None]:
    """Return the values of rows as one list for each column of ``ALL_COLUMNS``; None for a column without any."""
    columns: list[list[Any] | None] = []
    for name, values in zip(ALL_COLUMNS, zip(*rows, strict=True), strict=False):
        if name in _WHOLE:
            columns.append(list(values) if any(each is not None for each in values) else None)
        elif None in values:
            given = [None if each is None else float(each) for each in values]
            columns.append(given if any(each is not None for each in given) else None)
        else:
            columns.append(list(map(float, values)))
    if not columns:
        columns = [[] for _ in range(8)]
    return columns + [None] * (len(ALL_COLUMNS) - len(columns))
