"""The exchange is ill for a while: what it sends is well-formed and wrong, as real exchanges have it now and then::

sim.illnesses.add(Illness(lag=6), share=0.02)  # 2 % of the answers come from a replica that is 6 s behind
sim.illnesses.add(Illness(lost=((start, stop),)), connections=(1, 4))  # one connection in four leads to it
sim.illnesses.add(Illness(empty=True), since=noon, until=noon + 600)  # ten minutes of maintenance

An ill answer is the right answer to the same request, given by a replica that knows less. ``Date`` stays right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import blake2b
from math import inf
from typing import Final

import attrs

from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.answers import Asked
from rxcandles.simulator.forms import UPBIT, Form
from rxcandles.simulator.market import Served, Source
from rxcandles.simulator.replica import Replica, UpwardSource
from rxcandles.util.arguments import (
    check_callable,
    check_count,
    check_each,
    check_flag,
    check_kind,
    check_number,
    check_span,
    check_symbol,
    refusal,
)

__all__ = ["WELL", "Connections", "Illness", "Illnesses", "merged"]

_MOST_CONNECTIONS: Final = 100


def _spans(value: Iterable[Span]) -> tuple[Span, ...]:
    return SpanSet(tuple(check_each("lost", value, check_span))).spans


@attrs.frozen
class Illness:
    """What a replica of the exchange lacks. All else it answers rightly, so that pages are full where older rows exist.

    ``lag``: its data are so many seconds behind the exchange's clock. It sends what the market looked like then, also
    the candle that was forming, as it stood.
    ``lost``: spans of UTC seconds. A slot that lies wholly inside one has no candle, on any timeframe.
    ``keeps``: it has only candles that open within the last so many seconds, of any timeframe.
    ``empty``: it answers ``[]`` with status 200 to everything, as in maintenance, the list of markets included.
    ``without_newest``: so many candles are left out at the top of each page, which reaches further back instead.
    ``late``: what trades in the last so many seconds of a slot gets into its candle only as long after its end, or
    ``late_by`` seconds after it. Until then the candle stands as it stood before. A
    :class:`~rxcandles.simulator.Replay` has but final candles, which stay.

    ``keeps`` and ``late`` count from what the clock was ``lag`` ago. :class:`RequestError` for values out of bounds.
    """

    lag: float = 0.0
    lost: tuple[Span, ...] = attrs.field(default=(), converter=_spans)
    keeps: float | None = None
    empty: bool = False
    without_newest: int = 0
    late: float = 0.0
    late_by: float | None = None

    def __attrs_post_init__(self) -> None:
        check_number("lag", self.lag)
        if self.keeps is not None:
            check_number("keeps", self.keeps)
        check_flag("empty", self.empty)
        check_count("without_newest", self.without_newest, 0, 10_000)
        check_number("late", self.late)
        if self.late_by is not None:
            check_number("late_by", self.late_by)

    def clock(self, now: float) -> float:
        """Return the time up to which the replica knows what has traded, where the exchange's clock says ``now``."""
        return max(0.0, now - self.lag)

    def newest(
        self, source: Source, timeframe: Timeframe, to: float, count: int, now: float, form: Form = UPBIT
    ) -> Served:
        """Return what the replica answers where ``source`` itself would answer ``source.newest(…)``."""
        if self.empty:
            return Served(form.body([]), 0)
        now = self.clock(now)
        if not self.picky:
            return source.newest(timeframe, to, count, now)
        rows = Replica(self, source, timeframe, now, form).newest(to, count + self.without_newest)
        return Served(form.body(rows[self.without_newest :]), max(0, len(rows) - self.without_newest))

    def oldest(
        self, source: UpwardSource, timeframe: Timeframe, since: float, to: float, count: int, now: float, form: Form
    ) -> Served:
        """Return what the replica answers where ``source`` itself would answer ``source.oldest(…)``.

        What is left out at the top of such a page makes it shorter.
        """
        if self.empty:
            return Served(form.body([]), 0)
        now = self.clock(now)
        if not self.picky:
            return source.oldest(timeframe, since, to, count, now)
        rows = Replica(self, source, timeframe, now, form).oldest(source, since, to, count)
        rows = rows[: max(0, len(rows) - self.without_newest)]
        return Served(form.body(rows[::-1]), len(rows))

    @property
    def picky(self) -> bool:
        """Whether it has other candles than the exchange had at some time."""
        return bool(self.lost or self.without_newest or self.late) or self.keeps is not None


WELL: Final = Illness()
"""That of a replica that lacks nothing."""


@lru_cache(64)
def merged(illnesses: tuple[Illness, ...]) -> Illness:
    """Return the illness of a replica that has all of these, the worst of each kind."""
    if len(illnesses) < 2:
        return illnesses[0] if illnesses else WELL
    return Illness(
        lag=max(each.lag for each in illnesses),
        lost=tuple(span for each in illnesses for span in each.lost),
        keeps=min((each.keeps for each in illnesses if each.keeps is not None), default=None),
        empty=any(each.empty for each in illnesses),
        without_newest=max(each.without_newest for each in illnesses),
        late=max(each.late for each in illnesses),
        late_by=_latest(illnesses),
    )


