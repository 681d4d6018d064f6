"""A test of your own code, with candles of a simulated Upbit: no network, no key, the same candles in every run.

It needs ``pip install pytest pytest-asyncio``; the fixture comes with rxcandles. Unless you configure it,
pytest-asyncio is in its strict mode, in which an asynchronous test needs the mark that this one has.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rxcandles import CandleDataProvider


async def highest_close(provider: CandleDataProvider, symbol: str) -> float:
    """Return the highest close of January 2024: the code under test."""
    candles = await provider.get_candles(symbol, "1d", to=datetime(2024, 2, 1, tzinfo=UTC), count=31)
    return max(candle.close for candle in candles)


@pytest.mark.asyncio
async def test_highest_close(candle_provider: CandleDataProvider) -> None:
    """The highest close is one of that month, and asking again sends no request."""
    highest = await highest_close(candle_provider, "KRW-BTC")
    stored = await candle_provider.get_candles("KRW-BTC", "1d", to=datetime(2024, 2, 1, tzinfo=UTC), count=31)
    assert highest in {candle.close for candle in stored}
    summary = await candle_provider.collect_candles_only("KRW-BTC", "1d", to=datetime(2024, 2, 1, tzinfo=UTC), count=31)
    assert summary.api_calls_made == 0
