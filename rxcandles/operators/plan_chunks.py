"""The source of every pipeline: a request as chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from reactivex import Observable

from rxcandles.engine.chunk import Chunk
from rxcandles.engine.run import Run
from rxcandles.flow import Supply, on_demand
from rxcandles.model import Request
from rxcandles.ports import PageUnit
from rxcandles.util.arguments import check_callable, check_choice, check_count, check_kind, check_number

__all__ = ["cursors_for", "plan_chunks"]

MOST_CURSORS: Final = 8

PATIENCE: Final = 2.0
"""Seconds that a chunk which no stage of ours has, but which is still alive, is waited for."""


class _Planned(Supply[Chunk]):
    def __init__(self, make: Callable[[Callable[[], None]], Run], wake: Callable[[], None]) -> None:
        self._run = make(self._woken)
        self._wake = wake
        self._patience = 0.0

    def _woken(self) -> None:
        self._patience = 0.0
        self._wake()

    @property
    def done(self) -> bool:  # type: ignore[override]
        return self._run.complete

    def take(self) -> tuple[Chunk] | None:
        if self._run.complete and self._run.error is not None:
            raise self._run.error
        chunk = self._run.next()
        return None if chunk is None else (chunk,)

    def idle(self) -> None:
        # No stage of ours has a chunk, but an operator such as `delay` may: that is seen by its being alive.
        if not self._run.drop():
            return
        if self._patience >= PATIENCE:
            self._run.drop(all_of_them=True)
            return
        wait = max(0.001, self._patience)
        self._patience += wait
        asyncio.get_running_loop().call_later(wait, self._wake)


def cursors_for(rate: float | None) -> Callable[[float], int]:
    """Return how many cursors use up ``rate`` requests a second, by the seconds of a round trip.

    By Little's law rate x round trip requests are under way when the rate is used to the brim, rounded up, with a
    tenth to spare. Where there is no limit, two: one page is on its way while another is stored. One before the first
    answer, which may be that there is nothing to be had.
    """
    if rate is not None:
        check_number("rate", rate, above=True, what="requests a second, or None,")

    def cursors(round_trip: float) -> int:
        if not round_trip:
            return 1
        return 2 if rate is None else min(MOST_CURSORS, 1 + int(rate * round_trip * 1.1))

    return cursors


def plan_chunks(
    request: Request,
    *,
    page: int = 200,
    page_unit: PageUnit = "rows",
    cursors: int | Callable[[float], int] = 1,
    on_plan: Callable[[Run], object] | None = None,
) -> Observable[Chunk]:
    """Emit the request as chunks of one page each, the next when the one before has told how far it reached.

    Cold: every subscription is a run of its own, so subscribing again after a failure resumes (``skip_stored``
    spares what is there). ``page`` is the most that a page holds: rows, however many slots they lie in, or with
    ``page_unit="slots"`` the rows of so many slots. With one cursor the chunks come newest first; ``cursors`` (a
    number, or a function of the round trip such as ``cursors_for(rate)``) lets several walk at once, and the chunks
    interleave. A chunk that failed for good ends the stream as its error, after everything that comes before it in
    the request's order. A chunk that an operator drops counts as planned: as many candles as its slots, by the
    density just seen. One that an operator keeps back before ``fetch`` (``ops.delay``) is waited for up to 2
    seconds, then taken for dropped. ``on_plan`` is called with the run of each subscription, whose ``tally`` tells
    at any moment what the run has come to.
    """
    check_kind("request", request, Request)
    page = check_count("page", page)
    check_choice("page_unit", page_unit, ("rows", "slots"))
    if not callable(cursors):
        cursors = check_count("cursors", cursors)
    check_callable("on_plan", on_plan, optional=True)

    def make(woken: Callable[[], None]) -> Run:
        made = Run(request, woken, page=page, page_unit=page_unit, cursors=cursors)
        if on_plan is not None:
            on_plan(made)
        return made

    return on_demand(lambda wake: _Planned(make, wake))
