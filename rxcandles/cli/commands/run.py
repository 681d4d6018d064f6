"""``rxcandles run``: collect the jobs of a TOML file."""

from __future__ import annotations

import click

from rxcandles.cli import options
from rxcandles.cli.collection import collect_series
from rxcandles.cli.display import Output
from rxcandles.cli.job_file import read_jobs

__all__ = ["run"]


@click.command(
    help="""Collect what a TOML file describes: all its jobs at the same time, under one rate limit.

    \b
    Reads:    the TOML file, and the database that it names
    Writes:   the database; creates it if it does not exist
    Network:  asks the exchange for what is not stored yet

    \b
    # jobs.toml
    [defaults]                      # optional; may also have the keys of a job
    db = "candles.db"               # relative to the current folder
    exchange = "upbit"              # also base_url, name, rate_limit (per second, or "none")
    last = "30d"
    [[jobs]]
    symbols = ["KRW-BTC", "KRW-ETH"]
    timeframes = ["1m", "60m"]
    [[jobs]]
    symbols = ["KRW-*"]
    timeframes = ["1d"]
    since = 2020-01-01              # or count, or last; may also have until

    \b
    rxcandles run jobs.toml
    rxcandles run jobs.toml --quiet --json
    """
)
@click.argument("file", metavar="FILE", type=click.Path())
@options.refetch
@options.scheduler
@options.patience
@options.tz
@options.as_json
@options.told
@options.gathered
def run(file: str, output: Output, refetch: bool, scheduler: str | None) -> options.Work:
    """Collect all jobs of a file at the same time."""

    def work() -> int:
        wanted, place = read_jobs(file)
        return collect_series(wanted, place, output, lines=True, refetch=refetch, scheduler=scheduler)

    return work
