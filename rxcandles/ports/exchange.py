"""What a pipeline needs of an exchange: pages, each of which says what it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import attrs

from rxcandles.model.candles import Row
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, Timeframe
from rxcandles.util.showing import Brief

__all__ = ["Exchange", "Market", "Page", "PageUnit"]

PageUnit: TypeAlias = Literal["rows", "slots"]
"""Whether a page holds so many rows, however many slots they lie in, or the rows of so many slots."""


@attrs.frozen(repr=False)
class Page(Brief):
    """One answer of an exchange: what it sent, what that proves, and what its headers said.

    An exchange that answers with the newest rows before a time makes it by :meth:`before`. One that answers by windows
    says which window it was: ``Page(rows, covered=(start, stop))``. One that has no answer for so old a time says
    that it covers nothing: ``Page([], covered=(to, to))``. A page that does not say what it covers is taken as the
    first kind.
    """

    rows: Sequence[Row]
    """Newest first, open times before the ``to`` that was asked with; at most ``count``."""
    server_time: float | None = None
    """The server's own clock (its ``Date`` header), UTC seconds."""
    remaining: int | None = None
    """What the server still allows in this window (its ``Remaining-Req`` header), in the unit of its limit."""
    delay: float = 0.0
    """Seconds before the request went out, spent on opening a connection."""
    beginning: str = ""
    """The first characters of the answer, quoted, for the message where its candles can't be true."""
    covered: Span | None = None
    """``(start, stop)``, UTC seconds: every candle that exists with an open time in there is among ``rows``."""
    history_starts: bool = False
    """Whether the exchange says that there is no candle before ``covered`` either."""
    used: float | None = None
    """What the server has counted in this window, where it says that in place of what remains."""

    @classmethod
    def before(cls, rows: Sequence[Row], to: int, count: int, *, kept_since: int = BEGINNING, **headers: Any) -> Page:
        """Return the page of an exchange that answers with the newest ``count`` rows before ``to`` (UTC seconds).

        As many rows as were asked for reach down to the oldest of them; fewer say that history starts there, or that
        the exchange has dropped what is older than ``kept_since``. ``headers`` are the other fields.

        Upbit, Bithumb, OKX (``after``) and Binance (``endTime`` alone) answer in this way::

            Page.before(rows, to, count, server_time=date)
        """
        # A page may repeat the last row of the one before, which opens at ``to``.
        oldest = next((row.open_time for row in reversed(rows) if row.open_time != to), to)
        if len(rows) >= count:
            return cls(rows, covered=(oldest, to), **headers)
        start = min(kept_since, oldest)
        return cls(rows, covered=(start, to), history_starts=start == BEGINNING, **headers)


@attrs.frozen
class Market:
    """One market of an exchange: its code and its names."""

    symbol: str
    english_name: str = ""
    local_name: str = ""


@runtime_checkable
class Exchange(Protocol):
    """Where candles come from.

    Each of its pages says what it covers (:class:`Page`). One whose pages are windows of slots, which hold fewer rows
    where nobody traded, may say so by ``page_unit = "slots"``, and when a market's first candle opened by a method
    ``first_open(symbol, timeframe)``, a coroutine that returns UTC seconds, or None where it can't tell.

    One that does not keep all candles for ever may have a method ``kept`` besides, which returns for how many seconds
    a timeframe's are sure to be there, or None: what is older is then neither missing nor proven to be nothing. It may
    have ``confirm_times``, which says after how long what an answer leaves out is asked about again. And it may have a
    method ``page_anew``, which does what ``page`` does over a connection of its own: second questions go that way.

    One that does not count requests a second may have a ``limit`` (:class:`rxcandles.Limit`), and where a page takes
    more than one of it a static method ``page_cost(count)``.
    """

    name: str
    """Namespace of this exchange's candles in a store: ``upbit``."""
    page_limit: int
    """Most candles, or slots, that a request may ask for."""
    rate_limit: float | None
    """Requests a second that the exchange allows; None where it does not say."""

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Raise ``RequestError`` where this exchange can have no such market or timeframe; sends nothing."""

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Return the newest ``count`` candles that exist with an open time before ``to``, or those of ``count`` slots.

        What it covers ends at ``to``. Raises ``ExchangeError``; tries once, and comes back within a
        time of its own, since nothing else ends a request.
        """
        ...

    async def markets(self) -> list[Market]:
        """Return all markets, in the exchange's own order."""
        ...

    async def close(self) -> None:
        """Close all connections; idempotent."""
