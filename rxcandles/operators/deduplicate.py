"""Drop repeated candles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

from reactivex import Observable

from rxcandles.model import CandleData
from rxcandles.operators.stepping import Passing, Step, stepwise
from rxcandles.util.arguments import check_choice

__all__ = ["deduplicate"]

_C = TypeVar("_C", bound=CandleData)


def deduplicate(
    keep: Literal["first", "last"] = "first",
) -> Callable[[Observable[Sequence[_C]]], Observable[Sequence[_C]]]:
    """Keep one of neighbouring candles that have the same series and open time, even if their values differ.

    The order is kept and may be any. Candles that are not neighbours are not compared. Synchronous; holds one candle.

    * ``keep``: ``"first"``, or ``"last"``, which is emitted when the next open time comes, at the end, or before an
      error.

    >>> twice = ops.from_demand([[candles[0], candles[0], candles[1]]])
    >>> len(await ops.run(twice.pipe(ops.deduplicate(), ops.to_list(10))))
    2
    """
    check_choice("keep", keep, ("first", "last"))
    make: Callable[[], Step[Any, Any]] = _First if keep == "first" else _Last
    return stepwise("deduplicate", make)


def _slot(candle: CandleData) -> tuple[int, str, str]:
    return candle.open_seconds, candle.symbol, candle.timeframe


class _First(Passing[_C]):
    def __init__(self) -> None:
        self._seen: tuple[int, str, str] | None = None

    def take(self, items: Sequence[_C]) -> Iterator[_C]:
        for candle in items:
            if _slot(candle) != self._seen:
                self._seen = _slot(candle)
                yield candle


class _Last(Passing[_C]):
    def __init__(self) -> None:
        self._held: _C | None = None

    def take(self, items: Sequence[_C]) -> Iterator[_C]:
        for candle in items:
            held, self._held = self._held, candle
            if held is not None and _slot(held) != _slot(candle):
                yield held

    def finish(self, failed: bool) -> Iterator[_C]:
        held, self._held = self._held, None
        if held is not None:
            yield held

    @property
    def holds(self) -> bool:
        return self._held is not None
