"""Candles as lines of text, by Upbit's field names: CSV, or a JSON object each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from rxcandles.sequence import Columns
from rxcandles.timeframe import to_datetime

__all__ = ["FIELDS", "csv_lines", "json_lines"]

FIELDS: Final = (
    "market", "candle_date_time_utc", "opening_price", "high_price", "low_price", "trade_price",
    "candle_acc_trade_volume", "candle_acc_trade_price",
)  # fmt: skip


def csv_lines(symbol: str, pages: Iterable[Columns]) -> Iterator[str]:
    """Yield a header, then the candles' lines, a page of them at a time."""
    yield ",".join(FIELDS) + "\n"
    yield from _lines(f"{symbol},%s,%r,%r,%r,%r,%r,%r\n", pages)


def json_lines(symbol: str, pages: Iterable[Columns]) -> Iterator[str]:
    """Yield the candles' lines, a page of them at a time."""
    numbers = ", ".join(f'"{name}": %r' for name in FIELDS[2:])
    yield from _lines(f'{{"{FIELDS[0]}": {json.dumps(symbol)}, "{FIELDS[1]}": "%s", {numbers}}}\n', pages)


def _lines(line: str, pages: Iterable[Columns]) -> Iterator[str]:
    # A symbol has no % and nothing that CSV would quote; a float's repr is what csv and json write too.
    for page in pages:
        times = [to_datetime(seconds).isoformat()[:19] for seconds in page[0]]
        yield "".join([line % values for values in zip(times, *page[1:7], strict=True)])
