"""Candles as data frames of pandas, polars and Arrow.

They are oldest first, whatever the order of the candles, with times in UTC. Stored candles go from the database's rows
straight into columns, so a million candles take little longer than reading them; and whole months that have not changed
come from copies of them (``cache.months``), as fast as from a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from rxcandles.interchange.cache.months import stored_batches
from rxcandles.interchange.columns import column_names, columns_of, record_batches, regrouped, schema_of
from rxcandles.interchange.filling import can_fill, filled_frame
from rxcandles.model import CandleData
from rxcandles.modes.sequence import CandleSequence
from rxcandles.util.arguments import check_choice, check_count
from rxcandles.util.extras import need

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__all__ = ["BATCH", "in_batches", "to_arrow", "to_pandas", "to_polars"]

BATCH = 100_000
"""Rows of a batch: 6.4 MB."""


def to_arrow(candles: Sequence[CandleData]) -> pyarrow.Table:
    """Return the candles of one series as an Arrow table, oldest first.

    ``open_time`` is ``timestamp[us, UTC]``. Prices and amounts are ``float64``, ``timestamp`` (milliseconds) is
    ``int64``. Day candles have three more columns. If imported candles are included, the last column is ``proven``.

    * ``candles``: a list, or a sequence such as :func:`stored_candles` returns, in any order.

    It takes 64 bytes a candle and blocks while it reads; in an event loop, use :func:`in_batches`.

    The first frame of stored candles leaves copies of the months that are over in ``candles.db.cache`` beside the file,
    and the next is made from those that have not changed since: a million candles in a tenth of a second. A month that
    is not over is copied once it is read a second time without a change. The folder has at most 2 GB, 20 bytes a
    candle; what was not used for longest goes first, and all of it may be deleted at any time. ``cache=False``, of
    :func:`connect` and others, keeps none; nor does a file in the folder's place, for all programs.

    Raises:

    * ``RequestError`` if the candles are of several series.
    * ``ExtraMissingError`` if pyarrow is not installed.
    * ``StoreError`` if the database of a sequence can't be read.

    >>> table = to_arrow(candles)
    >>> table.num_rows, table.column_names[:3]
    (120, ['open_time', 'open', 'high'])
    """
    schema = schema_of(column_names(candles))
    return need("pyarrow", "arrow").Table.from_batches(list(_batches(candles, schema, BATCH)), schema)


def to_pandas(candles: Sequence[CandleData]) -> pandas.DataFrame:
    """Return the candles of one series as a pandas frame, oldest first.

    The index is ``open_time``, ``datetime64[us, UTC]``. Columns and errors are those of :func:`to_arrow`;
    ``ExtraMissingError``, too, if pandas is not installed. It takes 64 bytes a candle; of day candles, and with columns
    of trades or ``proven``, twice as much while the frame is made.

    >>> frame = to_pandas(candles)
    >>> list(frame.columns)
    ['open', 'high', 'low', 'close', 'volume', 'turnover', 'timestamp']
    >>> str(frame.index[0])
    '2024-01-01 00:00:00+00:00'
    """
    need("pandas", "pandas")
    schema = schema_of(column_names(candles))
    if can_fill(schema):
        return filled_frame(_batches(candles, schema, BATCH), len(candles))
    return _pandas(to_arrow(candles))


def to_polars(candles: Sequence[CandleData]) -> polars.DataFrame:
    """Return the candles of one series as a polars frame, oldest first.

    ``open_time`` is ``Datetime("us", "UTC")``. Columns and errors are those of :func:`to_arrow`, whose memory the frame
    takes over; ``ExtraMissingError``, too, if polars is not installed.

    >>> to_polars(candles).shape
    (120, 8)
    """
    need("polars", "polars")
    return _polars(to_arrow(candles))


@overload
def in_batches(
    candles: Sequence[CandleData], into: Literal["arrow"] = "arrow", size: int = BATCH
) -> AsyncIterator[pyarrow.RecordBatch]: ...


@overload
def in_batches(
    candles: Sequence[CandleData], into: Literal["pandas"], size: int = BATCH
) -> AsyncIterator[pandas.DataFrame]: ...


@overload
def in_batches(
    candles: Sequence[CandleData], into: Literal["polars"], size: int = BATCH
) -> AsyncIterator[polars.DataFrame]: ...


def in_batches(candles: Sequence[CandleData], into: str = "arrow", size: int = BATCH) -> AsyncIterator[Any]:
    """Iterate over the candles of one series in batches, oldest first, while the event loop runs on.

    * ``into``: what each batch is: ``"arrow"`` for a record batch, ``"pandas"`` or ``"polars"`` for a frame.
    * ``size``: rows of a batch; the last may be shorter.

    One batch is in memory at a time, 64 bytes a candle, and some 30 MB where months are copied or come from copies; a
    thread reads them. The columns are those of :func:`to_arrow`.
    When cancelled, it returns at once; the batch under way ends in its thread and is dropped.

    Raises, before anything is read:

    * ``RequestError`` if the candles are of several series, or an argument is invalid.
    * ``ExtraMissingError`` if pyarrow, or the package of ``into``, is not installed.

    While it iterates, it raises ``StoreError`` if the database of a sequence can't be read.

    >>> [len(batch) async for batch in in_batches(candles, "pandas", size=50)]
    [50, 50, 20]
    """
    check_choice("into", into, ("arrow", "pandas", "polars"))
    size = check_count("size", size)
    schema = schema_of(column_names(candles))
    made: dict[str, Callable[[Any], Any]] = {"arrow": lambda batch: batch, "pandas": _pandas, "polars": _polars}
    if into != "arrow":
        need(into, into)
    return _in_batches(candles, schema, size, made[into])


async def _in_batches(
    candles: Sequence[CandleData], schema: pyarrow.Schema, size: int, make: Callable[[Any], Any]
) -> AsyncIterator[Any]:
    batches = regrouped(_batches(candles, schema, size), size)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield make(batch)


def _batches(candles: Sequence[CandleData], schema: pyarrow.Schema, size: int) -> Iterator[pyarrow.RecordBatch]:
    """Iterate over the rows, of copies where there are some; batches of ``size`` or less may have to be joined."""
    stretch = candles.stretch() if isinstance(candles, CandleSequence) else None
    if stretch is None:
        return record_batches(columns_of(candles), schema, size)
    reader, start, stop = stretch
    return stored_batches(reader, schema, start, stop, size)


def _pandas(table: Any) -> pandas.DataFrame:
    frame: pandas.DataFrame = table.to_pandas().set_index("open_time")
    return frame


def _polars(table: Any) -> polars.DataFrame:
    return need("polars", "polars").from_arrow(table)
