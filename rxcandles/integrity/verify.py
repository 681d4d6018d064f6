"""Checking a database: the file, the names, the candles and the ledger; on request some of it against the exchange."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import attrs

from rxcandles.errors import RequestError
from rxcandles.integrity.compare import compare_some
from rxcandles.integrity.examine import Examination
from rxcandles.integrity.findings import FILE_KINDS, Tally, VerificationReport
from rxcandles.integrity.snapshot import Snapshot
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.timeframe import END
from rxcandles.model.which import Names, Which
from rxcandles.operators import Retry
from rxcandles.ports import Exchange, RateLimiter
from rxcandles.ports.declared import limit_declared
from rxcandles.util.arguments import check_count, check_kind, check_like, check_number

__all__ = ["check_looking", "verify"]


async def verify(
    path: str | Path,
    symbol: Names = None,
    timeframe: Names = None,
    *,
    exchange: Exchange | None = None,
    limiter: RateLimiter | None = None,
    sample: int = 0,
    seed: int | None = None,
    retry: Retry | None = None,
    most: int = 100,
    now: float | None = None,
) -> VerificationReport:
    """Check a database file and return what is wrong with it; writes nothing.

    All of it in one read snapshot, so that what others write meanwhile is no finding. ``symbol`` and ``timeframe``
    restrict it to these series, however they are spelled in the file; each may be several names, or a glob. Memory
    does not depend on the candles: the first ``most`` findings of each kind are kept, the others counted. What is in
    the future is told by this machine's clock, or ``now`` (UTC seconds). A file that SQLite can't read all of is a
    finding, and then the only one.

    With ``sample`` that many pages, chosen by ``seed``, are read again from ``exchange`` through ``limiter`` (its own
    rate, where none is given) and compared value by value: a request each over a connection of its own, only candles
    that are over for an hour. Doubtful absences come first, then what is covered before a series' first candle, then
    all that is covered alike. A candle that the exchange lacks, or has with other values, is a finding only if a second
    answer says so too. A series that the exchange refuses, a market that is delisted, is a note (``not_compared``), and
    others are compared in its place.

    Cancelled, it stops within milliseconds. Raises ``RequestError`` where there is no file or the arguments can't be
    meant, ``SchemaError`` for a file of another program or of a newer version, ``StoreError`` where it is no database,
    and ``ExchangeError`` where nothing can be had.
    """
    which = check_looking(symbol, timeframe, most, sample, seed, now)
    if exchange is not None:
        check_like("exchange", exchange, Exchange)
    if limiter is not None:
        check_like("limiter", limiter, RateLimiter)
    if retry is not None:
        check_kind("retry", retry, Retry)
    if sample and exchange is None:
        raise RequestError(f"sample is {sample!r}, but no exchange is given to read it from")

    def look(connection: sqlite3.Connection) -> tuple[Examination, Tally]:
        examination = Examination(connection, str(path), which, now=now)
        tally = Tally(most)
        for finding in examination.findings():
            tally.add(finding)
        return examination, tally

    async with Snapshot(path) as snapshot:
        examination, tally = await snapshot.call(look)
        compared = 0
        if sample and exchange is not None and not FILE_KINDS & tally.counts.keys():
            given = limiter or SlidingWindowLimiter(limit_declared(exchange))
            differing, compared = await compare_some(snapshot, examination, exchange, given, retry, sample, seed)
            for finding in differing:
                tally.add(finding)
    return attrs.evolve(examination.report(tally), samples=compared)


def check_looking(
    symbol: Names, timeframe: Names, most: int, sample: int, seed: int | None, now: float | None
) -> Which:
    """Return which series are meant, or raise ``RequestError`` for any of these arguments that is invalid."""
    which = Which.of(symbol, timeframe)
    check_count("most", most)
    check_count("sample", sample, 0, 1_000_000)
    if seed is not None:
        check_count("seed", seed, -(10**12))
    if now is not None:
        check_number("now", now, 0, END - 1, what="UTC seconds")
    return which
