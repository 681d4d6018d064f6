"""No statement is made of input: the source is searched, and hostile texts are stored and found as they are."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles.errors import RequestError
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Covered, Series
from rxcandles.stores import SqliteStore

ROOT = Path(rxcandles.__file__).parent
MINUTE = Timeframe.of("1m")
ROW = Row(300, 100.0, 102.0, 98.0, 101.0, 1.25, 125.5, 359_000)

SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|REPLACE|PRAGMA|CREATE|DROP|ALTER|ATTACH|VACUUM)\b")
CHECKED = {"durability"}
"""Texts that are put into a statement, since a PRAGMA takes no parameters; each is one of two words (see below)."""


class Maker(ast.NodeVisitor):
    """Finds statements that are put together, and what of them is not made of this module's own constants."""

    def __init__(self, tree: ast.Module) -> None:
        self.constants = {
            name.id
            for node in tree.body
            for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
            for name in ([target] if isinstance(target, ast.Name) else [])
        } | {name.asname or name.name for node in tree.body if isinstance(node, ast.ImportFrom) for name in node.names}
        self.known: dict[str, bool] = {}
        self.found = 0
        self.foreign: list[str] = []
        self.visit(tree)

    def visit_FunctionDef(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer, self.known = self.known, dict(self.known)
        arguments = function.args
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            number = each.annotation is not None and ast.unparse(each.annotation) in ("int", "float", "bool")
            self.known[each.arg] = number or each.arg in CHECKED
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                self.known[name] = self.own(node.value) and self.known.get(name, True)
            elif isinstance(node, ast.For):
                self.bind(node.target, node.iter)
        self.generic_visit(function)
        self.known = outer

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_comprehensions(self, node: ast.GeneratorExp | ast.ListComp) -> None:
        for each in node.generators:
            self.bind(each.target, each.iter)
        self.generic_visit(node)

    visit_GeneratorExp = visit_ListComp = visit_comprehensions

    def bind(self, target: ast.expr, over: ast.expr) -> None:
        """Whatever a loop over constants of ours yields is ours."""
        for name in ast.walk(target):
            if isinstance(name, ast.Name):
                self.known[name.id] = self.own(over)

    def visit_JoinedStr(self, text: ast.JoinedStr) -> None:
        self.judge(text)

    def visit_BinOp(self, sum_: ast.BinOp) -> None:
        if isinstance(sum_.op, ast.Add | ast.Mod):
            self.judge(sum_)
        self.generic_visit(sum_)

    def visit_Call(self, call: ast.Call) -> None:
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("format", "format_map", "replace", "join"):
            self.judge(call)
        self.generic_visit(call)

    def judge(self, node: ast.expr) -> None:
        words = "".join(
            each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
        )
        if SQL.search(words):
            self.found += 1
            if not self.own(node):
                self.foreign.append(f"line {node.lineno}: {ast.unparse(node)}")

    def own(self, node: ast.expr | None) -> bool:
        """Whether what an expression yields is a constant of ours, or a number."""
        match node:
            case None | ast.Constant():
                return True
            case ast.Name(id=name):
                return self.known.get(name, name in self.constants or name == "range")
            case ast.JoinedStr(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                return all(map(self.own, parts))
            case ast.FormattedValue(value=inner) | ast.Starred(value=inner) | ast.Subscript(value=inner):
                return self.own(inner)
            case ast.BinOp(left=left, right=right):
                return self.own(left) and self.own(right)
            case ast.IfExp(body=one, orelse=other):
                return self.own(one) and self.own(other)
            case ast.GeneratorExp(elt=each, generators=[ast.comprehension(target=ast.Name(id=name), iter=over)]):
                self.known[name] = self.own(over)
                return self.own(each)
            case ast.ListComp(elt=each, generators=[ast.comprehension(target=ast.Name(id=name), iter=over)]):
                self.known[name] = self.own(over)
                return self.own(each)
            case ast.Call(func=ast.Attribute(value=text, attr="join" | "upper" | "replace"), args=arguments):
                return self.own(text) and all(map(self.own, arguments))
            case ast.Call(func=ast.Attribute(value=table, attr="items" | "keys" | "values")):
                return self.own(table)
            case ast.Call(func=ast.Name(id=name)):
                return name in ("len", "range", "int") or name.endswith("_sql")  # which are judged themselves
            case ast.BinOp(left=left, right=right):
                return self.own(left) and self.own(right)
        return False


def makers() -> Iterator[tuple[Path, Maker]]:
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "sqlite" in text or "stores" in path.parts:
            yield path, Maker(ast.parse(text))


def test_no_sql_from_input() -> None:
    """Every statement that is put together is made of constants of its module and of numbers; all else is bound."""
    found = {path.name: maker for path, maker in makers()}
    assert sum(maker.found for maker in found.values()) >= 6
    assert {name: maker.foreign for name, maker in found.items() if maker.foreign} == {}


@pytest.mark.parametrize(
    "source",
    [
        "def f(symbol: str): return f\"SELECT * FROM candles WHERE symbol = '{symbol}'\"",
        "def f(table): return 'DELETE FROM ' + table",
        "def f(name): return 'DROP TABLE %s' % name",
        "def f(name): return 'DROP TABLE {}'.format(name)",
        "def f(names): return f\"SELECT {', '.join(names)} FROM candles\"",
        "def f(names):\n    for name in names:\n        yield f'PRAGMA {name}'",
        "def f(name):\n    sql = name.upper()\n    return f'PRAGMA {sql}'",
    ],
)
def test_sql_from_input_is_found(source: str) -> None:
    """The search above finds the ways in which it is done elsewhere."""
    assert len(Maker(ast.parse(source)).foreign) == 1


@pytest.mark.parametrize("word", ["FULL; DROP TABLE candles", "normal ", "NORMAL", "", None, 1])
def test_checked_words(tmp_path: Path, word: Any) -> None:
    """A word that goes into a PRAGMA is one of those allowed, or refused before a file is made."""
    with pytest.raises(RequestError, match="durability"):
        SqliteStore(tmp_path / "candles.db", durability=word)
    if word is not None:  # there it means the store's own
        with pytest.raises(RequestError, match="durability"):
            rxcandles.connect(tmp_path / "candles.db", "simulated", durability=word)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "symbol",
    ["KRW-'; DROP TABLE candles; --", "\"', 0) --", "% _", "?", ":symbol", "비 트\u0301코", "a" * 10_000, ""],
)
async def test_symbols_are_data(tmp_path: Path, symbol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the door, which refuses it: a symbol is stored and found as it is, and only its own candles are."""
    async with SqliteStore(tmp_path / "candles.db") as store:
        with pytest.raises(RequestError, match="symbol is"):
            await store.write(symbol, MINUTE, [ROW], (300, 360))
    for room in ("base", "store"):
        monkeypatch.setattr(f"rxcandles.stores.sql.{room}.check_symbol", lambda symbol: symbol)
    async with SqliteStore(tmp_path / "candles.db") as store:
        await store.write("KRW-BTC", MINUTE, [ROW], (300, 360))
        await store.write(symbol, MINUTE, [ROW._replace(close=99.0)], (300, 360))
        (row,) = await store.rows(symbol, MINUTE, 0, 1000, "newest_first", 9)
        assert row.close == 99.0
        assert store.reader(symbol, MINUTE).rows(0, 1000, "oldest_first", 9) == [row]
        assert await store.coverage(symbol, MINUTE, 0, 1000) == [Covered(300, 360, 1)]
        named = {*await store.series(), *(Series(*each) for each in await store.odd_series())}
        assert named == {Series("upbit", "KRW-BTC", "1m"), Series("upbit", symbol, "1m")}
        assert await store.rows("KRW-BTC", MINUTE, 0, 1000, "newest_first", 9) == [ROW]


@pytest.mark.parametrize("name", ["a?mode=memory", "file::memory:", "a%41#b", "a'b\"c", "비트 코인"])
async def test_path_is_no_address(tmp_path: Path, name: str) -> None:
    """A path names a file as it is, also where SQLite could read it as an address with options."""
    async with SqliteStore(tmp_path / name) as store:
        await store.write("KRW-BTC", MINUTE, [ROW], (300, 360))
        assert store.reader("KRW-BTC", MINUTE).count(0, 999) == 1
    assert name in os.listdir(tmp_path)


async def test_locks_are_waited_for_so_long(tmp_path: Path) -> None:
    """Every connection to the file has a time after which a lock is an error: the store's own, and a reader's 5 s."""
    path = tmp_path / "candles.db"
    async with SqliteStore(path, busy_timeout=1.5) as store:
        assert store._connection is not None
        assert await store._connection.rows("PRAGMA busy_timeout") == [(1500,)]
        assert store.reader("KRW-BTC", MINUTE)._all("PRAGMA busy_timeout") == [(5000,)]
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.wait_for(store.close(), 10)  # what another process holds is not waited for
        other.execute("ROLLBACK")
        other.close()
