"""``rxcandles export``, as people and scripts use it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
from click.shell_completion import ShellComplete

from rxcandles.__main__ import main
from rxcandles.cli import cli
from rxcandles.model.timeframe import Timeframe
from rxcandles.stores import SqliteStore
from tests.support.fakes import row

HOUR = 3600
DAY = 24 * HOUR
START = 1_704_067_200
"""2024-01-01."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a database has ten days of hours, without the fourth and the sixth, of which nothing is known."""
    monkeypatch.chdir(tmp_path)

    async def fill() -> None:
        async with SqliteStore("candles.db") as store:
            for day in (0, 1, 2, 4, 6, 7, 8, 9):
                start = START + day * DAY
                rows = [row(start + hour * HOUR) for hour in range(23, -1, -1)]
                await store.write("KRW-BTC", Timeframe.of("60m"), rows, (start, start + DAY))

    asyncio.run(fill())
    return tmp_path


def test_export(capsys: pytest.CaptureFixture[str]) -> None:
    """The file is named with what is in it on stdout; what isn't proven is told on stderr, with what brings it."""
    assert main(["export", "KRW-BTC", "1h", "-o", "btc.parquet"]) == 0
    out, err = capsys.readouterr()
    assert out == "KRW-BTC 60m: 192 candles, 2024-01-01 00:00:00 to 2024-01-11 00:00:00 UTC, in btc.parquet\n"
    assert err == (
        "rxcandles: KRW-BTC 60m is not complete: it has 2 gaps (2024-01-04 00:00:00 to 2024-01-05 00:00:00, "
        "2024-01-06 00:00:00 to 2024-01-07 00:00:00 UTC); `rxcandles collect KRW-BTC 60m "
        "--since 2024-01-01T00:00:00Z --until 2024-01-11T00:00:00Z` fetches what is missing\n"
    )
    assert pyarrow.parquet.read_metadata("btc.parquet").num_rows == 192


