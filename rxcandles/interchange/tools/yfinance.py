"""yfinance: three header lines (price, ticker, name of the index), and two levels of columns in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rxcandles.errors import RequestError
from rxcandles.interchange.tools.tool import Header, Tool
from rxcandles.interchange.vocabulary.market_names import same_market
from rxcandles.interchange.vocabulary.statements import Statement

__all__ = ["TOOL", "one_level"]

_FIELDS: Final = frozenset({"open", "high", "low", "close", "volume", "adj close"})
_CORNERS: Final = ({"Price", "Ticker"}, {"", "Ticker"})
"""The first cells of the first two lines."""


def one_level(
    levels: Sequence[tuple[str, ...]], where: str, symbol: str
) -> tuple[list[tuple[str, ...]], list[str], Statement]:
    """Return which of two-level columns belong to the market, and their names on one level."""
    level = next((at for at in range(len(levels[0])) if _are_fields([each[at] for each in levels])), None)
    if level is None or len(levels[0]) != 2:
        raise RequestError(f"{where} has columns of {len(levels[0])} levels; give it one level, such as df['BTC-KRW']")
    tickers = dict.fromkeys(each[1 - level] for each in levels if each[1 - level])
    ticker = next((each for each in tickers if same_market(each, symbol)), next(iter(tickers), ""))
    kept = [each for each in levels if each[1 - level] in (ticker, "")]
    return kept, [each[level] for each in kept], Statement("by its columns", ticker or None)


class _YFinance(Tool):
    name = "yfinance"

    def header(self, lines: Sequence[Sequence[str]], where: str, symbol: str) -> Header | None:
        """Prices, tickers, and a line with only the name of the index."""
        if len(lines) < 3 or not all(lines) or {lines[0][0].strip(), lines[1][0].strip()} not in _CORNERS:
            return None
        one, other, third = lines[:3]
        if not len(one) == len(other) > 1 or any(cell.strip() for cell in third[1:]):
            return None
        prices, tickers = (one, other) if _are_fields(one[1:]) else (other, one)
        pairs = list(zip(prices[1:], tickers[1:], strict=True))
        kept, _, statement = one_level(pairs, where, symbol)
        names = [price if (price, ticker) in kept else f"{price} of another" for price, ticker in pairs]
        return Header([third[0] or "Date", *names], 3, statement)


TOOL: Final = _YFinance()


def _are_fields(names: Sequence[str]) -> bool:
    return len({name.strip().casefold() for name in names} & _FIELDS) >= 4
