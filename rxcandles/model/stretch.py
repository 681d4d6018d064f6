"""Lists of candles that know which span they hold completely, and how far their run has come.

So order and span travel with a stream, and operators need not be given them again. They are lists: a new list made of
one, such as ``[each for each in candles if …]``, knows nothing, and the operators behind it take care of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, inf
from typing import Any, Protocol, SupportsIndex, TypeVar, overload

import attrs

from rxcandles.model import CandleData, Order
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.spans import Span

__all__ = ["Origin", "Passed", "Stretch", "Told"]

_C = TypeVar("_C", bound=CandleData)


class Told(Protocol):
    """What a run reports of itself, at any moment."""

    @property
    def order(self) -> Order:
        """The order of all its candles."""
        ...

    @property
    def failed(self) -> Sequence[Span]:
        """Spans that could not be fetched and were passed over."""
        ...

    @property
    def last(self) -> int:
        """The number of the last list so far."""
        ...

    @property
    def edge(self) -> int:
        """How far the run has come: no candle exists between the last list and this time."""
        ...

    @property
    def absent(self) -> AbsentSlot | None:
        """What a slot without a candle means for the exchange; None if that is not known."""
        ...


@attrs.define(eq=False)
class Origin(Told):
    """What the source of a run reports of it."""

    order: Order
    lacking: Callable[[], Sequence[Span]] = tuple
    """Returns what could not be fetched so far."""
    last: int = 0
    edge: int = 0
    absent: AbsentSlot | None = None
    """What a slot without a candle means for the exchange; None if that is not known."""

    @property
    def failed(self) -> Sequence[Span]:
        """Spans that could not be fetched and were passed over."""
        return self.lacking()


@attrs.define(eq=False)
class Passed(Told):
    """What an operator that leaves out candles reports of a run; only candles from ``low`` to ``high`` may pass."""

    whole: Told
    low: float = 0.0
    high: float = inf
    last: int = 0
    heard: Stretch[Any] | None = None
    """The last list that came to the operator, even if nothing of it is left."""
    _near: int | None = None
    """Where the next list begins; None if that is not known."""
    _torn: bool = False
    """Whether something is missing right behind the candle that is held back."""

    @property
    def order(self) -> Order:
        """The order of all its candles."""
        return self.whole.order

    @property
    def failed(self) -> Sequence[Span]:
        """Spans that could not be fetched and were passed over."""
        return self.whole.failed

    @property
    def absent(self) -> AbsentSlot | None:
        """What a slot without a candle means for the exchange; None if that is not known."""
        return self.whole.absent

    @property
    def edge(self) -> int:
        """How far the run has come, within the bounds of what may pass."""
        heard = self.heard
        far = None if heard is None or heard.final else heard.far
        return self._within(self.whole.edge if far is None else far)

    def hear(self, of: Stretch[Any], *, held: bool = False) -> None:
        """Record a list that came to the operator; ``held`` says whether a candle of an earlier list is held back."""
        if self.heard is None or not of.follows(self.heard):
            self._near, self._torn = None if held else of.near, held
        self.heard = of

    def passing(self, candles: Sequence[_C], *, held: bool = False) -> Stretch[_C]:
        """Return the next list: the ``candles`` that pass; ``held`` says whether others are held back."""
        self.last += 1
        upward = self.order == "oldest_first"
        far = None if self.heard is None else self.heard.far
        if held and far is not None:
            far = candles[-1].open_seconds + upward
        near, self._near = self._near, far
        torn, self._torn = self._torn, False
        if torn and self.heard is not None and len(candles) == 1:
            self._near = self.heard.near  # only the candle before the missing part has been emitted
        if near is None or far is None:
            unsure = torn or (self.heard is not None and self.heard.unsure)
            return Stretch(candles, self, None, self.last if unsure else None)
        near, far = self._within(near), self._within(far)
        return Stretch(candles, self, (near, far) if upward else (far, near), self.last)

    def _within(self, time: int) -> int:
        return int(min(max(time, ceil(self.low)), self.high))


class Stretch(list[_C]):
    """All candles that exist in ``span``, in the order of the run; ``span`` is None if it is not known.

    ``number`` is the number of the list in its run; None for the first part of a list, and for a list of no run. A copy
    is a plain list.
    """

    __slots__ = ("number", "origin", "span")

    def __init__(
        self, candles: Iterable[_C], origin: Told, span: Span | None = None, number: int | None = None
    ) -> None:
        super().__init__(candles)
        self.origin = origin
        self.span = span
        self.number = number

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return list, (list(self),)

    @property
    def final(self) -> bool:
        """Whether no list of the run has come after it so far."""
        return self.number == self.origin.last

    @property
    def unsure(self) -> bool:
        """Whether candles of the run may be missing inside."""
        return self.span is None and self.number is not None

    @property
    def near(self) -> int | None:
        """The end of the span that comes first in the order."""
        return None if self.span is None else self.span[self.origin.order == "newest_first"]

    @property
    def far(self) -> int | None:
        """The end of the span that comes last in the order."""
        return None if self.span is None else self.span[self.origin.order == "oldest_first"]

    def follows(self, before: Stretch[Any]) -> bool:
        """Return whether this list begins where ``before`` ends."""
        return self.origin is before.origin and self.near is not None and self.near == before.far

    # A list that does not follow makes a plain list.
    def __iadd__(self, other: Iterable[_C]) -> Any:  # type: ignore[override, misc]
        if isinstance(other, Stretch) and other.follows(self):
            self.span, self.number = _both(self.span, other.span), other.number
            self.extend(other)
            return self
        joined = [*self, *other]
        if isinstance(other, Stretch) and other.origin.order == self.origin.order:
            return Stretch(joined, self.origin, None, self.number if other.number is None else other.number)
        return joined

    @overload
    def __getitem__(self, index: SupportsIndex) -> _C: ...
    @overload
    def __getitem__(self, index: slice) -> list[_C]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> _C | list[_C]:
        if not isinstance(index, slice):
            return super().__getitem__(index)
        part = super().__getitem__(index)
        first, last, step = index.indices(len(self))
        if step != 1 or not part:
            return part
        if self.span is None:
            return Stretch(part, self.origin, None, self.number)
        upward = self.origin.order == "oldest_first"
        near, far = self.span if upward else self.span[::-1]
        if first > 0:
            near = super().__getitem__(first - 1).open_seconds + upward
        if last < len(self):
            far = part[-1].open_seconds + upward
        return Stretch(
            part, self.origin, (near, far) if upward else (far, near), None if last < len(self) else self.number
        )


def _both(one: Span | None, other: Span | None) -> Span | None:
    if one is None or other is None:
        return None
    return min(one[0], other[0]), max(one[1], other[1])
