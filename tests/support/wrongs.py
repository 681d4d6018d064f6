"""What can go wrong with a world, a function each; each returns what puts it right again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import attrs

from rxcandles.errors import StreamClosedError, StreamRefusedError
from rxcandles.model import Row
from rxcandles.ports.stream import Frame
from tests.support.scenarios import SYMBOLS, Undo
from tests.support.world import BASE, FollowLoop, World, passing

Fault = Callable[[World], Undo]


def setting(name: str, wrong: object, right: object) -> Fault:
    """Set an attribute of the world."""

    def fault(world: World) -> Undo:
        setattr(world, name, wrong)
        return lambda: setattr(world, name, right)

    return fault


# Connections.


def cut(code: int) -> Fault:
    """End them all with a code."""
    return lambda world: world.cut(code)


def cuts(*seconds: float) -> Fault:
    """End them all several times."""

    def fault(world: World) -> Undo:
        for each in seconds:
            asyncio.get_running_loop().call_later(each, world.cut, 1012)
        return None

    return fault


def black(world: World) -> Undo:
    """Let nothing come any more."""
    for each in world.open_streams:
        each.black = True
    return None


def leave(world: World) -> Undo:
    """Let the server say that it leaves, and close a second later."""
    for each in world.open_streams:
        each.leaving = True
    loop, left = asyncio.get_running_loop(), StreamClosedError("the server has left", 1001)
    for each in world.open_streams:
        loop.call_later(3.0, each.end, left)
    return None


def upgrade(make: Callable[[], Exception]) -> Fault:
    """End them, and refuse others."""

    def fault(world: World) -> Undo:
        world.refusal = make
        world.cut(1001)
        return lambda: setattr(world, "refusal", lambda: None)

    return fault


def refused(world: World) -> Undo:
    """Refuse the subscription, for good, with a normal close."""
    world.refusal = lambda: StreamRefusedError("INVALID_PARAM: no such codes")
    world.cut(1000)
    return None


def aged(seconds: float) -> Callable[[World], object]:
    """Let no connection grow older; one that is, is closed."""

    def given(world: World) -> None:
        world.max_age = seconds
        world.stream_rules = world._stream_rules()

    return given


def mute(*symbols: str) -> Fault:
    """Lose the frames of markets, whatever is subscribed to."""

    def fault(world: World) -> Undo:
        world.muted |= {*symbols}
        return world.muted.clear

    return fault


def mute_until_asked(*symbols: str) -> Fault:
    """Lose the subscription to markets, until the whole list is sent again."""

    def fault(world: World) -> Undo:
        for each in world.open_streams:
            each.lost |= {*symbols}
        return None

    return fault


# Frames.


def shown(change: Callable[[Frame], list[Frame]]) -> Fault:
    """Make other frames of each."""
    return setting("shown", change, lambda frame: [frame])


def twice(frame: Frame) -> list[Frame]:
    """Show it again."""
    return [frame, frame]


def snapshot_again(frame: Frame) -> list[Frame]:
    """Show it again as a snapshot."""
    return [frame, attrs.evolve(frame, snapshot=True)]


def older(frame: Frame) -> list[Frame]:
    """Show it, less of it, and a snapshot of the candle before."""
    row = frame.row
    less = row._replace(volume=row.volume / 2)
    before = row._replace(open_time=row.open_time - 60)
    return [frame, attrs.evolve(frame, row=less), attrs.evolve(frame, row=before, snapshot=True)]


def reordered(most: int) -> Fault:
    """Keep frames back until there are so many, and show the latest first."""
    kept: list[Frame] = []

    def change(frame: Frame) -> list[Frame]:
        kept.append(frame)
        if len(kept) < most:
            return []
        found = kept[::-1]
        kept.clear()
        return found

    return shown(change)


def unfinished(frame: Frame) -> list[Frame]:
    """Lose what is traded in the last seconds of a candle."""
    return [] if frame.stamp >= frame.row.open_time + 58 else [frame]


def unflagged(frame: Frame) -> list[Frame]:
    """Lose one closing flag in three."""
    return [] if frame.closed and frame.row.open_time % 180 == 0 else [frame]


def garbled(frame: Frame) -> list[Frame]:
    """Show it of another market, and of another day."""
    row = frame.row
    return [
        attrs.evolve(frame, symbol="A-X"),
        attrs.evolve(frame, row=row._replace(open_time=row.open_time - 86_400)),
        attrs.evolve(frame, row=row._replace(open_time=row.open_time + 86_400)),
        attrs.evolve(frame, stamp=frame.stamp + 86_400),
        frame,
    ]


def invented(world: World) -> Undo:
    """Show a candle that no page has."""
    opened = next(each for each in range(BASE + 240, BASE + 900, 60) if each not in world._trades["A-C"])
    row = Row(opened, 7.0, 7.0, 7.0, 7.0, 5.0, 35.0, (opened + 10) * 1000)
    world.invented.append(Frame("A-C", row, opened + 10.0))
    return None


# Pages.


def raises(make: Callable[[], Exception]) -> Fault:
    """Let all pages fail."""
    return setting("fault", lambda symbol: make(), lambda symbol: None)


def dates(said: Callable[[float], float | None]) -> Fault:
    """Let answers say another time."""
    return setting("date", said, lambda now: float(int(now)))


def unknown(symbol: str) -> Fault:
    """Let the exchange know a market no more; its stream is silent about it."""

    def fault(world: World) -> Undo:
        world.unknown.add(symbol)
        world.muted.add(symbol)

        def undo() -> None:
            world.unknown.clear()
            world.muted.clear()

        return undo

    return fault


# The world, and this machine.


def down(world: World) -> Undo:
    """Let nothing be reached."""
    world.fault, world.refusal = lambda symbol: passing("down"), lambda: StreamClosedError("down")
    world.cut(1006)

    def undo() -> None:
        world.fault, world.refusal = lambda symbol: None, lambda: None

    return undo


def late_trade(seconds: float) -> Fault:
    """Let a trade of a candle be recorded so long after the end of that."""

    def fault(world: World) -> Undo:
        world.trade("A-A", BASE + 120 + 30, 150.0, 3.0, recorded=BASE + 180 + seconds)
        return None

    return fault


def lazy_zeros(world: World) -> Undo:
    """Let each slot without a trade have a candle of none 108 seconds after its end, for ten minutes."""
    for opened in range(BASE + 180, BASE + 780, 60):
        if opened not in world._trades["A-C"]:
            world.trade("A-C", opened, 100.0, 0.0, recorded=opened + 168)
            row = Row(opened, 100.0, 100.0, 100.0, 100.0, 0.0, 0.0, opened * 1000)
            world.invented.append(Frame("A-C", row, opened + 168.0, closed=True))
    return None


def outage(world: World) -> Undo:
    """Let nobody trade anywhere for 40 slots."""
    for symbol in SYMBOLS:
        for opened in [each for each in world._opens[symbol] if BASE + 180 <= each < BASE + 2580]:
            world._opens[symbol].remove(opened)
            del world._trades[symbol][opened]
    return None


def own_clock(seconds: float, *, jumping: bool = False) -> Fault:
    """Let this machine's clock be wrong, or ``jumping`` to and fro."""

    def fault(world: World) -> Undo:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FollowLoop)
        loop.ahead = seconds
        for at in range(7, 200, 7) if jumping else ():
            loop.call_later(at, setattr, loop, "ahead", seconds * (-1) ** at)
        return lambda: setattr(loop, "ahead", 0.0)

    return fault
