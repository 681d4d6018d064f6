"""yfinance: three header lines (price, ticker, the name of the index), and two levels of columns in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.markets import same_market
from rxcandles.interchange.reading.stated import Said

__all__ = ["NAME", "flat", "header"]

NAME: Final = "yfinance"

_FIELDS: Final = frozenset({"open", "high", "low", "close", "volume", "adj close"})


def header(lines: Sequence[Sequence[str]]) -> tuple[list[str], list[str], int] | None:
    """Return the prices' names, the tickers and the number of header lines of a CSV; None for any other."""
    if len(lines) < 3 or not all(lines):
        return None
    if {lines[0][0].strip(), lines[1][0].strip()} not in ({"Price", "Ticker"}, {"", "Ticker"}):
        return None
    one, other, third = lines[0], lines[1], lines[2]
    if not len(one) == len(other) > 1 or any(cell.strip() for cell in third[1:]):
        return None
    prices, tickers = (one, other) if _are_fields(one[1:]) else (other, one)
    return [third[0] or "Date", *prices[1:]], list(tickers[1:]), 3


def flat(levels: Sequence[tuple[str, ...]], where: str, symbol: str) -> tuple[list[tuple[str, ...]], list[str], Said]:
    """Return which of two-level columns are of the market, and the names that they have on their own."""
    level = next((at for at in range(len(levels[0])) if _are_fields([each[at] for each in levels])), None)
    if level is None or len(levels[0]) != 2:
        raise RequestError(f"{where} has columns of {len(levels[0])} levels; give it one level, such as df['BTC-KRW']")
    tickers = dict.fromkeys(each[1 - level] for each in levels if each[1 - level])
    ticker = next((each for each in tickers if same_market(each, symbol)), next(iter(tickers), ""))
    kept = [each for each in levels if each[1 - level] in (ticker, "")]
    return kept, [each[level] for each in kept], Said("by its columns", ticker or None)


def _are_fields(names: Sequence[str]) -> bool:
    return len({name.strip().casefold() for name in names} & _FIELDS) >= 4
