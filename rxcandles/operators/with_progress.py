"""Report the progress of a stream of candles."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import reactivex
from reactivex import Observable

from rxcandles.model import CandleData
from rxcandles.model.reports import CandleProgress
from rxcandles.operators.calling import shown_to, told
from rxcandles.operators.pieces import check_lists
from rxcandles.util.arguments import check_callable, check_count

__all__ = ["with_progress"]

_C = TypeVar("_C", bound=CandleData)


def with_progress(
    callback: Callable[[CandleProgress], object],
    *,
    total: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[Observable[Sequence[_C]]], Observable[Sequence[_C]]]:
    """Call ``callback`` with a :class:`CandleProgress` for every list of candles, then pass the list on.

    It counts the candles at its place in the pipeline: the short ones before ``resample``, the long ones behind it. The
    call runs on the event loop, so a slow callback slows the run. An ``async def`` is awaited. An exception of the
    callback ends the run as its error. An empty list is passed on without a call. Holds counters only.

    * ``total``: how many candles are expected, to estimate the time that remains.
    * ``clock``: returns seconds.

    >>> def show(progress):
    ...     print(progress.candles, "of", progress.total_count)
    >>> source = ops.from_demand([list(candles)])
    >>> _ = await ops.run(source.pipe(ops.with_progress(show, total=120), ops.to_list(200)))
    120 of 120
    """
    check_callable("callback", callback)
    check_callable("clock", clock)
    if total is not None:
        check_count("total", total)

    def operator(source: Observable[Sequence[_C]]) -> Observable[Sequence[_C]]:
        def subscribed(_: object) -> Observable[Sequence[_C]]:
            began, lists, candles = clock(), 0, 0

            def progress(items: Sequence[_C]) -> CandleProgress | None:
                nonlocal lists, candles
                check_lists("with_progress", items)
                if not items:
                    return None
                lists += 1
                candles += len(items)
                return CandleProgress(candles, lists, items[-1].open_time, max(0.0, clock() - began), total)

            return source.pipe(shown_to([told(callback, progress)]))

        return reactivex.defer(subscribed)

    return operator
