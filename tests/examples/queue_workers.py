"""The same with a queue in the database itself, by procrastinate: there is no scheduler, and it outlives everything.

`queue_workers.py postgresql://me@10.0.0.2/candles fill` puts parts into the queue, and `… work` on each machine takes
them out, one at a time for each address. A part whose worker died is done again; what is stored is not asked for again.
"""

import asyncio
import logging
import sys
from datetime import UTC, datetime

import procrastinate

import rxcandles

DATABASE, WHAT = sys.argv[1:]
PROVIDER: list[rxcandles.CandleDataProvider] = []
logging.getLogger("procrastinate").setLevel(logging.ERROR)  # it warns that the app is in the main module
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=DATABASE))


@app.task(name="collect", queue="simulated", retry=5)  # type: ignore[untyped-decorator]
async def collect(symbol: str, start: int, stop: int) -> None:
    since, until = (datetime.fromtimestamp(time, UTC) for time in (start, stop))
    summary = await PROVIDER[0].collect(rxcandles.Request(symbol, "1m", since=since, until=until))
    print(symbol, summary.collected_count, "candles")


async def main() -> None:
    async with app.open_async(), rxcandles.connect(DATABASE, exchange="simulated", rate_limit=None) as provider:
        PROVIDER.append(provider)
        if WHAT == "fill":
            await app.schema_manager.apply_schema_async()
            for part in rxcandles.Request("KRW-BTC", "1m", since="2025-01-01", until="2025-01-11").split(50 * 200):
                await collect.defer_async(symbol=part.symbol, start=part.start, stop=part.stop)
        else:
            await app.run_worker_async(queues=["simulated"], concurrency=1, wait=False, install_signal_handlers=False)


asyncio.run(main())
