"""What stands in a file or an answer is shown at the shell, never obeyed: by the terminal, or by the shell itself."""

from __future__ import annotations

import ast
import io
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import click
import pytest

from rxcandles import cli
from rxcandles.__main__ import main
from rxcandles.cli.stored import stored_names, stored_symbols
from rxcandles.cli.terminal import Terminal
from rxcandles.cli.text import printable

SPAN = ["--to", "2024-01-02", "--end", "2024-01-01"]
EVIL = "KRW-\x1b]0;title\x07\x1b[2J\x9b31m\u202e\x7f\nrxcandles: all is well"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulated(*words: str) -> int:
    return main([*words, "--exchange", "simulated", "--rate-limit", "none"])


@pytest.fixture
def named(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The names of a database from somebody else."""
    assert simulated("collect", "KRW-BTC", "1m", *SPAN, "--quiet") == 0
    capsys.readouterr()
    names = [
        EVIL,
        "X$(id)",
        "`id`",
        "a b",
        "a;b",
        "a'b",
        'a"b',
        "a\nb",
        "$HOME",
        "~",
        "-x",
        "a|b",
        "a&b",
        "a>b",
        "비트코인",
    ]
    with closing(sqlite3.connect("candles.db")) as file, file:
        file.executemany(
            "INSERT INTO series (exchange, symbol, timeframe) VALUES (?, ?, '1m')", [(each, each) for each in names]
        )
        file.execute("INSERT INTO coverage SELECT id, 0, 60, 5 FROM series WHERE symbol <> 'KRW-BTC'")
    return names


def test_only_echo_prints() -> None:
    """All is printed by ``echo`` or a ``Terminal``, so that nothing is forgotten; a script for the shell is ours."""
    found = []
    for path in sorted(Path(cli.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if call in ("print", "click.echo", "click.secho", "Console", "sys.stdout.write", "sys.stderr.write"):
                found.append((path.name, call))
    assert found == [("completion.py", "click.echo")]


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    "words", [["verify"], ["repair", "--dry-run"], ["verify", "--json"], ["repair", "--into", "b.db"]]
)
def test_names_are_shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A name with signs for the terminal is written out, and makes no line of its own."""
    assert main(words) in (0, 3)
    out, err = capsys.readouterr()
    assert all(line.isprintable() for line in (out + err).split("\n"))
    assert "\nrxcandles: all is well" not in out + err
    assert "\\x1b[2J" in out or "\\u001b[2J" in out or words[-1] == "b.db"


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """A cell of a table is shown as it is: no markup, no emoji, no sign for the terminal."""
    from rich.table import Table

    table = Table(box=None)
    table.add_column("name")
    table.add_row("[link=http://x]:smile:\x1b[2J")
    Terminal(width=100).print(table)
    assert "[link=http://x]:smile:\\x1b[2J" in capsys.readouterr().out


def test_printable() -> None:
    """What is written out is legible, and JSON stays JSON."""
    assert printable("가 ab\t\x1b\x7f\u202e\udcff") == "가 ab\\t\\x1b\\u007f\\u202e\\udcff"


def test_completion(named: list[str]) -> None:
    """Only names are completed that a shell does nothing with, and nothing is written for it."""
    before = sorted(each.name for each in Path().iterdir())
    context = click.Context(cli.cli, info_name="rxcandles")
    context.params = {"db": "candles.db"}
    assert stored_symbols(context, "") == ["KRW-BTC", "비트코인"]
    assert stored_symbols(context, "KRW") == ["KRW-BTC"]
    assert stored_symbols(context, "X") == []
    assert stored_names(context, "") == ["simulated", "비트코인"]
    assert sorted(each.name for each in Path().iterdir()) == before


@pytest.mark.parametrize("page", ["cp1252", "cp437", "ascii"])
def test_code_pages(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into a pipe of any code page every command prints all that it has; what can't be shown is written out."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=page, errors="strict") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    db = ["--db", "시세.db"]
    assert simulated("markets", "KRW-*") == 0
    assert simulated("collect", "KRW-BTC", "1m", *SPAN, *db) == 0
    assert simulated("get", "KRW-BTC", "1m", *SPAN, *db) == 0
    assert simulated("plan", "KRW-BTC", "1m", *SPAN, *db) == 0
    assert main(["coverage", *db]) == 0
    assert main(["verify", *db]) == 0
    assert main(["export", "KRW-BTC", "1m", "-o", "시세.csv", *db]) == 0
    assert main(["chart", "KRW-BTC", "1m", "-o", "시세.html", *db]) == 0
    assert main(["import", "시세.csv", "--symbol", "KRW-BTC", "--timeframe", "1m", "--db", "둘.db"]) == 0
    Path("시세.csv").write_text("mine", encoding="utf-8")
    assert main(["export", "KRW-BTC", "1m", "-o", "시세.csv", *db]) == 2
    assert main(["--help"]) == main(["import", "--help"]) == 0
    assert "\\uc2dc\\uc138.db" in out.buffer.getvalue().decode(page, "replace")
    assert "\\uc2dc\\uc138.csv" in err.buffer.getvalue().decode(page, "replace")
