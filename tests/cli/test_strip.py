"""The picture of a series' coverage in a terminal."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rxcandles import Row, SqliteStore, Timeframe
from rxcandles.__main__ import main
from rxcandles.cli.strip import axis, legend, strip
from rxcandles.stores.cells import CoverageCell

STORED, THIN, EMPTY = (CoverageCell(0, 600, 10, stored, 10 - stored) for stored in (5, 4, 0))
CLAIMED = CoverageCell(0, 600, 10, 9, 1, 1)
WRONG = CoverageCell(0, 600, 10, 9, 0, impossible=1)
PARTLY, MISSING = CoverageCell(0, 600, 10, 9, 0), CoverageCell(0, 600, 10, 0, 0)


def test_characters() -> None:
    """Each kind of cell has its own character, with blocks and without.

    What is missing, impossible, or empty by one answer shows however little it is.
    """
    cells = [STORED, THIN, EMPTY, CLAIMED, PARTLY, MISSING, WRONG]
    assert strip(cells, 7, blocks=True).plain == "█▄▁░▒·╳"
    assert strip(cells, 7, blocks=False).plain == "#+_~?.!"
    assert strip(cells, 21, blocks=False).plain == "###+++___~~~???...!!!"
    assert "empty by one answer" in legend(blocks=True).plain


def test_axis() -> None:
    """Each time stands under the character that it opens, as dates or as times, whatever fits."""
    day = axis(0, 86_400, 48)
    assert day == "|01-01 00:00    |01-01 08:00    |01-01 16:00"
    assert axis(0, 86_400 * 10, 30).startswith("|1970-01-01    |1970-01-06")
    assert axis(0, 60, 30).startswith("|00:00:00      |00:00:30")
    assert axis(0, 60, 1) == "|00:00:00"


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A database with one hole of a day in a sparse series."""
    monkeypatch.chdir(tmp_path)
    for ends in (["--to", "2024-01-02", "--end", "2024-01-01"], ["--to", "2024-01-04", "--end", "2024-01-03"]):
        words = ["collect", "KRW-DOGE", "1m", *ends, "--exchange", "simulated", "--rate-limit", "none", "--quiet"]
        assert main(words) == 0
    capsys.readouterr()
    return tmp_path


def test_the_command(stored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a series with its strip, one ruler; between two times where they are given; and as JSON."""
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["coverage", "--since", "2024-01-01", "--to", "2024-01-05"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "exchange", "series", "from", "(UTC)", "to", "(UTC)", "candles", "no", "trade",
        "provisional", "gaps", "missing", "bytes",
    ]  # fmt: skip
    picture = lines[1].split()[-1]
    assert re.fullmatch(r"▄+[░▒]?·+▒?▄+[░▒]?·+", picture)
    assert lines[2] == " " * lines[1].index(picture) + axis(1_704_067_200, 1_704_412_800, len(picture))
    assert "\x1b" not in "".join(lines)
    assert main(["coverage", "--json", "--since", "2024-01-01", "--to", "2024-01-05"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["start"], found["stop"]) == ("2024-01-01T00:00:00Z", "2024-01-05T00:00:00Z")
    assert [each["stop"] for each in found["proven_spans"]] == ["2024-01-02T00:00:00Z", "2024-01-04T00:00:00Z"]
    assert sum(each["candles"] for each in found["proven_spans"]) == found["candles"]
    assert found["candles"] + found["no_trade"] + found["missing_slots"] == 4 * 1440
    assert main(["coverage", "--since", "2025-01-01"]) == 0
    assert capsys.readouterr().out == "nothing is stored between these times\n"
    assert main(["coverage", "--since", "2025-01-01", "--to", "2024-01-01"]) == 2
    assert "not after since" in capsys.readouterr().err


@pytest.mark.parametrize("width", [40, 50, 80, 120, 200])
async def test_many_series_in_any_width(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of 20 series is one line, no line is wider than the terminal, and no time is cut in the middle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    minute, start = Timeframe.of("1m"), 1_704_067_200
    async with SqliteStore("candles.db") as store:
        for number in range(20):
            first = start + 86_400 * number + 420
            rows = [Row(first + 60 * slot, 5, 5, 5, 5, 5, 5, 5) for slot in range(199, -1, -1)]
            await store.write(f"KRW-{number:02}", minute, rows, (first, first + 12_000))
    assert await asyncio.to_thread(main, ["coverage"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    for number, line in enumerate(lines[1:21]):
        assert re.match(rf"(upbit +)?KRW-{number:02} 1m ", line)
        assert "█" in line
        assert re.fullmatch(r"(\S+ +)+?((\d{4}-\d\d-\d\d( \d\d:\d\d)? +){0,2})[0-9, ]+█+", line)
        assert re.search(r"\d{4}-\d\d-\d\d", line) or width < 80
    assert [line.count("|") > 0 for line in lines].count(True) == 1
    assert lines[21].lstrip().startswith("|2024-01-01")
    assert lines[22:] == ["", "█ stored"]


def test_without_utf8(stored: Path) -> None:
    """Where the output can't hold blocks they are ASCII."""
    words = [sys.executable, "-X", "utf8=0", "-m", "rxcandles", "coverage"]
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[2])}
    out = subprocess.run(words, capture_output=True, env=environment, check=True).stdout.decode("ascii")
    assert "++++" in out
    assert "...." in out
