"""Where a file says no zone, the environment's is meant, as everywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from rxcandles import SqliteStore, Timeframe, import_candles


@pytest.mark.parametrize(("heading", "opened"), [("datetime", 0), ("datetime_utc", 9)])
async def test_environment(heading: str, opened: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine in the morning is midnight UTC with RXCANDLES_TZ=KST, and nine where the column's name says UTC."""
    monkeypatch.setenv("RXCANDLES_TZ", "KST")
    path = tmp_path / "in.csv"
    rows = "".join(f"2024-01-01 09:{minute:02},1,2,1,2,5\n" for minute in range(5))
    path.write_text(f"{heading},open,high,low,close,volume\n{rows}")
    async with SqliteStore(":memory:") as store:
        report = await import_candles(store, "KRW-BTC", "1m", path)
        [first, *_] = await store.imported("KRW-BTC", Timeframe.of("1m"), 0, 10**10, "oldest_first", 1)
    assert (first.open_time // 3600 % 24, report.zone) == (opened, "UTC" if opened else "KST")
