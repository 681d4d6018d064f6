"""Importing candles: read and checked to the end in a file of its own first, then stored in one transaction."""

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
from rxcandles.interchange.reading.clock import Clock
from rxcandles.interchange.reading.columns import check_columns, shape_of
from rxcandles.interchange.reading.encodings import check_encoding
from rxcandles.interchange.reading.gate import Gate
from rxcandles.interchange.reading.source_of import FORMATS, open_source
from rxcandles.interchange.reading.stated import Said, check_said, zone_said
from rxcandles.model.moments import said_zone, zone
from rxcandles.model.naming import NAMED
from rxcandles.model.timeframe import END, Timeframe
from rxcandles.ports import CandleStore
from rxcandles.ports.declared import absent_slot
from rxcandles.stores import SqliteStore, Staging, Taken
from rxcandles.util.arguments import check_choice, check_flag, check_number, check_symbol, refusal
from rxcandles.util.showing import Brief
from rxcandles.util.threads import in_thread

__all__ = ["FORMATS", "ImportReport", "Reading", "import_candles", "read_candles", "sqlite_store"]


@attrs.frozen(repr=False)
class ImportReport(Brief):
    """What an import came to."""

    source: str
    """Path of the file, or what the caller called it."""
    format: str
    """One of ``FORMATS``, or the kind of object it was."""
    rows: int
    """Rows that the source has."""
    new: int
    """Candles stored as imported."""
    same: int
    """Candles that had been imported before, with the same values."""
    replaced: int
    """Candles of an earlier import whose place the new ones took."""
    repeated: int
    """Rows that say the same as one before them."""
    empty: int
    """Rows left out because nobody traded: volume 0, all prices the same."""
    covered: int
    """Candles left out because the exchange was asked about their time, whose word counts."""
    differing: int
    """Those of them that the exchange does not have, or has with other values."""
    zone: str | None = None
    """The zone in which times without one were taken; None where all have their own."""
    encoding: str | None = None
    """The encoding of a text file."""
    notes: tuple[str, ...] = ()
    """What was taken for granted or left out while reading, in sentences."""


@attrs.frozen
class Reading:
    """A source that was read to its end, without fault."""

    symbol: str
    timeframe: Timeframe
    staging: Staging
    format: str
    sha256: str | None
    empty: int
    zone: str | None
    encoding: str | None
    notes: tuple[str, ...]

    async def store(self, store: SqliteStore, *, replace: bool = False) -> ImportReport:
        """Store it in one transaction; see :func:`import_candles`."""
        taken: Taken = await store.take_in(
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
            **taken._asdict(),
        )


