"""``rxcandles follow``: candles as they close on stdout, states on stderr, and an end as asked."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rxcandles.__main__ import main
from rxcandles.errors import UnknownMarketError
from rxcandles.exchanges.upbit.client import UpbitExchange
from rxcandles.simulator.market import DEFAULT_MARKETS
from tests.support.ownprocess import SIMULATED, command

JOBS = """
defaults = {{ exchange = "simulated", rate_limit = "none" }}
[[jobs]]
symbols = [{symbols}]
timeframes = ["1m"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def follow(*words: str) -> int:
    return main(["follow", *words, *SIMULATED])


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A line a candle; of several markets each line names its own."""
    assert follow("KRW-BTC", "1m", "--since", "2", "--count", "2") == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert "open time" in header
    assert len(lines) == 2
    assert follow("KRW-BTC", "KRW-ETH", "-t", "1m", "--since", "2", "--count", "2") == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines) == ["KRW-BTC", "KRW-BTC", "KRW-ETH", "KRW-ETH"]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Every update is one object with a schema; candles are oldest first, and each comes once."""
    assert follow("KRW-BTC", "1m", "--since", "3", "--once", "--json") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(each["schema"], each["exchange"]) for each in printed} == {("rxcandles/follow/1", "simulated")}
    opened = [each["candle"]["open_time"] for each in printed if each["kind"] == "candle"]
    assert opened == sorted(set(opened))
    assert len(opened) >= 3
    assert {each["kind"] for each in printed} >= {"candle", "state", "progress"}


def test_once_goes_on_from_what_is_stored(capsys: pytest.CaptureFixture[str]) -> None:
    """A second run prints only what is new."""
    assert follow("KRW-BTC", "1m", "--since", "3", "--once", "--format", "jsonl") == 0
    first = capsys.readouterr().out.splitlines()
    assert follow("KRW-BTC", "1m", "--once", "--format", "jsonl") == 0
    second = capsys.readouterr().out.splitlines()
    assert not {*first} & {*second}
    assert len(second) <= 1


def test_markets_that_do_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """One of several has a line, and the others go on; the exit code says that something is missing."""
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d %H:%M}"
    assert follow("KRW-BTC", "KRW-NONE", "1m", "--since", since, "--count", "2", "--format", "csv") == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 3
    assert printed.err.count("KRW-NONE 1m: refused") == 1
    assert follow("KRW-NONE", "1m") == 1
    assert "there is no market 'KRW-NONE'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "missing: a market"),
        (("KRW-BTC", "1m", "60m"), "2 timeframes are given"),
        (("KRW-BTC", "1m", "--once", "--count", "3"), "--count and --once both say when to end"),
        (("KRW-BTC", "1m", "--count", "0"), "--count is 0"),
        (("KRW-BTC", "jobs.toml"), "says what to follow"),
        (("KRW-BTC", "1m", "--heartbeat", "./candles.db"), "--heartbeat is './candles.db', which is the database"),
        (("KRW-BTC", "1m", "--log-file", "a", "--heartbeat", "a"), "'a', which is the file of the log; give another"),
        (("missing.toml",), "there is no file 'missing.toml'"),
    ],
)
def test_refusals(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What can't be followed is refused before anything is asked, with exit code 2."""
    assert follow(*words) == 2
    assert said in capsys.readouterr().err


def test_a_file_of_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    """Its jobs need no start; nothing is printed with the format ``none``; an end is refused."""
    Path("jobs.toml").write_text(JOBS.format(symbols='"KRW-BTC", "KRW-ETH"'))
    assert main(["follow", "jobs.toml", "--since", "2", "--count", "2", "--format", "none", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["coverage", "--json"]) == 0
    assert {json.loads(line)["symbol"] for line in capsys.readouterr().out.splitlines()} == {"KRW-BTC", "KRW-ETH"}
    Path("jobs.toml").write_text(JOBS.format(symbols='"KRW-BTC"') + "until = 2024-01-01\n")
    assert main(["follow", "jobs.toml"]) == 2
    assert "has no end" in capsys.readouterr().err


def test_until(capsys: pytest.CaptureFixture[str]) -> None:
    """It ends when every candle that opens before that time is printed: those of the truth, oldest first."""
    start = 1_704_067_200
    between = ("--since", "2024-01-01 00:00", "--until", "2024-01-01 00:30")
    assert follow("KRW-XRP", "1m", *between, "--format", "jsonl") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    truth = next(each for each in DEFAULT_MARKETS if each.symbol == "KRW-XRP").rows("1m", start, start + 1800)
    assert [each["trade_price"] for each in printed] == [row.close for row in truth]
    assert printed[-1]["candle_date_time_utc"] == "2024-01-01T00:29:00"


def test_from_the_store(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What another run has collected is printed again without a word to the exchange."""
    until = ("--since", "2024-01-01", "--until", "2024-01-01 00:30", "--format", "csv")
    assert follow("KRW-BTC", "1m", *until) == 0
    first = capsys.readouterr().out
    asked = []

    def refuse(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise UnknownMarketError("this exchange answers nobody")

    for name in ("page", "page_anew", "stream"):
        monkeypatch.setattr(UpbitExchange, name, refuse)
    assert follow("KRW-BTC", "1m", *until, "--from-store") == 0
    assert capsys.readouterr().out == first
    assert asked == []
    assert follow("KRW-BTC", "1m", "--once") == 1
    assert asked


def test_several_timeframes_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line ends with its timeframe, and each timeframe has its count."""
    Path("jobs.toml").write_text(JOBS.format(symbols='"KRW-BTC"').replace('["1m"]', '["1m", "60m"]'))
    assert main(["follow", "jobs.toml", "--since", "2", "--count", "2", "--format", "csv"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.endswith(",timeframe")
    assert sorted(line.split(",")[-1] for line in lines) == ["1m", "1m", "60m", "60m"]


def test_forming(folder: Path) -> None:
    """The candle that is not closed yet is told apart from those that are, and is newer than they are."""
    words = ("KRW-BTC", "1m", "--since", "2", "--forming", "--format", "csv", "--quiet", *SIMULATED)
    with command("follow", *words, cwd=folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith(",kind\n")
        opened: dict[str, list[str]] = {"candle": [], "forming": []}
        while not opened["forming"] or len(opened["candle"]) < 2:
            fields = process.stdout.readline().rstrip().split(",")
            opened[fields[-1]].append(fields[1])
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert max(opened["forming"]) > opened["candle"][1] > opened["candle"][0]


def test_signals(folder: Path) -> None:
    """SIGHUP reads the file again, also a broken one, which changes nothing; SIGTERM ends it with exit code 0."""
    jobs = folder / "jobs.toml"
    jobs.write_text(JOBS.format(symbols='"KRW-BTC", "KRW-ETH"'))
    with command("follow", "jobs.toml", "--since", "2", cwd=folder) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [process.stdout.readline() for _ in range(5)][-1]
        jobs.write_text(JOBS.format(symbols='"KRW-XRP", "KRW-ETH"'))
        process.send_signal(signal.SIGHUP)
        while "read again" not in (line := process.stderr.readline()):
            assert line
        assert line == "jobs.toml was read again: 1 new, 1 left, 1 go on\n"
        jobs.write_text("nothing")
        process.send_signal(signal.SIGHUP)
        while "nothing has changed" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "KRW-ETH" not in out  # nothing is repeated
    assert err.splitlines()[-1].startswith("rxcandles: stopped: ")
