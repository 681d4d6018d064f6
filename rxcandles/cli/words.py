"""Sort the words of a command line into markets and timeframes, and check them for an exchange."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rxcandles.errors import RequestError
from rxcandles.exchanges import named
from rxcandles.model.naming import EXCHANGES
from rxcandles.model.timeframe import Timeframe, meant_by
from rxcandles.model.which import has_glob
from rxcandles.ports.declared import example_glob, timeframes_of
from rxcandles.util.arguments import check_symbol, refusal

__all__ = ["check_names", "example_at", "sorted_words"]


def sorted_words(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the symbols among ``words``, and the words that are or look like timeframes.

    A word may be a list with commas.
    """
    symbols: list[str] = []
    timeframes: list[str] = []
    for word in (each for listed in words for each in listed.split(",")):
        is_short = re.fullmatch(r"[0-9]+[A-Za-z]?|[A-Za-z]", word, re.ASCII)
        (timeframes if is_short or meant_by(word) is not None else symbols).append(word)
    return symbols, timeframes


def check_names(symbols: Iterable[str], timeframes: Iterable[str], exchange: str) -> None:
    """Raise :class:`RequestError` for a timeframe or a market code that an exchange can't have.

    ``exchange`` is its name; each exchange has its own rule for market codes.
    """
    there = named(exchange)()
    for timeframe in timeframes:
        if (meant := meant_by(timeframe)) is not None:
            raise RequestError(f"{timeframe!r} is not a timeframe; did you mean {meant!r}?")
        there.check(there.example, Timeframe.of(timeframe))
    frame = timeframes_of(there)[0]
    for symbol in symbols:
        if has_glob(symbol):
            _check_glob(symbol, example_glob(there))
        else:
            there.check(symbol, frame)


def _check_glob(glob: str, example: str) -> None:
    """Raise RequestError for a pattern that no code can match, or in small letters if codes are in capitals."""
    allowed = f"write a market's code with *, ? or [...], such as {example!r}"
    if glob.islower() and not example.islower():
        raise refusal("symbol", glob, f"{allowed}; did you mean {glob.upper()!r}?")
    try:
        check_symbol(re.sub(r"[*?\[\]!]", "x", glob))
    except RequestError:
        raise refusal("symbol", glob, allowed) from None


def example_at(source: str | None) -> str:
    """Return an example of a market for advice: of the exchange ``source``, or of the usual one if None."""
    exchange = (source or "").partition("@")[0]
    return named(exchange if exchange in EXCHANGES else EXCHANGES[0]).example
