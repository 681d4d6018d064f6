"""Slots without a trade, made visible."""

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
    """Put something into every slot between two candles of one series that has none.

    The order, the run's own or else newest first, is kept. ``"flat"``: a :class:`FilledCandle` at the close of the
    older of the two, whichever comes first; ``"null"``: a :class:`NoTrade`. Both have ``traded`` False, and neither is
    ever stored. Before the first candle and after the last nothing is filled, since nothing is known of it.

    Nobody knows the price of what was an outage of the exchange, as a slot without a candle is on Binance: ``"flat"``
    leaves it open, ``"null"`` puts an :class:`Outage` there (a :class:`NoCandle` where the exchange leaves open which
    it is). Lists of a run say it themselves; for others give ``absent``, else they are taken to have had no trade.
    With ``absent="no_trade"`` all is filled in any case.

    A gap of any length comes in lists of up to ``size``, each made when the consumer has room; one candle and one such
    list are held, and the loop gets a turn between lists. An error comes after all that was before it; disposing stops
    at the next list. Raises :class:`InvalidCandleError` for candles out of order or of several series.
    """
    check_choice("policy", policy, ("flat", "null"))
    known = check_order(order)
    check_count("size", size)
    if absent is not None:
        check_choice("absent", absent, get_args(AbsentSlot))

    def operator(source: Observable[Sequence[CandleData]]) -> Observable[Sequence[CandleData]]:
        # With "null" there are marks among them; the overloads say so.
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
    """One subscription: the candle before, beyond which the next gap begins."""

    def __init__(self, flat: bool, order: Order | None, size: int, absent: AbsentSlot | None) -> None:
        self._flat = flat
        self._absent = absent
        self._told: AbsentSlot | None = None
        self._size = size
        self._track = Track(order)

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
                time = grid.shift(last.open_seconds, step)
                while older.open_seconds < time < newer.open_seconds:
                    yield fill(candle.symbol, candle.timeframe, time, older)
                    time = grid.shift(time, step)
            yield candle
