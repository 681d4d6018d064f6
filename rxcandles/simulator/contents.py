"""What a market's candles hold: which slots trade, and at what prices.

Everything is whole-number arithmetic over digests of a key, so that every process finds the same candles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b, shake_128
from math import isqrt
from struct import iter_unpack, unpack
from typing import Final, NamedTuple

from rxcandles.simulator.text import DAY, UNIT, Candle

__all__ = ["BLOCK", "Contents", "Shape", "forming", "trading"]

BLOCK: Final = 256
"""Candles that are made at a time."""

_WAVES: Final = ((128, 40_000), (16, 12_000), (1, 4_000))
"""Period in days and weight (of 65,536) of the waves that a market's price is the sum of."""

_LATE: Final = (13, 54, 170, 700, 1900)
"""How many milliseconds after its end a candle's last trade may be stored: 2 % of 256 (Upbit, 1.5 to 3 % seen 2026)."""

_RUN: Final = 16
"""Candles in a row that choose from the same shapes."""

_CHOICE: Final = 16
"""Shapes they choose from."""

_CHOICES: Final = bytes(number % _CHOICE for number in range(256))


class Shape(NamedTuple):
    """All of a candle but its times, in 10^-8."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int


def trading(key: str, size: int, some: int) -> list[int]:
    """Return ``some`` of the numbers below ``size``, ascending, spread as chance would; time grows with ``some``."""
    fewer = min(some, size - some)
    picked: set[int] = set()
    turn = 0
    while len(picked) < fewer:
        words = unpack(f"<{BLOCK}I", shake_128(f"{key}|{turn}".encode()).digest(4 * BLOCK))
        for word in words:
            if len(picked) < fewer:
                picked.add(word * size >> 32)
        turn += 1
    return sorted(picked) if fewer == some else [number for number in range(size) if number not in picked]


class Contents:
    """What the candles of one series hold.

    A candle of less than an hour is one of the shapes that were made for its part of the history, sixteen neighbours
    choosing from the same sixteen; that costs a third of making each anew, and the price still runs on. Longer
    candles have a shape each. ``group`` blocks share a list of ``shapes_count`` shapes. ``market`` is what all
    timeframes of a market share: their price. ``base`` is the price all others stay around, in 10^-8; from 1,000 up
    all prices are whole. ``length`` is the usual one of a slot, in seconds.
    """

    def __init__(self, market: str, key: str, base: int, length: int, in_krw: bool) -> None:
        self.group = _RUN if length < 3600 else 1
        self.shapes_count = BLOCK + (_CHOICE - 1 if length < 3600 else 0)
        self.market = market
        self.key = key
        self.tick: int = max(10 ** max(0, len(str(base)) - 6), UNIT if base >= 1000 * UNIT else 1)
        self.base: int = base // self.tick
        self.swing = max(3, self.base * isqrt(length) // 20_000)
        # 500,000 KRW a second is what KRW-BTC turns over.
        self.volume = (500_000 * UNIT if in_krw else UNIT // 1000) * length * UNIT // base
        # The exchange prints five decimals and three zeros of a turnover in KRW.
        self.cent = 1000 if in_krw else 1
        spread = min(length * 1000, 5000)
        self.stamps = [-1 - byte * (spread - 1) // 255 for byte in range(256 - len(_LATE))] + [*_LATE]
        self._price: Callable[[int], int] = lru_cache(512)(self._make_price)

    def shapes(self, group: int, times: Sequence[int]) -> list[Shape]:
        """Return the shapes of a group of blocks, at the prices of these times."""
        data = shake_128(f"{self.key}|shapes|{group}".encode()).digest(12 * len(times))
        tick, swing = self.tick, self.swing
        shapes = []
        for time, (up, down, above, below, share, luck) in zip(times, iter_unpack("<6H", data), strict=True):
            level = self._level(time)
            first, last = level + (swing * up >> 16), level + (swing * down >> 16)
            high = max(first, last) + (swing * above >> 17)
            low = min(first, last) - (swing * below >> 17)
            volume = max(1, self.volume // 50 + (self.volume * share * luck >> 31))
            # (open + close) / 2 lies between low and high.
            turnover = volume * (first + last) * tick // (2 * UNIT * self.cent) * self.cent
            shapes.append(Shape(first * tick, high * tick, low * tick, last * tick, volume, turnover))
        return shapes

    def choose(self, block: int, ends: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return, for the candles of a block, the indexes of their shapes and their ``timestamp`` in milliseconds."""
        count = len(ends)
        data = shake_128(f"{self.key}|{block}".encode()).digest(2 * count)
        first = block % self.group * (BLOCK // _RUN)
        chosen = [first + number // _RUN + byte for number, byte in enumerate(data[:count].translate(_CHOICES))]
        stamps = self.stamps
        return chosen if self.group > 1 else [*range(count)], [
            end * 1000 + stamps[byte] for end, byte in zip(ends, data[count:], strict=True)
        ]

    def _level(self, time: int) -> int:
        """The price in ticks, which runs straight from midnight to midnight."""
        day, second = divmod(time, DAY)
        before = self._price(day)
        return before + (self._price(day + 1) - before) * second // DAY if second else before

    def _make_price(self, day: int) -> int:
        total = 0
        for period, weight in _WAVES:
            index, part = divmod(day, period)
            before, after = _chance(self.market, period, index), _chance(self.market, period, index + 1)
            total += weight * ((before * (period - part) + after * part) // period - 32_768)
        return self.base + (self.base * total >> 32)


def _chance(key: str, period: int, index: int) -> int:
    return int.from_bytes(blake2b(f"{key}|{period}|{index}".encode(), digest_size=2).digest(), "little")


def forming(final: Candle, end: int, now: float, tick: int) -> Candle:
    """Return what ``final`` is while its slot still runs: each part has grown by the share of the slot that is over.

    Prices stay multiples of ``tick``, both in 10^-8.
    """
    past = int((now - final.open_time) * 1000) + 1
    whole = (end - final.open_time) * 1000 + 1

    def grown(begin: int, value: int, step: int = 1) -> int:
        # Rounding down also where the value falls keeps low <= close <= high.
        return begin + (value - begin) // step * past // whole * step

    return Candle(
        final.open_time,
        final.open,
        grown(final.open, final.high, tick),
        grown(final.open, final.low, tick),
        grown(final.open, final.close, tick),
        max(1, grown(0, final.volume)),
        max(1, grown(0, final.turnover)),
        min(int(now * 1000), final.timestamp),
    )
