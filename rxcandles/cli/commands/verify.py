"""``rxcandles verify``: check a database."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.coverage_data import lacking_in
from rxcandles.cli.display import Output
from rxcandles.cli.findings_file import note_findings
from rxcandles.cli.findings_text import (
    DAMAGED,
    INCOMPLETE,
    WRONG,
    check_seed,
    most_of,
    nothing_compared,
    report_lines,
)
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.cli.stored import check_there, existing, named_in
from rxcandles.cli.text import echo
from rxcandles.cli.wanted import Wanted
from rxcandles.integrity.findings import EXCHANGE_KINDS, VerificationReport
from rxcandles.integrity.verify import verify as verify_file
from rxcandles.model.which import Which

__all__ = ["verify"]

_VERIFIED: Final = dict.fromkeys([*(each.name for each in attrs.fields(VerificationReport)), "clean", "damaged"])

KEPT: Final = 1000
"""Most findings of each kind that a comparison with the exchange saves for a repair."""


@click.command(
    help="""Check a database: the file, the names, every candle, and the coverage. Changes nothing in it.

    With --against-exchange it also compares some pages with the exchange: one request for each page, and a second one
    if the page differs.

    \b
    Reads:    the database
    Writes:   only with --against-exchange: what differs, into candles.db.found.json
              beside the database, where `rxcandles repair` finds it
    Network:  only with --against-exchange

    \b
    rxcandles verify
    rxcandles verify KRW-BTC 1m --db candles.db --against-exchange 20
    rxcandles verify --against-exchange 50 --json > found.json
    """,
    epilog="Exit codes: 0 nothing is wrong; 1 the check failed, or no page could be compared, or with --complete a "
    "series has a gap; 2 an argument is invalid; 3 something is wrong (run rxcandles repair); 4 the file itself is "
    "damaged.",
)
@options.stored_series
@options.existing_db
@options.against_exchange(
    "Also fetch this number of pages from the exchange and compare them: doubtful pages first, then random ones."
)
@options.seed
@options.connection
@options.most
@click.option("--complete", is_flag=True, help="Exit with 1 also if a series has a gap, and name the gaps on stderr.")
@options.tz
@options.as_json
@options.quiet_if_well
@options.gathered
def verify(
    wanted: Wanted, place: Place, output: Output, sample: int | None, seed: int | None, complete: bool
) -> options.Work:
    """Check a database, and print the findings."""

    def work() -> int:
        check_seed(seed, sample)
        which, db, shown = wanted.which(), existing(place.db), most_of(output)
        if output.as_json:
            OBJECTS.expect("verify", {**_VERIFIED, "path": db})
        report = run_async(_verified(place, which, shown, sample, seed))
        differs = bool(EXCHANGE_KINDS & report.counts.keys())
        noted = differs and sample is not None and note_findings(db, report.findings)
        report = _first(report, shown)
        if not report.damaged:
            check_there(db, which, run_async(named_in(db)) if str(which) else ())
        lacking = run_async(lacking_in(db, which)) if complete and not report.damaged else []
        if sample is not None and not report.samples and not report.damaged:
            lacking.append(nothing_compared(db, place.whose()))
        if output.as_json:
            OBJECTS.show_all([report.to_dict()])
        elif not (output.quiet and report.clean):
            advice = f"repair --against-exchange {sample}" if differs and not noted else "repair"
            echo(*report_lines(report, repair=advice))
        for line in lacking:
            echo(f"rxcandles: {line}", err=True)
        return DAMAGED if report.damaged else WRONG if not report.clean else INCOMPLETE if lacking else 0

    return work


async def _verified(place: Place, which: Which, shown: int, sample: int | None, seed: int | None) -> VerificationReport:
    kept = shown if sample is None else max(shown, KEPT)
    check = partial(verify_file, place.db, which.symbols or None, which.timeframes or None, most=kept)
    if sample is None:
        return await check()
    async with place.beside().connect() as provider:
        return await check(exchange=provider.exchange, limiter=provider.limiter, sample=sample, seed=seed)


def _first(report: VerificationReport, most: int) -> VerificationReport:
    """Return the report with at most ``most`` findings of each kind."""
    left, shown = Counter[str](), []
    for each in report.findings:
        left[each.kind] += 1
        if left[each.kind] <= most:
            shown.append(each)
    return attrs.evolve(report, findings=tuple(shown))
