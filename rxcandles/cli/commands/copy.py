"""``rxcandles copy``: copy the candles of a database into another one."""

from __future__ import annotations

from typing import Any

import click

from rxcandles.cli import options
from rxcandles.cli.display import Output
from rxcandles.cli.logs import logged
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.runner import run_async
from rxcandles.cli.stored import existing
from rxcandles.cli.text import counted, echo
from rxcandles.cli.wanted import Wanted
from rxcandles.interchange.copying import CopiedSeries, copy_candles

__all__ = ["copy"]

_EMPTY: dict[str, Any] = {
    "exchange": None, "symbol": None, "timeframe": None, "candles": 0, "held": 0, "imported": 0, "left_out": [],
    "source": None, "target": None,
}  # fmt: skip


@click.command(
    help="""Copy candles from one database into another: from a file to a PostgreSQL server, back, or between files.

    Their coverage goes with them, so nothing is fetched again. What the target has stays: nothing in it is deleted, and
    a newer version of a candle there is kept. If the copy is stopped, the same command goes on where it was.

    \b
    Reads:    FROM
    Writes:   TO, which is made if it does not exist
    Network:  none, except to the server of an address

    \b
    rxcandles copy candles.db postgresql://team@db.example/candles
    rxcandles copy postgresql://team@db.example/candles btc.db KRW-BTC
    """,
    epilog="Exit codes: 0 everything is copied; 1 the copy failed, or an import was left out since it contradicts what "
    "TO has; 2 an argument is invalid.",
)
@click.argument("source", metavar="FROM", callback=options.database)
@click.argument("target", metavar="TO", callback=options.database)
@options.stored_series
@click.option("--again", is_flag=True, help="Compare every candle, also of months that look the same in both.")
@options.as_json
@options.quiet
@options.gathered
def copy(source: str, target: str, wanted: Wanted, output: Output, again: bool) -> options.Work:
    """Copy candles, and print what was copied."""

    def work() -> int:
        which = wanted.which()
        existing(source)
        if output.as_json:
            OBJECTS.expect("copy", _EMPTY | {"source": source, "target": target})
        with logged(output.console(), quiet=output.quiet, verbose=output.verbose):
            report = run_async(
                copy_candles(source, target, which.symbols or None, which.timeframes or None, again=again)
            )
        left_out = [line for each in report.series for line in each.left_out]
        if output.as_json:
            OBJECTS.show_all(_plain(each, report.source, report.target) for each in report.series)
        elif not output.quiet:
            for each in report.series:
                echo(_line(each))
            echo(f"{counted(report.candles, 'candle')} of {len(report.series):,} series copied into {report.target}")
        for line in left_out:
            echo(f"rxcandles: {line}", err=True)
        return 1 if left_out else 0

    return work


def _plain(each: CopiedSeries, source: str, target: str) -> dict[str, Any]:
    return {
        **each.series._asdict(), "candles": each.candles, "held": each.held, "imported": each.imported,
        "left_out": list(each.left_out), "source": source, "target": target,
    }  # fmt: skip


def _line(each: CopiedSeries) -> str:
    more = [f"{each.held:,} were there"] * bool(each.held) + [f"{each.imported:,} imported"] * bool(each.imported)
    said = "".join(f", {what}" for what in more)
    return f"{each.series.symbol} {each.series.timeframe}: {counted(each.candles, 'candle')} copied{said}"
