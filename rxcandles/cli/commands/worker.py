"""``rxcandles worker``: collect for others, from an address of this machine."""

from __future__ import annotations

from typing import Any

import click

from rxcandles.cli import options
from rxcandles.cli.addresses import hush
from rxcandles.cli.display import Output
from rxcandles.cli.logs import logged
from rxcandles.cli.runner import run_async
from rxcandles.cli.text import echo, printable
from rxcandles.cluster.worker import resources_of, serve

__all__ = ["worker"]


@click.command(
    help="""Start a Dask worker that collects for `rxcandles collect --scheduler`, until you press Ctrl-C.

    An exchange allows each address its own rate, so start one worker for each address. If the scheduler ends, the
    worker waits for the next one at the same address. Anyone who reaches a scheduler of Dask can run any code on its
    workers: keep both in a network of your own.

    \b
    Reads:    nothing
    Writes:   the PostgreSQL database that a job names
    Network:  asks the exchange, and talks to the scheduler, to other workers and to the database

    \b
    dask scheduler                                                        # once, on 10.0.0.1
    rxcandles worker tcp://10.0.0.1:8786 --resources upbit=1
    rxcandles worker tcp://10.0.0.1:8786 --resources upbit=1 --source-address 10.0.0.7
    rxcandles worker tcp://10.0.0.1:8786 --resources 'upbit=1 binance=1'
    """
)
@click.argument("scheduler", metavar="ADDRESS")
@click.option(
    "--resources",
    metavar="LIST",
    required=True,
    help="Exchanges that this worker has an address for, each as NAME=1.",
)
@click.option(
    "--source-address",
    "source",
    metavar="ADDRESS",
    help="Send from this IP address of the machine.  [default: the system's choice]",
)
@click.option("--name", metavar="NAME", help="Name of the worker.  [default: its address in the cluster]")
@options.told
@options.takes(output=Output)
def worker(scheduler: str, resources: str, source: str | None, name: str | None, output: Output) -> options.Work:
    """Serve until a signal ends the process."""

    def work() -> int:
        offered = resources_of(resources)
        hush(output.verbose)

        def started(found: Any) -> None:
            if not output.quiet:
                where = found.ip if source is None else source
                echo(f"{found.address} collects from {', '.join(offered)}, and sends from {where}; Ctrl-C stops it")

        if not output.quiet:
            echo(f"looking for the scheduler at {printable(scheduler)}", err=True)
        with logged(output.console(), quiet=output.quiet, verbose=output.verbose):
            run_async(serve(scheduler, offered, source=source, name=name, started=started))
        return 0

    return work
