"""Find doubtful absences in files of older versions, which had no claims: gaps, head and beginning.

They become claims that are due at once, so that the next run asks about them again. When they were first answered is
unknown, so a confirming answer makes them final an hour after they were found, at the earliest.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final

from rxcandles.errors import RequestError
from rxcandles.model.claims import AbsenceKind, Claim, ConfirmTimes
from rxcandles.model.density import Trend, doubtful_gaps, is_unlikely
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, Timeframe
from rxcandles.stores.sql.claiming import add_claims
from rxcandles.stores.sql.conditions import is_span

__all__ = ["find_doubtful"]

_AT_ONCE: Final = 400
"""Candles whose density is measured together."""


def find_doubtful(connection: sqlite3.Connection) -> int:
    """Store claims for the doubtful absences of all series, within the caller's transaction; return their number."""
    found, now = 0, time.time()
    for series, name in connection.execute("SELECT id, timeframe FROM series").fetchall():
        try:
            frame = Timeframe.of(name)
        except RequestError:
            continue  # no request can have such a name; repair removes it
        spans = connection.execute("SELECT start, stop FROM coverage WHERE series = ? ORDER BY start", (series,))
        apart: list[Span] = []
        for span in filter(lambda each: is_span(*each), spans.fetchall()):
            if not apart or apart[-1][1] <= span[0]:
                apart.append(span)
        for index, span in enumerate(apart):
            claims = _claims(connection, series, frame, span, index == len(apart) - 1, int(now))
            found += len(claims)
            add_claims(connection, series, claims)
    return found


def _claims(
    connection: sqlite3.Connection, series: int, frame: Timeframe, span: Span, newest: bool, now: int
) -> list[Claim]:
    confirm = ConfirmTimes()

    def claim(kind: AbsenceKind, start: int, stop: int) -> Claim:
        return Claim(kind, start, stop, now, now, 1, 0, now + int(max(getattr(confirm, kind), confirm.gap)))

    rows = connection.execute(
        "SELECT open_time FROM candles WHERE series = ? AND open_time >= ? AND open_time < ? ORDER BY open_time",
        (series, *span),
    )
    opens = (opened for (opened,) in rows if type(opened) is int and frame.on_grid(opened))
    claims, trend, first, last = [], Trend(), None, None
    for some in _batches(opens):
        first, last = some[0] if first is None else first, some[-1]
        gaps, trend = doubtful_gaps(some[::-1], frame, trend, places=1)
        claims += [claim("gap", *gap) for gap in reversed(gaps)]
    if first is None or last is None:
        return [claim("beginning" if span[0] == BEGINNING else "gap", *span)]
    if span[0] < first and (span[0] == BEGINNING or is_unlikely(frame.slots(span[0], first), trend)):
        claims.insert(0, claim("beginning" if span[0] == BEGINNING else "gap", span[0], first))
    after = frame.shift(last, 1)
    if after < span[1] and (newest or is_unlikely(frame.slots(after, span[1]), trend)):
        claims.append(claim("head" if newest else "gap", after, span[1]))
    return claims


def _batches(opens: Iterator[int]) -> Iterator[list[int]]:
    """Yield ascending open times in lists; each list begins with the last time of the one before."""
    some = list(islice(opens, _AT_ONCE))
    while some:
        yield some
        more = list(islice(opens, _AT_ONCE))
        some = [some[-1], *more] if more else []
