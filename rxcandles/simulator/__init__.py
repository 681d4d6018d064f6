"""An exchange on this machine, for tests, demonstrations and users' own tests: Upbit, or Binance's spot market.

Its candles are made up, or recorded (:class:`Replay`); everything else is as the exchange does it, by pages and by
WebSocket. One base series makes the candles, and each exchange has a face (:mod:`rxcandles.simulator.faces`). The names
here are loaded when first used, because pytest imports this package in every session (see
:mod:`rxcandles.simulator.fixture`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxcandles.simulator import faults, streamfaults
    from rxcandles.simulator.answers import Answer, Asked, Logged
    from rxcandles.simulator.faces.binance import BinanceSimulator
    from rxcandles.simulator.faces.upbit import Simulator
    from rxcandles.simulator.faults import Fault
    from rxcandles.simulator.illness import Illness
    from rxcandles.simulator.market import DEFAULT_MARKETS, OUTAGES, Market, Source
    from rxcandles.simulator.replay import Replay
    from rxcandles.simulator.server import serve
    from rxcandles.simulator.stats import Stats

__all__ = [
    "DEFAULT_MARKETS",
    "OUTAGES",
    "Answer",
    "Asked",
    "BinanceSimulator",
    "Fault",
    "Illness",
    "Logged",
    "Market",
    "Replay",
    "Simulator",
    "Source",
    "Stats",
    "faults",
    "serve",
    "streamfaults",
]

_HOMES = {
    "answers": ("Answer", "Asked", "Logged"),
    "faults": ("Fault",),
    "illness": ("Illness",),
    "market": ("DEFAULT_MARKETS", "OUTAGES", "Market", "Source"),
    "replay": ("Replay",),
    "faces.binance": ("BinanceSimulator",),
    "faces.upbit": ("Simulator",),
    "server": ("serve",),
    "stats": ("Stats",),
}


def __getattr__(name: str) -> Any:
    if name in ("faults", "streamfaults"):
        return import_module(f"rxcandles.simulator.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"rxcandles.simulator.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
