"""Compare imported candles, chosen at random, with those of the exchange."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import attrs

from rxcandles.integrity.compare import page_before
from rxcandles.integrity.sample import AGE_SECONDS
from rxcandles.interchange.reading.importer import sqlite_store
from rxcandles.model import MarkedRow, Row
from rxcandles.model.timeframe import Timeframe, time_text
from rxcandles.ports import CandleStore, Exchange, RateLimiter
from rxcandles.ports.declared import retention
from rxcandles.util.arguments import check_count, check_like, check_symbol
from rxcandles.util.showing import Brief

__all__ = ["ImportCheck", "check_imported"]

_MOST: Final = 10
"""Differences that are listed one by one."""
_MOST_ROWS: Final = 100_000


@attrs.frozen(repr=False)
class ImportCheck(Brief):
    """The result of comparing imported candles with the exchange's.

    >>> report = await import_candles(store, "KRW-BTC", "1m", "btc.csv")
    >>> check = await check_imported(store, exchange, limiter, "KRW-BTC", "1m", pages=1)
    >>> check.differing, check.examples
    (0, ())
    """

    pages: int
    """Pages of the exchange that were compared."""
    candles: int
    """Imported candles in them."""
    differing: int
    """Imported candles that the exchange does not have, or has with other values."""
    lacking: int
    """Candles of the exchange between them that the import does not have."""
    examples: tuple[str, ...]
    """The first ten of both, in words."""


async def check_imported(
    store: CandleStore,
    exchange: Exchange,
    limiter: RateLimiter,
    symbol: str,
    timeframe: str | Timeframe,
    pages: int = 10,
) -> ImportCheck:
    """Compare imported candles with those of the exchange, on pages chosen at random.

    * ``pages``: the most pages of the exchange to compare; each ends at an imported candle chosen at random.

    Nothing is stored or covered. It sends one request a page, one at a time, and a second one if an answer is
    implausible; one page is in memory. Candles younger than an hour, or older than the exchange keeps, are left out.

    Raises:

    * ``RequestError`` if an argument is invalid, or the store keeps no imports.
    * ``ExchangeError`` if a page can't be fetched.
    * ``StoreError`` if the database can't be read.

    >>> report = await import_candles(store, "KRW-BTC", "1m", "btc.csv")
    >>> check = await check_imported(store, exchange, limiter, "KRW-BTC", "1m", pages=2)
    >>> check.pages, check.differing, check.lacking
    (2, 0, 0)
    """
    keeper = sqlite_store(store)
    check_like("exchange", exchange, Exchange)
    check_like("limiter", limiter, RateLimiter)
    symbol, frame = check_symbol(symbol), Timeframe.of(timeframe)
    exchange.check(symbol, frame)
    now, kept = time.time(), retention(exchange)(frame)
    since = 0 if kept is None else frame.ceil(now - kept)
    sample = await keeper.imported_sample(
        symbol, frame, since, frame.floor(now - AGE_SECONDS), check_count("pages", pages, most=10**6)
    )
    seen: dict[int, bool] = {}
    lacking: set[int] = set()
    examples: dict[str, None] = {}
    for opened in sorted(sample, reverse=True):
        stop = frame.shift(opened, 1)
        chunk = await page_before(stop, symbol, frame, exchange, limiter)
        start = max(since, stop if chunk.proven is None else chunk.proven[0])
        held = await keeper.rows_with_imported(symbol, frame, start, stop, "newest_first", _MOST_ROWS)
        theirs = {row.open_time: row for row in chunk.rows}
        for row in held:
            if row.proven:
                continue
            difference = _difference(row, theirs.get(row.open_time))
            seen[row.open_time] = difference is not None
            if difference is not None:
                examples[f"{time_text(row.open_time)}: {difference}"] = None
        ours = {row.open_time for row in held}
        for missing in sorted(theirs.keys() - ours):
            if ours and min(ours) < missing < stop:
                lacking.add(missing)
                examples[f"{time_text(missing)}: the exchange has it, the import has not"] = None
    return ImportCheck(len(sample), len(seen), sum(seen.values()), len(lacking), tuple(examples)[:_MOST])


def _difference(ours: MarkedRow, theirs: Row | None) -> str | None:
    if theirs is None:
        return "the exchange has none"
    return "; ".join(_values(ours, theirs)) or None


def _values(ours: MarkedRow, theirs: Row) -> Iterator[str]:
    for name, mine, other in zip(Row._fields, ours, theirs, strict=False):
        if mine is not None and mine != other:
            yield f"{name} is {mine!r}, there {other!r}"
