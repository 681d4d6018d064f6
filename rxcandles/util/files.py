"""Atomic file replacement: a file is written whole or not at all."""

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
"""Files and folders that must not remain, whatever happens."""


def check_replaceable(path: str | Path, *, force: bool) -> Path:
    """Return ``path``, or raise :class:`RequestError` if no file can be made there, or if one exists without ``force``.

    For a link, check and return its target. A pipe, a socket and a device are refused even with ``force``.
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
    """Return what is at ``path`` instead of a file."""
    kinds = {"a pipe": path.is_fifo, "a socket": path.is_socket, "a device": path.is_char_device}
    return next((name for name, is_one in kinds.items() if is_one()), "a device")


@contextmanager
def replacing(path: str | Path, *, force: bool) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which replaces ``path`` if the block succeeds and is removed otherwise.

    The file is on the disk before it replaces the old one, so a power cut leaves the old file or the new one.

    Raises :class:`RequestError` as :func:`check_replaceable` does.
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
    """Yield a new folder in the system's folder for temporary files; remove it at the end. Raises ``StoreError``."""
    try:
        path = Path(mkdtemp(prefix="rxcandles-"))
    except OSError as error:
        raise StoreError(f"no folder for temporary files can be made: {error}; make room, or set TMPDIR") from error
    process = OwnProcess(str(path))

    def remove() -> None:
        if not process.forked:  # otherwise it belongs to the parent, which goes on
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
    """Remove all unfinished files, for a process that ends at once; works in any thread, at any moment."""
    for path in [*_UNFINISHED]:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            shutil.rmtree(path, ignore_errors=True)
