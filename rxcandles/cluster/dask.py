"""A scheduler of Dask, as much of it as a collection needs: its addresses, jobs, what workers tell, and a stop."""

from __future__ import annotations

import asyncio
import copyreg
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import attrs

from rxcandles.cluster.messages import TOPIC, Done, Job
from rxcandles.errors import ClusterError, RxCandlesError, dumped
from rxcandles.util.arguments import refusal
from rxcandles.util.extras import need
from rxcandles.version import VERSION

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster", "Spent", "check_scheduler", "distributed", "opened"]

CONNECTING: Final = 5.0
"""Seconds in which a scheduler must answer."""
CLOSING: Final = 0.5
"""Most seconds to wait for a scheduler to take note of the end."""
STOPPING: Final = 1.0
"""Most seconds to wait for workers to stop."""

_ADDRESS: Final = re.compile(r"(tcp|tls|ws|wss|inproc)://\S+")


def distributed() -> ModuleType:
    """Return the package, which takes half a second to load; raise ``ExtraMissingError`` without it."""
    package = need("distributed", "dask")
    own_errors(RxCandlesError)
    return package


def own_errors(kind: type[BaseException]) -> None:
    """Let errors of a kind be pickled and copied in their own way again: Dask has tblib take over all that there are.

    Its way fails with a cause that can't be pickled, for which ours has a text.
    """
    copyreg.dispatch_table.pop(kind, None)
    for each in kind.__subclasses__():
        own_errors(each)


def check_scheduler(name: str, address: str) -> str:
    """Return the address of a scheduler; raise ``RequestError`` if it is none."""
    if not _ADDRESS.fullmatch(address):
        raise refusal(name, address, "give the address of a Dask scheduler, such as 'tcp://10.0.0.1:8786'")
    return address


@attrs.define
class Spent:
    """What a worker has sent to the exchange."""

    address: str
    """The address that it sends from."""
    requests: int = 0
    rate_limited: int = 0
    """Answers 429 among them."""

    def add(self, done: Done) -> None:
        """Add a job."""
        if done.summary is not None:
            self.requests += done.summary.api_calls_made
            self.rate_limited += done.summary.rate_limited


@asynccontextmanager
async def opened(client: str | Client | Cluster) -> AsyncIterator[Cluster]:
    """Yield the cluster of a scheduler's address, or of a client; one that is not asynchronous is not used itself."""
    if isinstance(client, Cluster):
        yield client
        return
    if isinstance(client, str):
        address: Any = check_scheduler("client", client)
        security = None
    elif not isinstance(client, distributed().Client):
        raise refusal("client", client, "give a distributed.Client, or the address of a scheduler")
    elif client.asynchronous:
        yield Cluster(client)
        return
    else:
        address, security = client.scheduler.address, client.security
    try:
        ours = await distributed().Client(
            address, asynchronous=True, timeout=CONNECTING, set_as_default=False, security=security, name="rxcandles"
        )
    except OSError as error:
        raise ClusterError(f"no scheduler answers at {address}; start one: dask scheduler") from error
    try:
        yield Cluster(ours)
    finally:
        await ours.close(timeout=CLOSING)


class Cluster:
    """The workers of a scheduler that collect; made by :func:`opened`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._open: dict[Any, str] = {}
        self._number = 0
        self.spent: dict[str, Spent] = {}
        """What each worker has sent, by its name."""
        self.where: str = client.scheduler.address
        """The scheduler's address."""

    async def prepare(self) -> None:
        """Let workers, also those that come later, know how jobs are done."""
        from rxcandles.cluster.plugin import JobsPlugin

        try:
            await self._client.register_plugin(JobsPlugin())
        except ImportError as error:
            raise ClusterError(
                f"a worker of {self.where} can't collect: {error}; install rxcandles {VERSION} with its extras on the "
                "scheduler and on every worker"
            ) from error

    async def addresses(self, exchange: str) -> int:
        """Return how many addresses the workers have for an exchange."""
        try:
            return int(await self._client.run_on_scheduler(_resources, exchange))
        except (OSError, ValueError) as error:
            raise self._gone() from error

    async def collect(self, job: Job) -> Done:
        """Let a worker that has an address collect a job, and another one if that worker ends."""
        while True:
            done = await self._collected(job)
            if done.summary is not None or done.failure is not None:
                return done

    async def _collected(self, job: Job) -> Done:
        from rxcandles.cluster.plugin import collect_job

        if self._client.status != "running":
            raise self._gone()
        self._number += 1
        future = self._client.submit(
            collect_job,
            job,
            key=f"rxcandles-{job.run}-{job.number}-{self._number}",
            resources={job.host.exchange: 1},
            pure=False,
        )
        self._open[future] = job.run
        try:
            done: Done = await future
        except distributed().KilledWorker as error:
            told = f"{error.allowed_failures + 1} workers died, one after the other, while they collected a part of it"
            series = f"{job.request.symbol} {job.request.timeframe}"
            return Done("", "", failure=dumped(ClusterError(f"{series}: {told}; their logs say why")))
        except CancelledError:  # Dask's; asyncio's is another
            raise self._gone() from None
        finally:
            del self._open[future]
            future.release()
        self.spent.setdefault(done.worker, Spent(done.address)).add(done)
        return done

    @contextmanager
    def listening(self, run: str, heard: Callable[..., None]) -> Iterator[None]:
        """Call ``heard`` with what workers tell of a run while the block runs."""
        hearing = _HEARING.setdefault(self._client, {})
        if not hearing:  # a client has one handler for a topic, and may have several runs
            self._client.subscribe_topic(TOPIC, lambda event: _hear(hearing, *event[1]))
        hearing[run] = heard
        try:
            yield
        finally:
            del hearing[run]
            if not hearing and self._client.status == "running":
                self._client.unsubscribe_topic(TOPIC)

    async def stop(self, run: str) -> None:
        """Stop all jobs of a run, those in the workers too."""
        from rxcandles.cluster.plugin import stop

        if self._client.status != "running":
            return
        try:
            async with asyncio.timeout(STOPPING):
                await self._client.cancel([each for each, whose in self._open.items() if whose == run])
                await self._client.run(stop, run, on_error="ignore")
        except (TimeoutError, OSError):  # a worker that does not answer is gone, or ends its job by itself
            pass

    def _gone(self) -> ClusterError:
        return ClusterError(
            f"the scheduler at {self.where} has gone; what was fetched is stored, and the same call goes on from there"
        )


_HEARING: Final[WeakKeyDictionary[Any, dict[str, Callable[..., None]]]] = WeakKeyDictionary()
"""By client, who is told of each run."""


def _hear(hearing: Mapping[str, Callable[..., None]], run: str, *told: Any) -> None:
    if (heard := hearing.get(run)) is not None:
        heard(*told)


def _resources(exchange: str, dask_scheduler: Any) -> float:
    return float(sum(worker.resources.get(exchange, 0.0) for worker in dask_scheduler.workers.values()))
