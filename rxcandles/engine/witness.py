"""Check where a market's history begins against its candles of another length.

A page shorter than asked for says that nothing older exists. A cache, a replica without its older data and an exchange
under maintenance say so too. So one question asks for longer candles (day candles for anything shorter). A longer
candle that ends before the alleged beginning contradicts it, and so does the absence of a longer candle at the time of
a known candle. If no candle of the market is known, its month candles show when it began, which takes fewer requests
than paging, and the list of markets shows whether it exists.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from rxcandles.engine.checks import CheckedPage
from rxcandles.errors import ContradictionError, RequestError
from rxcandles.model.timeframe import Timeframe, time_text
from rxcandles.ports import Exchange

__all__ = ["Ask", "Witness"]

Ask: TypeAlias = Callable[[Timeframe, int, int], Awaitable[CheckedPage | None]]
"""Asks for a page of another timeframe: which one, before when, how many. Returns None if the answer is unusable."""

_NEAR: Final = {"1d": ("1M", 2), "1w": ("1d", 8), "1M": ("1d", 32), "1y": ("1M", 13)}
"""By timeframe: which longer candles cover the time right before one of it, and how many reach back from its end."""

_FAR: Final = ("1M", "1w", "1d")
"""Timeframes whose candles show when a market began, best first."""


class Witness:
    """Asks about the beginnings of one exchange's markets; remembers the first months while a run lasts."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._began: WeakKeyDictionary[object, int | None] = WeakKeyDictionary()

    async def begins(
        self,
        ask: Ask,
        run: object,
        symbol: str,
        timeframe: Timeframe,
        oldest: int,
        since: int,
        known: int | None,
        now: float,
        contradiction: Callable[[str], ContradictionError],
    ) -> int | None:
        """Raise if something contradicts that no candle opens in ``[since, oldest)``.

        ``known`` is the oldest candle known at or after ``oldest``, or None. If it is None, return the open time of the
        first longer candle, before which there is none of any length; None if that is unknown too.
        """
        claim = f"a page says that nothing is older than {time_text(oldest)}"
        if known is not None:
            await self._near(ask, symbol, timeframe, known, since, now, claim, contradiction)
            return None
        if run not in self._began:
            self._began[run] = await self._far(ask, symbol, timeframe, oldest, since, now, claim, contradiction)
        return self._began[run]

    async def first(
        self,
        ask: Ask,
        run: object,
        symbol: str,
        timeframe: Timeframe,
        now: float,
        contradiction: Callable[[str], ContradictionError],
    ) -> int | None:
        """Return the open time of the first longer candle, before which there is none; None if that is unknown."""
        if run not in self._began:
            other = next((each for name in _FAR if (each := self._served(symbol, name)) is not None), timeframe)
            page = await ask(other, int(now) + 1, self._exchange.page_limit)
            self._began[run] = None if page is None else _first_of(page)
            if page is not None and not page.rows and other != timeframe:
                await self._unlisted(symbol, "a page says that there is no candle in it", contradiction)
        return self._began[run]

    async def _near(
        self,
        ask: Ask,
        symbol: str,
        timeframe: Timeframe,
        known: int,
        since: int,
        now: float,
        claim: str,
        contradiction: Callable[[str], ContradictionError],
    ) -> None:
        """Ask for the longer candle that contains ``known``, and for those before it."""
        name, count = _NEAR.get(timeframe.name, ("1d", 2))
        other = self._served(symbol, name)
        if other is None:
            return
        whole = other if timeframe.divides(other) else timeframe
        end = whole.shift(whole.floor(known), 1)
        page = await ask(other, min(end, int(now) + 1), min(count, self._exchange.page_limit))
        if page is None:
            return
        for row in page.rows:
            if row.open_time >= since and other.shift(row.open_time, 1) <= known:
                raise contradiction(f"{claim}, but there is a {other} candle of {time_text(row.open_time)}")
        if not any(whole.floor(known) <= row.open_time < end for row in page.rows) and known >= since:
            raise contradiction(
                f"{claim}, but there is no {other} candle for {time_text(known)}, where one of {timeframe} is known"
            )

    async def _far(
        self,
        ask: Ask,
        symbol: str,
        timeframe: Timeframe,
        oldest: int,
        since: int,
        now: float,
        claim: str,
        contradiction: Callable[[str], ContradictionError],
    ) -> int | None:
        """Ask for the longest candles there are, from now on back."""
        other = next((each for name in _FAR if (each := self._served(symbol, name)) is not None), timeframe)
        page = await ask(other, int(now) + 1, self._exchange.page_limit)
        if page is None:
            return None
        for row in page.rows:
            if row.open_time >= since and other.shift(row.open_time, 1) <= oldest:
                raise contradiction(f"{claim}, but there is a {other} candle of {time_text(row.open_time)}")
        if page.rows:
            if page.rows[-1].open_time < oldest:
                await self._finer(ask, symbol, timeframe, oldest, since, claim, contradiction)
            return _first_of(page)
        await self._unlisted(symbol, claim, contradiction)
        return None

    async def _unlisted(self, symbol: str, claim: str, contradiction: Callable[[str], ContradictionError]) -> None:
        """Raise if a market without a candle of any length is listed, or if the list of markets is empty."""
        markets = await self._exchange.markets()
        if not markets:
            raise contradiction(f"{claim}, but its list of markets is empty too")
        if any(market.symbol == symbol for market in markets):
            raise contradiction(f"{claim}, and sends no candle of any length, but lists the market")

    async def _finer(
        self,
        ask: Ask,
        symbol: str,
        timeframe: Timeframe,
        oldest: int,
        since: int,
        claim: str,
        contradiction: Callable[[str], ContradictionError],
    ) -> None:
        """Ask for a shorter candle before ``oldest``, which lies in the first of the longest candles."""
        other = self._served(symbol, "60m" if timeframe.name in _NEAR else "1d")
        page = None if other is None else await ask(other, oldest, 1)
        if other is None or page is None:
            return
        for row in page.rows:
            if row.open_time >= since and other.shift(row.open_time, 1) <= oldest:
                raise contradiction(f"{claim}, but there is a {other} candle of {time_text(row.open_time)}")

    def _served(self, symbol: str, name: str) -> Timeframe | None:
        """Return a timeframe, or None if the exchange does not serve it for this market."""
        timeframe = Timeframe.of(name)
        try:
            self._exchange.check(symbol, timeframe)
        except RequestError:
            return None
        return timeframe


def _first_of(page: CheckedPage) -> int | None:
    """Return the open time of the oldest candle of a page if there is none before it."""
    if not page.rows:
        return None
    first = page.rows[-1].open_time
    return first if page.history_starts or page.covered[0] < first else None
