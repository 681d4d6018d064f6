"""Import candles: read and check a whole source into a temporary file, then store it in one transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from datetime import tzinfo
from functools import partial
from typing import Any

import attrs

from rxcandles.errors import RequestError
from rxcandles.exchanges import named
from rxcandles.interchange.reading.check_rows import RowChecker
from rxcandles.interchange.reading.encodings import check_encoding
from rxcandles.interchange.reading.find_columns import check_columns, find_columns
from rxcandles.interchange.reading.open_source import FORMATS, formats, open_source
from rxcandles.interchange.reading.open_times import OpenTimes
from rxcandles.interchange.vocabulary.statements import Statement, check_statement, zone_stated
from rxcandles.model.moments import said_zone, zone
from rxcandles.model.naming import NAMED
from rxcandles.model.timeframe import END, Timeframe
from rxcandles.ports import CandleStore
from rxcandles.ports.declared import absent_slot
from rxcandles.stores import SqlStore, Staging, Taken
from rxcandles.util.arguments import check_choice, check_flag, check_number, check_symbol, refusal
from rxcandles.util.showing import Brief
from rxcandles.util.threads import in_thread

__all__ = ["FORMATS", "CheckedSource", "ImportReport", "import_candles", "read_candles", "sqlite_store"]


@attrs.frozen(repr=False)
class ImportReport(Brief):
    """The result of an import.

    >>> report = await import_candles(store, "KRW-BTC", "1m", "btc.csv")
    >>> report.rows, report.new, report.covered
    (60, 60, 0)
    """

    source: str
    """Path of the file, or the name that the caller gave."""
    format: str
    """One of ``FORMATS``, or the kind of object."""
    rows: int
    """Rows of the source."""
    new: int
    """Candles stored as imported."""
    same: int
    """Candles that were imported before with the same values."""
    replaced: int
    """Candles of an earlier import that were replaced."""
    repeated: int
    """Rows that repeat an earlier row."""
    empty: int
    """Rows left out because nobody traded: volume 0, all prices the same."""
    covered: int
    """Candles left out because the exchange has answered for their slots."""
    differing: int
    """Candles of ``covered`` that the exchange does not have, or has with other values."""
    zone: str | None = None
    """The zone in which times without one were read; None if all have their own."""
    encoding: str | None = None
    """The encoding of a text file."""
    notes: tuple[str, ...] = ()
    """Assumptions and omissions of the reading, in sentences."""


@attrs.frozen
class CheckedSource:
    """A source that was read completely without a fault, and can be stored."""

    symbol: str
    timeframe: Timeframe
    staging: Staging
    format: str
    sha256: str | None
    empty: int
    zone: str | None
    encoding: str | None
    notes: tuple[str, ...]

    async def store(self, store: SqlStore, *, replace: bool = False) -> ImportReport:
        """Store it in one transaction; see :func:`import_candles`."""
        counts: Taken = await store.take_in(
            self.symbol, self.timeframe, self.staging, self.format, self.sha256, replace=replace
        )
        return ImportReport(
            source=self.staging.name,
            format=self.format,
            rows=self.staging.added + self.empty,
            empty=self.empty,
            zone=self.zone,
            encoding=self.encoding,
            notes=self.notes,
            **counts._asdict(),
        )


def sqlite_store(store: CandleStore) -> SqlStore:
    """Return ``store``; raise :class:`RequestError` if it can't keep imports."""
    if not isinstance(store, SqlStore):
        raise refusal("store", store, "give a SqliteStore or a PostgresStore")
    return store


async def import_candles(
    store: CandleStore,
    symbol: str,
    timeframe: str | Timeframe,
    source: Any,
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    tz: str | tzinfo | None = None,
    encoding: str | None = None,
    keep_empty: bool = False,
    replace: bool = False,
    now: float | None = None,
) -> ImportReport:
    """Import candles from a file or from memory, all of them or none, and return what became of them.

    Imported candles are marked and never cover their slots: a collection still asks the exchange for these, and its
    candles replace them. ``get_candles`` and the like never return them; ``store.imported`` and
    ``store.rows_with_imported`` do. The same import again changes nothing.

    * ``source``: the path of a file (CSV, Parquet, feather, JSON or JSON lines, also in a ``.gz`` or as the one file in
      a ``.zip``), a list of lists as ccxt and Binance return them, a list of objects as Upbit does, or a frame of
      pandas, polars or Arrow. Rows may come in any order.
    * ``format``: one of ``csv parquet feather freqtrade ccxt pyupbit json jsonl``; by default found by the name and the
      content.
    * ``columns``: our names of columns and the source's, ``{"open_time": "Date"}``, or their numbers from 1 if it has
      no header; ``market`` is the column with the market. ``turnover`` and ``timestamp`` may be missing.
    * ``tz``: the zone of times that name none. By default it is what the source states (in a column, the file's name, a
      trade's ``timestamp``, or by its tool), else the store's ``tz``, else ``RXCANDLES_TZ``, else UTC; the report says
      which. Without ``tz``, a source whose times are likely to be Korean is refused.
    * ``encoding``: of a text; found by default.
    * ``keep_empty``: keep rows in which nobody traded (no values, or volume 0 and all prices equal), as freqtrade adds
      them. By default they are left out and counted, since the exchange has none of them.
    * ``replace``: overwrite candles of earlier imports that have other values.
    * ``now``: UTC seconds; this machine's clock by default.

    A few thousand rows are in memory. Meanwhile the folder for temporary files holds about 100 bytes a row, and what is
    unpacked. While candles are stored, other writers wait: about 3 seconds for a million. When cancelled, it stores
    nothing, or everything if it was storing already.

    Raises:

    * ``RequestError`` if an argument is invalid, or if the source can't be imported. The message names the line or row
      and its value: a time off the grid of the timeframe, a forming candle, impossible values, rows or earlier imports
      that contradict one another, another market, timeframe or exchange, times at other hours than the stored ones,
      missing columns, no rows, a file that unpacks without bound.
    * ``ExtraMissingError`` if the source needs pyarrow and it is not installed.
    * ``StoreError`` if the database can't be read or written.

    >>> report = await import_candles(store, "KRW-BTC", "1m", "btc.csv")
    >>> report.new, report.format
    (60, 'csv')
    """
    keeper = sqlite_store(store)
    check_flag("replace", replace)
    async with read_candles(
        symbol,
        timeframe,
        source,
        format=format,
        columns=columns,
        tz=tz,
        encoding=encoding,
        keep_empty=keep_empty,
        now=now,
        exchange=keeper.exchange,
        home=keeper.tz,
    ) as checked:
        return await checked.store(keeper, replace=replace)


