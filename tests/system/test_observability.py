"""What an operator sees of a run: its records in the log, its stats at any moment, its progress. They say the same."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import rxcandles
from rxcandles import operators as ops
from rxcandles.errors import IncompleteError, ServerError, StoreError, UnknownMarketError
from rxcandles.events import EVENTS
from rxcandles.exchanges import UpbitExchange
from rxcandles.flow import from_demand, map_async, with_backpressure
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.simulator import Market, Simulator, faults
from rxcandles.simulator.faults import Fault
from tests.support.virtualloop import run_virtual

NOW = int(datetime(2026, 3, 11, 14, 40, 30, tzinfo=UTC).timestamp())
TO = NOW - 30
COUNT = 200
PAGE = 30
MINUTE = Timeframe.of("1m")
ASKED: dict[str, Any] = {"symbol": "KRW-D900", "timeframe": "1m", "count": COUNT, "to": to_datetime(TO)}
ATTEMPTS = 6


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([Market("KRW-D900", 0.9)], rate=None, clock=lambda: NOW) as running:
        yield running


@pytest.fixture
async def provider(simulator: Simulator, tmp_path: Path) -> AsyncIterator[rxcandles.CandleDataProvider]:
    async with rxcandles.SqliteStore(tmp_path / "candles.db") as store, UpbitExchange(simulator.base_url) as exchange:
        exchange.page_limit = PAGE
        limiter = rxcandles.SlidingWindowLimiter(None, window=0.01)
        retry = ops.Retry(attempts=ATTEMPTS, base=0.001, longest=0.002)
        yield rxcandles.CandleDataProvider(store, exchange, limiter, retry=retry, cursors=2)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "rxcandles")
    return caplog


class JsonLines(logging.Formatter):
    """One JSON object a record: the guide's example."""

    _usual = frozenset(vars(logging.makeLogRecord({})))

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in self._usual}
        head = {"time": record.created, "level": record.levelname, "logger": record.name}
        return json.dumps({**head, **fields, "message": record.getMessage()})


def told(log: pytest.LogCaptureFixture, event: str | None = None) -> list[dict[str, Any]]:
    """Each record of ours as its JSON tells it; all have just the fields of their event, of the right types."""
    found = []
    for record in log.records:
        if not record.name.startswith("rxcandles"):
            continue
        line = json.loads(JsonLines().format(record))
        hints = get_type_hints(EVENTS[line["event"]])
        assert line.keys() - {"time", "level", "logger", "message"} == hints.keys()
        for name, hint in hints.items():
            allowed = get_args(hint) or (hint,)
            assert line[name] in allowed or type(line[name]) in allowed, (name, line)
        found.append(line)
    return [line for line in found if event in (None, line["event"])]


def behind_the_first(asked: Any) -> bool:
    return bool(asked.to is not None and asked.to < TO)


def one_by_one(simulator: Simulator, *strokes: Fault) -> None:
    """Let each of the faults befall one request, in turn."""
    left = iter(strokes)
    simulator.faults.add(lambda asked, answer: next(left)(asked, answer), len(strokes), behind_the_first)


# The log


def test_fields_collide_with_nothing() -> None:
    """Each event has its name, and no field has the name of an attribute that logging itself gives a record."""
    usual = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "taskName"}
    for name, fields in EVENTS.items():
        hints = get_type_hints(fields)
        assert get_args(hints["event"]) == (name,)
        assert not hints.keys() & usual


