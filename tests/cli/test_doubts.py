"""What an exchange has left out is told at the shell: after a run, in the plan, in the coverage and in the check."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rxcandles.__main__ import main
from rxcandles.cli.provisional import Doubts, provisional_text, revised_text, tell_doubts
from rxcandles.model.reports import ProvisionalSpan
from rxcandles.model.timeframe import Timeframe, from_datetime
from rxcandles.simulator import Illness, Simulator
from rxcandles.stores import SqliteStore

TWO = datetime(2026, 3, 11, 14, 40, tzinfo=UTC)
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)
NOW = from_datetime(NOON)
LOST = (int(from_datetime(datetime(2024, 1, 1, 12))), int(from_datetime(datetime(2024, 1, 1, 13))))
DAY = ["1m", "--since", "2024-01-01", "--to", "2024-01-02"]
TOLD = "60 slots before 2024-01-01 13:00 UTC are empty by one answer; the next run after "


def span(
    slots: int, kind: str = "gap", stop: datetime = TWO, again: datetime = NOON, times: int = 1
) -> ProvisionalSpan:
    return ProvisionalSpan(stop - timedelta(minutes=slots), stop, kind, slots, NOON, NOON, times, again)


AGAIN = NOON + timedelta(minutes=64, seconds=20)


@pytest.mark.parametrize(
    ("spans", "says"),
    [
        ([], ""),
        (
            [span(60, again=AGAIN)],
            "60 slots before 2026-03-11 14:40 UTC are empty by one answer; the next run after 13:05 UTC asks again",
        ),
        (
            [span(1, again=AGAIN + timedelta(days=1), times=2)],
            "1 slot before 2026-03-11 14:40 UTC is empty by 2 answers; "
            "the next run after 2026-03-12 13:05 UTC asks again",
        ),
        ([span(60)], "60 slots before 2026-03-11 14:40 UTC are empty by one answer; the next run asks again"),
        (
            [span(3, again=AGAIN), span(60), span(4)],
            "60 slots before 2026-03-11 14:40 UTC are empty by one answer, and 7 more slots in 2 spans; "
            "the next run after 13:05 UTC asks again",
        ),
        (
            [span(500, "beginning", again=AGAIN)],
            "nothing is older than 2026-03-11 14:40 UTC by one answer; the next run after 13:05 UTC asks again",
        ),
        (
            [span(500, "beginning"), span(2, "head")],
            "nothing is older than 2026-03-11 14:40 UTC by one answer, "
            "and 2 more slots in 1 span are empty; the next run asks again",
        ),
    ],
)
def test_one_sentence(spans: list[ProvisionalSpan], says: str) -> None:
    """The largest span is told and the others are counted; by the time that is named all of them are due."""
    assert provisional_text(spans, NOW) == says


def test_several_series(capsys: pytest.CaptureFixture[str]) -> None:
    """The first three series have a line each, of what is provisional and of what was revised; others are counted."""
    tell_doubts({f"KRW-{letter} 1m": Doubts([span(2)], 1) for letter in "ABCDE"} | {"KRW-F 1m": Doubts()}, now=NOW)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["KRW-A 1m", "KRW-B 1m", "KRW-C 1m"]
    assert lines[3] == "and 2 more series have provisional spans; `rxcandles coverage` shows them"
    assert lines[4] == "KRW-A 1m: 1 candle was revised: the exchange has changed values that were stored"
    assert lines[7] == "and 2 more series have revised candles"
    assert len(lines) == 8
    assert revised_text(0) == ""


@pytest.fixture
def ill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Options for an exchange in another thread of which an hour is missing."""
    monkeypatch.chdir(tmp_path)
    loop, simulator = asyncio.new_event_loop(), Simulator(rate=None)
    simulator.illnesses.add(Illness(lost=(LOST,)))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result(10)
    yield ["--exchange", "simulated", "--base-url", simulator.base_url, "--rate-limit", "none"]
    asyncio.run_coroutine_threadsafe(simulator.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def due_now() -> None:
    """The claims were heard so long ago that they are due."""
    with closing(sqlite3.connect("candles.db", isolation_level=None)) as database:
        database.execute("UPDATE claims SET first_heard = first_heard - 7200, due = due - 7200, final = final - 7200")


@pytest.mark.parametrize("command", ["collect", "get", "stream"])
def test_after_a_run(command: str, ill: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One line says it on stderr, also where nothing was asked for again; --quiet says nothing."""
    printed = ["--format", "csv"] if command != "collect" else []
    for _ in range(2):
        assert main([command, "KRW-BTC", *DAY, *ill, *printed]) == 0
        out, err = capsys.readouterr()
        assert [line for line in err.splitlines() if TOLD in line] == [err.splitlines()[-1]]
        assert err.splitlines()[-1].startswith(f"KRW-BTC 1m: {TOLD}")
        assert "empty by" not in out
    assert main([command, "KRW-BTC", *DAY, *ill, *printed, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_after_a_run_for_programs(ill: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With --json it is in the summary, of one series and of several, and nothing else is written."""
    for symbols in (["KRW-BTC"], ["KRW-BTC", "KRW-ETH"]):
        assert main(["collect", *symbols, *DAY, *ill, "--json"]) == 0
        out, err = capsys.readouterr()
        assert "empty by" not in err
        for line in out.splitlines():
            summary = json.loads(line)
            [found] = summary["provisional_spans"]
            assert (found["start"], found["stop"]) == ("2024-01-01T12:00:00Z", "2024-01-01T13:00:00Z")
            assert (found["kind"], found["slots"], found["times"]) == ("gap", 60, 1)
            heard, again = (datetime.fromisoformat(found[name]) for name in ("first_heard", "asks_again"))
            assert again - heard == timedelta(hours=1)
            assert summary["revised_count"] == 0


@pytest.mark.parametrize("command", ["collect", "get", "stream"])
def test_revised(command: str, ill: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Candles that come again with other values than they were stored with are counted in a line."""
    assert main(["collect", "KRW-BTC", "1m", "--since", "2024-01-01", "--to", "2024-01-01 10:00", *ill, "-q"]) == 0
    with closing(sqlite3.connect("candles.db", isolation_level=None)) as database:
        database.execute(
            "UPDATE candles SET volume = volume / 2 WHERE open_time = (SELECT max(open_time) FROM candles)"
        )
    capsys.readouterr()
    assert main([command, "KRW-BTC", "1m", "--since", "2024-01-01", "--to", "2024-01-01 11:00", *ill]) == 0
    assert "KRW-BTC 1m: 1 candle was revised: the exchange has changed" in capsys.readouterr().err


def test_the_plan(ill: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What is due to be asked about again has its own place in the plan, and nothing of it is missing."""
    assert main(["collect", "KRW-BTC", *DAY, *ill, "-q"]) == 0
    due_now()
    capsys.readouterr()
    assert main(["plan", "KRW-BTC", *DAY, *ill]) == 0
    out = capsys.readouterr().out
    assert "asked again: 2024-01-01 12:00:00 to 2024-01-01 13:00:00 UTC, 60 slots" in out
    assert "0 requests and 1 request to ask again about provisional spans, no limit" in out
    assert main(["plan", "KRW-BTC", *DAY, *ill, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["doubtful"] == [{"start": "2024-01-01T12:00:00Z", "stop": "2024-01-01T13:00:00Z"}]
    assert (told["requests"], told["requests_again"], told["missing"], told["missing_slots"]) == (1, 1, [], 0)


def test_the_coverage(ill: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The table counts it, the strip has a character for it, and --json lists the claims."""
    assert main(["collect", "KRW-BTC", *DAY, *ill, "-q"]) == 0
    capsys.readouterr()
    assert main(["coverage"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "provisional" in lines[0]
    strip = lines[1].split()[-1]
    assert strip[len(strip) // 2 + 1] == "░"
    assert strip.count("░") in (1, 2, 3)
    assert "░ empty by one answer" in lines[-1]
    assert main(["coverage", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    [claim] = found["claims"]
    assert found["provisional"] == 60
    assert set(claim) == {"kind", "start", "stop", "first_heard", "last_heard", "times", "asks_again"}
    assert (claim["kind"], claim["start"], claim["stop"]) == ("gap", "2024-01-01T12:00:00Z", "2024-01-01T13:00:00Z")


def test_the_check(ill: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A check is content and says it as a note; a repair has nothing to do; a wrong claim is wrong and put right."""
    assert main(["collect", "KRW-BTC", *DAY, *ill, "-q"]) == 0
    capsys.readouterr()
    assert main(["verify"]) == 0
    out = capsys.readouterr().out
    assert "provisional_absence: simulated" in out
    assert "nothing is wrong; 1 absence is provisional, and will be asked about again" in out
    assert main(["verify", "--quiet"]) == 0
    assert main(["repair", *ill, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    with closing(sqlite3.connect("candles.db", isolation_level=None)) as database:
        database.execute("UPDATE claims SET stop = stop + 600")
    assert main(["verify"]) == 3
    assert "wrong_claim: simulated" in capsys.readouterr().out
    assert main(["repair", *ill]) == 0
    assert "; 1 claim corrected" in capsys.readouterr().out

    async def left() -> list[tuple[int, int]]:
        async with SqliteStore("candles.db") as store:
            [series] = await store.series()
        async with SqliteStore("candles.db", exchange=series.exchange) as store:
            return [each.span for each in await store.claims("KRW-BTC", Timeframe.of("1m"), 0, LOST[1] * 2)]

    assert asyncio.run(left()) == [LOST]
