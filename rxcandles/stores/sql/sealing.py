"""Sealed months: their candles have left the database, and a lake has them; the coverage stays as it was.

Of each sealed month the database keeps which slots have a candle, so counts and open times are exact without the
candles. Whatever would need the candles themselves raises :class:`SealedError`. The table is made with the first seal;
it runs in the thread of the store's connection.
"""

from __future__ import annotations

import shlex
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import attrs

from rxcandles.errors import SealedError, StoreError
from rxcandles.model import Order, Row
from rxcandles.model.claims import Absence
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import to_datetime
from rxcandles.ports import Sealed
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sql.connection import Sql, has_table, make_table
from rxcandles.stores.sql.months import read_months, touch
from rxcandles.stores.sql.transaction import transaction
from rxcandles.stores.sql.with_trades import ALL_COLUMNS, has_trades, with_trades

__all__ = [
    "SEALED_COLUMNS",
    "check_unsealed",
    "counted_in",
    "make_sealed",
    "nth_newest_in",
    "opens_in",
    "read_sealed",
    "read_unsealed",
    "seal_month",
    "sealed_count",
    "sealed_spans",
    "unseal_month",
    "unsealed_pages",
    "unsealed_part",
]

SEALED_COLUMNS: Final = (
    "start", "stop", "step", "rows", "revision", "sha256", "place", "sealed_at", "slots",
)  # fmt: skip
"""The columns of the table, without the series."""
_MAKE: Final = (
    "CREATE TABLE sealed (series INTEGER NOT NULL REFERENCES series (id), start INTEGER NOT NULL,"
    " stop INTEGER NOT NULL CHECK (stop > start), step INTEGER NOT NULL, rows INTEGER NOT NULL CHECK (rows >= 0),"
    " revision INTEGER NOT NULL, sha256 TEXT NOT NULL, place TEXT NOT NULL, sealed_at INTEGER NOT NULL,"
    " slots BLOB NOT NULL, PRIMARY KEY (series, start)) WITHOUT ROWID"
)
_WITHIN: Final = "FROM sealed WHERE series = ? AND start < ? AND stop > ?"
_READ: Final = f"SELECT start, stop, rows, revision, sha256, place, sealed_at {_WITHIN} ORDER BY start"
_ADD: Final = f"INSERT INTO sealed (series, {', '.join(SEALED_COLUMNS)}) VALUES (?{', ?' * len(SEALED_COLUMNS)})"
_OF_SERIES: Final = "FROM candles WHERE series = ? AND open_time >= ? AND open_time < ?"
_COVERED: Final = "SELECT count(*) FROM coverage WHERE series = ? AND start <= ? AND stop >= ?"
_DOUBTED: Final = "SELECT count(*) FROM claims WHERE series = ? AND start < ? AND stop > ?"


def make_sealed(connection: Sql) -> None:
    """Make the table, if it is not there."""
    make_table(connection, "sealed", _MAKE)


def read_sealed(connection: Sql, series: int, start: int, stop: int) -> list[Sealed]:
    """Return the sealed months of a series that overlap ``[start, stop)``, oldest first."""
    if start >= stop or not has_table(connection, "sealed"):
        return []
    return [Sealed(*row) for row in connection.execute(_READ, (series, stop, start)).fetchall()]


def sealed_spans(connection: Sql, series: int, start: int, stop: int) -> SpanSet:
    """Return the spans of those months, whole."""
    return SpanSet(tuple((each.start, each.stop) for each in read_sealed(connection, series, start, stop)))


# Reading


def read_unsealed(
    connection: Sql, series: int, start: int, stop: int, order: Order, limit: int, sql: str, parameters: Sequence[Any]
) -> list[Any]:
    """Return the rows of a statement that reads up to ``limit`` candles of ``[start, stop)`` in ``order``.

    Raise ``SealedError`` if some of those that it should find are in a lake.
    """
    # Look before, too: a month that comes back while this reads would be missed.
    before = read_sealed(connection, series, start, stop)
    found = connection.execute(sql, parameters).fetchall()
    _check_read(connection, series, before, _traversed(start, stop, order, limit, len(found), found[-1:]))
    return found


def unsealed_pages(
    connection: Sql, series: int, start: int, stop: int, limit: int, sql: str, parameters: Sequence[Any], size: int
) -> Iterator[list[Any]]:
    """Yield the rows of a statement that reads the oldest ``limit`` candles of ``[start, stop)``, ``size`` at a time.

    Raise ``SealedError`` at the end if some of those that it should find are in a lake.
    """
    before = read_sealed(connection, series, start, stop)
    found, number, last = iter(connection.execute(sql, parameters)), 0, list[Any]()
    while (page := [list(islice(found, size))])[0]:
        number, last = number + len(page[0]), page[0][-1:]
        yield page.pop()  # held here, too, it would be in memory while the next one is read
    _check_read(connection, series, before, _traversed(start, stop, "oldest_first", limit, number, last))


