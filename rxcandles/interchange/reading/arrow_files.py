"""Read Parquet and feather files; nothing is unpacked before its size is known and bounded."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.row_sources import BATCH
from rxcandles.interchange.reading.tables import ArrowSource
from rxcandles.util.extras import need

__all__ = ["feather_source", "parquet_source"]

_LEAST: Final = 64 << 20
"""Bytes that any piece may unpack to."""
_RATIO: Final = 50
"""How many times its size a larger piece may unpack to; pieces of candles unpack to 2 to 10 times."""
_MOST: Final = 1 << 29
"""The most bytes that a piece may unpack to, since it is in memory at once."""
_ROWS: Final = 2_000_000
_BYTES: Final = 0.05
"""The fewest bytes a row in a file with many rows, since each row has another time."""


@contextmanager
def parquet_source(path: Path, where: str) -> Iterator[ArrowSource]:
    """Open a Parquet file."""
    arrow = need("pyarrow", "arrow")
    parquet = need("pyarrow.parquet", "arrow")
    limits = {"thrift_string_size_limit": 1 << 24, "thrift_container_size_limit": 1 << 20}
    try:
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16, **limits)
    except (arrow.ArrowException, OSError, MemoryError) as error:
        raise RequestError(f"{where} is no Parquet file: {error}") from error
    with file:
        _check_groups(file.metadata, path.stat().st_size, where)
        # Read texts as dictionaries: a long text that each row repeats is stored once.
        texts = [
            field.name
            for field in file.schema_arrow
            if arrow.types.is_string(field.type) or arrow.types.is_large_string(field.type)
        ]
        reader = parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16, read_dictionary=texts, **limits)
        with reader:
            yield ArrowSource(
                reader.schema_arrow, lambda names: reader.iter_batches(BATCH, columns=list(names), use_threads=False)
            )


@contextmanager
def feather_source(path: Path, where: str) -> Iterator[ArrowSource]:
    """Open a feather file (version 2, which is Arrow's own format)."""
    arrow = need("pyarrow", "arrow")
    ipc = need("pyarrow.ipc", "arrow")
    with arrow.memory_map(str(path)) if path.stat().st_size else arrow.OSFile(str(path)) as file:
        try:
            reader = ipc.open_file(file)
            _check_messages(ipc, path, where)
        except (arrow.ArrowException, OSError, MemoryError) as error:
            raise RequestError(f"{where} is no feather file (version 2): {error}") from error
        yield ArrowSource(reader.schema, lambda names: _batches(ipc, file, reader, names))


def _batches(ipc: Any, file: Any, reader: Any, names: Sequence[str]) -> Iterator[Any]:
    wanted = [reader.schema.get_field_index(name) for name in names]
    some = ipc.open_file(file, options=ipc.IpcReadOptions(included_fields=sorted(set(wanted)), use_threads=False))
    return (some.get_batch(number) for number in range(some.num_record_batches))


def _check_groups(metadata: Any, size: int, where: str) -> None:
    """Refuse a Parquet file whose columns unpack to far more than candles do."""
    if metadata.num_rows > _ROWS and size < metadata.num_rows * _BYTES:
        raise RequestError(
            f"{where} says it has {metadata.num_rows:,} rows in {size:,} bytes, as candles can't be."
            " Nothing was imported"
        )
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for at in range(group.num_columns):
            column = group.column(at)
            _check_size(where, column.total_uncompressed_size, column.total_compressed_size)


def _check_size(where: str, unpacked: int, packed: int) -> None:
    if unpacked > _MOST or unpacked > max(_LEAST, packed * _RATIO):
        raise RequestError(
            f"{where} has a piece that unpacks to {unpacked >> 20:,} MB from {packed:,} bytes; write it in pieces of"
            " fewer rows. Nothing was imported"
        )


def _check_messages(ipc: Any, path: Path, where: str) -> None:
    """Refuse a feather file with a batch that unpacks to far more than candles do; the check itself unpacks nothing."""
    arrow = need("pyarrow", "arrow")
    with arrow.memory_map(str(path)) as file:
        file.seek(8)  # Arrow's stream follows the magic
        for message in ipc.MessageReader.open_stream(file):
            if message.type in ("record batch", "dictionary") and message.body is not None:
                try:
                    rows, unpacked = _declared(memoryview(message.metadata), memoryview(message.body), message.type)
                except (struct.error, IndexError, ValueError) as error:
                    raise arrow.ArrowInvalid(f"a batch is damaged: {error}") from error
                _check_size(where, unpacked, message.body.size)
                if rows > _ROWS and message.body.size < rows * _BYTES:
                    raise RequestError(
                        f"{where} says it has {rows:,} rows in {message.body.size:,} bytes, as candles can't be."
                        " Nothing was imported"
                    )


def _declared(metadata: memoryview, body: memoryview, kind: str) -> tuple[int, int]:
    """Return the rows of a batch, and the bytes that its buffers unpack to, from Arrow's flatbuffer ``Message``.

    Each compressed buffer begins with its unpacked length, or -1 if it is not compressed.
    """
    message = struct.unpack_from("<I", metadata, 0)[0]
    batch = _table(metadata, message, 2)
    if kind == "dictionary":
        batch = _table(metadata, batch, 1)
    rows = struct.unpack_from("<q", metadata, at)[0] if (at := _field(metadata, batch, 0)) else 0
    if not _field(metadata, batch, 3):
        return rows, len(body)
    buffers = _field(metadata, batch, 2)
    if not buffers:
        return rows, 0
    vector = buffers + struct.unpack_from("<I", metadata, buffers)[0]
    unpacked = 0
    for number in range(struct.unpack_from("<I", metadata, vector)[0]):
        offset, length = struct.unpack_from("<qq", metadata, vector + 4 + 16 * number)
        if length >= 8:
            declared = struct.unpack_from("<q", body, offset)[0]
            unpacked += length - 8 if declared == -1 else declared
    return rows, unpacked


def _field(data: memoryview, table: int, number: int) -> int:
    """Return where a table has a field; 0 if it has none."""
    entries = table - int(struct.unpack_from("<i", data, table)[0])
    size = struct.unpack_from("<H", data, entries)[0]
    at = 4 + 2 * number
    offset = int(struct.unpack_from("<H", data, entries + at)[0]) if at < size else 0
    return table + offset if offset else 0


def _table(data: memoryview, table: int, number: int) -> int:
    at = _field(data, table, number)
    if not at:
        raise ValueError("a part of it is not there")
    return at + int(struct.unpack_from("<I", data, at)[0])
