"""A span is asked for again, whatever is stored: what comes replaces it page by page, what does not come stays."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.errors import IncompleteError, RequestError
from rxcandles.exchanges import UpbitExchange
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.modes.collector import CandleCollector
from rxcandles.operators import Retry
from rxcandles.simulator import Illness, Market, Simulator, faults
from rxcandles.stores import SqliteStore
from tests.support.harm import DENSE, MARKETS, NOW, SPARSE, START, contents, harm

SPAN = (START, START + 600 * 60)
"""Three pages of the dense market."""
ASKED = {"to": to_datetime(SPAN[1]), "end": to_datetime(SPAN[0])}
FAST = Retry(attempts=3, base=0.0)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """The exchange."""
    async with Simulator(MARKETS, rate=None, clock=lambda: NOW) as simulator:
        yield simulator


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store."""
    async with SqliteStore(tmp_path / "candles.db") as opened:
        yield opened


@pytest.fixture
async def collector(sim: Simulator, store: SqliteStore) -> AsyncIterator[CandleCollector]:
    """What collects from the one into the other."""
    async with UpbitExchange(sim.base_url) as exchange:
        yield CandleCollector(store, exchange, SlidingWindowLimiter(None), retry=FAST, cursors=1)


async def stored(store: SqliteStore, symbol: str, timeframe: str) -> list[Row]:
    """What is held of the span, newest first."""
    return await store.rows(symbol, Timeframe.of(timeframe), *SPAN, "newest_first", 10_000)


async def test_all_is_asked_for_again(sim: Simulator, store: SqliteStore, collector: CandleCollector) -> None:
    """A span that is held costs its pages again, no more, and where the exchange says the same nothing changes."""
    await collector.collect_candles_only(*DENSE, **ASKED)  # type: ignore[arg-type]
    before = contents(Path(store.path))
    for refetch, requests in ((False, 0), (True, 3)):
        sim.reset_stats()
        summary = await collector.collect_candles_only(*DENSE, **ASKED, refetch=refetch)  # type: ignore[arg-type]
        assert (sim.stats.requests, summary.api_calls_made) == (requests, requests)
        assert (summary.collected_count, summary.stored_count) == (600, 0)
        assert (summary.revised_count, summary.removed_count) == (0, 0)
    assert contents(Path(store.path)) == before


