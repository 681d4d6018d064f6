"""The store: candles and their coverage in one SQLite file."""

from __future__ import annotations

from rxcandles.stores.sql.store import SqlStore
from rxcandles.stores.sqlite.file import SqliteFile
from rxcandles.stores.sqlite.reader import SqliteReader

__all__ = ["SqliteReader", "SqliteStore"]


class SqliteStore(SqliteFile, SqlStore):
    """A ``CandleStore`` in one SQLite file (WAL), for the candles of one exchange.

    Several stores, also of other processes, may use the file at once. A write is one transaction. A killed process
    loses nothing that was written. The store has one connection, in a thread of its own; if a caller is cancelled, its
    statement goes on there. If the file is deleted, moved or replaced while it is open, every call raises
    ``StoreError`` from then on; what was stored before is in the file that was opened, wherever it is now.

    * ``path``: the database file; ``":memory:"`` for a temporary one.
    * ``exchange``: the name of the exchange whose candles it reads and writes.
    * ``busy_timeout``: seconds that a write waits for other writers.
    * ``durability``: with ``"normal"`` (``PRAGMA synchronous=NORMAL``) a power cut loses at most the last transactions,
      up to 16 MB of them, never their order, so the coverage stays true. With ``"full"`` (``synchronous=FULL``) it
      loses nothing, if the disk keeps its promise, and each page costs a sync:
      https://www.sqlite.org/pragma.html#pragma_synchronous.
    * ``tz``: the zone of times that name none.
    * ``cache``: whether data frames may keep copies of months in ``candles.db.cache`` beside the file (see
      :func:`rxcandles.to_arrow`): True for up to 2 GB, a number for up to so many bytes, False for none.

    >>> async with SqliteStore("candles.db", exchange="upbit") as store:
    ...     found = await store.get_candles_by_range("KRW-BTC", "1m", "2024-01-01", "2024-01-02")
    >>> len(found)
    120
    """

    async def version(self) -> int:
        """Return a number that changes when another connection has written to the file (``PRAGMA data_version``)."""
        found = await self._open.rows("PRAGMA data_version")
        return int(found[0][0])
