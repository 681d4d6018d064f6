"""Fill the slots in which nobody traded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias, get_args, overload

import reactivex
from reactivex import Observable

from rxcandles.errors import InvalidCandleError
from rxcandles.flow import Operator, concat_map_async
from rxcandles.model import CandleData, Order
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.derived import FilledCandle, NoCandle, NoTrade, Outage
from rxcandles.model.stretch import Origin, Stretch
from rxcandles.model.timeframe import Timeframe
from rxcandles.operators.pieces import check_lists
from rxcandles.operators.stepping import AnyOrder, Track, check_order
from rxcandles.util.arguments import check_choice, check_count

__all__ = ["fill_gaps"]

Slot: TypeAlias = CandleData | NoCandle

Fill: TypeAlias = Callable[[str, str, int, CandleData], Slot]

_MARKS: Final[Mapping[AbsentSlot, type[NoCandle]]] = {"no_trade": NoTrade, "outage": Outage, "either": NoCandle}


@overload
def fill_gaps(
    policy: Literal["flat"] = ..., *, order: AnyOrder = ..., size: int = ..., absent: AbsentSlot | None = ...
) -> Operator[Sequence[CandleData], Sequence[CandleData]]: ...
@overload
def fill_gaps(
    policy: Literal["null"], *, order: AnyOrder = ..., size: int = ..., absent: AbsentSlot | None = ...
) -> Operator[Sequence[CandleData], Sequence[Slot]]: ...
def fill_gaps(
    policy: Literal["flat", "null"] = "flat",
    *,
    order: AnyOrder = "of_the_run",
    size: int = 1000,
    absent: AbsentSlot | None = None,
) -> Operator[Sequence[CandleData], Sequence[CandleData]] | Operator[Sequence[CandleData], Sequence[Slot]]:
    """Add an item for every empty slot between two candles of one series.

    Nothing is added before the first candle and after the last, since nothing is known of that time. A gap of any
    length comes in lists, each made when the consumer has room; the event loop gets a turn between lists. Holds one
    candle and one such list. An error comes after all items before it; disposing stops at the next list.

    * ``policy``: ``"flat"`` adds a :class:`FilledCandle` at the close of the older of the two candles, in either order;
      ``"null"`` adds a :class:`NoTrade`. Both have ``traded`` False, and neither is ever stored. If an empty slot means
      that the exchange was down, nobody knows a price: then ``"flat"`` leaves it empty, and ``"null"`` adds an
      :class:`Outage`, or a :class:`NoCandle` if it may mean either.
    * ``order``: the order of the candles, which is kept. By default it is the order of the run, or newest first if the
      lists do not know it.
    * ``size``: the most items in a list.
    * ``absent``: the meaning of an empty slot, ``"no_trade"``, ``"outage"`` or ``"either"``. By default it is the one
      that the exchange of the run declares, or ``"no_trade"`` if the lists do not know it.

    Raises :class:`InvalidCandleError` if candles are out of order or of several series.

    >>> two = ops.from_demand([[candles[2], candles[0]]])  # newest first
    >>> [each.traded for each in await ops.run(two.pipe(ops.fill_gaps(), ops.to_list(10)))]
    [True, False, True]
    """
    check_choice("policy", policy, ("flat", "null"))
    known = check_order(order)
    check_count("size", size)
    if absent is not None:
        check_choice("absent", absent, get_args(AbsentSlot))

    def operator(source: Observable[Sequence[CandleData]]) -> Observable[Sequence[CandleData]]:
        # With "null" the lists contain marks too; the overloads declare that.
        return reactivex.defer(
            lambda _: source.pipe(concat_map_async(_Filling(policy == "flat", known, size, absent).fill))
        )

    return operator


def _flat(symbol: str, timeframe: str, time: int, older: CandleData) -> FilledCandle:
    close = older.close
    return FilledCandle(symbol, timeframe, time, close, close, close, close, 0.0, 0.0, older.timestamp)


def _marked(mark: type[NoCandle], symbol: str, timeframe: str, time: int, older: CandleData) -> NoCandle:
    return mark(symbol, timeframe, time)


class _Filling:
    """One subscription; remembers the last candle, since a gap may begin behind it."""

    def __init__(self, flat: bool, order: Order | None, size: int, absent: AbsentSlot | None) -> None:
        self._flat = flat
        self._absent = absent
        self._told: AbsentSlot | None = None
        self._size = size
        self._track = Track(order)
        self._passed: int | None = None
        """The end of what was filled behind the last candle, as its feed has proven it empty."""

    async def fill(self, candles: Sequence[CandleData]) -> AsyncGenerator[Sequence[CandleData], None]:
        check_lists("fill_gaps", candles)
        self._track.learn(candles)
        if not isinstance(candles, Stretch):
            async for plain in self._filled(candles):
                yield plain
            return
        self._told = candles.origin.absent
        order = Origin(candles.origin.order, absent=self._told)
        async for filled in self._filled(candles):
            yield Stretch(filled, order)

    async def _filled(self, candles: Sequence[CandleData]) -> AsyncGenerator[list[Any], None]:
        held: list[Any] = []
        try:
            for each in self._each(candles) if candles else self._each_passed(candles):
                held.append(each)
                if len(held) == self._size:
                    full, held = held, []
                    yield full
                    await asyncio.sleep(0)
        except InvalidCandleError:
            if held:
                yield held
            raise
        if held:
            yield held

    def _fill(self) -> Fill | None:
        """Return what makes the mark of a slot; None where it is left open."""
        absent = self._absent or self._told or "no_trade"
        if self._flat:
            return _flat if absent == "no_trade" else None
        return partial(_marked, _MARKS[absent])

    def _each(self, candles: Sequence[CandleData]) -> Iterator[Slot]:
        forward, fill = self._track.order == "oldest_first", self._fill()
        for candle in candles:
            last = self._track.last
            self._track.check(candle)
            if last is not None and fill is not None:
                older, newer = (last, candle) if forward else (candle, last)
                grid = Timeframe.of(candle.timeframe)
                step = 1 if forward else -1
                time = grid.shift(last.open_seconds, step) if self._passed is None else self._passed
                while older.open_seconds < time < newer.open_seconds:
                    yield fill(candle.symbol, candle.timeframe, time, older)
                    time = grid.shift(time, step)
            self._passed = None
            yield candle

    def _each_passed(self, candles: Sequence[CandleData]) -> Iterator[Slot]:
        """Fill the slots behind the last candle up to where a list without candles says that there are none."""
        last, fill = self._track.last, self._fill()
        span = candles.span if isinstance(candles, Stretch) and self._track.order == "oldest_first" else None
        if last is None or span is None or fill is None:
            return
        grid = Timeframe.of(last.timeframe)
        time = grid.shift(last.open_seconds, 1) if self._passed is None else self._passed
        while time < span[1]:
            yield fill(last.symbol, last.timeframe, time, last)
            time = grid.shift(time, 1)
            self._passed = time
