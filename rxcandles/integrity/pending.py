"""What a repair still has to ask the exchange for.

There are two kinds: spans that were taken out of the coverage and are not fetched again yet (``unfinished``), and spans
to ask for again while they stay as they are (``questioned``). A gap in the coverage alone does not show that a repair
was stopped, since nobody may ever have asked for it. So both are recorded in the transaction that mends, and the next
repair can go on. The tables exist only until the repair is done. They are not part of the schema: a file without them
is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

import attrs

from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Series
from rxcandles.stores import SqlStore
from rxcandles.stores.sql.conditions import is_span
from rxcandles.stores.sql.connection import Sql, drop_table, has_table, make_table
from rxcandles.stores.sql.impossible import impossible_slots
from rxcandles.stores.sql.transaction import transaction

__all__ = ["Matter", "Pending", "add_matter", "is_unsettled", "ledger_spans", "spans_of"]

Matter: TypeAlias = Literal["unfinished", "questioned"]
"""What to do about spans: fetch those that are not covered, or ask again for those that are. Also the table's name."""

_COLUMNS: Final = (
    "(series INTEGER NOT NULL REFERENCES series (id), start INTEGER NOT NULL, stop INTEGER NOT NULL,"
    " PRIMARY KEY (series, start)) WITHOUT ROWID"
)


class _Sql(NamedTuple):
    """The statements for one table."""

    make: str
    read: str
    any: str
    drop: str
    clear: str
    add: str


_SQL: Final[Mapping[Matter, _Sql]] = {
    "unfinished": _Sql(
        "CREATE TABLE IF NOT EXISTS unfinished " + _COLUMNS,
        "SELECT start, stop FROM unfinished WHERE series = ?",
        "SELECT EXISTS (SELECT 1 FROM unfinished)",
        "DROP TABLE unfinished",
        "DELETE FROM unfinished WHERE series = ?",
        "INSERT INTO unfinished VALUES (?, ?, ?)",
    ),
    "questioned": _Sql(
        "CREATE TABLE IF NOT EXISTS questioned " + _COLUMNS,
        "SELECT start, stop FROM questioned WHERE series = ?",
        "SELECT EXISTS (SELECT 1 FROM questioned)",
        "DROP TABLE questioned",
        "DELETE FROM questioned WHERE series = ?",
        "INSERT INTO questioned VALUES (?, ?, ?)",
    ),
}


@attrs.frozen
class Pending:
    """What is recorded in a store's file; reads and writes in the store's thread."""

    _store: SqlStore

    async def unsettled(self, matter: Matter) -> dict[Series, SpanSet]:
        """Return the spans still to be fetched, or asked for again, by series of the store's exchange."""
        found = await self._store.call(_spans_by_series, matter, self._store.exchange)
        return {series: spans for series, spans in found.items() if spans}

    async def settle(self, symbol: str, timeframe: Timeframe, *, give_up: bool = False) -> SpanSet:
        """Drop spans that are covered by now (all of them with ``give_up``); return the rest."""
        return await self._store.call(
            _settle, await self._store.series_id(symbol, timeframe), timeframe, give_up=give_up
        )

    async def remember(self, symbol: str, timeframe: Timeframe, spans: SpanSet) -> None:
        """Record that the gaps in these spans are to be fetched, even if this process is stopped."""
        await self._store.call(_remember, await self._store.series_id(symbol, timeframe), spans)

    async def question(self, symbol: str, timeframe: Timeframe, spans: SpanSet) -> None:
        """Record that these spans are to be asked for again, even if this process is stopped."""
        await self._store.call(_question, await self._store.series_id(symbol, timeframe), spans)

    async def answered(self, symbol: str, timeframe: Timeframe, span: Span) -> None:
        """Drop a span that has been asked for again."""
        await self._store.call(_answered, await self._store.series_id(symbol, timeframe), span)


def _spans_by_series(connection: Sql, matter: Matter, exchange: str) -> dict[Series, SpanSet]:
    found = connection.execute(
        "SELECT exchange, symbol, timeframe, id FROM series WHERE exchange = ? ORDER BY symbol, timeframe", (exchange,)
    ).fetchall()
    return {Series(*names): spans_of(connection, matter, number) for *names, number in found}


def spans_of(connection: Sql, matter: Matter, series: int) -> SpanSet:
    """Return the recorded spans of one series."""
    if not _is_there(connection, matter):
        return SpanSet()
    return SpanSet(tuple(connection.execute(_SQL[matter].read, (series,))))


def ledger_spans(connection: Sql, series: int) -> SpanSet:
    """Return the covered spans of one series; rows that are no valid span are skipped."""
    spans = connection.execute("SELECT start, stop FROM coverage WHERE series = ?", (series,))
    return SpanSet(tuple(span for span in spans if is_span(*span)))


def add_matter(connection: Sql, matter: Matter, series: int, spans: SpanSet) -> None:
    """Record ``spans``, within the caller's transaction."""
    make_table(connection, matter, _SQL[matter].make)
    _write(connection, matter, series, spans_of(connection, matter, series).union(spans))


def _remember(connection: Sql, series: int, spans: SpanSet) -> None:
    """Record spans to fetch."""
    with transaction(connection):
        add_matter(connection, "unfinished", series, spans)


def _question(connection: Sql, series: int, spans: SpanSet) -> None:
    """Record spans to ask for again."""
    with transaction(connection):
        add_matter(connection, "questioned", series, spans)


def _settle(connection: Sql, series: int, timeframe: Timeframe, *, give_up: bool = False) -> SpanSet:
    """Drop what is covered by now (everything with ``give_up``); return what is left to fetch.

    Slots of impossible candles are dropped, too, since they were asked for. A table is dropped with its last row.
    """
    with transaction(connection):
        left = spans_of(connection, "unfinished", series).subtract(ledger_spans(connection, series))
        left = left.subtract(impossible_slots(connection, series, timeframe))
        _strike(connection, "unfinished", series, SpanSet() if give_up else left)
        if give_up:
            _strike(connection, "questioned", series, SpanSet())
    return SpanSet() if give_up else left


def _answered(connection: Sql, series: int, span: Span) -> None:
    """Drop from the questioned spans what has been asked for again."""
    with transaction(connection):
        left = spans_of(connection, "questioned", series).subtract(SpanSet((span,)))
        _strike(connection, "questioned", series, left)


def _strike(connection: Sql, matter: Matter, series: int, left: SpanSet) -> None:
    if not _is_there(connection, matter):
        return
    _write(connection, matter, series, left)
    if not connection.execute(_SQL[matter].any).fetchone()[0]:
        drop_table(connection, _SQL[matter].drop)


def _write(connection: Sql, matter: Matter, series: int, spans: SpanSet) -> None:
    connection.execute(_SQL[matter].clear, (series,))
    connection.executemany(_SQL[matter].add, ((series, *span) for span in spans))


def is_unsettled(connection: Sql) -> bool:
    """Return whether anything recorded is still to be done."""
    return any(_is_there(connection, matter) and connection.execute(_SQL[matter].any).fetchone()[0] for matter in _SQL)


def _is_there(connection: Sql, matter: Matter) -> bool:
    return has_table(connection, matter)
