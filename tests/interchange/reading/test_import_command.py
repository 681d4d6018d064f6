"""``rxcandles import``, as people use it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas
import pytest

from rxcandles.__main__ import main
from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator import Simulator

T = 1_704_067_200  # 2024-01-01
TIMES = pandas.date_range("2024-01-01 09:00", periods=3, freq="min")
FRAME = pandas.DataFrame({"open": 5.0, "high": 6.0, "low": 4.0, "close": 5.0, "volume": [1.0, 0.5, 2.0]}, TIMES)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_says_what_became_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """One line says how many candles came in, and how many did not and why; the second time none does."""
    FRAME.assign(value=1.0).to_csv("theirs.csv")
    words = ["import", "theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "1m"]
    assert main(words) == 0
    assert capsys.readouterr().out == (
        "KRW-BTC 1m: 3 candles from theirs.csv (pyupbit, 3 rows) imported into candles.db, not proven\n"
    )
    assert main(words) == 0
    assert capsys.readouterr().out.endswith("not proven; 3 were imported before\n")
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "rxcandles/import/1", "stopped": False,
        "symbol": "KRW-BTC", "timeframe": "1m", "exchange": "upbit", "candles": 0,
        "source": "theirs.csv", "format": "pyupbit", "rows": 3, "new": 0, "same": 3, "replaced": 0, "repeated": 0,
        "empty": 0, "covered": 0, "differing": 0, "zone": "KST", "encoding": "utf-8",
        "notes": ["times without a zone were taken as KST, as pyupbit's frames have them"], "check": None,
    }  # fmt: skip


def test_says_which_option_names_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose columns nobody can guess is refused with the option that says which they are."""
    FRAME.rename(columns={"close": "Last"}).to_csv("theirs.csv", index_label="date")
    assert main(["import", "theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "1m"]) == 2
    assert "say which is which with columns (--columns), such as close=Name" in capsys.readouterr().err


def test_name_that_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A file is imported whatever the bytes of its name."""
    name = os.fsdecode(b"b\xff.csv")
    try:
        FRAME.to_csv(name)
    except OSError:
        pytest.skip("this file system has no such names")
    words = ["import", name, "--symbol", "KRW-BTC", "--timeframe", "1m", "--tz", "KST"]
    assert main(words) == 0
    assert main([*words, "--json"]) == 0
    assert '"same": 3' in capsys.readouterr().out


def test_columns_and_zone(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns and zone can be said, and what an earlier import says is replaced only where that is asked for."""
    FRAME.rename(columns={"close": "Last"}).to_csv("theirs.csv", index_label="When")
    words = [
        "import",
        "theirs.csv",
        "--symbol",
        "KRW-BTC",
        "--timeframe",
        "1m",
        "--columns",
        "open_time=When,close=Last",
    ]
    assert main([*words, "--tz", "Asia/Seoul", "--keep-empty"]) == 0
    FRAME.assign(volume=[1, 0.5, 3]).to_csv("theirs.csv")
    words = [*words[:6], "--format", "pyupbit"]
    assert main(words) == 2
    assert "theirs.csv, line 4: the candle of 2024-01-01T00:02:00Z is " in capsys.readouterr().err
    assert main([*words, "--replace"]) == 0
    assert "1 candle from" in (said := capsys.readouterr().out)
    assert "1 replaced earlier imports, 2 were imported before" in said


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--check`` imported candles are compared with the exchange; what differs or lacks is told, exit 3."""
    true = [[row.open_time * 1000, *row[1:6]] for row in Simulator().market("KRW-BTC").rows("1m", T, T + 1200)]
    wrong = [[*each[:5], each[5] + (number == 3)] for number, each in enumerate(true) if number != 8]

    def check(rows: list[list[float]], *more: str) -> tuple[int, str]:
        Path("theirs.json").write_text(json.dumps(rows))
        words = ["import", "theirs.json", "--symbol", "KRW-BTC", "--timeframe", "1m", "--check", "20", *more]
        return main([*words, "--exchange", "simulated", "--rate-limit", "none"]), capsys.readouterr().out

    code, said = check(true)
    assert (code, said.splitlines()[1:]) == (
        0, [f"{len(true)} candles in {len(true)} pages compared with the exchange: 0 differ, 0 are missing"]
    )  # fmt: skip
    code, said = check(wrong, "--db", "other.db")
    assert (code, f"{len(wrong)} pages compared with the exchange: 1 differ, 1 are missing" in said) == (3, True)
    assert f"volume is {wrong[3][5]!r}, there {true[3][5]!r}" in said
    code, said = check(wrong, "--db", "other.db", "--json")
    assert (code, json.loads(said)["check"]["lacking"]) == (3, 1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["theirs.csv"], "does not say its market and timeframe; give --symbol KRW-BTC and --"),
        (["theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "2m"], "timeframe is '2m'"),
        (["absent.csv"], "there is no file 'absent.csv'"),
        (["absent.csv", "--symbol", "KRW-BTC", "--timeframe", "1m"], "there is no file 'absent.csv'"),
        (["theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "1m", "--columns", "Date"], "ours=theirs"),
        (["theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "1m", "--format", "xls"], "'xls' is not one of"),
        (["theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "1m", "--tz", "Moon"], "tz is 'Moon'"),
        (["theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "1m"], "theirs.csv, line 2: close is 'x'"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], folder: Path, words: list[str], says: str) -> None:
    """A mistake is one line on stderr, and no database is made."""
    Path("theirs.csv").write_text("time,open,high,low,close,volume\n2024-01-01,1,1,1,x,1\n")
    assert main(["import", *words]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert says in captured.err
    assert [path.name for path in folder.iterdir()] == ["theirs.csv"]


def candles(symbol: str, frame: str, count: int = 5) -> pandas.DataFrame:
    """Candles of the simulated exchange, as freqtrade keeps them."""
    span = Timeframe.of(frame).shift(T, count) - T
    rows = Simulator().market(symbol).rows(frame, T, T + span)
    made = pandas.DataFrame([row[:6] for row in rows], columns=["date", "open", "high", "low", "close", "volume"])
    return made.assign(date=pandas.to_datetime(made["date"], unit="s", utc=True))


def test_folder_of_freqtrade(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Of a folder of freqtrade's each file comes in as what its name says; what is no candles is left out and told."""
    data = folder / "data" / "upbit"
    (data / "futures").mkdir(parents=True)
    for symbol, frame, name in (
        ("KRW-BTC", "1m", "BTC_KRW-1m"),
        ("KRW-BTC", "60m", "BTC_KRW-1h"),
        ("KRW-ETH", "1d", "ETH_KRW-1d"),
    ):
        candles(symbol, frame).to_feather(data / f"{name}.feather")
    for name in ("futures/BTC_USDT_USDT-1h-futures.feather", "BTC_KRW-trades.feather", "x.json"):
        (data / name).write_bytes(b"")
    assert main(["import", "data", "--json"]) == 0
    captured = capsys.readouterr()
    found = [json.loads(line) for line in captured.out.splitlines()]
    assert [(each["symbol"], each["timeframe"]) for each in found] == [
        ("KRW-BTC", "60m"),
        ("KRW-BTC", "1m"),
        ("KRW-ETH", "1d"),
    ]
    assert all(each["new"] > 0 for each in found)
    assert captured.err.count("left out") == 3
    assert "BTC_KRW-trades.feather left out: it has trades (KRW-BTC), not candles" in captured.err
    assert main(["import", "data", "--symbol", "KRW-ETH", "--json"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["same"] > 0 for line in captured.out.splitlines()] == [True]
    assert "it has KRW-BTC 1m" in captured.err


def test_several_files(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Several files are each whole or not at all; one that can't be does not stop the others, and makes the exit 2."""
    made = candles("KRW-BTC", "1m", 60)
    made[:20].to_csv("a.csv", index=False)
    made[20:40].assign(symbol="KRW-ETH").to_csv("b.csv", index=False)
    made[40:].to_csv("c.csv.gz", index=False)
    words = ["--symbol", "KRW-BTC", "--timeframe", "1m"]
    assert main(["import", "a.csv", "b.csv", "c.csv.gz", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out.count("imported into candles.db") == 2
    assert "b.csv, line 2: it is of 'KRW-ETH', not of 'KRW-BTC'" in captured.err
    assert main(["import", ".", *words, "--db", "other.db"]) == 2
    assert "2 candles" not in capsys.readouterr().out


def test_folder_that_says_nothing(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """A folder whose files don't say what they are of is refused, with the way to say it."""
    Path("theirs.csv").write_text("x")
    assert main(["import", "."]) == 2
    assert "has a market and a timeframe in its name, such as BTC_KRW-1m.feather" in capsys.readouterr().err


def test_encoding_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    """What was taken for granted is told on stderr, a line each; an encoding can be said."""
    text = "일시,시가,고가,저가,종가,거래량\n2024-01-01 09:00,5,6,4,5,1\n"
    Path("theirs.csv").write_bytes(text.encode("cp949"))
    words = ["import", "theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "1m"]
    assert main([*words, "--encoding", "utf-8"]) == 2
    assert "theirs.csv is no CSV in UTF-8" in capsys.readouterr().err
    assert main(words) == 2
    assert (
        "have no zone, and may be Korean: its headings are Korean; say which with tz (--tz)" in capsys.readouterr().err
    )
    assert main([*words, "--tz", "KST"]) == 0
    assert capsys.readouterr().err == "rxcandles: theirs.csv: times without a zone were taken as KST, as tz says\n"


@pytest.mark.parametrize("name", ["ETH_USDT-1h.csv", "ETHUSDT-1h.csv", "ETHUSDT_1h.csv", "USDT_TRY-1h.csv"])
def test_market_of_binance_in_a_name(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """With ``--exchange binance`` a market in a file's name is Binance's, however the name writes it."""
    (Path.cwd() / name).write_text("date,open,high,low,close,volume\n2024-01-01T00:00:00Z,5,6,4,5,1\n")
    symbol = "USDTTRY" if "TRY" in name else "ETHUSDT"
    assert main(["import", name, "--exchange", "binance"]) == 0
    assert capsys.readouterr().out.startswith(f"{symbol} 60m: 1 candle from {name}")


def test_market_in_won_is_none_of_binance(capsys: pytest.CaptureFixture[str]) -> None:
    """A market in won is not made one of Binance."""
    (Path.cwd() / "ETH_KRW-1h.csv").write_text("date,open,high,low,close,volume\n2024-01-01T00:00:00Z,5,6,4,5,1\n")
    assert main(["import", "ETH_KRW-1h.csv", "--exchange", "binance"]) == 2
    assert "did you mean 'ETHUSDT'?" in capsys.readouterr().err
