"""Synchronous readers of one series, for sequences that are read without ``await``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Final, TypeVar, cast

from rxcandles.model import TRADE_FIELDS, MarkedRow, Order, Row, row_fields
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import CachePlace, Month, Series
from rxcandles.stores.sql.columns import SERIES_ID_SQL
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.import_sql import SHOWN_COUNT_SQL, marked_sql
from rxcandles.stores.sql.months import read_months
from rxcandles.stores.sql.odd import check_rows
from rxcandles.stores.sql.reading import check_reading, rows_sql
from rxcandles.stores.sql.sealing import counted_in, opens_in, read_unsealed, unsealed_pages
from rxcandles.stores.sql.with_trades import has_trades, rows_of
from rxcandles.util.arguments import check_count

__all__ = ["Marked", "SqlReader", "marked_row"]

_A = TypeVar("_A")

_FEW: Final = 500
"""Rows between two steps of one statement. Python's garbage collector starts when 700 more objects have been made than
freed, so it never starts because of them; with 1,000 it would start for each thousand."""


class SqlReader(ABC):
    """A ``RowReader`` with a connection of its own; any thread may use it, one at a time.

    A class of it opens the connection, then calls ``_begin``. ``name`` is the store's name in errors.
    """

    marked: ClassVar[bool] = False
    """Whether its rows are ``MarkedRow``, and its last column is ``proven``."""
    cache: CachePlace | None = None
    """Where copies of its months may be kept."""

    def __init__(self, name: str, exchange: str, symbol: str, timeframe: Timeframe) -> None:
        self._name = name
        self._called = Series(exchange, symbol, timeframe.name)
        self._series = -1
        self.fields = row_fields(timeframe.name)
        """The names of the columns of :meth:`columns`, except ``proven``."""

    def _begin(self) -> None:
        """Look the series up."""
        found = self._all(SERIES_ID_SQL, *self._called)
        self._series = found[0][0] if found else -1
        self._counted()

    def rows(self, start: int, stop: int, order: Order, limit: int, offset: int = 0) -> list[Row]:
        """Return up to ``limit`` rows of ``[start, stop)`` in ``order``, after skipping ``offset``."""
        check_reading(start, stop, order, limit)
        check_count("offset", offset, 0)
        counted = self._counted()
        given = (self._series, start, stop, limit, offset)
        found = self._read(start, stop, order, limit, rows_sql(order, counted=counted), given)
        check_rows(found, self._name, self._called)
        return rows_of(found, counted)

    def columns(self, start: int, stop: int, limit: int) -> list[tuple[Any, ...]]:
        """Return the oldest ``limit`` rows of ``[start, stop)``, oldest first, as one tuple for each of ``fields``.

        Return an empty list if there is no row.
        """
        check_reading(start, stop, limit=limit)
        sql, parameters = self._oldest(start, stop, limit)
        return self._columns(self._read(start, stop, "oldest_first", limit, sql, parameters))

    def gathered(
        self, start: int, stop: int, limit: int, gather: Callable[[Iterator[list[tuple[Any, ...]]]], _A]
    ) -> _A:
        """Return ``gather(pages)``: the rows that :meth:`columns` would return, by one statement, some hundred a page.

        If the connection breaks and is made again, ``gather`` is called again. It must not use the reader.
        """
        check_reading(start, stop, limit=limit)
        sql, parameters = self._oldest(start, stop, limit)

        def work(connection: Sql) -> _A:
            pages = unsealed_pages(connection, self._series, start, stop, limit, sql, parameters, _FEW)
            return gather(map(self._columns, pages))

        return self._visit(work)

    def _oldest(self, start: int, stop: int, limit: int) -> tuple[str, tuple[int, ...]]:
        """Return the statement that reads the oldest rows, and its parameters."""
        counted = self._counted()
        width = len(self.fields) - len(TRADE_FIELDS) * counted
        return rows_sql("oldest_first", width, counted), (self._series, start, stop, limit, 0)

    def _columns(self, found: list[Any]) -> list[tuple[Any, ...]]:
        check_rows(found, self._name, self._called)
        return list(zip(*found, strict=True))

    def count(self, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``."""
        check_reading(start, stop)
        return self._visit(partial(counted_in, series=self._series, start=start, stop=stop))

    def opens(self, start: int, stop: int, order: Order, limit: int) -> list[int]:
        """Return the open times of up to ``limit`` candles of ``[start, stop)`` in ``order``, sealed or not."""
        check_reading(start, stop, order, limit)
        return self._visit(partial(opens_in, series=self._series, start=start, stop=stop, order=order, limit=limit))

    def months(self, start: int, stop: int) -> list[Month]:
        """Return the calendar months that touch ``[start, stop)`` with their revisions, oldest first."""
        check_reading(start, stop)
        return self._visit(partial(read_months, series=self._series, start=start, stop=stop))

    def _counted(self) -> bool:
        """Return whether rows have the columns of trades; looked up again until they do."""
        if self.marked or self.fields[-1] == TRADE_FIELDS[-1]:
            return not self.marked
        found = self._visit(lambda connection: has_trades(connection, self._series))
        if found:
            self.fields = row_fields(self._called.timeframe, with_trades=True)
        return found

    def _read(self, start: int, stop: int, order: Order, limit: int, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """Return the rows of a statement that reads candles; raise ``SealedError`` if a lake has some of them."""
        return self._visit(
            lambda connection: read_unsealed(connection, self._series, start, stop, order, limit, sql, parameters)
        )

    def _all(self, sql: str, *parameters: int | str) -> list[Any]:
        return self._visit(lambda connection: connection.execute(sql, parameters).fetchall())

    @abstractmethod
    def _visit(self, work: Callable[[Sql], _A]) -> _A:
        """Return ``work(connection)``; errors of the database are ``StoreError``."""


class Marked(SqlReader):
    """Reads the exchange's rows and imported rows together; the last column says whether a row is proven."""

    marked = True

    def rows(self, start: int, stop: int, order: Order, limit: int, offset: int = 0) -> list[Row]:
        """Return up to ``limit`` rows (``MarkedRow``) of ``[start, stop)`` in ``order``, after skipping ``offset``."""
        check_count("offset", offset, 0)
        return cast("list[Row]", [marked_row(row) for row in self._marked(start, stop, order, limit, offset)])

    def count(self, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``."""
        return super().count(start, stop) + int(self._all(SHOWN_COUNT_SQL, self._series, start, stop)[0][0])

    def _oldest(self, start: int, stop: int, limit: int) -> tuple[str, tuple[int, ...]]:
        span = (self._series, start, stop)
        return marked_sql("oldest_first", proven=True), (*span, *span, limit, 0)

    def _columns(self, found: list[Any]) -> list[tuple[Any, ...]]:
        columns = super()._columns(found)
        return [*columns[: len(self.fields)], tuple(map(bool, columns[-1]))] if columns else []

    def _marked(self, start: int, stop: int, order: Order, limit: int, offset: int = 0) -> list[Any]:
        check_reading(start, stop, order, limit)
        span = (self._series, start, stop)
        given = (*span, *span, limit, offset)
        found = self._read(start, stop, order, limit, marked_sql(order, proven=True), given)
        check_rows(found, self._name, self._called)
        return found


def marked_row(row: Sequence[Any]) -> MarkedRow:
    """Return a row that was read with the column ``proven``."""
    return MarkedRow._make((*row[:-1], bool(row[-1])))
