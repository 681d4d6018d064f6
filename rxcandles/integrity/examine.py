"""Find everything that can be wrong with a database: the file, the names, the candles, the coverage.

SQLite counts and compares; it reads each candle a few times, and only the faults reach Python. A million candles take
about a second.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from rxcandles.integrity.aliases import proper_names
from rxcandles.integrity.damage import damages, is_damage
from rxcandles.integrity.examine_claims import examine_claims
from rxcandles.integrity.findings import Finding, Kind, Tally, VerificationReport
from rxcandles.integrity.pending import ledger_spans, spans_of
from rxcandles.integrity.scales import scales
from rxcandles.model.rules import value_fault
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, time_text, to_datetime
from rxcandles.model.which import EVERY, Which
from rxcandles.ports import Series
from rxcandles.stores.sql.claiming import has_claims
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sql.conditions import is_span, on_grid_sql, sound_sql
from rxcandles.stores.sql.connection import Found, Sql, has_table
from rxcandles.stores.sql.impossible import has_impossible, impossible_slots, read_impossible
from rxcandles.stores.sql.odd import odd_text, read_names
from rxcandles.stores.sql.sealing import sealed_count
from rxcandles.stores.sql.with_trades import ALL_COLUMNS, has_trades, rows_of
from rxcandles.util.arguments import plain

__all__ = ["Examination", "Stored"]


class Stored(NamedTuple):
    """One series as it is stored in the file."""

    id: int
    series: Series
    proper: Series | None
    """Its proper name; None if no request can have the stored one."""


class Examination:
    """Examines a database through an open transaction, and counts what it has looked at.

    * ``which``: restricts it to these series, however they are spelled in the file.
    * ``now``: UTC seconds; by default this machine's clock.

    :meth:`findings` raises ``SchemaError`` if the file belongs to another program or a newer version, and passes on
    errors of ``sqlite3`` that are not caused by damage.
    """

    def __init__(
        self,
        connection: Sql,
        path: str,
        which: Which = EVERY,
        *,
        now: float | None = None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._which = which
        self._now = now
        self.now = 0.0
        self.series = self.candles = self.spans = self.imported = 0
        self.stored: dict[Series, Stored] = {}
        """The series examined, by their stored names."""

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, series by series; if the file itself is damaged, yield only the damage."""
        try:
            whole = True
            # A server looks after its own files.
            file = self._connection if isinstance(self._connection, sqlite3.Connection) else None
            for kind, detail in damages(file, self._path) if file is not None else ():
                whole = False
                yield _about_file(kind, detail)
            # Read the clock after the snapshot began; otherwise candles stored in between would lie in the future.
            self.now = time.time() if self._now is None else self._now
            if whole and has_table(self._connection, "series"):
                yield from self._contents()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise
            yield _about_file("damaged_file", str(error))

    def report(self, tally: Tally) -> VerificationReport:
        """Return what was examined and what is wrong."""
        return tally.report(
            self._path, series=self.series, candles=self.candles, spans=self.spans, imported=self.imported
        )

    def _contents(self) -> Iterator[Finding]:
        claims = has_claims(self._connection)
        claimed = " OR EXISTS (SELECT 1 FROM claims WHERE series = id)" if claims else ""
        if has_impossible(self._connection):
            claimed += " OR EXISTS (SELECT 1 FROM impossible WHERE series = id)"
        found = self._named(
            "SELECT id, exchange, symbol, timeframe FROM series WHERE EXISTS (SELECT 1 FROM coverage WHERE series = id)"
            f" OR EXISTS (SELECT 1 FROM candles WHERE series = id){claimed} ORDER BY exchange, symbol, timeframe"
        )
        proper = proper_names(series for _, series in found)
        if self._which == EVERY:
            yield from self._orphans(claims)
        for number, series in found:
            stored = Stored(number, series, proper[series])
            if not self._meant(stored):
                continue
            self.stored[series] = stored
            self.series += 1
            self.candles += self._one("SELECT count(*) FROM candles WHERE series = ?", number)[0]
            self.spans += self._one("SELECT count(*) FROM coverage WHERE series = ?", number)[0]
            if stored.proper is None:
                yield _about(series, "unreachable_series", None, None, "no request can have such a name")
            elif stored.proper != series:
                name = " ".join(stored.proper)
                yield _about(series, "alias_series", None, None, f"it is {name}, spelled in another way")
            else:
                yield from self._candles(stored)
                yield from self._ledger(stored)
                yield from self._unfinished(stored)
                if claims:
                    yield from self._claims(stored)
                yield from self._impossible(stored)
                yield from self._scales(stored)
        self.imported = self._imported()

    def _imported(self) -> int:
        """Count the imported candles; a file of an older version has no table for them."""
        if not has_table(self._connection, "imported"):
            return 0
        found = 0
        for number, series in self._named("SELECT id, exchange, symbol, timeframe FROM series"):
            if self._meant(Stored(number, series, series)):
                found += self._one("SELECT count(*) FROM imported WHERE series = ?", number)[0]
        return found

    def _named(self, sql: str) -> list[tuple[int, Series]]:
        return [(number, Series(*map(odd_text, names))) for number, names in read_names(self._connection, sql).found]

    def _meant(self, stored: Stored) -> bool:
        names = stored.proper or stored.series
        return self._which.fits(plain(names.symbol), names.timeframe)

    def _orphans(self, claims: bool) -> Iterator[Finding]:
        for table, what in (("candles", "candles"), ("coverage", "spans"), ("claims", "claims")):
            if table == "claims" and not claims:
                continue
            # Step from key to key: reading every row would take as long as all other checks together.
            for number in self._all(
                f"WITH RECURSIVE keys (key) AS (SELECT min(series) FROM {table} UNION ALL"
                f" SELECT (SELECT min(series) FROM {table} WHERE series > key) FROM keys WHERE key IS NOT NULL)"
                " SELECT key FROM keys WHERE key IS NOT NULL AND key NOT IN (SELECT id FROM series)"
            ):
                rows = self._one(f"SELECT count(*) FROM {table} WHERE series = ?", *number)[0]
                yield _about_file(
                    "orphaned_rows", f"{rows:,} {what} belong to series {number[0]!r}, which is not there"
                )

    def _candles(self, stored: Stored) -> Iterator[Finding]:
        frame = Timeframe.of(stored.series.timeframe)
        current = frame.floor(self.now)
        counted = has_trades(self._connection, stored.id)
        columns = ", ".join(ALL_COLUMNS if counted else COLUMNS)
        for values in self._all(
            f"SELECT {columns} FROM candles WHERE series = ? AND {sound_sql(frame, counted=counted)} IS NOT TRUE"
            " AND (typeof(open_time) <> 'integer' OR open_time < ?) ORDER BY open_time",
            stored.id,
            current,
        ):
            [row] = rows_of([values], counted)
            opened = row.open_time
            fault = value_fault(row) if type(opened) is not int or opened < 0 or frame.on_grid(opened) else None
            if fault is None:
                detail = f"no {frame} candle opens at {time_text(opened)}"
                yield _about(stored.series, "off_grid_candle", opened, opened + 1, detail)
            elif type(opened) is int and opened >= 0:
                yield _about(stored.series, "impossible_candle", opened, frame.shift(opened, 1), fault)
            else:
                yield _about(stored.series, "impossible_candle", None, None, fault)
        count, first, last = self._one(
            "SELECT count(*), min(open_time), max(open_time) FROM candles"
            " WHERE series = ? AND open_time >= ? AND typeof(open_time) = 'integer'",
            stored.id,
            current,
        )
        if count:
            yield _about(stored.series, "future_candles", first, last + 1, f"{count:,} candles {self._not_over}")

    def _ledger(self, stored: Stored) -> Iterator[Finding]:
        frame = Timeframe.of(stored.series.timeframe)
        current = frame.floor(self.now)
        reach = -1
        for start, stop, rows in self._all(
            "SELECT start, stop, rows FROM coverage WHERE series = ? ORDER BY start", stored.id
        ):
            if not is_span(start, stop):
                yield _about(stored.series, "impossible_span", None, None, f"a span from {start!r} to {stop!r}")
                continue
            if (start != BEGINNING and not frame.on_grid(start)) or not frame.on_grid(stop):
                detail = f"from {time_text(start)} to {time_text(stop)}, where no {frame} candle opens"
                yield _about(stored.series, "off_grid_span", start, stop, detail)
            if start <= reach:
                what = "touches" if start == reach else "overlaps"
                detail = f"it {what} one that ends at {time_text(reach)}"
                yield _about(stored.series, "overlapping_spans", start, stop, detail)
            yield from self._unproven(stored, frame, max(reach, 0), min(start, current))
            counted = self._counted(stored, frame, start, stop)[0]
            counted += sealed_count(self._connection, stored.id, start, stop)
            if counted != rows:
                detail = f"{counted:,} candles are stored in it where the ledger says {rows!r}"
                yield _about(stored.series, "wrong_count", start, stop, detail)
            if stop > current:
                yield _about(stored.series, "future_span", start, stop, f"a span with slots {self._not_over}")
            reach = max(reach, stop)
        yield from self._unproven(stored, frame, max(reach, 0), current)

    def _unproven(self, stored: Stored, frame: Timeframe, start: int, stop: int) -> Iterator[Finding]:
        count, first, last = self._counted(stored, frame, start, stop)
        if count:
            detail = f"{count:,} candles lie in no span of the ledger"
            yield _about(stored.series, "unproven_candles", first, frame.shift(last, 1), detail)

    def _unfinished(self, stored: Stored) -> Iterator[Finding]:
        pending = spans_of(self._connection, "unfinished", stored.id)
        impossible = impossible_slots(self._connection, stored.id, Timeframe.of(stored.series.timeframe))
        if pending:
            for start, stop in pending.subtract(ledger_spans(self._connection, stored.id)).subtract(impossible):
                detail = "a repair has taken it out of the ledger and did not fetch it again"
                yield _about(stored.series, "unfinished_repair", start, stop, detail)
        for start, stop in spans_of(self._connection, "questioned", stored.id):
            detail = "a repair was to ask for it anew, as the exchange has something else, and did not"
            yield _about(stored.series, "unfinished_repair", start, stop, detail)

    def _claims(self, stored: Stored) -> Iterator[Finding]:
        frame = Timeframe.of(stored.series.timeframe)
        for kind, span, detail in examine_claims(self._connection, stored.id, frame):
            start, stop = span or (None, None)
            yield _about(stored.series, kind, start, stop, detail)

    def _impossible(self, stored: Stored) -> Iterator[Finding]:
        frame = Timeframe.of(stored.series.timeframe)
        for each in read_impossible(self._connection, stored.id, BEGINNING, END):
            detail = f"not held, as the exchange's candle can't be true: {each.fault}; the next run asks for it again"
            yield _about(stored.series, "impossible_answer", each.open_time, frame.shift(each.open_time, 1), detail)

    def _scales(self, stored: Stored) -> Iterator[Finding]:
        frame = Timeframe.of(stored.series.timeframe)
        for start, before, after, factor in scales(self._connection, stored.id, frame):
            detail = (
                f"prices are {10 ** abs(factor):,} times {'higher' if factor > 0 else 'lower'} from here on, "
                f"{before:,.10g} before and {after:,.10g} after: one part may be from before a redenomination; "
                "compare it with --against-exchange, or ask anew with repair --refetch"
            )
            yield _about(stored.series, "two_scales", start, frame.shift(start, 1), detail)

    def _counted(self, stored: Stored, frame: Timeframe, start: int, stop: int) -> tuple[int, int, int]:
        """Return the number of candles on the grid, and the first and last of them."""
        if start >= stop:
            return (0, 0, 0)
        counted: tuple[int, int, int] = self._one(
            "SELECT count(*), min(open_time), max(open_time) FROM candles"
            f" WHERE series = ? AND open_time >= ? AND open_time < ? AND {on_grid_sql(frame)}",
            stored.id,
            start,
            stop,
        )
        return counted

    @property
    def _not_over(self) -> str:
        return f"that end after now, {time_text(self.now)} by this machine's clock"

    def _all(self, sql: str, *parameters: object) -> Found:
        return self._connection.execute(sql, parameters)

    def _one(self, sql: str, *parameters: object) -> Any:
        return self._all(sql, *parameters).fetchone()


def _about_file(kind: Kind, detail: str) -> Finding:
    return Finding(kind, "", "", "", None, None, detail)


def _about(series: Series, kind: Kind, start: int | None, stop: int | None, detail: str) -> Finding:
    return Finding(kind, *series, start=_moment(start), stop=_moment(stop), detail=detail)


def _moment(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else to_datetime(seconds)
    except (ValueError, OverflowError, OSError):
        return None
