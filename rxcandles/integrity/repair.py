"""Repairing a database: what can't be trusted is taken out of it, and fetched again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from math import ceil
from pathlib import Path
from typing import Any

import attrs

from rxcandles.errors import ExchangeError, RequestError
from rxcandles.exchanges.named import Named
from rxcandles.integrity.compare import compare_some
from rxcandles.integrity.distrust import Untrusted
from rxcandles.integrity.examine import Examination
from rxcandles.integrity.findings import EXCHANGE_KINDS, FILE_KINDS, Finding, RepairReport, Tally, VerificationReport
from rxcandles.integrity.mend import RepairPlan, mend
from rxcandles.integrity.pending import is_unsettled
from rxcandles.integrity.refetch import Asking
from rxcandles.integrity.salvage import salvage
from rxcandles.integrity.snapshot import Snapshot
from rxcandles.integrity.verify import check_looking, verify
from rxcandles.model import Request
from rxcandles.model.moments import Time, Zone, check_instant
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, END
from rxcandles.model.which import Names, Which
from rxcandles.modes.collector import CandleCollector
from rxcandles.modes.connect import Opening, OwnRate, connect
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.ports import Exchange, RateLimiter
from rxcandles.ports.declared import retention
from rxcandles.stores import SqliteStore
from rxcandles.util.arguments import (
    check_callable,
    check_each,
    check_flag,
    check_kind,
    check_path,
    refusal,
)

__all__ = ["repair"]


async def repair(
    path: str | Path,
    exchange: str | Exchange | Opening = "upbit",
    base_url: str | None = None,
    rate_limit: float | OwnRate | None = OwnRate.OWN,
    *,
    name: str | None = None,
    symbol: Names = None,
    timeframe: Names = None,
    dry_run: bool = False,
    into: str | Path | None = None,
    limiter: RateLimiter | None = None,
    share_limit: bool | None = None,
    progress_callback: Callable[[Request, CollectionProgress], None] | None = None,
    most: int = 100,
    now: float | None = None,
    findings: VerificationReport | Iterable[Finding] | None = None,
    sample: int = 0,
    seed: int | None = None,
    absences: bool = False,
    refetch: bool | tuple[Time, Time] = False,
    tz: Zone | None = None,
) -> RepairReport:
    """Repair what ``verify`` finds in a database, and return what was done and what is left.

    In one transaction everything that can't be trusted loses its proof, with the candles in it: the slot of a candle
    that can't be, the empty slots of a span that has too few candles, all of one that has too many, candles outside the
    ledger, all but one spelling of a series. Spans that overlap or touch become one, counts are counted. Then just that
    is fetched from the ``exchange`` by the usual pipeline. Killed in between, the next repair goes on with it, and so
    does any collection that asks for it. Nothing is fetched for series of other exchanges, which are left as they are,
    and nothing deleted for want of a proof that the exchange no longer keeps (candles of a second). ``dry_run`` only
    says what would be done, and opens nothing for writing. With ``into`` what can be read of the file is copied into
    that new one first, and that is repaired.

    What :func:`verify` has found against the exchange is repaired, too: ``findings`` is its report, or some findings of
    one; or ``sample`` pages, chosen by ``seed``, are compared first. They are questions only, and the exchange decides.
    An absence in which it has a candle loses its proof as a whole and is fetched. Around a candle that it lacks or has
    with other values, a page is asked anew: what is stored stays until then, and is deleted only when a second answer,
    over another connection, lacks it too.

    History that the exchange has restated, such as by a redenomination, is more than a page: where more than a tenth
    of a page that was asked anew has changed, the pages beside it are asked anew, too, up to the first that has not.
    With ``refetch`` all that is held is asked anew, or all of it between two times, in ``tz`` where they
    name no zone; what is stored stays until its page has come.

    With ``absences`` the exchange is asked about all doubtful absences now, over other connections, due or not.
    Candles that it has after all are stored. An answer that says the same makes final only what has had its time.

    ``exchange`` to ``name``, ``limiter`` and ``share_limit`` are those of :func:`connect`, the others those of
    :func:`verify`. ``exchange`` may also be what ``connect(":memory:", …)`` returns, with all that it was given.
    ``progress_callback`` is called for every page, on the event loop. In memory are the doubtful spans and a few pages.
    A file that SQLite can't read all of is not touched (``before.damaged``): it needs ``into``. What can't be fetched
    is no error but among ``failures``, and in the end of ``after``. Raises ``RequestError``, ``SchemaError`` and
    ``StoreError``.
    """
    check_flag("dry_run", dry_run)
    check_flag("absences", absences)
    anew = _anew(refetch, tz)
    which = check_looking(symbol, timeframe, most, sample, seed, now)
    given = _given(findings)
    check_callable("progress_callback", progress_callback, optional=True)
    if into is not None:
        check_path("into", into)
    if dry_run and into is not None:
        raise RequestError(f"into is {str(into)!r}, but a dry run writes nothing; leave out one of the two")
    original, path = path, path if into is None else into
    # Not with the file: what asks the exchange first is a comparison, which writes nothing.
    how: dict[str, Any] = {"base_url": base_url, "name": name, "limiter": limiter, "share_limit": share_limit}
    if not isinstance(exchange, Opening):
        opening = connect(":memory:", exchange, rate_limit=rate_limit, **how)
    elif rate_limit is not OwnRate.OWN or any(value is not None for value in how.values()):
        raise RequestError(f"{', '.join(['rate_limit', *how])} are given to connect; leave them out here")
    else:
        opening = exchange
    check_path("path", path)
    source, whose = opening.source, await opening.whose()

    async with AsyncExitStack() as stack:
        if not isinstance(exchange, str | Opening):
            stack.push_async_callback(exchange.close)
        provider = _Once(stack, opening)
        if into is not None:
            await salvage(original, into)
        look = _Look(str(path), which, now, most, whose, source)
        report, plan, done = await look.over(path, provider, sample, seed, given, anew)
        if dry_run or report.before.damaged:
            return report
        failures = [*report.failures]
        if done and not failures and not plan.mendings and not absences:
            return attrs.evolve(report, after=report.before)
        async with SqliteStore(path, exchange=whose) as store:
            removed = await store.call(mend, plan)
            asking = Asking(store, which, progress_callback, now, failures, spreads=anew is None)
            if await asking.wanted(absences=absences):
                opened = await provider()
                collector = CandleCollector(store, opened.exchange, opened.limiter)
                await asking.go(collector, opened.exchange, absences=absences)
        after = await verify(path, which.symbols or None, which.timeframes or None, most=most, now=now)
        return attrs.evolve(
            report,
            removed=removed + asking.removed,
            stored=asking.stored,
            revised=asking.revised,
            requests=asking.requests,
            failures=tuple(failures),
            absences=asking.absences if absences else None,
            after=after,
        )


class _Once:
    """Opens a provider when it is first needed, and only once."""

    def __init__(self, stack: AsyncExitStack, opening: Opening) -> None:
        self._stack = stack
        self._opening = opening
        self._opened: CandleDataProvider | None = None

    async def __call__(self) -> CandleDataProvider:
        if self._opened is None:
            self._opened = await self._stack.enter_async_context(self._opening)
        return self._opened


class _Look:
    """Looking at a file: what is wrong with it, and what is to be done about that."""

    def __init__(
        self,
        path: str,
        which: Which,
        now: float | None,
        most: int,
        whose: str,
        source: Exchange | Named,
    ) -> None:
        self._path = path
        self._which = which
        self._now = now
        self._whose = whose
        self._source = source
        self._tally = Tally(most)
        self._compared: list[Finding] = []
        self._samples = 0

    @property
    def damaged(self) -> bool:
        """Whether the file itself is at fault."""
        return bool(FILE_KINDS & self._tally.counts.keys())

    async def over(
        self,
        path: str | Path,
        provider: _Once,
        sample: int,
        seed: int | None,
        given: Iterable[Finding],
        anew: Span | None,
    ) -> tuple[RepairReport, RepairPlan, bool]:
        """Return what is wrong with the file, what is to be done about it, and whether nothing is left to be done.

        That is a report of a repair that has done nothing yet; ``sample`` pages are compared with the exchange.
        """
        failures: tuple[str, ...] = ()
        async with Snapshot(path) as snapshot:
            await snapshot.call(self.begin)
            if sample and not self.damaged:
                try:
                    await self.compare(snapshot, await provider(), sample, seed)
                except ExchangeError as error:
                    failures = (f"not compared with the exchange: {error}",)
            before, plan, done = await snapshot.call(lambda connection: self.end(connection, given, anew))
        report = RepairReport(
            before=before,
            steps=plan.steps,
            removed=sum(step.candles for step in plan.steps if step.action != "question"),
            stored=0,
            requests=0,
            failures=failures,
            after=None,
        )
        return report, plan, done

    def begin(self, connection: sqlite3.Connection) -> None:
        """Look at all that the file itself shows."""
        self._examination = Examination(connection, self._path, self._which, now=self._now)
        self._untrusted = Untrusted(
            connection,
            self._examination,
            exchange=self._whose,
            page=self._source.page_limit,
            kept=retention(self._source),
        )
        for finding in self._examination.findings():
            self._tally.add(finding)
            self._untrusted.add(finding)

    async def compare(self, snapshot: Snapshot, there: CandleDataProvider, sample: int, seed: int | None) -> None:
        """Hold some of it against the exchange."""
        self._compared, self._samples = await compare_some(
            snapshot, self._examination, there.exchange, there.limiter, None, sample, seed
        )

    def end(
        self, connection: sqlite3.Connection, given: Iterable[Finding], anew: Span | None
    ) -> tuple[VerificationReport, RepairPlan, bool]:
        """Return what is wrong, what is to be done about it, and whether that is nothing."""
        for finding in self._compared:
            self._tally.add(finding)
        report = attrs.evolve(self._examination.report(self._tally), samples=self._samples)
        if not report.damaged:
            for finding in (*self._compared, *given):
                self._untrusted.add(finding)
            if anew is not None:
                self._untrusted.ask_anew(anew)
        return report, self._untrusted.plan(), report.clean and not is_unsettled(connection)


def _anew(refetch: bool | tuple[Time, Time], tz: Zone | None) -> Span | None:
    """Return the span of which all is asked anew, or None."""
    if isinstance(refetch, bool):
        return (BEGINNING, END - 1) if refetch else None
    try:
        older, newer = sorted(check_instant("refetch", each, tz) for each in refetch)
    except (TypeError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise refusal("refetch", refetch, "take True, or two times") from None
    if older == newer:
        raise refusal("refetch", refetch, "take True, or two times that are apart")
    return int(older), ceil(newer)


def _given(findings: VerificationReport | Iterable[Finding] | None) -> list[Finding]:
    """Return those of the findings that only the exchange can show; all others are looked for again."""
    if findings is None:
        return []
    some = findings.findings if isinstance(findings, VerificationReport) else findings
    return [each for each in check_each("findings", some, _finding) if each.kind in EXCHANGE_KINDS]


def _finding(name: str, value: Finding) -> Finding:
    return check_kind(name, value, Finding)
