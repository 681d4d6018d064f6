"""A test of one's own code, with candles of a simulated Upbit: no network, no key, the same candles in every run.

It needs ``pip install pytest pytest-asyncio`` beside rxcandles, which brings the fixture. Where nothing
is configured, pytest-asyncio is in its strict mode, and an asynchronous test carries the mark that this one has.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rxcandles import CandleDataProvider


async def highest_close(provider: CandleDataProvider, symbol: str) -> float:
    """What is tested: the highest close of January 2024."""
    candles = await provider.get_candles(symbol, "1d", to=datetime(2024, 2, 1, tzinfo=UTC), count=31)
    return max(candle.close for candle in candles)


@pytest.mark.asyncio
async def test_highest_close(candle_provider: CandleDataProvider) -> None:
    """It is one of the closes of that month, and asking again costs no request."""
    highest = await highest_close(candle_provider, "KRW-BTC")
    stored = await candle_provider.get_candles("KRW-BTC", "1d", to=datetime(2024, 2, 1, tzinfo=UTC), count=31)
    assert highest in {candle.close for candle in stored}
    summary = await candle_provider.collect_candles_only("KRW-BTC", "1d", to=datetime(2024, 2, 1, tzinfo=UTC), count=31)
    assert summary.api_calls_made == 0
