"""Everything that can go wrong on the way, in every mode: what the user sees, and that what is stored is true.

Each fault strikes the pages behind the first of a request. All but a refusal pass where they strike twice; where they
last, each page is tried as often as it may, and is then an error. Then they are gone, and the same request brings the
rest.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import attrs
import pytest

import rxcandles
from rxcandles import operators as ops
from rxcandles.errors import (
    BannedError,
    ConnectionFailedError,
    ExchangeError,
    IncompleteError,
    InvalidResponseError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
)
from rxcandles.exchanges import UpbitExchange
from rxcandles.exchanges.binance import BinanceExchange
from rxcandles.exchanges.http import HttpExchange
from rxcandles.model.timeframe import to_datetime
from rxcandles.simulator import BinanceSimulator, Illness, Market, Simulator, faults
from rxcandles.simulator.faults import Fault
from rxcandles.simulator.server import Server
from rxcandles.stores.opening import store_at
from tests.support.audit import Truth, audit
from tests.support.unlucky import Unlucky

NOW = int(datetime(2026, 3, 11, 14, 40, 30, tzinfo=UTC).timestamp())
TO = NOW - 30
COUNT = 100
MARKET = Market("KRW-D900", 0.9)
DENSE = Market("D900USDT", 0.9, base_price=40, dense=True)
ASKED: dict[str, Any] = {"symbol": "KRW-D900", "timeframe": "1m", "count": COUNT, "to": to_datetime(TO)}
HOUR = 3600

PASSING: dict[str, Fault] = {
    "reset before the answer": faults.drop("before"),
    "reset after the headers": faults.drop("headers"),
    "reset in the body": faults.drop("body"),
    "closed after the body": lambda asked, answer: attrs.evolve(answer, headers={"Connection": "close"}),
    "500": faults.status(500, "oops"),
    "502 with HTML": faults.status(502, "<html><h1>Bad Gateway</h1></html>", content_type="text/html"),
    "503 with Retry-After": faults.status(503, headers={"Retry-After": "0"}),
    "503 with a date": faults.status(503, headers={"Retry-After": formatdate(NOW, usegmt=True)}),
    "504": faults.status(504),
    "429": faults.limited({"Retry-After": None}),
    "429 with headers": faults.limited({"Retry-After": "0", "Remaining-Req": "group=candles; min=600; sec=0"}),
    "418 that tells": faults.banned(0.01, {"Retry-After": None}),
    "slow headers": faults.delay(60),
    "slow body": faults.stall(),
    "wrong content type": lambda asked, answer: attrs.evolve(answer, content_type="text/html"),
    "repeats the row at to": faults.seam(),
    "no headers of its own": lambda asked, answer: attrs.evolve(
        answer, headers={"Date": None, "Remaining-Req": None, "ETag": None}
    ),
    "a limit that can't be read": lambda asked, answer: attrs.evolve(answer, headers={"Remaining-Req": "sec=many"}),
}
LASTING: dict[str, tuple[Fault, type[Exception]]] = {
    "500 for ever": (faults.status(500), ServerError),
    "429 for ever": (faults.limited({"Retry-After": None}), RateLimitedError),
    "418 for ever": (faults.banned(0.01, {"Retry-After": None}), BannedError),
    "never an answer": (faults.delay(60), ConnectionFailedError),
    "never a whole body": (faults.stall(), ConnectionFailedError),
    "endless body": (faults.endless(), InvalidResponseError),
    "cut short, sound": (faults.truncated(), InvalidResponseError),
    "empty": (faults.status(200, ""), InvalidResponseError),
    "blank": (faults.status(200, "   "), InvalidResponseError),
    "null": (faults.status(200, "null"), InvalidResponseError),
    "an object": (faults.status(200, "{}"), InvalidResponseError),
    "garbage": (faults.garbage(), InvalidResponseError),
    "kept by a cache": (lambda asked, answer: attrs.evolve(answer, headers={"Age": "30"}), InvalidResponseError),
    "HTML with 200": (faults.html(), InvalidResponseError),
    "204": (faults.status(204), InvalidResponseError),
    "error object with 200": (faults.error_object(), InvalidResponseError),
    "400": (faults.status(400, "no"), RequestRejectedError),
    "404 of another kind": (faults.status(404, "no Route matched"), RequestRejectedError),
    "redirect": (faults.status(302, headers={"Location": "http://127.0.0.1:1/elsewhere"}), RequestRejectedError),
    "redirect to another host": (faults.status(308, headers={"Location": "//example.com/"}), RequestRejectedError),
    "gzip that is none": (
        faults.status(200, b"\x1f\x8bnothing of the kind", {"Content-Encoding": "gzip"}),
        ConnectionFailedError,
    ),
    "stale page": (faults.stale(), InvalidResponseError),
    "another market": (faults.other_market(), InvalidResponseError),
    "unordered": (faults.unordered(), InvalidResponseError),
    "repeated": (faults.repeated(), InvalidResponseError),
    "off the grid": (faults.misaligned(), InvalidResponseError),
    "from the future": (faults.future(), InvalidResponseError),
    "another unit": (faults.edit("unit", "5"), InvalidResponseError),
    "a time that is none": (faults.edit("candle_date_time_utc", '"2026-02-30T00:00:00"'), InvalidResponseError),
    "the clock an hour behind": (
        lambda asked, answer: attrs.evolve(answer, headers={"Date": formatdate(TO - 60 * COUNT * 2, usegmt=True)}),
        InvalidResponseError,
    ),
}

IMPOSSIBLE: dict[str, Fault] = {
    "NaN": faults.nan(),
    "infinite": faults.edit("high_price", "1e999"),
    "negative volume": faults.negative_volume(),
    "high below low": faults.high_below_low(),
    "price of zero": faults.edit("low_price", "0.0"),
    "text for a price": faults.edit("trade_price", '"1"'),
    "a missing field": faults.edit("trade_price", "null"),
    "a number too long": faults.edit("timestamp", "9" * 40),
}
"""Values that can't be, in the newest candle of a page."""

