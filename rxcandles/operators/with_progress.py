"""Telling how far a stream of candles has come."""

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

    ``total`` is how many candles are expected, for the time that remains. Where it stands in the pipeline is what it
    counts: in front of ``resample`` the short candles, behind it the long ones. It is called on the event loop, so a
    slow callback slows the run. One that is an ``async def`` is awaited. Its exception ends the run as its error. An
    empty list is passed on untold. Counters only are held.
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
