"""``rxcandles collect``: one series, or several at once under one limit."""

from __future__ import annotations

from typing import Any

import click

from rxcandles.cli import options
from rxcandles.cli.collection import asked_for, collect_series

__all__ = ["collect"]


@click.command(
    help="""Download candles into the database. Stored candles are not fetched again.

    Several markets and timeframes are collected at once, under one rate limit. The exit code is 0 only if everything
    you asked for is stored; run the same command again to fetch the rest.

    \b
    rxcandles collect KRW-BTC 1m --count 200000
    rxcandles collect KRW-BTC KRW-ETH 1m 60m --last 30d
    rxcandles collect 'KRW-*' 1d --since 2020-01-01 --json
    rxcandles collect KRW-BTC 1m --last 2d --refetch
    """
)
@options.several
@options.refetch
@options.as_json
def collect(refetch: bool, as_json: bool, **asked: Any) -> options.Work:
    """Download candles into the database. Stored candles are not fetched again."""

    def work() -> int:
        wanted, place, output = asked_for("collect", **asked)
        return collect_series([wanted], place, output, as_json=as_json, refetch=refetch)

    return work
