"""The source of every pipeline: a request as chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reactivex import Observable

from rxcandles.flow import Supply, on_demand
from rxcandles.model import Request, check_count
from rxcandles.planning import Chunk, Plan

__all__ = ["cursors_for", "plan_chunks"]

MOST_CURSORS: Final = 8


class _Planned(Supply[Chunk]):
    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @property
    def done(self) -> bool:  # type: ignore[override]
        return self._plan.complete

    def take(self) -> tuple[Chunk] | None:
        if self._plan.complete and self._plan.error is not None:
            raise self._plan.error
        chunk = self._plan.next()
        return None if chunk is None else (chunk,)

    def idle(self) -> None:
        self._plan.drop()


def cursors_for(rate: float | None) -> Callable[[float], int]:
    """Return how many cursors use up ``rate`` requests a second, by the seconds of a round trip.

    By Little's law rate x round trip requests are under way when the rate is used to the brim, rounded up, with a
    tenth to spare. Where there is no limit, two: one page is on its way while another is stored. One before the first
    answer, which may be that there is nothing to be had.
    """

    def cursors(round_trip: float) -> int:
        if not round_trip:
            return 1
        return 2 if rate is None else min(MOST_CURSORS, 1 + int(rate * round_trip * 1.1))

    return cursors


def plan_chunks(request: Request, *, page: int = 200, cursors: int | Callable[[float], int] = 1) -> Observable[Chunk]:
    """Emit the request as chunks of one page each, the next when the one before has told how far it reached.

    Cold: every subscription plans anew, so subscribing again after a failure resumes (``skip_stored`` spares what is
    there). With one cursor the chunks come newest first; ``cursors`` (a number, or a function of the round trip such
    as ``cursors_for(rate)``) lets several walk at once, and the chunks interleave. A chunk that failed for good ends
    the stream as its error, after everything that comes before it in the request's order. A chunk that an operator
    drops counts as planned. An operator that keeps a chunk back without holding it (``ops.delay``) between here and
    ``fetch`` is taken for a drop: a ``count`` then is exact on a dense market only; put it behind ``fetch``.
    """
    check_count("page", page)
    return on_demand(lambda wake: _Planned(Plan(request, wake, page=page, cursors=cursors)))