def _check_read(connection: Sql, series: int, before: Sequence[Sealed], part: Span) -> None:
    first, last = part
    lacking = [
        each
        for each in [*before, *read_sealed(connection, series, first, last)]
        if each.rows and each.start < last and first < each.stop
    ]
    if lacking:
        raise _sealed_error(connection, series, lacking)


def check_unsealed(connection: Sql, series: int, start: int, stop: int) -> None:
    """Raise ``SealedError`` if candles of ``[start, stop)`` are not in the database but in a lake."""
    found = [each for each in read_sealed(connection, series, start, stop) if each.rows]
    if found:
        raise _sealed_error(connection, series, found)


def _sealed_error(connection: Sql, series: int, found: Sequence[Sealed]) -> SealedError:
    names = connection.execute("SELECT symbol, timeframe FROM series WHERE id = ?", (series,)).fetchone()
    named, place, quoted = " ".join(map(str, names)), found[0].place, shlex.quote(found[0].place)
    first, last = (f"{to_datetime(each(one.start for one in found)):%Y-%m}" for each in (min, max))
    months = first if first == last else f"{first} to {last}"
    return SealedError(
        f"the candles of {named} of {months} are sealed: only the lake at {place} has them; read them there, begin"
        f" later, or bring them back with `rxcandles lake unseal {quoted} {named}`"
    )


def _traversed(start: int, stop: int, order: Order, limit: int, number: int, last: Sequence[Sequence[Any]]) -> Span:
    """Return the part of ``[start, stop)`` that a read of ``limit`` rows has looked at to find so many, to the last."""
    if not limit or number < limit or type(last[0][0]) is not int:
        return (start, stop if limit else start)
    return (start, last[0][0] + 1) if order == "oldest_first" else (last[0][0], stop)


def counted_in(connection: Sql, series: int, start: int, stop: int) -> int:
    """Count the candles of ``[start, stop)``, those of sealed months among them."""
    count = int(connection.execute(f"SELECT count(*) {_OF_SERIES}", (series, start, stop)).fetchone()[0])
    return count + sealed_count(connection, series, start, stop)


def sealed_count(connection: Sql, series: int, start: int, stop: int) -> int:
    """Count the candles of ``[start, stop)`` that are sealed."""
    count = 0
    for each in read_sealed(connection, series, start, stop):
        inside = start <= each.start and each.stop <= stop
        count += each.rows if inside else _slots(connection, series, each).count(start, stop)
    return count


def nth_newest_in(connection: Sql, series: int, start: int, stop: int, nth: int) -> int | None:
    """Return the open time of the ``nth`` newest candle (from 1) of ``[start, stop)``, sealed or not; None if fewer."""
    found = read_sealed(connection, series, start, stop)
    sql = f"SELECT open_time {_OF_SERIES} ORDER BY open_time DESC LIMIT 1 OFFSET ?"
    for first, last, sealed in reversed(_parts(found, start, stop)):
        if sealed is not None:
            inside = _slots(connection, series, sealed)
            number = inside.count(first, last)
            if nth <= number:
                return inside.opens(first, last)[-nth]
        else:
            row = connection.execute(sql, (series, first, last, nth - 1)).fetchone()
            if row is not None:
                return int(row[0])
            number = counted_in(connection, series, first, last) if found else 0
        nth -= number
    return None


def opens_in(connection: Sql, series: int, start: int, stop: int, order: Order, limit: int) -> list[int]:
    """Return the open times of up to ``limit`` candles of ``[start, stop)`` in ``order``, sealed or not."""
    newest_first = order == "newest_first"
    sql = f"SELECT open_time {_OF_SERIES} ORDER BY open_time {'DESC' if newest_first else 'ASC'} LIMIT ?"
    opens: list[int] = []
    parts = _parts(read_sealed(connection, series, start, stop), start, stop)
    for first, last, sealed in reversed(parts) if newest_first else parts:
        if len(opens) >= limit:
            break
        if sealed is None:
            opens += [row[0] for row in connection.execute(sql, (series, first, last, limit - len(opens))).fetchall()]
        else:
            inside = _slots(connection, series, sealed).opens(first, last)
            opens += (inside[::-1] if newest_first else inside)[: limit - len(opens)]
    return opens


def _parts(found: Sequence[Sealed], start: int, stop: int) -> list[tuple[int, int, Sealed | None]]:
    """Return ``[start, stop)`` cut at the sealed months, oldest first."""
    parts: list[tuple[int, int, Sealed | None]] = []
    for each in found:
        if start < each.start:
            parts.append((start, each.start, None))
        start = max(start, each.start)
        parts.append((start, min(each.stop, stop), each))
        start = each.stop
    if start < stop:
        parts.append((start, stop, None))
    return parts


