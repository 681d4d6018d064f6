"""Importing candles: read and checked to the end in a file of its own first, then stored in one transaction."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs

from rxcandles.arguments import check_choice, check_flag, check_number, check_path, check_symbol, refusal
from rxcandles.errors import RequestError
from rxcandles.importing.checking import Gate
from rxcandles.importing.shapes import FORMATS, check_columns, check_name_of_file, looks_like_pyupbit, shape_of
from rxcandles.importing.sources import CcxtList, Source, csv_source, json_source
from rxcandles.importing.tables import feather_source, frame_source, parquet_source
from rxcandles.importing.times import KST, instants, zone
from rxcandles.ports import CandleStore
from rxcandles.stores import SqliteStore, Staging, Taken
from rxcandles.threads import in_thread
from rxcandles.timeframe import END, Timeframe

__all__ = ["ImportReport", "Reading", "import_candles", "read_candles", "sqlite_store"]

_KINDS: Final[Mapping[str, str]] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet", ".feather": "feather",
    ".arrow": "feather", ".json": "json",
}  # fmt: skip
"""How a file is read, by the end of its name, unless its format says it."""

_BY_SUFFIX: Final = (None, "freqtrade", "pyupbit")
"""Formats that come in files of several kinds."""

_OPENERS: Final[Mapping[str, Callable[[Path, str], AbstractContextManager[Source]]]] = {
    "csv": csv_source,
    "parquet": parquet_source,
    "feather": feather_source,
    "json": json_source,
}


@attrs.frozen
class ImportReport:
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


@attrs.frozen
class Reading:
    """A source that was read to its end, without fault."""

    symbol: str
    timeframe: Timeframe
    staging: Staging
    format: str
    sha256: str | None
    empty: int

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
    keep_empty: bool = False,
    replace: bool = False,
    now: float | None = None,
) -> ImportReport:
    """Import candles from a file, or from lists or a frame in memory, all of them or none; return what became of them.

    They are marked as imported and never taken for proven: the exchange is still asked for what it wasn't asked
    before, and its candles then take the place of these. ``get_candles`` and the like never hand them out;
    ``store.imported`` and ``store.rows_with_imported`` do. The same import again changes nothing.

    ``source`` is the path of a file, what ccxt's ``fetch_ohlcv`` returns, or a DataFrame of pandas or polars or a
    table of Arrow. ``format`` is one of ``csv``, ``parquet``, ``feather``, ``freqtrade``, ``ccxt`` (JSON) and
    ``pyupbit``; None goes by the file's name and columns. ``columns`` maps names of ours to the source's
    (``{"open_time": "Date"}``), where they aren't the usual ones. Times without a zone are of ``tz``, UTC if that is
    not given either, and in pyupbit's shape (an index without a name, a column ``value``) Korean. Rows in which nobody
    traded (volume 0, all prices the same, with which freqtrade fills up) are left out and counted unless
    ``keep_empty``: this exchange has no candle there. Order does not matter. What the source does not have of turnover
    and ``timestamp`` is None. ``now`` is this machine's clock if not given.

    Raises ``RequestError``, which names the line or row and its value: for a time off the timeframe's grid, a candle
    that is not over, impossible values, NaN among them, two rows that contradict each other, a row that contradicts an
    earlier import (``replace`` lets it win), columns that aren't there, no rows; ``ExtraMissingError`` where pyarrow
    is needed; ``StoreError``. In memory are a few thousand rows; on disk, in the system's folder for temporary files,
    about 100 bytes a row. Others' writes wait while it is stored, about 3 seconds for a million candles. When
    cancelled, it stores nothing, or all of it if it was storing already.
    """
    keeper = sqlite_store(store)
    check_flag("replace", replace)
    async with read_candles(
        symbol, timeframe, source, format=format, columns=columns, tz=tz, keep_empty=keep_empty, now=now
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
    keep_empty: bool = False,
    now: float | None = None,
) -> AsyncIterator[Reading]:
    """Read and check what :func:`import_candles` takes, without a store; it is there for as long as the block runs."""
    symbol = check_symbol(symbol)
    frame = Timeframe.of(timeframe)
    if format is not None:
        check_choice("format", format, FORMATS)
    columns = check_columns(columns)
    without = None if tz is None else zone("tz", tz)
    check_flag("keep_empty", keep_empty)
    clock = check_number("now", time.time() if now is None else now, 0, END - 1, what="UTC seconds")
    stopped = threading.Event()

    def read(kept: ExitStack) -> Reading:
        with _opened(source, format, symbol, frame) as (rows, where, style, sha256):
            shape = shape_of(rows.names, where, columns, style)
            wanted = shape.names if shape.market is None else (*shape.names, shape.market)
            instant = instants(without or (KST if style == "pyupbit" else UTC), milliseconds=isinstance(rows, CcxtList))
            gate = Gate(where, rows.word, shape, instant, symbol, frame, clock, keep_empty=keep_empty)
            staging = kept.enter_context(Staging(where, rows.word))
            for batch in rows.batches(wanted, where):
                if stopped.is_set():
                    break
                staging.add(list(gate.rows(batch)))
            if not staging.added and not gate.empty:
                raise RequestError(f"{where} has no rows; there is nothing to import")
            staging.finish()
        return Reading(symbol, frame, staging, style, sha256, gate.empty)

    with ExitStack() as kept:
        yield await in_thread(partial(read, kept), stopped.set)


@contextmanager
def _opened(
    source: Any, style: str | None, symbol: str, timeframe: Timeframe
) -> Iterator[tuple[Source, str, str, str | None]]:
    """Open a source: what it is, what errors call it, its format, and the hash of a file."""
    if not isinstance(source, str | Path):
        if rows := frame_source(source):
            yield rows, "the frame", style or ("pyupbit" if looks_like_pyupbit(rows.names) else "frame"), None
        elif isinstance(source, list | tuple):
            yield CcxtList(source), "the list", check_choice("format", style or "ccxt", ("ccxt",)), None
        else:
            raise refusal("source", source, "give the path of a file, lists as ccxt returns them, or a DataFrame")
        return
    where = check_path("source", source)
    path = Path(where)
    if not path.is_file():
        raise RequestError(f"there is no file {where!r}; name the one that is to be imported")
    kind = _KINDS.get(path.suffix.lower()) if style in _BY_SUFFIX else "json" if style == "ccxt" else style
    if kind is None:
        raise RequestError(f"{where}: its name does not say what it is; end it with one of {' '.join(_KINDS)}")
    if check_name_of_file(path.name, symbol, timeframe):
        style = style or "freqtrade"
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with _OPENERS[kind](path, where) as rows:
            guess = "pyupbit" if looks_like_pyupbit(rows.names) else {"json": "ccxt"}.get(kind, kind)
            yield rows, where, style or guess, sha256
    except OSError as error:
        raise RequestError(f"{where} can't be read: {error.strerror or error}. Nothing was imported") from error
