"""Open files: find the kind of each, and unpack it within a bound."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.util.files import temporary_folder

__all__ = ["KINDS", "PACKED", "OpenedFile", "check_unpacked", "kind_by_content", "kind_of", "open_file"]

KINDS: Final[Mapping[str, str]] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet", ".feather": "feather",
    ".arrow": "feather", ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
"""How a file is read, by the end of its name, unless its format or its first bytes decide."""

PACKED: Final = (".gz", ".zip")

_MAGIC: Final = ((b"PAR1", "parquet"), (b"ARROW1", "feather"))
_UNFIT: Final = (
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; save it as CSV"),
    (b"SQLite format 3\0", "a SQLite database; export its table as CSV"),
    (b"<!DOCTYPE", "a web page; download the file itself"),
    (b"<html", "a web page; download the file itself"),
    (b"\x89HDF", "a HDF5 file; convert it to feather or Parquet"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it"),
    (b"\xfd7zXZ", "an xz archive; unpack it"),
    (b"(\xb5/\xfd", "a zstd archive; unpack it"),
    (b"BZh", "a bzip2 archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
)

_PIECE: Final = 1 << 20
_LEAST: Final = 64 << 20
"""Bytes that any file may unpack to."""
_RATIO: Final = 150
"""How many times its size a larger file may unpack to; candles in text pack to a third or a tenth."""


@attrs.frozen
class OpenedFile:
    """A file that is ready to be read."""

    path: Path
    """Its path, unpacked."""
    name: str
    """Its name; the one inside of the archive if it was packed."""
    sha256: str
    """Hash of the file as it was given."""
    head: bytes
    """Its first bytes."""


def kind_of(path: Path) -> str | None:
    """Return how a file of this name is read, packed or not; None if the name does not show it."""
    return KINDS.get((path.with_suffix("") if path.suffix.lower() in PACKED else path).suffix.lower())


def check_unpacked(where: str, unpacked: int, packed: int) -> None:
    """Raise :class:`RequestError` for a file that unpacks to far more than candles do."""
    if unpacked > max(_LEAST, packed * _RATIO):
        raise RequestError(
            f"{where} unpacks to more than {unpacked >> 20:,} MB from {packed:,} bytes, as candles don't; unpack it"
            " yourself if you know what it is. Nothing was imported"
        )


@contextmanager
def open_file(path: Path, where: str) -> Iterator[OpenedFile]:
    """Open a file; gzip and zip archives are unpacked into the folder for temporary files."""
    with path.open("rb") as file, ExitStack() as kept:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        head = file.read(16)
        file.seek(0)
        name, file_path = path.name, path
        if head.startswith((b"\x1f\x8b", b"PK\x03\x04")):
            folder = kept.enter_context(temporary_folder())
            size = path.stat().st_size
            try:
                with _unpacking(file, path, where, head) as (packed, name):
                    file_path = folder / "unpacked"
                    _copy(packed, file_path, where, size)
            except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise RequestError(f"{where} can't be unpacked: {error}. Nothing was imported") from error
            with file_path.open("rb") as unpacked:
                head = unpacked.read(16)
        for magic, what in _UNFIT:
            if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(magic.lower()):
                raise RequestError(f"{where} is {what}. Nothing was imported")
        yield OpenedFile(file_path, name, sha256, head)


def kind_by_content(head: bytes) -> str | None:
    """Return how a file is read, judged by its first bytes, whatever its name."""
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


@contextmanager
def _unpacking(file: IO[bytes], path: Path, where: str, head: bytes) -> Iterator[tuple[Any, str]]:
    if head.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=file) as packed:
            yield packed, path.stem if path.suffix.lower() == ".gz" else path.name
        return
    with zipfile.ZipFile(file) as archive:
        if any(each.filename.startswith("xl/") for each in archive.infolist()):
            raise RequestError(f"{where} is an Excel workbook; save it as CSV. Nothing was imported")
        members = [
            each
            for each in archive.infolist()
            if not each.is_dir() and not each.filename.startswith("__MACOSX/") and kind_of(Path(each.filename))
        ]
        if len(members) != 1:
            what = f"{len(members):,} files" if members else "no file"
            raise RequestError(
                f"{where} has {what} of candles in it; unpack it, and import them one by one or their folder"
            )
        if members[0].flag_bits & 1:
            raise RequestError(f"{where} is encrypted; unpack it. Nothing was imported")
        with archive.open(members[0]) as packed:
            yield packed, Path(members[0].filename).name


def _copy(packed: Any, file_path: Path, where: str, size: int) -> None:
    unpacked = 0
    with file_path.open("wb") as file:
        while piece := packed.read(_PIECE):
            unpacked += len(piece)
            check_unpacked(where, unpacked, size)
            file.write(piece)
