"""The gate that every imported row passes: nothing impossible gets through, and nothing is mended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.asides import Asides
from rxcandles.interchange.reading.clock import Clock
from rxcandles.interchange.reading.columns import NEEDED, Shape
from rxcandles.interchange.reading.markets import frame_called, same_exchange, same_market
from rxcandles.interchange.reading.numbers import absent, number
from rxcandles.interchange.reading.sources import Batch, Source
from rxcandles.interchange.reading.steps import Steps
from rxcandles.interchange.reading.times import unit_of
from rxcandles.model import SETTLE_SECONDS, Row
from rxcandles.model.rules import finite, possible, value_fault
from rxcandles.model.timeframe import END, Timeframe, time_text
from rxcandles.stores.sqlite.schema import COLUMNS
from rxcandles.stores.sqlite.staging import StagedRow
from rxcandles.util.arguments import shown

__all__ = ["Gate"]

_PRICES: Final = len(NEEDED)
_SPARE: Final = 200_000
"""Rows that may repeat others, beside four for each slot."""
_MILLISECONDS: Final = 1000


class Gate:
    """Makes rows of what a source has, and counts what it leaves out."""

    def __init__(
        self,
        where: str,
        source: Source,
        shape: Shape,
        clock: Clock,
        symbol: str,
        timeframe: Timeframe,
        exchange: str | None,
        now: float,
        *,
        keep_empty: bool,
    ) -> None:
        self.empty = 0
        """Rows left out because nobody traded: no values at all, or volume 0 and all prices the same."""
        self.steps = Steps(timeframe)
        self._where = where
        self._word = source.word
        self._comma = source.comma
        self._blanks = source.blanks
        self._clock = clock
        self._shape = shape
        self._names = [field for field, _ in shape.values]
        self._symbol = symbol
        self._frame = timeframe
        self._exchange = exchange
        self._now = now
        self._stop = timeframe.floor(max(now - SETTLE_SECONDS, 0))
        self._keep_empty = keep_empty
        self._asides = Asides(shape.asides, symbol, timeframe, exchange)
        self._known: list[set[str]] = [set() for _ in (*shape.markets, *shape.frames, *shape.exchanges)]
        self._first = True
        self._oldest, self._newest, self._rows = END, 0, 0

    def rows(self, batch: Batch) -> Iterator[StagedRow]:
        """Yield the rows of a batch, or raise :class:`RequestError` that names the first that can't be."""
        shape, clock, stop, on_grid = self._shape, self._clock, self._stop, self._frame.on_grid
        times = len(shape.times) + len(shape.zones)
        said = times + len(shape.markets) + len(shape.frames) + len(shape.exchanges)
        named, asides = said + len(shape.asides), self._asides if shape.asides else None
        at = named + (shape.close_time is not None)
        names, comma = self._names, self._comma
        places = [at + names.index(name) if name in names else None for name in COLUMNS[_PRICES:]]
        first_price, past_volume = at, at + _PRICES - 1
        opened_times: list[int] = []
        for place, values in batch:
            whens = values[:times]
            try:
                opened = clock(whens)
            except RequestError:  # it is a ValueError too
                raise
            except (ValueError, OverflowError) as error:
                raise self._refusal(place, f"open_time is {clock.shown(whens)}: {error}") from error
            if not (0 <= opened < stop and opened == opened // 1 and on_grid(int(opened))):
                raise self._refusal(place, self._time_fault(clock.shown(whens), opened))
            opened = int(opened)
            opened_times.append(opened)
            if self._first:
                self._first = False
                if shape.close_time is not None:
                    self._check_length(place, opened, values[named])
            if asides is not None and (fault := asides(values[said:named], guessed=clock.guessed)):
                raise self._refusal(place, fault)
            for where in range(times, said):
                if str(values[where]) not in self._known[where - times]:
                    self._check_named(place, where - times, values[where])
            try:
                first, high, low, last, volume = [number(value, comma) for value in values[first_price:past_volume]]
            except (ValueError, OverflowError):
                if self._blanks and self._is_blank(values, first_price, past_volume):
                    self.empty += 1
                    continue
                for where in range(first_price, past_volume):  # which of them
                    self._number(place, where, values[where])
                raise
            turnover, stamp, *change = [
                None if where is None or absent(values[where]) else values[where] for where in places
            ]
            if turnover is not None:
                turnover = self._number(place, places[0], turnover)
            if change != [None, None, None]:
                change = [
                    None if each is None else self._number(place, where, each)
                    for where, each in zip(places[2:], change, strict=True)
                ]
            known = None if stamp is None else self._stamp(place, places[1], stamp, opened)
            milliseconds = opened * _MILLISECONDS if known is None else known
            held = 0.0 if turnover is None else turnover
            if not (
                possible(opened, first, high, low, last, volume, held, milliseconds)
                and type(milliseconds) is int
                and all(each is None or finite(each) for each in change)
            ):
                if self._blanks and self._is_blank(values, first_price, past_volume):
                    self.empty += 1
                    continue
                row = Row(opened, first, high, low, last, volume, held, milliseconds, *change)
                raise self._refusal(place, f"the candle of {time_text(opened)}: {value_fault(row)}")
            if volume == 0 and low == high and not self._keep_empty:
                self.empty += 1
                continue
            yield (opened, first, high, low, last, volume, turnover, known, *change, place)
        self._count(opened_times)

    def finish(self) -> list[str]:
        """Raise where the times are those of a longer timeframe; return what is worth telling."""
        notes = self._asides.notes()
        longer = self.steps.longer()
        if longer is None:
            return notes
        frame, certain = longer
        said = (
            f"all but {off:,} of" if (off := self.steps.off(frame)) else "each of"
        ) + f" its {self.steps.rows:,} times is one at which a candle of {frame} opens"
        if certain:
            raise RequestError(
                f"{self._where}: {said}, so they are hardly {self._frame} candles; import it as {frame}, or as what"
                " it is. Nothing was imported"
            )
        return [*notes, f"{said}; are they of {self._frame}?"]

    def _count(self, times: Sequence[int]) -> None:
        """Refuse a source that repeats itself without end."""
        self.steps.add(times)
        if times:
            self._rows += len(times)
            self._oldest, self._newest = min(self._oldest, min(times)), max(self._newest, max(times))
            if self._rows > _SPARE + 4 * self._frame.slots(self._oldest, self._newest + 1):
                raise RequestError(
                    f"{self._where} has {self._rows:,} rows for {self._frame.slots(self._oldest, self._newest + 1):,}"
                    " candles at most: it repeats itself. Nothing was imported"
                )

    def _number(self, place: int, at: int | None, value: Any) -> float:
        try:
            return number(value, self._comma)
        except (ValueError, OverflowError) as error:
            raise self._refusal(place, f"{self._field(at)} is {shown(value)}; {error}") from None

    def _field(self, at: int | None) -> str:
        before = len(self._shape.names) - len(self._names)
        return self._names[(at or 0) - before]

    def _stamp(self, place: int, at: int | None, value: Any, opened: int) -> Any:
        """Return the milliseconds of the last trade; None for a time that only repeats the open time."""
        ticks = unit_of(value)
        if ticks is None and not isinstance(value, int | float) and not _digits(value):
            return None  # a time in words, of which the clock has taken notice
        read = self._number(place, at, value)
        if ticks is None or ticks == _MILLISECONDS:
            stamp: Any = int(read) if read == read // 1 else read
            found = read / _MILLISECONDS
        else:
            stamp, found = None, read / ticks
        length = self._frame.seconds
        if ticks is not None and 0 < length < 86_400 and not -3600 <= found - opened < length + 3600:
            raise self._refusal(
                place,
                f"timestamp is {shown(value)} ({time_text(found)}), far from the candle of {time_text(opened)}; say the"
                " zone of its times with tz (--tz), or leave that column out",
            )
        return stamp

    def _is_blank(self, values: Sequence[Any], first: int, stop: int) -> bool:
        *prices, volume = values[first:stop]
        return all(map(absent, prices)) and (absent(volume) or _is_zero(volume))

    def _check_named(self, place: int, at: int, value: Any) -> None:
        """Check what a row says of its market, timeframe or exchange; what was once found right is known."""
        shape, text = self._shape, str(value)
        if absent(value):
            pass
        elif at < len(shape.markets):
            if not same_market(text, self._symbol):
                raise self._refusal(place, f"it is of {shown(value)}, not of {self._symbol!r}")
        elif at < len(shape.markets) + len(shape.frames):
            if (found := frame_called(text)) is not self._frame:
                told = f" ({found})" if found else ""
                raise self._refusal(place, f"it is of {shown(value)}{told}, not of {self._frame}")
        elif self._exchange and not same_exchange(text, self._exchange):
            raise self._refusal(place, f"it is of the exchange {shown(value)}, not of {self._exchange!r}")
        self._known[at].add(text)

    def _check_length(self, place: int, opened: int, closes: Any) -> None:
        """Some say when each candle ends: where the next begins, or a tick or a second before."""
        column = self._shape.close_time or ""
        end = self._clock.end(column, closes, opened)
        if end is None:
            return
        length, whole = end - opened, self._frame.shift(opened, 1) - opened
        if length == 0:
            raise self._refusal(
                place,
                f"{self._clock.name!r} and {column!r} say the same time, so it may be the end of the candle, not its"
                f" start; shift such times by a candle, and leave {column!r} out",
            )
        if not whole - 1 <= length <= whole:
            length = -(-length // 1)
            raise self._refusal(place, f"its candle is {length:,.0f} seconds long, and {self._frame} has {whole:,}")

    def _time_fault(self, told: str, opened: float) -> str:
        frame = self._frame
        said = f"open_time is {told}"
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


def _digits(value: Any) -> bool:
    return isinstance(value, str) and not any(mark in value.strip() for mark in "-: /")


def _is_zero(value: Any) -> bool:
    try:
        return number(value) == 0
    except ValueError:
        return False
