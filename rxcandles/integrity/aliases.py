"""Names that look alike: which series of a file are the same one, and its proper name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Series
from rxcandles.util.arguments import check_exchange_name, check_symbol, plain

__all__ = ["alike", "exchange_of", "proper_names"]


def _proper(series: Series) -> Series | None:
    try:
        return Series(
            check_exchange_name("exchange", plain(series.exchange)),
            check_symbol(plain(series.symbol)),
            Timeframe.of(plain(series.timeframe)).name,
        )
    except RequestError:
        return None


def exchange_of(series: Series) -> str | None:
    """Return the exchange that a series is read as, in lower case; None if the name is invalid."""
    try:
        return check_exchange_name("exchange", plain(series.exchange)).casefold()
    except RequestError:
        return None


def proper_names(found: Iterable[Series]) -> dict[Series, Series | None]:
    """Return the proper name of each series of a file; None for a name that no request can have.

    Series are the same if their names differ only in letter case, in letters that look alike, in spaces or in the
    timeframe's alias. A code that mixes upper and lower case after its first part is a code of its own: ``KRW-xBTC`` is
    not another spelling of ``KRW-XBTC``. The proper name is the spelling with a lower-case exchange and an upper-case
    symbol, if there is one.
    """
    names: dict[Series, Series | None] = {series: _proper(series) for series in found}
    alike: defaultdict[tuple[str, str, str], set[Series]] = defaultdict(set)
    for proper in names.values():
        if proper is not None:
            alike[_key(proper)].add(proper)
    best = {key: max(spellings, key=_preference) for key, spellings in alike.items()}
    return {series: None if proper is None else best[_key(proper)] for series, proper in names.items()}


def alike(symbol: str) -> str:
    """Return a key that all spellings of a code share."""
    quote, dash, base = plain(symbol).partition("-")
    return f"{quote.casefold()}{dash}{base if base.upper() != base != base.lower() else base.casefold()}"


def _key(series: Series) -> tuple[str, str, str]:
    return (series.exchange.casefold(), alike(series.symbol), series.timeframe)


def _preference(series: Series) -> tuple[bool, bool, Series]:
    return (series.exchange.islower(), series.symbol.isupper(), series)
