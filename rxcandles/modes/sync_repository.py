"""A store's methods without ``await``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from rxcandles.model import CandleData, Order
from rxcandles.model.moments import Time
from rxcandles.model.timeframe import Timeframe
from rxcandles.modes.sequence import CandleSequence, stored_candles
from rxcandles.ports import CandleStore, Covered, Series
from rxcandles.util.loopthread import LoopThread
from rxcandles.util.showing import Titled

__all__ = ["SyncRepository"]

_A = TypeVar("_A")


class SyncRepository(Titled):
    """A store that is read without ``await``: the ``repository`` of a :class:`SyncProvider`.

    The exchange is never asked.

    >>> with rxcandles.open(":memory:", exchange="simulated") as candles:
    ...     _ = candles.get_candles("KRW-BTC", "60m", until="2024-01-02", count=2)
    ...     candles.repository.series()
    [Series(exchange='simulated', symbol='KRW-BTC', timeframe='60m')]
    """

    def __init__(self, store: CandleStore, thread: LoopThread) -> None:
        self._store = store
        self._thread = thread

    def _told(self) -> Mapping[str, object]:
        store = self._store
        return {"store": getattr(store, "path", ""), "exchange": getattr(store, "exchange", "")}

    def get_candles_by_range(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: Time,
        other_end: Time,
        order: Order = "newest_first",
    ) -> list[CandleData]:
        """Return the stored candles between two times: the older end is included, the newer end is excluded."""
        return self._thread.run(lambda: self._store.get_candles_by_range(symbol, timeframe, one_end, other_end, order))

    def stored_candles(
        self,
        symbol: str,
        timeframe: str | Timeframe,
        one_end: Time | None = None,
        other_end: Time | None = None,
        order: Order = "oldest_first",
        *,
        include_imported: bool = False,
    ) -> CandleSequence:
        """Return what is stored as a sequence that holds a page in memory; see :func:`rxcandles.stored_candles`."""

        async def make() -> CandleSequence:
            return stored_candles(
                self._store, symbol, timeframe, one_end, other_end, order, include_imported=include_imported
            )

        return self._thread.run(make)

    def series(self) -> list[Series]:
        """Return every series that has coverage, of all exchanges in the store."""
        return self._thread.run(self._store.series)

    def coverage(
        self, symbol: str, timeframe: str | Timeframe, start: int, stop: int, limit: int | None = None
    ) -> list[Covered]:
        """Return the covered spans that touch ``[start, stop)``, in UTC seconds, newest first, at most ``limit``."""
        frame = Timeframe.of(timeframe)
        return self._thread.run(lambda: self._store.coverage(symbol, frame, start, stop, limit))

    def count(self, symbol: str, timeframe: str | Timeframe, start: int, stop: int) -> int:
        """Return the number of rows in ``[start, stop)``, in UTC seconds."""
        frame = Timeframe.of(timeframe)
        return self._thread.run(lambda: self._store.count(symbol, frame, start, stop))