async def test_log_summary_and_server_agree(
    provider: rxcandles.CandleDataProvider, simulator: Simulator, log: pytest.LogCaptureFixture
) -> None:
    """Through a 500, a 429, a 418 and a reset: what the log counts, the summary and the server count as well."""
    faulty = [
        faults.status(500),
        faults.limited({"Retry-After": "0.02"}),
        faults.status(418, "0.01 sec"),
        faults.drop("headers"),
    ]
    one_by_one(simulator, *faulty)
    progress: list[CollectionProgress] = []
    summary = await provider.collect_candles_only(**ASKED, progress_callback=progress.append)
    lines = Counter(line["event"] for line in told(log))
    stats = simulator.stats
    assert lines["request"] == summary.api_calls_made == progress[-1].requests == stats.requests
    assert lines["retry"] == summary.retries == progress[-1].retries == len(faulty)
    assert lines["429"] == summary.rate_limited == progress[-1].rate_limited == stats.by_status[429] == 1
    assert lines["418"] == stats.by_status[418] == 1
    assert lines["page"] == lines["commit"] == stats.pages
    assert lines["failed"] == 0
    assert Counter(line["status"] or 0 for line in told(log, "request")) == stats.by_status
    assert [(line["symbol"], line["to"], line["count"]) for line in told(log, "request")[:1]] == [
        ("KRW-D900", f"{to_datetime(TO):%Y-%m-%dT%H:%M:%SZ}", PAGE)
    ]
    pages = [line["rows"] for line in told(log, "request") if line["error"] is None]
    kept = [line["rows"] for line in told(log, "page")]
    # The candle at the seam came again, or some that are newer than what was asked for.
    assert all(0 <= rows - some <= 12 for rows, some in zip(pages, kept, strict=True))
    assert sum(line["rows"] for line in told(log, "commit")) == sum(kept) >= COUNT
    errors = Counter(line["error"] for line in told(log, "retry"))
    assert errors == Counter(["ServerError", "RateLimitedError", "BannedError", "ConnectionFailedError"])
    assert errors + Counter({None: stats.pages}) == Counter(line["error"] for line in told(log, "request"))
    assert [(line["retry_after"], line["wait"]) for line in told(log, "429")] == [(0.02, pytest.approx(0.02))]
    assert [(line["retry_after"], line["wait"]) for line in told(log, "418")] == [(0.01, pytest.approx(0.01))]
    (collected,) = told(log, "collected")
    assert collected["candles"] == summary.collected_count == COUNT
    assert collected["stored"] == summary.stored_count
    assert (collected["requests"], collected["retries"]) == (summary.api_calls_made, summary.retries)
    assert (collected["rate_limited"], collected["mode"], collected["level"]) == (1, "storage_only", "INFO")
    levels = {line["event"]: line["level"] for line in told(log)}
    assert {levels[name] for name in ("retry", "429", "418")} == {"WARNING"}
    assert {levels[name] for name in ("request", "page", "commit")} == {"DEBUG"}


async def test_commits_prove_what_is_held(
    provider: rxcandles.CandleDataProvider, log: pytest.LogCaptureFixture
) -> None:
    """The spans of the commits are the ledger, and those of the pages are the same."""
    await provider.collect_candles_only(**ASKED)
    spans = {(line["start"], line["stop"]) for line in told(log, "commit")}
    assert spans == {(line["start"], line["stop"]) for line in told(log, "page")}
    (covered,) = await provider.repository.coverage("KRW-D900", MINUTE, 0, 10**12)
    ends = [f"{to_datetime(end):%Y-%m-%dT%H:%M:%SZ}" for end in (covered.start, covered.stop)]
    assert [min(start for start, _ in spans), max(stop for _, stop in spans)] == ends


