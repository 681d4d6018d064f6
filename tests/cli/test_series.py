"""Commands about what is stored: several series, globs, and files for each of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.__main__ import main
from rxcandles.model.timeframe import Timeframe
from rxcandles.model.which import Which
from rxcandles.stores import SqliteStore
from tests.support.fakes import row

START = 1_704_067_200
"""2024-01-01."""
HOUR = 3600


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two markets in two timeframes, and a third in one; KRW-ETH 60m has a hole of two hours."""
    path = tmp_path_factory.mktemp("series") / "candles.db"

    async def fill() -> None:
        async with SqliteStore(path) as store:
            for symbol, name in (("KRW-BTC", "60m"), ("KRW-BTC", "1d"), ("KRW-ETH", "1d"), ("BTC-XRP", "60m")):
                frame = Timeframe.of(name)
                rows = [row(frame.shift(START, at)) for at in range(4, -1, -1)]
                await store.write(symbol, frame, rows, (START, frame.shift(START, 5)))
            for at in (0, 3):
                start = START + at * HOUR
                await store.write("KRW-ETH", Timeframe.of("60m"), [row(start)], (start, start + HOUR))

    asyncio.run(fill())
    return path


@pytest.fixture(autouse=True)
def folder(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "candles.db").write_bytes(filled.read_bytes())
    return tmp_path


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("words", "series"),
    [
        (["KRW-*", "60m"], ["KRW-BTC 60m", "KRW-ETH 60m"]),
        (["60m", "KRW-BTC", "BTC-XRP"], ["BTC-XRP 60m", "KRW-BTC 60m"]),
        (["KRW-BTC"], ["KRW-BTC 1d", "KRW-BTC 60m"]),
        (["1d"], ["KRW-BTC 1d", "KRW-ETH 1d"]),
        (["KRW-BTC,KRW-E??", "--timeframe", "1d,1h"], ["KRW-BTC 1d", "KRW-BTC 60m", "KRW-ETH 1d", "KRW-ETH 60m"]),
        (["--symbol", "*-[XE]*"], ["BTC-XRP 60m", "KRW-ETH 1d", "KRW-ETH 60m"]),
    ],
)
def test_several(words: list[str], series: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names, lists and globs in any order mean the same stored series in every command."""
    assert main(["coverage", *words, "--json"]) == 0
    assert sorted(f"{each['symbol']} {each['timeframe']}" for each in objects(capsys)) == series
    assert main(["export", *words, "-o", "all/", "--json"]) == 0
    assert [f"{each['symbol']} {each['timeframe']}" for each in objects(capsys)] == series
    assert sorted(path.name for path in (folder / "all").iterdir()) == sorted(
        f"{each.replace(' ', '-')}.parquet" for each in series
    )
    assert main(["verify", *words, "--json"]) == 0
    assert objects(capsys)[0]["series"] == len(series)
    assert main(["repair", *words, "--dry-run", "--json"]) == 0
    assert objects(capsys)[0]["before"]["series"] == len(series)


def test_last(capsys: pytest.CaptureFixture[str]) -> None:
    """--last is a way to say a span here too, months included; with --since it is refused."""
    words = ["coverage", "KRW-BTC", "60m", "--until", "2024-01-01T05:00", "--json"]
    for last, candles in (("2h", 2), ("1M", 5), ("99y", 5)):
        assert main([*words, "--last", last]) == 0
        assert objects(capsys)[0]["candles"] == candles
    assert main([*words, "--last", "2h", "--since", "2024-01-01"]) == 2


def test_charts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Charts of several series are a file each, and an earlier chart needs no --force; another file does."""
    for _ in range(2):
        assert main(["chart", "KRW-*", "1d", "-o", "{symbol}/{timeframe}.html", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert sorted(str(each.relative_to(folder)) for each in folder.rglob("*.html")) == [
        "KRW-BTC/1d.html",
        "KRW-ETH/1d.html",
    ]
    Path("mine.html").write_text("mine")
    assert main(["chart", "KRW-BTC", "1d", "-o", "mine.html"]) == 2
    assert Path("mine.html").read_text() == "mine"


@pytest.mark.parametrize(
    "command", [["coverage"], ["verify"], ["repair", "--dry-run"], ["export", "-o", "x/"], ["chart"]]
)
@pytest.mark.parametrize("words", [["KRW-XRP", "60m"], ["KRW-BTC", "KRW-XRP", "60m"], ["USDT-*"], ["KRW-*", "3m"]])
def test_not_there(command: list[str], words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name or a glob that fits nothing is one line and exit 2, also beside others, and nothing is written."""
    assert main([*command, *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "nothing is stored for " in err
    assert [each.suffix for each in folder.iterdir() if each.suffix in (".html", ".parquet")] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-o", "a.csv"], "this is one file for 2 series; write '{symbol}-{timeframe}.csv', or name a folder"),
        (["-o", "{timeframe}.csv"], "several series would be written to '60m.csv'"),
        (["-o", "{market}.csv"], "'{market}' is not a known name; use {symbol}, {timeframe}, {exchange}"),
        (["-o", "-", "--format", "parquet"], "writes one parquet file to stdout, but 2 series match"),
        (["-o", "-", "--by", "month"], "can't be written to stdout (-o -)"),
        (["-o", "{symbol}.txt"], "give one that ends in .parquet"),
    ],
)
def test_where(words: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where several series would become one file, or none, is said before anything is written."""
    assert main(["export", "KRW-*", "60m", *words]) in (1, 2)
    assert says in capsys.readouterr().err
    assert [each.name for each in folder.iterdir() if each.suffix not in (".db", ".db-wal", ".db-shm")] == []


@pytest.mark.parametrize("style", ["csv", "jsonl"])
def test_stdout(style: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """``-o -`` is stdout: what the files would be, one after the other, a header once; words are on stderr."""
    assert main(["export", "KRW-*", "60m", "-o", f"{{symbol}}.{style}"]) == 0
    capsysbinary.readouterr()
    assert main(["export", "KRW-*", "60m", "-o", "-", "--format", style]) == 0
    out, err = capsysbinary.readouterr()
    btc, eth = (Path(f"{name}.{style}").read_bytes() for name in ("KRW-BTC", "KRW-ETH"))
    assert out == btc + (eth.partition(b"\n")[2] if style == "csv" else eth)
    assert b"KRW-BTC 60m: 5 candles" in err


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.feather"])
def test_up_to_date(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An export is brought up to date without --force; one of another series is another file."""
    for more in (["--until", "2024-01-01T03:00"], []):
        assert main(["export", "KRW-BTC", "60m", "-o", name, "--json", *more]) == 0
    assert objects(capsys)[1]["candles"] == 5
    for other in (["BTC-XRP", "60m"], ["KRW-BTC", "1d"]):
        assert main(["export", *other, "-o", name]) == 2
    assert "there is a file already" in capsys.readouterr().err


@pytest.mark.parametrize("how", [["--by", "month"], ["--by", "month", "--format", "csv"], ["--format", "freqtrade"]])
def test_folders_up_to_date(how: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So are the files of a month, and those for freqtrade; where one of them is another's, none is written."""
    for more in (["--until", "2024-01-01T03:00"], []):
        assert main(["export", "KRW-BTC", "60m", "-o", "there", "--json", *how, *more]) == 0
    told = objects(capsys)[1]
    assert told["candles"] == 5
    Path(told["paths"][0]).write_text("mine")
    assert main(["export", "KRW-BTC", "60m", "-o", "there", *how]) == 2
    assert Path(told["paths"][0]).read_text() == "mine"


def test_one_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """A series that can't be written keeps none of the others from it, and the exit code from being 0."""
    assert main(["export", "KRW-*", "60m", "-o", "all/", "--complete"]) == 1
    out, err = capsys.readouterr()
    assert "KRW-BTC 60m: 5 candles" in out
    assert "KRW-ETH 60m is not complete" in err
    assert [path.name for path in Path("all").iterdir()] == ["KRW-BTC-60m.parquet"]


@pytest.mark.parametrize("command", ["coverage", "verify"])
def test_complete(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --complete what is missing is exit 1 and a line with the command that fetches it; --quiet is only that."""
    assert main([command, "--quiet"]) == main([command, "KRW-BTC", "--complete", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([command, "--complete", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "rxcandles: KRW-ETH 60m is not complete: 2 slots missing in 1 gap; `rxcandles collect KRW-ETH 60m "
        "--since 2024-01-01T00:00:00Z --until 2024-01-01T04:00:00Z` fetches them\n"
    )


NAMES = st.sampled_from(["KRW-BTC", "KRW-ETH", "BTC-XRP", "krw-btc"])
GLOBS = st.sampled_from(["KRW-*", "*", "*-?TH", "[BX]*", "KRW-BTC", "BTC-XRP"])


@given(
    st.lists(GLOBS), st.lists(st.sampled_from(["1m", "60m", "1h", "*", "?m"])), NAMES, st.sampled_from(["1m", "60m"])
)
def test_which(globs: list[str], timeframes: list[str], symbol: str, timeframe: str) -> None:
    """A series is meant where any of the symbols and any of the timeframes mean it; none given means all."""
    import fnmatch

    which = Which.of(globs, timeframes)
    frames = {"1h": "60m"}
    expected = (not globs or any(fnmatch.fnmatch(symbol.lower(), each.lower()) for each in globs)) and (
        not timeframes or any(fnmatch.fnmatch(timeframe, frames.get(each, each)) for each in timeframes)
    )
    assert which.fits(symbol, timeframe) == expected
