"""One odd row of a database stops its own series and nothing else: whoever reads names it, and what to do."""

from __future__ import annotations

import asyncio
import errno
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rxcandles import Row, SqliteStore, Timeframe, coverage_cells, overview
from rxcandles.__main__ import main
from rxcandles.charts import read_chart
from rxcandles.errors import IncompleteError, OddRowError, ServerError
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.advice import where_options
from rxcandles.model.timeframe import to_datetime
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.operators import Retry
from rxcandles.simulator.room import check_room
from rxcandles.stores.overview import Overview
from tests.support.fakes import FakeExchange

MINUTE = Timeframe.of("1m")
START = 1_704_067_200
SPAN = (START, START + 6000)

NAMES = {
    "unknown timeframe": "timeframe = '9q'",
    "other spelling of a timeframe": "timeframe = '1h'",
    "escape": "symbol = 'KRW-' || char(27) || '[31mX'",
    "no exchange": "exchange = ''",
    "blob": "symbol = x'ff00fe'",
    "no UTF-8": "symbol = cast(x'4bff' AS text)",
    "number": "exchange = x'31'",
}
"""What a name can be that no request can have."""

SPANS = {
    "huge stop": "stop = 9223372036854775807",
    "negative start": "start = -60",
    "text": "rows = 'many'",
    "fraction": "stop = stop + 0.5",
    "negative rows": "rows = -1",
    "no number": "start = x'00'",
}

