"""The cluster of a command, and what is said of its addresses in the end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rxcandles.cli.display import Output
from rxcandles.cli.text import echo, printable
from rxcandles.cluster.dask import Cluster, distributed, opened

__all__ = ["addresses", "hush"]


def hush(verbose: int) -> None:
    """Keep Dask's own log from stderr, unless all is wanted: what matters of it is said in our words."""
    distributed()  # sets its loggers up
    if verbose < 2:
        for name in list(logging.root.manager.loggerDict):
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@asynccontextmanager
async def addresses(scheduler: str, output: Output) -> AsyncIterator[Cluster]:
    """Yield the cluster of a scheduler; in the end print which workers were told to slow down."""
    hush(output.verbose)
    async with opened(scheduler) as cluster:
        try:
            yield cluster
        finally:
            for name, spent in cluster.spent.items():
                if spent.rate_limited and not output.quiet:
                    echo(
                        f"rxcandles: worker {printable(name)}, which sends from {spent.address}: {spent.rate_limited:,}"
                        f" of {spent.requests:,} answers were 429; does it share its address with others (NAT)?",
                        err=True,
                    )
