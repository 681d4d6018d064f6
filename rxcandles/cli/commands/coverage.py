"""``rxcandles coverage``: what a database holds, as a table for people or as JSON for programs."""

from __future__ import annotations

from typing import Final

import click

from rxcandles.cli import options
from rxcandles.cli.coverage_data import drawn_of, found_in, lacking_lines, plain_of
from rxcandles.cli.display import Output
from rxcandles.cli.objects import OBJECTS, SERIES
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.cli.stored import existing
from rxcandles.cli.text import echo
from rxcandles.cli.wanted import Wanted
from rxcandles.errors import RequestError
from rxcandles.stores.held import check_ends

__all__ = ["coverage"]


_EMPTY: Final = dict.fromkeys(
    [
        *SERIES, "first_candle", "last_candle", "reached_start", "no_trade", "outage", "either", "provisional", "holes",
        "missing_slots",
        "impossible_slots", "imported", "sealed", "bytes", "bytes_from", "proven_spans", "claims", "impossible",
    ]
)  # fmt: skip


@click.command(
    help="""Show what is stored, what is missing in between, and which slots are empty.

    Each series has one line: its ends, its numbers, and a strip that shows its coverage over time. --json has all
    numbers and spans.

    \b
    Reads:    the database
    Writes:   nothing
    Network:  not used

    \b
    rxcandles coverage
    rxcandles coverage 'KRW-*' 1m --complete --quiet
    rxcandles coverage KRW-BTC 1m --db candles.db --json
    """
)
@options.stored_series
@options.stretch
@options.last
@options.existing_db
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object per line, one for each series, with its covered spans.",
)
@click.option("--complete", is_flag=True, help="Exit with 1 if a series has a gap, and name the gaps on stderr.")
@options.quiet
@options.no_color
@options.gathered
def coverage(wanted: Wanted, place: Place, output: Output, complete: bool) -> options.Work:
    """Show each series as a line of a table, or as a JSON object."""

    def work() -> int:
        which, (since, to) = wanted.which(), wanted.span(from_now=True)
        check_ends(since, to)
        if output.as_json:
            OBJECTS.expect("coverage", _EMPTY)
        told = plain_of if output.as_json else drawn_of
        held = run_async(found_in(existing(place.db), which, (since, to), told))
        between = " between these times" if since or to else ""
        if not held.shown and not held.odd:
            if str(which):
                raise RequestError(f"nothing is stored of {which}{between} in {place.db!r}")
            if not (output.as_json or output.quiet or complete):
                echo(f"nothing is stored{between}")
        if output.as_json:
            OBJECTS.show_all(plain for _, plain in held.shown)
        elif held.shown and not output.quiet:
            from rxcandles.cli.coverage_table import show_coverage

            show_coverage(place.db, [drawn for _, drawn in held.shown], no_color=output.no_color)
        lacking = lacking_lines(place.db, held, between) if complete else []
        for line in (*lacking, *held.odd):
            echo(f"rxcandles: {line}", err=True)
        return 1 if lacking or held.odd else 0

    return work
