"""Turn a request into chunks: the source of every pipeline."""

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
"""Seconds to wait for a chunk that none of our stages holds but that is still referenced."""


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
        # None of our stages has a chunk, but an operator such as `delay` may hold one: then the chunk is still
        # referenced.
        if not self._run.drop():
            return
        if self._patience >= PATIENCE:
            self._run.drop(all_of_them=True)
            return
        wait = max(0.001, self._patience)
        self._patience += wait
        asyncio.get_running_loop().call_later(wait, self._wake)


def cursors_for(rate: float | None) -> Callable[[float], int]:
    """Return a function that computes from the round trip, in seconds, how many cursors use up ``rate``.

    By Little's law, rate x round trip requests are under way if the rate is fully used. The function returns that
    number rounded up, with a tenth to spare, and 8 at most. It returns 1 before the first answer, since the market may
    have no candles at all, and 2 if there is no limit: one page is on its way while another is stored.

    * ``rate``: requests a second; None for no limit.

    >>> cursors = ops.cursors_for(10)
    >>> cursors(0.0), cursors(0.25)
    (1, 3)
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
    """Emit the request as chunks of one page each; the next one when the run knows how far the last one reached.

    Cold: every subscription is a run of its own. So subscribing again after a failure resumes, since ``skip_stored``
    skips what is stored. A chunk that failed for good ends the stream with its error, after everything that comes
    before it in the request's order. A chunk that an operator drops counts as planned: the run assumes candles in its
    slots, by the density seen last. A chunk that an operator keeps back before ``fetch`` (``ops.delay``) is waited for
    up to 2 seconds, then counts as dropped.

    * ``page``: the most rows that a page holds, in however many slots they lie; with ``page_unit="slots"`` the most
      slots.
    * ``cursors``: how many cursors walk at once: a number, or a function of the round trip in seconds, such as
      ``cursors_for(rate)``. With one cursor the chunks come newest first; chunks of several cursors interleave.
    * ``on_plan``: called with the :class:`Run` of each subscription, whose ``tally`` counts what the run has cost so
      far.

    Raises :class:`RequestError` at once if an argument is invalid.

    >>> async with ops.plan_chunks(request).pipe(ops.with_backpressure()) as chunks:
    ...     print(await anext(chunks))
    KRW-BTC 1m, chunk 1, 2024-01-01 01:00:00 to 2024-01-01 02:00:00 UTC
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
