"""Collect many requests with the workers of a cluster."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, Final

import attrs

from rxcandles.cluster.dask import Cluster
from rxcandles.cluster.host import Host
from rxcandles.cluster.messages import Job, progress_of
from rxcandles.cluster.parts import PAGES, in_turn
from rxcandles.cluster.records import log_again
from rxcandles.cluster.tally import Tally
from rxcandles.engine.missing import incomplete
from rxcandles.errors import ClusterError, SeveralFailedError
from rxcandles.events import AddressEvent, log_event
from rxcandles.model import Request
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.version import VERSION

__all__ = ["collect_on"]

_log: Final = logging.getLogger("rxcandles.cluster")

WINDOW: Final = 10_000
"""The most jobs that the scheduler has at once: each takes it some kilobytes."""
AHEAD: Final = 4
"""Jobs that are open for each address: one that it collects, and others, so that it never waits for the next."""
PATIENCE: Final = 60.0
"""Seconds without any address after which a collection ends: workers that were ended may be started again."""
TELLING: Final = 0.05
"""Seconds between two rounds of progress: a thousand workers tell more often than anybody can look."""
LOOKING: Final = 2.0
"""Seconds between two looks whether more workers have come."""


async def collect_on(
    cluster: Cluster,
    host: Host,
    requests: Sequence[Request],
    progress_callback: Callable[[Request, CollectionProgress], object] | None = None,
    *,
    page: int,
    refetch: bool = False,
    include_imported: bool = False,
) -> dict[Request, CollectionSummary]:
    """Collect requests in parts, each by a worker that has an address for the exchange, and return their summaries.

    Cancelling stops the workers. ``page`` is the most candles of a page. Raise ``SeveralFailedError`` at the end if
    requests failed, and ``ClusterError`` if no worker has an address, or if the scheduler goes.
    """
    if not requests:
        return {}
    job = Job(uuid.uuid4().hex[:12], 0, host, requests[0], VERSION, refetch, include_imported)
    collection = _Collection(cluster, job, requests, progress_callback, page)
    await cluster.prepare()
    addresses = await cluster.addresses(host.exchange)
    if not addresses:
        raise ClusterError(
            f"no worker of {cluster.where} has an address for {host.exchange!r}; start one: rxcandles worker "
            f"{cluster.where} --resources {host.exchange}=1"
        )
    with cluster.listening(job.run, collection.heard):
        try:
            await collection.run(addresses)
        except BaseException:
            await asyncio.shield(cluster.stop(job.run))
            raise
    _log_refused(cluster)
    return collection.result()


class _Collection:
    """One call of :func:`collect_on`."""

    def __init__(
        self,
        cluster: Cluster,
        job: Job,
        requests: Sequence[Request],
        callback: Callable[[Request, CollectionProgress], object] | None,
        page: int,
    ) -> None:
        self._cluster = cluster
        self._job = job
        self._requests = requests
        self._callback = callback
        self._failures: dict[Request, Exception] = {}
        self._tallies = {request: Tally(request, page) for request in requests}
        self._parts = in_turn(requests, PAGES * page, lambda request: request not in self._failures)
        self._under_way: dict[int, Request] = {}
        self._lanes: set[asyncio.Task[None]] = set()
        self._changed: dict[Request, None] = {}
        self._news = asyncio.Event()
        self._over = False

    async def run(self, addresses: int) -> None:
        """Collect all parts, of which as many are open as there are lanes."""
        try:
            async with asyncio.TaskGroup() as group:
                telling = group.create_task(self._telling())
                self._widen(group, addresses)
                seen = time.monotonic()
                while self._lanes:
                    await asyncio.wait(self._lanes, timeout=LOOKING)
                    if self._lanes and (addresses := await self._cluster.addresses(self._job.host.exchange)):
                        seen = time.monotonic()
                        self._widen(group, addresses)
                    elif self._lanes and time.monotonic() - seen > PATIENCE:
                        raise self._deserted()
                self._over = True
                self._news.set()
                await telling
        except ExceptionGroup as group:
            gone, other = group.split(ClusterError)
            if gone is None or other is not None:
                raise
            raise gone.exceptions[0] from None

    def _deserted(self) -> ClusterError:
        return ClusterError(
            f"for {PATIENCE:g} s no worker of {self._cluster.where} has had an address for "
            f"{self._job.host.exchange!r}; what was fetched is stored, and the same call goes on from there"
        )

    def _widen(self, group: asyncio.TaskGroup, addresses: int) -> None:
        for _ in range(min(WINDOW, AHEAD * addresses) - len(self._lanes)):
            lane = group.create_task(self._lane())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)

    async def _lane(self) -> None:
        """Collect one part after the other."""
        for part in self._parts:
            tally = self._tallies[part.whole]
            self._under_way[part.number] = part.whole
            tally.begun(part)
            done = await self._cluster.collect(attrs.evolve(self._job, number=part.number, request=part.request))
            del self._under_way[part.number]
            tally.done(part, done)
            if (error := done.error) is not None:
                self._failures.setdefault(part.whole, error)
            self._tell(part.whole)

    def heard(self, number: int, worker: str, kind: str, content: Mapping[str, Any]) -> None:
        """Take what a worker tells of a job."""
        if kind == "record":
            log_again(content, worker)
        elif (whole := self._under_way.get(number)) is not None:
            self._tallies[whole].heard(number, progress_of(content))
            self._tell(whole)

    def _tell(self, request: Request) -> None:
        self._changed[request] = None
        self._news.set()

    async def _telling(self) -> None:
        """Call the callback with the newest progress, for one request after the other."""
        while not self._over or self._changed:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, {}
            for request in changed:
                if self._callback is not None and (progress := self._tallies[request].progress) is not None:
                    result = self._callback(request, progress)
                    if isawaitable(result):
                        await result
            await asyncio.sleep(0 if self._over else TELLING)

    def result(self) -> dict[Request, CollectionSummary]:
        """Return the summaries; raise ``SeveralFailedError`` if requests failed."""
        summaries = {}
        for request, tally in self._tallies.items():
            if request in self._failures or tally.summary is None:
                continue
            summary = attrs.evolve(tally.summary, duration_seconds=tally.elapsed)
            if (missing := incomplete(request, summary, again=self._job.refetch)) is not None:
                self._failures[request] = missing
            else:
                summaries[request] = summary
        if self._failures:
            failures = {each: self._failures[each] for each in self._requests if each in self._failures}
            raise SeveralFailedError(summaries, failures)
        return summaries


def _log_refused(cluster: Cluster) -> None:
    """Log each worker that was told to slow down: it shares its address with somebody."""
    for name, spent in cluster.spent.items():
        if spent.rate_limited:
            event = AddressEvent(
                event="address", worker=name, address=spent.address, requests=spent.requests,
                rate_limited=spent.rate_limited,
            )  # fmt: skip
            message = "%s, which sends from %s: %d of %d answers were 429; does it share its address with others (NAT)?"
            log_event(_log, logging.WARNING, event, message, name, spent.address, spent.rate_limited, spent.requests)
