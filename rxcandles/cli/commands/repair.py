"""``rxcandles repair``: remove from a database what is wrong, and fetch it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.board import fetched_of
from rxcandles.cli.display import Output, progress_shown
from rxcandles.cli.findings_file import forget_findings, noted_findings, read_findings
from rxcandles.cli.findings_text import (
    DAMAGED,
    INCOMPLETE,
    WRONG,
    check_seed,
    holds,
    most_of,
    nothing_asked,
    nothing_compared,
    repair_lines,
)
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.place import Place
from rxcandles.cli.runner import Interrupted, run_async
from rxcandles.cli.stored import check_there, existing, named_in
from rxcandles.cli.text import echo
from rxcandles.cli.times import ZONE, home
from rxcandles.cli.wanted import Wanted
from rxcandles.errors import RequestError
from rxcandles.exchanges.named import Named
from rxcandles.integrity.findings import RepairReport
from rxcandles.integrity.repair import repair as repair_file
from rxcandles.model import Request
from rxcandles.model.moments import read_length, read_time
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.timeframe import meant_by
from rxcandles.model.which import Which
from rxcandles.ports.declared import timeframes_of
from rxcandles.util.arguments import refusal

__all__ = ["repair"]

_REPAIRED: Final = dict.fromkeys([*(each.name for each in attrs.fields(RepairReport)), "repaired", "dry_run"])

_CODE: Final = re.compile(r"[0-9]+[A-Z]{2,}[0-9A-Z]*", re.ASCII)
"""A market code that begins with digits, such as ``1000BONK``, and is not a length of time."""

ALL: Final = "all"
"""The value of ``--refetch`` if it has no span."""


@attrs.frozen
class How:
    """What a repair should do."""

    dry_run: bool = False
    sample: int | None = None
    seed: int | None = None
    report: str | None = None
    """A file with findings."""
    refetch: str | None = None
    """``ALL`` or a span; or the first word, if the option stands before the words and has no span."""
    absences: bool = False
    into: str | None = None


@click.command(
    help="""Remove from a database what is wrong, and fetch exactly that again.

    First it deletes what is wrong in the file itself, such as candles with invalid values. What the exchange no longer
    has does not come back: run it with --dry-run first, and keep a copy of the file. Only series of one exchange are
    repaired, that of --exchange or --name.

    Candles that differ from the exchange are replaced when the new page has arrived. A candle that the exchange does
    not have is deleted only after two answers. If a whole page differs, the pages beside it are fetched too; --refetch
    fetches all pages. Findings of an earlier `rxcandles verify --against-exchange` are repaired too.

    \b
    Reads:    the database, and candles.db.found.json beside it
    Writes:   the database; with --dry-run nothing; with --into only the new file
    Network:  asks the exchange for what was deleted or differs; with --dry-run only for
              --against-exchange

    \b
    rxcandles repair --dry-run
    rxcandles repair --db candles.db
    rxcandles repair --against-exchange 50
    rxcandles verify --against-exchange 50 --json > found.json; rxcandles repair --from found.json
    rxcandles repair KRW-BTC 1m --absences
    rxcandles repair KRW-BTC 1m --refetch 2024-01-01/2024-02-01
    rxcandles repair --db candles.db --into saved.db
    """,
    epilog="Exit codes: 0 nothing is left to repair; 1 failed, or the exchange could not be asked about anything; "
    "2 an argument is invalid; 3 something is left to repair; 4 the file itself is damaged (see --into).",
)
@options.stored_series
@options.existing_db
@click.option("--dry-run", is_flag=True, help="Only show what would be done; change nothing.")
@options.against_exchange("First compare SAMPLE pages with the exchange, as verify does; repair what differs.")
@options.seed
@click.option(
    "--from",
    "report",
    metavar="FILE",
    help="Repair the findings in this output of `verify --against-exchange N --json`; - is stdin.",
)
@click.option(
    "--refetch", "refetch", is_flag=False, flag_value=ALL, default=None, metavar="[SPAN]",
    help="Fetch all stored candles again, or those of a SPAN: 30d, 2024-01-01 (until now), 2024-01-01/2024-02-01. "
    "Stored candles stay until their new page has arrived.",
)  # fmt: skip
@click.option("--absences", is_flag=True, help="Ask the exchange now about all provisional spans.")
@click.option(
    "--into", metavar="NEW", help="Copy what can be read of a damaged file into the new file NEW, and repair that."
)
@options.connection
@options.most
@options.tz
@options.as_json
@options.quiet_if_well
@options.takes(how=How)
@options.gathered
def repair(wanted: Wanted, place: Place, output: Output, how: How) -> options.Work:
    """Repair a database, and print what was done and what is left."""

    def work() -> int:
        check_seed(how.seed, how.sample)
        existing(place.db)
        words, anew = _anew(how.refetch, place.kind)
        which = attrs.evolve(wanted, words=(*words, *wanted.words)).which()
        if output.as_json:
            OBJECTS.expect("repair", {**_REPAIRED, "dry_run": how.dry_run})
        done = _repaired(place, which, output, how, anew)
        db, whose, damaged = how.into or place.db, place.whose(), done.before.damaged
        if not damaged:
            check_there(db, which, run_async(named_in(db)) if str(which) else ())
        asks = bool(how.sample or how.absences or how.refetch) and not damaged
        lacking = asks and not done.failures and not holds(db, whose, which)
        if not how.dry_run and not done.failures and noted_findings(place.db):
            forget_findings(place.db, whose, which)
        if output.as_json:
            OBJECTS.show_all([{**done.to_dict(), "dry_run": how.dry_run}])
        elif not (output.quiet and done.before.clean and done.repaired):
            echo(*repair_lines(done, db, whose, how.dry_run))
        if lacking:
            nothing = nothing_asked if how.sample is None else nothing_compared
            echo(f"rxcandles: {nothing(db, whose)}", err=True)
        return DAMAGED if damaged else WRONG if not done.repaired else INCOMPLETE if lacking else 0

    return work


def _repaired(
    place: Place, which: Which, output: Output, how: How, anew: bool | tuple[datetime, datetime]
) -> RepairReport:
    """Repair the database, show the progress, and return the report."""
    findings, others = (noted_findings(place.db), 0) if how.report is None else read_findings(how.report)
    if others and not output.quiet:
        more = f"{how.report!r} does not list all findings: {others:,} more were counted"
        echo(f"note: {more}; run `rxcandles verify` again afterwards", err=True)
    asked: dict[Request, CollectionProgress] = {}
    OBJECTS.coming({place.db: lambda: _so_far(asked.values())})
    with progress_shown("repairing", quiet=output.quiet, page=place.kind.page_limit) as progress:

        def told(request: Request, how_far: CollectionProgress) -> None:
            asked[request] = how_far
            progress(how_far)

        try:
            return run_async(
                repair_file(
                    place.db, place.beside().connect(), symbol=which.symbols or None,
                    timeframe=which.timeframes or None, dry_run=how.dry_run, into=how.into, most=most_of(output),
                    progress_callback=told, findings=findings, sample=how.sample or 0, seed=how.seed,
                    absences=how.absences, refetch=anew,
                )
            )  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted("stopped; run the same command again to continue, or collect") from None


def _so_far(asked: Iterable[CollectionProgress]) -> dict[str, int]:
    """Return what a repair has fetched so far."""
    told = list(asked)
    return {
        "stored": sum(map(fetched_of, told)),
        "requests": sum(each.requests for each in told),
        "revised": sum(each.revised for each in told),
    }


def _anew(refetch: str | None, kind: Named) -> tuple[Sequence[str], bool | tuple[datetime, datetime]]:
    """Return what ``--refetch`` means: a word that belongs to the series, if it has no span, and the span."""
    if refetch is None or refetch == ALL:
        return (), refetch == ALL
    return ((), _span(refetch)) if _is_span(refetch, kind) else ((refetch,), True)


def _is_span(text: str, kind: Named) -> bool:
    """Whether a word is a span: it is not a timeframe, and it is not the code of a market."""
    if not text[:1].isdecimal() or meant_by(text) is not None or "-" in text[:4]:
        return False
    return not (_CODE.fullmatch(text) and _is_market(text, kind))


def _is_market(text: str, kind: Named) -> bool:
    try:
        kind().check(text, timeframes_of(kind)[0])
    except RequestError:
        return False
    return True


def _span(text: str) -> tuple[datetime, datetime]:
    """Return the ends of ``30d``, ``2024-01-01`` or ``2024-01-01/2024-02-01``; the newer end is now if not given."""
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
                "--refetch", text, "write 30d, 2024-01-01 (until now) or 2024-01-01/2024-02-01, or no value for all"
            ) from None
    if start >= now:
        raise refusal("--refetch", text, "give an older end that is before the newer end, or before now")
    return start, now
