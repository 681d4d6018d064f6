"""How a market's prices and volumes run through a day, and from one day to the next.

All prices here are in ticks, the smallest step of the market's price.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import accumulate, islice
from math import gcd
from operator import add, mul
from struct import iter_unpack, unpack
from typing import Final, Literal, NamedTuple, TypeAlias

from rxcandles.simulator.chance import digest
from rxcandles.simulator.text import UNIT

__all__ = ["DAYS", "FACTORS", "PARTS", "VARIANTS", "Pattern", "Prices", "Quote"]

DAYS: Final = 128
"""Days of which the levels are made at a time."""

VARIANTS: Final = 2
"""Patterns there are for one and the same change of the level."""

FACTORS: Final = range(256, 1024)
"""What the volumes of a pattern are multiplied by on a day."""

PARTS: Final = 12
"""Parts of a day that are each put in an order of its own, at most."""

_KINDS: Final = 90
"""Kinds of minute that a usual day has, at most."""

_MIXED: Final = 16
"""Kinds that are mixed with each other."""

_SHUFFLES: Final = 32
"""Other orders there are."""

_ALL: Final = bytes(range(256))

_WAVES: Final = ((128, 40_000), (16, 12_000), (1, 4_000))
"""Period in days and weight (of 65,536) of the waves that a market's level is the sum of."""

Quote: TypeAlias = Literal["KRW", "USD", "BTC"]
"""The money that a market's prices are in; a dollar stands for all that are worth about one."""

