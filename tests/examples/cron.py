"""Keep a database current from cron, with ``*/5 * * * * cd /srv/candles && python3 cron.py >> cron.log 2>&1``."""

import asyncio
import logging
import sys
from datetime import UTC, datetime, timedelta

import rxcandles

MARKETS = sys.argv[1:] or ["KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-DOGE"]


async def main() -> int:
    # Three hours, so that it catches up after a pause; what is stored is not asked for again.
    since = datetime.now(UTC) - timedelta(hours=3)
    requests = [rxcandles.Request(market, "1m", end=since) for market in MARKETS]
    async with rxcandles.connect("candles.db", exchange="simulated", rate_limit=None) as provider:
        failures: dict[rxcandles.Request, Exception] = {}
        try:
            summaries = await provider.collect_many(requests)
        except rxcandles.SeveralFailedError as error:
            summaries, failures = dict(error.summaries), dict(error.failures)
    for request, failure in failures.items():
        logging.error("%s failed: %s", request.symbol, failure)
    held = sum(summary.collected_count for summary in summaries.values())
    sent = sum(summary.api_calls_made for summary in summaries.values())
    logging.info("%d series, %d candles held, requests: %d", len(summaries), held, sent)
    return 1 if failures else 0  # the exit code, for whoever watches the job


logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
sys.exit(asyncio.run(main()))
