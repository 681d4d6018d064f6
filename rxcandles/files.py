"""Files that are whole or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rxcandles.arguments import check_flag, check_path, refusal, shown
from rxcandles.errors import RequestError

__all__ = ["check_replaceable", "replacing"]


def check_replaceable(path: str | Path, *, force: bool) -> Path:
    """Return ``path``, or raise :class:`RequestError` where no file can be made, or one is there without ``force``."""
    target = Path(check_path("path", path))
    check_flag("force", force)
    if not target.parent.is_dir():
        folder = shown(str(target.parent))
        raise RequestError(f"there is no folder {folder}; make it, or give a path in one that is there")
    if target.is_dir():
        raise refusal("path", str(path), "give a file; that is a folder")
    if target.exists() and not force:
        name = shown(str(path))
        raise RequestError(f"there is a file already at {name}; take another name, or replace it with force (--force)")
    return target


@contextmanager
def replacing(path: str | Path, *, force: bool) -> Iterator[Path]:
    """Yield a temporary path beside ``path``: it takes its place when the block ends well, and is removed otherwise.

    Raises :class:`RequestError` as :func:`check_replaceable` does. What is there is on the disk before it takes its
    place, so that a power cut leaves the old file or the new one.
    """
    target = check_replaceable(path, force=force)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
