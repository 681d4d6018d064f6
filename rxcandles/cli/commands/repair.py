"""``rxcandles verify`` and ``rxcandles repair``: whether a database is true, and making it so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.board import fetched_of
from rxcandles.cli.display import progress_shown
from rxcandles.cli.findings_file import forget_findings, noted_findings, read_findings
from rxcandles.cli.findings_text import (
    DAMAGED,
    INCOMPLETE,
    WRONG,
    check_seed,
    holds,
    most_of,
    most_option,
    nothing_compared,
    quiet_option,
    repair_lines,
    seed_option,
)
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.runner import Interrupted, run_async
from rxcandles.cli.stored import check_there, existing, named_in
from rxcandles.cli.text import echo
from rxcandles.cli.times import ZONE, home
from rxcandles.cli.wanted import which_of
from rxcandles.errors import RequestError
from rxcandles.integrity.findings import (
    RepairReport,
)
from rxcandles.integrity.repair import repair as repair_file
from rxcandles.model import Request
from rxcandles.model.moments import read_length, read_time
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.timeframe import meant_by
from rxcandles.modes.connect import asked_name
from rxcandles.util.arguments import refusal

__all__ = ["repair"]


_REPAIRED: Final = dict.fromkeys([*(each.name for each in attrs.fields(RepairReport)), "repaired", "dry_run"])

ALL: Final = "all"
"""What ``--refetch`` stands for without a span."""


@click.command(
    help="""Remove from a database what is wrong, and fetch exactly that again.

    Candles that can't be right, as the file itself shows, are deleted first. What the exchange no longer has does not
    come back, so look at --dry-run first and keep a copy. Series of other exchanges than --exchange or --name are not
    touched.

    Candles that differ from the exchange are replaced once the new page has arrived. A candle that the exchange does
    not have is deleted only after two answers. If a whole page was restated, the pages beside it are fetched too;
    --refetch fetches all. What `verify --against-exchange` has found before is repaired too.

    \b
    rxcandles repair --dry-run
    rxcandles repair --db candles.db
    rxcandles repair --against-exchange 50
    rxcandles verify --against-exchange 50 --json > found.json; rxcandles repair --from found.json
    rxcandles repair KRW-BTC 1m --absences
    rxcandles repair KRW-BTC 1m --refetch 2024-01-01/2024-02-01
    rxcandles repair --db candles.db --into saved.db
    """,
    epilog="Exit codes: 0 nothing is left to repair, 1 failed, or there was nothing to ask about, 2 invalid arguments, "
    "3 something is left, 4 the file itself is damaged (--into).",
)
@options.stored_series
@options.existing_db
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option(
    "--against-exchange", "sample", type=click.IntRange(1, 1_000_000), metavar="SAMPLE", default=None,
    help="First compare SAMPLE pages with the exchange, as verify does, and repair what differs.",
)  # fmt: skip
@seed_option
@click.option(
    "--from", "report", metavar="FILE", help="Repair what `verify --against-exchange N --json` found; - for stdin."
)
@click.option(
    "--refetch", "refetch", is_flag=False, flag_value=ALL, default=None, metavar="[SPAN]",
    help="Ask anew for all that is held, or for a SPAN of it: 30d, 2024-01-01, 2024-01-01/2024-02-01. What is "
    "stored stays until its page has come.",
)  # fmt: skip
@click.option("--absences", is_flag=True, help="Ask the exchange now about all spans that are empty by one answer.")
@click.option("--into", metavar="NEW", help="Copy what is readable of a damaged file into a new file, and repair that.")
@options.exchange
@most_option
@options.tz
@options.as_json
@quiet_option
def repair(**asked: Any) -> options.Work:
    """Remove from a database what is wrong, and fetch exactly that again."""
    return lambda: _repair(**asked)


def _repair(
    words: Sequence[str], symbols: Sequence[str], timeframes: Sequence[str], db: str,
    dry_run: bool, sample: int | None, seed: int | None,
    report: str | None, refetch: str | None, absences: bool, into: str | None, exchange: str,
    base_url: str | None, name: str | None, rate_limit: Any, most: int | None, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    check_seed(seed, sample)
    existing(db)
    anew: bool | tuple[datetime, datetime] = refetch is not None
    if refetch is not None and refetch != ALL:
        if not _is_span(refetch):  # it stands before the series, without a span
            words = (refetch, *words)
        else:
            anew = _span(refetch)
    which = which_of(words, symbols, timeframes)
    findings, others = (noted_findings(db), 0) if report is None else read_findings(report)
    if others and not quiet:
        echo(f"{report} has not all that was found, {others:,} more: verify again afterwards", err=True)
    asked: dict[Request, CollectionProgress] = {}
    if as_json:
        OBJECTS.expect("repair", {**_REPAIRED, "dry_run": dry_run})
        OBJECTS.coming({db: lambda: _so_far(asked.values())})
    with progress_shown("repairing", quiet=quiet) as progress:

        def told(request: Request, how_far: CollectionProgress) -> None:
            asked[request] = how_far
            progress(how_far)

        try:
            done = run_async(
                repair_file(
                    db, exchange, base_url, rate_limit, name=name,
                    symbol=which.symbols or None, timeframe=which.timeframes or None,
                    dry_run=dry_run, into=into, most=most_of(most, as_json), progress_callback=told,
                    findings=findings, sample=sample or 0, seed=seed, absences=absences, refetch=anew,
                )
            )  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted("stopped; the same command goes on from there, and so does collecting") from None
    if not done.before.damaged:
        check_there(into or db, which, run_async(named_in(into or db)) if str(which) else ())
    whose = run_async(asked_name(exchange, base_url, name))
    lacking = (sample or absences or refetch) and not done.before.damaged and not holds(into or db, whose)
    if not dry_run and not done.failures and noted_findings(db):
        forget_findings(db, whose, which)
    if as_json:
        OBJECTS.show_all([{**done.to_dict(), "dry_run": dry_run}])
    elif not (quiet and done.before.clean and done.repaired):
        for line in repair_lines(done, into or db, whose, dry_run):
            echo(line)
    if lacking:
        echo(f"rxcandles: {nothing_compared(into or db, whose)}", err=True)
    return DAMAGED if done.before.damaged else WRONG if not done.repaired else INCOMPLETE if lacking else 0


def _so_far(asked: Iterable[CollectionProgress]) -> dict[str, int]:
    """Return what a repair has fetched by now."""
    told = list(asked)
    return {
        "stored": sum(map(fetched_of, told)),
        "requests": sum(each.requests for each in told),
        "revised": sum(each.revised for each in told),
    }


def _is_span(text: str) -> bool:
    """Whether a word is meant as a span: it is no timeframe, and no market is called so."""
    return text[:1].isdecimal() and meant_by(text) is None and "-" not in text[:4]


def _span(text: str) -> tuple[datetime, datetime]:
    """Return the times that ``30d``, ``2024-01-01`` or ``2024-01-01/2024-02-01`` say; up to now without a second."""
    now = home(datetime.now(UTC))
    older, slash, newer = text.partition("/")
    try:
        start = read_length("--refetch", text).before(now)
    except RequestError:
        try:
            start = read_time("--refetch", older, ZONE.get())
            now = read_time("--refetch", newer, ZONE.get()) if slash else now
        except RequestError:
            raise refusal(
                "--refetch", text, "write 30d, 2024-01-01 (up to now) or 2024-01-01/2024-02-01, or nothing for all"
            ) from None
    if start >= now:
        raise refusal("--refetch", text, "give a time before the other one, or before now")
    return start, now
