"""Lists of candles that know which stretch of time they hold all candles of, and how the run goes that they are from.

So order and span travel with a stream, and nobody has to say them again. The lists are lists: what makes new ones of
them, such as ``[each for each in candles if …]``, knows nothing any more, and what comes behind takes care.
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
    """What a run tells of itself, at any moment."""

    @property
    def order(self) -> Order:
        """The order of all its candles."""
        ...

    @property
    def failed(self) -> Sequence[Span]:
        """Spans that could not be had and were passed over."""
        ...

    @property
    def last(self) -> int:
        """The number of the last list so far."""
        ...

    @property
    def edge(self) -> int:
        """How far the run has come: between the last list and here no candle exists."""
        ...

    @property
    def absent(self) -> AbsentSlot | None:
        """What a slot without a candle means, by the exchange that they are from; None where that is not known."""
        ...


@attrs.define(eq=False)
class Origin(Told):
    """What the source of a run tells of it."""

    order: Order
    lacking: Callable[[], Sequence[Span]] = tuple
    """What could not be had, as of now."""
    last: int = 0
    edge: int = 0
    absent: AbsentSlot | None = None
    """What a slot without a candle means, by the exchange that they are from; None where that is not known."""

    @property
    def failed(self) -> Sequence[Span]:
        """Spans that could not be had and were passed over."""
        return self.lacking()


@attrs.define(eq=False)
class Passed(Told):
    """What an operator that leaves candles out tells of a run, of which the time from ``low`` to ``high`` may pass."""

    whole: Told
    low: float = 0.0
    high: float = inf
    last: int = 0
    heard: Stretch[Any] | None = None
    """The last list that has come to the operator, whether anything is left of it or not."""
    _near: int | None = None
    """Where the next list begins; None where that is not known."""
    _torn: bool = False
    """Whether something is missing right behind the candle that is held back."""

    @property
    def order(self) -> Order:
        """The order of all its candles."""
        return self.whole.order

    @property
    def failed(self) -> Sequence[Span]:
        """Spans that could not be had and were passed over."""
        return self.whole.failed

    @property
    def absent(self) -> AbsentSlot | None:
        """What a slot without a candle means, by the exchange that they are from; None where that is not known."""
        return self.whole.absent

    @property
    def edge(self) -> int:
        """How far the run has come, within what may pass."""
        heard = self.heard
        far = None if heard is None or heard.final else heard.far
        return self._within(self.whole.edge if far is None else far)

    def hear(self, of: Stretch[Any], *, held: bool = False) -> None:
        """Hear of a list that has come to the operator, while a candle of one before is ``held`` back or not."""
        if self.heard is None or not of.follows(self.heard):
            self._near, self._torn = None if held else of.near, held
        self.heard = of

    def passing(self, candles: Sequence[_C], *, held: bool = False) -> Stretch[_C]:
        """Return the next list: the ``candles`` that are left of those that have come; some may be ``held`` back."""
        self.last += 1
        upward = self.order == "oldest_first"
        far = None if self.heard is None else self.heard.far
        if held and far is not None:
            far = candles[-1].open_seconds + upward
        near, self._near = self._near, far
        torn, self._torn = self._torn, False
        if torn and self.heard is not None and len(candles) == 1:
            self._near = self.heard.near  # only the candle from before what is missing has gone out
        if near is None or far is None:
            unsure = torn or (self.heard is not None and self.heard.unsure)
            return Stretch(candles, self, None, self.last if unsure else None)
        near, far = self._within(near), self._within(far)
        return Stretch(candles, self, (near, far) if upward else (far, near), self.last)

    def _within(self, time: int) -> int:
        return int(min(max(time, ceil(self.low)), self.high))


class Stretch(list[_C]):
    """All candles that exist in ``span``, in the order of the run; None where nobody can tell.

    ``number`` is which list of the run it is; None where it is only the first part of one, or of no run. A copy is a
    plain list.
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
        """Say whether this begins right where ``before`` ends."""
        return self.origin is before.origin and self.near is not None and self.near == before.far

    # What does not follow makes a plain list.
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
