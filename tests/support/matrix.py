"""The faults of the matrix, by their numbers; the first of each number is the one that is worst."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rxcandles.errors import BannedError, RateLimitedError
from tests.support import wrongs
from tests.support.scenarios import SYMBOLS, Healed, Scenario
from tests.support.world import passing

__all__ = ["MATRIX"]

Tells = Callable[[Healed], object]


def _connects(least: int, most: int = 1_000) -> Tells:
    return lambda healed: least <= healed.connects <= most


def _went(*states: str) -> Tells:
    return lambda healed: all(each in healed.busy for each in states)


def _counted(name: str, market: str = "A-A") -> Tells:
    return lambda healed: next(getattr(each, name) for each in healed.stats.markets if each.symbol == market) > 0


def _stayed_live(healed: Healed) -> bool:
    return set(healed.busy.split()) <= {"live"} and healed.connects == 1


def _refused(healed: Healed) -> bool:
    return ("A-B", "refused") in {each[:2] for each in healed.states} and _stayed_live(healed)


_PAGES = {
    "418": lambda: BannedError("418", seconds=60.0),
    "429": lambda: RateLimitedError("429", retry_after=1.0),
    "5xx": lambda: passing("503"),
}

MATRIX: Final = (
    Scenario(1, "a connection is cut", wrongs.cut(1006), tells=_connects(2, 2)),
    Scenario(2, "a black hole: open, and nothing comes", wrongs.black, seconds=60, tells=_connects(2)),
    *(
        Scenario(2, f"a connection ends with {code}", wrongs.cut(code), tells=_connects(2, 2))
        for code in (1000, 1001, 1011)
    ),
    Scenario(
        3, "a stall: beats and no frames", wrongs.setting("stalled", True, False), 300, lags=125, tells=_connects(2, 8)
    ),
    Scenario(5, "each frame comes as a snapshot again", wrongs.shown(wrongs.snapshot_again), 150, tells=_stayed_live),
    Scenario(5, "each frame comes twice", wrongs.shown(wrongs.twice), 150, tells=_counted("duplicates")),
    Scenario(
        6, "snapshots of the candle before, and older frames", wrongs.shown(wrongs.older), 150, tells=_stayed_live
    ),
    Scenario(7, "frames come in reverse order, by fives", wrongs.reordered(5), 150, tells=_counted("older")),
    Scenario(
        8, "the last seconds of each candle are missing", wrongs.shown(wrongs.unfinished), 150, tells=_counted("differ")
    ),
    Scenario(
        9,
        "a trade that is recorded two candles late",
        wrongs.late_trade(130),
        after=400,
        tells=lambda healed: healed.revisions == 1,
    ),
    Scenario(9, "a trade that is recorded 2 s late", wrongs.late_trade(2), after=400),
    Scenario(
        9,
        "a trade that is recorded 15 minutes late",
        wrongs.late_trade(900),
        after=1900,
        tells=lambda healed: healed.revisions == 1,
    ),
    Scenario(
        9,
        "a trade that is recorded 2 hours late",
        wrongs.late_trade(7200),
        after=8300,
        requests=800,
        tells=lambda healed: healed.revisions == 1,
    ),
    *(
        Scenario(
            10,
            f"pages lag by {lag:g} s",
            wrongs.setting("lag", lag, 0.0),
            300,
            heals=75,
            lags=75 + 2 * lag,
            requests=300,
        )
        for lag in (30.0, 5.0, 1.0)
    ),
    Scenario(11, "no frame comes of anything, for minutes", wrongs.shown(lambda frame: []), 150, lags=125),
    Scenario(
        12,
        "the stream shows a candle that pages never have",
        wrongs.invented,
        after=500,
        tells=_counted("disputed", "A-C"),
    ),
    Scenario(13, "the server's clock is 5 s ahead", wrongs.dates(lambda now: float(int(now + 5))), 150),
    Scenario(13, "the server's clock is 5 s behind", wrongs.dates(lambda now: float(int(now - 5))), 150, lags=75),
    Scenario(13, "answers say no time", wrongs.dates(lambda now: None), 150, heals=130, lags=125),
    Scenario(13, "this machine's clock is an hour ahead", wrongs.own_clock(3600.0), 150),
    Scenario(13, "this machine's clock is an hour behind", wrongs.own_clock(-3600.0), 150),
    Scenario(13, "this machine's clock jumps to and fro", wrongs.own_clock(3600.0, jumping=True), 150, requests=400),
    Scenario(14, "the server says that it leaves", wrongs.leave, tells=_connects(2, 2)),
    Scenario(14, "three restarts within a minute", wrongs.cuts(0, 15, 30), 60, tells=_connects(4, 4)),
    Scenario(
        15,
        "connections may not grow older than four minutes",
        lambda world: None,
        given=wrongs.aged(240.0),
        after=650,
        tells=_connects(3, 5),
    ),
    Scenario(
        16,
        "the subscription to one market is lost",
        wrongs.mute_until_asked("A-A"),
        lags=125,
        after=400,
        tells=lambda healed: healed.stats.streams["resubscribes"] == 1,
    ),
    Scenario(16, "one market falls silent", wrongs.mute("A-A"), 300, lags=125),
    Scenario(16, "the subscription to all markets is lost", wrongs.mute_until_asked(*SYMBOLS), lags=125, after=400),
    Scenario(16, "all markets fall silent", wrongs.mute(*SYMBOLS), 300, lags=125),
    Scenario(17, "a market is unknown for five minutes", wrongs.unknown("A-B"), 300, after=1000, tells=_refused),
    Scenario(18, "the subscription is refused", wrongs.refused, requests=800, tells=_connects(2, 2)),
    Scenario(
        19,
        "429 to each connection",
        wrongs.upgrade(lambda: RateLimitedError("429", retry_after=30.0)),
        120,
        tells=_connects(3, 7),
    ),
    Scenario(
        19,
        "connections are blocked for ten minutes",
        wrongs.upgrade(lambda: BannedError("403")),
        60,
        requests=950,
        after=700,
        tells=_connects(3, 3),
    ),
    *(
        Scenario(
            20,
            f"pages fail for five minutes: {name}",
            wrongs.raises(make),
            300,
            heals=100,
            lags=400,
            tells=_went("stalled"),
        )
        for name, make in _PAGES.items()
    ),
    Scenario(21, "everything is down for a minute", wrongs.down, 60, heals=100, lags=130),
    Scenario(
        21,
        "everything is down for 30 minutes",
        wrongs.down,
        1800,
        heals=100,
        lags=1870,
        requests=1000,
        tells=_went("stalled"),
    ),
    Scenario(
        21,
        "everything is down for 4 hours",
        wrongs.down,
        14_400,
        heals=100,
        lags=14_500,
        requests=6500,
        tells=_went("stalled"),
    ),
    Scenario(22, "nobody trades anywhere for 40 minutes", wrongs.outage, 2460, lags=2470, tells=_connects(1, 2)),
    Scenario(24, "one closing flag in three is missing", wrongs.shown(wrongs.unflagged), 150, closed_flag=True),
    Scenario(
        25,
        "quiet slots have a candle 108 s after their end",
        wrongs.lazy_zeros,
        660,
        after=500,
        tells=lambda healed: healed.revisions > 0,
    ),
    Scenario(27, "frames of other markets and of other days", wrongs.shown(wrongs.garbled), 150, tells=_stayed_live),
)
