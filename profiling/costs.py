"""How costs grow: each thing done with n, 2n and 4n of what it depends on; a straight line has the ratios 2 and 2."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click

import rxcandles
from profiling.support.harness import machine, table
from rxcandles.__main__ import main as command
from rxcandles.cli.stored import stored_symbols
from rxcandles.cli.wanted import titles_of
from rxcandles.model import Request, Row
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.stores import SqliteStore

MINUTE: Final = Timeframe.of("1m")
BASE: Final = MINUTE.ceil(1_600_000_000)
_CANDLE: Final = "INSERT INTO candles (series, open_time, open, high, low, close, volume, turnover, timestamp)"


def database(path: Path, statements: Callable[[sqlite3.Connection], object]) -> Path:
    """Make a database of one series, number 1, and fill it by hand."""

    async def made() -> None:
        async with SqliteStore(path, exchange="simulated") as store:
            await store.write("KRW-BTC", MINUTE, [], (0, 60))

    asyncio.run(made())
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM coverage")
        statements(file)
    return path


def spans(file: sqlite3.Connection, count: int, rows: int = 1) -> None:
    """Every other minute, each a span of the ledger by itself, which says that it has so many ``rows``."""
    file.executemany(
        "INSERT INTO coverage VALUES (1, ?, ?, ?)",
        ((BASE + at * 120, BASE + at * 120 + 60, rows) for at in range(count)),
    )
    times = ((BASE + at * 120, (BASE + at * 120) * 1000) for at in range(count))
    file.executemany(f"{_CANDLE} VALUES (1, ?, 1, 1, 1, 1, 1, 1, ?)", times)


def claims(file: sqlite3.Connection, count: int) -> None:
    """One covered span, with an absence to be asked about again behind every candle."""
    file.execute("INSERT INTO coverage VALUES (1, ?, ?, ?)", (BASE, BASE + count * 240, count))
    times = ((BASE + at * 240, (BASE + at * 240) * 1000) for at in range(count))
    file.executemany(f"{_CANDLE} VALUES (1, ?, 1, 1, 1, 1, 1, 1, ?)", times)
    file.executemany(
        "INSERT INTO claims (series, kind, start, stop, first_heard, last_heard, times, due, final)"
        " VALUES (1, 'gap', ?, ?, 1600000000, 1600000000, 1, 1600000001, 0)",
        ((BASE + at * 240 + 60, BASE + at * 240 + 240) for at in range(count)),
    )


def series(file: sqlite3.Connection, count: int) -> None:
    """So many series of one candle each."""
    names = ((f"KRW-S{at}",) for at in range(count))
    file.executemany("INSERT INTO series (exchange, symbol, timeframe) VALUES ('simulated', ?, '1m')", names)
    file.execute("INSERT INTO coverage SELECT id, ?, ?, 1 FROM series", (BASE, BASE + 60))
    file.execute(f"{_CANDLE} SELECT id, ?, 1, 1, 1, 1, 1, 1, ? FROM series", (BASE, BASE * 1000))


def quietly(*words: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        if command(words) not in (0, 3):  # repair has something left to do
            raise SystemExit(f"{words}: {said.getvalue()}")


async def planned(path: Path, length: int) -> None:
    async with rxcandles.connect(path, "simulated") as provider:
        await provider.plan(Request("KRW-BTC", "1m", to=to_datetime(BASE + length), end=to_datetime(BASE)))


async def written(path: Path, pages: int, apart: int) -> None:
    """Write pages into the newest holes of a ledger."""
    async with SqliteStore(path, exchange="simulated") as store:
        for at in range(pages):
            opened = BASE + apart * 120 - 60 - at * 240
            row = Row(opened, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, opened * 1000)
            await store.coverage("KRW-BTC", MINUTE, opened, opened + 60, 200)
            await store.write("KRW-BTC", MINUTE, [row], (opened, opened + 60))


async def imported(path: Path, file: Path) -> None:
    async with SqliteStore(path, exchange="simulated") as store:
        await rxcandles.import_candles(store, "KRW-BTC", "1m", file)


def cut_up(count: int) -> None:
    """Take pages out of a large set, as a run does with what is covered."""
    whole = SpanSet(tuple((at * 120, at * 120 + 60) for at in range(count)))
    for at in range(count):
        page = SpanSet(((at * 120, at * 120 + 12_000),))
        page.subtract(whole.intersect(page))


def costs(folder: Path, count: int) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Yield what is measured: its name, what there are ``count`` of, and how it is done once; it is prepared before."""
    rows = [(BASE + at * 60, 1.0, 2.0, 0.5, 1.5, 3.0) for at in range(count)]
    csv, lists = folder / "a.csv", folder / "a.json"
    lines = "".join(f"{to_datetime(row[0]):%Y-%m-%d %H:%M:%S},{','.join(map(str, row[1:]))}\n" for row in rows)
    csv.write_text("open_time,open,high,low,close,volume\n" + lines, encoding="utf-8")
    lists.write_text(json.dumps([(row[0] * 1000, *row[1:]) for row in rows]), encoding="utf-8")
    yield "import CSV", "rows", lambda: asyncio.run(imported(folder / "csv.db", csv))
    yield "import JSON", "rows", lambda: asyncio.run(imported(folder / "json.db", lists))
    path = database(folder / "spans.db", lambda file: spans(file, count))
    for words in (
        ["coverage"],
        ["coverage", "--json"],
        ["verify"],
        ["export", "KRW-BTC", "1m", "-o", str(folder / "b.csv")],
    ):
        yield (
            " ".join(words[:2] if words[0] == "coverage" else words[:1]),
            "spans",
            lambda words=words: quietly(  # type: ignore[misc]
                *words, "--db", str(path)
            ),
        )
    yield "plan", "spans", lambda: asyncio.run(planned(path, count * 120))
    yield "write", "spans, and pages", lambda: asyncio.run(written(path, count // 8, count))
    wrong = database(folder / "wrong.db", lambda file: spans(file, count, rows=2))
    repair = ["repair", "--dry-run", "--exchange", "simulated", "--db", str(wrong)]
    yield "repair --dry-run", "wrong spans", lambda: quietly(*repair)
    doubtful = database(folder / "claims.db", lambda file: claims(file, count))
    yield "plan", "doubtful absences", lambda: asyncio.run(planned(doubtful, count * 240))
    yield "verify", "doubtful absences", lambda: quietly("verify", "--db", str(doubtful))
    yield "sets of spans", "spans, and pages", lambda: cut_up(count)
    many = database(folder / "series.db", lambda file: series(file, count // 4))
    yield "coverage", "series × 4", lambda: quietly("coverage", "--db", str(many))
    yield "coverage --json", "series × 4", lambda: quietly("coverage", "--json", "--db", str(many))
    yield (
        "export",
        "series × 4",
        lambda: quietly("export", "KRW-*", "--db", str(many), "-o", f"{folder}/many/{{symbol}}.csv"),
    )
    yield "verify", "series × 4", lambda: quietly("verify", "--db", str(many))
    context = click.Context(click.Command("completion"))
    context.params = {"db": str(many)}
    yield "completion", "series × 4", lambda: stored_symbols(context, "")
    requests = [Request(f"KRW-S{at}", "1m", count=5, now=float(BASE)) for at in range(count)]
    yield "titles of series", "series", lambda: titles_of(requests)


def measure(count: int) -> dict[tuple[str, str], float]:
    """Return the CPU seconds of each."""
    took = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, what, work in costs(Path(folder), count):
            began = time.process_time()
            work()
            took[name, what] = time.process_time() - began
    return took


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling costs")
    parser.add_argument("--count", type=int, default=5_000, help="n; the most is four times that")
    options = parser.parse_args(arguments)
    measure(400)  # what is done for the first time imports something
    one, two, four = (measure(options.count * times) for times in (1, 2, 4))
    rows: list[dict[str, Any]] = [
        {
            "what": name,
            "n": what,
            f"seconds at {options.count:,}": one[name, what],
            f"at {4 * options.count:,}": four[name, what],
            "2n / n": two[name, what] / one[name, what],
            "4n / 2n": four[name, what] / two[name, what],
        }
        for name, what in one
    ]
    print(table(machine(), rows))
    return 0