_TURNOVERS: Final[dict[Quote, int]] = {"KRW": 500_000 * UNIT, "USD": 20_000 * UNIT, "BTC": UNIT // 1000}
"""What a market turns over in a second: about that of KRW-BTC on Upbit and of BTCUSDT on Binance."""

_MEAN_WEIGHT: Final = 9
_CALM: Final = 27
"""By how many bits the walk beside the straight line is divided; greater is calmer."""


class Pattern(NamedTuple):
    """A day's prices less its level, by kind of minute: the first minutes that trade are of kind 0, and so on.

    ``middle`` is the price that a kind's turnover is made at. ``tops`` and ``bottoms`` are the highest and the lowest
    up to a kind; ``weights`` and ``worths`` the sums, over all minutes of the kinds before, of weight and of weight
    times middle. ``weight`` times a day's factor is the volume of one minute, in units. ``taken`` is the part of the
    weight that takers buy, with the sums ``takens`` and ``costs``.
    """

    open: Sequence[int]
    high: Sequence[int]
    low: Sequence[int]
    close: Sequence[int]
    middle: Sequence[int]
    weight: Sequence[int]
    tops: Sequence[int]
    bottoms: Sequence[int]
    weights: Sequence[int]
    worths: Sequence[int]
    taken: Sequence[int]
    takens: Sequence[int]
    costs: Sequence[int]


class _Luck(NamedTuple):
    """What all patterns of a variant have: prices (a column each) less the straight line's, weights and their sums."""

    prices: list[tuple[int, ...]]
    weight: list[int]
    weights: list[int]
    taken: list[int]
    takens: list[int]


class Prices:
    """The prices of one market.

    ``base``, in 10^-8, is what they stay around (half to twice), in the money ``quote``; from 1,000 up all are whole,
    but for dollars. ``minutes`` is how many trade on a usual day, ``most`` the most of any day. A level is a whole
    number of ``step`` from the base, so that days share some dozens of patterns. Volumes are multiples of ``lot`` and
    prices of ``tick`` (both in 10^-8), which makes volume times price a turnover that the exchange prints: of five
    decimals and three zeros in KRW.
    """

    def __init__(self, key: str, base: int, quote: Quote, minutes: int, most: int) -> None:
        self.key = key
        digits = 7 if quote == "USD" else 6
        whole = base >= 1000 * UNIT and quote != "USD"
        self.tick: int = max(10 ** max(0, len(str(base)) - digits), UNIT if whole else 1)
        self.base = base // self.tick
        self.step = max(1, self.base // 200)
        cent = 1000 if quote == "KRW" else 1
        self.lot = UNIT * cent // gcd(self.tick, UNIT * cent)
        volume = _TURNOVERS[quote] * 60 * UNIT // base
        usual = _MEAN_WEIGHT * (FACTORS[0] + FACTORS[-1]) // 2
        self.unit = max(1, volume // (usual * self.lot)) * self.lot
        """The volume of one weight at a factor of one."""
        self.copies = max(2 if minutes >= _MIXED else 1, -(-minutes // _KINDS))
        """How many minutes of a day are of one kind, which costs far less than making each anew."""
        self.length = max(1, -(-minutes // self.copies))
        self.kinds = max(1, -(-most // self.copies))
        self._part_tables = [
            bytes(min(255, part * _MIXED + number // self.copies) for number in _ALL) for part in range(PARTS)
        ]
        self.pattern = lru_cache(128)(self._make_pattern)
        self._luck = lru_cache(VARIANTS)(self._make_luck)
        self._knots = lru_cache(4)(self._make_knots)

    def levels(self, block: int) -> list[int]:
        """Return the level at the midnight before each of :data:`DAYS` days, and at the one after them, in steps."""
        (long,), middle, short = self._knots(block)
        (end,), (later, *_), (last, *_) = self._knots(block + 1)
        middle, short = (*middle, later, 0), (*short, last)
        # In the middle of 65,536 each wave adds nothing.
        zero = 32_768 * sum(weight for _, weight in _WAVES)
        slow, medium, quick = (weight for _, weight in _WAVES)
        return [
            self.base
            * (
                slow * ((long * (DAYS - day) + end * day) // DAYS)
                + medium * ((middle[day // 16] * (16 - day % 16) + middle[day // 16 + 1] * (day % 16)) // 16)
                + quick * short[day]
                - zero
            )
            // (self.step << 32)
            for day in range(DAYS + 1)
        ]

    def order(self, orders: bytes, count: int) -> bytes:
        """Return the kinds of a day's ``count`` minutes that trade, in the order that ``orders``, 12 bytes, tell.

        Of every kind there are as many, but for the last, of which there are what is left.
        """
        return b"".join(self._part(orders, count, part) for part in range(-(-count // (_MIXED * self.copies))))

    def ends(self, orders: bytes, count: int) -> tuple[int, int]:
        """Return the first and the last of ``order``, sooner."""
        last = (count - 1) // (_MIXED * self.copies)
        return self._part(orders, count, 0)[0], self._part(orders, count, last)[-1]

    def _part(self, orders: bytes, count: int, part: int) -> bytes:
        size = _MIXED * self.copies
        left_out = _ALL[min(size, count - part * size) :]
        return _shuffles()[orders[part] % _SHUFFLES].translate(self._part_tables[part], left_out)

    def _make_knots(self, block: int) -> list[tuple[int, ...]]:
        """The values of each wave within a block of days, of 65,536."""
        counts = [DAYS // period for period, _ in _WAVES]
        values = iter(unpack(f"<{sum(counts)}H", digest(f"{self.key}|levels|{block}", 2 * sum(counts))))
        return [tuple(islice(values, count)) for count in counts]

    def _make_pattern(self, change: int, variant: int) -> Pattern:
        prices, weight, weights, taken, takens = self._luck(variant)
        rise, length = change * self.step, self.length
        line = [rise * min(number, length) // length for number in range(len(weight))]
        # Arrays take a fifth of the room of lists.
        opens, highs, lows, closes, middles = (array("q", map(add, line, column)) for column in prices)
        tops, bottoms = array("q", accumulate(highs, max)), array("q", accumulate(lows, min))
        worths = array("q", self._sums(map(mul, weight, middles)))
        costs = array("q", self._sums(map(mul, taken, middles)))
        return Pattern(
            opens, highs, lows, closes, middles, weight, tops, bottoms, weights, worths, taken, takens, costs
        )

    def _make_luck(self, variant: int) -> _Luck:
        data = digest(f"{self.key}|pattern|{variant}", 12 * self.kinds)
        walk = [0, *accumulate(step - 32_768 for step, *_ in iter_unpack("<5H2x", data))]
        end = walk[min(self.length, self.kinds)]
        swing = max(3, self.base * 7 // 20_000)
        prices, weight, taken = [], [], []
        for number, (_, up, down, above, below, share, luck) in enumerate(iter_unpack("<5H2B", data)):
            # The walk begins and ends on the straight line from one midnight to the next.
            off = walk[number] - end * number // self.length if number < self.length else 0
            level = (self.base * off >> _CALM) - swing // 2
            first, last = level + (swing * up >> 16), level + (swing * down >> 16)
            high = max(first, last) + (swing * above >> 17)
            low = min(first, last) - (swing * below >> 17)
            prices.append((first, high, low, last, (first + last) // 2))
            weight.append(1 + (share * luck >> 11))
            taken.append(weight[-1] * (share ^ luck) >> 8)
        return _Luck(list(zip(*prices, strict=True)), weight, self._sums(weight), taken, self._sums(taken))

    def _sums(self, values: Iterable[int]) -> list[int]:
        """The sums over all minutes of the kinds before each, and of all."""
        return [0, *accumulate(self.copies * value for value in values)]


@cache
def _shuffles() -> list[bytes]:
    words = (unpack("<256I", digest(f"shuffle|{number}", 1024)) for number in range(_SHUFFLES))
    return [bytes(sorted(_ALL, key=each.__getitem__)) for each in words]
