"""The same with Ray in place of Dask: `ray_workers.py postgresql://me@10.0.0.2/candles 10.0.0.7 10.0.0.8`.

One actor for each address; on a cluster of machines give each a resource of its own machine, and no address. An actor
that dies is started again, and its part is done by whoever is next: what is stored is not asked for again.
"""

import sys

import ray

import rxcandles


class Address:
    def __init__(self, database: str, source: str) -> None:
        self.where, self.source = database, source
        self.provider: rxcandles.CandleDataProvider | None = None

    async def collect(self, part: rxcandles.Request) -> rxcandles.CollectionSummary:
        if self.provider is None:  # once for all parts: one store, one session, one limiter
            self.provider = await rxcandles.connect(
                self.where, exchange="simulated", rate_limit=None, source_address=self.source
            )
        return await self.provider.collect(part)


def main(database: str, *addresses: str) -> None:
    ray.init(log_to_driver=False, configure_logging=False)
    actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=3)(Address)
    pool = ray.util.ActorPool([actor.remote(database, each) for each in addresses])
    for symbol in ("KRW-BTC", "KRW-ETH"):
        request = rxcandles.Request(symbol, "1m", since="2025-01-01", until="2025-01-11")
        parts = request.split(50 * 200)  # fifty pages each
        done = pool.map_unordered(lambda actor, part: actor.collect.remote(part), parts)
        print(symbol, rxcandles.CollectionSummary.joined(done).collected_count, "candles")


main(*sys.argv[1:])
