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
"""A stand-in symbol, to check the other arguments."""

DB: Final = "candles.db"
"""The default database, in the working folder; the command line's too."""


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
    cache: bool | int = True,
) -> pandas.DataFrame:
    """Return candles as a pandas frame, oldest first; fetch what the database does not have yet.

    * ``symbol``: a market's code, several, or a glob such as ``"KRW-*"`` for all matching markets that the exchange
      lists. For several, or a glob, the symbol is a level of columns above the others: ``frame["KRW-BTC"]["close"]``,
      ``frame.xs("close", axis=1, level=1)``; a slot in which a symbol has no candle is NaN.
    * ``since``, ``last``, ``count``: how far back; give one of them: a time (included), a length (``"90m"``, ``"24h"``,
      ``"30d"``, ``"8w"``, ``"6M"``, ``"2y"``), or a number of candles that exist.
    * ``until``: the newer end, excluded; by default now. A time is a datetime, a date, a ``Timestamp`` or a string:
      ``"2024-01-01"``, ``"2024-01-01 09:00 KST"``.
    * ``tz``: the zone of times that name none, and of the index: ``"Asia/Seoul"``, ``"KST"``; by default
      ``RXCANDLES_TZ``, else UTC.
    * ``db``: the path of the database, which is made if there is none, and which keeps what was fetched.
    * ``exchange``, ``base_url``, ``rate_limit``, ``name``: as for :func:`connect`.
    * ``include_imported``: count imported candles as stored, so that their slots are not fetched; a column ``proven``
      says which candles are the exchange's.
    * ``cache``: False keeps no copies for the next frame (see :func:`to_arrow`); a number is the most bytes of them.

    The index is ``open_time``; the columns are those of :func:`to_pandas`. All candles are in memory, 64 bytes each,
    up to 128 while several symbols are joined. It blocks until all of them are there; Ctrl-C stops it and keeps what
    was stored.

    Raises:

    * ``RequestError`` if an argument is invalid, before anything is sent.
    * ``ExtraMissingError`` if pandas is not installed.
    * ``IncompleteError`` if part of one symbol could not be fetched; ``SeveralFailedError`` for several symbols.
    * ``ExchangeError``, ``StoreError`` if the exchange refuses, or if the database can't be read or written.

    >>> frame = rxcandles.get_ohlcv("KRW-BTC", "60m", since="2024-01-01", until="2024-01-01 03:00")
    >>> list(frame["close"])
    [85871000.0, 85745000.0, 85720000.0]
    """
    pandas = need("pandas", "pandas")
    there, now = default_zone(tz), time.time()
    symbols = [symbol] if isinstance(symbol, str) else check_each("symbol", symbol, _check_name)
    alone = isinstance(symbol, str) and not has_glob(symbol)
    if not symbols:
        raise RequestError("symbol is empty; give a market's code, such as 'KRW-BTC', or several")
    check_ways({"since": since, "last": last, "count": count}, until)

    def request(name: str) -> Request:
        return Request(name, timeframe, count, since=since, until=until, last=last, tz=there, now=now)

    for each in symbols:
        request(_ANY if has_glob(each) else each)  # check before a request is sent or a file is made
    with open(db, exchange, base_url, rate_limit, name=name, cache=cache) as candles:
        requests = [request(each) for each in _symbols(candles, symbols, timeframe)]
        summaries = _collect(candles, requests, alone=alone, include_imported=include_imported)
        frames = {each.symbol: _frame(candles, each, summary, include_imported) for each, summary in summaries.items()}
    frame = frames[requests[0].symbol] if alone else pandas.concat(frames, axis=1, names=["symbol"]).sort_index()
    return frame.tz_convert(there)


def _check_name(_: str, name: str) -> str:
    return name if isinstance(name, str) and has_glob(name) else check_symbol(name)


def _symbols(candles: SyncProvider, symbols: Sequence[str], timeframe: str) -> list[str]:
    """Return the symbols, each once; a glob stands for the matching markets that the exchange lists now."""
    if not any(map(has_glob, symbols)):
        return list(dict.fromkeys(symbols))
    exchange, left_out = candles.provider.exchange, list[str]()
    listed = [each.symbol for each in candles.run(asked_list(exchange))]
    check = partial(_check_at, exchange, Timeframe.of(timeframe))
    names = dict.fromkeys(
        name for each in symbols for name in (matching(each, listed, check, left_out) if has_glob(each) else [each])
    )
    for line in dict.fromkeys(left_out):
        _LOG.warning("%s", line)
    if not names:
        raise RequestError(f"nothing that {', '.join(symbols)} fits can be asked for: {left_out[0]}")
    return list(names)


def _check_at(exchange: Exchange, frame: Timeframe, symbol: str) -> None:
    exchange.check(symbol, frame)


def _collect(
    candles: SyncProvider, requests: Sequence[Request], *, alone: bool, include_imported: bool
) -> Mapping[Request, CollectionSummary]:
    """Collect; if only impossible candles are missing, log that and go on with the others."""
    try:
        if alone:
            return {requests[0]: candles.collect(requests[0], include_imported=include_imported)}
        return candles.collect_many(requests, include_imported=include_imported)
    except IncompleteError as error:
        if error.summary.failed_spans:
            raise
        return {requests[0]: error.summary}
    except SeveralFailedError as error:
        summaries = {**error.summaries}
        for request, failure in error.failures.items():
            if not isinstance(failure, IncompleteError) or failure.summary.failed_spans:
                raise
            summaries[request] = failure.summary
        return {request: summaries[request] for request in requests}


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
