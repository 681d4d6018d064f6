"""Collecting, killed with SIGKILL at random moments, again and again: nothing that was stored may be lost or wrong.

Each child is forked from this process, which has everything imported, and goes on with the database that the one
before left behind. After each kill the file is audited; when a database is complete the next is begun.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp  # noqa: F401 - imported before the forks

import rxcandles
from profiling.audit import Truth, audit
from profiling.counted import counted
from profiling.harness import machine, table
from rxcandles.exchanges import UpbitExchange
from rxcandles.simulator import DEFAULT_MARKETS
from rxcandles.timeframe import to_datetime

MODES = ("storage-only", "collection", "streaming")
SYMBOLS = ("KRW-ETH", "KRW-XRP", "KRW-DOGE")
TO = 1_770_000_000


async def _collect(url: str, path: Path, mode: str, symbol: str, count: int, durability: Any) -> None:
    exchange = UpbitExchange(url)
    exchange.page_limit = 50
    async with (
        exchange,
        rxcandles.SqliteStore(path, durability=durability) as store,
    ):
        provider = rxcandles.CandleDataProvider(store, exchange, rxcandles.SlidingWindowLimiter(None))
        asked: dict[str, Any] = {"symbol": symbol, "timeframe": "1m", "count": count, "to": to_datetime(TO)}
        if mode == "storage-only":
            await provider.collect_candles_only(**asked)
        elif mode == "collection":
            await provider.get_candles(**asked)
        else:
            async with provider.stream_candles(**asked) as stream:
                async for _ in stream:
                    pass


def _forked(url: str, path: Path, mode: str, symbol: str, count: int, durability: str) -> int:
    """Start a child that collects; return its process number."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            asyncio.run(_collect(url, path, mode, symbol, count, durability))
            code = 0
        finally:
            os._exit(code)
    return pid


def _held(path: Path) -> set[int]:
    """The open times that are stored."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'candles'").fetchone():
            return set()
        return {row[0] for row in database.execute("SELECT open_time FROM candles")}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling kill")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--count", type=int, default=4000, help="candles of each database, in pages of 50")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--durability", choices=["normal", "full"], default="normal")
    options = parser.parse_args(arguments)
    luck = random.Random(options.seed)
    markets = {market.symbol: market for market in DEFAULT_MARKETS}
    truth = Truth(markets.__getitem__, since=TO - int(timedelta(days=14).total_seconds()))
    killed: Counter[str] = Counter()
    databases = audits = 0
    candles = 0
    with tempfile.TemporaryDirectory() as folder, counted(None) as server:
        while sum(killed.values()) < options.kills:
            databases += 1
            path, symbol = Path(folder, f"{databases}.db"), SYMBOLS[databases % len(SYMBOLS)]
            complete = False
            while not complete and sum(killed.values()) < options.kills:
                before, mode = _held(path), MODES[luck.randrange(len(MODES))]
                pid = _forked(server.url, path, mode, symbol, options.count, options.durability)
                time.sleep(luck.uniform(0.0, 0.12))
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                if os.WIFSIGNALED(status):
                    killed[mode] += 1
                else:
                    assert os.WEXITSTATUS(status) == 0, f"a child failed by itself, {path}"
                    complete = True
                after = _held(path)
                assert before <= after, f"{len(before - after)} stored candles are lost, {path}"
                if after:
                    candles = audit(path, truth, TO + 60)
                    audits += 1
                # A page may bring more than was still wanted, which is kept.
                assert not complete or candles >= options.count, f"{candles} of {options.count}, {path}"
    rows: list[dict[str, Any]] = [{"mode": mode, "kills": killed[mode]} for mode in MODES]
    rows.append({"mode": "together", "kills": sum(killed.values())})
    lost = {"lost": 0, "wrong": 0, "twice": 0, "false coverage": 0}  # one of any ends the run
    sys.stdout.write(
        table(f"{databases} databases, {audits} audits, durability {options.durability}. {machine()}",
              [row | lost for row in rows]) + "\n"
    )  # fmt: skip
    return 0
