"""Where a lake lies: a folder of this machine, or a prefix in an S3 bucket; files appear in it whole or not at all."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rxcandles.errors import LakeError, RequestError
from rxcandles.util.arguments import check_path
from rxcandles.util.extras import need
from rxcandles.util.files import replacing

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["Stat", "Target", "target_at"]

STALE: Final = 3600.0
"""Seconds after which an unfinished file belongs to a process that is gone."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PIECE: Final = 1 << 20


class Stat(NamedTuple):
    """The size of a file in bytes, and when it was written, in nanoseconds of the epoch."""

    size: int
    modified: int


class Target:
    """Files below a root, by names with slashes. Every failure is a ``LakeError`` that names the lake.

    * ``shown``: the name of the lake in messages.
    """

    def __init__(self, files: FileSystem, shown: str, address: str) -> None:
        self._files = files
        self.shown = shown
        self.address = address
        """Where it is, from wherever one looks."""

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is none."""
        with self.failing(name):
            try:
                with self._files.open_input_stream(name) as file:
                    return bytes(file.read())
            except FileNotFoundError:
                return None

    def open(self, name: str) -> Any:
        """Return a file of Arrow to read from."""
        with self.failing(name):
            return self._files.open_input_file(name)

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file."""
        digest = hashlib.sha256()
        with self.open(name) as file, self.failing(name):
            while piece := file.read(_PIECE):
                digest.update(piece)
        return digest.hexdigest()

    def stat(self, name: str) -> Stat | None:
        """Return the size and the age of a file; None if there is none."""
        with self.failing(name):
            return _stat(self._files.get_file_info(name))

    def listing(self, folder: str) -> dict[str, Stat]:
        """Return the files in a folder, by their names in it; nothing if there is no such folder."""
        return {name.rpartition("/")[2]: stat for name, stat in self._list(folder, recursive=False)}

    def walk(self) -> Iterator[str]:
        """Yield the names of all files."""
        return (name for name, _ in self._list("", recursive=True))

    def _list(self, folder: str, *, recursive: bool) -> Iterator[tuple[str, Stat]]:
        fs = need("pyarrow.fs", "export")
        with self.failing(folder):
            found = self._files.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=recursive))
        for info in found:
            stat = _stat(info)
            if stat is not None:
                yield info.path, stat

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a path on this machine; what the block has written there becomes the file at its end."""
        raise NotImplementedError
        yield Path()

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self.failing(name):
            try:
                self._files.delete_file(name)
            except FileNotFoundError:
                return

    @contextmanager
    def failing(self, name: str) -> Iterator[None]:
        """Turn an ``OSError`` of the block into a ``LakeError``."""
        try:
            yield
        except OSError as error:
            raise LakeError(f"the lake {self.shown}: {self.said(error)}") from error

    def said(self, error: Exception) -> str:
        """Return the text of an error, on one line."""
        return " ".join(str(error).split())


class _Folder(Target):
    """A lake in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        fs = need("pyarrow.fs", "export")
        super().__init__(
            fs.SubTreeFileSystem(str(root.absolute()), fs.LocalFileSystem()), str(root), str(root.resolve())
        )
        self._root = root

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        path = self._root / name
        with self.failing(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, force=True) as temporary:
                yield temporary

    def listing(self, folder: str) -> dict[str, Stat]:
        """Return the files in a folder, after removing those that a killed process has left unfinished."""
        found, now = super().listing(folder), time.time()
        for name in [each for each in found if each.startswith(".") and each.endswith(".part")]:
            stat = found.pop(name)
            if stat.modified / 1e9 < now - STALE:
                self.remove(f"{folder}/{name}")
        return found


def target_at(address: str | Path) -> Target:
    """Return the lake at a path, or at ``s3://BUCKET/PREFIX``; raise ``RequestError`` for any other address."""
    if isinstance(address, str) and address.lower().startswith("s3:/"):
        from rxcandles.lake.s3 import bucket_at

        return bucket_at(address)
    scheme = _SCHEME.match(str(address))
    if scheme:
        raise RequestError(f"target is an address ({scheme[1]}://…); give a folder, or s3://BUCKET/PREFIX")
    return _Folder(Path(check_path("target", address)))


def _stat(info: Any) -> Stat | None:
    # Arrow's FileType.File is 2; a name of S3 may be both a file and a folder.
    return Stat(int(info.size), int(info.mtime_ns or 0)) if info.is_file else None
