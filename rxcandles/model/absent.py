"""What a covered slot without a candle means; the exchange declares it by timeframe."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

__all__ = ["ABSENT_WORDS", "AbsentSlot", "AbsentSlots", "counted_as"]

AbsentSlot: TypeAlias = Literal["no_trade", "outage", "either"]
"""What a slot without a candle means: nobody traded, the exchange was out, or one of the two."""

ABSENT_WORDS: Final[Mapping[AbsentSlot, str]] = MappingProxyType(
    {"no_trade": "no trade", "outage": "outage", "either": "no trade or outage"}
)
"""The same in words, for people."""


class AbsentSlots:
    """Counts of covered slots without a candle, by their meaning; at most one of them is not 0."""

    __slots__ = ()
    no_trade: int
    outage: int
    either: int

    @property
    def empty(self) -> int:
        """Covered slots without a candle, whatever that means."""
        return self.no_trade + self.outage + self.either

    @property
    def absent(self) -> AbsentSlot:
        """What an empty slot of these means."""
        return "outage" if self.outage else "either" if self.either else "no_trade"


def counted_as(meaning: AbsentSlot, empty: int) -> dict[AbsentSlot, int]:
    """Return the counts of ``AbsentSlots`` for ``empty`` slots with this meaning."""
    return {each: empty if each == meaning else 0 for each in get_args(AbsentSlot)}
