"""Databases of candles for the tests of checking and repairing, and each way to harm one, by plain ``sqlite3``."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import attrs

from rxcandles.integrity.findings import Kind, VerificationReport
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe, from_datetime
from rxcandles.simulator import Market
from rxcandles.stores import SqliteStore
from tests.support.audit import Truth

START = 1_769_990_400
"""2026-02-02T00:00Z, a Monday."""
NOW = START + 1200 * 60 + 7
MARKETS = (Market("KRW-ETH", base_price=4_000_000), Market("KRW-XRP", 0.6, base_price=3_000))
DENSE = ("KRW-ETH", "1m")
FIRST, SECOND = (START, START + 600 * 60), (START + 1000 * 60, START + 1100 * 60)
"""What is proven of it, 600 and 100 candles."""
HOURS = ("KRW-ETH", "60m")
DAY = (START - 300 * 3600, START)
"""What is proven of these, 300 candles."""
SPARSE = ("KRW-XRP", "1m")
HALF = (START, START + 400 * 60)
"""What is proven of it."""


TRUTH = Truth({market.symbol: market for market in MARKETS}.__getitem__, since=START - 320 * 3600)
"""What the markets hold."""


def rows(symbol: str, timeframe: str, start: int, stop: int) -> list[Row]:
    """What a market holds, newest first."""
    market = next(market for market in MARKETS if market.symbol == symbol)
    return market.rows(timeframe, start, stop)[::-1]


async def make(path: Path) -> None:
    """A database in which nothing is wrong."""
    async with SqliteStore(path) as store:
        for (symbol, timeframe), span in ((DENSE, FIRST), (DENSE, SECOND), (HOURS, DAY), (SPARSE, HALF)):
            await store.write(symbol, Timeframe.of(timeframe), rows(symbol, timeframe, *span), span)


def harm(path: Path, *statements: str) -> None:
    """Do something to a database behind the library's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            changed = database.execute(statement).rowcount
            assert changed, f"nothing happened: {statement}"