def _latest(illnesses: tuple[Illness, ...]) -> float | None:
    """Return how long after a slot's end its last trades are in its candle; None where none says it but ``late``."""
    if all(each.late_by is None for each in illnesses):
        return None
    return max(each.late if each.late_by is None else each.late_by for each in illnesses)


@attrs.frozen
class _Planned:
    illness: Illness
    share: float
    connections: tuple[int, int] | None
    since: float
    until: float
    markets: frozenset[str] | None
    when: Callable[[Asked], bool] | None
    key: str
    """What chance depends on, beside the number of the request or connection."""

    def due(self, asked: Asked) -> bool:
        return (
            self.since <= asked.now < self.until
            and (self.markets is None or asked.market in self.markets)
            and (self.share == 1 or _chance(f"{self.key}|{asked.number}") < self.share)
            and (self.connections is None or self._leads_here(*self.connections, asked.connection))
            and (self.when is None or self.when(asked))
        )

    def _leads_here(self, ill: int, of: int, connection: int) -> bool:
        group, place = divmod(connection - 1, of)
        order = sorted(range(of), key=lambda each: _chance(f"{self.key}|{group}|{each}"))
        return place in order[:ill]


class Illnesses:
    """The illnesses of a simulator. Where several meet in one answer, it has the worst of each kind.

    What befalls which request follows from ``seed``, the order of the illnesses, and the numbers of the request and
    of its connection. ``symbols`` are the markets there are.
    """

    def __init__(self, seed: int, symbols: Iterable[str]) -> None:
        self._seed = seed
        self._symbols = list(symbols)
        self._planned: list[_Planned] = []

    def add(
        self,
        illness: Illness,
        share: float = 1.0,
        connections: tuple[int, int] | None = None,
        since: float | None = None,
        until: float | None = None,
        markets: Iterable[str] | None = None,
        when: Callable[[Asked], bool] | None = None,
    ) -> None:
        """Let the answers be given by a replica with this ``illness``, where all that is given here is so.

        ``share``: so many of the requests, each by chance. ``connections``: ``(1, 4)`` for one in four of the
        connections that clients open, for as long as it lasts; another ``add`` draws others. ``since`` and ``until``:
        the exchange's clock, UTC seconds, is within. ``markets``: the request is for candles of one of them.
        ``when``: it is true of the request. :class:`RequestError` for arguments out of bounds.
        """
        check_kind("illness", illness, Illness)
        check_number("share", share, 0, 1, what="a number")
        check_callable("when", when, optional=True)
        for name, time in (("since", since), ("until", until)):
            if time is not None:
                check_number(name, time, what="UTC seconds")
        self._planned.append(
            _Planned(
                illness,
                share,
                None if connections is None else _check_connections(connections),
                -inf if since is None else since,
                inf if until is None else until,
                None if markets is None else frozenset(check_each("markets", markets, self._check_market)),
                when,
                f"{self._seed}|{len(self._planned)}",
            )
        )

    def clear(self) -> None:
        """Let the exchange be well again."""
        self._planned.clear()

    def __len__(self) -> int:
        """The number of illnesses that were added, whether their time has come or not."""
        return len(self._planned)

    def due(self, asked: Asked) -> Illness:
        """Return that of the replica that answers this request; :data:`WELL` mostly."""
        if not self._planned:
            return WELL
        return merged(tuple(each.illness for each in self._planned if each.due(asked)))

    def _check_market(self, name: str, symbol: str) -> str:
        if check_symbol(symbol) not in self._symbols:
            raise refusal(name, symbol, f"take a market that is served: {', '.join(self._symbols)}")
        return symbol


class Connections:
    """Numbers the connections that clients open, from 1, in the order of their first requests."""

    def __init__(self) -> None:
        self._last = 0
        self._numbers: dict[object, int] = {}

    def number(self, connection: object, held_open: Callable[[], Iterable[object]]) -> int:
        """Return the number of ``connection``; those that are not ``held_open`` any more are forgotten."""
        number = self._numbers.get(connection)
        if number is None:
            # aiohttp's own objects, to which there are no weak references.
            still = set(held_open())
            self._numbers = {each: number for each, number in self._numbers.items() if each in still}
            self._last += 1
            number = self._numbers[connection] = self._last
        return number


def _check_connections(value: tuple[int, int]) -> tuple[int, int]:
    try:
        ill, of = value
        return check_count("ill", ill, 1, of), check_count("of", of, 1, _MOST_CONNECTIONS)
    except (TypeError, ValueError):
        raise refusal(
            "connections", value, f"give (ill, of), such as (1, 4) for one in four; of {_MOST_CONNECTIONS} at most"
        ) from None


def _chance(key: str) -> float:
    """A number from 0 to 1, 1 excluded, that looks random and is the same in every process."""
    return int.from_bytes(blake2b(key.encode(), digest_size=6).digest(), "little") / 2**48
