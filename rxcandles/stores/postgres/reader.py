"""Readers with a connection of their own to a server."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from rxcandles.model.timeframe import Timeframe
from rxcandles.stores.postgres.columnar import FEW, columnar_batches, has_adbc
from rxcandles.stores.postgres.session import Session
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.reader import Marked, SqlReader
from rxcandles.stores.sql.sealing import check_unsealed
from rxcandles.util.forks import OwnProcess

if TYPE_CHECKING:
    import pyarrow

__all__ = ["MarkedPostgresReader", "PostgresReader"]

_A = TypeVar("_A")


class PostgresReader(SqlReader):
    """A ``RowReader`` of one series of a database."""

    def __init__(self, session: Session, exchange: str, symbol: str, timeframe: Timeframe) -> None:
        super().__init__(session.name, exchange, symbol, timeframe)
        self._session = session
        self._lock = Lock()
        self._process = OwnProcess(session.name)
        weakref.finalize(self, _close, session, self._process)
        session.connect()
        self._begin()

    def arrow(self, schema: pyarrow.Schema, start: int, stop: int, size: int) -> Iterator[pyarrow.RecordBatch] | None:
        """Return record batches of the rows of ``[start, stop)``, oldest first; None if they can't be read so."""
        if self.marked or not has_adbc():
            return None
        self._process.check()
        if not self.rows(start, stop, "oldest_first", 1, FEW):
            return None
        check = partial(self._visit, partial(check_unsealed, series=self._series, start=start, stop=stop))
        check()
        batches = columnar_batches(
            self._session.url, self._name, self._session.secrets, self._series, self._called, schema, start, stop, size,
            pooled=self._session.pooled,
        )  # fmt: skip
        return _checked(batches, check)

    def _visit(self, work: Callable[[Sql], _A]) -> _A:
        self._process.check()  # check before the lock, which another thread may have held during the fork
        with self._lock:
            return self._session.call(work)


class MarkedPostgresReader(Marked, PostgresReader):
    """A reader of the exchange's rows and imported rows together."""


def _checked(batches: Iterator[_A], check: Callable[[], object]) -> Iterator[_A]:
    """Yield ``batches``, and check at the end that nothing has left for a lake meanwhile."""
    yield from batches
    check()


def _close(session: Session, process: OwnProcess) -> None:
    if not process.forked:
        session.close()
