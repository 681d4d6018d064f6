"""Files that are whole or not there."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from rxcandles.errors import RequestError, StoreError
from rxcandles.util.arguments import check_flag, check_path, refusal, shown
from rxcandles.util.forks import OwnProcess

__all__ = ["check_replaceable", "remove_unfinished", "replacing", "temporary_folder"]

_UNFINISHED: Final[set[Path]] = set()
"""What is not to stay, whatever happens."""


def check_replaceable(path: str | Path, *, force: bool) -> Path:
    """Return ``path``, or raise :class:`RequestError` where no file can be made, or one is there without ``force``.

    Of a link it is what the link leads to. A pipe, a socket and a device are no files, which ``force`` does not change.
    """
    target = Path(check_path("path", path))
    check_flag("force", force)
    if target.is_symlink():
        try:
            target = target.resolve()
        except (OSError, RuntimeError) as error:
            raise refusal("path", str(path), f"give a file; that is a link that leads nowhere ({error})") from error
    if not target.parent.is_dir():
        folder = shown(str(target.parent))
        raise RequestError(f"there is no folder {folder}; make it, or give a path in one that is there")
    if target.is_dir():
        raise refusal("path", str(path), "give a file; that is a folder")
    if target.exists() and not target.is_file():
        raise refusal("path", str(path), f"give a file; that is {_what(target)}")
    if target.exists() and not force:
        name = shown(str(path))
        raise RequestError(f"there is a file already at {name}; take another name, or replace it with force (--force)")
    return target


def _what(path: Path) -> str:
    """Return what is there that is no file."""
    kinds = {"a pipe": path.is_fifo, "a socket": path.is_socket, "a device": path.is_char_device}
    return next((name for name, is_one in kinds.items() if is_one()), "a device")


@contextmanager
def replacing(path: str | Path, *, force: bool) -> Iterator[Path]:
    """Yield a temporary path beside ``path``: it takes its place when the block ends well, and is removed otherwise.

    Raises :class:`RequestError` as :func:`check_replaceable` does. What is there is on the disk before it takes its
    place, so that a power cut leaves the old file or the new one.
    """
    target = check_replaceable(path, force=force)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    _UNFINISHED.add(temporary)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        _UNFINISHED.discard(temporary)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder where the system has its temporary files; it goes with the block. Raises ``StoreError``."""
    try:
        path = Path(mkdtemp(prefix="rxcandles-"))
    except OSError as error:
        raise StoreError(f"no folder for temporary files can be made: {error}; make room, or set TMPDIR") from error
    process = OwnProcess(str(path))

    def remove() -> None:
        if not process.forked:  # else it is the parent's, which goes on
            shutil.rmtree(path, ignore_errors=True)

    _UNFINISHED.add(path)
    atexit.register(remove)
    try:
        yield path
    finally:
        atexit.unregister(remove)
        remove()
        _UNFINISHED.discard(path)


def remove_unfinished() -> None:
    """Remove all that is unfinished, for a process that ends at once; in any thread, at any moment."""
    for path in [*_UNFINISHED]:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            shutil.rmtree(path, ignore_errors=True)