@pytest.mark.parametrize(
    ("ends", "candles"),
    [
        (["--last", "2d"], 48),
        (["--last", "90m"], 1),
        (["--since", "2024-01-10T12:00"], 12),
        (["--since", "2024-01-08", "--to", "2024-01-09"], 24),
        (["--to", "2024-01-08", "--end", "2024-01-09"], 24),
        (["--last", "12h", "--to", "2024-01-02T18:00"], 12),
    ],
)
def test_span(ends: list[str], candles: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each way to say a span, in one JSON object."""
    assert main(["export", "KRW-BTC", "60m", "-o", "btc.feather", "--json", *ends]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["candles"], found["missing"], found["paths"], err) == (candles, [], ["btc.feather"], "")


@pytest.mark.parametrize("style", ["csv", "jsonl"])
def test_as_get_prints(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    """CSV and JSON lines are, byte by byte, what ``get`` prints."""
    assert main(["export", "KRW-BTC", "60m", "-o", f"btc.{style}", "--since", "2024-01-07"]) == 0
    capsys.readouterr()
    span = ["--to", "2024-01-11", "--end", "2024-01-07"]
    assert main(["get", "KRW-BTC", "60m", *span, "--format", style, "--order", "oldest_first", "--quiet"]) == 0
    assert Path(f"btc.{style}").read_text() == capsys.readouterr().out


def test_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the month, and for freqtrade, the path is a folder."""
    assert main(["export", "KRW-BTC", "60m", "-o", "lake", "--by", "month", "--format", "csv", "--last", "1d"]) == 0
    assert main(["export", "KRW-BTC", "60m", "-o", ".", "--format", "freqtrade", "--last", "1d"]) == 0
    assert (folder / "lake" / "symbol=KRW-BTC" / "timeframe=60m" / "2024-01.csv").is_file()
    assert (folder / "BTC_KRW-1h.feather").is_file()
    assert capsys.readouterr().out.count("24 candles") == 2


def test_complete(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --complete, what isn't all proven isn't written."""
    assert main(["export", "KRW-BTC", "60m", "-o", "btc.csv", "--complete"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "2 spans are not proven, the oldest 2024-01-04 00:00:00 to 2024-01-05 00:00:00 UTC" in err
    assert not (folder / "btc.csv").exists()
    assert main(["export", "KRW-BTC", "60m", "-o", "btc.csv", "--complete", "--last", "4d"]) == 0


def test_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there is replaced with --force only."""
    (folder / "btc.csv").write_text("mine")
    words = ["export", "KRW-BTC", "60m", "-o", "btc.csv", "--last", "1d"]
    assert main(words) == 2
    assert "there is a file already" in capsys.readouterr().err
    assert (folder / "btc.csv").read_text() == "mine"
    assert main([*words, "--force"]) == 0
    assert len((folder / "btc.csv").read_text().splitlines()) == 25


def test_which_exchange(capsys: pytest.CaptureFixture[str]) -> None:
    """Where several exchanges have the series, one has to be named."""

    async def fill() -> None:
        async with SqliteStore("candles.db", exchange="other") as store:
            await store.write("KRW-BTC", Timeframe.of("60m"), [row(START)], (START, START + HOUR))

    asyncio.run(fill())
    assert main(["export", "KRW-BTC", "60m", "-o", "btc.csv"]) == 2
    assert "from other and upbit; choose one with --exchange" in capsys.readouterr().err
    assert main(["export", "KRW-BTC", "60m", "-o", "btc.csv", "--exchange", "other"]) == 0
    assert ": 1 candles" in capsys.readouterr().out


def test_recommends_the_same_exchange(capsys: pytest.CaptureFixture[str]) -> None:
    """What brings the missing candles asks the exchange that the series is of."""

    async def fill() -> None:
        async with SqliteStore("candles.db", exchange="simulated") as store:
            for start in (START, START + 2 * HOUR):
                await store.write("KRW-SIM", Timeframe.of("60m"), [row(start)], (start, start + HOUR))

    asyncio.run(fill())
    assert main(["export", "KRW-SIM", "60m", "-o", "sim.csv"]) == 0
    assert "--until 2024-01-01T03:00:00Z --exchange simulated` fetches" in capsys.readouterr().err


def test_imported(capsys: pytest.CaptureFixture[str]) -> None:
    """Imported candles are told where they are left out, and written with --imported."""
    Path("theirs.json").write_text(json.dumps([[START * 1000, 2.0, 3.0, 1.0, 2.0, 5.0]]))
    assert main(["import", "theirs.json", "--symbol", "KRW-QQQ", "--timeframe", "60m"]) == 0
    words = ["export", "KRW-QQQ", "60m", "-o", "qqq.csv"]
    for refused in (words, ["chart", "KRW-QQQ", "60m"]):
        assert main(refused) == 2
        assert "but 1 imported candle, not proven; add --imported to use them" in capsys.readouterr().err
    assert main([*words, "--imported"]) == 0
    assert "KRW-QQQ 60m: 1 candles" in capsys.readouterr().out
    assert [line.rpartition(",")[2] for line in Path("qqq.csv").read_text().splitlines()] == ["proven", "false"]
    assert main(["coverage"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[-1] == "imported"
    assert [line.split()[-2] for line in table[1:3]] == ["0", "1"]
    assert (table[2].split()[-1], "▓ imported" in table[-1]) == ("▓", True)
    assert main(["coverage", "KRW-QQQ", "60m", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [found[name] for name in ("imported", "candles", "missing_slots", "proven_spans")] == [1, 0, 1, []]
    assert [found[name] for name in ("start", "stop")] == ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"]
    assert main(["coverage", "KRW-BTC"]) == 0
    assert "imported" not in capsys.readouterr().out
    assert main(["verify"]) == 0
    assert "3 spans, 1 imported candle, not proven; nothing is wrong" in capsys.readouterr().out
    for symbol, count in (("KRW-QQQ", 1), ("KRW-BTC", 0)):
        assert main(["verify", symbol, "60m", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["imported"] == count


def test_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a series has imported candles too, those that an export leaves out are told, those of its span only."""
    older = [[(START - hour * HOUR) * 1000, 2.0, 3.0, 1.0, 2.0, 5.0] for hour in (2, 1)]
    Path("theirs.json").write_text(json.dumps(older))
    assert main(["import", "theirs.json", "--symbol", "KRW-BTC", "--timeframe", "60m"]) == 0
    words = ["export", "KRW-BTC", "60m", "-o", "btc.csv", "--force"]
    for more, told in (([], True), (["--last", "1d"], False), (["--imported"], False)):
        assert main([*words, *more]) == 0
        says = "2 imported candles not written, because they are not proven; add --imported to write them too"
        assert (says in capsys.readouterr().err) == told
    assert len(Path("btc.csv").read_text().splitlines()) == 1 + 192 + 2


@pytest.mark.parametrize("command", [["export", "-o", "a.csv"], ["chart"]])
def test_did_you_mean(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A market in small letters is no market, but it is easily guessed which was meant."""
    assert main([*command, "krw-btc", "60m"]) == 2
    assert "nothing is stored for krw-btc 60m in 'candles.db'; did you mean 'KRW-BTC'?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["export"], ["chart"], ["import", "a.csv", "--symbol"]])
def test_completes(words: list[str]) -> None:
    """The shell completes the symbols that are stored."""
    complete = ShellComplete(cli, {}, "rxcandles", "_RXCANDLES_COMPLETE")
    assert [each.value for each in complete.get_completions(words, "KRW-")] == ["KRW-BTC"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["KRW-BTC", "60m", "-o", "no/a.csv"], "there is no folder 'no'; make it, or"),
        (["KRW-BTC", "60m", "-o", "candles.db", "--format", "csv"], "replace it with force (--force)"),
        (["KRW-BTC", "60m", "-o", "a", "--by", "month", "--format", "freqtrade"], "leave out by (--by)"),
        (["KRW-BTC", "60m", "-o", "a"], "or say the format (--format)"),
        (["KRW-BTC", "60m", "-o", "a.csv", "--by", "month"], "give a folder"),
        (["KRW-BTC", "60m", "-o", "a.csv", "--since", "2030-01-01", "--to", "2030-01-02"], "no candle of KRW-BTC 60m"),
        (
            ["KRW-BTC", "60m", "-o", "a.csv", "--last", "1d", "--since", "2024-01-01"],
            "--since and --last are both given",
        ),
        (["KRW-BTC", "60m", "-o", "a.csv", "--last", "1d", "--end", "2024-01-01"], "--last and --end are both given"),
        (["KRW-BTC", "60m", "-o", "a.csv", "--last", "1 lustrum"], "'1 lustrum' is not a length of time"),
        (["KRW-BTC", "60m", "-o", "a.csv", "--last", "0d"], "'0d' is not a length of time"),
        (["KRW-BTC", "60m", "-o", "a.csv", "--since", "soon"], "'soon' is not a time"),
        (["KRW-BTC", "60m", "-o", "a.csv", "--last", "999999w"], "up to a hundred years"),
        (["KRW-BTC", "60m", "-o", "a.csv", "--db", "none.db"], "there is no database 'none.db'"),
        (["KRW-BTC", "60m", "-o", "a.txt"], "give one that ends in .parquet"),
        (["KRW-ETH", "60m", "-o", "a.csv"], "nothing is stored for KRW-ETH 60m"),
        (["KRW-BTC", "2m", "-o", "a.csv"], "timeframe is '2m'"),
        (
            ["KRW-BTC", "60m"],
            "missing: an output file (-o, --output); write, for example, `rxcandles export KRW-BTC 60m -o",
        ),
    ],
)
def test_mistakes(words: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is one line on stderr, and nothing is written."""
    assert main(["export", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
    assert {path.name.partition("-")[0] for path in folder.iterdir()} == {"candles.db"}


def test_arrow_does_not_bring_pandas() -> None:
    """Exporting imports neither pandas nor polars, which would take more memory than all the rest."""
    program = (
        "import sys; from rxcandles.__main__ import main;"
        "code = main(['export', 'KRW-BTC', '60m', '-o', 'a.parquet', '--last', '1d', '--json']);"
        "print(code, [name for name in ('pandas', 'polars') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
