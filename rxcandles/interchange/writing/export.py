"""Stored candles into files: one, or one a month."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import attrs

from rxcandles.errors import RequestError, UnprovenError
from rxcandles.interchange.tools.shapes import freqtrade_file
from rxcandles.interchange.writing.formats import FORMATS, FileOf, check_installed, write_file
from rxcandles.model import ORDERS, TRADE_FIELDS, span_between
from rxcandles.model.moments import Time, check_instant
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe, plain_time, to_datetime
from rxcandles.modes.sequence import Columns, read_columns
from rxcandles.ports import CandleStore, RowReader, with_imported, zone_of
from rxcandles.stores import SqliteStore
from rxcandles.util.arguments import check_choice, check_flag, check_like, check_path, check_symbol, refusal
from rxcandles.util.files import check_replaceable, replacing
from rxcandles.util.showing import Brief
from rxcandles.util.threads import in_thread
from rxcandles.version import VERSION

__all__ = ["BY", "FORMATS", "Exported", "export_candles", "month_folder"]

BY: Final = ("month",)
"""What a series may be cut into files by."""

_MONTH: Final = Timeframe.of("1M")


@attrs.frozen(repr=False)
class Exported(Brief):
    """What an export came to."""

    paths: tuple[Path, ...]
    """The files written, oldest first; by the month, none for a month without candles."""
    rows: int
    span: Span
    """What was asked for, in UTC seconds."""
    missing: tuple[Span, ...]
    """The spans in it that aren't proven, oldest first: there, candles may exist that the files don't have."""


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
    """Write what is stored of a series into ``path``, oldest first, and return what that came to.

    From ``since`` (a time, or how long before ``to``), included, up to ``to``, excluded; without them from the oldest
    candle on, and up to the end of what is stored or proven. Times
    that name no zone are in the store's ``tz``. The format is that of the path's suffix, or
    ``file_format``: ``parquet`` (zstd), ``feather`` (lz4) and the text of ``csv`` and ``jsonl`` are one file. With
    ``by="month"``, ``path`` is a folder, for ``symbol=…/timeframe=…/2024-01.parquet`` in it (UTC months). With
    ``freqtrade`` it is one too, where freqtrade has its data of an exchange, for ``BTC_KRW-1m.feather``. Parquet and
    feather say what they are under the key ``rxcandles`` of their metadata, as JSON: exchange, symbol, timeframe, the
    span, what of it is proven, version.

    With ``include_imported`` imported candles are written too, from the oldest and up to the newest of either kind;
    a last column, ``proven``, says of each candle whether it is the exchange's. What an import lacks is empty there.

    What is stored but not proven is written too; the spans that aren't proven are ``missing`` in what is returned, or
    an ``UnprovenError`` before anything is written where it must be ``complete``. A file takes its place when it is
    whole, and another's only with ``force``. Runs in a thread and holds 50,000 rows at a time; who is cancelled
    waits until it has stopped, and leaves no part of a file. Raises ``RequestError`` for what can't be meant or where
    no candle is stored, ``ExtraMissingError`` without pyarrow, ``StoreError``, and ``OSError`` where the file can't be
    written: months before that are whole then.
    """
    check_like("store", store, CandleStore)
    symbol, frame = check_symbol(symbol), Timeframe.of(timeframe)
    check_flag("complete", complete)
    check_flag("force", force)
    check_flag("include_imported", include_imported)
    if by is not None:
        if by not in BY:
            raise refusal("by", by, "take 'month', or None for one file")
        if frame.seconds == 0:
            raise refusal("by", by, f"leave it out: a month is not longer than a candle of {frame}")
    kind = _format_of(path, file_format, folder=by is not None)
    if kind == "freqtrade" and include_imported:
        raise refusal("file_format", kind, "take another, it has no column that says which candles are proven")
    check_installed(kind)
    covered = [(each.start, each.stop) for each in await store.coverage(symbol, frame, 0, 10**12)]
    reader = with_imported(store, include_imported).reader(symbol, frame)
    if (
        not include_imported
        and isinstance(store, SqliteStore)
        and not (covered or reader.rows(0, 10**12, "oldest_first", 1))
    ):
        imported = await store.imported_count(symbol, frame, 0, 10**12)
        if imported:
            raise RequestError(
                f"nothing is stored of {symbol} {frame} but {imported:,} imported candles, none of them proven; export"
                " them with include_imported (--imported)"
            )
    span = _span(reader, symbol, frame, since, to, covered, zone_of(store))
    proven = SpanSet(tuple(covered)).intersect(SpanSet((span,)))
    missing = tuple(each for each in SpanSet((span,)).subtract(proven) if frame.slots(*each))
    if missing and complete:
        raise UnprovenError(f"{symbol} {frame} is not complete: {_told(missing)}; collect it, then export it", missing)
    if not reader.columns(*span, 1):
        raise RequestError(f"no candle of {symbol} {frame} is stored from {_until(span)}{_held(reader)}")
    exchange = str(getattr(store, "exchange", ""))
    job = _Job(reader, symbol, frame, kind, exchange, proven, force, include_imported)
    files, stopped = _files(Path(path), symbol, frame, kind, span, by), threading.Event()
    paths, rows = await in_thread(partial(job.run, files, stopped, skip_empty=by is not None), stopped.set)
    return Exported(paths, rows, span, missing)


def _format_of(path: str | Path, file_format: str | None, *, folder: bool) -> str:
    suffix = Path(check_path("path", path)).suffix[1:].lower()
    if (folder or file_format == "freqtrade") and suffix in FORMATS and not Path(path).is_dir():
        raise refusal("path", str(path), "give a folder, the files in it have names of their own")
    if file_format is not None:
        kind = check_choice("file_format", file_format, FORMATS)
        if kind == "freqtrade" and folder:
            raise refusal("file_format", kind, "leave out by (--by): freqtrade has one file for a series")
        return kind
    if folder:
        return "parquet"
    if suffix not in FORMATS or suffix == "freqtrade":
        raise refusal(
            "path", str(path), "give one that ends in .parquet, .feather, .csv or .jsonl, or say the format (--format)"
        )
    return suffix


def _span(
    reader: RowReader,
    symbol: str,
    frame: Timeframe,
    since: Time | timedelta | None,
    to: Time | None,
    covered: list[Span],
    tz: tzinfo | None,
) -> Span:
    """What is asked for; without ends from the oldest candle on, and up to the end of what is stored or proven."""
    page = reader.rows(0, 10**12, "oldest_first", 1)
    if not page and not covered:
        raise RequestError(f"nothing is stored of {symbol} {frame}; collect it first")
    if to is None:
        newest = [row.open_time + 1 for row in reader.rows(0, 10**12, "newest_first", 1)]
        to = to_datetime(max(newest + [stop for _, stop in covered]))
    if isinstance(since, timedelta):
        try:
            since = to_datetime(check_instant("to", to, tz)) - since  # in UTC: clocks may change in between
        except (OverflowError, TypeError):
            raise refusal("since", since, "give a time from 1970 on, or a shorter time before `to`") from None
    if since is None:
        oldest = page[0].open_time if page else min(start for start, _ in covered)
        since = to_datetime(oldest)
    return span_between(frame, tz, since=since, to=to)


def month_folder(path: Path, symbol: str, frame: Timeframe) -> Path:
    """Return where the files of a series are, one a month."""
    return path / f"symbol={quote(symbol, safe='')}" / f"timeframe={frame}"


def _files(path: Path, symbol: str, frame: Timeframe, kind: str, span: Span, by: str | None) -> list[tuple[Path, Span]]:
    """Each file's path, and the span that goes there."""
    if kind == "freqtrade":
        return [(path / freqtrade_file(symbol, frame.name), span)]
    if by is None:
        return [(path, span)]
    folder = month_folder(path, symbol, frame)
    found = []
    start, stop = span
    while start < stop:
        after = min(_MONTH.shift(_MONTH.floor(start), 1), stop)
        found.append((folder / f"{to_datetime(start):%Y-%m}.{kind}", (start, after)))
        start = after
    return found


