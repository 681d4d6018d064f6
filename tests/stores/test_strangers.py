"""A database file from somebody else: nothing in it runs, and what would is refused in words."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.errors import SchemaError
from rxcandles.model.timeframe import Timeframe
from rxcandles.stores import SqliteStore

STRANGERS = {
    "a trigger": "CREATE TRIGGER evil AFTER INSERT ON candles BEGIN DELETE FROM coverage; END",
    "a view": "CREATE VIEW evil AS SELECT randomblob(1) FROM candles",
    "a view under our name": (
        "DROP VIEW candles_readable; CREATE VIEW candles_readable AS SELECT randomblob(1) AS open FROM candles"
    ),
    "a view for a table": "DROP TABLE series; CREATE VIEW series AS SELECT 1 AS id, 'upbit' AS exchange",
    "a virtual table": "CREATE VIRTUAL TABLE evil USING fts5(a)",
    "a generated column": "CREATE TABLE evil (a, b AS (abs(a)))",
    "a stored column": "CREATE TABLE evil (a, b AS (abs(a)) STORED)",
    "a check": "CREATE TABLE evil (a CHECK (length(randomblob(1)) > 0))",
    "a default": "CREATE TABLE evil (a DEFAULT (randomblob(1)))",
    "a column of ours": "ALTER TABLE candles ADD COLUMN evil AS (abs(open))",
    "an index": "CREATE INDEX evil ON candles (abs(open))",
    "a partial index": "CREATE INDEX evil ON candles (open) WHERE abs(open) > 1",
}

HARMLESS = """
    CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT DEFAULT 'no CHECK (a)', "check (b)" REAL DEFAULT -1);
    CREATE INDEX by_text ON notes (text);
    CREATE INDEX newest ON candles (open_time);
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with one covered span."""
    path = tmp_path_factory.mktemp("whole") / "candles.db"

    async def fill() -> None:
        async with SqliteStore(path) as store:
            await store.write("KRW-BTC", Timeframe.of("1m"), [], (0, 60))

    asyncio.run(fill())
    return path.read_bytes()


@pytest.fixture
def path(whole: bytes, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "candles.db"
    path.write_bytes(whole)
    yield path
    assert sorted(each.name for each in tmp_path.iterdir()) == ["candles.db"]


def change(path: Path, sql: str) -> bytes:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
    return path.read_bytes()


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_refused(path: Path, stranger: str) -> None:
    """What would run by itself is refused by name, before anything is read or written, by a store and by a check."""
    before = change(path, STRANGERS[stranger])
    with pytest.raises(SchemaError, match=r"candles\.db has an? .*'(evil|candles|candles_readable|series)'.* sqlite3"):
        await SqliteStore.open(path)
    with pytest.raises(SchemaError, match="nothing was read"):
        await rxcandles.verify(path)
    assert change(path, "") == before


async def test_harmless(path: Path) -> None:
    """Tables, indexes and columns that only hold data are left to whoever made them."""
    change(path, HARMLESS)
    async with SqliteStore(path) as store:
        assert len(await store.series()) == 1
    assert (await rxcandles.verify(path)).clean


def test_command(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that reads a file refuses it in one line; its name is shown, and not obeyed."""
    change(path, 'CREATE VIEW "evil\x1b[2J\n" AS SELECT 1')
    for words in (["coverage"], ["verify"], ["repair"], ["chart", "KRW-BTC", "1m"], ["plan", "KRW-BTC", "1m"]):
        more = ["--count", "5"] if words[0] == "plan" else ["-o", "x.html"] if words[0] == "chart" else []
        assert main([*words, *more, "--db", str(path)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert r"has a view, 'evil\x1b[2J\n'" in err


async def test_first_version(path: Path) -> None:
    """A file of the first version has a view and triggers of ours, which go when it is brought up to date."""
    script = """
        DROP TABLE months; DROP TABLE claims; DROP VIEW imported_readable; DROP TABLE imported; DROP TABLE imports;
        CREATE VIEW page AS SELECT * FROM coverage;
        CREATE TRIGGER page_put INSTEAD OF INSERT ON page BEGIN DELETE FROM coverage; END;
        PRAGMA user_version = 1;
    """
    change(path, script)
    async with SqliteStore(path) as store:
        assert await store._open.rows("SELECT name FROM sqlite_master WHERE tbl_name = 'page'") == []
