"""What ``follow`` follows: the markets of each timeframe, and where each begins."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

import click

from rxcandles.cli.time_options import count_option, time_option
from rxcandles.cli.times import home
from rxcandles.cli.wanted import Wanted
from rxcandles.engine.listing import listed
from rxcandles.exchanges import named
from rxcandles.model.timeframe import END, Timeframe
from rxcandles.model.which import has_glob, matching
from rxcandles.modes.connect import OpenedProvider
from rxcandles.ports.declared import timeframes_of

__all__ = ["Begin", "Starts", "begin_option", "series_followed"]

Begin: TypeAlias = datetime | int | str | None
"""Where a market begins: a time, a count of the newest candles, ``"stored"``, or None for now."""

Starts: TypeAlias = Mapping[str, Mapping[str, Begin]]
"""Where each market begins, by timeframe and market."""

STORED: Final = "stored"


def begin_option(value: str | datetime | int) -> datetime | int | str:
    """Return what ``--since`` gives: a time, a number of candles, or ``stored``."""
    if not isinstance(value, str) or value == STORED:
        return value
    if value.isascii() and value.isdigit() and len(value) < 8:
        number = count_option(value)
        if number < 1:
            raise click.BadParameter(f"{value!r} is not a number of candles; write 1 or more, or now")
        return number
    return datetime.now(UTC) if value == "now" else time_option(value)


async def series_followed(
    wanted: Iterable[Wanted],
    begin: Begin,
    provider: OpenedProvider,
    exchange: str,
    left_out: list[str],
    *,
    from_store: bool = False,
) -> Starts:
    """Return the markets of each timeframe, each once, and where each begins. ``wanted`` has been checked.

    * ``begin``: for all, unless a job says where to begin a market of which nothing is stored.
    * ``left_out``: gets a line for each listed market whose code is unsafe.
    * ``from_store``: a pattern stands for what is stored; the exchange is not asked.

    Raises ``RequestError`` if no market matches a pattern, ``ExchangeError`` if the exchange does not list them.
    """
    wanted = list(wanted)
    there = named(exchange)()
    frame = timeframes_of(there)[0]
    markets: Sequence[str] = ()
    if any(has_glob(symbol) for each in wanted for symbol in each.series[0]):
        markets = await _stored_symbols(provider) if from_store else await _listed_symbols(provider)
    found: dict[str, dict[str, Begin]] = {}
    for each in wanted:
        symbols, timeframes = each.series
        for symbol in symbols:
            names = [symbol]
            if has_glob(symbol):
                names = matching(symbol, markets, lambda name: there.check(name, frame), left_out)
            for name in names:
                for timeframe in map(Timeframe.of, timeframes):
                    starts = found.setdefault(timeframe.name, {})
                    if name not in starts:
                        starts[name] = await _begin(each, begin, provider, name, timeframe)
    return found


async def _begin(wanted: Wanted, begin: Begin, provider: OpenedProvider, symbol: str, timeframe: Timeframe) -> Begin:
    """Return where a market begins: as ``begin`` says; if nothing is stored of it yet, as its job says."""
    if begin != STORED:
        return begin
    first: Begin = wanted.count or wanted.since or wanted.end
    if wanted.last is not None:
        first = wanted.last.since(home(time.time()))
    if first is None:
        return STORED
    covered = await provider.repository.coverage(symbol, timeframe, 0, END, limit=1)
    return STORED if covered else first


async def _listed_symbols(provider: OpenedProvider) -> list[str]:
    return [each.symbol for each in await listed(provider.exchange)]


async def _stored_symbols(provider: OpenedProvider) -> list[str]:
    mine = provider.repository.exchange
    return sorted({each.symbol for each in await provider.repository.series() if each.exchange == mine})
