"""The command line for several series: lists, globs, plans, and files of jobs."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.engine.listing import listed
from rxcandles.operators import Retry
from rxcandles.simulator import Simulator, faults

SPAN = ["--to", "2024-01-02", "--since", "2024-01-01"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulated(*words: str) -> int:
    return main([*words, "--exchange", "simulated", "--rate-limit", "none"])


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    "words",
    [
        ["KRW-BTC", "KRW-ETH", "1m", "60m"],
        ["1m", "60m", "KRW-BTC", "KRW-ETH", "KRW-BTC"],
        ["--symbol", "KRW-BTC,KRW-ETH", "--timeframe", "1m", "--timeframe", "60m"],
        ["KRW-BTC", "--symbol", "KRW-ET?", "1m", "--timeframe", "60m"],
        ["KRW-[BE]*", "1m", "60m"],
        ["KRW-BTC,KRW-ETH", "1m,60m"],
    ],
    ids=" ".join,
)
def test_lists(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Symbols and timeframes in any order, as words, as lists, as globs: each pair is collected once."""
    assert simulated("collect", *words, *SPAN, "--json") == 0
    found = objects(capsys)
    assert sorted((each["symbol"], each["timeframe"]) for each in found) == [
        ("KRW-BTC", "1m"), ("KRW-BTC", "60m"), ("KRW-ETH", "1m"), ("KRW-ETH", "60m"),
    ]  # fmt: skip
    assert {each["error"] for each in found} == {None}
    assert [each["collected_count"] for each in found if each["symbol"] == "KRW-ETH"] == [1440, 24]


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """For people there is a table of all series."""
    assert simulated("collect", "KRW-ETH", "1m", "60m", *SPAN) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["KRW-ETH", "1m", "1,440", "1,440", "8", "2024-01-01", "00:00", "2024-01-02", "00:00"]
    assert lines[-1] == "2 of 2 series are complete in candles.db"
    assert max(map(len, lines)) <= 80


def test_one_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """A series that fails keeps none of the others from being held, and the exit code from being 0."""
    assert simulated("collect", "KRW-GONE", "KRW-ETH", "1m", *SPAN, "--json") == 1
    out, err = capsys.readouterr()
    gone, eth = map(json.loads, out.splitlines())
    assert "404" in gone["error"]
    assert "collected_count" not in gone
    assert (eth["collected_count"], eth["error"]) == (1440, None)
    assert err.startswith("rxcandles: KRW-GONE 1m")
    assert err.count("\n") == 1
    assert simulated("collect", "KRW-GONE", "KRW-ETH", "1m", *SPAN) == 1
    assert "1 of 2 series are complete" in capsys.readouterr().out