@attrs.frozen
class _Job:
    """What is written, from where."""

    reader: RowReader
    symbol: str
    frame: Timeframe
    kind: str
    exchange: str
    proven: SpanSet
    force: bool
    marked: bool

    def run(
        self, files: list[tuple[Path, Span]], stopped: threading.Event, *, skip_empty: bool
    ) -> tuple[tuple[Path, ...], int]:
        """Write the files; return which they are and how many candles they have. Runs in a thread."""
        if skip_empty:
            files = [(path, span) for path, span in files if self.reader.columns(*span, 1)]
        if skip_empty or self.kind == "freqtrade":
            for folder in {path.parent for path, _ in files}:
                folder.mkdir(parents=True, exist_ok=True)
        for path, _ in files:
            check_replaceable(path, force=self.force)
        rows = 0
        for path, span in files:
            with replacing(path, force=self.force) as temporary:
                rows += write_file(temporary, self.kind, self._of(span), self._pages(span, stopped))
        return tuple(path for path, _ in files), rows

    def _pages(self, span: Span, stopped: threading.Event) -> Iterator[Columns]:
        for page in read_columns(self.reader, *span):
            if stopped.is_set():
                raise _Stopped
            yield page

    def _of(self, span: Span) -> FileOf:
        proven = self.proven.intersect(SpanSet((span,)))
        about: dict[str, Any] = {
            "exchange": self.exchange,
            "symbol": self.symbol,
            "timeframe": self.frame.name,
            "span": _written(span),
            "proven": [_written(each) for each in proven],
            "version": VERSION,
        }
        fields: tuple[str, ...] = getattr(self.reader, "fields", ())
        return FileOf(self.symbol, self.frame.name, self.marked, TRADE_FIELDS[0] in fields, about)


class _Stopped(Exception):
    """Nobody waits for the files any more."""


def _written(span: Span) -> list[str]:
    return [to_datetime(each).isoformat() for each in span]


def _held(reader: RowReader) -> str:
    """What is stored instead, as the end of an error."""
    ends = [reader.rows(0, 10**12, order, 1) for order in ORDERS]
    times = sorted(row.open_time for page in ends for row in page)
    return f"; what is stored is from {_until((times[0], times[-1]))}" if times else ""


def _until(span: Span) -> str:
    return " to ".join(map(plain_time, span)) + " UTC"


def _told(missing: tuple[Span, ...]) -> str:
    spans = "1 span is" if len(missing) == 1 else f"{len(missing):,} spans are"
    return f"{spans} not proven, the oldest {_until(missing[0])}"