@attrs.frozen
class _Slots:
    """Which slots of a month have a candle: a bit each."""

    start: int
    step: int
    bits: bytes

    def _ends(self, start: int, stop: int) -> Span:
        first, last = (-((self.start - each) // self.step) for each in (start, stop))
        return max(0, first), min(len(self.bits) * 8, last)

    def count(self, start: int, stop: int) -> int:
        first, last = self._ends(start, stop)
        if first >= last:
            return 0
        return ((int.from_bytes(self.bits, "little") >> first) & ((1 << (last - first)) - 1)).bit_count()

    def opens(self, start: int, stop: int) -> list[int]:
        bits = self.bits
        return [self.start + at * self.step for at in range(*self._ends(start, stop)) if bits[at >> 3] >> (at & 7) & 1]


def _slots(connection: Sql, series: int, sealed: Sealed) -> _Slots:
    sql = "SELECT step, slots FROM sealed WHERE series = ? AND start = ?"
    step, slots = connection.execute(sql, (series, sealed.start)).fetchone()
    try:
        return _Slots(sealed.start, step, zlib.decompress(slots))
    except (zlib.error, TypeError) as error:
        raise StoreError(f"what is kept of the sealed month {to_datetime(sealed.start):%Y-%m} is damaged") from error


def _packed(opens: Iterable[int], start: int, stop: int, step: int) -> tuple[bytes, int]:
    """Return these slots of a month, and their number."""
    bits, number = bytearray(((stop - start) // step + 7) // 8), 0
    for opened in opens:
        at, rest = divmod(opened - start, step)
        if rest:
            raise StoreError(f"a candle opens at {opened}, where no slot is; run `rxcandles verify`")
        bits[at >> 3] |= 1 << (at & 7)
        number += 1
    return bytes(bits), number


# Writing


def unsealed_part(
    sealed: SpanSet,
    rows: Sequence[Row],
    absences: Sequence[Absence],
    gone: Sequence[int] | None,
    impossible: Mapping[int, str] | None,
) -> tuple[Sequence[Row], Sequence[Absence], Sequence[int] | None, Mapping[int, str] | None]:
    """Return what of a page is not about sealed months: those stay as they are, whatever an answer says."""
    return (
        [row for row in rows if row[0] not in sealed],
        [each for each in absences if not sealed.intersect(SpanSet(((each.start, each.stop),)))],
        None if gone is None else [opened for opened in gone if opened not in sealed],
        None if impossible is None else {opened: why for opened, why in impossible.items() if opened not in sealed},
    )


def seal_month(
    connection: Sql, series: int, month: Span, step: int, revision: int, rows: int, sha256: str, place: str
) -> str | None:
    """Delete the candles of a month, which a file of the lake at ``place`` has; return why not if that can't be.

    * ``step``: the seconds of the timeframe.
    * ``revision``, ``rows``: of the candles that were compared with the file; if others have come since, nothing is
      done.
    """
    start, stop = month
    with transaction(connection, series):
        [now] = read_months(connection, series, start, start + 1)
        if now.revision != revision:
            return "its candles have changed meanwhile; sync, then seal again"
        if not connection.execute(_COVERED, (series, start, stop)).fetchone()[0]:
            return "it has gaps"
        if connection.execute(_DOUBTED, (series, stop, start)).fetchone()[0]:
            return "a part of it is provisional; collect it again"
        opens = connection.execute(f"SELECT open_time {_OF_SERIES} ORDER BY open_time", (series, start, stop))
        bits, number = _packed((opened for (opened,) in opens), start, stop, step)
        if number != rows:
            return f"it has {number:,} candles, and the file {rows:,}"
        make_sealed(connection)
        slots, at = zlib.compress(bits, 9), int(time.time())
        connection.execute(_ADD, (series, start, stop, step, rows, revision, sha256, place, at, slots))
        connection.execute(f"DELETE {_OF_SERIES}", (series, start, stop))
        touch(connection, series, [start])
    return None


def unseal_month(connection: Sql, series: int, start: int, pages: Callable[[], Iterator[Sequence[Row]]]) -> int:
    """Store the candles of a sealed month again, oldest first, all or nothing; return their number.

    Raise ``StoreError`` if they are not those that were sealed.
    """
    with transaction(connection, series):
        found = [each for each in read_sealed(connection, series, start, start + 1) if each.start == start]
        if not found:
            return 0
        [sealed] = found
        counted = has_trades(connection, series)
        columns = ALL_COLUMNS if counted else COLUMNS
        sql = f"INSERT INTO candles (series, {', '.join(columns)}) VALUES (?{', ?' * len(columns)})"
        for page in pages():
            rows: Sequence[Row] = with_trades(page) if counted else page
            connection.executemany(sql, [(series, *row) for row in rows])
        inside = _slots(connection, series, sealed)
        opens = connection.execute(f"SELECT open_time {_OF_SERIES}", (series, start, sealed.stop)).fetchall()
        bits, number = _packed((opened for (opened,) in opens), start, sealed.stop, inside.step)
        if number != sealed.rows or bits != inside.bits:
            raise StoreError(f"the file has {number:,} candles, which are not the {sealed.rows:,} that were sealed")
        connection.execute("DELETE FROM sealed WHERE series = ? AND start = ?", (series, start))
        touch(connection, series, [start])
    return sealed.rows
