"""The ways in: a provider with and without await, the command line, and PostgreSQL as the store of all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from distributed import Client

import rxcandles
from rxcandles import ClusterError, Request, RequestError
from rxcandles.__main__ import main
from rxcandles.cluster import dask as ours
from rxcandles.model.timeframe import to_datetime
from rxcandles.ports import Exchange
from rxcandles.stores.postgres.store import PostgresStore
from tests.support.cluster import in_a_thread
from tests.support.fakes import FakeExchange

STOP = 1_704_067_200
DAY = {"to": to_datetime(STOP), "end": to_datetime(STOP - 86_400)}
REQUESTS = [Request(symbol, "1m", **DAY) for symbol in ("KRW-BTC", "KRW-ETH")]  # type: ignore[arg-type]
HELD = [1439, 1440]
"""Candles of that day in the simulated exchange."""
SPAN = ["--since", "2023-12-31", "--until", "2024-01-01"]


@pytest.fixture(scope="module")
def workers() -> Iterator[str]:
    """The address of a scheduler on TCP with two workers."""
    with in_a_thread() as address:
        yield address


async def test_provider(workers: str, postgres_url: str) -> None:
    """With the address of a scheduler, or with a client, a provider's workers store into its own database."""
    async with rxcandles.connect(postgres_url, exchange="simulated", rate_limit=None) as provider:
        summaries = await provider.collect_many(REQUESTS, client=workers)
        assert [each.collected_count for each in summaries.values()] == [
            await provider.repository.count(each.symbol, each.timeframe, *each.span) for each in REQUESTS
        ]
        assert isinstance(provider.repository, PostgresStore)
        async with Client(workers, asynchronous=True) as client:
            again = await provider.collect_many(REQUESTS, client=client)
        assert [each.api_calls_made for each in again.values()] == [0, 0]
        assert await provider.collect_many([], client=workers) == {}


def test_without_await(workers: str, postgres_url: str) -> None:
    """A client of another thread is not used itself; one for our loop is made."""
    seen = []
    with Client(workers) as client, rxcandles.open(postgres_url, exchange="simulated", rate_limit=None) as candles:
        summaries = candles.collect_many(REQUESTS, lambda request, progress: seen.append(request), client=client)
        assert [each.collected_count for each in summaries.values()] == HELD
    assert set(seen) == set(REQUESTS)


def test_command_line(workers: str, postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``collect --scheduler`` prints what it always prints; the table of coverage says that all is there."""
    simulated = ["--exchange", "simulated", "--rate-limit", "none", "--db", postgres_url]
    scheduler = ["--scheduler", workers]
    assert main(["collect", "KRW-BTC,KRW-ETH", "1m", *SPAN, *simulated, *scheduler, "--json"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["symbol"], each["candles"], each["error"]) for each in printed] == [
        ("KRW-BTC", HELD[0], None), ("KRW-ETH", HELD[1], None),
    ]  # fmt: skip
    assert main(["collect", "KRW-NONE", "KRW-BTC", "1m", *SPAN, *simulated, *scheduler]) == 1
    told = capsys.readouterr()
    assert "1 of 2 series are complete" in told.out
    assert told.err.startswith("rxcandles: KRW-NONE 1m")
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--db", "new.db", "--scheduler", "tcp://127.0.0.1:9"], 2, "the store is 'new.db', an SQLite file, which"),
        (["--db", "postgresql://me:secret@127.0.0.1:9/x", "--scheduler", "10.0.0.1"], 2, "--scheduler is '10.0.0.1'"),
    ],
)
def test_refused_before_anything_is_sent(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str], tmp_path, monkeypatch
) -> None:
    """A file, and an address that is none, are refused in a sentence; no file is made."""
    monkeypatch.chdir(tmp_path)
    assert main(["collect", "KRW-*", "1m", *SPAN, *words]) == code
    told = capsys.readouterr().err
    assert said in told
    assert "secret" not in told
    assert list(tmp_path.iterdir()) == []


async def test_what_cannot_travel(postgres_url: str) -> None:
    """A file, an exchange object and a limiter stay here: each is refused, and says what to give."""
    made: list[tuple[str, Exchange | str, dict[str, object], str]] = [
        (":memory:", "simulated", {}, "an SQLite file"),
        (postgres_url, FakeExchange([]), {}, "open it by names"),
        (postgres_url, "simulated", {"limiter": rxcandles.SlidingWindowLimiter(5)}, "open it by names"),
    ]
    for path, exchange, options, said in made:
        async with rxcandles.connect(path, exchange, **options) as provider:  # type: ignore[arg-type]
            with pytest.raises(RequestError, match=said):
                await provider.collect_many(REQUESTS, client="tcp://127.0.0.1:9")
    async with rxcandles.connect(postgres_url, "simulated") as provider:
        with pytest.raises(RequestError, match="client is 5; give a distributed"):
            await provider.collect_many(REQUESTS, client=5)  # type: ignore[arg-type]


async def test_nobody_answers(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no scheduler is, one sentence says so."""
    monkeypatch.setattr(ours, "CONNECTING", 0.1)
    async with rxcandles.connect(postgres_url, exchange="simulated") as provider:
        with pytest.raises(ClusterError, match=r"no scheduler answers at tcp://127.0.0.1:9; start one: dask scheduler"):
            await provider.collect_many(REQUESTS, client="tcp://127.0.0.1:9")