async def test_failed_for_good(
    provider: rxcandles.CandleDataProvider, simulator: Simulator, log: pytest.LogCaptureFixture
) -> None:
    """A page that fails for good is an error in the log, with the span that the summary misses."""
    simulator.faults.add(faults.status(503), None, behind_the_first)
    with pytest.raises(IncompleteError) as caught:
        await provider.collect_candles_only(**ASKED)
    failed = told(log, "failed")
    assert {(line["error"], line["status"], line["requests"]) for line in failed} == {("ServerError", 503, ATTEMPTS)}
    assert len(failed) >= 3
    for line in failed:
        start, stop = (datetime.fromisoformat(line[end]) for end in ("start", "stop"))
        assert any(span.start <= start < stop <= span.stop for span in caught.value.summary.failed_spans)
    (collected,) = told(log, "collected")
    assert collected["failed_spans"] == len(caught.value.summary.failed_spans)
    assert collected["retries"] == caught.value.summary.retries == len(told(log, "retry"))


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(500, "hush-hush"),
        faults.status(429, '{"error": {"name": 429, "message": "hush-hush"}}'),
        faults.status(418, "hush-hush, 0.01 sec"),
        faults.status(200, '[{"market": "hush-hush"}]'),
        faults.edit("market", '"hush-hush"'),
        faults.status(304, "", {"Location": "/hush-hush"}),
        faults.status(404, "hush-hush"),
    ],
)
async def test_no_body_is_logged(
    provider: rxcandles.CandleDataProvider, simulator: Simulator, log: pytest.LogCaptureFixture, fault: Any
) -> None:
    """What an exchange has sent is in the error that is raised, never in a record."""
    simulator.faults.add(fault)
    with pytest.raises(rxcandles.RxCandlesError, match="hush-hush"):
        await provider.get_candles(**ASKED)
    assert told(log, "request")
    assert "hush-hush" not in "".join(repr(vars(record)) + record.getMessage() for record in log.records)


async def test_reason_of_a_lost_connection_is_logged(
    provider: rxcandles.CandleDataProvider, simulator: Simulator, log: pytest.LogCaptureFixture
) -> None:
    """Where there was no answer, the log says why: an error that passes is raised nowhere."""
    simulator.faults.add(faults.drop("body"), 1)
    await provider.get_candles(**ASKED)
    (line,) = told(log, "retry")
    assert "ConnectionFailedError: KRW-D900 1m, 30 before 2026-03-11T14:40:00Z: no whole answer" in line["message"]


async def test_cancelled_request_is_told(
    provider: rxcandles.CandleDataProvider, simulator: Simulator, log: pytest.LogCaptureFixture
) -> None:
    """Every request that was sent has its record, also one that was cancelled on its way."""
    arrived = asyncio.Event()

    def hold(asked: Any, answer: Any) -> Any:
        arrived.set()
        return faults.delay(asyncio.Event())(asked, answer)

    simulator.faults.add(hold)
    task = asyncio.create_task(provider.collect_candles_only(**ASKED))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    lines = told(log, "request")
    assert {(line["error"], line["status"], line["rows"]) for line in lines} == {("CancelledError", None, None)}
    assert told(log, "collected") == []


