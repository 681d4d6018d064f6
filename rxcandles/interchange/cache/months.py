"""Stored candles as record batches: whole months from copies of them, the rest from the database.

A copy is used for a month as long as the month's revision is the one that it was made of (``ports.Month``). The rules
of what is copied:

* A month that is over is copied when all of it is read for the first time.
* A month that is not over, or that had changed since it was read before, is copied when it is read for the second time
  without having changed in between. So a month that changes all the time is not written again and again.
* A month of which less than half is read is not copied. Neither is one with fewer than 500 candles (months of longer
  timeframes than ``60m``, and quiet markets), as reading them from the database takes no longer.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from rxcandles.errors import OddRowError, SealedError, StoreError
from rxcandles.interchange.cache.copies import PART, BadCopyError, CopyWriter, has_parquet, read_copy
from rxcandles.interchange.cache.folder import Folder
from rxcandles.interchange.columns import MICROSECONDS, gathering, record_batches
from rxcandles.model.timeframe import Timeframe
from rxcandles.modes.sequence import PAGE, read_columns
from rxcandles.ports import CachePlace, Month, RowReader
from rxcandles.util.extras import need

if TYPE_CHECKING:
    import pyarrow

__all__ = ["SMALLEST", "stored_batches"]

_log: Final = logging.getLogger("rxcandles.store")

SMALLEST: Final = 500
"""Fewest rows of a copy: it takes 0.3 ms to open, as much as 250 rows take from SQLite."""

_MONTH: Final = Timeframe.of("1M")
_LONGEST: Final = 31 * 86_400


def stored_batches(
    reader: RowReader, schema: pyarrow.Schema, start: int, stop: int, size: int = PART
) -> Iterator[pyarrow.RecordBatch]:
    """Iterate over the rows of ``[start, stop)``, oldest first, in batches of various lengths.

    At most 50,000 rows are in memory at a time; at most ``size``, but at least 1,000, where no copy is read or made.
    """
    size = min(max(size, PAGE), PART)
    place: CachePlace | None = getattr(reader, "cache", None)
    length = 0 if place is None else Timeframe.of(place.series.timeframe).seconds
    if place is not None and 0 < SMALLEST * length <= min(_LONGEST, stop - start) and has_parquet():
        folder = Folder(place, schema.names)
        if folder.usable:
            yield from _Months(reader, schema, folder, size).batches(start, stop)
            return
    yield from _read(reader, schema, start, stop, size)


def _read(reader: RowReader, schema: pyarrow.Schema, start: int, stop: int, size: int) -> Iterator[pyarrow.RecordBatch]:
    """Iterate over rows of the database, ``size`` by one statement; none is open between two batches."""
    arrow: Callable[..., Iterator[pyarrow.RecordBatch] | None] | None = getattr(reader, "arrow", None)
    if arrow is not None and (batches := arrow(schema, start, stop, size)) is not None:
        try:
            for batch in batches:
                yield batch
                start = _opens(batch)[-1] // MICROSECONDS + 1
            return
        except (OddRowError, SealedError):
            raise
        except StoreError as error:  # the way below connects again, and goes on from there
            _log.info("%s; the rest is read page by page", error)
    gathered: Callable[..., pyarrow.RecordBatch | None] | None = getattr(reader, "gathered", None)
    if gathered is None:
        yield from record_batches(read_columns(reader, start, stop), schema, size)
        return
    gather = gathering(schema)
    while start < stop and (batch := gathered(start, stop, size, gather)) is not None:
        start = _opens(batch)[-1] // MICROSECONDS + 1 if batch.num_rows == size else stop
        yield batch


class _Months:
    """Reads a series whose months may be copied."""

    def __init__(self, reader: Any, schema: pyarrow.Schema, folder: Folder, size: int) -> None:
        self._reader = reader
        self._schema = schema
        self._folder = folder
        self._size = size

    def batches(self, start: int, stop: int) -> Iterator[pyarrow.RecordBatch]:
        """Iterate over the rows of ``[start, stop)``."""
        oldest = self._reader.columns(start, stop, 1) if start < stop else []
        if not oldest:
            return
        newest = self._reader.rows(start, stop, "newest_first", 1)
        last = newest[0].open_time if newest else start
        at = _MONTH.floor(oldest[0][0])
        while at <= last:
            [month] = self._reader.months(at, at + 1)
            yield from self._month(month, max(start, month.start), min(stop, month.stop))
            at = month.stop

    def _month(self, month: Month, start: int, stop: int) -> Iterator[pyarrow.RecordBatch]:
        began = start
        for name, total in self._folder.copies(month) if month.revision else ():
            opened = self._folder.opened(name)
            if opened is None:
                continue
            file, size = opened
            try:
                with file:
                    for batch in read_copy(file, size, total, self._schema, self._folder.about(month)):
                        start = max(start, _opens(batch)[-1] // MICROSECONDS + 1)
                        yield from _cut(batch, began, stop)
            except BadCopyError:
                self._folder.remove(name)
                if start > began:  # it was changed while it was read
                    break
            else:
                return
        if start > began or not month.revision or not self._folder.usable or not self._is_most(month, start, stop):
            yield from _read(self._reader, self._schema, start, stop, self._size)
        elif self._is_settled(month, start, stop):
            yield from self._copied(month, start, stop)
        else:
            yield from self._marked(month, start, stop)

    def _is_most(self, month: Month, start: int, stop: int) -> bool:
        """Return whether at least half of the month, as far as it is there, is wanted."""
        return (stop - start) * 2 >= min(month.stop, time.time()) - month.start

    def _is_settled(self, month: Month, start: int, stop: int) -> bool:
        """Return whether it is time to copy the month."""
        if self._folder.seen(month):
            return True
        if month.stop > time.time() or self._folder.was_other(month):
            return False
        outside = (month.start, start), (stop, month.stop)
        return not any(first < last and self._reader.columns(first, last, 1) for first, last in outside)

    def _marked(self, month: Month, start: int, stop: int) -> Iterator[pyarrow.RecordBatch]:
        rows = 0
        for batch in _read(self._reader, self._schema, start, stop, self._size):
            rows += batch.num_rows
            yield batch
        if rows * 2 >= SMALLEST:
            self._folder.mark(month)

    def _copied(self, month: Month, start: int, stop: int) -> Iterator[pyarrow.RecordBatch]:
        """Read all of the month, iterate over the rows of ``[start, stop)``, and copy it if it has not changed."""
        with _Copying(self._folder, self._schema) as copy:
            for batch in _read(self._reader, self._schema, month.start, month.stop, PART):
                copy.add(batch)
                if batch.num_rows < PART:  # the last, after which nobody may ask for more
                    self._finish(copy, month)
                yield from _cut(batch, start, stop)
            self._finish(copy, month)

    def _finish(self, copy: _Copying, month: Month) -> None:
        if copy.is_wanted and self._reader.months(month.start, month.start + 1) == [month]:
            copy.finish(month)


class _Copying(ExitStack):
    """A copy under way. What goes wrong with it is not the reader's concern."""

    def __init__(self, folder: Folder, schema: pyarrow.Schema) -> None:
        super().__init__()
        self._folder = folder
        self._schema = schema
        self._writer: CopyWriter | None = None
        self._name = ""
        self.is_wanted = True
        """Whether it is neither complete nor given up."""
        self._errors = (OSError, need("pyarrow", "arrow").ArrowException, ValueError)

    def add(self, batch: pyarrow.RecordBatch) -> None:
        """Write rows, unless there are too few of them, or no room."""
        if self._writer is None and self.is_wanted:
            self.is_wanted = batch.num_rows >= min(SMALLEST, PART) and self._folder.has_room()
        if not self.is_wanted:
            return
        try:
            if self._writer is None:
                file, self._name = self.enter_context(self._folder.unfinished())
                self._writer = CopyWriter(file, self._schema)
                self.callback(self._end)
            self._writer.add(batch)
        except self._errors as error:
            self._fail(error)

    def finish(self, month: Month) -> None:
        """Let it be the copy of the month; only the first call does something."""
        if self._writer is None or not self.is_wanted:
            return
        self.is_wanted = False
        try:
            self._folder.keep(self._name, month, self._writer.finish(self._folder.about(month)))
        except self._errors as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.is_wanted = False
        self._folder.give_up(error)

    def _end(self) -> None:
        try:
            if self._writer is not None:
                self._writer.close()
        except self._errors as error:
            self._fail(error)


def _opens(batch: pyarrow.RecordBatch) -> Sequence[int]:
    """Return the open times of a batch, in microseconds."""
    column = batch.column(0)
    times = memoryview(column.buffers()[1]).cast("q")
    return times[column.offset : column.offset + len(column)]


def _cut(batch: pyarrow.RecordBatch, start: int, stop: int) -> Iterator[pyarrow.RecordBatch]:
    """Yield the part of a batch that opens in ``[start, stop)``, if there is one."""
    opens = _opens(batch)
    first, last = bisect_left(opens, start * MICROSECONDS), bisect_left(opens, stop * MICROSECONDS)
    if first < last:
        yield batch if last - first == batch.num_rows else batch.slice(first, last - first)
