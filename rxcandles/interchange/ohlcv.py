"""Candles as a data frame in one line."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rxcandles.engine.listing import listed as asked_list
from rxcandles.errors import IncompleteError, RequestError, SeveralFailedError
from rxcandles.interchange import to_pandas
from rxcandles.model import Request
from rxcandles.model.moments import Span, Time, Zone, check_ways, default_zone
from rxcandles.model.reports import CollectionSummary
from rxcandles.model.timeframe import Timeframe
from rxcandles.model.which import has_glob, matching
from rxcandles.modes.connect import OwnRate
from rxcandles.modes.sync import SyncProvider, open
from rxcandles.ports import Exchange
from rxcandles.util.arguments import check_each, check_symbol
from rxcandles.util.extras import need

if TYPE_CHECKING:
    import pandas

__all__ = ["DB", "get_ohlcv"]

_LOG: Final = logging.getLogger(__name__)

_ANY: Final = "KRW-BTC"
"""Any symbol, to check what else is asked for."""

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
    include_imported: bool = False,
) -> pandas.DataFrame:
    """Return candles as a data frame of pandas; what the database ``db`` holds already is not fetched again::

        frame = rxcandles.get_ohlcv("KRW-BTC", "60m", since="2024-01-01", tz="Asia/Seoul")

    Say how far back with one of ``since``, ``last`` (``"90m"``, ``"24h"``, ``"30d"``, ``"8w"``, ``"6M"``, ``"2y"``) and
    ``count`` (candles that exist), and where to end with ``until``; now if not given. The older end is included, the
    newer excluded. A time is a datetime, a date, a ``Timestamp`` or a string: ``"2024-01-01"``,
    ``"2024-01-01 09:00 KST"``. ``tz`` is the zone of times that name none, and of the index: ``"Asia/Seoul"``,
    ``"KST"``; else that of the environment's ``RXCANDLES_TZ``, else UTC. A glob, such as ``"KRW-*"``, stands for all
    markets that the exchange lists and that fit it.

    The frame is :func:`to_pandas`'s: index ``open_time``, oldest first, and ``open``, ``high``, ``low``, ``close``,
    ``volume``, ``turnover``, ``timestamp``. Of several symbols, or a glob, it has a level of columns above
    these, the symbol: ``frame["KRW-BTC"]["close"]``, ``frame.xs("close", axis=1, level=1)``; where one has no candle,
    it has NaN.

    With ``include_imported`` imported candles count as held: what they reach over is not fetched, and a column
    ``proven`` says which candles are the exchange's.

    ``exchange``, ``base_url``, ``rate_limit`` and ``name`` are those of :func:`connect`. Raises ``RequestError`` before
    anything is sent, ``ExtraMissingError`` without pandas, ``IncompleteError`` where some of it could not be had, and
    what collecting raises. What was fetched is kept.
    """
    pandas = need("pandas", "pandas")
    there, now = default_zone(tz), time.time()
    symbols = [symbol] if isinstance(symbol, str) else check_each("symbol", symbol, _check_name)
    alone = isinstance(symbol, str) and not has_glob(symbol)
    if not symbols:
        raise RequestError("symbol is empty; give a market's code, such as 'KRW-BTC', or several")
    check_ways({"since": since, "last": last, "count": count}, until)

    def asked(name: str) -> Request:
        return Request(name, timeframe, count, since=since, until=until, last=last, tz=there, now=now)

    for each in symbols:
        asked(_ANY if has_glob(each) else each)  # before anything is sent, or a file is made
    with open(db, exchange, base_url, rate_limit, name=name) as candles:
        requests = [asked(each) for each in _named(candles, symbols, timeframe)]
        summaries = _collected(candles, requests, alone=alone, include_imported=include_imported)
        frames = {each.symbol: _frame(candles, each, summary, include_imported) for each, summary in summaries.items()}
    frame = frames[requests[0].symbol] if alone else pandas.concat(frames, axis=1, names=["symbol"]).sort_index()
    return frame.tz_convert(there)


def _check_name(_: str, name: str) -> str:
    return name if isinstance(name, str) and has_glob(name) else check_symbol(name)


def _named(candles: SyncProvider, symbols: Sequence[str], timeframe: str) -> list[str]:
    """Return the symbols, each once; a glob stands for those that the exchange lists now."""
    if not any(map(has_glob, symbols)):
        return list(dict.fromkeys(symbols))
    exchange, left_out = candles.provider.exchange, list[str]()
    listed = [each.symbol for each in candles.run(asked_list(exchange))]
    check = partial(_check_at, exchange, Timeframe.of(timeframe))
    found = dict.fromkeys(
        name for each in symbols for name in (matching(each, listed, check, left_out) if has_glob(each) else [each])
    )
    for line in dict.fromkeys(left_out):
        _LOG.warning("%s", line)
    if not found:
        raise RequestError(f"nothing that {', '.join(symbols)} fits can be asked for: {left_out[0]}")
    return list(found)


def _check_at(exchange: Exchange, frame: Timeframe, symbol: str) -> None:
    exchange.check(symbol, frame)


def _collected(
    candles: SyncProvider, requests: Sequence[Request], *, alone: bool, include_imported: bool
) -> Mapping[Request, CollectionSummary]:
    """Collect; where all that is missing are candles that can't be true, which is logged, the others will do."""
    try:
        if alone:
            return {requests[0]: candles.collect(requests[0], include_imported=include_imported)}
        return candles.collect_many(requests, include_imported=include_imported)
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


def _frame(
    candles: SyncProvider, request: Request, summary: CollectionSummary, include_imported: bool
) -> pandas.DataFrame:
    start, stop = summary.time_range
    if start >= stop or not summary.collected_count:
        return to_pandas([])
    stored = candles.repository.stored_candles(
        request.symbol, request.timeframe, start, stop, include_imported=include_imported
    )
    return to_pandas(stored)
