"""One copy: a Parquet file with the candles of a month, and what shows that it is whole and the right one.

Times are stored as differences and prices as a dictionary, since they come in ticks. So it takes a third of Arrow's own
format, and is as fast to read although its sum (CRC-32) is checked. It is read and not mapped into memory: a mapped
file that somebody cuts short would end the process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Final, Protocol
from zlib import crc32

from rxcandles.util.extras import need

if TYPE_CHECKING:
    import pyarrow

__all__ = ["PART", "BadCopyError", "CopyWriter", "has_parquet", "read_copy"]

PART: Final = 50_000
"""Rows that are read and written at a time: 3 MB."""

_KEY: Final = b"rxcandles copy"
_DIFFERENCES: Final = {"open_time": "DELTA_BINARY_PACKED", "timestamp": "DELTA_BINARY_PACKED"}
_REPEATED: Final = ["open", "high", "low", "close"]
_AT_ONCE: Final = 8_000_000
"""Bytes of a file that is read at once; a month of minutes has 1 MB, one of seconds 60 MB."""
_SOME: Final = 1 << 20


def has_parquet() -> bool:
    """Return whether pyarrow knows Parquet; some builds leave it out."""
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        return False
    return True


class BadCopyError(Exception):
    """A file is not the copy that its name says; it is made anew, and nobody sees this."""


class _Out(Protocol):
    def write(self, data: Any, /) -> Any: ...


class _Summed:
    """What Arrow needs of a file to write to; it adds up what goes through."""

    closed = False

    def __init__(self, file: _Out) -> None:
        self._file = file
        self.sum = 0

    def write(self, data: Any) -> None:
        self.sum = crc32(data, self.sum)
        self._file.write(data)

    def flush(self) -> None:
        """Do nothing: the file has no buffer."""

    def close(self) -> None:
        """Do nothing: the file is closed by who has opened it."""


class CopyWriter:
    """Writes a copy into a file, which has no buffer of its own."""

    def __init__(self, file: _Out, schema: pyarrow.Schema) -> None:
        self._file = _Summed(file)
        self._writer = need("pyarrow.parquet", "arrow").ParquetWriter(
            self._file,
            schema,
            compression="snappy",
            use_dictionary=_REPEATED,
            column_encoding=_DIFFERENCES,
            write_statistics=False,
        )
        self._rows = 0

    def add(self, batch: pyarrow.RecordBatch) -> None:
        """Write rows, at most ``PART``."""
        self._writer.write_batch(batch)
        self._rows += batch.num_rows

    def finish(self, about: Mapping[str, object]) -> int:
        """Complete the file, which is ``about`` this, and return its sum."""
        self._writer.add_key_value_metadata({_KEY: json.dumps({**about, "rows": self._rows})})
        self.close()
        return self._file.sum

    def close(self) -> None:
        """End the writing, whether the file is complete or not; may be called more than once."""
        self._writer.close()


def read_copy(
    file: IO[bytes], size: int, total: int, schema: pyarrow.Schema, about: Mapping[str, object]
) -> Iterator[pyarrow.RecordBatch]:
    """Iterate over the rows of a copy of ``size`` bytes, oldest first, at most ``PART`` at a time.

    Raise ``BadCopyError``, at the first row, if its sum is not ``total``, or if it is not what it should be ``about``.
    """
    pa, parquet = need("pyarrow", "arrow"), need("pyarrow.parquet", "arrow")
    try:
        source = _checked(file, size, total)
        with parquet.ParquetFile(source) as copy:
            held = json.loads((copy.metadata.metadata or {})[_KEY])
            if held != {**about, "rows": copy.metadata.num_rows} or not copy.schema_arrow.equals(schema):
                raise BadCopyError(f"it is about {held}")
            for number in range(copy.num_row_groups):
                yield from copy.read_row_group(number, use_threads=False).combine_chunks().to_batches()
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        raise BadCopyError(str(error)) from error


def _checked(file: IO[bytes], size: int, total: int) -> Any:
    """Return what to read the file from, if its sum is right."""
    source: Any = file
    found = 0
    if size <= _AT_ONCE:
        data = file.read(size + 1)
        found, source = crc32(data), need("pyarrow", "arrow").BufferReader(data)
    else:
        while some := file.read(_SOME):
            found = crc32(some, found)
        file.seek(0)
    if found != total:
        raise BadCopyError("its sum is wrong")
    return source
