"""Choose stored series by symbols and timeframes, each a name, several, or a glob (``KRW-*``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

import attrs

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import Timeframe
from rxcandles.util.arguments import check_symbol, refusal

__all__ = ["EVERY", "Names", "Which", "has_glob", "matching"]

Names: TypeAlias = str | Iterable[str] | None
"""A name or a glob, or several; None for all."""

LONGEST: Final = 100
"""The most characters of a glob."""


def has_glob(name: str) -> bool:
    """Return whether ``name`` is a glob, as for file names in a shell: ``KRW-*``."""
    return any(each in name for each in "*?[")


def matching(glob: str, listed: Sequence[str], check: Callable[[str], object], left_out: list[str]) -> list[str]:
    """Return the ``listed`` symbols that match a glob; raise :class:`RequestError` if none does.

    A symbol that ``check`` refuses does not stop the others: the reason is added to ``left_out``.
    """
    named = [name for name in listed if fnmatchcase(name, glob)]
    if not named:
        near = get_close_matches(re.sub(r"[*?]", "", glob), listed, 3, 0.3)
        quotes = sorted({name.split("-")[0] for name in listed})
        there = f"such as {', '.join(near)}" if near else f"beginning with {', '.join(quotes)}"
        raise RequestError(f"no market matches {glob!r}; the exchange has {len(listed)}, {there}")
    found = []
    for name in named:
        try:
            check(name)
            found.append(name)
        except RequestError as error:
            left_out.append(f"listed, and left out: {error}")
    return found


@attrs.frozen
class Which:
    """A choice of series: any of the symbols in any of the timeframes; an empty tuple stands for all."""

    symbols: tuple[str, ...] = ()
    timeframes: tuple[str, ...] = ()

    @staticmethod
    def of(symbol: Names = None, timeframe: Names = None) -> Which:
        """Return the choice for these names; raise :class:`RequestError` for a name that no series can have."""
        symbols, timeframes = _several("symbol", symbol), _several("timeframe", timeframe)
        for each in symbols:
            if not has_glob(each):
                check_symbol(each)
        return Which(symbols, tuple(each if has_glob(each) else Timeframe.of(each).name for each in timeframes))

    def fits(self, symbol: str, timeframe: str) -> bool:
        """Return whether a series is chosen; case is ignored, except in a base that mixes both (``xBTC``)."""
        return _fits_any(_folded(symbol), map(_folded, self.symbols)) and _fits_any(timeframe, self.timeframes)

    def exact(self) -> bool:
        """Return whether each series is named, and none by a glob."""
        return bool(self.symbols and self.timeframes) and not any(map(has_glob, (*self.symbols, *self.timeframes)))

    def parts(self) -> list[Which]:
        """Return each symbol with each timeframe; if one of the two is a glob or missing, each name of the other.

        The user has named each part, so each must have a series.
        """
        if self.exact():
            return [Which((one,), (other,)) for one in self.symbols for other in self.timeframes]
        symbols = [Which((each,), self.timeframes) for each in self.symbols]
        return symbols + [Which(self.symbols, (each,)) for each in self.timeframes]

    def __str__(self) -> str:
        """Return the names as they were given."""
        return " ".join((*self.symbols, *self.timeframes))


EVERY: Final = Which()
"""All stored series."""


def _several(name: str, value: Names) -> tuple[str, ...]:
    if value is None:
        return ()
    try:
        names = (value,) if isinstance(value, str) else tuple(value)
    except TypeError:
        raise refusal(name, value, "give a name, or several") from None
    for each in names:
        if not isinstance(each, str) or len(each) > LONGEST or not each:
            raise refusal(name, each, "give a name or a glob in quotes, such as 'KRW-BTC' or 'KRW-*'")
    return tuple(dict.fromkeys(names))


def _folded(symbol: str) -> str:
    quote, dash, base = symbol.partition("-")
    return f"{quote.casefold()}{dash}{base if base.upper() != base != base.lower() else base.casefold()}"


def _fits_any(name: str, patterns: Iterable[str]) -> bool:
    patterns = tuple(patterns)
    return not patterns or any(name == each or (has_glob(each) and fnmatchcase(name, each)) for each in patterns)
