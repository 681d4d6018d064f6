"""What can't be meant is refused at the door: by name, with its value and what is allowed, before anything is done."""

from __future__ import annotations

import asyncio
import enum
import inspect
import math
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import attrs
import pytest
import reactivex

import rxcandles
from rxcandles import (
    CandleCollector,
    CandleDataProvider,
    CandleSequence,
    CollectionConfig,
    MachineLimiter,
    MemoryMonitor,
    Request,
    RequestError,
    Row,
    SlidingWindowLimiter,
    SqliteStore,
    StreamingConfig,
    Timeframe,
    charts,
    recommend_mode,
)
from rxcandles import operators as ops
from rxcandles.exchanges import UpbitExchange
from rxcandles.simulator import Market, Replay, Simulator, faults

NAN, INF, HUGE = math.nan, math.inf, 10**30
ENDLESS = 10**5000
"""A whole number that Python refuses to print."""
T = datetime(2024, 1, 1)
FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)
DAY = timedelta(days=1)
MINUTE = Timeframe.of("1m")


class Lost(tzinfo):
    """A zone that does not know its offset, or that is broken: ``offset`` is raised or returned."""

    def __init__(self, offset: object = None) -> None:
        self.offset = offset

    def utcoffset(self, _when: datetime | None) -> Any:
        if isinstance(self.offset, Exception):
            raise self.offset
        return self.offset


class NotATime(datetime):
    """What pandas calls NaT: a datetime that has no instant."""

    def timestamp(self) -> float:
        return NAN


class Shouting:
    """Something whose repr fails."""

    def __repr__(self) -> str:
        raise OSError("no repr")


class Number:
    """A whole number that is no int, as numpy's are."""

    def __index__(self) -> int:
        return 5


