"""Repair a database: take out what can't be trusted, and fetch it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
from rxcandles.integrity.server_snapshot import snapshot_at
from rxcandles.integrity.snapshot import Look
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
from rxcandles.stores.opening import check_database, store_at
from rxcandles.stores.postgres.address import Address
from rxcandles.stores.sql.connection import Sql
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

    First, one transaction takes everything that can't be trusted out of the coverage, with its candles: the slot of an
    impossible candle, the empty slots of a span with too few candles, the whole of a span with too many, candles
    outside coverage, all but one spelling of a series. Overlapping and touching spans are joined, and candles are
    counted again. Then just these spans are fetched from the ``exchange`` by the usual pipeline. If the process is
    killed in between, the next repair goes on, and so does any collection that asks for these spans. Series of other
    exchanges stay as they are. Candles that the exchange no longer keeps (candles of seconds) are not deleted.

    A finding of the comparison with the exchange is only a question; the exchange decides again. If it has a candle in
    an absence, the whole absence is fetched. Around a candle that it lacks, or has with other values, a page is asked
    for again. What is stored stays until the answer comes, and a candle is deleted only if a second answer, over
    another connection, lacks it too. If more than a tenth of that page has changed, its history was restated (by a
    redenomination, for example): the pages beside it are asked for again, up to the first that has not changed.

    Memory holds the doubtful spans and a few pages.

    * ``path``: the database file. A file that SQLite can't read completely is not touched (``before.damaged``); give
      ``into``.
    * ``exchange`` to ``name``, ``limiter``, ``share_limit``: as for :func:`connect`. ``exchange`` may also be the
      result of ``connect(":memory:", …)``; then leave out the others.
    * ``symbol``, ``timeframe``, ``most``, ``now``: as for :func:`verify`.
    * ``dry_run``: only report what would be done; nothing is opened for writing.
    * ``into``: copy what can be read of the file into this new file first, and repair that one.
    * ``progress_callback``: called for every page, on the event loop.
    * ``findings``: a report of :func:`verify` that compared pages with the exchange, or some of its findings, to repair
      those too.
    * ``sample``: pages to compare with the exchange first, chosen by ``seed``.
    * ``absences``: ask about all provisional absences now, over other connections, before they are due. Candles that
      the exchange has after all are stored. An answer that confirms an absence makes it final only if its confirm time
      has passed.
    * ``refetch``: ask again for everything stored, or everything between two times (read in ``tz`` if they name no
      zone). What is stored stays until its page has come.

    If something can't be fetched, no error is raised: ``failures`` says why, and ``after`` shows what is left.

    Raises:

    * ``RequestError`` for an invalid argument, or if there is no file.
    * ``SchemaError`` if the file belongs to another program or a newer version.
    * ``StoreError`` if the file can't be used.

    >>> report = await repair("candles.db", "simulated", dry_run=True)
    >>> report.repaired, report.before.candles
    (True, 240)
    """
    check_flag("dry_run", dry_run)
    check_flag("absences", absences)
    anew = _anew(refetch, tz)
    which = check_looking(symbol, timeframe, most, sample, seed, now)
    given = _given(findings)
    check_callable("progress_callback", progress_callback, optional=True)
    if into is not None:
        check_path("into", into)
        if isinstance(there := check_database("path", path), Address):
            raise RequestError(
                f"into is given, but {there} is a server's database; leave into out: it saves what can be read of a "
                "damaged file, and whoever runs the server restores a backup"
            )
    if dry_run and into is not None:
        raise RequestError(f"into is {str(into)!r}, but a dry run writes nothing; leave out one of the two")
    original, path = path, path if into is None else into
    how: dict[str, Any] = {"base_url": base_url, "name": name, "limiter": limiter, "share_limit": share_limit}
    opening = _opening(exchange, rate_limit, how)
    path = check_database("path", path)
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
        async with store_at(path, exchange=whose) as store:
            removed = await store.call(mend, plan)
            asking = Asking(store, which, progress_callback, now, failures, spreads=anew is None)
            if await asking.wanted(absences=absences):
                opened = await provider()
                collector = CandleCollector(store, opened.exchange, opened.limiter)
                await asking.go(collector, opened.exchange, absences=absences)
        after = await verify(path, which.symbols or None, which.timeframes or None, most=most, now=now)
        return _mended(report, asking, removed, after, absences=absences)


def _opening(exchange: str | Exchange | Opening, rate: float | OwnRate | None, how: Mapping[str, Any]) -> Opening:
    """Return what opens a provider without the file: the first request is a comparison, which writes nothing."""
    if not isinstance(exchange, Opening):
        return connect(":memory:", exchange, rate_limit=rate, **how)
    if rate is not OwnRate.OWN or any(value is not None for value in how.values()):
        raise RequestError(f"{', '.join(['rate_limit', *how])} are given to connect; leave them out here")
    return exchange


def _mended(
    report: RepairReport, asking: Asking, removed: int, after: VerificationReport, *, absences: bool
) -> RepairReport:
    """Return the report with what was mended and fetched."""
    return attrs.evolve(
        report,
        removed=removed + asking.removed,
        stored=asking.stored,
        revised=asking.revised,
        requests=asking.requests,
        failures=tuple(asking.failures),
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
    """Examines a file, and plans what to do about it."""

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
        """Return a report of what is wrong, the plan to mend it, and whether nothing is left to do.

        The report is that of a repair that has done nothing yet; ``sample`` pages are compared with the exchange.
        """
        failures: tuple[str, ...] = ()
        async with snapshot_at(path) as snapshot:
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

    def begin(self, connection: Sql) -> None:
        """Examine what the file itself shows."""
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

    async def compare(self, snapshot: Look, there: CandleDataProvider, sample: int, seed: int | None) -> None:
        """Compare ``sample`` pages with the exchange."""
        self._compared, self._samples = await compare_some(
            snapshot, self._examination, there.exchange, there.limiter, None, sample, seed
        )

    def end(
        self, connection: Sql, given: Iterable[Finding], anew: Span | None
    ) -> tuple[VerificationReport, RepairPlan, bool]:
        """Return what is wrong, the plan, and whether nothing is left to do."""
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
    """Return the span to ask for again as a whole, or None."""
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
    """Return the findings that only the exchange can show; all others are found again."""
    if findings is None:
        return []
    some = findings.findings if isinstance(findings, VerificationReport) else findings
    return [each for each in check_each("findings", some, _finding) if each.kind in EXCHANGE_KINDS]


def _finding(name: str, value: Finding) -> Finding:
    return check_kind(name, value, Finding)