def sqlite_store(store: CandleStore) -> SqliteStore:
    """Return ``store``, or raise :class:`RequestError` where it is none that keeps imports."""
    if not isinstance(store, SqliteStore):
        raise refusal("store", store, "give a SqliteStore")
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
    """Import candles from a file, or from lists or a frame in memory, all of them or none; return what became of them.

    They are marked as imported and never taken for proven: the exchange is still asked for what it wasn't asked
    before, and its candles then take the place of these. ``get_candles`` and the like never hand them out;
    ``store.imported`` and ``store.rows_with_imported`` do. The same import again changes nothing.

    ``source`` is one of:

    - the path of a file: CSV, Parquet, feather, JSON (lists as ccxt and Binance have them, or objects as Upbit
      answers) or JSON lines; also packed, as ``.gz`` or as the one file in a ``.zip``;
    - such lists or objects in memory;
    - a DataFrame of pandas or polars, or a table of Arrow.

    ``format`` is one of ``csv parquet feather freqtrade ccxt pyupbit json jsonl``; None goes by name and content.
    ``columns`` maps names of ours to the source's (``{"open_time": "Date"}``), or to numbers from 1 where it has no
    header; ``market`` is the column with the market. Times without a zone are of ``tz``; if that is not given, of the
    zone that a column or its name, the file's name, the tool or a trade's ``timestamp`` says, else the store's ``tz``,
    else that of ``RXCANDLES_TZ``, else UTC: the report says
    which. Where they may well be Korean, that is asked for. ``encoding`` of a text is found if not given. A source that
    says that it is of another market, timeframe or exchange is refused.

    Rows in which nobody traded (no values, or volume 0 and all prices the same, with which freqtrade fills up) are left
    out and counted unless ``keep_empty``, where the exchange has no candle there: Upbit has none, Binance has. Order
    does not matter. What the source does not have of turnover and ``timestamp`` is None. ``now`` is this machine's
    clock if not given.

    Raises ``RequestError``, which names the line or row and its value: for a time off the timeframe's grid, a candle
    that is not over, impossible values, NaN among them, two rows that contradict each other, a row that contradicts an
    earlier import (``replace`` lets it win), the same candles at other hours than those held, times of a longer
    timeframe, columns that aren't there, no rows, what unpacks without bound; ``ExtraMissingError`` where pyarrow is
    needed; ``StoreError``. In memory are a few thousand rows; on disk, in the system's folder for temporary files,
    about 100 bytes a row, and what is unpacked. Others' writes wait while it is stored, about 3 seconds for a million
    candles. When cancelled, it stores nothing, or all of it if it was storing already.

    ::

        report = await import_candles(store, "KRW-BTC", "1m", "btc.csv", tz="KST")
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
    ) as reading:
        return await reading.store(keeper, replace=replace)


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
) -> AsyncIterator[Reading]:
    """Read and check what :func:`import_candles` takes, without a store; it is there for as long as the block runs.

    ``exchange`` is the one whose candles they are to be, ``home`` the zone of times where
    nothing says another; None is that of ``RXCANDLES_TZ``, if it says one.
    """
    symbol = check_symbol(symbol)
    frame = Timeframe.of(timeframe)
    if format is not None:
        check_choice("format", format, FORMATS)
    columns = check_columns(columns)
    given = None if tz is None else zone("tz", tz)
    encoding = check_encoding(encoding)
    check_flag("keep_empty", keep_empty)
    clock = check_number("now", time.time() if now is None else now, 0, END - 1, what="UTC seconds")
    stopped = threading.Event()

    def read(kept: ExitStack) -> Reading:
        notes: list[str] = []

        def check(said: Said, where: str) -> None:
            notes.extend(check_said(said, where, symbol, frame, exchange))

        with open_source(source, format, encoding, columns, symbol, check) as found:
            rows, where = found.rows, found.where
            notes += rows.notes
            for said in rows.said:
                check(said, where)
            shape = shape_of(rows.names, where, columns, symbol, rows.texts)
            zoned = zone_said((*found.said, *rows.said))
            instants = Clock(where, shape, frame, given, zoned, said_zone() if home is None else home)
            kept_empty = keep_empty or _has_empty(exchange, frame)
            gate = Gate(where, rows, shape, instants, symbol, frame, exchange, clock, keep_empty=kept_empty)
            staging = kept.enter_context(Staging(where, rows.word))
            for batch in rows.batches(shape.names, where, shape.asides):
                if stopped.is_set():
                    break
                staging.add(list(gate.rows(batch)))
            if not staging.added and not gate.empty:
                raise RequestError(f"{where} has no rows; there is nothing to import")
            notes += gate.finish()
            staging.finish()
        if instants.zone is not None:
            notes.append(f"times without a zone were taken as {instants.zone}, {instants.why}")
        return Reading(
            symbol=symbol,
            timeframe=frame,
            staging=staging,
            format=found.style,
            sha256=found.sha256,
            empty=gate.empty,
            zone=None if instants.zone is None else str(instants.zone),
            encoding=found.encoding,
            notes=tuple(notes),
        )

    with ExitStack() as kept:
        yield await in_thread(partial(read, kept), stopped.set)


def _has_empty(exchange: str | None, frame: Timeframe) -> bool:
    """Return whether an exchange is known to have candles where nobody traded, which are then no filling."""
    known = (exchange or "").partition("@")[0]
    return known in NAMED and absent_slot(named(known), frame) == "outage"
