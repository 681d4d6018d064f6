"""What can be wrong with the candles that a stream shows. Each turns the right one into others, or into none::

sim.sockets.add(streamfaults.twice())  # from now on, every candle
sim.sockets.add(streamfaults.unclosed(), times=1, when=lambda shown: shown.symbol == "BTCUSDT")
await sim.sockets.send(streamfaults.not_json())  # once, at this moment
sim.sockets.add(lambda shown, now: [attrs.evolve(shown, high=shown.low)])  # one of your own
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import attrs

from rxcandles.simulator.talk import Shown
from rxcandles.util.arguments import check_choice, check_count

__all__ = [
    "Change",
    "Planned",
    "edited",
    "flat",
    "huge",
    "invented",
    "not_json",
    "numbers",
    "off_grid",
    "other_market",
    "other_timeframe",
    "price_zero",
    "reordered",
    "snapshot",
    "twice",
    "unclosed",
    "unfinished",
]

Change: TypeAlias = Callable[[Shown, float], Iterable[Shown]]
"""Turns a candle that is about to be shown into others; the second argument is the clock that it was made at."""

_PRICES: Final = ("open", "high", "low", "close")
_AMOUNTS: Final = ("volume", "turnover", "taker_volume", "taker_turnover")


@attrs.define
class Planned:
    """A change that befalls the next ``times`` candles for which ``when`` is true, on one connection ``only``."""

    change: Change
    times: float
    when: Callable[[Shown], bool] | None
    only: int | None

    def apply(self, shown: Shown, now: float) -> Iterable[Shown]:
        """Return what becomes of a candle."""
        if self.times <= 0 or (self.when is not None and not self.when(shown)):
            return (shown,)
        self.times -= 1
        return self.change(shown, now)


def edited(**fields: Any) -> Change:
    """Show other values, by the names of a :class:`Shown`.

    >>> sim.sockets.add(streamfaults.edited(high="0.00000001"), times=1)
    """
    return lambda shown, _now: (attrs.evolve(shown, **fields),)


# Messages too many, too few, and in another order.


def twice() -> Change:
    """Show each candle twice.

    >>> sim.sockets.add(streamfaults.twice())
    """
    return lambda shown, _now: (shown, shown)


def reordered(count: int = 2) -> Change:
    """Keep candles back until there are ``count``, of whichever markets, and show the latest first.

    >>> sim.sockets.add(streamfaults.reordered(3), number=1)
    """
    check_count("count", count, 2)
    kept: list[Shown] = []

    def turned(shown: Shown, _now: float) -> Iterable[Shown]:
        kept.append(shown)
        if len(kept) < count:
            return ()
        found = kept[::-1]
        kept.clear()
        return found

    return turned


def unfinished() -> Change:
    """Show no candle after its end, so that what was traded in its last second is never shown; nor that it is closed.

    >>> sim.sockets.add(streamfaults.unfinished())
    """
    return lambda shown, now: () if shown.timeframe.shift(_slot(shown), 1) <= now else (shown,)


def unclosed() -> Change:
    """Leave out what says that a candle is closed.

    >>> sim.sockets.add(streamfaults.unclosed(), times=1)
    """
    return lambda shown, _now: () if shown.closed else (shown,)


def snapshot() -> Change:
    """Call a candle a snapshot, where the exchange makes a difference.

    >>> await sim.sockets.send(streamfaults.snapshot(), previous=True)
    """
    return edited(snapshot=True)


# Candles that there are not.


def invented(open_time: float | None = None, price: str = "12345.00000000") -> Change:
    """Show a candle that pages never have, with trades, of the slot that opens then (None: of the same one).

    Where the exchange says so, it is closed.

    >>> await sim.sockets.send(streamfaults.invented(1_704_067_200))
    """

    def made(shown: Shown, _now: float) -> Iterable[Shown]:
        time = shown.open_time if open_time is None else open_time
        prices: dict[str, Any] = dict.fromkeys(_PRICES, price)
        closed = None if shown.closed is None else True
        stamp = int(time * 1000) + 500
        return (attrs.evolve(shown, open_time=time, stamp=stamp, volume="1.00000000", closed=closed, **prices),)

    return made


def flat(open_time: float) -> Change:
    """Show a candle of no trade for the slot that opens then, at the price that a market stands at.

    KuCoin does so with the next trade, which may be minutes late (recorded 2021: 109 seconds).

    >>> await sim.sockets.send(streamfaults.flat(1_704_067_200))
    """

    def made(shown: Shown, _now: float) -> Iterable[Shown]:
        prices: dict[str, Any] = dict.fromkeys(_PRICES, shown.close)
        nothing: dict[str, Any] = dict.fromkeys(_AMOUNTS, "0.00000000")
        closed = None if shown.closed is None else True
        return (attrs.evolve(shown, open_time=open_time, closed=closed, trades=0, **prices, **nothing),)

    return made


# Garbage.


def not_json() -> Change:
    """Show something that is no JSON.

    >>> await sim.sockets.send(streamfaults.not_json())
    """
    return edited(raw='{"type":"candle.1m","code":')


def huge(size: int = 5_000_000) -> Change:
    """Show a sound JSON value of so many bytes that is no candle.

    >>> await sim.sockets.send(streamfaults.huge(1000))
    """
    check_count("size", size, 2)
    return lambda shown, _now: (attrs.evolve(shown, raw=f'"{"x" * (size - 2)}"'),)


def other_market(symbol: str = "KRW-OTHER") -> Change:
    """Say that it is of another market.

    >>> await sim.sockets.send(streamfaults.other_market())
    """
    return lambda shown, _now: (attrs.evolve(shown, symbol=symbol, stream=shown.stream and _named(shown, symbol)),)


def other_timeframe(label: str = "candle.5m") -> Change:
    """Say that it is of another length, as the exchange names it.

    >>> await sim.sockets.send(streamfaults.other_timeframe("candle.3m"))
    """
    return edited(label=label)


def price_zero() -> Change:
    """Show a candle whose prices are all zero.

    >>> await sim.sockets.send(streamfaults.price_zero())
    """
    return edited(**dict.fromkeys(_PRICES, "0.00000000"))


def off_grid(seconds: float = 1) -> Change:
    """Show a candle that opens so many seconds late, off the grid.

    >>> await sim.sockets.send(streamfaults.off_grid(7))
    """
    return lambda shown, _now: (attrs.evolve(shown, open_time=shown.open_time + seconds),)


# The same numbers in other letters.


def numbers(style: Literal["exponent", "long", "short"]) -> Change:
    """Write numbers otherwise: with an ``exponent``, with 16 decimals (``long``), or without zeros at the end.

    >>> sim.sockets.add(streamfaults.numbers("exponent"))
    """
    check_choice("style", style, ("exponent", "long", "short"))

    def written(text: str) -> str:
        number = Decimal(text).normalize()
        if style == "long":
            return f"{number:.16f}"
        return f"{number:E}".replace("E+", "E") if style == "exponent" else f"{number:f}"

    def rewritten(shown: Shown, _now: float) -> Iterable[Shown]:
        fields: dict[str, Any] = {name: written(getattr(shown, name)) for name in (*_PRICES, *_AMOUNTS)}
        return (attrs.evolve(shown, **fields),)

    return rewritten


def _slot(shown: Shown) -> int:
    return shown.timeframe.floor(shown.open_time)


def _named(shown: Shown, symbol: str) -> str:
    return f"{symbol.lower()}@{shown.stream.partition('@')[2]}"
