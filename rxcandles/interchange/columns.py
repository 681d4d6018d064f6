"""The columns of candles, and Arrow's record batches of them, without a candle object in between.

``open_time`` is ``timestamp[us, UTC]``, ``timestamp`` (milliseconds, as the exchange sends it) and ``trades`` are
``int64``, all other columns are ``float64``. Batches are filled through ``array``: it is fast, and with tuples Arrow
would import all of pandas.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from rxcandles.model import CandleData, CandleWithTrades, row_fields
from rxcandles.modes.sequence import PAGE, CandleSequence, Columns
from rxcandles.util.arguments import refusal
from rxcandles.util.extras import need

if TYPE_CHECKING:
    import pyarrow

__all__ = ["MICROSECONDS", "column_names", "columns_of", "gathering", "record_batches", "regrouped", "schema_of"]

MICROSECONDS: Final = 1_000_000

_CODES: Final[Mapping[str, str]] = {
    "open_time": "q", **dict.fromkeys(("open", "high", "low", "close", "volume", "turnover"), "d"), "timestamp": "q",
}  # fmt: skip
"""The type of each column in C; values of other columns may be missing, so these stay lists."""
_MARKED_CODES: Final[Mapping[str, str]] = {
    name: code for name, code in _CODES.items() if name not in ("turnover", "timestamp")
}
"""The same with ``proven``: imported candles may lack the turnover and the columns after it."""
_NEW: Final[Mapping[str, Callable[[], Any]]] = {"": list, "q": partial(array, "q"), "d": partial(array, "d")}


def column_names(candles: Sequence[CandleData]) -> tuple[str, ...]:
    """Return the names of the columns of ``candles``; ``prev_closing_price`` and so on only for day candles.

    ``trades``, ``taker_volume`` and ``taker_turnover`` are included if the exchange sends them, and ``proven`` is last
    if imported candles are among them. An empty list has the columns of any other. Raise :class:`RequestError` if the
    candles are of several series.
    """
    if isinstance(candles, CandleSequence):
        return (*candles.fields, *(["proven"] if candles.marked else []))
    fits = isinstance(candles, Sequence) and all(isinstance(candle, CandleData) for candle in candles)
    series = {(candle.symbol, candle.timeframe) for candle in candles} if fits else set()
    if not fits or len(series) > 1:
        named = f" (these are of {' and '.join(map(' '.join, sorted(series)[:3]))})" if series else ""
        raise refusal("candles", candles, f"give the candles of one series, as a list or a CandleSequence{named}")
    marked = not all(candle.proven for candle in candles)
    with_trades = any(isinstance(candle, CandleWithTrades) for candle in candles)
    plain = row_fields(next(iter(series))[1] if series else "", with_trades=with_trades)
    return (*plain, *(["proven"] if marked else []))


def columns_of(candles: Sequence[CandleData]) -> Iterator[Columns]:
    """Iterate over the columns of ``candles``, oldest first whatever their order, 1,000 candles at a time."""
    if isinstance(candles, CandleSequence):
        yield from candles.columns()
        return
    names = column_names(candles)
    values = attrgetter("open_seconds", *names[1:])
    ordered = sorted(candles, key=lambda candle: candle.open_seconds)
    for at in range(0, len(ordered), PAGE):
        yield list(zip(*map(values, ordered[at : at + PAGE]), strict=True))


def schema_of(names: Iterable[str], metadata: Mapping[str, str] | None = None) -> pyarrow.Schema:
    """Return Arrow's schema for columns of these ``names``."""
    pa = need("pyarrow", "arrow")
    types = {
        "open_time": pa.timestamp("us", "UTC"), "timestamp": pa.int64(), "trades": pa.int64(), "proven": pa.bool_(),
    }  # fmt: skip
    return pa.schema([pa.field(name, types.get(name, pa.float64())) for name in names], metadata)


def record_batches(pages: Iterable[Columns], schema: pyarrow.Schema, size: int) -> Iterator[pyarrow.RecordBatch]:
    """Join ``pages`` of columns into record batches of ``size`` rows; the last may be shorter.

    Memory holds one batch and one page. Columns at the end of a page that the schema does not have are left out.
    """
    codes = _codes(schema)
    held = _empty(codes)
    for page in pages:
        _fill(held, codes, page)
        if len(held[0]) == size:  # the usual case; a copy would take more memory
            full, held = held, _empty(codes)
            yield _batch(full, schema)
        while len(held[0]) >= size:
            full, held = [column[:size] for column in held], [column[size:] for column in held]
            yield _batch(full, schema)
    if held[0]:
        yield _batch(held, schema)


def gathering(schema: pyarrow.Schema) -> Callable[[Iterable[Columns]], pyarrow.RecordBatch | None]:
    """Return a function that makes one record batch of all pages that it is given; None if there is no row."""
    codes = _codes(schema)

    def gather(pages: Iterable[Columns]) -> pyarrow.RecordBatch | None:
        held = _empty(codes)
        for page in pages:
            _fill(held, codes, page)
        return _batch(held, schema) if held[0] else None

    return gather


def regrouped(batches: Iterable[pyarrow.RecordBatch], size: int) -> Iterator[pyarrow.RecordBatch]:
    """Cut and join ``batches`` into batches of ``size`` rows; the last may be shorter."""
    parts: list[pyarrow.RecordBatch] = []
    rows = 0
    for batch in batches:
        at = 0
        while at < batch.num_rows:
            parts.append(batch.slice(at, size - rows))
            at += parts[-1].num_rows
            rows += parts[-1].num_rows
            if rows == size:
                yield _joined(parts)
                parts, rows = [], 0
    if parts:
        yield _joined(parts)


def _joined(parts: Sequence[pyarrow.RecordBatch]) -> pyarrow.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    [joined] = need("pyarrow", "arrow").Table.from_batches(parts).combine_chunks().to_batches()
    return joined


def _fill(held: Sequence[Any], codes: Sequence[str], page: Columns) -> None:
    held[0].extend([seconds * MICROSECONDS for seconds in page[0]])
    for column, code, values in zip(held[1:], codes[1:], page[1:], strict=False):
        column.extend(array(code, values) if code else values)


def _codes(schema: pyarrow.Schema) -> tuple[str, ...]:
    codes = _MARKED_CODES if "proven" in schema.names else _CODES
    return ("q", *(codes.get(name, "") for name in schema.names[1:]))


def _empty(codes: Sequence[str]) -> list[Any]:
    return [_NEW[code]() for code in codes]


def _batch(columns: Sequence[array[Any] | list[Any]], schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    pa = need("pyarrow", "arrow")
    made = [
        pa.Array.from_buffers(field.type, len(column), [None, pa.py_buffer(column)])
        if isinstance(column, array)
        else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(made, schema=schema)
