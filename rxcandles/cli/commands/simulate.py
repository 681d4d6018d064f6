"""``rxcandles simulate``: run a simulated exchange as a server."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import click

from rxcandles.cli import options
from rxcandles.cli.runner import run_async
from rxcandles.cli.text import echo
from rxcandles.modes.connect import OwnRate
from rxcandles.simulator.faces import FACES

__all__ = ["simulate"]

_TRY: Final = {
    "upbit": "KRW-BTC 1m --count 1000 --exchange simulated",
    "binance": "BTCUSDT 1m --count 1000 --exchange binance",
}
"""What to collect from each, as a first try."""


@click.command(
    help="""Run a simulated exchange on this machine, for tests and demonstrations, until you press Ctrl-C.

    It answers like Upbit, or like Binance (spot) with --as binance. Its candles are invented, and the same every time.
    Other commands store them as "simulated", never as candles of a real exchange. At the same port it streams candles
    by WebSocket, as the exchange does: Upbit at /websocket/v1, Binance at /ws and /stream.

    \b
    Reads:    nothing
    Writes:   nothing; prints its addresses
    Network:  answers requests on 127.0.0.1 only

    \b
    rxcandles simulate --port 8700 --latency 0.05
    rxcandles simulate --as binance --port 8701
    rxcandles collect KRW-BTC 1m --count 1000 --exchange simulated --base-url http://127.0.0.1:8700
    """
)
@click.option(
    "--as",
    "face",
    type=click.Choice(list(FACES)),
    default="upbit",
    show_default=True,
    help="Exchange whose API it answers.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    default=8700,
    show_default=True,
    help="Port to listen on; 0 takes any free port.",
)
@click.option(
    "--rate-limit",
    type=options.rate,
    metavar="N|none",
    default=OwnRate.OWN,
    help="Limit: requests per second as Upbit, request weight per minute as Binance, or none.  [default: 10; 6000]",
)
@click.option(
    "--latency",
    type=click.FloatRange(0, 60),
    metavar="SECONDS",
    default=0.0,
    show_default=True,
    help="Time that each answer takes, in seconds.",
)
def simulate(**asked: Any) -> options.Work:
    """Serve until a signal ends the process."""
    return lambda: _simulate(**asked)


def _simulate(face: str, port: int, rate_limit: float | OwnRate | None, latency: float) -> int:
    from rxcandles.simulator import faces

    limited: dict[str, Any] = {}
    if not isinstance(rate_limit, OwnRate):
        whole = face == "binance" and rate_limit is not None and rate_limit.is_integer()
        limited["rate"] = int(rate_limit or 0) if whole else rate_limit

    async def serve() -> None:
        async with faces.face(face, latency=latency, port=port, **limited) as simulator:
            url = simulator.base_url
            echo(f"{url}  (try: rxcandles collect {_TRY[face]} --base-url {url}; Ctrl-C stops it)")
            echo(f"{simulator.ws_url}  (candles by WebSocket)")
            await asyncio.Event().wait()

    run_async(serve())
    return 0
