"""The stream of server-sent events of one client: first all that the page shows, then what changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, Final

import msgspec

from rxcandles.errors import RxCandlesError
from rxcandles.model.candles import CandleData
from rxcandles.serve.hub import Changes, Hub
from rxcandles.serve.parts import Parts

__all__ = ["BEAT", "events", "news"]

BEAT: Final = 15.0
"""Seconds of silence after which a client hears that the connection lives."""
_PACE: Final = 0.1
"""Seconds between two rounds; what changes oftener is told once a round, as it is then."""
_RETRY: Final = 1000
"""Milliseconds after which a browser connects again."""


async def events(hub: Hub, parts: Parts, changes: Changes, zone: str | None) -> AsyncGenerator[bytes, None]:
    """Iterate over the events of one client, until it is closed or the hub is."""
    frame = hub.timeframe
    hello = {
        "run": hub.run_id,
        "timeframe": frame.name,
        "seconds": frame.seconds,
        "months": frame.months,
        "zone": zone,
        "symbols": list(hub.markets),
        "now": time.time(),
    }
    yield b"retry: %d\n" % _RETRY + _event(hello, "hello")
    told = False
    while not hub.closing:
        try:
            async with aclosing(news(hub, parts, changes)) as round_:
                async for each in round_:
                    yield each
        except RxCandlesError as error:
            # The browser connects again, and is told everything anew.
            yield _event(str(error), "trouble")
            return
        if hub.ended is not None and not told:
            told = True
            yield _event(hub.ended, "ended")
        await asyncio.sleep(_PACE)
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT - _PACE):
                await changes.wake.wait()
                continue
        yield b": the connection lives\n" + _event({"now": time.time()}, "beat")


async def news(hub: Hub, parts: Parts, changes: Changes) -> AsyncGenerator[bytes, None]:
    """Iterate over an event of each market that has changed."""
    position, taken = hub.position, changes.take()
    for left, (symbol, since) in zip(reversed(range(len(taken))), taken.items(), strict=True):
        part = None if since is None else await parts.read(symbol, since)
        now = hub.markets[symbol]
        about = {
            "symbol": symbol,
            "now": time.time(),
            "state": now.state,
            "reason": now.reason,
            "proven": now.proven,
            "forming": None if now.forming is None else _plain(now.forming),
            "behind": now.behind,
            "lost": now.lost,
        }
        # Who has the last event of a round has been told all until its beginning.
        yield _event(about if part is None else {**about, "part": part}, place=None if left else position)


def _plain(candle: CandleData) -> list[float]:
    return [candle.open_seconds, candle.open, candle.high, candle.low, candle.close, candle.volume]


def _event(data: Any, name: str = "", place: str | None = None) -> bytes:
    head = (f"event: {name}\n" if name else "") + (f"id: {place}\n" if place else "")
    return head.encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"
