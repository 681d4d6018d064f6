"""What a pipeline needs from an exchange: pages, each of which says what it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import attrs

from rxcandles.model.rows import Row
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, Timeframe
from rxcandles.util.showing import Brief

__all__ = ["Exchange", "Market", "Page", "PageUnit"]

PageUnit: TypeAlias = Literal["rows", "slots"]
"""Whether the size of a page counts rows, in however many slots they lie, or slots."""


@attrs.frozen(repr=False)
class Page(Brief):
    """One answer of an exchange: what it sent, what that proves, and what its headers said.

    * An exchange that answers with the newest rows before a time uses :meth:`before`.
    * An exchange that answers by windows names the window: ``Page(rows, covered=(start, stop))``.
    * An exchange that has no answer for so old a time covers nothing: ``Page([], covered=(to, to))``.

    A page that does not say what it covers counts as one of the first kind.

    >>> row = Row(60, 9.0, 9.0, 9.0, 9.0, 1.0, 9.0, 60_000)
    >>> Page([row], covered=(0, 120)).covered
    (0, 120)
    """

    rows: Sequence[Row]
    """At most ``count`` rows, newest first; their open times are before the ``to`` that was asked with."""
    server_time: float | None = None
    """The server's clock (its ``Date`` header), UTC seconds."""
    remaining: int | None = None
    """What the server still allows in this window (its ``Remaining-Req`` header), in the unit of its limit."""
    delay: float = 0.0
    """Seconds before the request went out, spent on opening a connection."""
    beginning: str = ""
    """The first characters of the answer, quoted, for the message if its candles are impossible."""
    covered: Span | None = None
    """``(start, stop)``, UTC seconds: every candle that exists with an open time in this span is among ``rows``."""
    history_starts: bool = False
    """Whether the exchange says that there is no candle before ``covered`` either."""
    used: float | None = None
    """What the server has counted in this window, if it reports that instead of what remains."""

    @classmethod
    def before(cls, rows: Sequence[Row], to: int, count: int, *, kept_since: int = BEGINNING, **headers: Any) -> Page:
        """Return the page of an exchange that answers with the newest ``count`` rows before ``to`` (UTC seconds).

        If as many rows came as were asked for, the page covers the time down to the oldest of them. If fewer came,
        history starts there, or the exchange has dropped what is older than ``kept_since``.

        * ``headers``: the other fields of the page.

        Upbit, Bithumb, OKX (``after``) and Binance (``endTime`` alone) answer in this way:

        >>> row = Row(60, 9.0, 9.0, 9.0, 9.0, 1.0, 9.0, 60_000)
        >>> Page.before([row], to=120, count=1).covered
        (60, 120)
        >>> Page.before([row], to=120, count=200).history_starts
        True
        """
        # A page may repeat the last row of the one before, which opens at ``to``.
        oldest = next((row.open_time for row in reversed(rows) if row.open_time != to), to)
        if len(rows) >= count:
            return cls(rows, covered=(oldest, to), **headers)
        start = min(kept_since, oldest)
        return cls(rows, covered=(start, to), history_starts=start == BEGINNING, **headers)


@attrs.frozen
class Market:
    """One market of an exchange: its code and its names.

    >>> Market("KRW-BTC", "Bitcoin", "비트코인").symbol
    'KRW-BTC'
    """

    symbol: str
    english_name: str = ""
    local_name: str = ""


@runtime_checkable
class Exchange(Protocol):
    """A source of candles. Each of its pages says what it covers (:class:`Page`).

    An exchange may also have these members:

    * ``page_unit = "slots"``: its pages are windows of slots, which hold fewer rows if nobody traded in some.
    * ``first_open(symbol, timeframe)``: a coroutine that returns when a market's first candle opened (UTC seconds), or
      None if it can't tell. For exchanges whose pages are windows.
    * ``retention(timeframe)``: for how many seconds it surely keeps candles, or None for ever. Older slots are neither
      missing nor known to be empty. ``kept`` is its old name.
    * ``confirm_times``: after how long absences are asked about again.
    * ``page_anew``: does what ``page`` does, over a new connection; second questions use it.
    * ``limit``: a :class:`rxcandles.Limit`, for an exchange that does not count requests a second.
    * ``page_cost(count)``: a static method that returns how much of the limit a page takes, if that is more than one.

    ::

        class OwnExchange:
            name, page_limit, rate_limit = "own", 200, 10.0

            def check(self, symbol, timeframe): ...

            async def page(self, symbol, timeframe, to, count):
                return Page.before(await self.ask(symbol, timeframe.name, to, count), to, count)

            async def markets(self): return [Market("KRW-BTC")]

            async def close(self): ...
    """

    name: str
    """The name under which its candles are stored: ``upbit``."""
    page_limit: int
    """Most candles, or slots, that a request may ask for."""
    rate_limit: float | None
    """Requests a second that the exchange allows; None if it sets no limit."""

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Raise ``RequestError`` if this exchange can't have such a market or timeframe; send nothing."""

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Return the newest ``count`` candles that exist with an open time before ``to``, or those of ``count`` slots.

        The span that the page covers ends at ``to``. Try once, and return within a timeout of your own, since nothing
        else ends a request.

        Raises ``ExchangeError``.
        """
        ...

    async def markets(self) -> list[Market]:
        """Return all markets, in the exchange's own order."""
        ...

    async def close(self) -> None:
        """Close all connections; idempotent."""
