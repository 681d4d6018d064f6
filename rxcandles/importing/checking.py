"""The gate that every imported row passes: nothing impossible gets through, and nothing is mended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rxcandles.arguments import shown
from rxcandles.errors import RequestError
from rxcandles.importing.shapes import NEEDED, Shape
from rxcandles.importing.sources import Batch
from rxcandles.importing.times import Instant
from rxcandles.model import SETTLE_SECONDS, Row
from rxcandles.rules import finite, possible, value_fault
from rxcandles.stores.schema import COLUMNS
from rxcandles.stores.staging import StagedRow
from rxcandles.timeframe import END, Timeframe, time_text

__all__ = ["Gate"]

_PRICES: Final = len(NEEDED)


class Gate:
    """Makes rows of what a source has, and counts what it leaves out."""

    def __init__(
        self,
        where: str,
        word: str,
        shape: Shape,
        instant: Instant,
        symbol: str,
        timeframe: Timeframe,
        now: float,
        *,
        keep_empty: bool,
    ) -> None:
        self.empty = 0
        """Rows left out because nobody traded: volume 0, all prices the same."""
        self._where = where
        self._word = word
        self._shape = shape
        self._rest = [shape.fields.index(name) if name in shape.fields else None for name in COLUMNS[_PRICES:]]
        self._instant = instant
        self._symbol = symbol
        self._frame = timeframe
        self._now = now
        self._stop = timeframe.floor(max(now - SETTLE_SECONDS, 0))
        self._keep_empty = keep_empty

    def rows(self, batch: Batch) -> Iterator[StagedRow]:
        """Yield the rows of a batch, or raise :class:`RequestError` that names the first that can't be."""
        instant, stop, on_grid, rest = self._instant, self._stop, self._frame.on_grid, self._rest
        number = self._number
        market = self._shape.market is not None
        for place, values in batch:
            try:
                opened = instant(values[0])
            except (ValueError, OverflowError) as error:
                raise self._refusal(place, f"open_time is {shown(values[0])}: {error}") from error
            if not (0 <= opened < stop and opened == opened // 1 and on_grid(int(opened))):
                raise self._refusal(place, self._time_fault(values[0], opened))
            opened = int(opened)
            first, high, low, last, volume = [number(place, at, values[at]) for at in range(1, _PRICES)]
            turnover, stamp, *change = [
                None if at is None or _absent(values[at]) else number(place, at, values[at]) for at in rest
            ]
            milliseconds = opened * 1000 if stamp is None else int(stamp) if stamp == stamp // 1 else stamp
            held = 0.0 if turnover is None else turnover
            if not (
                possible(opened, first, high, low, last, volume, held, milliseconds)
                and type(milliseconds) is int
                and all(each is None or finite(each) for each in change)
            ):
                row = Row(opened, first, high, low, last, volume, held, milliseconds, *change)  # type: ignore[arg-type]
                raise self._refusal(place, f"the candle of {time_text(opened)}: {value_fault(row)}")
            if market and values[-1] != self._symbol:
                raise self._refusal(place, f"it is of {shown(values[-1])}, not of {self._symbol!r}")
            if volume == 0 and low == high and not self._keep_empty:
                self.empty += 1
                continue
            known = None if stamp is None else milliseconds
            yield (opened, first, high, low, last, volume, turnover, known, *change, place)

    def _number(self, place: int, at: int, value: Any) -> float:
        try:
            if isinstance(value, bool):
                raise TypeError
            return float(value)
        except (TypeError, ValueError, OverflowError):
            name = self._shape.fields[at]
            raise self._refusal(place, f"{name} is {shown(value)}; take a number, with a point") from None

    def _time_fault(self, value: object, opened: float) -> str:
        frame = self._frame
        said = f"open_time is {shown(value)}"
        if not 0 <= opened < END:
            return f"{said}; take times from 1970 on"
        if opened >= self._stop:
            return (
                f"{said}: this {frame} candle is not over at {time_text(self._now)}, or its last trades not in yet;"
                " leave it out"
            )
        at = frame.floor(opened)
        return (
            f"{said} ({time_text(opened)}), where no {frame} candle opens; the nearest open at {time_text(at)}"
            f" and {time_text(frame.shift(at, 1))}; they may be of another timeframe or zone"
        )

    def _refusal(self, place: int, what: str) -> RequestError:
        return RequestError(f"{self._where}, {self._word} {place}: {what}. Nothing was imported")


def _absent(value: Any) -> bool:
    return value is None or value == "" or value != value
