"""First come, first served: the callers that wait for a permit, and the one timer for the next permit."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from rxcandles.errors import ExchangeError
from rxcandles.limiters.keeping import Keeper
from rxcandles.limiters.state import Permit

__all__ = ["Queue"]


class Queue:
    """The waiting callers. All functions are called within a step of the ``keeper``.

    * ``due``: returns when a permit of a cost can be given, as far as is known; not after now if one is free.
    * ``give``: gives it.
    * ``give_back``: takes it back from a caller that was cancelled when it had just been given.
    * ``refusal``: returns the error for callers that would wait too long, or None.
    """

    def __init__(
        self,
        keeper: Keeper,
        due: Callable[[float, float], float],
        give: Callable[[float, float], Permit | None],
        give_back: Callable[[Permit | None], None],
        refusal: Callable[[float], ExchangeError | None],
    ) -> None:
        self._keeper = keeper
        self._due, self._give, self._give_back, self._refusal = due, give, give_back, refusal
        self._waiting: OrderedDict[asyncio.Future[Permit | None], float] = OrderedDict()
        self._timer: asyncio.Handle | None = None

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return sum(not place.done() for place in self._waiting)

    async def permit(self, cost: float) -> float:
        """Wait for a permit and return when it was given."""
        loop = asyncio.get_running_loop()
        with self._keeper.step():
            now = loop.time()
            if not self._waiting and self._due(now, cost) <= now:
                self._give(now, cost)
                return now
            if refused := self._refusal(now):
                raise refused
            place: asyncio.Future[Permit | None] = loop.create_future()
            self._waiting[place] = cost
            if self._timer is None:
                self._look_again(loop, self._due(now, cost))
        try:
            permit = await place
        except asyncio.CancelledError:
            self._leave(place)
            raise
        return loop.time() if permit is None else permit.given

    def wake(self) -> None:
        """Give free permits to the first in line, and look again when the next one is due."""
        with self._keeper.step():
            self._look_no_more()
            while self._waiting:
                place, cost = next(iter(self._waiting.items()))
                loop = place.get_loop()
                now = loop.time()
                due, refused = self._due(now, cost), self._refusal(now)
                if due > now and refused is None:
                    self._look_again(loop, due)
                    return
                del self._waiting[place]
                if place.done():
                    continue
                if refused is None:
                    place.set_result(self._give(now, cost))
                else:
                    place.set_exception(refused)

    def _look_again(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        # Not the timer's own ``when``: for near times uvloop gives a plain ``Handle`` without one.
        self._keeper.looks_at = when
        self._timer = loop.call_at(when, self.wake)

    def _look_no_more(self) -> None:
        self._keeper.looks_at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _leave(self, place: asyncio.Future[Permit | None]) -> None:
        with self._keeper.step():
            if place in self._waiting:
                del self._waiting[place]
                if not self._waiting:
                    self._look_no_more()
            elif not place.cancelled() and place.exception() is None:
                self._give_back(place.result())
                self.wake()
