"""``rxcandles import``, as people use it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest

from rxcandles.__main__ import main
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
        "KRW-BTC 1m: 3 candles of theirs.csv (pyupbit, 3 rows) imported into candles.db, unproven\n"
    )
    assert main(words) == 0
    assert capsys.readouterr().out.endswith("unproven; 3 were imported before\n")
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "symbol": "KRW-BTC", "timeframe": "1m",
        "source": "theirs.csv", "format": "pyupbit", "rows": 3, "new": 0, "same": 3, "replaced": 0, "repeated": 0,
        "empty": 0, "covered": 0, "differing": 0, "zone": "KST", "encoding": "utf-8",
        "notes": ["times without a zone were taken as KST, as pyupbit's frames have them"], "check": None,
    }  # fmt: skip


def test_says_which_option_names_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose columns nobody can guess is refused with the option that says which they are."""
    FRAME.rename(columns={"close": "Last"}).to_csv("theirs.csv", index_label="date")
    assert main(["import", "theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "1m"]) == 2
    assert "say which is which with columns (--columns), such as close=Name" in capsys.readouterr().err


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
    assert "1 candles of" in (said := capsys.readouterr().out)
    assert "1 took the place of earlier imports, 2 were imported before" in said


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
        0, [f"{len(true)} candles in {len(true)} pages compared with the exchange: 0 differ, 0 lacking"]
    )  # fmt: skip
    code, said = check(wrong, "--db", "other.db")
    assert (code, f"{len(wrong)} pages compared with the exchange: 1 differ, 1 lacking" in said) == (3, True)
    assert f"volume is {wrong[3][5]!r}, there {true[3][5]!r}" in said
    code, said = check(wrong, "--db", "other.db", "--json")
    assert (code, json.loads(said)["check"]["lacking"]) == (3, 1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["theirs.csv"], "does not say by its name which market and timeframe it is of; give --symbol KRW-BTC and --"),
        (["theirs.csv", "--symbol", "KRW-BTC", "--timeframe", "2m"], "timeframe is '2m'"),
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
