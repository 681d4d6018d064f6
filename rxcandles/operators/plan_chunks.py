"""The source of every pipeline: a request as chunks."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import Observable

from rxcandles.flow import Supply, on_demand
from rxcandles.model import Request, check_count
from rxcandles.planning import Chunk, Plan

__all__ = ["plan_chunks"]


class _Planned(Supply[Chunk]):
    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @property
    def done(self) -> bool:  # type: ignore[override]
        return self._plan.complete

    def take(self) -> tuple[Chunk] | None:
        chunk = self._plan.next()
        return None if chunk is None else (chunk,)

    def idle(self) -> None:
        self._plan.drop()


def plan_chunks(request: Request, *, page: int = 200, cursors: int | Callable[[], int] = 1) -> Observable[Chunk]:
    """Emit the request as chunks of one page each, the next when the one before has told how far it reached.

    Cold: every subscription plans anew, so subscribing again after a failure resumes (``skip_stored`` spares what is
    there). With one cursor the chunks come newest first; ``cursors`` (a number, or a function asked for every chunk)
    lets several walk at once, and the chunks interleave. A chunk that an operator drops counts as planned. An
    operator that keeps a chunk back without holding it (``ops.delay``) between here and ``fetch`` is taken for a drop:
    a ``count`` then is exact on a dense market only; put such operators behind ``fetch``.
    """
    check_count("page", page)
    return on_demand(lambda wake: _Planned(Plan(request, wake, page=page, cursors=cursors)))
