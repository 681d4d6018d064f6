"""The command line, as people and scripts use it."""

from __future__ import annotations

import asyncio
import csv
import importlib
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.simulator import BinanceSimulator, Simulator, faults

SPAN = ["--to", "2024-01-02", "--end", "2024-01-01"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulated(*words: str) -> int:
    return main([*words, "--exchange", "simulated", "--rate-limit", "none"])


BAD = [
    ["collect"],
    ["collect", "KRW-BTC"],
    ["collect", "KRW-BTC", "1m"],
    ["collect", "KRW-BTC", "1m", "--count", "0"],
    ["collect", "KRW-BTC", "1m", "--count", "-5"],
    ["collect", "KRW-BTC", "1m", "--count", "many"],
    ["collect", "KRW-BTC", "1m", "--count", "1.5"],
    ["collect", "KRW-BTC", "1m", "--to", "2024-01-01"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--end", "2024-01-01"],
    ["collect", "KRW-BTC", "1m", "--to", "2024-01-01", "--end", "2024-01-01"],
    ["collect", "KRW-BTC", "1m", "--to", "yesterday", "--count", "5"],
    ["collect", "KRW-BTC", "1m", "--to", "2024-13-01", "--count", "5"],
    ["collect", "KRW-BTC", "1m", "--to", "1950-01-01", "--count", "5"],
    ["collect", "KRW-BTC", "1m", "--to", "2101-01-01", "--end", "2100-01-01"],
    ["collect", "krw-btc", "1m", "--count", "5"],
    ["collect", "KRWBTC", "1m", "--count", "5"],
    ["collect", "KRW-BTC;DROP", "1m", "--count", "5"],
    ["collect", "", "1m", "--count", "5"],
    ["collect", "KRW-BTC", "2m", "--count", "5"],
    ["collect", "KRW-BTC", "1H", "--count", "5"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--rate-limit", "0"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--rate-limit", "-1"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--rate-limit", "nan"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--exchange", "other"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--base-url", "not a url"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--nonsense"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "extra"],
    ["collect", "KRW-BTC", "KRW-ETH", "--count", "5"],
    ["collect", "1m", "60m", "--count", "5"],
    ["collect", "--symbol", "KRW-BTC,", "--timeframe", "1m", "--count", "5"],
    ["collect", "--symbol", "KRW-BTC", "--timeframe", "1m,2m", "--count", "5"],
    ["collect", "krw-*", "1m", "--count", "5"],
    ["collect", "KRW-*\x1b[31m", "1m", "--count", "5"],
    ["collect", "KRW-*", "1m"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--quiet", "--verbose"],
    ["plan", "KRW-BTC", "1m"],
    ["plan", "KRW-BTC", "1m", "--count", "5", "--db", ""],
    ["plan", "krw-btc", "1m", "--count", "5"],
    *([command, "KRW-BTC", "1m", *words] for command in ("plan", "get") for words in (
        ["--count", "5", "--last", "3d"],
        ["--since", "2024-01-01", "--last", "3d"],
        ["--since", "2024-01-01", "--end", "2024-01-02"],
        ["--since", "2024-01-01", "--to", "2024-01-01"],
        ["--since", "2100-01-01"],
        ["--last", "99w", "--to", "1971-01-01"],
        *(["--last", last] for last in ("", "0d", "-1d", "1.5h", "1q", "d", "９d", "9" * 30 + "s", "3d\x1b[31m")),
    )),
    ["run"],
    ["run", ""],
    ["run", "absent.toml"],
    ["run", "."],
    ["completion", "tcsh"],
    ["get", "KRW-BTC", "1m", "--count", "5", "--format", "xml"],
    ["get", "KRW-BTC", "1m", "--count", "5", "--order", "sideways"],
    ["stream", "KRW-BTC", "1m"],
    ["coverage", "--db", "absent.db"],
    ["simulate", "--port", "99999"],
    ["frobnicate"],
    ["frob\x1b[31mnicate"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "\x1b]0;title\x07"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--\x9b31mnonsense"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--exchange", "\x1b[31mupbit"],
    ["collect", "KRW-BTC", "1m", "--count", "5", "--rate-limit", "\x1b[31m"],
    ["coverage", "\x1b[2J"],
    ["coverage", "KRW-BTC\u202e"],
    ["coverage", "KRW-BTC", "2m"],
    ["coverage", "--db", ""],
    ["coverage", "--db", "a\0b"],
    ["coverage", "--db", "\x1b[31m\n.db"],
    ["simulate", "--port", "-1"],
    ["simulate", "--as", "kraken"],
    ["simulate", "--as", "binance", "--rate-limit", "0.5"],
    ["simulate", "--port", "80.0"],
    ["simulate", "--latency", "nan"],
    ["simulate", "--latency", "-1"],
    ["simulate", "--rate-limit", "0"],
    *(["collect", symbol, "1m", "--count", "5"] for symbol in (
        "\x1b[31mKRW-BTC", "KRW-BTC\nrxcandles: all is well", "KRW-BTC\r", "KRW-BTC\0", "KRW-ВТС", "ＫＲＷ-ＢＴＣ",
        "../x", "/etc/passwd", "KRW-BTC\u202e", "\udced\udc95", "A" * 100_000,
    )),
    *(["get", "KRW-BTC", timeframe, "--count", "5"] for timeframe in ("", "1 m", "M", "1M\n", "60", "\x1b[2J", "１m")),
    *(["stream", "KRW-BTC", "1m", "--count", count] for count in (
        "", "1e3", "0x10", "nan", "True", "9" * 30, "9" * 5000, "\x1b[31m5", "5;6",
    )),
    *(["collect", "KRW-BTC", "1m", "--count", "5", "--to", moment] for moment in (
        "", "now", "1704067200", "2024-02-30", "2024-01-01T25:00", "2024-01-01T00:00+99:00", "２０２４-01-01",
        "0001-01-01", "1969-12-31T23:59:59", "1970-01-01T00:00:00+00:01", "2024-01-01\x1b[31m", "2024-01-01\u2028",
    )),
    *(["collect", "KRW-BTC", "1m", "--count", "5", "--rate-limit", rate] for rate in ("", "inf", "1e-300", "1e300")),
    *(["collect", "KRW-BTC", "1m", "--count", "5", "--base-url", url] for url in (
        "", "ftp://x", "http://", "http://me:secret@x", "http://x:0", "http://x?y", "http://x\x1b[31m", "http://x\n",
    )),
    *(["collect", "KRW-BTC", "1m", "--count", "5", "--db", path] for path in ("", "a\0b", "\ud800")),
]  # fmt: skip


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_malformed(words: list[str], folder: Path, listener: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that can't be meant exits 2 with one clear line; nothing is sent and no file is made."""
    if words[0] in ("collect", "plan", "get", "stream") and "--base-url" not in words:
        words = [*words, "--base-url", f"http://127.0.0.1:{listener.getsockname()[1]}"]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rxcandles: ")
    assert err.endswith("\n")
    assert err[:-1].isprintable()  # one line, and nothing that a terminal acts on
    assert len(err) > 25
    assert "secret" not in err
    assert list(folder.iterdir()) == []
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_collect(capsys: pytest.CaptureFixture[str]) -> None:
    """A summary for people; the second time nothing is asked for."""
    assert simulated("collect", "KRW-ETH", "1m", "--count", "1000") == 0
    assert "1,000 stored now with 5 requests" in capsys.readouterr().out
    assert simulated("collect", "KRW-ETH", "1m", *SPAN) == 0
    assert "KRW-ETH 1m: 1,440 candles stored in candles.db, 2024-01-01 00:00:00 to 2024-01-02 00:00:00 UTC" in (
        capsys.readouterr().out
    )
    assert simulated("collect", "KRW-ETH", "1m", *SPAN) == 0
    assert "1,440 were stored before, 0 stored now with 0 requests" in capsys.readouterr().out


def test_older_than_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """What a page brings beyond the older end is counted apart, so that the numbers add up."""
    span = ["--since", "2023-12-28", "--to", "2024-01-01"]
    assert simulated("collect", "KRW-DOGE", "1m", *span) == 0
    held, stored = capsys.readouterr().out.splitlines()
    found = re.search(r"^0 were stored before, ([0-9,]+) stored now, ([0-9,]+) of them older than asked, with ", stored)
    assert found is not None
    new, older = (int(each.replace(",", "")) for each in found.groups())
    assert f"{new - older:,} candles stored" in held
    assert simulated("collect", "KRW-DOGE", "1m", "60m", *span, "--db", "other.db") == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[2] == row[3] == f"{new - older:,}"


def test_one_request(capsys: pytest.CaptureFixture[str]) -> None:
    """One of something is told as one."""
    assert simulated("collect", "KRW-ETH", "1m", "--count", "1") == 0
    held, stored = capsys.readouterr().out.splitlines()
    assert "1 candle stored" in held
    assert "1 stored now with 1 request in " in stored


def test_markets(capsys: pytest.CaptureFixture[str]) -> None:
    """The markets of the exchange are listed with their names, all or those that fit."""
    assert simulated("markets") == 0
    every = capsys.readouterr().out.splitlines()
    assert simulated("markets", "KRW-*") == 0
    assert capsys.readouterr().out.splitlines() == [line for line in every if line.startswith("KRW-")]
    assert simulated("markets", "KRW-BTC", "--json") == 0
    assert json.loads(capsys.readouterr().out)["symbol"] == "KRW-BTC"
    assert simulated("markets", "XXX-*") == 2
    assert capsys.readouterr().err.startswith("rxcandles: none of the ")


def test_collect_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout is one JSON object and nothing else."""
    assert simulated("collect", "KRW-ETH", "1m", *SPAN, "--json", "--db", "other.db") == 0
    summary = json.loads(capsys.readouterr().out)
    assert list(summary)[:3] == ["schema", "exchange", "symbol"]
    assert (summary["symbol"], summary["timeframe"]) == ("KRW-ETH", "1m")
    assert summary["collected_count"] == summary["db_records_count"] == summary["stored_count"] == 1440
    assert summary["time_range"] == {"start": "2024-01-01T00:00:00Z", "stop": "2024-01-02T00:00:00Z"}
    assert summary["overlap_analysis_results"]["no_overlap"] == summary["chunks_processed"] == 8
    assert summary["failed_spans"] == []
    assert Path("other.db").is_file()


@pytest.mark.parametrize("command", ["get", "stream"])
def test_formats(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same candles as a table, as CSV and as JSON lines, in both orders."""
    found = {}
    for style in ("table", "csv", "jsonl"):
        for order in ("newest_first", "oldest_first"):
            words = ["--format", style, "--order", order, "--quiet"]
            assert simulated(command, "KRW-ETH", "60m", *SPAN, *words) == 0
            found[style, order] = capsys.readouterr().out.splitlines()
    rows = list(csv.DictReader(io.StringIO("\n".join(found["csv", "oldest_first"]))))
    objects = [json.loads(line) for line in found["jsonl", "oldest_first"]]
    assert len(rows) == len(objects) == len(found["table", "oldest_first"]) - 1 == 24
    assert rows[0]["candle_date_time_utc"] == objects[0]["candle_date_time_utc"] == "2024-01-01T00:00:00"
    assert float(rows[5]["trade_price"]) == objects[5]["trade_price"]
    for style in ("table", "csv", "jsonl"):
        first = style != "jsonl"
        assert found[style, "newest_first"][first:] == found[style, "oldest_first"][first:][::-1]
    assert found["table", "oldest_first"][1].startswith("2024-01-01 00:00 ")


def test_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    """What is stored, what had no trade, and what is missing in between."""
    assert simulated("collect", "KRW-DOGE", "1m", *SPAN) == 0
    assert simulated("collect", "KRW-DOGE", "1m", "--to", "2024-01-03T12:00", "--end", "2024-01-03T00:00") == 0
    assert simulated("collect", "KRW-ETH", "1d", "--to", "2024-02-01", "--end", "2024-01-01") == 0
    capsys.readouterr()
    assert main(["coverage", "--json"]) == 0
    doge, eth = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (eth["symbol"], eth["timeframe"], eth["candles"], eth["holes"]) == ("KRW-ETH", "1d", 31, 0)
    assert doge["holes"] == 1
    assert doge["no_trade"] > doge["candles"] > 300
    assert doge["missing_slots"] > 0
    assert main(["coverage", "KRW-ETH"]) == 0
    out = capsys.readouterr().out
    assert "KRW-ETH" in out
    assert "KRW-DOGE" not in out
    assert main(["coverage", "KRW-ETH", "1m"]) == 2
    assert (
        "nothing is stored for KRW-ETH 1m in 'candles.db'; stored timeframes of KRW-ETH: 1d" in capsys.readouterr().err
    )


def test_odd_file_names(capsys: pytest.CaptureFixture[str]) -> None:
    """A file may be called anything; what a terminal would act on is written out."""
    assert simulated("collect", "KRW-ETH", "1m", *SPAN, "--db", "\x1b[31m\n\udcff한글.db") == 0
    assert r"1,440 candles stored in \x1b[31m\n\udcff한글.db, 2024" in capsys.readouterr().out
    assert Path("\x1b[31m\n\udcff한글.db").is_file()


def test_failures_exit_1(listener: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no mistake of the user's exits 1, with one line and no traceback."""
    assert simulated("collect", "KRW-GONE", "1m", "--count", "5") == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "KRW-GONE" in err
    assert simulated("collect", "KRW-ETH", "1m", "--count", "5", "--db", "no/such/folder.db") == 1
    assert "check that its folder exists" in capsys.readouterr().err
    Path("text.db").write_text("no database" * 1000)
    assert main(["coverage", "--db", "text.db"]) == 1
    assert "not a database" in capsys.readouterr().err


def test_ctrl_c() -> None:
    """Interrupted, it exits 130 at once, says how far it is and how to go on, and everything fetched is there."""
    command = [sys.executable, "-m", "rxcandles", "stream", "KRW-ETH", "1m", "--count", "100000", "--format", "csv"]
    with subprocess.Popen(
        [*command, "--exchange", "simulated"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(1001)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "KRW-ETH 1m stopped: " in err
    assert "of 100,000 candles are in candles.db; run the same command again to continue" in err
    newest = [line.split(",")[1] for line in lines[1:]]
    to = f"{newest[0][:17]}59+00:00"
    assert simulated("collect", "KRW-ETH", "1m", "--to", to, "--end", newest[-1], "--json") == 0


@pytest.mark.usefixtures("no_waits")
def test_incomplete_exits_1(folder: Path, capsys: pytest.CaptureFixture[str], upbit_simulator: type[Simulator]) -> None:
    """Where something is missing the summary is printed all the same, and the exit code says so."""
    ready, stop = threading.Event(), threading.Event()
    urls = []

    async def serve() -> None:
        async with upbit_simulator(rate=None) as sim:
            sim.faults.add(faults.garbage(), when=lambda asked: asked.count is not None and asked.count < 100)
            urls.append(sim.base_url)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        code = simulated("collect", "KRW-ETH", "1m", *SPAN, "--json", "--base-url", urls[0])
    finally:
        stop.set()
        thread.join()
    out, err = capsys.readouterr()
    assert code == 1
    assert json.loads(out)["collected_count"] == 1400
    assert json.loads(out)["failed_spans"][0]["start"] == "2024-01-01T00:00:00Z"
    assert err.splitlines()[-1].startswith(
        "rxcandles: KRW-ETH 1m: 1,400 candles are held, but not 2024-01-01 00:00:00 to "
    )


def test_simulate() -> None:
    """The simulated exchange runs by itself, says where, and stops with Ctrl-C."""
    command = [sys.executable, "-m", "rxcandles", "simulate", "--port", "0", "--rate-limit", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        command = told.partition("(try: rxcandles ")[2].partition(";")[0].split()
        code = main([*command, "--rate-limit", "none"])  # as it says
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (code, process.returncode) == (0, 130)
    assert err == "rxcandles: stopped\n"


def test_simulate_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --as it is another exchange, with its own default limit, or with the weight a minute that is asked for."""
    said, made = list[str](), list[BinanceSimulator]()

    class Made(BinanceSimulator):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    def told(text: str) -> None:
        said.append(text)
        raise KeyboardInterrupt

    monkeypatch.setattr("rxcandles.cli.commands.simulate.echo", told)
    monkeypatch.setattr("rxcandles.simulator.faces.binance.BinanceSimulator", Made)
    for words in ([], ["--rate-limit", "100"], ["--rate-limit", "none"]):
        main(["simulate", "--as", "binance", "--port", "0", *words])
    assert [6000, 100, None] == [each.limit.allowed for each in made]
    assert all("rxcandles collect BTCUSDT 1m --count 1000 --exchange binance --base-url http" in each for each in said)


def test_taken_port(listener: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is one clear line."""
    assert main(["simulate", "--port", str(listener.getsockname()[1])]) == 1
    assert "in use" in capsys.readouterr().err


def test_closed_pipe() -> None:
    """A reader that has enough, such as head, is no error."""
    command = [sys.executable, "-m", "rxcandles", "get", "KRW-ETH", "1m", "--count", "5000", "--format", "csv"]
    with subprocess.Popen(
        [*command, "--exchange", "simulated", "--rate-limit", "none"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=30) == 0
    assert err == ""


def test_ctrl_c_while_printing() -> None:
    """Ctrl-C stops a long print at once, also where its reader is slow."""
    command = [sys.executable, "-m", "rxcandles", "get", "KRW-ETH", "1m", "--count", "60000", "--format", "csv"]
    with subprocess.Popen(
        [*command, "--exchange", "simulated", "--rate-limit", "none"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out.count("\n") < 30_000


def test_half_a_stream_is_no_success() -> None:
    """A stream whose reader leaves has not held all that was asked for: it ends like other programs then, with 141."""
    command = [sys.executable, "-m", "rxcandles", "stream", "KRW-ETH", "1m", "--count", "50000", "--format", "csv"]
    with subprocess.Popen(
        [*command, "--exchange", "simulated"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=30) == 141
    assert err == ""


@pytest.mark.parametrize("package", ["click", "rich"])
def test_without_the_extra(package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without click or rich the command says what to install."""
    monkeypatch.setattr(rxcandles, "cli", importlib.import_module("rxcandles.cli"))  # so that it is put back
    monkeypatch.setitem(sys.modules, "rxcandles.cli", None)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "rxcandles.cli")
    assert main(["collect"]) == 1
    assert capsys.readouterr().err == f"rxcandles: the command line needs {package}: pip install 'rxcandles[cli]'\n"


def test_each_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of commands has whole sentences, not their beginnings."""
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    sentences = " ".join(line.strip() for line in lines)
    assert "..." not in sentences
    assert sentences.count(".") >= 14
