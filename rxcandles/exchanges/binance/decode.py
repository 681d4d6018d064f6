"""Decode Binance's JSON, from the bytes of a body to rows; a body of another form is an error.

A page is an array of arrays, oldest first: open time and close time in milliseconds, prices and amounts as text with
eight decimals, the number of trades as a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs
import msgspec

from rxcandles.errors import InvalidResponseError
from rxcandles.exchanges.answers import excerpt
from rxcandles.exchanges.oddvalues import UNREADABLE, as_sent, odd_list
from rxcandles.model import Row, RowWithTrades
from rxcandles.model.timeframe import Timeframe, time_text
from rxcandles.ports import Market

__all__ = ["Klines", "decode_klines", "decode_markets"]


@attrs.frozen
class Klines:
    """The rows of a page, and what else it shows."""

    rows: Sequence[Row]
    """Rows on the grid, newest first."""
    off_grid: Sequence[float]
    """Open times of the other rows, UTC seconds, newest first."""
    came: int
    """Number of all rows."""
    first_open: float | None
    """Open time of the oldest of all rows, UTC seconds; None if there is none."""


class _Kline(msgspec.Struct, array_like=True, gc=False):
    opened: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    closes: int
    turnover: float
    trades: int
    taker_volume: float
    taker_turnover: float


class _Symbol(msgspec.Struct, gc=False):
    symbol: str
    status: str = ""
    baseAsset: str = ""
    quoteAsset: str = ""


class _Info(msgspec.Struct):
    symbols: list[_Symbol]


_klines: Final = msgspec.json.Decoder(list[_Kline], strict=False)
"""Not strict, since numbers are sent as text."""
_info: Final = msgspec.json.Decoder(_Info)
_TIMES: Final = ("opened", "closes")
_NOT_YET: Final = "PRE_TRADING"
_ALL_ON_GRID: Final = 1_546_300_800
"""2019-01-01: from here on a page of which most rows are off the grid is none of Binance's, which had such from
2017-12 to 2018-07; a page that is shifted would else be taken for an outage."""


def decode_klines(body: bytes, timeframe: Timeframe, asked: str) -> Klines:
    """Return the rows of a page, newest first, with those off the grid apart.

    Raise ``InvalidResponseError``, with the beginning of the body and ``asked``, if it is not a complete JSON array of
    klines, or if most of its rows are off the grid in 2019 or later. ``check_page`` judges the values: one that is not
    a number stays as it was sent.
    """
    try:
        klines: Sequence[_Kline] = _klines.decode(body)
    except UNREADABLE as error:
        try:
            klines = _one_by_one(body)
        except UNREADABLE:
            message = f"{asked}: the answer is no page of candles ({error}): {excerpt(body)}"
            raise InvalidResponseError(message) from error
    make, first = tuple.__new__, klines[0].opened / 1000 if klines else None
    there = klines if _all_on_grid(klines, timeframe) else [each for each in klines if _on_grid(each, timeframe)]
    rows: list[Row] = [
        make(
            RowWithTrades,
            (
                each.opened // 1000, each.open, each.high, each.low, each.close, each.volume, each.turnover,
                each.closes, None, None, None, each.trades, each.taker_volume, each.taker_turnover,
            ),
        )
        for each in reversed(there)
    ]  # fmt: skip
    off_grid = []
    if there is not klines:
        off_grid = [each.opened / 1000 for each in reversed(klines) if not _on_grid(each, timeframe)]
    if 2 * len(off_grid) > len(klines) and off_grid[0] >= _ALL_ON_GRID:
        raise InvalidResponseError(
            f"{asked}: a candle opens at {time_text(off_grid[0])}, in the middle of a slot: {excerpt(body)}"
        )
    return Klines(rows, off_grid, len(klines), first)


def _all_on_grid(klines: Sequence[_Kline], timeframe: Timeframe) -> bool:
    """Return whether all rows open on the grid, as in nearly every page."""
    step, offset = timeframe.seconds * 1000, timeframe.offset * 1000
    if step:
        return {(each.opened - offset) % step for each in klines} <= {0}
    return all(_on_grid(each, timeframe) for each in klines)


def _on_grid(kline: _Kline, timeframe: Timeframe) -> bool:
    return kline.opened % 1000 == 0 and bool(timeframe.on_grid(kline.opened // 1000))


def _one_by_one(body: bytes) -> list[_Kline]:
    """Return the klines of a page with some invalid values; raise if it is no page."""
    found, klines, wrong = odd_list(body), [], 0
    for each in found:
        try:
            klines.append(msgspec.convert(each, _Kline, strict=False))
        except msgspec.ValidationError:
            wrong += 1
            fields = _Kline.__struct_fields__
            if 2 * wrong > len(found) or not isinstance(each, list) or len(each) < len(fields):
                raise
            values = dict(zip(fields, map(_number, each), strict=False))
            if not all(type(values[name]) is int for name in _TIMES):
                raise
            klines.append(_Kline(**values))
    return klines


def _number(value: object) -> Any:
    """Return the number that a value is, or contains as text; otherwise the value as it was sent."""
    try:
        return float(value) if isinstance(value, str) else as_sent(value)
    except ValueError:
        return as_sent(value)


def decode_markets(body: bytes, asked: str) -> list[Market]:
    """Return the markets in the order they were sent; raise ``InvalidResponseError`` as :func:`decode_klines` does.

    Markets that are halted or no longer traded have candles and are included.
    """
    try:
        found = _info.decode(body).symbols
    except UNREADABLE as error:
        raise InvalidResponseError(f"{asked}: the answer is no list of markets ({error}): {excerpt(body)}") from error
    return [Market(each.symbol, _title(each)) for each in found if each.status != _NOT_YET]


def _title(found: _Symbol) -> str:
    title = "/".join(filter(None, (found.baseAsset, found.quoteAsset)))
    return title if found.status in ("TRADING", "") else f"{title} (not traded now)".strip()
