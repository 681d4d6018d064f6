"""``rxcandles follow``: candles as they close on stdout, states on stderr, and an end as asked."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rxcandles.__main__ import main
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
        (("KRW-BTC", "jobs.toml"), "says what to follow"),
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
