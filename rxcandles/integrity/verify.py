"""Check a database: the file, the names, the candles and the coverage; on request, some pages against the exchange."""

from __future__ import annotations

from pathlib import Path

import attrs

from rxcandles.errors import RequestError
from rxcandles.integrity.compare import compare_some
from rxcandles.integrity.examine import Examination
from rxcandles.integrity.findings import FILE_KINDS, Tally, VerificationReport
from rxcandles.integrity.server_snapshot import snapshot_at
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.timeframe import END
from rxcandles.model.which import Names, Which
from rxcandles.operators import Retry
from rxcandles.ports import Exchange, RateLimiter
from rxcandles.ports.declared import limit_declared
from rxcandles.stores.sql.connection import Sql
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
    """Check a database file and return what is wrong with it; nothing is written.

    It reads one snapshot, so what others write meanwhile makes no finding. Memory does not depend on the number of
    candles. A file that SQLite can't read completely is one finding, and then the only one. On cancellation it stops
    within milliseconds.

    With ``sample``, pages are read again from ``exchange`` and compared value by value: a request each, over a
    connection of its own, only candles that closed at least an hour ago. Provisional absences come first, then the
    spans before a series' first candle, then all covered spans alike. A candle that the exchange lacks, or has with
    other values, is a finding only if a second answer confirms it. If the exchange refuses a series (a delisted
    market), a note (``not_compared``) says so, and other series are compared in its place.

    * ``symbol``, ``timeframe``: check only these series, however they are spelled in the file: a name, several, or a
      glob.
    * ``exchange``: the exchange to compare with.
    * ``limiter``: limits the requests; by default the exchange's own rate.
    * ``sample``: pages to compare; ``seed`` makes the choice repeatable.
    * ``retry``: when a failed request is sent again.
    * ``most``: findings kept of each kind; the others are only counted.
    * ``now``: UTC seconds in place of this machine's clock; candles that close later lie in the future.

    Raises:

    * ``RequestError`` for an invalid argument, or if there is no file.
    * ``SchemaError`` if the file belongs to another program or a newer version.
    * ``StoreError`` if the file is no database.
    * ``ExchangeError`` if nothing can be compared.

    >>> report = await verify("candles.db", exchange=exchange, limiter=limiter, sample=2, seed=1)
    >>> report.clean, report.candles, report.samples
    (True, 240, 2)
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

    def look(connection: Sql) -> tuple[Examination, Tally]:
        examination = Examination(connection, str(path), which, now=now)
        tally = Tally(most)
        for finding in examination.findings():
            tally.add(finding)
        return examination, tally

    async with snapshot_at(path) as snapshot:
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
    """Return the series asked for; raise ``RequestError`` if an argument is invalid."""
    which = Which.of(symbol, timeframe)
    check_count("most", most)
    check_count("sample", sample, 0, 1_000_000)
    if seed is not None:
        check_count("seed", seed, -(10**12))
    if now is not None:
        check_number("now", now, 0, END - 1, what="UTC seconds")
    return which
