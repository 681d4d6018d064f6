"""One look at the newest candle of a market: nothing is checked against the store, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable

from rxcandles.engine.record import Record
from rxcandles.engine.run import Run
from rxcandles.engine.sending import Sending
from rxcandles.errors import InvalidResponseError
from rxcandles.live.parts import Parts
from rxcandles.model import Request, Row
from rxcandles.model.rules import value_fault
from rxcandles.model.timeframe import Timeframe

__all__ = ["glance"]


async def glance(
    parts: Parts, symbol: str, timeframe: Timeframe, now: float, said: Callable[[float | None], object]
) -> Row | None:
    """Ask for the newest candle, forming or not, and return it; None if there is none.

    It takes one permit and one attempt.

    * ``now``: UTC seconds, the server's clock if it is known.
    * ``said``: called with the server's time in the answer.

    Raises ``ExchangeError``.
    """
    run = Run(Request(symbol, timeframe, count=1, now=now))
    run.limiter = parts.limiter
    chunk = run.next()
    assert chunk is not None  # a request has at least one slot
    sending = Sending(parts.exchange, chunk, Record(parts.exchange.name, chunk))
    to = timeframe.shift(timeframe.floor(now), 1)
    page = await sending.page(timeframe, to, 1)
    said(page.server_time)
    row = page.rows[0] if page.rows else None
    if row is not None and (fault := value_fault(row)) is not None:
        raise InvalidResponseError(f"{symbol} {timeframe}, the newest candle: {fault}")
    return row
