"""Decode Upbit's JSON, from the bytes of a body to rows; a body of another form is an error.

Upbit's text, seen 2026-03-11: an array of objects, newest first, times as UTC text without a zone, every number with
eight decimals or, below 1e-6, in E-notation (``0E-8``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final

import msgspec

from rxcandles.errors import InvalidResponseError
from rxcandles.exchanges.answers import excerpt, one_line
from rxcandles.exchanges.oddvalues import UNREADABLE, as_sent, odd_list
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Market

__all__ = ["decode_candles", "decode_markets", "error_message", "error_seconds", "open_seconds"]

_HOUR: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3])", re.ASCII)
_REST: Final = re.compile(r":([0-5]\d):([0-5]\d)", re.ASCII)
_SPAN: Final = re.compile(r"(?<![\d.])(\d{1,6}(?:\.\d{1,3})?)\s*(sec|s\b|min|m\b|hour|h\b|초|분|시간)", re.IGNORECASE)
_FIELD: Final = re.compile(
    r"(?:retry.?after|seconds|duration|block\w*)\W{1,4}(\d{1,6}(?:\.\d{1,3})?)(?![\d.])", re.IGNORECASE
)
_BARE: Final = re.compile(r"\D*?(?<![\d.])(\d{1,6}(?:\.\d{1,3})?)(?![\d.])\D*", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "초": 1, "분": 60, "시": 3600}


class _Candle(msgspec.Struct, gc=False):
    market: str
    candle_date_time_utc: str
    opening_price: float
    high_price: float
    low_price: float
    trade_price: float
    timestamp: int
    candle_acc_trade_price: float
    candle_acc_trade_volume: float
    unit: int | None = None
    prev_closing_price: float | None = None
    change_price: float | None = None
    change_rate: float | None = None


class _Named(msgspec.Struct, gc=False):
    """The fields without which an object is no candle."""

    market: str
    candle_date_time_utc: str
    unit: int | None = None


class _Market(msgspec.Struct, gc=False):
    market: str
    korean_name: str | None = None
    english_name: str | None = None


class _Error(msgspec.Struct):
    message: str = ""
    name: int | str | None = None


class _ErrorBody(msgspec.Struct):
    error: _Error


_VALUES: Final = tuple(name for name in _Candle.__struct_fields__ if name not in _Named.__struct_fields__)
_candles: Final = msgspec.json.Decoder(list[_Candle])
_markets: Final = msgspec.json.Decoder(list[_Market])
_errors: Final = msgspec.json.Decoder(_ErrorBody)


def decode_candles(body: bytes, symbol: str, timeframe: Timeframe, asked: str) -> list[Row]:
    """Return the rows of a page in the order they were sent.

    Raise ``InvalidResponseError``, with the beginning of the body and ``asked``, if it is not a complete JSON array of
    candles, or if one is of another market or unit. ``check_page`` judges the values: one that is not a number stays as
    it was sent.
    """
    try:
        candles: Sequence[_Candle] = _candles.decode(body)
    except UNREADABLE as error:
        try:
            candles = _one_by_one(body)
        except UNREADABLE:
            message = f"{asked}: the answer is no page of candles ({error}): {excerpt(body)}"
            raise InvalidResponseError(message) from error
    unit = int(timeframe.name[:-1]) if timeframe.name.endswith("m") else None
    rows: list[Row] = []
    make, hour, within, keep = tuple.__new__, _hour, _within, rows.append  # this loop takes half of the time
    try:
        for each in candles:
            if each.market != symbol or (each.unit != unit and each.unit is not None):
                got = repr(each.market[:60]) if each.market != symbol else f"unit {each.unit}"
                raise InvalidResponseError(f"{asked}: the answer has a candle of {got}: {excerpt(body)}")
            text = each.candle_date_time_utc
            values = (
                hour(text[:13]) + within(text[13:]),
                each.opening_price,
                each.high_price,
                each.low_price,
                each.trade_price,
                each.candle_acc_trade_volume,
                each.candle_acc_trade_price,
                each.timestamp,
                each.prev_closing_price,
                each.change_price,
                each.change_rate,
            )
            keep(make(Row, values))
    except ValueError as error:
        raise InvalidResponseError(f"{asked}: the answer has {error}: {excerpt(body)}") from error
    return rows


def _one_by_one(body: bytes) -> list[_Candle]:
    """Return the candles of a page with some invalid values; raise if it is no page."""
    found, candles, wrong = odd_list(body), [], 0
    for each in found:
        try:
            candles.append(msgspec.convert(each, _Candle))
        except msgspec.ValidationError:
            named, wrong = msgspec.convert(each, _Named), wrong + 1
            if 2 * wrong > len(found):
                raise
            values = {name: as_sent(each.get(name)) for name in _VALUES}
            candles.append(_Candle(named.market, named.candle_date_time_utc, unit=named.unit, **values))
    return candles


def decode_markets(body: bytes, asked: str) -> list[Market]:
    """Return the markets in the order they were sent; raise ``InvalidResponseError`` as :func:`decode_candles` does.

    A code is taken as it is. An entry without one is left out if other entries have one.
    """
    try:
        try:
            found = _markets.decode(body)
        except msgspec.ValidationError:
            found = [market for each in msgspec.json.decode(body, type=list[Any]) if (market := _market(each))]
            if not found:
                raise
    except UNREADABLE as error:
        raise InvalidResponseError(f"{asked}: the answer is no list of markets ({error}): {excerpt(body)}") from error
    return [Market(each.market, each.english_name or "", each.korean_name or "") for each in found]


def _market(found: Any) -> _Market | None:
    try:
        return msgspec.convert(found, _Market)
    except msgspec.ValidationError:
        named = isinstance(found, dict) and isinstance(found.get("market"), str)
        return _Market(found["market"]) if named else None


def error_message(body: bytes) -> str:
    """Return the message in the body of an error: in its JSON, or the beginning of its text.

    At most 300 characters on one line; everything that is not plain text is escaped, so that it can't control a
    terminal or forge a log.
    """
    try:
        return one_line(_errors.decode(body).error.message) or excerpt(body)
    except UNREADABLE:
        return excerpt(body) if body else "no message"


def error_seconds(body: bytes) -> float | None:
    """Return the seconds (minutes, hours) in the body of a 418, or None.

    Its form is not known: Upbit documents that it contains the duration of the block, and no body was ever recorded.
    """
    text = body.decode("utf-8", "replace")
    found = _FIELD.search(text)
    if found:
        return float(found[1])
    try:
        text = _errors.decode(body).error.message  # its `name` is the status, not a duration
    except UNREADABLE:
        pass  # plain text, which is searched as it is
    found = _SPAN.search(text)
    if found:
        return float(found[1]) * _UNITS[found[2][0].lower()]
    found = _BARE.fullmatch(text)
    return float(found[1]) if found else None


def open_seconds(text: str) -> int:
    """Return the UTC seconds of an open time, ``2026-03-11T14:40:00``; raise ``ValueError`` for any other text."""
    return _hour(text[:13]) + _within(text[13:])


@lru_cache(maxsize=4096)
def _hour(text: str) -> int:
    """Return the seconds of ``2026-03-11T14``, which most rows of a page share."""
    found = _HOUR.fullmatch(text)
    if not found:
        raise ValueError(f"a time that begins with {text!r}")
    year, month, day, hour = map(int, found.groups())
    try:
        return (date(year, month, day).toordinal() - 719_163) * 86_400 + hour * 3600
    except ValueError as error:
        raise ValueError(f"a time that begins with {text!r} ({error})") from None


@lru_cache(maxsize=3600)
def _within(text: str) -> int:
    """Return the seconds of ``:40:00``."""
    found = _REST.fullmatch(text)
    if not found:
        raise ValueError(f"a time that ends with {text[:40]!r}")
    return int(found[1]) * 60 + int(found[2])
