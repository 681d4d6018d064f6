"""The base series: which minutes of a market trade, and at what. Everything else is made of it.

A day is the unit. How many of its minutes trade is drawn first, then which; their prices and volumes are those of a
:class:`~rxcandles.simulator.pattern.Pattern`, at the day's level. So a whole day's candle follows from the number, and
the candles of years need no minute.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import chain, islice, pairwise, takewhile
from struct import calcsize, iter_unpack
from typing import Final, NamedTuple

from rxcandles.model.spans import Span, SpanSet
from rxcandles.simulator.chance import Binomial, digest, highest, subset
from rxcandles.simulator.pattern import DAYS, FACTORS, PARTS, VARIANTS, Prices, Quote
from rxcandles.simulator.text import DAY, UNIT, Candle

__all__ = ["STAMPS", "Base", "Minutes", "Shape", "joined"]

MINUTES: Final = 1440
"""Minutes of a day."""

_DAY: Final = f"<IHB{PARTS}s"
"""What is drawn for a day: how many minutes trade, its factor, its variant, the orders of its parts."""

_EVER: Final = 10**12

_LATE: Final = (13, 54, 170, 700, 1900)
"""How many milliseconds after its end a candle's last trade may be stored: 2 % of 256 (Upbit, 1.5 to 3 % seen 2026)."""

