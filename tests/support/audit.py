"""The promise, checked the slow and obvious way: what a database holds is the truth. For tests and for ``kill``.

Reads it with plain SQL. The ledger's spans are apart and count their rows right, every candle lies in
one, and within them there is just what the exchange has and nothing that was imported, but for what is covered
provisionally.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from rxcandles.model import Row, RowWithTrades
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator import Market
from rxcandles.stores.postgres.address import is_postgres
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sql.with_trades import ALL_COLUMNS
from tests.support.asking import Ask, asking

__all__ = ["Truth", "audit"]


class Truth:
    """What simulated markets hold, kept, as made-up history does not change."""

    def __init__(self, market: Callable[[str], Market], since: int | None = None) -> None:
        self._market = market
        self._since = since
        self._known: dict[tuple[str, str], tuple[int, dict[int, Row]]] = {}

    def rows(self, symbol: str, timeframe: str, start: int, stop: int) -> list[Row]:
        """Return the candles of ``[start, stop)`` that exist once it is past, oldest first."""
        market = self._market(symbol)
        since = market.listed - 32 * 86_400 if self._since is None else self._since
        until, rows = self._known.get((symbol, timeframe), (since, {}))
        if stop > until:
            rows |= {row.open_time: row for row in market.rows(timeframe, until, stop)}
            self._known[symbol, timeframe] = (stop, rows)
        return [row for time, row in rows.items() if start <= time < stop]


def audit(path: Path | str, truth: Truth, now: float, *, provisional_ok: bool = False) -> int:
    """Raise ``AssertionError`` where a database claims what is not so at ``now``; return the candles it holds.

    ``provisional_ok``: what is covered provisionally may lack candles, and the candle before it may change.
    """
    with asking(path) as ask:
        if not is_postgres(path):
            assert ask("PRAGMA integrity_check") == [("ok",)]
        columns = COLUMNS if not _has_trades(ask, path) else ALL_COLUMNS
        candles = 0
        for number, symbol, timeframe in ask("SELECT id, symbol, timeframe FROM series"):
            rows = [_row(row) for row in _ordered(ask, "candles", number, ", ".join(columns))]
            spans = _ordered(ask, "coverage", number, "start, stop, rows")
            _check(f"{symbol} {timeframe}", rows, spans)
            claims = SpanSet(tuple(_ordered(ask, "claims", number, "start, stop")))
            assert not claims.subtract(SpanSet(tuple(span[:2] for span in spans))), f"{symbol}: {claims} is not covered"
            assert not any(row.open_time in claims for row in rows), f"{symbol}: a candle lies in {claims}"
            for start, stop, _ in spans:
                assert stop <= Timeframe.of(timeframe).floor(now), f"{symbol} {timeframe} is covered to after {now}"
                held = [row for row in rows if start <= row.open_time < stop]
                there = truth.rows(symbol, timeframe, start, stop)
                missing = [row.open_time for row in there if row.open_time in claims]
                assert not missing or provisional_ok, f"{symbol} {timeframe}: {len(missing)} are missing provisionally"
                unsure = set[int]()
                if provisional_ok:
                    # The newest candle before a doubtful head may be one that had not ended; it comes again with that.
                    frame = Timeframe.of(timeframe)
                    unsure = {frame.shift(end, -1) for end in (stop, *(claim[0] for claim in claims))}
                there = [row for row in there if row.open_time not in claims]
                assert [row.open_time for row in held] == [row.open_time for row in there], (symbol, timeframe, start)
                held, there = ([row for row in rows if row.open_time not in unsure] for rows in (held, there))
                assert held == there, (symbol, timeframe, start, stop)
            for (opened,) in ask("SELECT open_time FROM imported WHERE series = ?", number):
                assert not any(start <= opened < stop for start, stop, _ in spans), f"{symbol} {opened} is there twice"
            candles += len(rows)
        return candles


def _row(values: tuple[Any, ...]) -> Row:
    """Return a candle as it was stored, with what is said of its trades where anything is."""
    plain = len(Row._fields)
    return Row(*values[:plain]) if all(each is None for each in values[plain:]) else RowWithTrades(*values)


def _has_trades(ask: Ask, path: Path | str) -> bool:
    if is_postgres(path):
        return True
    return any(name == "trades" for _, name, *_ in ask("PRAGMA table_info(candles)"))


def _ordered(ask: Ask, table: str, series: int, columns: str) -> list[Any]:
    return ask(f"SELECT {columns} FROM {table} WHERE series = ? ORDER BY {columns.partition(',')[0]}", series)


def _check(name: str, rows: list[Row], spans: list[tuple[int, int, int]]) -> None:
    for (_, before, _), (after, _, _) in pairwise(spans):
        assert before < after, f"{name}: spans touch or overlap at {after}"
    assert len({row.open_time for row in rows}) == len(rows), f"{name}: a candle is there twice"
    inside = 0
    for start, stop, count in spans:
        held = sum(start <= row.open_time < stop for row in rows)
        assert start < stop, f"{name}: an empty span at {start}"
        assert held == count, f"{name}: {held} rows in {start} to {stop}, where the ledger says {count}"
        inside += held
    assert inside == len(rows), f"{name}: {len(rows) - inside} candles without a proof"
