"""``rxcandles verify``: whether a database is true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.findings_file import note_findings
from rxcandles.cli.findings_text import (
    DAMAGED,
    INCOMPLETE,
    WRONG,
    check_seed,
    most_of,
    most_option,
    nothing_compared,
    quiet_option,
    report_lines,
    seed_option,
)
from rxcandles.cli.held import lacking_in
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.runner import run_async
from rxcandles.cli.stored import check_there, existing, named_in
from rxcandles.cli.text import echo
from rxcandles.cli.wanted import which_of
from rxcandles.integrity.findings import (
    EXCHANGE_KINDS,
    VerificationReport,
)
from rxcandles.integrity.verify import verify as verify_file
from rxcandles.modes.connect import asked_name, connect

__all__ = ["verify"]


_VERIFIED: Final = dict.fromkeys([*(each.name for each in attrs.fields(VerificationReport)), "clean", "damaged"])


KEPT: Final = 1000
"""Findings of a kind that a comparison with the exchange notes for a repair."""


@click.command(
    help="""Check a database: the file, the names, every candle, and the record of what is complete. Changes nothing.

    With --against-exchange each page is one request, and a second one if the page differs. What differs is noted in a
    file beside the database (candles.db.found.json), which `rxcandles repair` reads.

    \b
    rxcandles verify
    rxcandles verify KRW-BTC 1m --db candles.db --against-exchange 20
    rxcandles verify --against-exchange 50 --json > found.json
    """,
    epilog="Exit codes: 0 nothing is wrong, 1 the check failed, or compared nothing (or --complete: candles are "
    "missing), 2 invalid "
    "arguments, 3 something is wrong (rxcandles repair), 4 the file itself is damaged.",
)
@options.stored_series
@options.existing_db
@click.option(
    "--against-exchange", "sample", type=click.IntRange(1, 1_000_000), metavar="SAMPLE", default=None,
    help="Also fetch SAMPLE pages from the exchange and compare them: doubtful ones first, then random ones.",
)  # fmt: skip
@seed_option
@options.exchange
@most_option
@click.option("--complete", is_flag=True, help="Also exit with 1 if a series has missing candles in between.")
@options.tz
@options.as_json
@quiet_option
def verify(**asked: Any) -> options.Work:
    """Check a database: the file, the names, every candle, and the record of what is complete. Changes nothing."""
    return lambda: _verify(**asked)


def _verify(
    words: Sequence[str], symbols: Sequence[str], timeframes: Sequence[str], db: str,
    sample: int | None, seed: int | None, exchange: str,
    base_url: str | None, name: str | None, rate_limit: Any, most: int | None, as_json: bool, quiet: bool,
    complete: bool,
) -> int:  # fmt: skip
    check_seed(seed, sample)
    existing(db)
    which = which_of(words, symbols, timeframes)

    shown = most_of(most, as_json)

    async def work() -> VerificationReport:
        most_kept = shown if sample is None else max(shown, KEPT)
        check = partial(verify_file, db, which.symbols or None, which.timeframes or None, most=most_kept)
        if sample is None:
            return await check()
        async with connect(":memory:", exchange, base_url, rate_limit, name=name) as provider:
            return await check(exchange=provider.exchange, limiter=provider.limiter, sample=sample, seed=seed)

    if as_json:
        OBJECTS.expect("verify", {**_VERIFIED, "path": db})
    report = run_async(work())
    noted = sample is not None and bool(EXCHANGE_KINDS & report.counts.keys()) and note_findings(db, report.findings)
    report = _first(report, shown)
    if not report.damaged:
        check_there(db, which, run_async(named_in(db)) if str(which) else ())
    lacking = run_async(lacking_in(db, which)) if complete and not report.damaged else []
    if sample is not None and not report.samples and not report.damaged:
        lacking.append(nothing_compared(db, run_async(asked_name(exchange, base_url, name))))
    if as_json:
        OBJECTS.show_all([report.to_dict()])
    elif not (quiet and report.clean):
        differs = bool(EXCHANGE_KINDS & report.counts.keys())
        advice = f"repair --against-exchange {sample}" if differs and not noted else "repair"
        for line in report_lines(report, repair=advice):
            echo(line)
    for line in lacking:
        echo(f"rxcandles: {line}", err=True)
    return DAMAGED if report.damaged else WRONG if not report.clean else INCOMPLETE if lacking else 0


def _first(report: VerificationReport, most: int) -> VerificationReport:
    """Return a report with no more findings of each kind."""
    left, shown = Counter[str](), []
    for each in report.findings:
        left[each.kind] += 1
        if left[each.kind] <= most:
            shown.append(each)
    return attrs.evolve(report, findings=tuple(shown))
