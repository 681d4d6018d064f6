"""``rxcandles verify`` and ``rxcandles repair``: whether a database is true, and making it so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.asking import which_of
from rxcandles.cli.coverage import lacking_in
from rxcandles.cli.display import fetched_of, progress_shown
from rxcandles.cli.findingsfile import forget_findings, note_findings, noted_findings, read_findings
from rxcandles.cli.jobs import Interrupted
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.running import run_async
from rxcandles.cli.showntimes import ZONE, at_home, home, span_shown, time_shown, zone_name
from rxcandles.cli.stored import check_there, named_in
from rxcandles.cli.text import counted, echo
from rxcandles.errors import RequestError
from rxcandles.integrity.findings import (
    EXCHANGE_KINDS,
    NOTE_KINDS,
    AbsencesAsked,
    Finding,
    RepairReport,
    RepairStep,
    VerificationReport,
)
from rxcandles.integrity.repair import repair as repair_file
from rxcandles.integrity.verify import verify as verify_file
from rxcandles.model import Request
from rxcandles.model.advice import db_option, source_options, where_options
from rxcandles.model.moments import read_length, read_time
from rxcandles.model.naming import EXCHANGES
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.timeframe import meant_by
from rxcandles.modes.connect import asked_name, connect
from rxcandles.util.arguments import refusal

__all__ = ["repair", "verify"]

WRONG: Final = 3
DAMAGED: Final = 4
INCOMPLETE: Final = 1

_VERIFIED: Final = dict.fromkeys([*(each.name for each in attrs.fields(VerificationReport)), "clean", "damaged"])
_REPAIRED: Final = dict.fromkeys([*(each.name for each in attrs.fields(RepairReport)), "repaired", "dry_run"])

ALL: Final = "all"
"""What ``--refetch`` stands for without a span."""

KEPT: Final = 1000
"""Findings of a kind that a comparison with the exchange notes for a repair."""

_most = click.option(
    "--most",
    type=click.IntRange(1),
    default=None,
    help="Findings to show of each kind.  [default: 10; 1000 for --json]",
)
_seed = click.option("--seed", type=int, help="Seed for choosing the same pages again.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Show no progress, and print nothing if all is well.")


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
@_seed
@options.exchange
@_most
@click.option("--complete", is_flag=True, help="Also exit with 1 if a series has missing candles in between.")
@options.tz
@options.as_json
@_quiet
def verify(**asked: Any) -> options.Work:
    """Check a database: the file, the names, every candle, and the record of what is complete. Changes nothing."""
    return lambda: _verify(**asked)


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
@_seed
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
@_most
@options.tz
@options.as_json
@_quiet
def repair(**asked: Any) -> options.Work:
    """Remove from a database what is wrong, and fetch exactly that again."""
    return lambda: _repair(**asked)


def _verify(
    words: Sequence[str], symbols: Sequence[str], timeframes: Sequence[str], db: str,
    sample: int | None, seed: int | None, exchange: str,
    base_url: str | None, name: str | None, rate_limit: Any, most: int | None, as_json: bool, quiet: bool,
    complete: bool,
) -> int:  # fmt: skip
    _check_seed(seed, sample)
    options.existing(db)
    which = which_of(words, symbols, timeframes)

    shown = _most_of(most, as_json)

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
        lacking.append(_nothing_compared(db, run_async(asked_name(exchange, base_url, name))))
    if as_json:
        OBJECTS.show_all([report.to_dict()])
    elif not (quiet and report.clean):
        differs = bool(EXCHANGE_KINDS & report.counts.keys())
        for line in _lines(report, repair=f"repair --against-exchange {sample}" if differs and not noted else "repair"):
            echo(line)
    for line in lacking:
        echo(f"rxcandles: {line}", err=True)
    return DAMAGED if report.damaged else WRONG if not report.clean else INCOMPLETE if lacking else 0


def _nothing_compared(db: str, whose: str) -> str:
    """Say that there was nothing to ask an exchange about, and whose candles there are."""
    others = sorted({each.exchange for each in run_async(named_in(db))} - {whose})
    hint = f"; it has candles of {others[0]!r}: add{source_options(others[0])}" if others else ""
    return f"no page was compared: {db} holds nothing of {whose!r} that is older than an hour{hint}"


def _first(report: VerificationReport, most: int) -> VerificationReport:
    """Return a report with no more findings of each kind."""
    left, shown = Counter[str](), []
    for each in report.findings:
        left[each.kind] += 1
        if left[each.kind] <= most:
            shown.append(each)
    return attrs.evolve(report, findings=tuple(shown))


def _check_seed(seed: int | None, sample: int | None) -> None:
    if seed is not None and sample is None:
        raise RequestError("--seed is given without --against-exchange, which it is for")


def _most_of(most: int | None, as_json: bool) -> int:
    """What is for people is short; what a repair may be made of is not."""
    return most or (1000 if as_json else 10)


def _repair(
    words: Sequence[str], symbols: Sequence[str], timeframes: Sequence[str], db: str,
    dry_run: bool, sample: int | None, seed: int | None,
    report: str | None, refetch: str | None, absences: bool, into: str | None, exchange: str,
    base_url: str | None, name: str | None, rate_limit: Any, most: int | None, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    _check_seed(seed, sample)
    options.existing(db)
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
                    dry_run=dry_run, into=into, most=_most_of(most, as_json), progress_callback=told,
                    findings=findings, sample=sample or 0, seed=seed, absences=absences, refetch=anew,
                )
            )  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted("stopped; the same command goes on from there, and so does collecting") from None
    if not done.before.damaged:
        check_there(into or db, which, run_async(named_in(into or db)) if str(which) else ())
    whose = run_async(asked_name(exchange, base_url, name))
    lacking = (sample or absences or refetch) and not done.before.damaged and not _holds(into or db, whose)
    if not dry_run and not done.failures and noted_findings(db):
        forget_findings(db, whose, which)
    if as_json:
        OBJECTS.show_all([{**done.to_dict(), "dry_run": dry_run}])
    elif not (quiet and done.before.clean and done.repaired):
        for line in _repair_lines(done, into or db, whose, dry_run):
            echo(line)
    if lacking:
        echo(f"rxcandles: {_nothing_compared(into or db, whose)}", err=True)
    return DAMAGED if done.before.damaged else WRONG if not done.repaired else INCOMPLETE if lacking else 0


def _holds(db: str, whose: str) -> bool:
    """Return whether a database has any series of an exchange."""
    return whose in {each.exchange for each in run_async(named_in(db))}


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


def _lines(report: VerificationReport, *, repair: str = "repair") -> Iterator[str]:
    yield from _finding_lines(report)
    sampled = f", {counted(report.samples, 'page')} compared with the exchange" if report.samples else ""
    imported = f", {counted(report.imported, 'imported candle')}, none proven" if report.imported else ""
    seen = (
        f"{report.path}: {report.series:,} series, {counted(report.candles, 'candle')}, {counted(report.spans, 'span')}"
        f"{imported}{sampled}"
    )
    if report.damaged:
        yield f"{report.path} is damaged and can't be repaired in place: restore a copy, collect again into a new file,"
        yield f"or save what can be read and fetch the rest: rxcandles repair{db_option(report.path)} --into NEW"
    elif report.clean:
        yield f"{seen}; nothing is wrong{_notes(report)}"
    else:
        wrong = counted(report.wrong, "finding")
        asked = source_options(_exchange_of(report))
        yield f"{seen}; {wrong}; rxcandles {repair}{db_option(report.path)}{asked} --dry-run says what to do"


def _exchange_of(report: VerificationReport) -> str:
    """Return whose series are wrong; the usual exchange where they are of several, as a repair is of one at a time."""
    exchanges = {each.exchange for each in report.findings if each.kind not in NOTE_KINDS and each.exchange}
    return exchanges.pop() if len(exchanges) == 1 else EXCHANGES[0]


def _notes(report: VerificationReport) -> str:
    """What is worth knowing, in a few words each."""
    told = ""
    if absences := report.counts.get("provisional_absence", 0):
        verb = "is" if absences == 1 else "are"
        told += f"; {counted(absences, 'absence')} {verb} provisional, and will be asked about again"
    if impossible := report.counts.get("impossible_answer", 0):
        verb = "is" if impossible == 1 else "are"
        told += f"; {counted(impossible, 'candle')} {verb} not held, as the exchange's can't be true"
    if places := report.counts.get("two_scales", 0):
        told += f"; prices change their scale at {counted(places, 'place')}, see --against-exchange"
    if refused := report.counts.get("not_compared", 0):
        told += f"; {refused:,} series could not be compared"
    return told


def _finding_lines(report: VerificationReport) -> Iterator[str]:
    for kind, count in report.counts.items():
        shown = [finding for finding in report.findings if finding.kind == kind]
        yield from map(_finding_line, shown)
        if count > len(shown):
            yield f"{kind}: {count - len(shown):,} more"


def _finding_line(finding: Finding) -> str:
    where = " ".join(filter(None, (finding.exchange, finding.symbol, finding.timeframe)))
    span = "" if finding.start is None or finding.stop is None else f", {span_shown(finding.start, finding.stop)}"
    return f"{finding.kind}: {where}{span}{': ' if where else ''}{at_home(finding.detail)}"


def _repair_lines(report: RepairReport, db: str, exchange: str, dry_run: bool) -> Iterator[str]:
    if report.before.damaged or (report.after == report.before and report.before.clean and not report.requests):
        yield from _lines(report.before)
        return
    yield from _finding_lines(report.before)
    for step in report.steps:
        yield _step_line(step, "would be " if dry_run else "")
    left = report.before
    if report.after is not None:
        left = report.after
        requests = counted(report.requests, "request")
        revised = f", {report.revised:,} replaced" if report.revised else ""
        yield f"{counted(report.removed, 'candle')} deleted, {report.stored:,} stored{revised} with {requests}"
        if report.absences is not None:
            yield _absences_line(report.absences)
        yield from map(at_home, report.failures)
        yield f"{db}: {'nothing is wrong now' if left.clean else 'this is left'}"
        yield from _finding_lines(left)
    if dry_run:
        yield "nothing was changed; run it without --dry-run to do this"
    others = {finding.exchange for finding in left.findings if finding.kind not in NOTE_KINDS}
    for other in sorted(others - {exchange, ""}):
        only = " --dry-run" if dry_run else ""
        yield f"of exchange {other}, which this did not ask: rxcandles repair{where_options(db, other)}{only}"


def _absences_line(asked: AbsencesAsked) -> str:
    left = f"; {counted(asked.left, 'doubtful absence')} left"
    until = "" if asked.until is None else f", the last to be settled at {time_shown(asked.until)} {zone_name()}"
    healed = f"{asked.healed:,} had candles, {asked.candles:,} stored"
    return f"{counted(asked.asked, 'doubtful absence')} asked about: {healed}{left}{until}"


def _step_line(step: RepairStep, would: str) -> str:
    name = f"{step.exchange} {step.symbol} {step.timeframe}"
    if step.action == "remove":
        return f"{name}: {would}removed, with {counted(step.candles, 'candle')} and {counted(step.spans, 'span')}"
    if step.action == "question":
        what = f"{counted(step.candles, 'candle')} in {counted(step.spans, 'span')}"
        return f"{name}: {would}asked for anew: {what}, which stay until the new page has come"
    return (
        f"{name}: {would}taken out of the ledger: {counted(step.spans, 'span')}, with "
        f"{counted(step.candles, 'candle')}; "
        f"{counted(step.slots, 'slot')} {would}fetched again"
        + (f"; {counted(step.claims, 'claim')} {would}put right" if step.claims else "")
    )
