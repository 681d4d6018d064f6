"""Slots without a trade, made visible."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, overload

import reactivex
from reactivex import Observable

from rxcandles.errors import InvalidCandleError
from rxcandles.flow import Operator, concat_map_async
from rxcandles.model import CandleData, Order
from rxcandles.model.derived import FilledCandle, NoTrade
from rxcandles.model.stretch import Origin, Stretch
from rxcandles.model.timeframe import Timeframe
from rxcandles.operators.pieces import check_lists
from rxcandles.operators.stepping import AnyOrder, Track, check_order
from rxcandles.util.arguments import check_choice, check_count

__all__ = ["fill_gaps"]

Slot: TypeAlias = CandleData | NoTrade

Fill: TypeAlias = Callable[[str, str, int, CandleData], Slot]


@overload
def fill_gaps(
    policy: Literal["flat"] = ..., *, order: AnyOrder = ..., size: int = ...
) -> Operator[Sequence[CandleData], Sequence[CandleData]]: ...
@overload
def fill_gaps(
    policy: Literal["null"], *, order: AnyOrder = ..., size: int = ...
) -> Operator[Sequence[CandleData], Sequence[Slot]]: ...
def fill_gaps(
    policy: Literal["flat", "null"] = "flat", *, order: AnyOrder = "of_the_run", size: int = 1000
) -> Operator[Sequence[CandleData], Sequence[CandleData]] | Operator[Sequence[CandleData], Sequence[Slot]]:
    """Put something into every slot between two candles of one series that has none.

    The order, the run's own or else newest first, is kept. ``"flat"``: a :class:`FilledCandle` at the close of the
    older of the two, whichever comes first; ``"null"``: a :class:`NoTrade`. Both have ``traded`` False, and neither is
    ever stored. Before the first candle and after the last nothing is filled, since nothing is known of it.

    A gap of any length comes in lists of up to ``size``, each made when the consumer has room; one candle and one such
    list are held, and the loop gets a turn between lists. An error comes after all that was before it; disposing stops
    at the next list. Raises :class:`InvalidCandleError` for candles out of order or of several series.
    """
    check_choice("policy", policy, ("flat", "null"))
    known = check_order(order)
    check_count("size", size)
    fill: Fill = _flat if policy == "flat" else _null

    def operator(source: Observable[Sequence[CandleData]]) -> Observable[Sequence[CandleData]]:
        # With "null" there are NoTrades among them; the overloads say so.
        return reactivex.defer(lambda _: source.pipe(concat_map_async(_Filling(fill, known, size).fill)))

    return operator


def _flat(symbol: str, timeframe: str, time: int, older: CandleData) -> FilledCandle:
    close = older.close
    return FilledCandle(symbol, timeframe, time, close, close, close, close, 0.0, 0.0, older.timestamp)


def _null(symbol: str, timeframe: str, time: int, older: CandleData) -> NoTrade:
    return NoTrade(symbol, timeframe, time)


class _Filling:
    """One subscription: the candle before, beyond which the next gap begins."""

    def __init__(self, fill: Fill, order: Order | None, size: int) -> None:
        self._fill = fill
        self._size = size
        self._track = Track(order)

    async def fill(self, candles: Sequence[CandleData]) -> AsyncGenerator[Sequence[CandleData], None]:
        check_lists("fill_gaps", candles)
        self._track.learn(candles)
        if not isinstance(candles, Stretch):
            async for plain in self._filled(candles):
                yield plain
            return
        order = Origin(candles.origin.order)
        async for filled in self._filled(candles):
            yield Stretch(filled, order)

    async def _filled(self, candles: Sequence[CandleData]) -> AsyncGenerator[list[Any], None]:
        held: list[Any] = []
        try:
            for each in self._each(candles):
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

    def _each(self, candles: Sequence[CandleData]) -> Iterator[Slot]:
        forward = self._track.order == "oldest_first"
        for candle in candles:
            last = self._track.last
            self._track.check(candle)
            if last is not None:
                older, newer = (last, candle) if forward else (candle, last)
                grid = Timeframe.of(candle.timeframe)
                step = 1 if forward else -1
                time = grid.shift(last.open_seconds, step)
                while older.open_seconds < time < newer.open_seconds:
                    yield self._fill(candle.symbol, candle.timeframe, time, older)
                    time = grid.shift(time, step)
            yield candle
