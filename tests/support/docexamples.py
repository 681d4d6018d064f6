"""The examples of docstrings, and a place to run them in: a folder with a database, a simulated exchange, no network.

An example is what a reader may type: lines after ``>>>``, whose output is compared, or an indented block after ``::``.
``await`` may stand at its top, as in ``python -m asyncio``. What it may use without importing it:

- all names of ``rxcandles`` and of the package in which it stands;
- ``store``, ``provider``, ``exchange`` and ``limiter``: what ``rxcandles.connect("candles.db")`` opened;
- ``candles``: the stored candles of KRW-BTC 1m, of the first two hours of 2024 in UTC, newest first;
- ``request`` and ``requests``: one hour of them; ``Path``, ``rx`` (the operators of reactivex), ``ops`` and ``charts``;
- the files ``candles.db``, which has them under the names of Upbit and of the simulated exchange and
  ``btc.csv`` (the hour after those two), in the working folder.

Where an example names no exchange, it is the simulated one without a limit. Times in 2024 are always the same.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import textwrap
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import CodeType
from typing import Any

import attrs
import reactivex

import rxcandles
from rxcandles.model.timeframe import Timeframe

START = datetime(2024, 1, 1, tzinfo=UTC)
STOP = START + timedelta(hours=2)

OPENED = ("store", "provider", "exchange", "limiter", "candles")
"""Names for which a database is opened."""

MORE: dict[str, str] = {
    "rxcandles.Page.before": "dict(rows=[], to=60, count=200, date=None)",
    "rxcandles.operators.as_chunk": "dict(live=reactivex.empty())",
}
"""What a docstring takes for granted, as an expression."""

_BLOCK = re.compile(r"::\n\n((?:[ ]{4}.*(?:\n|$)|\n)+)")
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@attrs.frozen
class Documented:
    """A public thing with a docstring."""

    name: str
    thing: Any
    module: Any
    """The package whose names its examples may use."""

    @property
    def text(self) -> str:
        return inspect.getdoc(self.thing) or ""

    def prompts(self) -> list[doctest.Example]:
        return doctest.DocTestParser().get_examples(self.text, self.name)

    def blocks(self) -> list[str]:
        return [textwrap.dedent(each).strip() for each in _BLOCK.findall(self.text) if ">>>" not in each]


def documented() -> Iterator[Documented]:
    """All packages, their public names and the public methods of those, each once."""
    seen: set[int] = set()
    for name in ("rxcandles", *packages()):
        module = importlib.import_module(name)
        for each in _within(name, module):
            if id(each.thing) not in seen:
                seen.add(id(each.thing))
                yield each


def packages() -> Iterator[str]:
    for each in pkgutil.walk_packages(rxcandles.__path__, "rxcandles."):
        if each.ispkg:
            yield each.name


def _within(name: str, module: Any) -> Iterator[Documented]:
    yield Documented(name, module, module)
    for public in getattr(module, "__all__", []):
        thing = getattr(module, public)
        if inspect.isfunction(thing):
            yield Documented(f"{name}.{public}", thing, module)
        elif inspect.isclass(thing) and thing.__module__.startswith("rxcandles"):
            yield Documented(f"{name}.{public}", thing, module)
            for key, member in vars(thing).items():
                if not key.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
                    yield Documented(f"{name}.{public}.{key}", getattr(member, "__func__", member), module)


async def prepare(folder: Path) -> None:
    """Make the files that examples find."""
    async with rxcandles.connect(folder / "candles.db", exchange="simulated", rate_limit=None) as provider:
        await provider.collect_candles_only("KRW-BTC", "1m", to=STOP, end=START)
        span = (int(START.timestamp()), int(STOP.timestamp()))
        rows = await provider.repository.rows("KRW-BTC", Timeframe.of("1m"), *span, "newest_first", 200)
    async with rxcandles.SqliteStore(folder / "candles.db") as store:
        await store.write("KRW-BTC", Timeframe.of("1m"), rows, span)
    async with rxcandles.connect(":memory:", exchange="simulated", rate_limit=None) as provider:
        later = await provider.get_candles("KRW-BTC", "1m", to=STOP + timedelta(hours=1), end=STOP)
    with (folder / "btc.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "open", "high", "low", "close", "volume"])
        writer.writerows([f"{c.open_time:%Y-%m-%dT%H:%M:%SZ}", c.open, c.high, c.low, c.close, c.volume] for c in later)


@contextlib.asynccontextmanager
async def names_of(each: Documented, text: str) -> AsyncIterator[dict[str, Any]]:
    """The names that an example may use."""
    from rxcandles import charts, lake, operators

    request = rxcandles.Request("KRW-BTC", "1m", to=STOP, end=STOP - timedelta(hours=1))
    names: dict[str, Any] = {key: getattr(rxcandles, key) for key in rxcandles.__all__}
    names |= {key: getattr(each.module, key) for key in getattr(each.module, "__all__", [])}
    names |= {
        "rxcandles": rxcandles,
        "reactivex": reactivex,
        "Path": Path,
        "charts": charts,
        "ops": operators,
        "lake": lake,
    }
    names |= {"rx": reactivex.operators, "request": request, "requests": [request], "datetime": datetime, "UTC": UTC}
    names |= {"timedelta": timedelta, "__name__": "example"}
    names |= eval(MORE.get(each.name, "{}"))
    if not re.search(rf"\b({'|'.join(OPENED)})\b", text):
        yield names
        return
    async with rxcandles.connect("candles.db", exchange="simulated", rate_limit=None) as provider:
        store = provider.repository
        names |= {"provider": provider, "store": store, "exchange": provider.exchange, "limiter": provider.limiter}
        names |= {"candles": rxcandles.stored_candles(store, "KRW-BTC", "1m")}
        yield names


class _Offline(ast.NodeTransformer):
    """Names the simulated exchange, without a limit, where a call names none."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(ast.Name("rxcandles"), called) | ast.Name("connect" | "get_ohlcv" as called):
                named = {keyword.arg for keyword in node.keywords}
                if called in ("connect", "open", "get_ohlcv") and not named & {"exchange", "base_url"}:
                    given = {"exchange": "simulated", "rate_limit": None}
                    node.keywords += [ast.keyword(k, ast.Constant(v)) for k, v in given.items() if k not in named]
        return node