@attrs.frozen
class Place:
    """An empty folder, and the parts of a provider, whose exchange would be noticed."""

    folder: Path
    exchange: UpbitExchange

    @property
    def store(self) -> SqliteStore:
        """One that isn't open."""
        return SqliteStore(self.folder / "candles.db")

    @property
    def provider(self) -> CandleDataProvider:
        """One over these parts."""
        return CandleDataProvider(self.store, self.exchange, SlidingWindowLimiter(None))


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """An address that would notice the smallest request."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def place(tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Where each case happens; afterwards nothing was sent to the exchange, and no file was made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield Place(tmp_path, UpbitExchange(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert list(tmp_path.iterdir()) == []


Call = Callable[[Place, Any], object]


def minutes(**asked: Any) -> Request:
    return Request("KRW-BTC", "1m", **asked)


def words(*said: str) -> Iterator[str]:
    yield from said


async def flow(in_flight: Any) -> rxcandles.Flow:
    return rxcandles.Flow(in_flight)


NOT_WHOLE = (True, False, 0, -1, 1.5, 5.0, "5", NAN, INF, HUGE, ENDLESS, [], b"5", 5j)
NO_FLAG = (0, 1, "yes", [])
NO_SECONDS = (-1, NAN, INF, True, "5", None, ENDLESS, [])
NO_FUNCTION = (5, "print", [])
NO_RATE = (0, -1, NAN, INF, True, "10", 1e-300, HUGE, ENDLESS, [])
NO_OBJECT = (5, "name", SqliteStore, UpbitExchange, SlidingWindowLimiter, Shouting())
NO_SYMBOL = (
    "", " ", "KRW BTC", "KRW-BTC\n", "KRW-BTC\0", "\x1b[31mKRW-BTC", "'; DROP TABLE candles;--", "../x", "/etc/passwd",
    "..", "KRW-ВТС", "ＫＲＷ-ＢＴＣ", "KRW-BTC\u202e", "K\u200bRW-BTC", "A" * 41, "A" * 10**6, None, 5, True, [],
    b"KRW-BTC", ("KRW", "BTC"),
)  # fmt: skip
NO_TIMEFRAME = (
    "", "2m", "1H", "1D", "1 m", "M", "1min", "1m\n", "１m", "m" * 10**5, 60, 1.0, None, True, [], {}, b"1m",
    Timeframe("1m", 60),
)  # fmt: skip
NO_INSTANT = (
    "2024/01/01", "soon", 1_704_067_200, 1e9, True, [], timedelta(1), FIRST,
    datetime(1969, 12, 31, 23, 59, 59), FIRST.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime(1970, 1, 1, tzinfo=timezone(timedelta(seconds=1))), NotATime(2024, 1, 1), T.replace(tzinfo=tzinfo()),
    T.replace(tzinfo=Lost(LookupError("no such place"))), T.replace(tzinfo=Lost(5)), T.replace(tzinfo=Lost(2 * DAY)),
)  # fmt: skip
NO_URL = (
    "", "api.upbit.com", "ftp://api.upbit.com", "file:///etc/passwd", "https://", "https:///v1", "https://x:99999",
    "https://x:0", "https://x:-1", "https://x:y", "http://a b", " http://a", "http://a\n",
    "http://a\0b", "http://a\x1b[31m", "http://a\\b", "http://[::1", "http://x..y", "http://." + "a" * 64, "http://ВТС.com",
    None, 5, b"http://a", [],
)  # fmt: skip
NO_PATH = ("", "a\0b", "\ud800", None, 5, True, b"candles.db", [])
NO_NAME = ("", "..", "../x", "a/b", "a b", "a\n", "ㅂ", "a" * 65, None, 5)
NO_EXCHANGE_NAME = ("@x", "a@", "a@ b", "a@b@c", "a@b\n", "a@b%c", "a@" + "b" * 101, *NO_NAME)
NO_ORDER = ("sideways", "", "Newest_First", None, True, [])
NO_SPAN = ((600, 0), (0, 0), (-60, 0), (NAN, NAN), (0.0, 60.0), ("a", "b"), (0, HUGE), (0, 60, 120), 5, None, "ab")

GROUPS: list[tuple[str, tuple[Any, ...], Call]] = [
    # Requests
    ("count", NOT_WHOLE, lambda p, v: minutes(count=v)),
    ("symbol", NO_SYMBOL, lambda p, v: Request(v, "1m", count=5)),
    ("timeframe", NO_TIMEFRAME, lambda p, v: Request("KRW-BTC", v, count=5)),
    ("to", NO_INSTANT, lambda p, v: minutes(to=v, count=5)),
    ("to", NO_INSTANT, lambda p, v: minutes(to=v, end=T)),
    ("end", NO_INSTANT, lambda p, v: minutes(end=v)),
    ("order", NO_ORDER, lambda p, v: minutes(count=5, order=v)),
    ("now", (NAN, INF, -INF, -1, "now", True, HUGE, T), lambda p, v: minutes(count=5, now=v)),
    # The three modes
    ("count", (0, True, "5"), lambda p, v: p.provider.get_candles("KRW-BTC", "1m", v)),
    ("count", (0, True, "5"), lambda p, v: p.provider.stream_candles("KRW-BTC", "1m", v)),
    ("count", (0, True, "5"), lambda p, v: p.provider.collect_candles_only("KRW-BTC", "1m", v)),
    ("count", (0, True, "5"), lambda p, v: p.provider.collector.collect_only("KRW-BTC", "1m", v)),
    ("symbol", ("krw-btc", "KRWBTC", "BTC-KRW", "KRW/../A", "KRW_BTC", "KRW-" + "A" * 41, None),
     lambda p, v: p.provider.get_candles(v, "1m", 5)),
    ("timeframe", ("1H", None, []), lambda p, v: p.provider.stream_candles("KRW-BTC", v, 5)),
    ("to", ("2024/01/01", "soon"), lambda p, v: p.provider.collect_candles_only("KRW-BTC", "1m", 5, v)),
    ("order", ("up", []), lambda p, v: p.provider.stream_candles("KRW-BTC", "1m", 5, order=v)),
    ("config", (StreamingConfig(), {}, 0, "fast", CollectionConfig),
     lambda p, v: p.provider.get_candles("KRW-BTC", "1m", 5, config=v)),
    ("config", (CollectionConfig(), {}, False, StreamingConfig),
     lambda p, v: p.provider.stream_candles("KRW-BTC", "1m", 5, config=v)),
    ("progress_callback", NO_FUNCTION, lambda p, v: p.provider.get_candles("KRW-BTC", "1m", 5, progress_callback=v)),
    ("progress_callback", NO_FUNCTION, lambda p, v: p.provider.stream_candles("KRW-BTC", "1m", 5, progress_callback=v)),
    ("progress_callback", NO_FUNCTION,
     lambda p, v: p.provider.collect_candles_only("KRW-BTC", "1m", 5, progress_callback=v)),
    ("progress_callback", NO_FUNCTION, lambda p, v: p.provider.collect_many([minutes(count=5)], v)),
    ("requests", (None, 5, "KRW-BTC", b"KRW-BTC", minutes(count=5)), lambda p, v: p.provider.collect_many(v)),
    (r"requests\[1\]", ("KRW-ETH", None, [], Request), lambda p, v: p.provider.collect_many([minutes(count=5), v])),
    (r"requests\[0\]", ("KRW-ETH",), lambda p, v: p.provider.collect_many(words(v))),
    ("symbol", ("btc",), lambda p, v: p.provider.collect_many([minutes(count=5), Request(v, "1m", count=5)])),
    ("request", (None, "KRW-BTC"), lambda p, v: p.provider.collector.collect(v)),
    ("of", (0, True), lambda p, v: p.provider.collector.chunks(minutes(count=5), of=v)),
    ("request", (None, "KRW-BTC"), lambda p, v: p.provider.plan(v)),
    ("of", (0, True), lambda p, v: p.provider.plan(minutes(count=5), of=v)),
    ("symbol", ("btc",), lambda p, v: p.provider.plan(Request(v, "1m", count=5))),
    ("store", NO_OBJECT, lambda p, v: CandleDataProvider(v, p.exchange, SlidingWindowLimiter(1))),
    ("exchange", NO_OBJECT, lambda p, v: CandleDataProvider(p.store, v, SlidingWindowLimiter(1))),
    ("limiter", (None, *NO_OBJECT), lambda p, v: CandleCollector(p.store, p.exchange, v)),
    ("retry", (3, ops.Retry), lambda p, v: CandleDataProvider(p.store, p.exchange, SlidingWindowLimiter(1), retry=v)),
    ("cursors", (0, -1, True, 1.5, HUGE),
     lambda p, v: CandleDataProvider(p.store, p.exchange, SlidingWindowLimiter(1), cursors=v)),
    # What sets them up
    ("max_memory_objects", (*NOT_WHOLE, None), lambda p, v: CollectionConfig(max_memory_objects=v)),
    ("enable_memory_warning", NO_FLAG, lambda p, v: CollectionConfig(enable_memory_warning=v)),
    ("fallback_to_streaming", NO_FLAG, lambda p, v: CollectionConfig(fallback_to_streaming=v)),
    ("chunk_yield_size", (*NOT_WHOLE, None), lambda p, v: StreamingConfig(chunk_yield_size=v)),
    ("buffer_chunks", (*NOT_WHOLE, None), lambda p, v: StreamingConfig(buffer_chunks=v)),
    ("enable_backpressure", NO_FLAG, lambda p, v: StreamingConfig(enable_backpressure=v)),
    ("attempts", (*NOT_WHOLE, None), lambda p, v: ops.Retry(attempts=v)),
    ("base", NO_SECONDS, lambda p, v: ops.Retry(base=v)),
    ("longest", NO_SECONDS, lambda p, v: ops.Retry(longest=v)),
    ("rate", NO_RATE, lambda p, v: SlidingWindowLimiter(v)),
    ("rate", NO_RATE, lambda p, v: setattr(SlidingWindowLimiter(5), "rate", v)),
    ("window", (0, *NO_SECONDS), lambda p, v: SlidingWindowLimiter(5, window=v)),
    ("guard", NO_SECONDS, lambda p, v: SlidingWindowLimiter(5, guard=v)),
    ("retry_after", (-1, NAN, INF, True, "5"), lambda p, v: SlidingWindowLimiter(5).limited(v)),
    ("seconds", (-1, NAN, INF, True, "5"), lambda p, v: SlidingWindowLimiter(5).banned(v)),
    ("rate", (0, NAN), lambda p, v: MachineLimiter(v)),
    ("key", NO_NAME, lambda p, v: MachineLimiter(5, key=v)),
    ("folder", ("", "a\0b", 5, True, []), lambda p, v: MachineLimiter(5, folder=v)),
    ("interval", (0, *NO_SECONDS), lambda p, v: MemoryMonitor(v)),
    ("scenario", ("", "other", 5, True, []), lambda p, v: recommend_mode(v)),
    ("count", NOT_WHOLE, lambda p, v: recommend_mode(count=v)),
    # The exchange
    ("base_url", NO_URL, lambda p, v: UpbitExchange(v)),
    ("timeout", (0, *NO_SECONDS), lambda p, v: UpbitExchange(timeout=v)),
    ("connect_timeout", (0, *NO_SECONDS), lambda p, v: UpbitExchange(connect_timeout=v)),
    ("connections", (*NOT_WHOLE, None), lambda p, v: UpbitExchange(connections=v)),
    ("max_body", (*NOT_WHOLE, None), lambda p, v: UpbitExchange(max_body=v)),
    ("name", NO_EXCHANGE_NAME, lambda p, v: UpbitExchange(name=v)),
    ("simulated", NO_FLAG, lambda p, v: UpbitExchange(simulated=v)),
    ("session", (5, "session", {}), lambda p, v: UpbitExchange(session=v)),
    ("symbol", ("krw-btc", "KRW-ВТС", None), lambda p, v: p.exchange.check(v, MINUTE)),
    ("timeframe", ("2m", None, Timeframe("2w", 14 * 86_400)), lambda p, v: p.exchange.check("KRW-BTC", v)),
    ("count", (0, 201, True, 1.5), lambda p, v: p.exchange.page("KRW-BTC", MINUTE, 10**9, v)),
    ("to", (-1, 10**12, NAN, T), lambda p, v: p.exchange.page("KRW-BTC", MINUTE, v, 5)),
    # The store, before it is opened
    ("path", NO_PATH, lambda p, v: SqliteStore(v)),
    ("path", ("", None), lambda p, v: SqliteStore.open(v)),
    ("exchange", NO_EXCHANGE_NAME, lambda p, v: SqliteStore("candles.db", exchange=v)),
    ("busy_timeout", (3601, *NO_SECONDS), lambda p, v: SqliteStore("candles.db", busy_timeout=v)),
    ("busy_timeout", (3601, *NO_SECONDS), lambda p, v: rxcandles.connect("candles.db", busy_timeout=v)),
    ("durability", ("half", "", "FULL", None, True, []), lambda p, v: SqliteStore("candles.db", durability=v)),
    # Opening all of it
    ("path", NO_PATH, lambda p, v: rxcandles.connect(v)),
    ("exchange", ("other", "", "UPBIT", None, 5, [], UpbitExchange), lambda p, v: rxcandles.connect("c.db", v)),
    ("base_url", (*NO_URL[:5], 5), lambda p, v: rxcandles.connect("c.db", base_url=v)),
    ("name", (*NO_EXCHANGE_NAME[:-2], 5, "UPBIT", "simulated", "simulated@x"),
     lambda p, v: rxcandles.connect("c.db", base_url="http://127.0.0.1:9", name=v)),
    ("name", ("upbit", "upbit@x", "Lab"),
     lambda p, v: rxcandles.connect("c.db", "simulated", "http://127.0.0.1:9", name=v)),
    ("name", ("mirror",), lambda p, v: rxcandles.connect("c.db", name=v)),
    ("rate_limit", NO_RATE, lambda p, v: rxcandles.connect("c.db", rate_limit=v)),
    ("limiter", (0, False, "none", SlidingWindowLimiter), lambda p, v: rxcandles.connect("c.db", limiter=v)),
    ("limiter", (SlidingWindowLimiter(5),), lambda p, v: rxcandles.connect("c.db", rate_limit=5, limiter=v)),
    ("limiter", (SlidingWindowLimiter(5),), lambda p, v: rxcandles.connect("c.db", share_limit=False, limiter=v)),
    ("share_limit", NO_FLAG, lambda p, v: rxcandles.connect("c.db", share_limit=v)),
    ("durability", ("half", 5, []), lambda p, v: rxcandles.connect("c.db", durability=v)),
    ("path", NO_PATH, lambda p, v: rxcandles.open(v)),
    ("rate_limit", NO_RATE, lambda p, v: rxcandles.open("c.db", rate_limit=v)),
    ("tz", ("Mars", 9, []), lambda p, v: rxcandles.get_ohlcv("KRW-BTC", "1m", count=1, tz=v)),
    ("since", ("2024/01/01", 5, []), lambda p, v: rxcandles.get_ohlcv("KRW-BTC", "1m", since=v)),
    ("until", ("now", 5, []), lambda p, v: rxcandles.get_ohlcv("KRW-BTC", "1m", count=1, until=v)),
    ("last", ("30", "1mo", 5, []), lambda p, v: rxcandles.get_ohlcv("KRW-BTC", "1m", last=v)),
    ("count", NOT_WHOLE, lambda p, v: rxcandles.get_ohlcv("KRW-BTC", "1m", count=v)),
    # Frames and files; what is asked of an open store is below
    ("candles", (None, 5, "KRW-BTC", b"KRW-BTC", [5], [None], {}, iter(()), CandleSequence),
     lambda p, v: rxcandles.to_arrow(v)),
    ("candles", (None, [5]), lambda p, v: rxcandles.to_pandas(v)),
    ("candles", (None, [5]), lambda p, v: rxcandles.to_polars(v)),
    ("candles", (None, [5]), lambda p, v: rxcandles.to_ccxt(v)),
    ("candles", (None, [5]), lambda p, v: rxcandles.to_freqtrade(v)),
    ("candles", (None, [5]), lambda p, v: rxcandles.to_pyupbit(v)),
    ("candles", (None, [5]), lambda p, v: rxcandles.in_batches(v)),
    ("into", ("numpy", "", None, 5, []), lambda p, v: rxcandles.in_batches([], v)),
    ("size", (*NOT_WHOLE, None), lambda p, v: rxcandles.in_batches([], size=v)),
    ("store", (None, *NO_OBJECT), lambda p, v: rxcandles.stored_candles(v, "KRW-BTC", "1m", T, T + DAY)),
    ("store", (None, *NO_OBJECT), lambda p, v: rxcandles.export_candles(v, "KRW-BTC", "1m", "c.csv")),
    ("symbol", NO_SYMBOL, lambda p, v: rxcandles.export_candles(p.store, v, "1m", "c.csv")),
    ("timeframe", ("2m", None, []), lambda p, v: rxcandles.export_candles(p.store, "KRW-BTC", v, "c.csv")),
    ("path", (*NO_PATH, "c", "c.xlsx", "csv", ".csv"),
     lambda p, v: rxcandles.export_candles(p.store, "KRW-BTC", "1m", v)),
    ("file_format", ("excel", "", 5, []),
     lambda p, v: rxcandles.export_candles(p.store, "KRW-BTC", "1m", "c.csv", file_format=v)),
    ("by", ("year", "", 5, []), lambda p, v: rxcandles.export_candles(p.store, "KRW-BTC", "1m", "c", by=v)),
    ("complete", NO_FLAG, lambda p, v: rxcandles.export_candles(p.store, "KRW-BTC", "1m", "c.csv", complete=v)),
    ("force", NO_FLAG, lambda p, v: rxcandles.export_candles(p.store, "KRW-BTC", "1m", "c.csv", force=v)),
    # The operators
    ("size", (*NOT_WHOLE, None), lambda p, v: ops.batch(v)),
    ("limit", (*NOT_WHOLE, None), lambda p, v: ops.to_list(v)),
    ("limit", (*NOT_WHOLE, None), lambda p, v: ops.guard_plan(v)),
    ("function", (None, *NO_FUNCTION), lambda p, v: ops.map_async(v)),
    ("ahead", (*NOT_WHOLE, None), lambda p, v: ops.map_async(asyncio.sleep, ahead=v)),
    ("finish", NO_FLAG, lambda p, v: ops.map_async(asyncio.sleep, finish=v)),
    ("function", (None, *NO_FUNCTION), lambda p, v: ops.concat_map_async(v)),
    ("items", (None, 5, list), lambda p, v: ops.from_demand(v)),
    ("buffer", (*NOT_WHOLE, None), lambda p, v: ops.with_backpressure(v)),
    ("in_flight", (*NOT_WHOLE, None), lambda p, v: ops.with_backpressure(in_flight=v)),
    ("in_flight", (0, True, None), lambda p, v: ops.run(reactivex.of(1), in_flight=v)),
    ("in_flight", (0, True, None), lambda p, v: flow(v)),
    ("source", (None, 5, [1], ops.batch), lambda p, v: ops.run(v)),
    ("request", (None, "KRW-BTC", Request, {"count": 5}), lambda p, v: ops.plan_chunks(v)),
    ("page", (*NOT_WHOLE, None), lambda p, v: ops.plan_chunks(minutes(count=5), page=v)),
    ("on_close", NO_FUNCTION,
     lambda p, v: CandleDataProvider(p.store, p.exchange, SlidingWindowLimiter(1), on_close=v)),
    ("opening", (5, None, "candles.db"), lambda p, v: rxcandles.SyncProvider(v)),
    ("cursors", (*NOT_WHOLE, None), lambda p, v: ops.plan_chunks(minutes(count=5), cursors=v)),
    ("rate", (0, -1, NAN, INF, True, "10", ENDLESS), lambda p, v: ops.cursors_for(v)),
    ("store", (None, *NO_OBJECT), lambda p, v: ops.skip_stored(v)),
    ("absences", ("yes", 1, None, []), lambda p, v: ops.skip_stored(p.store, absences=v)),
    ("store", (None, *NO_OBJECT), lambda p, v: ops.persist(v)),
    ("store", (None, *NO_OBJECT), lambda p, v: ops.recall(v)),
    ("page", (*NOT_WHOLE, None), lambda p, v: ops.recall(p.store, page=v)),
    ("limiter", (None, *NO_OBJECT), lambda p, v: ops.rate_limit(v)),
    ("exchange", (None, *NO_OBJECT), lambda p, v: ops.fetch(v)),
    ("ahead", (*NOT_WHOLE, None), lambda p, v: ops.fetch(p.exchange, ahead=v)),
    ("retry", (0, 3, {}, ops.Retry), lambda p, v: ops.fetch(p.exchange, retry=v)),
    ("on_failure", ("explode", "", None, True, []), lambda p, v: ops.fetch(p.exchange, on_failure=v)),
    ("against", NO_OBJECT, lambda p, v: ops.fetch(p.exchange, against=v)),
    ("callback", NO_FUNCTION, lambda p, v: ops.report(v)),
    ("clock", (None, *NO_FUNCTION), lambda p, v: ops.report(print, clock=v)),
    ("clock", (None, *NO_FUNCTION), lambda p, v: ops.summarize(clock=v)),
    ("items", (None, 5, [1]), lambda p, v: ops.from_async_iterable(v)),
    ("items", (None, 5, [1]), lambda p, v: ops.from_stream(v)),
    ("timeframe", ("2m", "", None, 5), lambda p, v: ops.resample(v)),
    ("timeframe", ("1m", "15m", "1s"), lambda p, v: ops.resample(v, request=Request("KRW-BTC", "10m", count=5))),
    ("order", ("newest", "", None, True), lambda p, v: ops.resample("5m", order=v)),
    ("partial", ("all", "", None, True), lambda p, v: ops.resample("5m", partial=v)),
    ("request", (5, "KRW-BTC", Request), lambda p, v: ops.resample("5m", request=v)),
    ("policy", ("linear", "", None, 0), lambda p, v: ops.fill_gaps(v)),
    ("order", ("newest", "", None, True), lambda p, v: ops.fill_gaps(order=v)),
    ("size", (*NOT_WHOLE, None), lambda p, v: ops.fill_gaps(size=v)),
    ("keep", ("both", "", None, True), lambda p, v: ops.deduplicate(v)),
    ("on_error", ("ignore", "", None, True, []), lambda p, v: ops.validate(v)),
    ("order", ("newest", "", None, True), lambda p, v: ops.validate(order=v)),
    ("start", ("2024", 5, FIRST), lambda p, v: ops.between(v)),
    ("stop", ("2024", 5, FIRST, T), lambda p, v: ops.between(T, v)),
    ("order", ("newest", "", None, True), lambda p, v: ops.between(order=v)),
    ("callback", (None, *NO_FUNCTION), lambda p, v: ops.with_progress(v)),
    ("total", NOT_WHOLE, lambda p, v: ops.with_progress(print, total=v)),
    ("clock", (None, *NO_FUNCTION), lambda p, v: ops.with_progress(print, clock=v)),
    (r"observers\[1\]", (None, 5, [], Request), lambda p, v: ops.tee(print, v)),
    ("write", (None, *NO_FUNCTION), lambda p, v: ops.to_sink(v)),
    (r"sources\[1\]", (None, 5, []), lambda p, v: ops.merge_by_time(reactivex.empty(), v)),
    ("order", ("newest", "", None, True), lambda p, v: ops.merge_by_time(order=v)),
    # The simulator
    ("host", ("0.0.0.0", "", "example.com", "192.168.0.1", "::", "localhost\n", None, 2_130_706_433, b"\x7f\0\0\1", []),
     lambda p, v: Simulator(host=v)),
    ("port", (-1, 65_536, True, 80.0, "80", None), lambda p, v: Simulator(port=v)),
    ("rate", NO_RATE, lambda p, v: Simulator(rate=v)),
    ("latency", NO_SECONDS, lambda p, v: Simulator(latency=v)),
    ("ban_after", (0, -1, True, 1.5, "5", NAN), lambda p, v: Simulator(ban_after=v)),
    ("clock", (None, *NO_FUNCTION), lambda p, v: Simulator(clock=v)),
    ("seed", (1.5, True, "5", None, HUGE), lambda p, v: Simulator(seed=v)),
    ("gzip", NO_FLAG, lambda p, v: Simulator(gzip=v)),
    ("outages", (5, None, "ab"), lambda p, v: Simulator(outages=v)),
    (r"outages\[0\]", NO_SPAN, lambda p, v: Simulator(outages=[v])),
    ("markets", (5, None, "KRW-BTC", Market("KRW-X")), lambda p, v: Simulator(v)),
    (r"markets\[0\]", ("KRW-BTC", None, Market), lambda p, v: Simulator([v])),
    ("symbol", ("KRW-NONE", "", None, []), lambda p, v: Simulator().market(v)),
    ("symbol", NO_SYMBOL, lambda p, v: Market(v)),
    ("density", (NAN, INF, 1.01, -0.1, 1e-7, True, "1", None), lambda p, v: Market("KRW-X", v)),
    ("base_price", (0, -1, NAN, INF, True, "5", None), lambda p, v: Market("KRW-X", base_price=v)),
    ("listed", (-1, True, 1.5, "2020", None, T, HUGE), lambda p, v: Market("KRW-X", listed=v)),
    ("delisted", (9, 10, True, 1e9, "2020", T), lambda p, v: Market("KRW-X", listed=10, delisted=v)),
    ("halts", (5, None, "ab"), lambda p, v: Market("KRW-X", halts=v)),
    (r"halts\[0\]", NO_SPAN, lambda p, v: Market("KRW-X", halts=[v])),
    ("seed", (1.5, True, "5", None), lambda p, v: Market("KRW-X", seed=v)),
    ("english_name", (5, None), lambda p, v: Market("KRW-X", english_name=v)),
    ("recorded", ("", "none.json", "x" * 5000, 5, None, b"[]"), lambda p, v: Replay(v)),
    (r"recorded\[0\]", (5, None, {}), lambda p, v: Replay([v])),
    ("timeframe", ("2m", 60), lambda p, v: Replay([], timeframe=v)),
    ("market", ("KRW-X", 5, []), lambda p, v: Replay(["[]"], market=v)),
    ("store", (None, "candles.db"), lambda p, v: rxcandles.overview(v)),
    ("store", (None, "candles.db"), lambda p, v: rxcandles.coverage_cells(v, "KRW-BTC", "1m", (0, 60), 5)),
    ("store", (None, "candles.db"), lambda p, v: charts.read_chart(v, "KRW-BTC", "1m")),
    ("first", (-1, 1.5, None), lambda p, v: charts.ladder("1m", v, 5)),
    ("slots", NOT_WHOLE, lambda p, v: charts.ladder("1m", 0, v)),
    ("data", (None, []), lambda p, v: charts.html(v)),
    ("data", (None, []), lambda p, v: charts.png(v)),
    ("data", (None, []), lambda p, v: charts.bars(v, charts.Level("1m", 1, 0))),
    ("fault", (None, 503), lambda p, v: Simulator().faults.add(v)),
    ("times", (0, -1, True, 1.5), lambda p, v: Simulator().faults.add(faults.html(), times=v)),
    ("when", (5, "always"), lambda p, v: Simulator().faults.add(faults.html(), when=v)),
]  # fmt: skip

STORED: list[tuple[str, tuple[Any, ...], Callable[[SqliteStore, Any], Any]]] = [
    ("symbol", ("", "'; DROP TABLE candles;--", "../x", None, []), lambda s, v: s.write(v, MINUTE, [], (0, 60))),
    ("timeframe", ("2m", None, []), lambda s, v: s.write("KRW-BTC", v, [], (0, 60))),
    ("proven", NO_SPAN, lambda s, v: s.write("KRW-BTC", MINUTE, [], v)),
    ("rows", ([()], [None], 5, "ab", [Row(60, 1, 1, 1, 1, 1, 1, 1)], [Row(-60, 1, 1, 1, 1, 1, 1, 1)],
              [Row(NAN, 1, 1, 1, 1, 1, 1, 1)],  # type: ignore[arg-type]
              [Row(0, 1, 1, 1, 1, 1, 1, 1), Row(-60, 1, 1, 1, 1, 1, 1, 1)]),
     lambda s, v: s.write("KRW-BTC", MINUTE, v, (0, 60))),
    ("start", (-1, 1.5, NAN, "0", None, HUGE), lambda s, v: s.count("KRW-BTC", MINUTE, v, 60)),
    ("stop", (-1, 1.5, NAN, "0", None, HUGE), lambda s, v: s.coverage("KRW-BTC", MINUTE, 0, v)),
    ("limit", (-1, True, 1.5, "5"), lambda s, v: s.coverage("KRW-BTC", MINUTE, 0, 60, v)),
    ("nth", (0, -1, True, 1.5), lambda s, v: s.nth_newest("KRW-BTC", MINUTE, 0, 60, v)),
    ("order", NO_ORDER, lambda s, v: s.rows("KRW-BTC", MINUTE, 0, 60, v, 5)),
    ("limit", (-1, True, 1.5, None, HUGE), lambda s, v: s.rows("KRW-BTC", MINUTE, 0, 60, "newest_first", v)),
    ("symbol", ("KRW BTC", None), lambda s, v: s.rows(v, MINUTE, 0, 60, "newest_first", 5)),
    ("symbol", ("KRW BTC", None), lambda s, v: s.pages(v, "1m", T, T + DAY)),
    ("timeframe", ("2m", None), lambda s, v: s.pages("KRW-BTC", v, T, T + DAY)),
    ("one_end", NO_INSTANT, lambda s, v: s.pages("KRW-BTC", "1m", v, T)),
    ("other_end", ("2024", None), lambda s, v: s.get_candles_by_range("KRW-BTC", "1m", T, v)),
    ("order", NO_ORDER, lambda s, v: s.pages("KRW-BTC", "1m", T, T + DAY, v)),
    ("order", ("up",), lambda s, v: s.get_candles_by_range("KRW-BTC", "1m", T, T + DAY, v)),
    ("size", (*NOT_WHOLE, None), lambda s, v: s.pages("KRW-BTC", "1m", T, T + DAY, size=v)),
    ("symbol", ("KRW BTC", None), lambda s, v: s.reader(v, MINUTE)),
    ("timeframe", ("2m", None), lambda s, v: s.reader("KRW-BTC", v)),
    ("order", ("up", []), lambda s, v: s.reader("KRW-BTC", MINUTE).rows(0, 60, v, 5)),
    ("symbol", ("KRW BTC", None), lambda s, v: s.imported(v, MINUTE, 0, 60, "newest_first", 5)),
    ("limit", (-1, True, 1.5, None), lambda s, v: s.imported("KRW-BTC", MINUTE, 0, 60, "newest_first", v)),
    ("order", NO_ORDER, lambda s, v: s.rows_with_imported("KRW-BTC", MINUTE, 0, 60, v, 5)),
    ("timeframe", ("2m", None), lambda s, v: s.rows_with_imported("KRW-BTC", v, 0, 60, "newest_first", 5)),
    ("stop", (-1, 1.5, None), lambda s, v: s.imported_count("KRW-BTC", MINUTE, 0, v)),
    ("limit", (-1, True), lambda s, v: s.imported_sample("KRW-BTC", MINUTE, 0, 60, v)),
    ("symbol", NO_SYMBOL, lambda s, v: rxcandles.import_candles(s, v, "1m", [])),
    ("timeframe", NO_TIMEFRAME, lambda s, v: rxcandles.import_candles(s, "KRW-BTC", v, [])),
    ("source", (5, None, {}, b"a.csv", SqliteStore), lambda s, v: rxcandles.import_candles(s, "KRW-BTC", "1m", v)),
    ("format", ("excel", "", 5, []), lambda s, v: rxcandles.import_candles(s, "KRW-BTC", "1m", [], format=v)),
    ("columns", (5, "a=b", {"open": 5}), lambda s, v: rxcandles.import_candles(s, "KRW-BTC", "1m", [], columns=v)),
    ("keep_empty", NO_FLAG, lambda s, v: rxcandles.import_candles(s, "KRW-BTC", "1m", [], keep_empty=v)),
    ("replace", NO_FLAG, lambda s, v: rxcandles.import_candles(s, "KRW-BTC", "1m", [], replace=v)),
    ("now", (NAN, -1, "now", True), lambda s, v: rxcandles.import_candles(s, "KRW-BTC", "1m", [], now=v)),
    ("pages", NOT_WHOLE, lambda s, v: rxcandles.check_imported(
        s, UpbitExchange(), SlidingWindowLimiter(None), "KRW-BTC", "1m", v)),
    ("symbol", ("KRW BTC", 5), lambda s, v: rxcandles.overview(s, v)),
    ("timeframe", ("2m", 5), lambda s, v: rxcandles.overview(s, None, v)),
    ("since", ("2024", 5), lambda s, v: rxcandles.overview(s, since=v)),
    ("to", ("2024", 5), lambda s, v: rxcandles.overview(s, to=v)),
    ("symbol", ("KRW BTC", 5, None), lambda s, v: rxcandles.coverage_cells(s, v, "1m", (0, 60), 5)),
    ("timeframe", ("2m", None), lambda s, v: rxcandles.coverage_cells(s, "KRW-BTC", v, (0, 60), 5)),
    ("span", NO_SPAN, lambda s, v: rxcandles.coverage_cells(s, "KRW-BTC", "1m", v, 5)),
    ("number", NOT_WHOLE, lambda s, v: rxcandles.coverage_cells(s, "KRW-BTC", "1m", (0, 60), v)),
    ("symbol", ("KRW BTC", None), lambda s, v: charts.read_chart(s, v, "1m")),
    ("timeframe", ("2m", None), lambda s, v: charts.read_chart(s, "KRW-BTC", v)),
    ("since", ("2024", 5), lambda s, v: charts.read_chart(s, "KRW-BTC", "1m", v)),
    ("to", ("2024", 5), lambda s, v: charts.read_chart(s, "KRW-BTC", "1m", None, v)),
    ("start", (-1, 1.5, None), lambda s, v: s.reader("KRW-BTC", MINUTE).columns(v, 60, 5)),
    ("limit", (-1, True, None), lambda s, v: s.reader("KRW-BTC", MINUTE).columns(0, 60, v)),
    ("symbol", ("KRW BTC", None), lambda s, v: rxcandles.stored_candles(s, v, "1m", T, T + DAY)),
    ("timeframe", ("2m", None), lambda s, v: rxcandles.stored_candles(s, "KRW-BTC", v, T, T + DAY)),
    ("one_end", NO_INSTANT, lambda s, v: rxcandles.stored_candles(s, "KRW-BTC", "1m", v, T)),
    ("order", NO_ORDER, lambda s, v: rxcandles.stored_candles(s, "KRW-BTC", "1m", T, T + DAY, v)),
    ("include_imported", NO_FLAG, lambda s, v: rxcandles.stored_candles(s, "KRW-BTC", "1m", include_imported=v)),
    ("include_imported", NO_FLAG, lambda s, v: charts.read_chart(s, "KRW-BTC", "1m", include_imported=v)),
    ("offset", (-1, True), lambda s, v: s.reader_with_imported("KRW-BTC", MINUTE).rows(0, 60, "newest_first", 5, v)),
    ("offset", (-1, True), lambda s, v: s.reader("KRW-BTC", MINUTE).rows(0, 60, "newest_first", 5, v)),
]  # fmt: skip


def cases(groups: list[tuple[str, tuple[Any, ...], Any]]) -> list[Any]:
    """One parameter set for each value of each group, called by its place in the list, its argument and its value."""
    found = []
    for number, (argument, values, call) in enumerate(groups):
        for value in values:
            name = ascii(f"{number}-{argument}-{beginning(value)[:40]}".partition(" object at")[0])
            name = re.sub(r"( at 0x[0-9a-f]+)|[^\w.+-]+", "_", name).strip("_")  # the same in every process
            found.append(pytest.param(argument, value, call, id=name))
    return found


def beginning(value: object) -> str:
    """The start of what an error shows a value as."""
    try:
        return repr(value)[:60]
    except (ValueError, OSError):  # ENDLESS, Shouting
        return object.__repr__(value)[:60]


def is_clear(error: RequestError, argument: str, value: object) -> None:
    """The message names the argument and its value, says what is allowed, and is short."""
    message = str(error)
    assert re.match(rf"{argument} is ", message)
    assert f"is {beginning(value)}" in message
    assert re.search(r"; (take|give|write|its zone fails .*; give) ", message)
    assert len(message) < 400
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(("argument", "value", "call"), cases(GROUPS))
def test_refused(argument: str, value: object, call: Call, place: Place) -> None:
    """Each is refused by name, where it is given, before anything is sent or written."""
    with pytest.raises(RequestError) as caught:
        result = call(place, value)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    is_clear(caught.value, argument, value)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, SqliteStore]]:
    """A store that is open, with the loop it belongs to."""
    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(tmp_path_factory.mktemp("store") / "candles.db"))
        yield runner, store
        runner.run(store.close())


@pytest.mark.parametrize(("argument", "value", "call"), cases(STORED))
def test_refused_by_the_store(
    argument: str, value: object, call: Callable[[SqliteStore, Any], Any], opened: tuple[asyncio.Runner, SqliteStore]
) -> None:
    """An open store refuses likewise, and nothing is in it afterwards."""
    runner, store = opened

    async def ask() -> None:
        result = call(store, value)
        if inspect.iscoroutine(result):
            await result

    with pytest.raises(RequestError) as caught:
        runner.run(ask())
    is_clear(caught.value, argument, value)
    with sqlite3.connect(store.path) as file:
        for table in ("series", "candles", "coverage", "imported", "imports"):
            assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    file.close()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: minutes(), r"neither count nor end is given; give count=…, or end=…"),
        (lambda: minutes(to=T), r"`to` is given alone, datetime.*2024.*; give count=…, or end=…"),
        (lambda: minutes(count=5, end=T), r"count and end are both given, 5 and datetime.*2024.*; give the count"),
        (lambda: minutes(to=T, end=T), r"between to and end is empty: .* \[2024-01-01T00:00:00.* give ends"),
        (lambda: minutes(to=T.replace(second=9), end=T.replace(second=50)), r"between to and end is empty"),
        (lambda: minutes(to=LAST, end=LAST - DAY), r"to and end lie in the future: 9999-.*; give"),
        (lambda: minutes(to=LAST, end=LAST), r"between to and end is empty"),
        (lambda: recommend_mode(), r"give a scenario or a count"),
        (lambda: UpbitExchange("https://me:hunter2@x.com"), r"^base_url holds an @(?!.*hunter2).*; write it without"),
        (lambda: UpbitExchange("https://x.com?key=hunter2"), r"^base_url is 'https://x.com'(?!.*hunter2); write"),
        (lambda: UpbitExchange("https://x.com#hunter2"), r"^base_url is 'https://x.com'(?!.*hunter2); write a host"),
        (
            lambda: rxcandles.connect("c.db", UpbitExchange(), "http://127.0.0.1:1/hunter2"),
            r"^base_url is given, but the exchange (?!.*hunter2).*; give one",
        ),
        (lambda: UpbitExchange("me:hunter2@x.com"), r"^base_url holds an @(?!.*hunter2).*; write it without"),
        (lambda: Simulator([Market("KRW-X"), Market("KRW-X")]), r"markets has KRW-X twice; give each market once"),
        (lambda: Replay(["[{}]"]), r"holds something else than candles; leave it out"),
    ],
)  # fmt: skip
def test_contradictions(call: Callable[[], object], says: str) -> None:
    """What is fine by itself and can't be meant together is refused, with both; a secret is never repeated."""
    with pytest.raises(RequestError, match=says):
        call()


class Code(enum.StrEnum):
    """A market as some like to write it."""

    BTC = "KRW-BTC"


def test_accepted() -> None:
    """What looks odd and can be meant is right: other libraries' numbers, names in an enumeration, no series at all."""
    request = Request(Code.BTC, "1m", count=Number())  # type: ignore[arg-type]
    assert (request.symbol, type(request.symbol), request.count, type(request.count)) == ("KRW-BTC", str, 5, int)
    assert ops.Retry(base=5, longest=1) == ops.Retry(base=5.0, longest=1.0)
    assert recommend_mode(count=Number()) == "collection"  # type: ignore[arg-type]
    assert [SlidingWindowLimiter(rate).rate for rate in (0.5, 10, None)] == [0.5, 10, None]
    assert UpbitExchange("http://[::1]:80/a/b/").name == UpbitExchange("http://LOCALHOST.").name == "upbit"
    assert MemoryMonitor(1).growth == 0


async def test_no_series() -> None:
    """Collecting none of several series collects nothing."""
    async with SqliteStore(":memory:") as store, UpbitExchange() as exchange:
        provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(None))
        assert await provider.collect_many([]) == await provider.collect_many(iter(())) == {}
