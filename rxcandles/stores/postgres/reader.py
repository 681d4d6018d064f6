"""Readers with a connection of their own to a server."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from rxcandles.model.timeframe import Timeframe
from rxcandles.stores.postgres.session import Session
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.reader import Marked, SqlReader
from rxcandles.util.forks import OwnProcess

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

    def _visit(self, work: Callable[[Sql], _A]) -> _A:
        self._process.check()  # check before the lock, which another thread may have held during the fork
        with self._lock:
            return self._session.call(work)


class MarkedPostgresReader(Marked, PostgresReader):
    """A reader of the exchange's rows and imported rows together."""


def _close(session: Session, process: OwnProcess) -> None:
    if not process.forked:
        session.close()
