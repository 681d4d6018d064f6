"""A pandas frame that is filled batch by batch, so that its candles are in memory once and not twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from rxcandles.model import row_fields
from rxcandles.util.extras import need

if TYPE_CHECKING:
    import pandas
    import pyarrow

__all__ = ["can_fill", "filled_frame"]

_PLAIN: Final = list(row_fields("1m"))
_WHOLE: Final = ("open_time", "timestamp")


def can_fill(schema: pyarrow.Schema) -> bool:
    """Return whether these are the columns that each candle has, in which no value is missing."""
    return bool(schema.names == _PLAIN)


def filled_frame(batches: Iterable[pyarrow.RecordBatch], rows: int) -> pandas.DataFrame:
    """Return the rows of ``batches`` as a frame, equal to the one that Arrow makes; about ``rows`` are expected."""
    numpy, pd = need("numpy", "pandas"), need("pandas", "pandas")
    columns = {name: numpy.empty(rows, "i8" if name in _WHOLE else "f8") for name in _PLAIN}
    at = 0
    for batch in batches:
        stop = at + batch.num_rows
        if stop > len(columns["timestamp"]):  # some were stored meanwhile
            columns = {name: _longer(array, stop) for name, array in columns.items()}
        for array, column in zip(columns.values(), batch.columns, strict=True):
            values = column.to_numpy(zero_copy_only=False)
            array[at:stop] = values if values.dtype == array.dtype else values.view(array.dtype)
        at = stop
    filled = {name: array[:at] for name, array in columns.items()}
    index = pd.DatetimeIndex(filled.pop("open_time"), dtype=pd.DatetimeTZDtype("us", "UTC"), name="open_time")
    frame: pandas.DataFrame = pd.DataFrame(filled, index, copy=False)
    return frame


def _longer(array: Any, size: int) -> Any:
    made = need("numpy", "pandas").empty(size, array.dtype)
    made[: len(array)] = array
    return made
