"""Following, killed with SIGKILL at random moments and resumed behind the last candle that was printed.

Each process follows one market's seconds from the simulator and prints each candle as it comes; what a file of lines
says is all that the next process knows. Processes are forked from one that has everything imported, so that a kill
may come at any step of a candle's life.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

import rxcandles
from profiling.support.harness import machine, table
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.simulator import DEFAULT_MARKETS
from rxcandles.stores import SqliteStore
from tests.support.children import FORKED
from tests.support.counted import counted

SECOND: Final = Timeframe.of("1s")
CHAINS: Final = (("KRW-BTC", "auto"), ("KRW-XRP", "auto"), ("KRW-HALT", "auto"), ("KRW-ETH", "off"))
"""Markets, and whether their stream is used; each is followed by one process after the other, into one file."""
LONGEST: Final = 3.0
"""Most seconds that a process lives."""
LAST: Final = 15.0
"""Seconds that the last one lives."""
LATE: Final = 8.0
"""Seconds within which it must have printed what there is."""


def _do(url: str, path: str, lines: str, symbol: str, stream: Any, since: int) -> None:
    """Follow, and print each candle."""

    async def follow() -> None:
        with open(lines, "a", encoding="utf-8") as out:  # noqa: ASYNC230 - a line is written at once
            async with rxcandles.connect(path, "upbit", base_url=url, rate_limit=None) as provider:
                config = rxcandles.FollowConfig(stream=stream)
                async with provider.follow(symbol, "1s", since=to_datetime(since), config=config) as feed:
                    async for update in feed:
                        if update.kind == "candle":
                            print(
                                json.dumps([update.candle.open_seconds, *update.candle.row[1:6]]), file=out, flush=True
                            )

    logging.getLogger("rxcandles").setLevel(logging.CRITICAL)
    asyncio.run(follow())


@attrs.define
class _Chain:
    """What came of one market."""

    symbol: str
    stream: str
    kills: int = 0
    seconds: int = 0
    candles: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    """Printed with other values than the truth, or out of order."""
    store: int = 0
    """Candles that the store lacks, has beside the truth, or has otherwise."""


def _printed(lines: Path) -> list[list[float]]:
    """Return what was printed; a last line that was not finished was not."""
    text = lines.read_text(encoding="utf-8") if lines.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        lines.write_text(whole, encoding="utf-8")
    return [json.loads(each) for each in whole.splitlines()]


def _chain(url: str, folder: Path, symbol: str, stream: str, kills: int, seed: int) -> _Chain:
    random, begin = Random(seed), int(time.time()) - 30
    path, lines = folder / f"{symbol}.db", folder / f"{symbol}.jsonl"
    chain = _Chain(symbol, stream)
    for number in range(kills + 1):
        printed = _printed(lines)
        since = int(printed[-1][0]) + 1 if printed else begin
        process = FORKED.Process(target=_do, args=(url, str(path), str(lines), symbol, stream, since))
        process.start()
        process.join(LAST if number == kills else random.uniform(0.02, LONGEST) ** 1.2 / LONGEST**0.2)
        assert process.exitcode is None, f"a process failed by itself: {process.exitcode}"
        process.kill()
        process.join()
        chain.kills += number < kills
    stop = int(time.time() - LATE)
    printed = [each for each in _printed(lines) if each[0] < stop]
    market = next(each for each in DEFAULT_MARKETS if each.symbol == symbol)
    truth = {row.open_time: row for row in market.rows("1s", begin, stop)}
    opens = [int(each[0]) for each in printed]
    chain.seconds, chain.candles = stop - begin, len(opens)
    chain.lost = len(truth.keys() - set(opens))
    chain.doubled = len(opens) - len(set(opens))
    chain.wrong = sum(each[1:] != list(truth[int(each[0])][1:6]) if int(each[0]) in truth else True for each in printed)
    chain.wrong += opens != sorted(opens)
    stored = asyncio.run(_stored(path, symbol, begin, stop))
    chain.store = len({*stored} ^ {*truth.values()})
    return chain


async def _stored(path: Path, symbol: str, begin: int, stop: int) -> list[Any]:
    async with SqliteStore(path, exchange="simulated") as store:
        return list(await store.rows(symbol, SECOND, begin, stop, "oldest_first", 10_000_000))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling follow_kill")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    each, rest = divmod(options.kills, len(CHAINS))
    with tempfile.TemporaryDirectory() as folder, counted(None) as server, ThreadPoolExecutor(len(CHAINS)) as pool:
        running = [
            pool.submit(_chain, server.url, Path(folder), *chain, each + (number < rest), options.seed + number)
            for number, chain in enumerate(CHAINS)
        ]
        chains = [one.result() for one in running]
    rows: list[dict[str, Any]] = [
        {
            "market": chain.symbol,
            "stream": "used" if chain.stream == "auto" else "off",
            "kills": chain.kills,
            "seconds followed": chain.seconds,
            "candles": chain.candles,
            "lost": chain.lost,
            "doubled": chain.doubled,
            "wrong": chain.wrong,
            "store differs from the truth": chain.store,
        }
        for chain in chains
    ]
    rows.append(
        {"market": "together", "stream": ""} | {name: sum(row[name] for row in rows) for name in list(rows[0])[2:]}
    )
    sys.stdout.write(table(f"Following 1s, killed and resumed. {machine()}", rows) + "\n")
    return 1 if any(rows[-1][name] for name in list(rows[-1])[-4:]) else 0
