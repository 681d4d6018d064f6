"""How the simulator looks from outside: a face for each exchange, before the same markets and faults."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from rxcandles.util.arguments import check_choice

if TYPE_CHECKING:
    from rxcandles.simulator.server import Server

__all__ = ["FACES", "face"]

FACES: Final = {
    "upbit": ("rxcandles.simulator.faces.upbit", "Simulator"),
    "binance": ("rxcandles.simulator.faces.binance", "BinanceSimulator"),
}
"""Module and class by name; a module is imported when its face is used."""


def face(name: str, **options: Any) -> Server:
    """Return a simulator with the face of the exchange called ``name``; ``options`` are those of its class.

    >>> from rxcandles.simulator.faces import face
    >>> face("binance", rate=None).market("BTCUSDT").symbol
    'BTCUSDT'
    """
    module, kind = FACES[check_choice("face", name, tuple(FACES))]
    return cast("Server", getattr(import_module(module), kind)(**options))
