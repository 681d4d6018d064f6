"""Write candles as lines of text under Upbit's field names: CSV, or a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from rxcandles.model import TRADE_FIELDS
from rxcandles.model.timeframe import to_datetime
from rxcandles.modes.sequence import Columns

__all__ = ["FIELDS", "csv_lines", "json_lines"]

FIELDS: Final = (
    "market", "candle_date_time_utc", "opening_price", "high_price", "low_price", "trade_price",
    "candle_acc_trade_volume", "candle_acc_trade_price",
)  # fmt: skip


def csv_lines(
    symbol: str, pages: Iterable[Columns], *, marked: bool = False, with_trades: bool = False
) -> Iterator[str]:
    """Yield a header, then the lines of the candles, a page at a time.

    ``marked`` pages end with ``proven``; pages ``with_trades`` end with the columns of trades; not both.
    """
    yield ",".join((*FIELDS, *(["proven"] if marked else TRADE_FIELDS if with_trades else []))) + "\n"
    line = f"{symbol},%s,%r,%r,%r,%r,%r"
    if with_trades and not marked:
        yield from _lines(f"{line},%r,%s,%s,%s\n", _with_trades(pages, ""))
        return
    yield from _lines(f"{line},%s,%s\n", _marked(pages, "")) if marked else _lines(f"{line},%r\n", _plain(pages))


def json_lines(
    symbol: str, pages: Iterable[Columns], *, marked: bool = False, with_trades: bool = False
) -> Iterator[str]:
    """Yield the lines of the candles, a page at a time; their ends are those of :func:`csv_lines`."""
    numbers = ", ".join(f'"{name}": %{"s" if marked else "r"}' for name in FIELDS[2:])
    end = ', "proven": %s' if marked else ""
    if with_trades and not marked:
        end = "".join(f', "{name}": %s' for name in TRADE_FIELDS)
    line = f'{{"{FIELDS[0]}": {json.dumps(symbol)}, "{FIELDS[1]}": "%s", {numbers}{end}}}\n'
    if with_trades and not marked:
        yield from _lines(line, _with_trades(pages, "null"))
    else:
        yield from _lines(line, _marked(pages, "null") if marked else _plain(pages))


def _plain(pages: Iterable[Columns]) -> Iterator[Columns]:
    return (page[:7] for page in pages)


def _with_trades(pages: Iterable[Columns], nothing: str) -> Iterator[Columns]:
    """Yield pages as :func:`_plain` does, with the last three columns as text."""
    for page in pages:
        last = (tuple(nothing if each is None else repr(each) for each in column) for column in page[-3:])
        yield (*page[:7], *last)


def _marked(pages: Iterable[Columns], nothing: str) -> Iterator[Columns]:
    """Yield pages with ``proven``, with the turnover (which an import may lack) and ``proven`` as text."""
    for page in pages:
        turnover = [nothing if each is None else repr(each) for each in page[6]]
        yield (*page[:6], tuple(turnover), tuple("true" if each else "false" for each in page[-1]))


def _lines(line: str, pages: Iterable[Columns]) -> Iterator[str]:
    # A symbol has no % and nothing that CSV would quote; csv and json, too, write the repr of a float.
    for page in pages:
        times = [to_datetime(seconds).isoformat()[:19] for seconds in page[0]]
        yield "".join([line % values for values in zip(times, *page[1:], strict=True)])
