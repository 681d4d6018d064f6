"""Run a worker of Dask that collects: one address, one process, no more at a time than it has resources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from rxcandles.cluster.dask import check_scheduler, distributed
from rxcandles.errors import ClusterError, RequestError
from rxcandles.exchanges.sessions import own_address
from rxcandles.model.naming import EXCHANGES
from rxcandles.util.arguments import refusal

__all__ = ["resources_of", "serve"]

_NEEDED: Final = ("aiohttp", "psycopg")
"""What takes a while to load, and would delay the first job."""
PAUSE: Final = 1.0
"""Seconds between the end of a scheduler and the first look for another."""


def resources_of(words: str) -> dict[str, int]:
    """Return ``upbit=1 binance=1`` as resources; raise ``RequestError`` for anything else."""
    found = {}
    for word in words.replace(",", " ").split():
        exchange, _, number = word.partition("=")
        if exchange not in EXCHANGES:
            raise refusal("resources", words, f"name exchanges, of {', '.join(EXCHANGES)}, such as 'upbit=1'")
        if number not in ("", "1"):
            raise refusal("resources", words, "a worker has one address, so write =1; start a worker for each address")
        found[exchange] = 1
    if not found:
        raise RequestError("resources is empty; name the exchanges that this worker collects from, such as 'upbit=1'")
    return found


async def serve(
    scheduler: str,
    resources: Mapping[str, int],
    *,
    source: str | None = None,
    name: str | None = None,
    started: Callable[[Any], object] = lambda worker: None,
) -> None:
    """Work for a scheduler until cancelled, and again for the next at its address if it ends.

    There is no nanny, a second process that starts the worker again if it dies: systemd and containers do the same, and
    its other use, a limit on memory, has nothing to do where memory is flat. A thread for each exchange is what Dask
    counts jobs by; they all run on one event loop.

    * ``source``: the address of this machine to send from.
    * ``name``: the worker's name; by default its address in the cluster.
    * ``started``: called with the worker each time it begins.
    """
    check_scheduler("scheduler", scheduler)
    address = None if source is None else own_address(source)
    dask = distributed()
    for each in _NEEDED:
        with suppress(ImportError):
            import_module(each)

    from rxcandles.cluster.plugin import SourcePlugin

    while True:
        worker = dask.Worker(
            scheduler,
            name=name,
            nthreads=len(resources),
            resources=dict(resources),
            memory_limit=0,
            dashboard=False,
            dashboard_address=":0",
            plugins=() if address is None else (SourcePlugin(address),),
        )
        try:
            async with worker:
                started(worker)
                await worker.finished()
        except RuntimeError as error:  # the scheduler refuses it, for example since another worker has its name
            raise ClusterError(f"{scheduler} does not take this worker: {error.__cause__ or error}") from error
        await asyncio.sleep(PAUSE)
