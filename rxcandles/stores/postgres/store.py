"""The store: candles and their coverage in a PostgreSQL database."""

from __future__ import annotations

from functools import partial
from typing import Any, Self, get_args

from rxcandles.model.moments import Zone
from rxcandles.model.timeframe import Timeframe
from rxcandles.stores.postgres.address import Address, connection_words, is_postgres
from rxcandles.stores.postgres.preparing import prepare
from rxcandles.stores.postgres.reader import MarkedPostgresReader, PostgresReader
from rxcandles.stores.postgres.session import Session
from rxcandles.stores.postgres.thread import ServerThread
from rxcandles.stores.postgres.writing import add_series, write_page
from rxcandles.stores.sql.connection import Durability
from rxcandles.stores.sql.import_sql import Taken
from rxcandles.stores.sql.staging import Staging
from rxcandles.stores.sql.store import SqlStore
from rxcandles.util.arguments import check_choice, check_number, refusal

__all__ = ["PostgresStore"]

_VERSION: Any = "SELECT hashtextextended(pg_current_snapshot()::text, 0)"
_SIZE: Any = (
    "SELECT (pg_table_size('candles') + pg_indexes_size('candles'))::float8, coalesce(sum(rows), 0)::float8"
    " FROM coverage"
)


class PostgresStore(SqlStore):
    """A ``CandleStore`` in a PostgreSQL database (13 or later), for the candles of one exchange.

    Any number of stores, of any machines, may use the database at once; its tables are in a schema ``rxcandles``. A
    write is one transaction. The store has one connection, in a thread of its own; if a caller is cancelled, its
    statement goes on there. If the connection is lost, the store connects again and goes on: nothing that was written
    is lost, and nothing is told as written that is not. It needs the extra ``postgres``.

    * ``url``: ``postgresql://user@host:port/database``, with libpq's options behind a ``?``, such as
      ``sslmode=verify-full``: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING. The password
      may stand in it (no message shows it), in ``~/.pgpass`` or in ``PGPASSWORD``.
    * ``exchange``: the name of the exchange whose candles it reads and writes.
    * ``busy_timeout``: seconds that a write waits for others that write to the same series.
    * ``durability``: with ``"full"`` a crash of the server loses nothing. With ``"normal"``
      (``synchronous_commit = off``) it may lose the last transactions, never their order, so the coverage stays true.
    * ``patience``: seconds that a call waits for a server that is away, before it raises ``StoreError``.
    * ``tz``: the zone of times that name none.

    ::

        async with PostgresStore("postgresql://team@db.example/candles", exchange="upbit") as store:
            found = await store.get_candles_by_range("KRW-BTC", "1m", "2024-01-01", "2024-01-02")
    """

    def __init__(
        self,
        url: str,
        *,
        exchange: str = "upbit",
        busy_timeout: float = 10.0,
        durability: Durability = "full",
        patience: float = 60.0,
        tz: Zone | None = None,
    ) -> None:
        if not is_postgres(url):
            raise refusal("url", "…", "give an address, such as postgresql://user@host/database")
        address = Address.of(url)
        connection_words(address.url)
        super().__init__(address, exchange, tz)
        check_choice("durability", durability, get_args(Durability))
        self._session = partial(
            Session,
            address.url,
            durable=durability == "full",
            lock_timeout=check_number("busy_timeout", busy_timeout, 0, 3600),
            patience=check_number("patience", patience, 0, 86_400),
        )

    @classmethod
    async def open(cls, url: str, **how: Any) -> Self:
        """Return an open store; the tables are made or brought up to date if needed.

        Raises:

        * :class:`SchemaError` if the database has a newer version of them, or another program's.
        * :class:`StoreError` if the server can't be reached or refuses.
        """
        store = cls(url, **how)
        await store.__aenter__()
        return store

    async def _connect(self) -> ServerThread:
        thread = ServerThread(self._session())
        await thread.open(prepare)
        return thread

    def check_process(self) -> None:
        """Raise ``StoreError`` in a fork of the process that opened it."""
        if isinstance(self._connection, ServerThread):
            self._connection.check_process()

    _write_rows = staticmethod(write_page)
    _add_series = staticmethod(add_series)

    async def take_in(
        self,
        symbol: str,
        timeframe: Timeframe,
        staging: Staging,
        style: str,
        sha256: str | None = None,
        *,
        replace: bool = False,
    ) -> Taken:
        """Store what is staged as imported; the series has its number before, since a crash must not take it back."""
        await self.series_id(symbol, timeframe, create=True)
        return await super().take_in(symbol, timeframe, staging, style, sha256, replace=replace)

    async def version(self) -> int:
        """Return a number that changes when anybody has written to the server."""
        found = await self._open.rows(_VERSION)
        return int(found[0][0])

    async def row_size(self) -> tuple[float, str]:
        """Return the bytes that a candle of any series takes on average, with its place in the index; ``"server"``."""
        [(size, rows)] = await self._open.rows(_SIZE)
        return (size / rows if rows else 0.0), "server"

    def reader_of(self, symbol: str, timeframe: Timeframe, *, marked: bool) -> PostgresReader:
        """Return a synchronous reader of one series, which has its own connection; ``marked``: with imported ones."""
        self.check_process()
        self._open  # noqa: B018 - a closed store has no new readers
        kind = MarkedPostgresReader if marked else PostgresReader
        return kind(self._session(), self.exchange, symbol, timeframe)
