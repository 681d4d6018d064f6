"""Rows that this library can't have written: found while reading, so that each stops its own series and no other.

A check of the file (``integrity.examine``) finds all of them; this module finds those that reading can't get past.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite
from typing import Any, Final, NamedTuple

import attrs

from rxcandles.errors import OddRowError, RequestError
from rxcandles.model import Row, RowWithTrades
from rxcandles.model.advice import check_advice
from rxcandles.model.claims import Claim
from rxcandles.model.naming import EXCHANGES
from rxcandles.model.timeframe import END, Timeframe, time_text
from rxcandles.ports import Covered, Impossible, Series
from rxcandles.stores.sql.claiming import is_claim
from rxcandles.stores.sql.conditions import is_span
from rxcandles.stores.sql.connection import Sql
from rxcandles.util.arguments import check_exchange_name, check_symbol, plain, shown

__all__ = [
    "Names",
    "OddSeries",
    "check_apart",
    "check_claims",
    "check_rows",
    "check_spans",
    "odd_text",
    "read_names",
    "whole_notes",
]

_OPTIONAL: Final = Row._fields.index("turnover")
"""The first column that may be empty: imported candles have no turnover and no timestamp."""
_STAMP: Final = Row._fields.index("timestamp")


class OddSeries(NamedTuple):
    """A series whose name no request can have, as text."""

    exchange: str
    symbol: str
    timeframe: str

    def said(self, path: str) -> str:
        """Return one line that names it and says what to do."""
        exchange = self.exchange if self.exchange in EXCHANGES else EXCHANGES[0]
        return (
            f"{path}: a series is left out, as nothing can be called exchange {self.exchange!r}, symbol "
            f"{self.symbol!r}, timeframe {self.timeframe!r}; {check_advice(path, exchange)}"
        )


class Names(NamedTuple):
    """The names of the series of a file, as they are stored, each with its id."""

    found: list[tuple[int, Sequence[object]]]

    @property
    def proper(self) -> list[tuple[int, Series]]:
        """Names that a request can have."""
        return [(number, Series(*map(str, words))) for number, words in self.found if _is_proper(words)]

    @property
    def odd(self) -> list[OddSeries]:
        """The others."""
        return [OddSeries(*map(odd_text, words)) for _, words in self.found if not _is_proper(words)]


def read_names(connection: Sql, sql: str) -> Names:
    """Read id, exchange, symbol and timeframe of series by a statement; names may be no text, or not UTF-8."""
    if not isinstance(connection, sqlite3.Connection):
        return Names([(number, words) for number, *words in connection.execute(sql)])
    factory = connection.text_factory
    connection.text_factory = _text
    try:
        found = connection.execute(sql).fetchall()
    finally:
        connection.text_factory = factory
    return Names([(number, words) for number, *words in found])


def odd_text(name: object) -> str:
    """Return a name as text, whatever type it has in the file."""
    return name if isinstance(name, str) else repr(name)


def check_spans(spans: Sequence[Covered], path: str, series: Series) -> list[Covered]:
    """Return covered spans as they are; raise ``OddRowError`` if one is invalid."""
    for each in spans:
        if not is_span(each.start, each.stop) or type(each.rows) is not int or each.rows < 0:
            _refuse(
                path, series, f"a span from {shown(each.start)} to {shown(each.stop)} with {shown(each.rows)} candles"
            )
    return list(spans)


def check_apart(spans: Sequence[Covered], path: str, series: Series) -> None:
    """Raise ``OddRowError`` if spans (newest first) overlap: their slots would be counted twice."""
    for newer, older in pairwise(spans):
        if newer.start < older.stop:
            _refuse(path, series, f"two spans that overlap, at {time_text(newer.start)}")


def check_rows(rows: Sequence[Sequence[Any]], path: str, series: Series) -> None:
    """Raise ``OddRowError`` if a value of a candle is not a finite number; sums show it, at little cost."""
    if not rows or _are_finite(list(zip(*rows, strict=True))):
        return
    for row in rows:
        if fault := _fault(row):
            _refuse(path, series, f"a candle with {fault}")


def check_claims(claims: Sequence[Claim], path: str, series: Series) -> list[Claim]:
    """Return claims as they are; raise ``OddRowError`` if one is invalid."""
    for each in claims:
        if not is_claim(each):
            _refuse(
                path,
                series,
                f"a claim from {shown(each.start)} to {shown(each.stop)} with values {attrs.astuple(each)}",
            )
    return list(claims)


def whole_notes(found: Sequence[Impossible]) -> list[Impossible]:
    """Return the valid notes on impossible candles; the slots of invalid ones are asked about anyway."""
    return [
        each
        for each in found
        if all(type(number) is int and 0 <= number < END for number in (*each[:1], *each[2:])) and type(each[1]) is str
    ]


def _are_finite(columns: Sequence[Sequence[Any]]) -> bool:
    try:
        sums = [sum(each) for each in columns[:_OPTIONAL]]
        sums += [sum(filter(None, each)) for each in columns[_OPTIONAL : len(RowWithTrades._fields)]]
    except (TypeError, OverflowError):
        return False
    return type(sums[0]) is int and type(sums[_STAMP]) is int and all(map(isfinite, sums))


def _fault(row: Sequence[Any]) -> str | None:
    for at, (name, value) in enumerate(zip(RowWithTrades._fields, row, strict=False)):
        whole = name in ("open_time", "timestamp")
        if value is None and at >= _OPTIONAL:
            continue
        if type(value) is not int and (whole or type(value) is not float or not isfinite(value)):
            opened = f" at {time_text(row[0])}" if type(row[0]) is int else ""
            return f"{name} {shown(value)}{opened}"
    return None


def _refuse(path: str, series: Series, what: str) -> None:
    name = f"{series.exchange} {series.symbol} {series.timeframe}"
    raise OddRowError(f"{path}: {name} has {what}, which can't be; {check_advice(path, series.exchange)}")


def _is_proper(words: Sequence[object]) -> bool:
    if not all(isinstance(each, str) for each in words):
        return False
    exchange, symbol, frame = map(str, words)
    try:
        check_exchange_name("exchange", exchange), check_symbol(symbol)
        return Timeframe.of(frame).name == frame and (exchange.isascii() or plain(exchange) == exchange)
    except RequestError:
        return False


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