CANDLES = {"infinite": "high = 9e999", "text": "close = 'abc'", "blob": "volume = x'00'", "fraction": "timestamp = 1.5"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with KRW-BTC 1m and KRW-ETH 1m, of which 100 slots are covered each."""
    path = tmp_path_factory.mktemp("odd") / "whole.db"

    async def fill() -> None:
        async with SqliteStore(path) as store:
            for symbol in ("KRW-BTC", "KRW-ETH"):
                rows = [Row(at, 1, 1, 1, 1, 1, 1, at * 1000) for at in range(START, START + 6000, 60)]
                await store.write(symbol, MINUTE, rows, SPAN)

    asyncio.run(fill())
    return path


@pytest.fixture
def odd(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be spoilt."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(whole, tmp_path / "odd.db"))


def spoil(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute(statement)
    connection.commit()
    connection.close()


def seen(path: Path) -> Overview:
    async def look() -> Overview:
        async with SqliteStore(path) as store:
            return await overview(store)

    return asyncio.run(look())


def one_line(error: str) -> str:
    """Return the one line that a command has written on stderr, which says what to do."""
    [line] = error.splitlines()
    assert "Traceback" not in line
    assert "`rxcandles verify --db odd.db`" in line
    assert "`rxcandles repair --db odd.db` mends it" in line
    return line


@pytest.mark.parametrize("change", NAMES.values(), ids=NAMES)
def test_a_name_that_can_not_be(odd: Path, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`coverage` shows the other series, names the odd one and exits with 1; `verify` finds it; `repair` removes it."""
    spoil(odd, f"UPDATE series SET {change} WHERE symbol = 'KRW-BTC'")
    assert main(["coverage", "--db", "odd.db"]) == 1
    shown, error = capsys.readouterr()
    assert "KRW-ETH 1m" in shown
    assert "a series is left out" in one_line(error)
    assert "\x1b" not in error
    assert main(["coverage", "KRW-ETH", "--db", "odd.db"]) == 0
    assert main(["coverage", "--json", "--db", "odd.db"]) == 1
    assert main(["verify", "--db", "odd.db"]) == 3
    found = capsys.readouterr().out
    assert "unreachable_series" in found or "alias_series" in found
    assert [each.series.symbol for each in seen(odd)] == ["KRW-ETH"]
    assert len(seen(odd).odd) == 1


@pytest.mark.parametrize("change", SPANS.values(), ids=SPANS)
def test_a_span_that_can_not_be(odd: Path, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads its series says so in one line and exits with 1; the other series is read as ever."""
    spoil(odd, f"UPDATE coverage SET {change} WHERE series = 1")
    assert main(["coverage", "--db", "odd.db"]) == 1
    shown, error = capsys.readouterr()
    assert "KRW-ETH 1m" in shown
    assert "KRW-BTC 1m has a span" in one_line(error)
    assert main(["verify", "--db", "odd.db"]) == 3
    assert "_span: upbit KRW-BTC 1m" in (out := capsys.readouterr().out) or "wrong_count" in out
    assert [each.series.symbol for each in seen(odd)] == ["KRW-ETH"]


def test_the_huge_stop_is_nobody_s_request(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`plan`, `chart` and `export` of such a series fail with 1 and name the span, not what was asked for."""
    spoil(odd, f"UPDATE coverage SET {SPANS['huge stop']} WHERE series = 1")
    for words in (
        ["plan", "KRW-BTC", "1m", "--since", "2024-01-01", "--until", "2024-01-02"],
        ["chart", "KRW-BTC", "1m", "-o", "a.html"],
        ["export", "KRW-BTC", "1m", "-o", "a.csv"],
    ):
        assert main([*words, "--db", "odd.db"]) == 1
        assert "has a span from 1704067200 to 9223372036854775807" in one_line(capsys.readouterr().err)
    assert main(["export", "KRW-*", "1m", "-o", "{symbol}.csv", "--db", "odd.db"]) == 1
    assert Path("KRW-ETH.csv").exists()
    assert main(["chart", "KRW-*", "1m", "-o", "{symbol}.html", "--db", "odd.db"]) == 1
    assert Path("KRW-ETH.html").exists()


@pytest.mark.parametrize("change", CANDLES.values(), ids=CANDLES)
def test_a_candle_that_is_no_number(odd: Path, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A chart, a file and a list are refused, and the candle is named; `verify` names it too."""
    spoil(odd, f"UPDATE candles SET {change} WHERE series = 1 AND open_time = {START + 600}")
    for words in (["chart", "KRW-BTC", "1m", "-o", "a.html"], ["export", "KRW-BTC", "1m", "-o", "a.csv"]):
        assert main([*words, "--db", "odd.db"]) == 1
        assert "at 2024-01-01T00:10:00Z, which can't be" in one_line(capsys.readouterr().err)
    assert main(["verify", "--db", "odd.db"]) == 3
    assert "impossible_candle: upbit KRW-BTC 1m" in capsys.readouterr().out

    async def read() -> None:
        async with SqliteStore(odd) as store:
            with pytest.raises(OddRowError, match="KRW-BTC 1m has a candle"):
                await store.rows("KRW-BTC", MINUTE, *SPAN, "newest_first", 100)
            with pytest.raises(OddRowError, match="KRW-BTC 1m has a candle"):
                store.reader("KRW-BTC", MINUTE).rows(*SPAN, "newest_first", 100)
            with pytest.raises(OddRowError, match="KRW-BTC 1m has a candle"):
                await read_chart(store, "KRW-BTC", "1m")
            assert len(await store.rows("KRW-ETH", MINUTE, *SPAN, "newest_first", 100)) == 100

    asyncio.run(read())


def test_what_can_be_is_read_whatever_its_sum(odd: Path) -> None:
    """Amounts of which the sum is infinite are no fault: each of them is finite."""
    spoil(odd, "UPDATE candles SET turnover = 1e308")

    async def read() -> int:
        async with SqliteStore(odd) as store:
            return len(await store.rows("KRW-BTC", MINUTE, *SPAN, "newest_first", 100))

    assert asyncio.run(read()) == 100


def test_spans_that_overlap_and_claims_that_can_not_be(odd: Path) -> None:
    """What is counted twice or says nothing is refused by whoever counts it; it stops no collection."""
    spoil(odd, f"INSERT INTO coverage VALUES (1, {START + 60}, {START + 9000}, 1)")
    spoil(odd, f"INSERT INTO claims (series, start, stop, kind, first_heard, last_heard, times, due, final)"
               f" VALUES (2, {START}, {START + 60}, 'nonsense', 1, 1, 1, 1, 1)")  # fmt: skip

    async def look() -> None:
        async with SqliteStore(odd) as store:
            with pytest.raises(OddRowError, match="two spans that overlap"):
                await coverage_cells(store, "KRW-BTC", "1m", SPAN, 5)
            assert len(await store.coverage("KRW-BTC", MINUTE, *SPAN)) == 2
            with pytest.raises(OddRowError, match="a claim from"):
                await coverage_cells(store, "KRW-ETH", "1m", SPAN, 5)
            assert len((await overview(store)).odd) == 2

    asyncio.run(look())


def test_complete_is_nothing_that_is_not_there(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --complete it is an error that nothing is stored: of any series, between these times, or in the file."""
    assert main(["coverage", "--complete", "--db", "odd.db"]) == 0
    capsys.readouterr()
    before = ["--since", "2020-01-01", "--until", "2020-02-01"]
    for quiet in ([], ["--quiet"], ["--json"]):
        assert main(["coverage", "--complete", *before, *quiet, "--db", "odd.db"]) == 1
        out, error = capsys.readouterr()
        assert "nothing is stored for KRW-BTC 1m between these times" in error
        assert out == ""
    assert main(["coverage", "KRW-BTC", "1m", "--complete", *before, "--db", "odd.db"]) == 2
    for command in ("coverage", "verify"):
        assert main([command, "KRW-X*", "--complete", "--db", "odd.db"]) == 2
    spoil(odd, "DELETE FROM coverage")
    spoil(odd, "DELETE FROM candles")
    capsys.readouterr()
    for command in ("coverage", "verify"):
        assert main([command, "--complete", "--db", "odd.db"]) != 0
        assert "nothing is stored in 'odd.db'" in capsys.readouterr().err


def test_what_is_advised_is_about_the_same_file(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that fetches a hole names the database and the source; the usual ones need no word."""
    spoil(odd, f"UPDATE coverage SET stop = {START + 600}, rows = 10 WHERE series = 1")
    spoil(odd, f"INSERT INTO coverage VALUES (1, {START + 1200}, {START + 6000}, 80)")
    spoil(odd, "UPDATE series SET exchange = 'simulated' WHERE id = 1")
    for command in ("coverage", "verify"):
        assert main([command, "KRW-BTC", "--complete", "--db", "odd.db"]) != 0
        assert "--until 2024-01-01T01:40:00Z --db odd.db --exchange simulated` fetches them" in capsys.readouterr().err
    assert main(["coverage", "KRW-XRP", "--db", "odd.db"]) == 2
    assert "`rxcandles coverage --db odd.db` shows what is" in capsys.readouterr().err
    assert where_options("candles.db", "upbit") == ""
    assert where_options("a b.db", "mine") == " --db 'a b.db' --base-url URL --name mine"


@pytest.mark.parametrize("columns", ["0", "1", "5", "abc"])
def test_a_width_that_no_terminal_has(
    odd: Path, columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`coverage` shows its series all the same."""
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["coverage", "--db", str(odd)]) == 0
    shown = capsys.readouterr().out
    assert "KRW-BTC 1m" in shown
    assert "KRW-ETH 1m" in shown


def test_help_does_not_need_docstrings() -> None:
    """`python -OO` takes docstrings away; the help of every command and the glossary stay."""
    listed = (
        "from rxcandles.cli import cli; assert not cli.callback.__doc__\n"
        "for each in (cli, *cli.commands.values()): print((each.help or '-').splitlines()[0])\n"
        "print(cli.help)"
    )
    done = subprocess.run([sys.executable, "-OO", "-c", listed], capture_output=True, text=True, check=True)
    assert "-" not in done.stdout.splitlines()
    assert "series      one market in one timeframe" in done.stdout


def test_what_asks_the_exchange(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`collect`, `get` and `stream` of both series name the odd one, exit with 1, and bring the other."""
    spoil(odd, "UPDATE series SET exchange = 'simulated'")
    spoil(odd, f"UPDATE coverage SET {SPANS['huge stop']} WHERE series = 1")
    asked = ["KRW-BTC", "KRW-ETH", "1m", "--since", "2024-01-01", "--until", "2024-01-01T00:10:00Z", "--quiet"]
    where = ["--db", "odd.db", "--exchange", "simulated", "--rate-limit", "none"]
    for command in ("collect", "get", "stream"):
        assert main([command, *asked, *(["--format", "csv"] if command != "collect" else []), *where]) == 1
        out, error = capsys.readouterr()
        [line] = error.splitlines()
        assert "KRW-BTC 1m has a span from 1704067200 to 9223372036854775807" in line
        assert "`rxcandles repair --db odd.db --exchange simulated` mends it" in line
        assert command == "collect" or out.count("KRW-ETH") == 10
    assert main(["repair", *where]) == 0
    assert main(["coverage", "--db", "odd.db"]) == 0


async def test_a_count_that_failed_begins_at_its_first_candle() -> None:
    """Where pages of a count failed for good, the span that is held begins with the oldest candle held, not in 1970."""
    stop = START + 60_000
    exchange = FakeExchange([*range(START, stop, 60)])

    def broken(to: int, count: int) -> None:
        if to < stop:
            raise ServerError("status 500")

    exchange.before = broken
    async with SqliteStore(":memory:") as store:
        retry = Retry(attempts=1, base=0.001, longest=0.001)
        provider = CandleDataProvider(store, exchange, SlidingWindowLimiter(None), retry=retry, cursors=1)
        with pytest.raises(IncompleteError) as caught:
            await provider.collect_candles_only("KRW-BTC", "1m", count=300, to=to_datetime(stop))
        summary = caught.value.summary
        [first] = await store.rows("KRW-BTC", MINUTE, 0, 2**33, "oldest_first", 1)
        assert summary.time_range[0] == to_datetime(first.open_time)
        assert summary.collected_count == 200


def test_no_room_for_a_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process may not open the files that a simulator takes, it says so at once, and closes what it opened."""
    opened, closed = iter(range(100, 110)), list[int]()

    def full(path: str, flags: int) -> int:
        try:
            return next(opened)
        except StopIteration:
            raise OSError(errno.EMFILE, "Too many open files") from None

    with monkeypatch.context() as patch:
        patch.setattr("rxcandles.simulator.room.os.open", full)
        patch.setattr("rxcandles.simulator.room.os.close", closed.append)
        with pytest.raises(OSError, match="ulimit -n 256"):
            check_room()
    assert closed == [*range(100, 110)]
