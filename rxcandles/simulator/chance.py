"""Chance that is the same in every process: whole numbers drawn from digests of a key."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from hashlib import shake_128
from itertools import accumulate, compress
from struct import unpack
from typing import Final

__all__ = ["Binomial", "digest", "highest", "subset"]

_FINE: Final = 1 << 64
"""The weight of the likeliest number; one that weighs less than 1 never comes."""

_LUCKIEST: Final = (1 << 32) - 1

_FEW: Final = 32
"""So many of a subset are picked at once."""


def digest(key: str, size: int) -> bytes:
    """Return ``size`` bytes that follow from ``key``."""
    return shake_128(key.encode()).digest(size)


def subset(key: str, values: range, some: int) -> Sequence[int]:
    """Return ``some`` of ``values``, in their order; each choice of so many is as likely as any other."""
    if some >= len(values):
        return values
    if some <= _FEW:
        return [values[number] for number in sorted(_picked(key, len(values), some))]
    # The last is chosen first, so that it can be told alone.
    last, rest = highest(key, len(values), some), some - 1
    if rest <= last // 2:
        return [values[number] for number in (*sorted(_picked(key, last, rest)), last)]
    chosen = bytearray(b"\1") * (last + 1)
    for number in _picked(key, last, last - rest):
        chosen[number] = 0
    return list(compress(values, chosen))


def highest(key: str, size: int, some: int) -> int:
    """Return the last that ``subset`` chooses from ``range(size)``, sooner."""
    if some <= _FEW:
        return max(_picked(key, size, some))
    turn = 0
    while True:
        for word in unpack("<32I", digest(f"{key}|last|{turn}", 128)):
            size -= 1
            # Of the numbers up to this one, so many are chosen.
            if word * (size + 1) >> 32 < some:
                return size
        turn += 1


def _picked(key: str, size: int, some: int) -> set[int]:
    picked: set[int] = set()
    turn = 0
    while len(picked) < some:
        # As many as are missing, so that none is ever too much.
        count = some - len(picked)
        picked.update([word * size >> 32 for word in unpack(f"<{count}I", digest(f"{key}|{turn}", 4 * count))])
        turn += 1
    return picked


class Binomial:
    """How many of ``trials`` succeed where each does by a chance of ``share``."""

    def __init__(self, trials: int, share: Fraction) -> None:
        wins, losses = share.numerator, share.denominator - share.numerator
        likeliest = min(trials, (trials + 1) * wins // share.denominator)
        # Each weight follows from its neighbour's, away from the likeliest number.
        up, down = [_FINE], []
        for number in range(likeliest, trials):
            up.append(up[-1] * (trials - number) * wins // ((number + 1) * losses))
            if not up[-1]:
                break
        weight = _FINE
        for number in range(likeliest, 0, -1):
            weight = weight * number * losses // ((trials - number + 1) * wins)
            if not weight:
                break
            down.append(weight)
        weights = [*reversed(down), *up]
        self.least = likeliest - len(down)
        total = sum(weights)
        self._bounds = [((weight << 32) + total // 2) // total for weight in accumulate(weights)]
        self.most = self.least + bisect_right(self._bounds, _LUCKIEST)

    def draw(self, luck: int) -> int:
        """Return the number that ``luck``, below 2^32, stands for."""
        return self.least + bisect_right(self._bounds, luck)
