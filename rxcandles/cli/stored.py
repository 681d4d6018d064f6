"""Whose candles of a series a database has."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from rxcandles.errors import RequestError
from rxcandles.naming import EXCHANGES
from rxcandles.ports import Series
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import BEGINNING, END, Timeframe

__all__ = ["exchange_of", "source_options"]


async def exchange_of(
    db: str, symbol: str, frame: Timeframe, exchange: str | None = None, *, imported: bool = False
) -> str:
    """Return the exchange whose candles of a series ``db`` has, ``imported`` ones too where they are wanted.

    Raises :class:`RequestError` where nobody's are there, with what may have been meant, or several exchanges' are.
    """
    async with SqliteStore(db) as store:
        proven, unproven = await store.series(), await store.imported_series()
    found = sorted(each.exchange for each in _named({*proven, *(unproven if imported else [])}, symbol, frame))
    if exchange is None and len(found) > 1:
        raise RequestError(f"{db} has {symbol} {frame} from {' and '.join(found)}; say which with --exchange")
    if found and exchange in (None, *found):
        return exchange or found[0]
    of = "" if exchange is None else f" of {exchange}"
    nothing = f"nothing is stored of {symbol} {frame}{of} in {db!r}"
    count = 0
    for each in _named(unproven, symbol, frame):
        if exchange in (None, each.exchange):
            async with SqliteStore(db, exchange=each.exchange) as store:
                count += await store.imported_count(symbol, frame, BEGINNING, END)
    if count:
        raise RequestError(f"{nothing} but {count:,} imported candles, none of them proven; --imported takes them")
    meant = _meant(symbol, {*proven, *unproven})
    raise RequestError(nothing + (f"; did you mean {meant!r}?" if meant else "; `rxcandles coverage` shows what is"))


def source_options(name: str) -> str:
    """Return the options with which a command asks the source of these candles; its address is the user's to know."""
    if name == EXCHANGES[0]:
        return ""
    return f" --exchange {name}" if name in EXCHANGES else f" --base-url URL --name {shlex.quote(name)}"


def _named(there: Iterable[Series], symbol: str, frame: Timeframe) -> list[Series]:
    return [each for each in there if each[1:] == (symbol, frame.name)]


def _meant(symbol: str, there: set[Series]) -> str | None:
    spelled = {each.symbol.casefold(): each.symbol for each in there if each.symbol != symbol}
    return spelled.get(symbol.casefold())
