"""``rxcandles chart``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rxcandles.__main__ import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with a database of two days of minutes."""
    monkeypatch.chdir(tmp_path)
    words = ["collect", "KRW-ETH", "1m", "--to", "2024-01-03", "--end", "2024-01-01", "--quiet"]
    assert main([*words, "--exchange", "simulated", "--rate-limit", "none"]) == 0
    capsys.readouterr()
    return tmp_path


def meta(name: str) -> dict[str, Any]:
    """What a page says of its candles."""
    found = re.search(r'id="meta">(.*?)</script>', Path(name).read_text(encoding="utf-8"))
    assert found is not None
    return dict(json.loads(found[1]))


def test_writes_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    """The page is called after its series or as asked, and holds what is stored between the times given."""
    assert main(["chart", "KRW-ETH", "1m", "--since", "2024-01-01"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("KRW-ETH 1m: 2,880 candles, 2024-01-01 00:00:00 to 2024-01-03 00:00:00 UTC, 0.2")
    assert out[1:] == ["KRW-ETH-1m.html"]
    assert meta("KRW-ETH-1m.html")["candles"] == 2880
    ends = [(["--last", "3h"], 180, 1_704_229_200), (["--last", "1d", "--to", "2024-01-02T12:00"], 1440, 1_704_110_400)]
    for words, count, first in ends:
        assert main(["chart", "KRW-ETH", "1m", "-o", "part.html", "--force", *words]) == 0
        assert (meta("part.html")["candles"], meta("part.html")["first"]) == (count, first)


def test_writes_a_picture(folder: Path) -> None:
    """A name that ends in .png, or --png, makes a picture."""
    assert main(["chart", "KRW-ETH", "1m", "--last", "1d", "-o", "day.PNG"]) == 0
    assert main(["chart", "KRW-ETH", "1m", "--last", "1d", "--png", "--title", "a $ a \x1b[31m day"]) == 0
    for name in ("day.PNG", "KRW-ETH-1m.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_replaces_nothing_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays as it is without --force, and nothing else is left behind."""
    (folder / "mine.html").write_text("mine")
    assert main(["chart", "KRW-ETH", "1m", "-o", "mine.html"]) == 2
    assert "there is a file already" in capsys.readouterr().err
    assert (folder / "mine.html").read_text() == "mine"
    assert main(["chart", "KRW-ETH", "1m", "-o", "mine.html", "--force"]) == 0
    assert meta("mine.html")["candles"] >= 2880
    assert {each.name for each in folder.iterdir()} <= {"mine.html", "candles.db", "candles.db-wal", "candles.db-shm"}


def test_the_same_series_of_two_exchanges(capsys: pytest.CaptureFixture[str]) -> None:
    """One has to choose."""
    import asyncio

    from rxcandles import Row, SqliteStore, Timeframe

    async def another() -> None:
        async with SqliteStore("candles.db", exchange="other") as store:
            await store.write("KRW-ETH", Timeframe.of("1m"), [Row(60, 1, 1, 1, 1, 1, 1, 1)], (60, 120))

    asyncio.run(another())
    assert main(["chart", "KRW-ETH", "1m"]) == 2
    assert "from other and simulated; choose one with --exchange" in capsys.readouterr().err
    assert main(["chart", "KRW-ETH", "1m", "--exchange", "other"]) == 0
    assert meta("KRW-ETH-1m.html")["candles"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["KRW-BTC", "1m"], "nothing is stored for KRW-BTC 1m in 'candles.db'; `rxcandles coverage` shows what is"),
        (["KRW-ETH", "3m"], "nothing is stored for KRW-ETH 3m"),
        (["KRW-ETH", "1m", "--exchange", "upbit"], "nothing is stored for KRW-ETH 1m from upbit"),
        (["KRW-ETH", "1m", "--since", "2025-01-01"], "nothing is stored of KRW-ETH 1m between these times"),
        (["KRW-ETH", "1m", "--last", "1d", "--to", "2020-01-01"], "nothing is stored of KRW-ETH 1m between"),
        (["KRW-ETH", "1m", "--since", "2024-01-02", "--to", "2024-01-01"], "not after since"),
        (["KRW-ETH", "1m", "--since", "2024-01-02", "--last", "1d"], "00:00 and 1d; give one of --since and --last"),
        (["KRW-ETH", "1m", "--last", "1 day"], "'1 day' is not a length of time; did you mean 1d? write it as 90m"),
        (["KRW-ETH", "1m", "--last", "0d"], "is not a length of time"),
        (["KRW-ETH", "2m"], "timeframe is '2m'; take one of"),
        (["<script>", "1m"], "symbol is '<script>'; write a market's code"),
        (["KRW-ETH", "1m", "-o", "no/such/folder.html"], "make it, or give a path in one that is there"),
        (["KRW-ETH", "1m", "-o", "a.svg"], "give a name that ends in .html or .png"),
        (["KRW-ETH", "1m", "-o", "a"], "give a name that ends in .html or .png"),
        (["KRW-ETH", "1m", "-o", ""], "path is ''; give a path"),
        (["KRW-ETH", "1m", "--db", "absent.db"], "there is no database 'absent.db'"),
        (["KRW-ETH", "1m", "--db", "a\0b"], "give a path"),
    ],
)  # fmt: skip
def test_refused(words: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A chart that can't be meant is refused in one line, and no file is made."""
    assert main(["chart", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
    assert {each.suffix for each in folder.iterdir()} <= {".db", ".db-wal", ".db-shm"}