def _compiled(source: str, mode: str) -> CodeType:
    tree: Any = compile(source, "<example>", mode, ast.PyCF_ONLY_AST | _FLAGS, dont_inherit=True)
    tree = ast.fix_missing_locations(_Offline().visit(tree))
    code: CodeType = compile(tree, "<example>", mode, _FLAGS, dont_inherit=True)
    return code


async def _run(code: CodeType, names: dict[str, Any]) -> None:
    result = eval(code, names)
    if inspect.iscoroutine(result):
        await result


ADDRESS = "postgresql://team@db.example/candles"
"""A server's database in examples; where they are run it is a real one."""


async def run_block(each: Documented, block: str, server: str = ADDRESS) -> None:
    """Run a block, in which the first day of 2024 is today, and ``ADDRESS`` is ``server``; prints are not compared."""
    block = block.replace(ADDRESS, server)
    recently = datetime.now(UTC) - timedelta(hours=6)
    block = block.replace("2024-01-01", f"{recently:%Y-%m-%d}")
    async with names_of(each, block) as names:
        await _run(_compiled(block, "exec"), names)


async def run_prompts(each: Documented) -> list[str]:
    """Run the examples of a docstring one after another; return where the output is another."""
    faults = []
    check = doctest.OutputChecker()
    async with names_of(each, "".join(example.source for example in each.prompts())) as names:
        for example in each.prompts():
            said, wanted = io.StringIO(), example.want
            with contextlib.redirect_stdout(said):
                try:
                    await _run(_compiled(example.source, "single"), names)
                    if example.exc_msg is not None:
                        faults.append(f"{example.source}did not raise {example.exc_msg}")
                        continue
                except Exception as error:
                    if example.exc_msg is None:
                        raise
                    print(f"{type(error).__name__}: {error}")
                    wanted = example.exc_msg
            if not check.check_output(wanted, said.getvalue(), _OPTIONS):
                faults.append(f"{example.source}{check.output_difference(example, said.getvalue(), _OPTIONS)}")
    return faults