LEFT_OUT: dict[str, Fault] = {
    "an empty list": faults.status(200, "[]"),
    "half a page": lambda asked, answer: answer.with_rows(answer.rows[: len(answer.rows) // 2]),
    "the newest candles": lambda asked, answer: attrs.evolve(
        answer, body=served.text if (served := asked.page((asked.to or NOW) - 600, asked.count or 1)) else ""
    ),
}


ILL: dict[str, Illness] = {
    "maintenance": Illness(empty=True),
    "hot storage": Illness(keeps=HOUR // 2),
    "twenty minutes lost": Illness(lost=((TO - 50 * 60, TO - 30 * 60),)),
    "ten minutes behind": Illness(lag=600),
    "lacks the newest": Illness(without_newest=1),
    "all of it": Illness(lag=300, lost=((TO - 50 * 60, TO - 30 * 60),), without_newest=1),
}
HOW: dict[str, dict[str, Any]] = {"all": {}, "by request": {"share": 0.3}, "by connection": {"connections": (1, 4)}}


async def storage_only(provider: rxcandles.CandleDataProvider) -> int:
    return (await provider.collect_candles_only(**ASKED)).collected_count


async def collection(provider: rxcandles.CandleDataProvider) -> int:
    return len(await provider.get_candles(**ASKED))


async def streaming(provider: rxcandles.CandleDataProvider) -> int:
    async with provider.stream_candles(**ASKED) as stream:
        return sum([len(candles) async for candles, _ in stream])


@attrs.frozen
class Place:
    """An exchange: its simulator, its adapter, and the market that is asked for."""

    simulator: type[Server]
    exchange: type[HttpExchange]
    market: Market


UPBIT = Place(Simulator, UpbitExchange, MARKET)
BINANCE = Place(BinanceSimulator, BinanceExchange, DENSE)


@attrs.frozen
class Way:
    """A mode at an exchange."""

    run: Callable[[rxcandles.CandleDataProvider], Any]
    place: Place = UPBIT
    server: bool = False
    """Whether the candles go to a server, and not into a file."""

    def __str__(self) -> str:
        return f"{self.run.__name__}{'' if self.place is UPBIT else ' of Binance'}{' on a server' * self.server}"


MODES = [Way(storage_only), Way(collection), Way(streaming), Way(storage_only, BINANCE), Way(storage_only, server=True)]
UNSAID = ("another market", "another unit")
"""What Binance's pages don't say, so that they can't say it wrongly."""
ATTEMPTS = 3
REFUSED = [name for name, (_, expected) in LASTING.items() if expected is RequestRejectedError]
TEMPORARY = PASSING | IMPOSSIBLE | {name: fault for name, (fault, _) in LASTING.items() if name not in REFUSED}


class Bench:
    """A simulator and a database, and a provider that loses patience soon."""

    def __init__(self, simulator: Server, path: Path | str, market: Market = MARKET) -> None:
        self.simulator = simulator
        self.path = path
        self.provisional_ok = False
        self.truth = Truth({market.symbol: market}.__getitem__, since=TO - 86_400)

    async def run(self, mode: Way, url: str | None = None, attempts: int = ATTEMPTS) -> int:
        """Run a mode in pages of 30; afterwards nothing runs, and what is stored is true."""
        exchange = mode.place.exchange(
            self.simulator.base_url if url is None else url, timeout=0.2, connect_timeout=0.2, max_body=60_000
        )
        exchange.page_limit = 30
        try:
            async with store_at(self.path, exchange=exchange.name) as store, exchange:
                provider = rxcandles.CandleDataProvider(
                    store,
                    exchange,
                    rxcandles.SlidingWindowLimiter(None, window=0.01),
                    retry=ops.Retry(attempts=attempts, base=0.001, longest=0.002),
                    cursors=2,
                )
                return int(await mode.run(provider))
        finally:
            ours = [task for task in asyncio.all_tasks() if "operators" in repr(task.get_coro())]
            assert not ours
            audit(self.path, self.truth, NOW, provisional_ok=self.provisional_ok)


@pytest.fixture
def mode() -> Way:
    """That of tests that have no other."""
    return Way(collection)


@pytest.fixture
async def bench(tmp_path: Path, mode: Way, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = request.getfixturevalue("shared_postgres_url") if mode.server else tmp_path / "candles.db"
    place = mode.place
    monkeypatch.setitem(ASKED, "symbol", place.market.symbol)
    async with place.simulator([place.market], rate=None, clock=lambda: float(NOW)) as simulator:  # type: ignore[call-arg]
        yield Bench(simulator, path, place.market)


def unsaid(name: str, mode: Way) -> bool:
    return name in UNSAID and mode.place is BINANCE


def behind_the_first(asked: Any) -> bool:
    return bool(asked.to is not None and asked.to < TO)


@pytest.mark.parametrize(
    ("name", "mode"),
    # At Binance what lasts is tried once, by the test of that.
    [(name, mode) for name in TEMPORARY for mode in MODES if mode.place is UPBIT or name not in LASTING],
    ids=str,
)
async def test_passes(bench: Bench, name: str, mode: Way) -> None:
    """It costs a retry at most: the user sees everything, and nothing of it."""
    bench.simulator.faults.add(TEMPORARY[name], 2, behind_the_first)
    assert await bench.run(mode) == COUNT
    bench.simulator.reset_stats()
    assert await bench.run(mode) == COUNT
    assert bench.simulator.stats.requests == 0


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("name", LASTING)
async def test_lasts(bench: Bench, name: str, mode: Way, caplog: pytest.LogCaptureFixture) -> None:
    """The user is told what it was; what came before is stored, and the rest comes when the fault is gone.

    Each page that failed was asked for as often as it may be; a refusal is raised after one request.
    """
    fault, expected = LASTING[name]
    bench.simulator.faults.add(fault, None, behind_the_first)
    if unsaid(name, mode):
        assert await bench.run(mode) == COUNT
        return
    with pytest.raises((expected, IncompleteError)) as caught:
        await bench.run(mode)
    error = caught.value
    if isinstance(error, IncompleteError):
        assert mode.run is storage_only
        assert error.summary.failed_spans
        assert error.summary.collected_count == error.summary.db_records_count >= 29
    assert 20 < len(str(error)) < 900, error
    asked = [record.__dict__["requests"] for record in caplog.records if record.__dict__.get("event") == "failed"]
    if name in REFUSED:
        assert not asked
        assert "asked 1 times" in error.__notes__[0]
    else:
        assert asked
        assert set(asked) == {ATTEMPTS}
    bench.simulator.faults.clear()
    assert await bench.run(mode) == COUNT


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("name", IMPOSSIBLE)
async def test_one_candle_of_each_page(bench: Bench, name: str, mode: Way, caplog: pytest.LogCaptureFixture) -> None:
    """All others come, storage-only tells which are missing, and they come when the fault is gone."""
    bench.simulator.faults.add(IMPOSSIBLE[name])
    if mode.run is storage_only:
        with pytest.raises(IncompleteError, match="can't be true") as caught:
            await bench.run(mode)
        summary = caught.value.summary
        assert summary.impossible_spans
        assert (summary.failed_spans, summary.collected_count) == ((), COUNT)
    else:
        assert await bench.run(mode) == COUNT
    assert any(record.__dict__.get("event") == "impossible" for record in caplog.records)
    bench.simulator.faults.clear()
    assert await bench.run(mode) == COUNT
    bench.simulator.reset_stats()
    assert await bench.run(mode) == COUNT
    assert bench.simulator.stats.requests == 0


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("name", LEFT_OUT)
async def test_left_out(bench: Bench, name: str, mode: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page leaves out is not taken for what does not exist: at once where it contradicts what is known.

    Where nothing is known that it contradicts, a later run asks again.
    """
    bench.simulator.faults.add(LEFT_OUT[name], 1, behind_the_first)
    bench.provisional_ok = name == "the newest candles"
    assert await bench.run(mode) == COUNT
    if bench.provisional_ok:
        later = time.time() + 2 * HOUR
        monkeypatch.setattr("time.time", lambda: later)
        await bench.run(mode)
        bench.provisional_ok = False
        assert await bench.run(mode) == COUNT


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("illness", ILL)
async def test_ill_for_a_while(
    bench: Bench, illness: str, how: str, mode: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an ill exchange leaves out is believed for a while at most: two later runs bring all of it."""
    bench.simulator.illnesses.add(ILL[illness], **HOW[how])
    bench.provisional_ok, ours = True, [time.time()]
    monkeypatch.setattr("time.time", lambda: ours[0])
    with suppress(ExchangeError, IncompleteError):
        await bench.run(mode)
    bench.simulator.illnesses.clear()
    for _ in range(2):
        ours[0] += 2 * HOUR
        await bench.run(mode)
    bench.provisional_ok = False
    bench.simulator.reset_stats()
    assert await bench.run(mode) == COUNT
    assert bench.simulator.stats.requests == 0


@pytest.mark.parametrize(
    ("name", "quoted"),
    {
        "empty": "''",
        "blank": "'   '",
        "HTML with 200": "'<!DOCTYPE html>",
        "error object with 200": """'{"error":""",
        "cut short, sound": """'[{"market":"KRW-D900",""",
        "another market": """'[{"market":"KRW-OTHER",""",
        "unordered": """'[{"market":"KRW-D900",""",
        "kept by a cache": """'[{"market":"KRW-D900",""",
    }.items(),
)
async def test_quoted(bench: Bench, name: str, quoted: str) -> None:
    """The error of an invalid answer shows how the last one began: one sees at once what has answered."""
    fault, _ = LASTING[name]
    bench.simulator.faults.add(fault, None, behind_the_first)
    with pytest.raises(InvalidResponseError) as caught:
        await bench.run(Way(collection))
    assert quoted in str(caught.value)
    assert ("had kept" in str(caught.value)) == (name == "kept by a cache")


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
async def test_clocks_apart(bench: Bench, ahead: int, mode: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where our clock and the server's differ by an hour, nothing that is not over by both is kept as final."""
    monkeypatch.setattr("rxcandles.model.request.time.time", lambda: float(NOW + ahead))
    monkeypatch.setitem(ASKED, "to", None)
    assert await bench.run(mode) == COUNT


@pytest.mark.parametrize("mode", MODES, ids=str)
async def test_refused_and_unknown_hosts(bench: Bench, mode: Way) -> None:
    """Nobody listens, or the name is not known: an error of the connection that names the host."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    for url, host in ((nobody, "127.0.0.1"), ("http://nowhere.invalid", "nowhere.invalid")):
        with pytest.raises((ConnectionFailedError, IncompleteError), match=host):
            await bench.run(mode, url)
    assert await bench.run(mode) == COUNT


@pytest.mark.parametrize("mode", MODES, ids=str)
async def test_blocks_that_grow(bench: Bench, mode: Way) -> None:
    """Blocks that get longer are waited out, each as long as it says."""
    for seconds in (0.01, 0.02):
        bench.simulator.faults.add(faults.banned(seconds), 1, behind_the_first)
    assert await bench.run(mode) == COUNT


@pytest.mark.parametrize("mode", MODES[:3], ids=str)
@pytest.mark.parametrize("seed", range(4))
async def test_one_answer_in_seven(tmp_path: Path, mode: Way, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 pages of which one answer in seven is faulty, in seven ways: with the usual attempts all of it is held."""
    unlucky = Unlucky(0.02, seed)
    monkeypatch.setitem(ASKED, "count", 200 * 30)
    async with Simulator([MARKET], rate=None, clock=lambda: NOW) as simulator:
        simulator.faults.add(unlucky)
        bench = Bench(simulator, tmp_path / "candles.db")
        bench.truth = Truth({"KRW-D900": MARKET}.__getitem__, since=TO - 7 * 86_400)
        assert await bench.run(mode, attempts=ops.Retry().attempts) == 200 * 30
        assert simulator.stats.requests >= 200 + sum(unlucky.struck.values())
    assert sum(unlucky.struck.values()) > 15