@asynccontextmanager
async def read_candles(
    symbol: str,
    timeframe: str | Timeframe,
    source: Any,
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    tz: str | tzinfo | None = None,
    encoding: str | None = None,
    keep_empty: bool = False,
    now: float | None = None,
    exchange: str | None = None,
    home: tzinfo | None = None,
) -> AsyncIterator[CheckedSource]:
    """Read and check a source for :func:`import_candles`, without a store; the result is valid within the block.

    * ``exchange``: the exchange whose candles they must be.
    * ``home``: the zone of times for which nothing names another; None means ``RXCANDLES_TZ``, if it is set.
    """
    symbol = check_symbol(symbol)
    frame = Timeframe.of(timeframe)
    if format is not None:
        check_choice("format", format, formats())
    wanted = _Wanted(
        symbol=symbol,
        frame=frame,
        format=format,
        columns=check_columns(columns),
        tz=None if tz is None else zone("tz", tz),
        encoding=check_encoding(encoding),
        keep_empty=check_flag("keep_empty", keep_empty),
        now=check_number("now", time.time() if now is None else now, 0, END - 1, what="UTC seconds"),
        exchange=exchange,
        home=said_zone() if home is None else home,
    )
    stopped = threading.Event()
    with ExitStack() as kept:
        yield await in_thread(partial(_read, source, wanted, kept, stopped), stopped.set)


@attrs.frozen
class _Wanted:
    """How a source is to be read; see :func:`read_candles`."""

    symbol: str
    frame: Timeframe
    format: str | None
    columns: Mapping[str, str]
    tz: tzinfo | None
    encoding: str | None
    keep_empty: bool
    now: float
    exchange: str | None
    home: tzinfo | None


def _read(source: Any, wanted: _Wanted, kept: ExitStack, stopped: threading.Event) -> CheckedSource:
    """Read a source completely, in a thread; ``kept`` keeps what it needs afterwards."""
    notes: list[str] = []

    def check(statement: Statement, where: str) -> None:
        notes.extend(check_statement(statement, where, wanted.symbol, wanted.frame, wanted.exchange))

    with open_source(source, wanted.format, wanted.encoding, wanted.columns, wanted.symbol, check) as opened:
        rows, where = opened.rows, opened.where
        notes += rows.notes
        for statement in rows.statements:
            check(statement, where)
        columns = find_columns(rows.names, where, wanted.columns, wanted.symbol, rows.texts)
        zoned = zone_stated((*opened.statements, *rows.statements))
        times = OpenTimes(where, columns, wanted.frame, wanted.tz, zoned, wanted.home)
        checker = RowChecker(
            where, rows, columns, times, wanted.symbol, wanted.frame, wanted.exchange, wanted.now,
            keep_empty=wanted.keep_empty or _has_empty(wanted.exchange, wanted.frame),
        )  # fmt: skip
        # A file's name may be no text that a database can keep.
        told = where.encode("utf-8", "backslashreplace").decode()
        staging = kept.enter_context(Staging(told, rows.word))
        for batch in rows.batches(columns.names, where, columns.others):
            if stopped.is_set():
                break
            staging.add(list(checker.rows(batch)))
        if not staging.added and not checker.empty:
            raise RequestError(f"{where} has no rows; there is nothing to import")
        notes += checker.finish()
        staging.finish()
    if times.zone is not None:
        notes.append(f"times without a zone were taken as {times.zone}, {times.why}")
    return CheckedSource(
        symbol=wanted.symbol,
        timeframe=wanted.frame,
        staging=staging,
        format=opened.format,
        sha256=opened.sha256,
        empty=checker.empty,
        zone=None if times.zone is None else str(times.zone),
        encoding=opened.encoding,
        notes=tuple(notes),
    )


def _has_empty(exchange: str | None, frame: Timeframe) -> bool:
    """Return whether an exchange is known to have candles without a trade; then these are not filled in."""
    known = (exchange or "").partition("@")[0]
    return known in NAMED and absent_slot(named(known), frame) == "outage"