STAMPS: Final = (*(-1 - byte * 4999 // 255 for byte in range(256 - len(_LATE))), *_LATE)
"""Milliseconds from a minute's end to its ``timestamp``, by a byte of luck."""


class Shape(NamedTuple):
    """All of a candle but its times: what is sent by every exchange in 10^-8, and the rest of a :class:`Candle`."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int
    taker_volume: int
    taker_turnover: int


class Block(NamedTuple):
    """Some days in a row, column by column: what their minutes follow from. ``trading`` are the days with any."""

    trading: list[int]
    counts: list[int]
    levels: list[int]
    changes: list[int]
    variants: Sequence[int]
    factors: list[int]
    orders: Sequence[bytes]


class Totals(NamedTuple):
    """What the days of a block make that trade, column by column, as if the market were always open."""

    highs: list[int]
    lows: list[int]
    volumes: list[int]
    turnovers: list[int]
    taker_volumes: list[int]
    taker_turnovers: list[int]


class Minutes(NamedTuple):
    """The minutes of a day that trade, column by column, oldest first.

    ``kinds`` are indexes into ``shapes``; ``luck`` is a byte each, for the time of the last trade.
    """

    opens: Sequence[int]
    kinds: bytes
    luck: bytes
    shapes: Sequence[Shape]

    def stamp(self, index: int) -> int:
        """Return the ``timestamp`` of one minute."""
        return (self.opens[index] + 60) * 1000 + STAMPS[self.luck[index]]

    def candle(self, index: int) -> Candle:
        """Return one minute."""
        shape = self.shapes[self.kinds[index]]
        return Candle(self.opens[index], *shape[:6], self.stamp(index), *shape[6:])

    def joined(self, open_time: int, first: int, last: int) -> Candle:
        """Return the candle of the minutes from index ``first`` to before ``last``, which are some."""
        kinds, shapes = self.kinds[first:last], self.shapes
        counted = [(shapes[kind], kinds.count(kind)) for kind in set(kinds)]
        return Candle(
            open_time,
            shapes[kinds[0]].open,
            max([shape.high for shape, _ in counted]),
            min([shape.low for shape, _ in counted]),
            shapes[kinds[-1]].close,
            sum([shape.volume * count for shape, count in counted]),
            sum([shape.turnover * count for shape, count in counted]),
            self.stamp(last - 1),
            sum([shape.trades * count for shape, count in counted]),
            sum([shape.taker_volume * count for shape, count in counted]),
            sum([shape.taker_turnover * count for shape, count in counted]),
        )


def joined(open_time: int, candles: Sequence[Candle]) -> Candle | None:
    """Return the candle that these make, oldest first, as the exchange makes it; None of none."""
    if not candles:
        return None
    _, opens, highs, lows, closes, volumes, turnovers, stamps, *more = zip(*candles, strict=True)
    return Candle(
        open_time, opens[0], max(highs), min(lows), closes[-1], sum(volumes), sum(turnovers), stamps[-1],
        *map(sum, more),
    )  # fmt: skip


class Base:
    """The minutes of one market that trade, each by a chance of ``share``, and what whole days of them make.

    Only minutes that open in ``[start, stop)`` trade, both whole minutes, and none that lies wholly in one of the
    ``halts``. What is cut out changes nothing of the rest: a day that is cut into is added up from its minutes.
    """

    def __init__(self, key: str, base: int, quote: Quote, share: Fraction, span: Span, halts: Iterable[Span]) -> None:
        self.key = key
        self.start, self.stop = span
        self._counts = Binomial(MINUTES, share)
        self.prices = Prices(key, base, quote, round(MINUTES * share), self._counts.most)
        whole = ((-(-start // 60) * 60, stop // 60 * 60) for start, stop in halts)
        self._shut = SpanSet((*whole, (-_EVER, self.start), (self.stop, _EVER))).spans
        self._shut_ends = [stop for _, stop in self._shut]
        self._block = lru_cache(8)(self._make_block)
        self._totals = lru_cache(8)(self._make_totals)
        self.minutes = lru_cache(8)(self._make_minutes)

    def days(self, start: float, stop: float, backwards: bool = False) -> Iterator[int]:
        """Iterate over the days (since the epoch) that touch ``[start, stop)`` and may have a minute that trades."""
        first, last = int(max(start, self.start) // DAY), int(-(-min(stop, self.stop) // DAY))
        blocks = range(first // DAYS, -(-last // DAYS))
        for block in reversed(blocks) if backwards else blocks:
            days = self._block(block).trading
            some = days[bisect_left(days, first) : bisect_left(days, last)]
            yield from reversed(some) if backwards else some

    def over(self, start: int, stop: int) -> Candle | None:
        """Return the candle that the minutes of ``[start, stop)``, whole minutes, make; None where none trades."""
        parts: list[Candle] = []
        for low, high in self.open_spans(start, stop):
            first, last = -(-low // DAY), high // DAY
            if first > last:
                parts += self._within(low, high)
            else:
                parts += self._within(low, first * DAY)
                parts += self._whole_days(first, last)
                parts += self._within(last * DAY, high)
        return joined(start, parts)

    def minute(self, open_time: int) -> Candle | None:
        """Return the final candle of one minute, or None where it does not trade."""
        return next(iter(self._within(open_time, open_time + 60)), None)

    def _within(self, start: int, stop: int) -> list[Candle]:
        """The candle that minutes of one day make, ``[start, stop)``: one, or none."""
        if start == stop:
            return []
        minutes = self.minutes(start // DAY)
        first, last = bisect_left(minutes.opens, start), bisect_left(minutes.opens, stop)
        return [minutes.joined(start, first, last)] if first < last else []

    def _whole_days(self, first: int, last: int) -> list[Candle]:
        """The candle that the days from ``first`` to before ``last`` make, no minute of which is cut out."""
        trading: list[int] = []
        columns: tuple[list[int], ...] = ([], [], [], [], [], [])
        for block in range(first // DAYS, -(-last // DAYS)):
            days = self._block(block).trading
            some = slice(bisect_left(days, first), bisect_left(days, last))
            trading += days[some]
            for column, more in zip(columns, self._totals(block), strict=True):
                column += more[some]
        if not trading:
            return []
        highs, lows, volumes, turnovers, taker_volumes, taker_turnovers = columns
        opened, _, _ = self._ends(trading[0])
        _, closed, stamp = self._ends(trading[-1])
        volume = sum(volumes)
        return [
            Candle(
                first * DAY, opened, max(highs), min(lows), closed, volume, sum(turnovers), stamp,
                volume // self.prices.unit, sum(taker_volumes), sum(taker_turnovers),
            )
        ]  # fmt: skip

    def open_spans(self, start: int, stop: int) -> list[Span]:
        """Return the spans of ``[start, stop)`` in which the market is open."""
        index = bisect_right(self._shut_ends, start)
        shut = takewhile(lambda span: span[0] < stop, islice(self._shut, index, None))
        edges = [start, *chain.from_iterable(shut), stop]
        return [(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high]

    def _make_block(self, block: int) -> Block:
        prices, first = self.prices, block * DAYS
        steps = prices.levels(block)
        luck = iter_unpack(_DAY, digest(f"{self.key}|days|{block}", calcsize(_DAY) * DAYS))
        counted, shares, variants, orders = zip(*luck, strict=True)
        counts = list(map(self._counts.draw, counted))
        return Block(
            [number for number, count in enumerate(counts, first) if count],
            counts,
            [prices.base + level * prices.step for level in steps],
            [after - before for before, after in pairwise(steps)],
            [byte % VARIANTS for byte in variants],
            [FACTORS[share * len(FACTORS) >> 16] for share in shares],
            orders,
        )

    def _make_totals(self, block: int) -> Totals:
        _, counts, levels, changes, variants, factors, _ = self._block(block)
        prices, rows = self.prices, []
        tick, unit = prices.tick, prices.unit
        worth_unit = unit * tick // UNIT
        for count, level, change, variant, factor in zip(counts, levels, changes, variants, factors, strict=False):
            if not count:
                continue
            pattern = prices.pattern(change, variant)
            # Of the last kind there may be fewer minutes.
            full, rest = divmod(count, prices.copies)
            weight, worth, top = pattern.weights[full], pattern.worths[full], full - 1
            taken, cost = pattern.takens[full], pattern.costs[full]
            if rest:
                middle, part, bought = pattern.middle[full], rest * pattern.weight[full], rest * pattern.taken[full]
                weight, worth, top = weight + part, worth + part * middle, full
                taken, cost = taken + bought, cost + bought * middle
            rows.append(
                (
                    (level + pattern.tops[top]) * tick,
                    (level + pattern.bottoms[top]) * tick,
                    factor * weight * unit,
                    factor * (level * weight + worth) * worth_unit,
                    factor * taken * unit,
                    factor * (level * taken + cost) * worth_unit,
                )
            )
        return Totals(*map(list, zip(*rows, strict=True))) if rows else Totals([], [], [], [], [], [])

    def _ends(self, number: int) -> tuple[int, int, int]:
        """The first and the last price of a day that trades, and the time of its last trade."""
        block, at = self._block(number // DAYS), number % DAYS
        count, level, tick = block.counts[at], block.levels[at], self.prices.tick
        pattern = self.prices.pattern(block.changes[at], block.variants[at])
        first, last = self.prices.ends(block.orders[at], count)
        minute = number * DAY + 60 * highest(f"{self.key}|{number}", MINUTES, count)
        stamp = (minute + 60) * 1000 + STAMPS[self._luck(number, count)[-1]]
        return (level + pattern.open[first]) * tick, (level + pattern.close[last]) * tick, stamp

    def _luck(self, number: int, count: int) -> bytes:
        return digest(f"{self.key}|{number}|stamps", count)

    def _shapes(self, number: int) -> list[Shape]:
        """The kinds of minute that a day has."""
        block, at = self._block(number // DAYS), number % DAYS
        level, factor, tick = block.levels[at], block.factors[at], self.prices.tick
        unit, worth = factor * self.prices.unit, factor * (self.prices.unit * tick // UNIT)
        pattern = self.prices.pattern(block.changes[at], block.variants[at])
        kinds = range(-(-block.counts[at] // self.prices.copies))
        columns = zip(*pattern[:6], pattern.taken, kinds, strict=False)
        return [
            Shape(
                (level + first) * tick, (level + high) * tick, (level + low) * tick, (level + last) * tick,
                weight * unit, weight * (level + middle) * worth,
                weight * factor, taken * unit, taken * (level + middle) * worth,
            )
            for first, high, low, last, middle, weight, taken, _ in columns
        ]  # fmt: skip

    def _make_minutes(self, number: int) -> Minutes:
        block, at = self._block(number // DAYS), number % DAYS
        count, begin = block.counts[at], number * DAY
        if not count:
            return Minutes([], b"", b"", [])
        opens = subset(f"{self.key}|{number}", range(begin, begin + DAY, 60), count)
        kinds, luck = self.prices.order(block.orders[at], count), self._luck(number, count)
        spans = self.open_spans(begin, begin + DAY)
        if spans != [(begin, begin + DAY)]:
            kept = [slice(bisect_left(opens, start), bisect_left(opens, stop)) for start, stop in spans]
            opens = [time for part in kept for time in opens[part]]
            kinds, luck = (b"".join(column[part] for part in kept) for column in (kinds, luck))
        return Minutes(opens, kinds, luck, self._shapes(number))
