"""What runs in a worker of Dask: jobs, with one store, session and limiter for all of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from distributed import WorkerPlugin, get_worker

from rxcandles.cluster.dask import own_errors
from rxcandles.cluster.hosts import Hosts
from rxcandles.cluster.messages import TOPIC, Done, Job, plain_progress
from rxcandles.cluster.records import sending
from rxcandles.errors import ClusterError, IncompleteError, RxCandlesError, dumped
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.version import VERSION

__all__ = ["JobsPlugin", "SourcePlugin", "collect_job", "stop"]

own_errors(RxCandlesError)

EVERY: Final = 0.25
"""Seconds between two reports of a job's progress."""
_RUNS: Final = 1000
"""How many stopped runs are remembered, of which a job may still come."""


class SourcePlugin(WorkerPlugin):  # type: ignore[misc]  # Dask is not typed
    """Says which address of its machine a worker sends from; given to one worker when it is made."""

    name = "rxcandles-source"

    def __init__(self, address: str) -> None:
        self.address = address


class JobsPlugin(WorkerPlugin):  # type: ignore[misc]
    """Collects the jobs of a worker, and stops them: Dask itself does not interrupt a coroutine."""

    name = "rxcandles"
    idempotent = True

    def setup(self, worker: Any) -> None:
        """Begin, in the worker."""
        source = worker.plugins.get(SourcePlugin.name)
        self._worker = worker
        self.address = worker.ip if source is None else source.address
        self.hosts = Hosts(None if source is None else source.address)
        self._running: dict[str, set[asyncio.Task[CollectionSummary]]] = {}
        self._stopped: deque[str] = deque(maxlen=_RUNS)

    async def teardown(self, worker: Any) -> None:
        """Stop all jobs and close all providers, with the worker."""
        for run in list(self._running):
            await self.stop(run)
        await self.hosts.close()

    async def stop(self, run: str) -> None:
        """Stop the jobs of a run; when this returns, none of them sends anything more."""
        self._stopped.append(run)
        tasks = self._running.get(run, set())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def collect(self, job: Job) -> Done:
        """Collect a job, and tell how it goes; what goes wrong is in the result."""
        if job.version != VERSION:
            return self._failed(
                ClusterError(
                    f"the worker {self._worker.name} has rxcandles {VERSION}, and {job.version} sent the job; install "
                    "the same version everywhere"
                )
            )
        told = _Told(lambda kind, content: self._tell(job, kind, content))
        with sending(lambda record: self._tell(job, "record", record)):
            task = asyncio.ensure_future(self._collected(job, told))
            self._running.setdefault(job.run, set()).add(task)
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:  # the worker is closing
                task.cancel()
                await asyncio.wait({task})
                raise
            finally:
                self._running[job.run].discard(task)
                if not self._running[job.run]:
                    del self._running[job.run]
        if task.cancelled():
            return self._done()
        try:
            return self._done(summary=task.result(), progress=told.last)
        except IncompleteError as error:
            return self._done(summary=error.summary, progress=told.last)
        except RxCandlesError as error:
            return self._failed(error)

    async def _collected(self, job: Job, told: Callable[[CollectionProgress], None]) -> CollectionSummary:
        if job.run in self._stopped:
            raise asyncio.CancelledError
        async with self.hosts.provider(job.host) as provider:
            return await provider.collect(job.request, told, refetch=job.refetch, include_imported=job.include_imported)

    def _tell(self, job: Job, kind: str, content: object) -> None:
        self._worker.log_event(TOPIC, (job.run, job.number, str(self._worker.name), kind, content))

    def _failed(self, error: RxCandlesError) -> Done:
        return self._done(failure=dumped(error))

    def _done(self, **what: Any) -> Done:
        return Done(str(self._worker.name), self.address, **what)


class _Told:
    """Passes progress on, but not too often."""

    def __init__(self, tell: Callable[[str, object], None]) -> None:
        self._tell = tell
        self._next = 0.0
        self.last: CollectionProgress | None = None

    def __call__(self, progress: CollectionProgress) -> None:
        self.last = progress
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY
            self._tell("progress", plain_progress(progress))


async def collect_job(job: Job) -> Done:
    """Collect a job in the worker that this runs in."""
    plugin: JobsPlugin = get_worker().plugins[JobsPlugin.name]
    return await plugin.collect(job)


async def stop(run: str, dask_worker: Any) -> None:
    """Stop all jobs of a run in a worker."""
    plugin: JobsPlugin | None = dask_worker.plugins.get(JobsPlugin.name)
    if plugin is not None:
        await plugin.stop(run)
