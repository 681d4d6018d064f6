"""A scheduler of Dask and its workers in this process, each worker with an address of its own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import attrs
import dask
from distributed import Client, LocalCluster, Scheduler, Worker

from rxcandles.cluster.plugin import SourcePlugin

__all__ = ["Running", "in_a_thread", "running"]


@attrs.define
class Running:
    """What runs."""

    scheduler: Scheduler
    client: Client
    workers: dict[str, Worker]
    """By their addresses."""
    stack: AsyncExitStack

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return str(self.scheduler.address)

    async def add(self, address: str, **resources: int) -> Worker:
        """Start another worker, which sends from ``address``."""
        worker = Worker(
            self.address, name=address, nthreads=1, resources=resources or {"upbit": 1}, dashboard=False,
            plugins=(SourcePlugin(address),),
        )  # fmt: skip
        self.workers[address] = await self.stack.enter_async_context(worker)
        return worker


@asynccontextmanager
async def running(addresses: Sequence[str], **options: Any) -> AsyncIterator[Running]:
    """Run a scheduler and a worker for each address while the block runs."""
    with dask.config.set({"distributed.scheduler.allowed-failures": 1, **options}):
        async with AsyncExitStack() as stack:
            scheduler = await stack.enter_async_context(
                Scheduler(protocol="inproc://", dashboard=False, dashboard_address=":0")
            )
            client = await stack.enter_async_context(Client(scheduler.address, asynchronous=True))
            found = Running(scheduler, client, {}, stack)
            for address in addresses:
                await found.add(address)
            yield found


@contextmanager
def in_a_thread() -> Iterator[str]:
    """Run a scheduler and two workers with an address for the simulated exchange; yield where the scheduler listens."""
    with LocalCluster(
        n_workers=2, processes=False, threads_per_worker=1, host="127.0.0.1", protocol="tcp://", dashboard_address=":0",
        worker_dashboard_address=":0", resources={"simulated": 1}, silence_logs=logging.CRITICAL,
    ) as cluster:  # fmt: skip
        yield str(cluster.scheduler_address)
