"""Candles as data frames of pandas, polars and Arrow.

Oldest first, whatever the order of the candles; times in UTC. What is stored goes from SQLite's rows into columns, so
that a million candles take little longer than reading them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from rxcandles.interchange.columns import column_names, columns_of, record_batches, schema_of
from rxcandles.model import CandleData
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
    """Return the candles of one series as a table: ``open_time`` is ``timestamp[us, UTC]``, oldest first.

    Prices and amounts are ``float64``, ``timestamp`` is ``int64``; the three columns of day candles come with those
    only. 64 bytes a candle. Raises :class:`RequestError` for candles of several series, ``ExtraMissingError`` without
    pyarrow, and what reading a sequence does. Blocks while it reads; :func:`in_batches` doesn't.
    """
    schema = schema_of(column_names(candles))
    return need("pyarrow", "arrow").Table.from_batches(list(record_batches(columns_of(candles), schema, BATCH)), schema)


def to_pandas(candles: Sequence[CandleData]) -> pandas.DataFrame:
    """Return the candles of one series as a frame with the index ``open_time``, ``datetime64[us, UTC]``, oldest first.

    Otherwise as :func:`to_arrow` does; 128 bytes a candle while it is made, 64 afterwards.
    """
    need("pandas", "pandas")
    return _pandas(to_arrow(candles))


def to_polars(candles: Sequence[CandleData]) -> polars.DataFrame:
    """Return the candles of one series as a frame: ``open_time`` is ``Datetime("us", "UTC")``, oldest first.

    Otherwise as :func:`to_arrow` does, whose memory it takes over.
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
    """Iterate over the candles of one series in record batches, or frames, of ``size`` rows, oldest first.

    One batch is in memory at a time (64 bytes a candle), filled in a thread while the event loop runs on. Columns and
    errors are those of :func:`to_arrow`. Whoever is cancelled here leaves the batch under way to end in its thread.
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
    batches = record_batches(columns_of(candles), schema, size)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield make(batch)


def _pandas(table: Any) -> pandas.DataFrame:
    frame: pandas.DataFrame = table.to_pandas().set_index("open_time")
    return frame


def _polars(table: Any) -> polars.DataFrame:
    return need("polars", "polars").from_arrow(table)
