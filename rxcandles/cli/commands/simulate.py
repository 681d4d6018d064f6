"""``rxcandles simulate``: run a simulated exchange as a server."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from rxcandles.cli import options
from rxcandles.cli.runner import run_async
from rxcandles.cli.text import echo

__all__ = ["simulate"]


@click.command(
    help="""Run a simulated Upbit on this machine, for tests and demonstrations, until you press Ctrl-C.

    Its candles are invented. They are stored as "simulated", never as candles of a real exchange.

    \b
    rxcandles simulate --port 8700 --latency 0.05
    rxcandles collect KRW-BTC 1m --count 1000 --exchange simulated --base-url http://127.0.0.1:8700
    """
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8700,
    show_default=True,
    help="Port to listen on; 0 for any free port.",
)
@click.option(
    "--rate-limit",
    type=options.rate,
    metavar="N|none",
    default="10",
    help="Requests per second, or none.  [default: 10]",
)
@click.option("--latency", type=click.FloatRange(0, 60), default=0.0, show_default=True, help="Seconds per answer.")
def simulate(**asked: Any) -> options.Work:
    """Run a simulated Upbit on this machine, for tests and demonstrations, until you press Ctrl-C."""
    return lambda: _simulate(**asked)


def _simulate(port: int, rate_limit: float | None, latency: float) -> int:
    from rxcandles.simulator import Simulator

    async def serve() -> None:
        async with Simulator(rate=rate_limit, latency=latency, port=port) as simulator:
            echo(
                f"{simulator.base_url}  (try: rxcandles collect KRW-BTC 1m --count 1000 "
                f"--exchange simulated --base-url {simulator.base_url}; Ctrl-C stops it)"
            )
            await asyncio.Event().wait()

    run_async(serve())
    return 0
