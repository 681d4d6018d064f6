"""Export stored candles into a file, or into one file a month."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from rxcandles.errors import RequestError, UnprovenError
from rxcandles.interchange.output import Contents
from rxcandles.interchange.tools import ours
from rxcandles.interchange.writing.formats import (
    FORMATS,
    check_installed,
    format_called,
    formats,
    names_files,
    write_file,
)
from rxcandles.model import TRADE_FIELDS, Order, span_between
from rxcandles.model.moments import Time, check_instant
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, plain_time, to_datetime
from rxcandles.modes.sequence import Columns, read_columns
from rxcandles.ports import CandleStore, RowReader, with_imported, zone_of
from rxcandles.stores import SqlStore
from rxcandles.util.arguments import check_choice, check_flag, check_like, check_path, check_symbol, refusal
from rxcandles.util.files import check_replaceable, replacing
from rxcandles.util.showing import Brief
from rxcandles.util.threads import in_thread
from rxcandles.version import VERSION

__all__ = ["BY", "FORMATS", "Exported", "check_output", "export_candles"]

BY: Final = ("month",)
"""How a series may be cut into files."""

_MONTH: Final = Timeframe.of("1M")


@attrs.frozen(repr=False)
class Exported(Brief):
    """The result of an export.

    >>> done = await export_candles(store, "KRW-BTC", "1m", "btc.csv", force=True)
    >>> done.rows, [path.name for path in done.paths]
    (120, ['btc.csv'])
    """

    paths: tuple[Path, ...]
    """The files written, oldest first; a month without candles has no file."""
    rows: int
    span: Span
    """The span asked for, in UTC seconds."""
    missing: tuple[Span, ...]
    """The gaps in it, oldest first: candles may exist there that the files do not have."""


async def export_candles(
    store: CandleStore,
    symbol: str,
    timeframe: str | Timeframe,
    path: str | Path,
    *,
    since: Time | timedelta | None = None,
    to: Time | None = None,
    file_format: str | None = None,
    by: Literal["month"] | None = None,
    complete: bool = False,
    force: bool = False,
    include_imported: bool = False,
) -> Exported:
    """Write the stored candles of a series into a file, oldest first, and return what was written.

    * ``path``: a file, or a folder with ``by`` and for ``freqtrade``, which names its files itself
      (``BTC_KRW-1h.feather``).
    * ``since``, ``to``: the older end, included, and the newer, excluded. ``since`` may also be how long before ``to``.
      By default everything stored or covered. Times that name no zone are in the store's ``tz``.
    * ``file_format``: ``parquet`` (zstd), ``feather`` (lz4), ``csv``, ``jsonl`` or ``freqtrade``; by default the suffix
      of ``path``. Parquet and feather files describe themselves, as JSON under ``rxcandles`` in their metadata:
      exchange, symbol, timeframe, the span, its coverage, and the version.
    * ``by``: ``"month"`` writes a file a month, ``symbol=…/timeframe=…/2024-01.parquet`` (UTC); a month without candles
      has no file.
    * ``complete``: refuse if the span has gaps. By default what is stored is written, and the gaps are ``missing`` in
      the result.
    * ``force``: replace files that are there already.
    * ``include_imported``: write imported candles too. A last column, ``proven``, says which are the exchange's; values
      that an import lacks are empty.

    It runs in a thread; 50,000 rows are in memory at a time. A file takes its place when it is complete. On
    cancellation it waits for the thread and leaves no partial file.

    Raises:

    * ``RequestError`` if an argument is invalid, a file is there already, or no candle of the span is stored.
    * ``UnprovenError`` if the span has gaps and must be ``complete``; nothing is written.
    * ``ExtraMissingError`` if the format needs pyarrow and it is not installed.
    * ``StoreError`` if the database can't be read.
    * ``OSError`` if a file can't be written; files of earlier months are complete.

    >>> done = await export_candles(store, "KRW-BTC", "1m", "btc.csv", since="2024-01-01 01:00", force=True)
    >>> done.rows, done.missing
    (60, ())
    """
    check_like("store", store, CandleStore)
    symbol, frame = check_symbol(symbol), Timeframe.of(timeframe)
    check_flag("complete", complete)
    check_flag("force", force)
    check_flag("include_imported", include_imported)
    _check_by(by, frame)
    kind = _format_of(path, file_format, folder=by is not None)
    if include_imported and not format_called(kind).keeps_proven:
        raise refusal("file_format", kind, "take another, it has no column that says which candles are proven")
    check_installed(kind)
    series = await _Series.of(store, symbol, frame, include_imported=include_imported)
    span = series.span(since, to, zone_of(store))
    missing = series.missing(span)
    if missing and complete:
        raise UnprovenError(
            f"{symbol} {frame} is not complete: {_missing_text(missing)}; collect it, then export it", missing
        )
    if not series.reader.columns(*span, 1):
        raise RequestError(f"no candle of {symbol} {frame} is stored from {_until(span)}{series.ends_text()}")
    writer = _Writer(series, kind, str(getattr(store, "exchange", "")), force, include_imported)
    files, stopped = _files(Path(path), symbol, frame, kind, span, by), threading.Event()
    paths, rows = await in_thread(partial(writer.write, files, stopped, by_month=by is not None), stopped.set)
    return Exported(paths, rows, span, missing)


def _check_by(by: str | None, frame: Timeframe) -> None:
    if by is None:
        return
    if by not in BY:
        raise refusal("by", by, "take 'month', or None for one file")
    if frame.seconds == 0:
        raise refusal("by", by, f"leave it out: a month is not longer than a candle of {frame}")


def check_output(path: str | Path) -> str:
    """Return ``path``; raise :class:`RequestError` if it is no path, and say what writes to a bucket."""
    if str(path).lower().startswith(("s3:/", "s3a:/")):
        raise RequestError(
            "path is an address (s3://…), and an export writes files on this machine; `rxcandles lake sync"
            " s3://BUCKET/PREFIX` keeps Parquet files in a bucket equal to the database"
        )
    return check_path("path", path)


def _format_of(path: str | Path, file_format: str | None, *, folder: bool) -> str:
    suffix = Path(check_output(path)).suffix[1:].lower()
    if (folder or names_files(file_format)) and suffix in formats() and not Path(path).is_dir():
        raise refusal("path", str(path), "give a folder, the files in it have names of their own")
    if file_format is not None:
        kind = check_choice("file_format", file_format, formats())
        if names_files(kind) and folder:
            raise refusal("file_format", kind, f"leave out by (--by): {kind} has one file for a series")
        return kind
    if folder:
        return "parquet"
    if suffix not in formats() or names_files(suffix):
        raise refusal(
            "path", str(path), "give one that ends in .parquet, .feather, .csv or .jsonl, or say the format (--format)"
        )
    return suffix


@attrs.frozen
class _Series:
    """What is stored of a series."""

    reader: RowReader
    symbol: str
    frame: Timeframe
    covered: SpanSet

    @classmethod
    async def of(cls, store: CandleStore, symbol: str, frame: Timeframe, *, include_imported: bool) -> _Series:
        """Look up a series; raise :class:`RequestError` if only imported candles are stored and they are not wanted."""
        covered = [each.span for each in await store.coverage(symbol, frame, BEGINNING, END)]
        series = cls(with_imported(store, include_imported).reader(symbol, frame), symbol, frame, SpanSet(covered))
        is_empty = not covered and series.end("oldest_first") is None
        if is_empty and not include_imported and isinstance(store, SqlStore):
            imported = await store.imported_count(symbol, frame, BEGINNING, END)
            if imported:
                raise RequestError(
                    f"nothing is stored of {symbol} {frame} but {imported:,} imported candles, none of them proven;"
                    " export them with include_imported (--imported)"
                )
        return series

    def end(self, order: Order) -> int | None:
        """Return the open time of the oldest or the newest candle, or None."""
        opens = getattr(self.reader, "opens", None)  # unlike rows, it knows of candles that only a lake has
        if opens is not None and not getattr(self.reader, "marked", False):
            return next(iter(opens(BEGINNING, END, order, 1)), None)
        return next((row.open_time for row in self.reader.rows(BEGINNING, END, order, 1)), None)

    def span(self, since: Time | timedelta | None, to: Time | None, tz: tzinfo | None) -> Span:
        """Return the span asked for; by default everything stored or covered, from the oldest candle on."""
        oldest, newest = self.end("oldest_first"), self.end("newest_first")
        spans = list(self.covered)
        if oldest is None and not spans:
            raise RequestError(f"nothing is stored of {self.symbol} {self.frame}; collect it first")
        if to is None:
            to = to_datetime(max([stop for _, stop in spans] + ([] if newest is None else [newest + 1])))
        if isinstance(since, timedelta):
            try:
                since = to_datetime(check_instant("to", to, tz)) - since  # in UTC: clocks may change between
            except (OverflowError, TypeError):
                raise refusal("since", since, "give a time from 1970 on, or a shorter time before `to`") from None
        if since is None:
            since = to_datetime(spans[0][0] if oldest is None else oldest)
        return span_between(self.frame, tz, since=since, to=to)

    def proven(self, span: Span) -> SpanSet:
        """Return the covered spans within a span."""
        return self.covered.intersect(SpanSet([span]))

    def missing(self, span: Span) -> tuple[Span, ...]:
        """Return the gaps within a span that have a slot, oldest first."""
        gaps = SpanSet([span]).subtract(self.proven(span))
        return tuple(each for each in gaps if self.frame.slots(*each))

    def ends_text(self) -> str:
        """Return what is stored, as the end of an error."""
        oldest, newest = self.end("oldest_first"), self.end("newest_first")
        if oldest is None or newest is None:
            return ""
        return f"; what is stored is from {_until((oldest, newest))}"


def _files(path: Path, symbol: str, frame: Timeframe, kind: str, span: Span, by: str | None) -> list[tuple[Path, Span]]:
    """Yield the path of each file, and the span that it gets."""
    file_name = format_called(kind).file_name
    if file_name is not None:
        return [(path / file_name(symbol, frame.name), span)]
    if by is None:
        return [(path, span)]
    folder = ours.month_folder(path, symbol, frame.name)
    files = []
    start, stop = span
    while start < stop:
        after = min(_MONTH.shift(_MONTH.floor(start), 1), stop)
        files.append((folder / f"{to_datetime(start):%Y-%m}.{kind}", (start, after)))
        start = after
    return files


@attrs.frozen
class _Writer:
    """Writes the files of a series."""

    series: _Series
    kind: str
    exchange: str
    force: bool
    marked: bool

    def write(
        self, files: list[tuple[Path, Span]], stopped: threading.Event, *, by_month: bool
    ) -> tuple[tuple[Path, ...], int]:
        """Write the files, in a thread; return their paths and the number of candles."""
        if by_month:
            files = [(path, span) for path, span in files if self.series.reader.columns(*span, 1)]
        if by_month or names_files(self.kind):
            for folder in {path.parent for path, _ in files}:
                folder.mkdir(parents=True, exist_ok=True)
        for path, _ in files:
            check_replaceable(path, force=self.force)
        rows = 0
        for path, span in files:
            with replacing(path, force=self.force) as temporary:
                rows += write_file(temporary, self.kind, self._contents(span), self._pages(span, stopped))
        return tuple(path for path, _ in files), rows

    def _pages(self, span: Span, stopped: threading.Event) -> Iterator[Columns]:
        for page in read_columns(self.series.reader, *span):
            if stopped.is_set():
                raise _Stopped
            yield page

    def _contents(self, span: Span) -> Contents:
        symbol, timeframe = self.series.symbol, self.series.frame.name
        about: dict[str, Any] = {
            "exchange": self.exchange,
            "symbol": symbol,
            "timeframe": timeframe,
            "span": _iso(span),
            "proven": [_iso(each) for each in self.series.proven(span)],
            "version": VERSION,
        }
        with_trades = TRADE_FIELDS[0] in getattr(self.series.reader, "fields", ())
        return Contents(symbol, timeframe, self.marked, with_trades, about)


class _Stopped(Exception):
    """Raised when nobody waits for the files any more."""


def _iso(span: Span) -> list[str]:
    return [to_datetime(each).isoformat() for each in span]


def _until(span: Span) -> str:
    return " to ".join(map(plain_time, span)) + " UTC"


def _missing_text(missing: tuple[Span, ...]) -> str:
    spans = "1 span is" if len(missing) == 1 else f"{len(missing):,} spans are"
    return f"{spans} not proven, the oldest {_until(missing[0])}"
