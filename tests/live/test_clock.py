"""The server's time: as late as its answers and its frames allow."""

from __future__ import annotations

import asyncio

from rxcandles.live.clock import ServerClock
from tests.support.virtualloop import run_virtual


def told(date: float, *stamps: float) -> float:
    """Return by how much a clock is fast whose answers are ``date`` seconds so, with a frame a second that late."""

    async def main() -> float:
        clock, loop = ServerClock(), asyncio.get_running_loop()
        clock.said(1000 + date)
        for late in stamps:
            await asyncio.sleep(1)
            clock.framed(1000 + loop.time() - late)
            clock.said(1000 + loop.time() + date)
        return clock.now() - 1000 - loop.time()

    return round(run_virtual(main()), 6)


def test_a_fast_date_is_found_out() -> None:
    """A ``Date`` that is some seconds ahead of all frames is not believed; the swiftest frame is."""
    assert told(5.0, 0.5, 0.1, 3.0) == -0.1
    assert told(5.0) == 5.0
    assert told(1.5, 0.1, 0.1) == 1.5


def test_a_stream_that_lags_is_no_clock() -> None:
    """Frames that are late by more than a clock is off change nothing, nor does one that is late among others."""
    assert told(0.0, 20.0, 30.0) == 0.0
    assert told(0.0, 0.3, 8.0) == 0.0


def test_a_slow_date_is_moved_on() -> None:
    """The time is never earlier than a second before the newest frame."""
    assert told(-5.0, 0.0) == -1.0


def test_frames_of_long_ago_say_nothing() -> None:
    """What the swiftest frame of a minute ago has shown is forgotten."""

    async def main() -> None:
        clock = ServerClock()
        clock.said(1005.0)
        clock.framed(1000.0)
        await asyncio.sleep(70)
        clock.said(1075.0)
        assert clock.now() == 1075.0

    run_virtual(main())
