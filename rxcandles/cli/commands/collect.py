"""``rxcandles collect``: one series, or several at once under one limit."""

from __future__ import annotations

import click

from rxcandles.cli import options
from rxcandles.cli.collection import collect_series
from rxcandles.cli.display import Output
from rxcandles.cli.place import Place
from rxcandles.cli.wanted import Wanted

__all__ = ["collect"]


@click.command(
    help="""Download candles into the database. Stored candles are not fetched again.

    Several markets and timeframes are collected at the same time, under one rate limit. The exit code is 0 only if
    everything you asked for is stored. If not, run the same command again: it fetches only the rest.

    \b
    Reads:    the database
    Writes:   the database; creates it if it does not exist
    Network:  asks the exchange for what is not stored yet

    \b
    rxcandles collect KRW-BTC 1m --count 200000
    rxcandles collect KRW-BTC KRW-ETH 1m 60m --last 30d
    rxcandles collect 'KRW-*' 1d --since 2020-01-01 --json
    rxcandles collect KRW-BTC 1m --last 2d --refetch
    """
)
@options.several
@options.refetch
@options.scheduler
@options.as_json
@options.gathered
def collect(wanted: Wanted, place: Place, output: Output, refetch: bool, scheduler: str | None) -> options.Work:
    """Collect all series at the same time."""

    def work() -> int:
        wanted.check(place.exchange, "collect")
        return collect_series([wanted], place, output, refetch=refetch, scheduler=scheduler)

    return work
