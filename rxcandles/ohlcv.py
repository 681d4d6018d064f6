"""Candles as a data frame in one line."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rxcandles.arguments import check_each, check_symbol
from rxcandles.errors import IncompleteError, RequestError, SeveralFailedError
from rxcandles.extras import need
from rxcandles.frames import to_pandas
from rxcandles.model import Request
from rxcandles.moments import Span, Time, Zone, asked_for, default_zone
from rxcandles.opening import OwnRate
from rxcandles.ports import Exchange
from rxcandles.reports import CollectionSummary
from rxcandles.sync import SyncProvider, open

if TYPE_CHECKING:
    import pandas

__all__ = ["DB", "get_ohlcv"]

DB: Final = "candles.db"
"""The database where none is named, in the working folder; the command line's too."""


def get_ohlcv(
    symbol: str | Iterable[str],
    timeframe: str,
    *,
    since: Time | None = None,
    until: Time | None = None,
    last: Span | None = None,
    count: int | None = None,
    tz: Zone | None = None,
    db: str | Path = DB,
    exchange: str | Exchange = "upbit",
    base_url: str | None = None,
    rate_limit: float | OwnRate | None = OwnRate.OWN,
    name: str | None = None,
) -> pandas.DataFrame:
    """Return candles as a data frame of pandas; what the database ``db`` holds already is not fetched again::

        frame = rxcandles.get_ohlcv("KRW-BTC", "60m", since="2024-01-01", tz="Asia/Seoul")

    Say how far back with one of ``since``, ``last`` (``"90m"``, ``"24h"``, ``"30d"``, ``"8w"``, ``"6M"``, ``"2y"``) and
    ``count`` (candles that exist), and where to end with ``until``; now if not given. The older end is included, the
    newer excluded. A time is a datetime, a date, a ``Timestamp`` or a string: ``"2024-01-01"``,
    ``"2024-01-01 09:00 KST"``. ``tz`` is the zone of times that name none, and of the index: ``"Asia/Seoul"``,
    ``"KST"``; else that of the environment's ``RXCANDLES_TZ``, else UTC.

    The frame is :func:`to_pandas`'s: index ``open_time``, oldest first, and ``open``, ``high``, ``low``, ``close``,
    ``volume``, ``turnover``, ``timestamp``. Of several symbols it has a level of columns above these, the symbol:
    ``frame["KRW-BTC"]["close"]``, ``frame.xs("close", axis=1, level=1)``; where one has no candle, it has NaN.

    ``exchange``, ``base_url``, ``rate_limit`` and ``name`` are those of :func:`connect`. Raises ``RequestError`` before
    anything is sent, ``ExtraMissingError`` without pandas, ``IncompleteError`` where some of it could not be had, and
    what collecting raises. What was fetched is kept.
    """
    pandas = need("pandas", "pandas")
    there, now = default_zone(tz), time.time()
    alone = isinstance(symbol, str)
    symbols = [symbol] if isinstance(symbol, str) else check_each("symbol", symbol, lambda _, each: check_symbol(each))
    if not symbols:
        raise RequestError("symbol is empty; give a market's code, such as 'KRW-BTC', or several")
    requests = [
        asked_for(each, timeframe, since=since, until=until, last=last, count=count, tz=there, now=now)
        for each in dict.fromkeys(symbols)
    ]
    with open(db, exchange, base_url, rate_limit, name=name) as candles:
        summaries = _collected(candles, requests, alone=alone)
        frames = {each.symbol: _frame(candles, each, summary) for each, summary in summaries.items()}
    frame = frames[requests[0].symbol] if alone else pandas.concat(frames, axis=1, names=["symbol"]).sort_index()
    return frame.tz_convert(there)


def _collected(
    candles: SyncProvider, requests: Sequence[Request], *, alone: bool
) -> Mapping[Request, CollectionSummary]:
    """Collect; where all that is missing are candles that can't be true, which is logged, the others will do."""
    try:
        return {requests[0]: candles.collect(requests[0])} if alone else candles.collect_many(requests)
    except IncompleteError as error:
        if error.summary.failed_spans:
            raise
        return {requests[0]: error.summary}
    except SeveralFailedError as error:
        found = {**error.summaries}
        for request, failure in error.failures.items():
            if not isinstance(failure, IncompleteError) or failure.summary.failed_spans:
                raise
            found[request] = failure.summary
        return {request: found[request] for request in requests}


def _frame(candles: SyncProvider, request: Request, summary: CollectionSummary) -> pandas.DataFrame:
    start, stop = summary.time_range
    if start >= stop or not summary.collected_count:
        return to_pandas([])
    return to_pandas(candles.repository.stored_candles(request.symbol, request.timeframe, start, stop))