def test_unknown_glob(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A glob that fits no market is refused, with what is near it, and no file is made."""
    assert simulated("collect", "KRW-BTC", "KRX-B*", "1m", "--count", "5") == 2
    assert capsys.readouterr().err.startswith(
        "rxcandles: no market matches 'KRX-B*'; the exchange has 8, such as KRW-B"
    )
    assert list(folder.iterdir()) == []


def test_ctrl_c() -> None:
    """Interrupted, it says how far all of them are."""
    command = [sys.executable, "-m", "rxcandles", "collect", "KRW-ETH", "KRW-BTC", "1m", "--count", "100000", "-vv"]
    with subprocess.Popen([*command, "--exchange", "simulated"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "rows stored" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("rxcandles: 2 series stopped: ")


# How far back


def test_last_and_since(capsys: pytest.CaptureFixture[str]) -> None:
    """--last and --since are the older end, up to --to."""
    for words in (["--since", "2024-01-01"], ["--last", "1d"], ["--last", "24h"], ["--last", "1440m"]):
        assert simulated("get", "KRW-ETH", "60m", *words, "--to", "2024-01-02", "--format", "csv") == 0
        rows = capsys.readouterr().out.splitlines()[1:]
        assert len(rows) == 24
        assert "2024-01-01T00:00:00" in rows[-1]
    assert simulated("collect", "KRW-ETH", "1m", "--last", "90m", "--json") == 0
    assert objects(capsys)[0]["collected_count"] == 90


@pytest.mark.parametrize(("timeframe", "last", "candles"), [("1m", "3m", 3), ("60m", "90m", 2), ("1d", "30d", 30)])
def test_last_is_whole_candles(timeframe: str, last: str, candles: int, capsys: pytest.CaptureFixture[str]) -> None:
    """--last back from now is as many candles as it has begun, whatever second it is."""
    assert simulated("get", "KRW-BTC", timeframe, "--last", last, "--format", "jsonl") == 0
    assert len(objects(capsys)) == candles


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["KRW-BTC", "minute1"], "'minute1' is not a timeframe; did you mean '1m'?"),
        (["KRW-BTC", "1min"], "'1min' is not a timeframe; did you mean '1m'?"),
        (["KRW-BTC", "day"], "'day' is not a timeframe; did you mean '1d'?"),
        (["KRW-BTC", "1D"], "'1D' is not a timeframe; did you mean '1d'?"),
        (["KRW-BTC,KRW-ETH", "1m,minute240"], "'minute240' is not a timeframe; did you mean '240m'?"),
        (["KRW-BTC", "bitcoin"], "symbol is 'bitcoin'; write QUOTE-BASE"),
    ],
)
def test_names_of_others(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What other tools call a timeframe is refused, with our name of it."""
    assert main(["collect", *words, "--count", "5"]) == 2
    assert says in capsys.readouterr().err


def test_contradictions(capsys: pytest.CaptureFixture[str]) -> None:
    """Two ways to say how far back are refused by name, with their values."""
    assert main(["collect", "KRW-ETH", "1m", "--count", "5", "--last", "36h"]) == 2
    assert "--count and --last are both given, 5 and 36h; give one of" in capsys.readouterr().err
    assert main(["collect", "KRW-ETH", "1m", "--since", "2024-01-01", "--end", "2024-01-01"]) == 2
    assert "--since and --end are both given, 2024-01-01T00:00:00+00:00 and" in capsys.readouterr().err


def test_from_is_since(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes --from is told of --since."""
    assert main(["collect", "KRW-ETH", "1m", "--from", "2024-01-01"]) == 2
    err = capsys.readouterr().err  # how click quotes the option differs between its releases
    assert "--from" in err
    assert err.endswith("Did you mean --since?\n")


@pytest.mark.parametrize("command", ["run", "import", "completion"])
def test_missing_file(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever leaves out what a command is about is told where examples are."""
    assert main([command]) == 2
    assert capsys.readouterr().err.endswith(f"; `rxcandles {command} --help` has examples\n")


# Plans


def test_plan_of_another_exchange(capsys: pytest.CaptureFixture[str]) -> None:
    """A plan says of which exchange it is, and where the database has the series of another."""
    assert simulated("collect", "KRW-ETH", "1m", *SPAN, "--quiet") == 0
    capsys.readouterr()
    assert main(["plan", "KRW-ETH", "1m", *SPAN]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("; from 'upbit'\n")
    assert err == "note: the database has KRW-ETH 1m of 'simulated', but this is a plan for 'upbit'\n"
    assert simulated("plan", "KRW-ETH", "1m", *SPAN) == 0
    assert capsys.readouterr().err == ""


def test_what_the_exchange_does_not_keep(capsys: pytest.CaptureFixture[str]) -> None:
    """Seconds older than three months are not planned for, and collecting says so before it starts."""
    assert simulated("plan", "KRW-ETH", "1s", "--last", "365d", "--json") == 0
    [told] = objects(capsys)
    assert told["missing_slots"] == pytest.approx(87 * 86_400, abs=60)
    assert told["not_kept"]["stop"] == told["missing"][-1]["start"]
    assert simulated("plan", "KRW-ETH", "1s", "--last", "365d") == 0
    assert "KRW-ETH 1s: the exchange keeps 1s candles for 87 days only; " in capsys.readouterr().out
    long_ago = ["--since", "2024-01-01", "--to", "2024-01-01T00:01"]
    assert simulated("collect", "KRW-ETH", "1s", *long_ago) == 0
    assert capsys.readouterr().err.startswith("the exchange keeps 1s candles for 87 days only: candles before ")
    assert simulated("collect", "KRW-ETH", "1m", *long_ago) == 0
    assert capsys.readouterr().err == ""


def test_plan_sends_and_makes_nothing(
    folder: Path, listener: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan is made without a request, and without a database where there is none."""
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    assert main(["plan", "KRW-BTC", "KRW-ETH", "1m", *SPAN, "--base-url", address, "--name", "mirror"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["KRW-BTC", "1m", "1,440", "0", "1,440", "1", "8", "144", "kB"]
    assert lines[-1].startswith("16 requests, 0:00:01 at the rate limit; at most ")
    assert list(folder.iterdir()) == []
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_as_planned(capsys: pytest.CaptureFixture[str]) -> None:
    """What is planned is then what it takes, with the ends and a piece in the middle stored before."""
    for to, since in (("2024-01-01T06:00", "2024-01-01"), ("2024-01-01T15:10", "2024-01-01T11:05")):
        assert simulated("collect", "KRW-ETH", "1m", "--to", to, "--since", since, "--json") == 0
    capsys.readouterr()
    at_rate = ["--exchange", "simulated", "--rate-limit", "10"]  # one cursor for each
    assert main(["plan", "KRW-ETH", "1m", "60m", *SPAN, *at_rate, "--json"]) == 0
    plans = objects(capsys)
    assert plans[0]["missing"] == [
        {"start": "2024-01-01T15:10:00Z", "stop": "2024-01-02T00:00:00Z"},
        {"start": "2024-01-01T06:00:00Z", "stop": "2024-01-01T11:05:00Z"},
    ]
    assert main(["collect", "KRW-ETH", "1m", "60m", *SPAN, *at_rate, "--json"]) == 0
    done = objects(capsys)
    assert [each["requests"] for each in plans] == [each["api_calls_made"] for each in done] == [5, 1]
    assert [each["missing_slots"] for each in plans] == [each["stored_count"] for each in done]
    assert simulated("plan", "KRW-ETH", "1m", *SPAN) == 0
    assert "0 requests, no limit" in capsys.readouterr().out


# Files of jobs


def test_run(capsys: pytest.CaptureFixture[str]) -> None:
    """All jobs of a file are collected at once; what a job says goes before the defaults."""
    Path("jobs.toml").write_text(
        """
        [defaults]
        db = "other.db"
        exchange = "simulated"
        rate_limit = "none"
        count = 50
        to = 2024-01-02
        timeframes = ["1m"]
        [[jobs]]
        symbols = ["KRW-ETH"]
        [[jobs]]
        symbols = ["KRW-E*", "KRW-HALT"]
        timeframes = ["60m", "1d"]
        last = "1d"
        [[jobs]]
        symbols = ["KRW-ETH"]
        since = "2024-01-01T12:00"
        """
    )
    assert main(["run", "jobs.toml", "--json"]) == 0
    assert [(each["symbol"], each["timeframe"], each["collected_count"]) for each in objects(capsys)] == [
        ("KRW-ETH", "1m", 50), ("KRW-ETH", "60m", 24), ("KRW-ETH", "1d", 1), ("KRW-HALT", "60m", 24),
        ("KRW-HALT", "1d", 1), ("KRW-ETH", "1m", 720),
    ]  # fmt: skip
    assert Path("other.db").is_file()
    assert main(["run", "jobs.toml"]) == 0
    assert "KRW-ETH 1m (2)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "jobs is []; write one or more tables [[jobs]]"),
        ("[[jobs]\n", "is not a TOML file"),
        ("jobs = 5", "jobs is 5"),
        ("jobs = [5]", "jobs is [5]"),
        ("defaults = 5\n[[jobs]]", "defaults is 5"),
        ("[[job]]\n", "'job', which is not a known key; did you mean 'jobs'?"),
        ("[defaults]\ndatabase = 'x'\n[[jobs]]", "[defaults] has 'database'"),
        ("[[jobs]]\nsymbol = ['KRW-BTC']", "jobs[0] has 'symbol', which is not a known key; did you mean 'symbols'?"),
        ("[[jobs]]\ndb = 'x.db'", "jobs[0] has 'db', but it applies to the whole file"),
        ("[[jobs]]\nsymbols = 'KRW-BTC'", "jobs[0].symbols is 'KRW-BTC'"),
        ("[[jobs]]\nsymbols = []", "jobs[0].symbols is []"),
        ("[[jobs]]\ntimeframes = ['1m']\ncount = 5", "jobs[0]: no market is given"),
        ("[[jobs]]\nsymbols = ['KRW-BTC']\ncount = 5", "jobs[0]: no timeframe is given"),
        ("[[jobs]]\nsymbols = ['KRW-BTC']\ntimeframes = ['2m']\ncount = 5", "timeframe is '2m'"),
        ("[[jobs]]\nsymbols = ['btc']\ntimeframes = ['1m']\ncount = 5", "symbol is 'btc'"),
        ("[[jobs]]\nsymbols = ['KRW-BTC']\ntimeframes = ['1m']", "jobs[0]: no start is given"),
        ("[[jobs]]\ncount = 1.5", "jobs[0].count is 1.5"),
        ("[[jobs]]\nlast = 30", "jobs[0].last: jobs[0].last is 30"),
        ("[[jobs]]\nlast = '30'", "jobs[0].last: '30' is not a length of time"),
        ("[[jobs]]\nsince = 'x'", "jobs[0].since: 'x' is not a time"),
        ("[[jobs]]\nsince = 12:00:00", "jobs[0].since is datetime.time(12, 0)"),
        ("[defaults]\nto = 5\n[[jobs]]", "defaults.to is 5"),
        ("[defaults]\nrate_limit = 0\n[[jobs]]", "defaults.rate_limit is 0"),
        ("[defaults]\nexchange = 5\n[[jobs]]", "defaults.exchange is 5"),
        ("[defaults]\ndb = ''\n[[jobs]]", "defaults.db is ''"),
        ("[[jobs]]\ncount = 5\nlast = '3d'", "jobs[0]: count and last are both given, 5 and 3d; give one of count"),
        ("# " + "x" * 1_000_000, "at most 1,000,000 bytes"),
    ],
)  # fmt: skip
def test_bad_files(text: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a file can't mean is said with its place in the file, before anything is done."""
    Path("jobs.toml").write_text(text)
    assert main(["run", "jobs.toml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.startswith("rxcandles: 'jobs.toml'")
    assert err.count("\n") == 1
    assert [each.name for each in folder.iterdir()] == ["jobs.toml"]


async def test_listing_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing that a glob needs is asked for again where a fault passes; a block or a refusal is told at once."""
    monkeypatch.setattr("rxcandles.engine.listing._LISTING", Retry(attempts=4, base=0.001, longest=0.002))
    async with Simulator(rate=None) as sim, rxcandles.connect(":memory:", "simulated", sim.base_url) as provider:
        for fault in (faults.status(200, ""), faults.html(), faults.status(502), faults.limited(), faults.drop("body")):
            sim.faults.add(fault, 3)
            assert len(await listed(provider.exchange)) == len(sim.markets)
        for fault, error, asked in (
            (faults.html(), rxcandles.InvalidResponseError, 4),
            (faults.banned(60), rxcandles.BannedError, 1),
            (faults.status(400), rxcandles.RequestRejectedError, 1),
        ):
            sim.faults.clear()
            sim.reset_stats()
            sim.faults.add(fault)
            with pytest.raises(error):
                await listed(provider.exchange)
            assert sim.stats.requests == asked


@pytest.mark.parametrize("command", ["get", "stream"])
def test_candles_of_several(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Candles of several series come one series after the other: titles in a table, one header in CSV."""
    words = [command, "KRW-BTC,KRW-ETH", "60m", *SPAN, "--quiet", "--order", "oldest_first"]
    assert simulated(*words) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line for line in table if line.startswith(("KRW", "open"))] == [
        "KRW-BTC 60m:", table[1], "KRW-ETH 60m:", table[1],
    ]  # fmt: skip
    assert len(table) == 2 * (2 + 24)
    assert simulated(*words, "--format", "csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["market", *["KRW-BTC"] * 24, *["KRW-ETH"] * 24]
    assert simulated(*words, "1d", "--format", "csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[-1] for line in lines] == ["timeframe", *["60m"] * 24, "1d", *["60m"] * 24, "1d"]
    assert simulated(*words, "1d", "--format", "jsonl") == 0
    found = objects(capsys)
    assert [(each["market"], each["timeframe"]) for each in found[24:26]] == [("KRW-BTC", "1d"), ("KRW-ETH", "60m")]
    assert len(found) == 50
    assert simulated(command, "KRW-[BE]T[CH]", "1d", *SPAN, "--format", "jsonl") == 0
    assert {each["market"] for each in objects(capsys)} == {"KRW-BTC", "KRW-ETH"}


@pytest.mark.parametrize("command", ["get", "stream"])
def test_candles_of_the_others(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A market that the exchange refuses stops none of the others; it is named, and the exit code is 1."""
    assert simulated(command, "KRW-GONE", "KRW-ETH", "60m", *SPAN, "--format", "csv") == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 + 24
    assert err.startswith("rxcandles: KRW-GONE 60m: ")
    assert "404" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["get", "stream"])
def test_json_is_a_format(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for candles with --json is told how they are had."""
    assert simulated(command, "KRW-ETH", "60m", *SPAN, "--json") == 2
    assert "Did you mean --format jsonl?" in capsys.readouterr().err