async def test_store_events(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """A new file is migrated step by step and opened; the next time it is only opened; each time it is closed."""
    path = str(tmp_path / "candles.db")
    for _ in range(2):
        async with rxcandles.SqliteStore(path, exchange="test") as store:
            await store.write("KRW-BTC", MINUTE, [], (0, 60))
    lines = told(log)
    assert [line["event"] for line in lines if line["event"] != "migrate"] == ["open", "commit", "close"] * 2
    steps = [(line["before"], line["after"]) for line in lines if line["event"] == "migrate"]
    assert steps == [(step, step + 1) for step in range(len(steps))]
    assert steps
    assert {line["path"] for line in lines if "path" in line} == {path}
    assert {line["exchange"] for line in lines if "exchange" in line} == {"test"}


async def test_lease_and_unfinished(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """The two that should not be: a shared limit's file that is damaged, and work that fails after the end."""
    folder = tmp_path / "leases"
    limiter = rxcandles.MachineLimiter(10, folder=folder)
    (folder / "upbit.lease").write_bytes(b"nonsense")
    await limiter.acquire()
    assert [(line["problem"], line["level"]) for line in told(log, "lease")] == [("damaged", "INFO")]
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def fail(item: int) -> int:
        if item:
            begun.set()
            await may_end.wait()
            raise StoreError("the disk is full")
        return item

    async with from_demand(range(2)).pipe(map_async(fail, finish=True), with_backpressure(1)) as stream:
        assert await anext(stream) == 0
        await begun.wait()
        asyncio.get_running_loop().call_soon(may_end.set)
    assert [(line["error"], line["level"]) for line in told(log, "unfinished")] == [("StoreError", "ERROR")]


def test_pauses_are_told(log: pytest.LogCaptureFixture) -> None:
    """A 429 and a 418 tell for how long nothing is sent, and what the server had asked for."""

    async def scenario() -> None:
        limiter = rxcandles.SlidingWindowLimiter(10)
        limiter.limited()
        limiter.limited(7.5)
        limiter.banned()
        limiter.banned(300.0)

    run_virtual(scenario())
    pauses = [(line["event"], line["retry_after"], line["wait"]) for line in told(log)]
    assert pauses == [("429", None, 1.0), ("429", 7.5, 7.5), ("418", None, 60.0), ("418", 300.0, 300.0)]


async def test_nothing_is_prepared_that_is_not_logged(
    provider: rxcandles.CandleDataProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where DEBUG is off a page costs a question or two and no more: no record, no text, no time is made."""

    def never(*_: object) -> None:
        raise AssertionError("prepared")

    caplog.set_level(logging.INFO, "rxcandles")
    for module in ("rxcandles.engine.record", "rxcandles.stores.sql.record"):
        for name in ("time_text", "log_event"):
            monkeypatch.setattr(sys.modules[module], name, never)
    summary = await provider.collect_candles_only(**ASKED)
    assert summary.collected_count == COUNT
    assert [line["event"] for line in told(caplog)] == ["collected"]


@pytest.mark.parametrize("mode", ["collection", "lazy", "streaming"])
async def test_every_mode_ends_with_its_record(
    provider: rxcandles.CandleDataProvider, simulator: Simulator, log: pytest.LogCaptureFixture, mode: str
) -> None:
    """Collected as a list, lazily or as a stream, a run has the same last word, once."""
    if mode == "streaming":
        async for _ in provider.stream_candles(**ASKED):
            pass
    else:
        most = 10 if mode == "lazy" else COUNT
        config = rxcandles.CollectionConfig(max_memory_objects=most, enable_memory_warning=False)
        await provider.get_candles(**ASKED, config=config)
    (line,) = told(log, "collected")
    assert line["mode"] == ("streaming" if mode == "streaming" else "collection")
    assert (line["candles"], line["requests"], line["failed_spans"]) == (COUNT, simulator.stats.requests, 0)
    assert line["stored"] == sum(each["new"] for each in told(log, "commit"))
    assert line["seconds"] > 0


# Stats


async def test_stats_of_a_stream(provider: rxcandles.CandleDataProvider, simulator: Simulator) -> None:
    """Before, while and after: the stats say what was delivered, what it has cost, and what is under way."""
    simulator.faults.add(faults.limited(), 1, behind_the_first)
    config = rxcandles.StreamingConfig(chunk_yield_size=40, buffer_chunks=1)
    stream = provider.stream_candles(**ASKED, config=config)
    before = stream.stats()
    assert (before.expected, before.position, before.elapsed_seconds) == (COUNT, None, 0.0)
    assert not any((before.chunks, before.candles, before.requests, before.tasks, before.in_flight, before.paused))
    elapsed = 0.0
    async with stream:
        async for candles, meta in stream:
            stats = stream.stats()
            assert (stats.chunks, stats.candles) == (meta.chunk_index + 1, 40 * (meta.chunk_index + 1))
            assert (stats.position, stats.expected) == (candles[-1].open_time, COUNT)
            assert stats.waiting <= stats.peak_waiting <= 1
            assert stats.in_flight <= stats.peak_in_flight <= 8
            assert stats.pages <= stats.requests
            assert stats.candles <= stats.stored
            assert stats.elapsed_seconds > elapsed
            elapsed = stats.elapsed_seconds
    after = stream.stats()
    assert after == stream.stats()
    assert (after.chunks, after.candles, after.expected) == (5, COUNT, COUNT)
    assert (after.requests, after.pages) == (simulator.stats.requests, simulator.stats.pages)
    assert (after.retries, after.rate_limited, after.stored_before) == (1, 1, 0)
    assert (after.waiting, after.in_flight, after.tasks, after.paused) == (0, 0, 0, False)
    assert after.stored == sum(
        covered.rows for covered in await provider.repository.coverage("KRW-D900", MINUTE, 0, 10**12)
    )


async def test_stats_of_a_paused_stream(provider: rxcandles.CandleDataProvider) -> None:
    """A consumer that takes its time is seen: a chunk waits, the collection is paused; left early, nothing is."""
    config = rxcandles.StreamingConfig(chunk_yield_size=40, buffer_chunks=1)
    async with provider.stream_candles(**ASKED, config=config) as stream:
        await anext(stream)
        while not stream.stats().paused:
            await provider.repository.count("KRW-D900", MINUTE, 0, 1)
        assert stream.stats().waiting == 1
        assert stream.stats().tasks > 0
    left = stream.stats()
    assert (left.chunks, left.tasks, left.in_flight, left.paused) == (1, 0, 0, False)
    assert left == stream.stats()


async def test_stats_of_what_is_stored(provider: rxcandles.CandleDataProvider, simulator: Simulator) -> None:
    """The second time everything was there: no request, and the candles that were spared are told."""
    await provider.collect_candles_only(**ASKED)
    simulator.reset_stats()
    stream = provider.stream_candles(**ASKED)
    assert sum([len(candles) async for candles, _ in stream]) == COUNT
    stats = stream.stats()
    assert (stats.requests, stats.pages, stats.stored, stats.stored_before) == (0, 0, 0, COUNT)
    progress: list[CollectionProgress] = []
    await provider.collect_candles_only(**ASKED, progress_callback=progress.append)
    assert (progress[-1].requests, progress[-1].stored_before) == (simulator.stats.requests, COUNT) == (0, COUNT)


async def test_stats_of_a_stream_that_failed(
    provider: rxcandles.CandleDataProvider, simulator: Simulator, log: pytest.LogCaptureFixture
) -> None:
    """After an error the stats say how far it came and what was tried, and stay."""
    simulator.faults.add(faults.status(500), None, behind_the_first)
    stream = provider.stream_candles(**ASKED, config=rxcandles.StreamingConfig(chunk_yield_size=10))
    delivered = 0
    with pytest.raises(ServerError):
        async for candles, _ in stream:
            delivered += len(candles)
    stats = stream.stats()
    assert stats == stream.stats()
    assert (stats.candles, stats.pages, stats.tasks, stats.paused) == (delivered, 1, 0, False)
    assert stats.requests == simulator.stats.requests == len(told(log, "request"))
    assert stats.retries == len(told(log, "retry")) >= ATTEMPTS - 1
    assert told(log, "collected") == []


async def test_stats_of_a_refusal(provider: rxcandles.CandleDataProvider, simulator: Simulator) -> None:
    """A request that is refused is counted, though nothing ever came."""
    stream = provider.stream_candles("KRW-GONE", "1m", count=10, to=ASKED["to"])
    with pytest.raises(UnknownMarketError):
        await anext(stream)
    stats = stream.stats()
    assert (stats.requests, stats.pages, stats.chunks, stats.tasks) == (simulator.stats.requests, 0, 0, 0)
    assert stats.requests == 1


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
@pytest.mark.parametrize("ahead", [True, False])
async def test_position_in_either_order(provider: rxcandles.CandleDataProvider, order: Any, ahead: bool) -> None:
    """The position is the open time of the last candle delivered, whichever way and however the stream goes."""
    config = rxcandles.StreamingConfig(chunk_yield_size=70, enable_backpressure=not ahead)
    async with provider.stream_candles(**ASKED, order=order, config=config) as stream:
        async for candles, _ in stream:
            assert stream.stats().position == candles[-1].open_time


@pytest.mark.parametrize("cursors", [1, 3])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_gaps_found(provider: rxcandles.CandleDataProvider, order: Any, cursors: int) -> None:
    """The holes between stored spans are counted, as they were before the run mended them."""

    def at(minutes: int) -> datetime:
        return to_datetime(TO - minutes * 60)

    for newer, older in ((20, 50), (70, 75), (200, 300), (301, 310)):
        await provider.collect_candles_only("KRW-D900", "1m", to=at(newer), end=at(older))
    covered = await provider.repository.coverage("KRW-D900", Timeframe.of("1m"), TO - 400 * 60, TO)
    holes = len(covered) - 1
    assert holes >= 2
    several = rxcandles.CandleDataProvider(provider.repository, provider.exchange, provider.limiter, cursors=cursors)
    asked = rxcandles.Request("KRW-D900", "1m", to=at(0), end=at(400), order=order, now=NOW)
    told: list[CollectionProgress] = []
    await ops.run(several.collector.chunks(asked).pipe(ops.report(told.append), ops.summarize()))
    assert {each.gaps_found for each in told} == {holes}


@pytest.mark.parametrize("cursors", [1, 3])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_what_was_spared(simulator: Simulator, tmp_path: Path, order: Any, cursors: int) -> None:
    """Candles that were stored before are told exactly, and never taken for those that the run brings itself."""
    request = rxcandles.Request("KRW-D900", "1m", to=to_datetime(TO), end=to_datetime(TO - 6000), order=order, now=NOW)
    newer, older = (
        rxcandles.Request("KRW-D900", "1m", to=to_datetime(TO - first), end=to_datetime(TO - last), now=NOW)
        for first, last in ((0, 1200), (4800, 6000))
    )
    told: list[CollectionProgress] = []
    async with (
        rxcandles.SqliteStore(tmp_path / "candles.db") as store,
        UpbitExchange(simulator.base_url) as exchange,
    ):
        exchange.page_limit = PAGE
        provider = rxcandles.CandleDataProvider(store, exchange, rxcandles.SlidingWindowLimiter(None), cursors=cursors)
        for each in (newer, older):
            await provider.collector.collect(each)
        before = await store.count("KRW-D900", MINUTE, *request.span)
        chunks = provider.collector.chunks(request).pipe(ops.report(told.append), ops.summarize())
        summary = await ops.run(chunks)
        assert 0 < told[-1].stored_before <= before
        assert (told[0].gaps_found, summary.stored_count) == (1, summary.collected_count - before)
        everything = await ops.run(chunks)
        assert told[-1].stored_before == everything.collected_count == summary.collected_count
    async with rxcandles.SqliteStore(tmp_path / "other.db") as empty, UpbitExchange(simulator.base_url) as exchange:
        exchange.page_limit = PAGE
        provider = rxcandles.CandleDataProvider(empty, exchange, rxcandles.SlidingWindowLimiter(None), cursors=cursors)
        await ops.run(provider.collector.chunks(request).pipe(ops.report(told.append), ops.summarize()))
        assert (told[-1].stored_before, told[-1].gaps_found) == (0, 0)


async def test_gaps_found_by_a_count(provider: rxcandles.CandleDataProvider) -> None:
    """With a count, a hole is found when the run comes to it: those that lie further back are never counted."""

    def at(minutes: int) -> datetime:
        return to_datetime(TO - minutes * 60)

    for newer, older in ((0, 50), (70, 90), (100, 120), (1000, 1100)):
        await provider.collect_candles_only("KRW-D900", "1m", to=at(newer), end=at(older))
    told: list[CollectionProgress] = []
    for count, gaps in ((20, 0), (100, 2), (300, 1)):
        await provider.collect_candles_only("KRW-D900", "1m", count, at(0), progress_callback=told.append)
        found = [each.gaps_found for each in told]
        assert (found[-1], found) == (gaps, sorted(found))
        told.clear()


def test_old_progress_still_works() -> None:
    """Code that makes a progress of the fields there were before need not know of the new ones."""
    span = (to_datetime(0), to_datetime(60))
    progress = CollectionProgress(1, 2, 3, 4.0, span)
    assert (progress.retries, progress.rate_limited, progress.stored_before, progress.gaps_found) == (0, 0, 0, 0)
