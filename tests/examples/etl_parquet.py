"""ETL in constant memory: stream minutes, make hours of them with one more column, and write a Parquet file."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.parquet import ParquetWriter

import rxcandles
from rxcandles import operators as ops


def transform(hours: rxcandles.Candles) -> pa.Table:
    table = rxcandles.to_arrow(hours)
    return table.append_column("range", pc.subtract(table["high"], table["low"]))


async def main(days: int) -> None:
    end = datetime(2025, 1, 1, tzinfo=UTC)
    to = end + timedelta(days=days)
    async with rxcandles.connect("candles.db", exchange="simulated", rate_limit=None) as provider:
        minutes = provider.stream_candles("KRW-XRP", "1m", to=to, end=end, order="oldest_first")
        hours = ops.from_stream(minutes).pipe(ops.resample("60m"), ops.batch(240))
        with ParquetWriter("hours.parquet", transform([]).schema) as writer, rxcandles.MemoryMonitor() as monitor:
            async with hours.pipe(ops.with_backpressure()) as batches:
                async for batch in batches:
                    for record_batch in transform(batch).to_batches():
                        writer.write_batch(record_batch)
        print(minutes.stats().candles, "minutes read")
        print(f"memory grew by {monitor.growth / 1e6:.1f} MB")


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))
