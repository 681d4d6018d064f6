"""Two Rx observers that log one run: ``tee`` shows every page to one of them, the other subscribes to the end."""

import asyncio
import logging
import sys

from reactivex.abc import ObserverBase

import rxcandles
from rxcandles import operators as ops


class Log(ObserverBase[rxcandles.Candles]):
    def __init__(self, name: str) -> None:
        self.log = logging.getLogger(name)
        self.seen = 0
        self.done = asyncio.Event()

    def on_next(self, value: rxcandles.Candles) -> None:
        self.seen += 1
        self.log.info("%d: %d candles", self.seen, len(value))

    def on_error(self, error: Exception) -> None:
        self.log.error("failed after %d: %s", self.seen, error)
        self.done.set()

    def on_completed(self) -> None:
        self.log.info("completed after %d", self.seen)
        self.done.set()


async def main() -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    request = rxcandles.Request("KRW-ETH", "1m", count=1000)
    async with rxcandles.connect("candles.db", exchange="simulated", rate_limit=None) as provider:
        end = Log("batches")
        provider.collector.chunks(request).pipe(
            ops.recall(provider.repository, page=200), ops.tee(Log("pages")), ops.batch(500)
        ).subscribe(end)
        await end.done.wait()


asyncio.run(main())
