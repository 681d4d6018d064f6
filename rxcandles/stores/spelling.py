"""Names that look alike: which series of a file are one and the same, and what it is called."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from rxcandles.arguments import check_exchange_name, check_symbol
from rxcandles.errors import RequestError
from rxcandles.ports import Series
from rxcandles.timeframe import Timeframe

__all__ = ["exchange_of", "plain", "proper_names"]

_LATIN: Final = str.maketrans(
    # Cyrillic and Greek capitals that are drawn as Latin ones, then hyphens, dashes and the minus sign.
    "АВЕЅІЈКМНОРԚСТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ‐‑‒–—―−",
    "ABESIJKMHOPQCTYXABEZHIKMNOPTYX-------",
)


def plain(name: str) -> str:
    """Return ``name`` in the letters it is read as: Unicode's compatibility forms, Latin, without spaces."""
    letters = unicodedata.normalize("NFKC", name).translate(_LATIN)
    return "".join(letter for letter in letters if unicodedata.category(letter)[0] not in "ZC")


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
    """Return the exchange that a series is read as being of, in small letters; None where there can be none."""
    try:
        return check_exchange_name("exchange", plain(series.exchange)).casefold()
    except RequestError:
        return None


def proper_names(found: Iterable[Series]) -> dict[Series, Series | None]:
    """Return what each series of a file should be called; None where no request could have such a name.

    Those that differ only in letter case, in letters that look alike, in spaces or in the timeframe's alias are one
    series. Of the spellings found the one with a lower-case exchange and an upper-case symbol is its name.
    """
    names: dict[Series, Series | None] = {series: _proper(series) for series in found}
    alike: defaultdict[tuple[str, str, str], set[Series]] = defaultdict(set)
    for proper in names.values():
        if proper is not None:
            alike[_key(proper)].add(proper)
    best = {key: max(spellings, key=_preference) for key, spellings in alike.items()}
    return {series: None if proper is None else best[_key(proper)] for series, proper in names.items()}


def _key(series: Series) -> tuple[str, str, str]:
    return (series.exchange.casefold(), series.symbol.casefold(), series.timeframe)


def _preference(series: Series) -> tuple[bool, bool, Series]:
    return (series.exchange.islower(), series.symbol.isupper(), series)
