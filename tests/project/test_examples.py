"""The example programs run as a user runs them, without a warning, and what they print and write is true."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyarrow import parquet

from rxcandles.simulator.market import DEFAULT_MARKETS, Market
from tests.support.cluster import in_a_thread

EXAMPLES = Path(__file__).parents[1] / "examples"
YEAR_2025 = (1_735_689_600, 1_767_225_600)
NAMES = {
    "cron", "etl_parquet", "first_frame", "live_five_minutes", "many_addresses", "moving_average", "notebook",
    "observer", "own_exchange", "own_operator", "own_windows", "queue_workers", "ray_workers",
}  # fmt: skip

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run an example in an empty folder, and return what it has printed."""

    def running(name: str, *arguments: str, exit_code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (exit_code, "")
        return done.stdout

    yield running
    # Every database was closed: no journal is left beside it.
    assert {path.name for path in tmp_path.iterdir()} <= {"candles.db", "candles.db.cache", "hours.parquet"}


def market(symbol: str) -> Market:
    return next(each for each in DEFAULT_MARKETS if each.symbol == symbol)


def test_each_is_tested_and_short() -> None:
    """There is a test for each program, and none is longer than a screen."""
    assert {path.stem for path in EXAMPLES.glob("*.py") if not path.stem.startswith("test_")} == NAMES
    for name in NAMES:
        assert f'run("{name}"' in Path(__file__).read_text(encoding="utf-8"), name
        assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 50, name


def test_etl(run: Run, tmp_path: Path) -> None:
    """The hours are those of the truth, and ten times the candles take no more memory."""
    grown = []
    for days in (2, 20):
        start, stop = YEAR_2025[0], YEAR_2025[0] + days * 86_400
        minutes = market("KRW-XRP").rows("1m", start, stop)
        printed = run("etl_parquet", str(days)).splitlines()
        assert printed[0] == f"{len(minutes)} minutes read"
        grown.append(float(re.fullmatch(r"memory grew by ([\d.]+) MB", printed[1])[1]))
        hours = parquet.read_table(tmp_path / "hours.parquet").to_pylist()
        assert len(hours) == days * 24
        for number, hour in enumerate(hours):
            assert hour["open_time"].timestamp() == start + number * 3600
        for hour in (hours[0], hours[-1]):
            opened = hour["open_time"].timestamp()
            inside = [row for row in minutes if opened <= row.open_time < opened + 3600]
            high, low = max(row.high for row in inside), min(row.low for row in inside)
            assert (hour["open"], hour["high"], hour["low"], hour["close"], hour["range"]) == (
                inside[0].open, high, low, inside[-1].close, high - low,
            )  # fmt: skip
            assert hour["volume"] == pytest.approx(sum(row.volume for row in inside))
    assert grown[1] - grown[0] < 8, grown  # 25,000 candles more, which are 12 MB or so in a list


def test_moving_average(run: Run) -> None:
    """First and last are what the truth says, reckoned another way."""
    rows = market("KRW-RARE").rows("1m", *YEAR_2025)
    window = [row.close for row in rows if row.open_time > rows[-1].open_time - 86_400]
    assert run("moving_average").splitlines() == [
        f"{len(rows)} candles in a year, {len(window)} in the last day",
        f"first {time.strftime('%Y-%m-%d %H:%M', time.gmtime(rows[0].open_time))} {rows[0].close:.4f}",
        f"last {time.strftime('%Y-%m-%d %H:%M', time.gmtime(rows[-1].open_time))} {sum(window) / len(window):.4f}",
    ]


def test_cron(run: Run) -> None:
    """The second run asks for no more than the minute that has come; a market that fails does not stop the others."""

    def told(printed: str) -> tuple[int, ...]:
        found = re.search(r" INFO (\d+) series, (\d+) candles held, requests: (\d+)\n\Z", printed)
        return tuple(map(int, found.groups()))

    began = (time.time() - 3) // 60
    series, held, sent = told(run("cron"))
    assert (series, sent) == (4, 4)
    assert 500 <= held <= 720
    series, again, sent = told(run("cron"))
    same_minute = (time.time() - 3) // 60 == began
    assert series == 4
    assert abs(again - held) <= 8
    assert sent == 0 if same_minute else sent <= 4
    printed = run("cron", "KRW-NONE", "KRW-BTC", exit_code=1)
    assert told(printed)[0] == 1
    assert " ERROR KRW-NONE failed: " in printed


def test_own_exchange(run: Run) -> None:
    """All three modes work; the stream is read from what is stored."""
    assert run("own_exchange").splitlines() == [
        "1000 candles in 10 requests",
        "5000 held: there are no more",
        "[1000, 1000, 500] in 0 requests",
    ]


def test_own_windows(run: Run) -> None:
    """A hundred candles of a market that trades in every tenth minute lie in four windows of 300."""
    assert run("own_windows").splitlines() == [
        "100 candles of a quiet market in 4 requests",
        "500 held: there are no more",
    ]


def test_own_operator(run: Run) -> None:
    """The prices are those of the truth's candles above the volume, 500 at a time from the newest."""
    newest = market("KRW-XRP").rows("1m", YEAR_2025[0] - 6000 * 60, YEAR_2025[0])[-5000:]
    rows = [row for row in reversed(newest) if row.volume > 4000]
    assert 500 < len(rows) < 5000
    lists = [rows[at : at + 500] for at in range(0, len(rows), 500)]
    assert [float(line) for line in run("own_operator").split()] == [
        pytest.approx(sum(row.turnover for row in some) / sum(row.volume for row in some), abs=0.006) for some in lists
    ]


def test_observer(run: Run) -> None:
    """Both observers have logged the whole run, and the library its own lines beside."""
    printed = run("observer").splitlines()
    assert [line for line in printed if " pages " in line] == [
        *(f"INFO pages {number}: 200 candles" for number in range(1, 6)),
        "INFO pages completed after 5",
    ]
    assert [line for line in printed if " batches " in line] == [
        "INFO batches 1: 500 candles",
        "INFO batches 2: 500 candles",
        "INFO batches completed after 2",
    ]


def test_first_frame(run: Run) -> None:
    """The frames are the truth's: its days, its best day in Seoul, and hours of two markets beside each other."""
    # A day candle opens at 09:00 in Seoul, so that of New Year's Day is not before its midnight.
    days = market("KRW-BTC").rows("1d", *YEAR_2025)
    best = max(days, key=lambda row: row.close / row.open)
    march = (1_740_787_200, 1_743_465_600)
    hours = [{row.open_time: row.close for row in market(each).rows("60m", *march)} for each in ("KRW-BTC", "KRW-ETH")]
    printed = run("first_frame").splitlines()
    assert (
        printed[0] == f"{len(days)} days, the best {time.strftime('%Y-%m-%d', time.gmtime(best.open_time + 9 * 3600))}"
    )
    assert printed[1].startswith(f"({len({*hours[0], *hours[1]})}, 2) correlation ")
    assert printed[2:] == ["5 chunks", "500 held 4 series"]


def test_live_five_minutes(run: Run) -> None:
    """The candles are the exchange's own of five minutes, oldest first."""
    rows = market("KRW-XRP").rows("5m", YEAR_2025[0], YEAR_2025[0] + 3600)
    assert run("live_five_minutes").splitlines() == [
        f"{time.strftime('%H:%M', time.gmtime(row.open_time))} {row.open} {row.high} {row.low} {row.close}"
        for row in rows
    ]


def test_notebook(run: Run) -> None:
    """A session over several runs of one loop; what is held is what exists."""
    start, stop = YEAR_2025[0], YEAR_2025[0] + 59 * 86_400
    rows = market("KRW-BTC").rows("60m", start, stop)
    printed = run("notebook").splitlines()
    assert printed[:2] == [f"{59 * 24} slots missing, 8 requests", f"{len(rows)} candles"]
    assert re.fullmatch(rf"count +{len(rows)}\.0+ +{len(rows)}\.0+", printed[3])
    assert printed[-1] == f"{len(rows)} stored, {59 * 24 - len(rows)} without a trade, 0 missing"


def held(symbol: str, days: int) -> int:
    """Candles of the first days of the year, which the programs for many addresses collect."""
    return len(market(symbol).rows("1m", YEAR_2025[0], YEAR_2025[0] + days * 86_400))


def test_many_addresses(run: Run, postgres_url: str) -> None:
    """The workers of a scheduler collect all of it, and progress comes to the end."""
    with in_a_thread() as scheduler:
        assert run("many_addresses", postgres_url, scheduler).splitlines() == [
            *(f"{symbol} {held(symbol, 2)} candles; True" for symbol in ("KRW-BTC", "KRW-ETH", "KRW-XRP")),
            "0 requests for the same again",
        ]


def test_queue_workers(run: Run, postgres_url: str) -> None:
    """What one process puts into the queue another takes out, part by part."""
    pytest.importorskip("procrastinate")
    assert run("queue_workers", postgres_url, "fill") == ""
    printed = run("queue_workers", postgres_url, "work").splitlines()
    assert sum(int(line.split()[1]) for line in printed) == held("KRW-BTC", 10)
    assert len(printed) == 2


def test_ray_workers(run: Run, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two actors share the parts of each market."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # it speaks of that on stderr
    assert run("ray_workers", postgres_url, "127.0.0.1", "127.0.0.1").splitlines() == [
        f"{symbol} {held(symbol, 10)} candles" for symbol in ("KRW-BTC", "KRW-ETH")
    ]
