"""No ``await`` at all: a data frame in one line, and a provider that is kept open for more."""

import rxcandles

# Leave out exchange and rate_limit for the real exchange. Candles that candles.db has are not fetched again.
frame = rxcandles.get_ohlcv(
    "KRW-BTC", "1d", since="2025-01-01", until="2026-01-01", tz="Asia/Seoul", exchange="simulated", rate_limit=None
)
best = (frame["close"] / frame["open"] - 1).idxmax()
print(len(frame), "days, the best", best.date())

# Several symbols are one frame, with the symbol above the columns.
several = rxcandles.get_ohlcv(
    ["KRW-BTC", "KRW-ETH"], "60m", since="2025-03-01", until="2025-04-01", exchange="simulated", rate_limit=None
)
closes = several.xs("close", axis=1, level=1)
print(closes.shape, "correlation", round(closes.pct_change(fill_method=None).corr().iloc[0, 1], 2))

with rxcandles.open("candles.db", exchange="simulated", rate_limit=None) as candles:
    # Chunk by chunk: the collection waits for this loop, and leaving it early is fine.
    highest = 0.0
    for chunk, meta in candles.stream_candles("KRW-BTC", "1m", count=5000):
        highest = max(highest, *(candle.high for candle in chunk))
        if meta.is_final_chunk:
            print(meta.chunk_count, "chunks")

    summary = candles.collect_candles_only("KRW-ETH", "60m", count=500, progress_callback=lambda progress: None)
    print(summary.collected_count, "held", len(candles.repository.series()), "series")
