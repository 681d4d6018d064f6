"""Collect from many addresses: `many_addresses.py postgresql://me@10.0.0.2/candles tcp://10.0.0.1:8786`.

It needs a database of PostgreSQL, `dask scheduler` on one machine, and for each address a worker that has one for the
exchange: `rxcandles worker tcp://10.0.0.1:8786 --resources simulated=1`.
"""

import asyncio
import sys

import rxcandles


async def main(database: str, scheduler: str) -> None:
    async with rxcandles.connect(database, exchange="simulated", rate_limit=None) as provider:
        requests = [
            rxcandles.Request(symbol, "1m", since="2025-01-01", until="2025-01-03")
            for symbol in ("KRW-BTC", "KRW-ETH", "KRW-XRP")
        ]

        def show(request: rxcandles.Request, progress: rxcandles.CollectionProgress) -> None:
            if progress.collected_count == progress.total_count:
                done.add(request.symbol)

        done = set[str]()
        summaries = await provider.collect_many(requests, show, client=scheduler)
        for request, summary in summaries.items():
            print(request.symbol, summary.collected_count, "candles;", request.symbol in done)
        again = await provider.collect_many(requests, client=scheduler)
        print(sum(summary.api_calls_made for summary in again.values()), "requests for the same again")


asyncio.run(main(*sys.argv[1:]))