@pytest.mark.parametrize("series", [DENSE, SPARSE], ids=["dense", "sparse"])
async def test_restated(
    series: tuple[str, str],
    sim: Simulator,
    store: SqliteStore,
    collector: CandleCollector,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A market that is replaced by one with other values and other gaps is had as it is now, and each change told."""
    symbol = series[0]
    await collector.collect_candles_only(*series, **ASKED)  # type: ignore[arg-type]
    old = await stored(store, *series)
    sim.markets[symbol] = now = Market(symbol, 0.7, base_price=7, seed=9)
    caplog.set_level(logging.INFO, "rxcandles.store")
    assert (await collector.collect_candles_only(*series, **ASKED)).revised_count == 0  # type: ignore[arg-type]
    summary = await collector.collect_candles_only(*series, **ASKED, refetch=True)  # type: ignore[arg-type]
    new = now.rows("1m", *SPAN)[::-1]
    assert await stored(store, *series) == new
    gone = {row.open_time for row in old} - {row.open_time for row in new}
    there = {row.open_time for row in old} & {row.open_time for row in new}
    assert gone
    assert there
    # A page may reach further down than it was asked, and replaces what it finds there, too.
    assert summary.revised_count >= len(there)
    assert summary.removed_count >= len(gone)
    told = [record for record in caplog.records if getattr(record, "event", "") == "revised"]
    assert len(told) == summary.revised_count + summary.removed_count
    assert sum(record.after == "null" for record in told) == summary.removed_count  # type: ignore[attr-defined]
    assert (await rxcandles.verify(store.path, now=NOW)).clean


async def test_deleted_by_two_answers_only(sim: Simulator, store: SqliteStore, collector: CandleCollector) -> None:
    """What one answer lacks is not deleted, and costs a second question over another connection."""
    await collector.collect_candles_only(*SPARSE, **ASKED)  # type: ignore[arg-type]
    before = await stored(store, *SPARSE)
    lost = (before[150].open_time, before[148].open_time)
    sim.reset_stats()
    numbers: list[int] = []
    sim.illnesses.add(Illness(lost=(lost,)), when=lambda asked: numbers.append(asked.number) or len(numbers) == 1)  # type: ignore[func-returns-value]
    summary = await collector.collect_candles_only(*SPARSE, **ASKED, refetch=True)  # type: ignore[arg-type]
    assert (summary.removed_count, summary.retries) == (0, 1)
    assert await stored(store, *SPARSE) == before
    first, second, *_ = sim.log
    assert first.connection != second.connection
    assert first.to != second.to


async def test_what_was_deleted_is_a_claim_where_it_is_doubtful(
    sim: Simulator, store: SqliteStore, collector: CandleCollector
) -> None:
    """An hour of a dense market that goes missing is deleted, with a doubt: it comes back when that is due."""
    await collector.collect_candles_only(*DENSE, **ASKED)  # type: ignore[arg-type]
    before = await stored(store, *DENSE)
    lost = (START + 300 * 60, START + 360 * 60)
    sim.illnesses.add(Illness(lost=(lost,)))
    summary = await collector.collect_candles_only(*DENSE, **ASKED, refetch=True)  # type: ignore[arg-type]
    assert (summary.removed_count, len(await stored(store, *DENSE))) == (60, 540)
    assert [(each.kind, each.slots) for each in summary.provisional_spans] == [("gap", 60)]
    sim.illnesses.clear()
    harm(Path(store.path), "UPDATE claims SET due = 0")
    assert not (await collector.collect_candles_only(*DENSE, **ASKED)).provisional_spans  # type: ignore[arg-type]
    assert await stored(store, *DENSE) == before


@pytest.mark.parametrize(
    "illness",
    [Illness(empty=True), Illness(keeps=(NOW - SPAN[0]) // 2)],
    ids=["nothing at all", "only the newest"],
)
async def test_what_contradicts_deletes_nothing(
    illness: Illness, sim: Simulator, store: SqliteStore, collector: CandleCollector
) -> None:
    """That nothing older exists is not believed of what is held, however often it is said: that stays as it was."""
    await collector.collect_candles_only(*DENSE, **ASKED)  # type: ignore[arg-type]
    before = contents(Path(store.path))
    sim.illnesses.add(illness)
    with pytest.raises(
        IncompleteError, match="not fetched again, and left as it was, is 2026-02-02 00:00:00"
    ) as caught:
        await collector.collect_candles_only(*DENSE, **ASKED, refetch=True)  # type: ignore[arg-type]
    assert "is held; nothing of it is stored" in str(caught.value)
    assert caught.value.summary.failed_spans
    assert contents(Path(store.path)) == before


async def test_a_page_that_fails_stays(sim: Simulator, store: SqliteStore, collector: CandleCollector) -> None:
    """A page that is not had stays as it was and is named; the others are new."""
    await collector.collect_candles_only(*DENSE, **ASKED)  # type: ignore[arg-type]
    old = await stored(store, *DENSE)
    sim.markets["KRW-ETH"] = now = Market("KRW-ETH", base_price=7, seed=9)
    middle = START + 400 * 60
    sim.faults.add(faults.garbage(), when=lambda asked: asked.to is not None and middle <= asked.to < middle + 3600)
    with pytest.raises(IncompleteError) as caught:
        await collector.collect_candles_only(*DENSE, **ASKED, refetch=True)  # type: ignore[arg-type]
    (failed,) = caught.value.summary.failed_spans
    assert (failed.start, failed.stop) == (to_datetime(START + 200 * 60), to_datetime(middle))
    assert caught.value.summary.collected_count == 600
    new = now.rows("1m", *SPAN)[::-1]
    assert await stored(store, *DENSE) == new[:200] + old[200:400] + new[400:]
    assert (await rxcandles.verify(store.path, now=NOW)).clean


async def test_the_other_modes(sim: Simulator, store: SqliteStore) -> None:
    """A list, a lazy sequence, a stream and several series at once ask again, too, and hand out what is new."""
    asked: dict[str, Any] = {"symbol": "KRW-ETH", "timeframe": "1m", **ASKED}
    async with rxcandles.connect(store.path, UpbitExchange(sim.base_url), rate_limit=None) as provider:
        await provider.get_candles(**asked)

        def restated(seed: int) -> list[float]:
            sim.markets["KRW-ETH"] = now = Market("KRW-ETH", base_price=seed, seed=seed)
            return [row.close for row in now.rows("1m", *SPAN)[::-1]]

        closes = restated(11)
        assert [each.close for each in await provider.get_candles(**asked, refetch=True)] == closes
        closes = restated(12)
        few = rxcandles.CollectionConfig(max_memory_objects=100, enable_memory_warning=False)
        assert [each.close for each in await provider.get_candles(**asked, config=few, refetch=True)] == closes
        closes = restated(13)
        async with provider.stream_candles(**asked, refetch=True) as chunks:
            assert [each.close async for some, _ in chunks for each in some] == closes
        restated(14)
        request = rxcandles.Request(**asked)
        assert (await provider.collect_many([request], refetch=True))[request].revised_count == 600
        restated(15)
        assert (await provider.collect(request, refetch=True)).revised_count == 600
        with pytest.raises(RequestError, match="refetch is 'yes'"):
            await provider.get_candles(**asked, refetch="yes")  # type: ignore[arg-type]


async def test_killed(sim: Simulator, store: SqliteStore, collector: CandleCollector) -> None:
    """Killed in between, each page is the old one or the new one, and the ledger is true of both."""
    await collector.collect_candles_only(*DENSE, **ASKED)  # type: ignore[arg-type]
    old = await stored(store, *DENSE)
    sim.markets["KRW-ETH"] = now = Market("KRW-ETH", 0.9, base_price=7, seed=9)
    new = {row.open_time: row for row in now.rows("1m", *SPAN)}
    asked, hold = asyncio.Event(), asyncio.Event()
    sim.faults.add(faults.delay(hold), when=lambda each: (each.to or 0) < START + 300 * 60 and not asked.set())  # type: ignore[func-returns-value]
    program = (
        "import asyncio, sys, rxcandles;from rxcandles.exchanges import UpbitExchange\n"
        "from rxcandles.model.timeframe import to_datetime as at\n"
        "async def main(path, url, to, end):\n"
        "    async with rxcandles.connect(path, UpbitExchange(url), rate_limit=None) as provider:\n"
        "        await provider.collect_candles_only('KRW-ETH', '1m', to=at(int(to)),\n"
        "            end=at(int(end)), refetch=True)\n"
        "asyncio.run(main(*sys.argv[1:]))"
    )
    words = [str(store.path), sim.base_url, str(SPAN[1]), str(SPAN[0])]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, *words)
    await asyncio.wait_for(asked.wait(), 60)
    process.kill()
    await process.wait()
    hold.set()
    found = await stored(store, *DENSE)
    newest = [row for row in found if row.open_time in new and new[row.open_time] == row]
    edge = newest[-1].open_time
    assert START < edge < SPAN[1]
    assert found == [new[at] for at in sorted(new, reverse=True) if at >= edge] + [
        row for row in old if row.open_time < edge
    ]
    assert (await rxcandles.verify(store.path, now=NOW)).clean


async def test_cancelled_at_any_turn(sim: Simulator, store: SqliteStore, collector: CandleCollector) -> None:
    """Cancelled whenever, each candle is the old one or the new one, and the ledger is true."""
    seen = set()
    for number in range(14):
        await collector.collect_candles_only(*DENSE, **ASKED, refetch=True)  # type: ignore[arg-type]
        old = {row.open_time: row for row in await stored(store, *DENSE)}
        sim.markets["KRW-ETH"] = now = Market("KRW-ETH", 0.9, base_price=7, seed=number)
        new = {row.open_time: row for row in now.rows("1m", *SPAN)}
        sim.reset_stats()
        task = asyncio.ensure_future(collector.collect_candles_only(*DENSE, **ASKED, refetch=True))  # type: ignore[arg-type]
        while sim.stats.requests < 1 + number % 7 and not task.done():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        found = await stored(store, *DENSE)
        assert all(row in (old.get(row.open_time), new.get(row.open_time)) for row in found)
        assert (await rxcandles.verify(store.path, now=NOW)).clean
        seen.add(sum(row == new.get(row.open_time) for row in found))
    assert len(seen) > 2


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A day of minutes, collected from the command line, of which a candle was changed and one was made up."""
    monkeypatch.chdir(tmp_path)
    assert main(["collect", "KRW-ETH", "1m", *DAY, *SIMULATED, "--quiet"]) == 0
    capsys.readouterr()
    harm(tmp_path / "candles.db", f"UPDATE candles SET volume = volume + 1 WHERE open_time = {MIDNIGHT + 600}")
    return tmp_path / "candles.db"


MIDNIGHT = 1_704_067_200
DAY = ["--to", "2024-01-02", "--end", "2024-01-01"]
SIMULATED = ["--exchange", "simulated", "--rate-limit", "none"]


def test_command(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`collect --refetch` replaces what differs and says so; without it the stored candle stays."""
    assert main(["collect", "KRW-ETH", "1m", *DAY, *SIMULATED]) == 0
    assert "1,440 were stored before, 0 stored now with 0 requests" in capsys.readouterr().out
    assert main(["collect", "KRW-ETH", "1m", *DAY, *SIMULATED, "--refetch"]) == 0
    assert "1,440 were stored before, 0 stored now, 1 replaced with 8 requests" in capsys.readouterr().out
    assert main(["collect", "KRW-ETH", "1m", *DAY, *SIMULATED, "--quiet", "--refetch", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["revised_count"], told["removed_count"], told["api_calls_made"]) == (0, 0, 8)


@pytest.mark.parametrize("command", ["get", "stream"])
def test_printing_commands(command: str, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So do `get` and `stream`, and print what is new."""
    words = [command, "KRW-ETH", "1m", *DAY, *SIMULATED, "--quiet", "--format", "csv"]
    assert main(words) == 0
    wrong = capsys.readouterr().out.splitlines()
    assert main([*words, "--refetch"]) == 0
    right = capsys.readouterr().out.splitlines()
    assert sum(one != other for one, other in zip(wrong, right, strict=True)) == 1
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines() == right


def test_run_command(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So does `run` with all jobs of its file."""
    Path("jobs.toml").write_text(
        '[defaults]\nexchange = "simulated"\nrate_limit = "none"\n'
        '[[jobs]]\nsymbols = ["KRW-ETH"]\ntimeframes = ["1m"]\nend = 2024-01-01\nto = 2024-01-02\n'
    )
    assert main(["run", "jobs.toml", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revised_count"] == 0
    assert main(["run", "jobs.toml", "--quiet", "--json", "--refetch"]) == 0
    assert json.loads(capsys.readouterr().out)["revised_count"] == 1


async def test_no_store_that_looks_like_none(sim: Simulator) -> None:
    """What is no store is refused when the pipeline is made."""
    async with UpbitExchange(sim.base_url) as exchange:
        with pytest.raises(RequestError, match="against is 3"):
            rxcandles.operators.fetch(exchange, against=3)  # type: ignore[arg-type]
