"""What Binance's face serves unless told otherwise."""

from __future__ import annotations

from typing import Final

from rxcandles.model.spans import Span
from rxcandles.simulator.market import Market

__all__ = ["BINANCE_MARKETS", "BINANCE_OUTAGES", "OFF_GRID"]

_LISTED: Final = 1_502_942_400
"""2017-08-17T04:00Z, Binance's first candle of BTCUSDT."""

BINANCE_OUTAGES: Final[tuple[Span, ...]] = (
    (1_518_049_680, 1_518_168_480),
    (1_552_356_000, 1_552_377_600),
    (1_593_309_600, 1_593_320_400),
    (1_606_716_000, 1_606_719_600),
)
"""From 2018-02-08 on for a day and a half, and some hours of 2019-03-12, 2020-06-28 and 2020-11-30.

Real ones: no market of Binance has a candle in them. Of the first we don't know the minutes.
"""

OFF_GRID: Final = (1_518_150_854_789, 1_518_165_194_789)
"""Milliseconds in the first outage at which candles open, off the grid, as it was in 2017 and 2018."""


def _market(symbol: str, density: float, base_price: float, listed: int = _LISTED, name: str = "") -> Market:
    return Market(
        symbol,
        density,
        listed=listed,
        halts=BINANCE_OUTAGES,
        base_price=base_price,
        english_name=name or symbol,
        dense=True,
        off_grid=OFF_GRID if listed < BINANCE_OUTAGES[0][0] else (),
    )


BINANCE_MARKETS: Final = (
    _market("BTCUSDT", 1.0, 60_000, name="Bitcoin"),
    _market("ETHUSDT", 0.998, 3_000, name="Ethereum"),
    _market("BNBUSDT", 0.95, 500, 1_509_940_440, "BNB"),
    _market("XRPUSDT", 0.9, 0.6, 1_525_421_460, "XRP"),
    _market("ETHBTC", 0.9, 0.05, 1_500_004_800, "Ethereum"),
    _market("RAREUSDT", 0.02, 0.1, 1_628_672_400, "Rarely Traded"),
    _market("PEPEUSDT", 0.4, 1.2e-5, 1_683_302_400, "Pepe"),
    _market("NEWUSDT", 0.9, 5, 1_788_224_400, "Newly Listed"),
)
"""All have the same outages. NEWUSDT begins 2026-09-01T01:00Z."""
