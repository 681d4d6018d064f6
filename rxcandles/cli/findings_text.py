"""Text for people about the report of a check or a repair of a database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rxcandles.cli.display import Output
from rxcandles.cli.runner import run_async
from rxcandles.cli.stored import named_in
from rxcandles.cli.text import counted
from rxcandles.cli.times import at_home, span_shown, time_shown, zone_name
from rxcandles.errors import RequestError
from rxcandles.integrity.findings import (
    NOTE_KINDS,
    AbsencesAsked,
    Finding,
    RepairReport,
    RepairStep,
    VerificationReport,
)
from rxcandles.model.advice import db_option, source_options, where_options
from rxcandles.model.naming import EXCHANGES
from rxcandles.model.which import Which

__all__ = [
    "DAMAGED",
    "INCOMPLETE",
    "WRONG",
    "check_seed",
    "holds",
    "most_of",
    "nothing_asked",
    "nothing_compared",
    "repair_lines",
    "report_lines",
]

INCOMPLETE: Final = 1
WRONG: Final = 3
DAMAGED: Final = 4
"""Exit codes."""


def report_lines(report: VerificationReport, *, repair: str = "repair") -> Iterator[str]:
    """Yield the findings of a check, and the command that repairs them: ``repair`` with its options."""
    yield from _finding_lines(report)
    sampled = f", {counted(report.samples, 'page')} compared with the exchange" if report.samples else ""
    imported = f", {counted(report.imported, 'imported candle')}, not proven" if report.imported else ""
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
    """Return the exchange of the findings; the usual one if there are several, since a repair asks one at a time."""
    exchanges = {each.exchange for each in report.findings if each.kind not in NOTE_KINDS and each.exchange}
    return exchanges.pop() if len(exchanges) == 1 else EXCHANGES[0]


def _notes(report: VerificationReport) -> str:
    """Return notes about findings that are not faults, a few words each."""
    told = ""
    if absences := report.counts.get("provisional_absence", 0):
        verb = "is" if absences == 1 else "are"
        told += f"; {counted(absences, 'absence')} {verb} provisional, and will be asked about again"
    if impossible := report.counts.get("impossible_answer", 0):
        verb = "is" if impossible == 1 else "are"
        told += (
            f"; {counted(impossible, 'candle')} {verb} impossible and not stored: the exchange's values can't be true"
        )
    if places := report.counts.get("two_scales", 0):
        told += f"; prices change their scale at {counted(places, 'place')}: check with --against-exchange"
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


def repair_lines(report: RepairReport, db: str, exchange: str, dry_run: bool) -> Iterator[str]:
    """Yield what a repair found, what it did, and what is left."""
    if report.before.damaged or (report.after == report.before and report.before.clean and not report.requests):
        yield from report_lines(report.before)
        return
    yield from _finding_lines(report.before)
    for step in report.steps:
        yield _step_line(step, "would be " if dry_run else "")
    left = report.before
    if report.after is not None:
        left = report.after
        requests = counted(report.requests, "request")
        revised = f", {report.revised:,} replaced" if report.revised else ""
        yield f"{counted(report.removed, 'candle')} deleted, {report.stored:,} new stored{revised} with {requests}"
        if report.absences is not None:
            yield _absences_line(report.absences)
        yield from map(at_home, report.failures)
        yield f"{db}: {'nothing is wrong now' if left.clean else 'these findings are left:'}"
        yield from _finding_lines(left)
    if dry_run:
        yield "nothing was changed; run the command without --dry-run to do this"
    others = {finding.exchange for finding in left.findings if finding.kind not in NOTE_KINDS}
    for other in sorted(others - {exchange, ""}):
        only = " --dry-run" if dry_run else ""
        yield f"not repaired, because they are of exchange {other}: rxcandles repair{where_options(db, other)}{only}"


def _absences_line(asked: AbsencesAsked) -> str:
    left = f"; {counted(asked.left, 'provisional absence')} left"
    until = "" if asked.until is None else f"; the last can be final at {time_shown(asked.until)} {zone_name()}"
    healed = f"{asked.healed:,} had candles, {asked.candles:,} stored"
    return f"{counted(asked.asked, 'provisional absence')} asked about again: {healed}{left}{until}"


def _step_line(step: RepairStep, would: str) -> str:
    name = f"{step.exchange} {step.symbol} {step.timeframe}"
    if step.action == "remove":
        return f"{name}: {would}removed, with {counted(step.candles, 'candle')} and {counted(step.spans, 'span')}"
    if step.action == "question":
        what = f"{counted(step.candles, 'candle')} in {counted(step.spans, 'span')}"
        return f"{name}: {would}fetched again: {what}, which stay until the new page has arrived"
    return (
        f"{name}: {would}removed from the coverage: {counted(step.spans, 'span')}, with "
        f"{counted(step.candles, 'candle')}; "
        f"{counted(step.slots, 'slot')} {would}fetched again"
        + (f"; {counted(step.claims, 'claim')} {would}corrected" if step.claims else "")
    )


def nothing_compared(db: str, whose: str) -> str:
    """Return a line that says that no page could be compared, and from which exchange candles are stored."""
    return f"no page was compared: {db} has no candles of {whose!r} that are older than an hour{_instead(db, whose)}"


def nothing_asked(db: str, whose: str) -> str:
    """Return a line that says that nothing was fetched again, and from which exchange candles are stored."""
    return f"nothing was fetched again: {db} has no such candles of {whose!r}{_instead(db, whose)}"


def _instead(db: str, whose: str) -> str:
    others = sorted({each.exchange for each in run_async(named_in(db, covered=True))} - {whose})
    if not others:
        return ""
    options = source_options(others[0])
    instead = f"add{options}" if options else "leave out --exchange, --base-url and --name"
    return f"; it has candles of {others[0]!r}: {instead}"


def check_seed(seed: int | None, sample: int | None) -> None:
    """Raise :class:`RequestError` if a seed is given without a sample."""
    if seed is not None and sample is None:
        raise RequestError(
            f"--seed {seed} is given without --against-exchange; add --against-exchange, or leave out --seed"
        )


def most_of(output: Output) -> int:
    """Return the most findings to show of each kind: few for people, more in JSON, which a repair may read."""
    return output.most or (1000 if output.as_json else 10)


def holds(db: str, whose: str, which: Which) -> bool:
    """Return whether a database has anything of an exchange that fits ``which``."""
    there = run_async(named_in(db, covered=True))
    return any(each.exchange == whose and which.fits(each.symbol, each.timeframe) for each in there)
