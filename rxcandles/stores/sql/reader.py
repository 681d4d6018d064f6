"""Synchronous readers of one series, for sequences that are read without ``await``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar, cast

from rxcandles.model import TRADE_FIELDS, MarkedRow, Order, Row, row_fields
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Month, Series
from rxcandles.stores.sql.columns import SERIES_ID_SQL
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.import_sql import SHOWN_COUNT_SQL, marked_sql
from rxcandles.stores.sql.months import read_months
from rxcandles.stores.sql.odd import check_rows
from rxcandles.stores.sql.reading import COUNT_SQL, check_reading, rows_sql
from rxcandles.stores.sql.with_trades import has_trades, rows_of
from rxcandles.util.arguments import check_count

__all__ = ["Marked", "SqlReader", "marked_row"]

_A = TypeVar("_A")


class SqlReader(ABC):
    """A ``RowReader`` with a connection of its own; any thread may use it, one at a time.

    A class of it opens the connection, then calls ``_begin``. ``name`` is the store's name in errors.
    """

    marked: ClassVar[bool] = False
    """Whether its rows are ``MarkedRow``, and its last column is ``proven``."""

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
        found = self._all(rows_sql(order, counted=counted), self._series, start, stop, limit, offset)
        check_rows(found, self._name, self._called)
        return rows_of(found, counted)

    def columns(self, start: int, stop: int, limit: int) -> list[tuple[Any, ...]]:
        """Return the oldest ``limit`` rows of ``[start, stop)``, oldest first, as one tuple for each of ``fields``.

        Return an empty list if there is no row.
        """
        check_reading(start, stop, limit=limit)
        counted = self._counted()
        width = len(self.fields) - len(TRADE_FIELDS) * counted
        found = self._all(rows_sql("oldest_first", width, counted), self._series, start, stop, limit, 0)
        check_rows(found, self._name, self._called)
        return list(zip(*found, strict=True))

    def count(self, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``."""
        check_reading(start, stop)
        return int(self._all(COUNT_SQL, self._series, start, stop)[0][0])

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

    def columns(self, start: int, stop: int, limit: int) -> list[tuple[Any, ...]]:
        """Return the oldest ``limit`` rows of ``[start, stop)``, oldest first, as one tuple for each field.

        The fields are ``model.row_fields`` of the timeframe, and ``proven``. Return an empty list if there is no row.
        """
        found = list(zip(*self._marked(start, stop, "oldest_first", limit), strict=True))
        return [*found[: len(self.fields)], tuple(map(bool, found[-1]))] if found else []

    def count(self, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``."""
        return super().count(start, stop) + int(self._all(SHOWN_COUNT_SQL, self._series, start, stop)[0][0])

    def _marked(self, start: int, stop: int, order: Order, limit: int, offset: int = 0) -> list[Any]:
        check_reading(start, stop, order, limit)
        span = (self._series, start, stop)
        found = self._all(marked_sql(order, proven=True), *span, *span, limit, offset)
        check_rows(found, self._name, self._called)
        return found


def marked_row(row: Sequence[Any]) -> MarkedRow:
    """Return a row that was read with the column ``proven``."""
    return MarkedRow._make((*row[:-1], bool(row[-1])))