def contents(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """Everything in a database, each row with the name of its series; and what tables and views there are."""
    named = "SELECT exchange, symbol, timeframe, {0}.* FROM {0} LEFT JOIN series ON series.id = {0}.series"
    with closing(sqlite3.connect(path)) as database:
        found = {table: set(database.execute(named.format(table))) for table in ("candles", "coverage")}
        found = {table: {(*row[:3], *row[4:]) for row in rows} for table, rows in found.items()}
        return {**found, "schema": set(database.execute("SELECT type, name, sql FROM sqlite_master"))}


Place = tuple[Kind, str, str, int | None, int | None]


def places(report: VerificationReport) -> list[Place]:
    """What was found, and where."""

    def seconds(moment: object) -> int | None:
        return None if moment is None else int(from_datetime(moment))  # type: ignore[arg-type]

    return [
        (each.kind, each.symbol, each.timeframe, seconds(each.start), seconds(each.stop)) for each in report.findings
    ]


@attrs.frozen
class Harm:
    """One way to harm a database: what is done, what must be found, and what it costs to repair."""

    done: tuple[str, ...]
    found: tuple[Place, ...]
    requests: int
    lost: tuple[tuple[str, str], ...] = ()
    """Series that nobody can name any more."""


def _series(symbol: str, timeframe: str) -> str:
    return f"(SELECT id FROM series WHERE symbol = '{symbol}' AND timeframe = '{timeframe}')"


_DENSE, _HOURS, _SPARSE = _series(*DENSE), _series(*HOURS), _series(*SPARSE)
AT = START + 100 * 60
"""A minute in the middle of the first span."""
_THERE = f"WHERE series = {_DENSE} AND open_time = {AT}"


def _copied(open_time: int) -> str:
    values = "open, high, low, close, volume, turnover"
    return (
        f"INSERT INTO candles (series, open_time, {values}, timestamp)"
        f" SELECT series, {open_time}, {values}, {open_time * 1000} FROM candles {_THERE}"
    )


def _spelled(exchange: str, symbol: str, timeframe: str, of: str) -> Iterable[str]:
    """Statements that store a series once more, under another name."""
    yield f"INSERT INTO series (exchange, symbol, timeframe) VALUES ('{exchange}', '{symbol}', '{timeframe}')"
    new = "(SELECT max(id) FROM series)"
    columns = "open_time, open, high, low, close, volume, turnover, timestamp"
    yield f"INSERT INTO candles (series, {columns}) SELECT {new}, {columns} FROM candles WHERE series = {of}"
    yield f"INSERT INTO coverage SELECT {new}, start, stop, rows FROM coverage WHERE series = {of}"


def claimed(start: object, stop: object, kind: str = "gap", series: str = _DENSE) -> str:
    """A statement that claims a span to be empty, heard once, an hour before ``NOW``."""
    heard = NOW - 3600
    return f"INSERT INTO claims VALUES ({series}, '{kind}', {start}, {stop}, {heard}, {heard}, 1, {NOW}, {NOW}, NULL)"


def _changed(values: str) -> Harm:
    return Harm((f"UPDATE candles SET {values} {_THERE}",), (("impossible_candle", *DENSE, AT, AT + 60),), 1)


EMPTY_IN_THE_HALF = next(
    time for time in range(HALF[0] + 60, HALF[1], 60) if time not in {row.open_time for row in rows(*SPARSE, *HALF)}
)

HARMS: dict[str, Harm] = {
    "a candle is gone": Harm(
        (f"DELETE FROM candles {_THERE}",), (("wrong_count", *DENSE, *FIRST),), 1
    ),
    "five neighbours are gone": Harm(
        (f"DELETE FROM candles WHERE series = {_DENSE} AND open_time >= {AT} AND open_time < {AT + 300}",),
        (("wrong_count", *DENSE, *FIRST),), 1,
    ),
    "two far apart are gone": Harm(
        (f"DELETE FROM candles {_THERE}", f"DELETE FROM candles WHERE series = {_DENSE} AND open_time = {AT + 24000}"),
        (("wrong_count", *DENSE, *FIRST),), 2,
    ),
    "250 are gone": Harm(
        (f"DELETE FROM candles WHERE series = {_DENSE} AND open_time >= {AT} AND open_time < {AT + 250 * 60}",),
        (("wrong_count", *DENSE, *FIRST),), 2,
    ),
    "a candle of a sparse market is gone": Harm(
        (f"DELETE FROM candles WHERE series = {_SPARSE} AND open_time IN"
         f" (SELECT open_time FROM candles WHERE series = {_SPARSE} ORDER BY open_time LIMIT 1 OFFSET 50)",),
        (("wrong_count", *SPARSE, *HALF),), 2,
    ),
    "one too many": Harm(
        (_copied(EMPTY_IN_THE_HALF).replace(" SELECT series,", f" SELECT {_SPARSE},"),),
        (("wrong_count", *SPARSE, *HALF),), 2,
    ),
    "high below low": _changed("high = low / 2"),
    "close above high": _changed("close = high * 2"),
    "a price of 0": _changed("low = 0"),
    "a price without end": _changed("high = 9e999"),
    "a price in words": _changed("high = 'dear'"),
    "a negative volume": _changed("volume = -1"),
    "an endless turnover": _changed("turnover = 9e999"),
    "a stamp long before": _changed(f"timestamp = {(AT - 86_401) * 1000}"),
    "a stamp after all time": _changed(f"timestamp = {10**18}"),
    "a stamp in words": _changed("timestamp = 'now'"),
    "an endless change": _changed("change_rate = 9e999"),
    "two neighbours are impossible": Harm(
        (f"UPDATE candles SET low = high + 1 WHERE series = {_DENSE} AND open_time IN ({AT}, {AT + 60})",),
        tuple(("impossible_candle", *DENSE, at, at + 60) for at in (AT, AT + 60)), 1,
    ),
    "one more beside the grid": Harm(
        (_copied(AT + 30),), (("off_grid_candle", *DENSE, AT + 30, AT + 31),), 0
    ),
    "a candle has left the grid": Harm(
        (f"UPDATE candles SET open_time = open_time + 1 {_THERE}",),
        (("off_grid_candle", *DENSE, AT + 1, AT + 2), ("wrong_count", *DENSE, *FIRST)), 1,
    ),
    "a candle at no time": Harm(
        (f"UPDATE candles SET open_time = 'noon' {_THERE}",),
        (("impossible_candle", *DENSE, None, None), ("wrong_count", *DENSE, *FIRST)), 1,
    ),
    "a candle before all time": Harm(
        (_copied(-60),), (("impossible_candle", *DENSE, None, None),), 0
    ),
    "a candle outside the ledger": Harm(
        (_copied(START + 800 * 60),),
        (("unproven_candles", *DENSE, START + 800 * 60, START + 801 * 60),), 1,
    ),
    "two outside, far apart": Harm(
        (_copied(START - 300 * 60), _copied(START + 800 * 60)),
        (("unproven_candles", *DENSE, START - 300 * 60, START - 299 * 60),
         ("unproven_candles", *DENSE, START + 800 * 60, START + 801 * 60)), 2,
    ),
    "a span is gone": Harm(
        (f"DELETE FROM coverage WHERE series = {_DENSE} AND start = {SECOND[0]}",),
        (("unproven_candles", *DENSE, *SECOND),), 1,
    ),
    "a span is shorter": Harm(
        (f"UPDATE coverage SET stop = stop - 600, rows = rows - 10 WHERE series = {_DENSE} AND start = {FIRST[0]}",),
        (("unproven_candles", *DENSE, FIRST[1] - 600, FIRST[1]),), 1,
    ),
    "the ledger counts too few": Harm(
        (f"UPDATE coverage SET rows = rows - 1 WHERE series = {_DENSE} AND start = {FIRST[0]}",),
        (("wrong_count", *DENSE, *FIRST),), 3,
    ),
    "the ledger counts too many": Harm(
        (f"UPDATE coverage SET rows = rows + 1 WHERE series = {_DENSE} AND start = {FIRST[0]}",),
        (("wrong_count", *DENSE, *FIRST),), 0,
    ),
    "the ledger counts below nothing": Harm(
        (f"UPDATE coverage SET rows = -1 WHERE series = {_DENSE} AND start = {SECOND[0]}",),
        (("wrong_count", *DENSE, *SECOND),), 1,
    ),
    "spans overlap": Harm(
        (f"INSERT INTO coverage VALUES ({_DENSE}, {FIRST[1] - 6000}, {FIRST[1] - 3000}, 50)",),
        (("overlapping_spans", *DENSE, FIRST[1] - 6000, FIRST[1] - 3000),), 0,
    ),
    "spans touch": Harm(
        (f"INSERT INTO coverage VALUES ({_DENSE}, {FIRST[1] - 6000}, {FIRST[1]}, 100)",
         f"UPDATE coverage SET stop = stop - 6000, rows = rows - 100 WHERE series = {_DENSE} AND start = {FIRST[0]}"),
        (("overlapping_spans", *DENSE, FIRST[1] - 6000, FIRST[1]),), 0,
    ),
    "a span that overlaps counts wrong": Harm(
        (f"INSERT INTO coverage VALUES ({_DENSE}, {FIRST[1] - 6000}, {FIRST[1] + 3000}, 120)",),
        (("overlapping_spans", *DENSE, FIRST[1] - 6000, FIRST[1] + 3000),
         ("wrong_count", *DENSE, FIRST[1] - 6000, FIRST[1] + 3000)), 1,
    ),
    "a span reaches into the future": Harm(
        (f"UPDATE coverage SET stop = {NOW // 60 * 60 + 600} WHERE series = {_DENSE} AND start = {SECOND[0]}",),
        (("future_span", *DENSE, SECOND[0], NOW // 60 * 60 + 600),), 0,
    ),
    "candles of the future": Harm(
        (_copied(NOW // 60 * 60), _copied(NOW // 60 * 60 + 6000)),
        (("future_candles", *DENSE, NOW // 60 * 60, NOW // 60 * 60 + 6001),), 0,
    ),
    "a span runs backwards": Harm(
        (f"INSERT INTO coverage VALUES ({_DENSE}, {FIRST[1] + 6000}, {FIRST[1] + 3000}, 0)",),
        (("impossible_span", *DENSE, None, None),), 0,
    ),
    "a span of words": Harm(
        (f"INSERT INTO coverage VALUES ({_DENSE}, 'from', 'to', 0)",),
        (("impossible_span", *DENSE, None, None),), 0,
    ),
    "a span beyond all time": Harm(
        (f"INSERT INTO coverage VALUES ({_DENSE}, {FIRST[1] + 6000}, {10**15}, 0)",),
        (("impossible_span", *DENSE, None, None),), 0,
    ),
    "a span begins beside the grid": Harm(
        (f"UPDATE coverage SET start = start - 30 WHERE series = {_DENSE} AND start = {SECOND[0]}",),
        (("off_grid_span", *DENSE, SECOND[0] - 30, SECOND[1]),), 0,
    ),
    "a span ends beside the grid": Harm(
        (f"UPDATE coverage SET stop = stop + 30 WHERE series = {_DENSE} AND start = {SECOND[0]}",),
        (("off_grid_span", *DENSE, SECOND[0], SECOND[1] + 30),), 1,
    ),
    "a timeframe's alias": Harm(
        tuple(_spelled("upbit", "KRW-ETH", "1h", _HOURS)), (("alias_series", "KRW-ETH", "1h", None, None),), 0
    ),
    "nothing but a timeframe's alias": Harm(
        (f"UPDATE series SET timeframe = '1h' WHERE id = {_HOURS}",),
        (("alias_series", "KRW-ETH", "1h", None, None),), 2,
    ),
    "a symbol in lower case": Harm(
        tuple(_spelled("upbit", "krw-eth", "1m", _DENSE)), (("alias_series", "krw-eth", "1m", None, None),), 0
    ),
    "a symbol in wide letters": Harm(
        tuple(_spelled("upbit", "ＫＲＷ-ＥＴＨ", "1m", _DENSE)),
        (("alias_series", "ＫＲＷ-ＥＴＨ", "1m", None, None),), 0,
    ),
    "a symbol in Cyrillic letters": Harm(
        tuple(_spelled("upbit", "КRW-ЕТН", "1m", _DENSE)), (("alias_series", "КRW-ЕТН", "1m", None, None),), 0
    ),
    "a symbol with a space": Harm(
        tuple(_spelled("upbit", "KRW-ETH ", "1m", _DENSE)), (("alias_series", "KRW-ETH ", "1m", None, None),), 0
    ),
    "an exchange in capitals": Harm(
        tuple(_spelled("UPBIT", "KRW-ETH", "1m", _DENSE)), (("alias_series", "KRW-ETH", "1m", None, None),), 0
    ),
    "an unknown timeframe": Harm(
        tuple(_spelled("upbit", "KRW-ETH", "2h", _HOURS)), (("unreachable_series", "KRW-ETH", "2h", None, None),), 0
    ),
    "a symbol that can't be": Harm(
        tuple(_spelled("upbit", "KRW-*", "1m", _DENSE)), (("unreachable_series", "KRW-*", "1m", None, None),), 0
    ),
    "a claim where candles are": Harm(
        (claimed(AT, AT + 600),), (("wrong_claim", *DENSE, AT, AT + 600),), 0
    ),
    "a claim outside the ledger": Harm(
        (claimed(FIRST[1] + 600, FIRST[1] + 1200),),
        (("wrong_claim", *DENSE, FIRST[1] + 600, FIRST[1] + 1200),), 0,
    ),
    "a claim runs backwards": Harm(
        (claimed(AT + 600, AT),), (("wrong_claim", *DENSE, None, None),), 0
    ),
    "a claim of words": Harm(
        (claimed("'from'", "'to'"),), (("wrong_claim", *DENSE, None, None),), 0
    ),
    "a claim of no series": Harm(
        (claimed(AT, AT + 600).replace(_DENSE, "99"),), (("orphaned_rows", "", "", None, None),), 0
    ),
    "candles without a series": Harm(
        (f"DELETE FROM series WHERE id = {_HOURS}",), (("orphaned_rows", "", "", None, None),) * 2, 0, (HOURS,)
    ),
}  # fmt: skip
