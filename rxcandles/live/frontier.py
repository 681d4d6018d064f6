"""How far the store proves that nothing is missing, and why not further."""

from __future__ import annotations

import attrs

from rxcandles.live.market import Market
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import time_text
from rxcandles.ports import CandleStore, impossible_in

__all__ = ["Frontier", "frontier"]

DOUBTS = 2
"""How often a doubtful gap is asked about again before candles behind it are handed out."""


@attrs.frozen
class Lacking:
    """A span that is not covered although what comes behind it is."""

    span: Span
    why: str
    impossible: bool
    """Whether the exchange has its candle with values that can't be true; otherwise it has none any more."""


@attrs.frozen
class Frontier:
    """What the store says of a market from some time on."""

    proven: int
    """Nothing is missing before this time."""
    heard: int
    """Everything before this time is covered, if only provisionally."""
    doubts: tuple[int, ...] = ()
    """Starts of the doubtful gaps that hold it up."""
    lacking: Lacking | None = None
    """What keeps it from going on; None if there is no such span."""


async def frontier(store: CandleStore, market: Market, stop: int, fresh: float) -> Frontier:
    """Return how far a market is proven from where it stands, up to ``stop``.

    A doubtful absence at the end is not proven until a candle comes behind it, or the exchange has confirmed it. A
    doubtful gap that ends after ``fresh`` holds up what comes behind it until it was asked about again: a server that
    lags behind may lack its candles. It does not if the stream lived all the while and showed nothing.
    """
    symbol, timeframe, start = market.symbol, market.timeframe, market.proven
    covered = [each for each in await store.coverage(symbol, timeframe, max(0, start - 1), stop) if each.stop > start]
    reach = next((each.stop for each in covered if each.start <= start), start)
    if reach <= start:
        lacking = None
        if covered:  # newest first; something behind it is covered
            span = (start, covered[-1].start)
            found = await impossible_in(store, symbol, timeframe, *span)
            why = "the exchange no longer has them"
            if found:
                why = f"the candle of {time_text(found[0].open_time)} is impossible: {found[0].fault}"
            lacking = Lacking(span, why, bool(found))
        return Frontier(start, start, lacking=lacking)
    reach = min(reach, stop)
    proven, doubts = reach, []
    for claim in await store.claims(symbol, timeframe, start, reach):
        if claim.kind == "head" and claim.stop >= reach:
            proven = min(proven, max(start, claim.start))
        elif claim.kind == "gap" and fresh < claim.stop and claim.start < market.streamed_since:
            gap = max(start, claim.start)
            if market.doubts.get(gap, 0) < DOUBTS:
                doubts.append(gap)
    return Frontier(min([proven, *doubts]), reach, tuple(doubts))
