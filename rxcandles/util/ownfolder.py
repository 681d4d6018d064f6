"""Folders of this user's own, for what the user's processes on one machine share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["own_folders"]


def own_folders() -> Iterator[Path]:
    """Yield folders where this package may keep a small file that no other user can touch, the best place first.

    They are ``rxcandles`` in the folder that the system makes for each user who is logged in (``XDG_RUNTIME_DIR``),
    then in the user's cache folder (``XDG_CACHE_HOME``, or ``.cache`` in the home folder). A folder that does not exist
    or belongs to another user is left out: after ``sudo`` a variable may be another user's. Nothing is created.
    """
    # A program started by cron lacks the variable, but shares with programs that have it; systemd makes the folder.
    run = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    if _is_own(run):
        yield Path(run, "rxcandles")
    cache = os.environ.get("XDG_CACHE_HOME", "")
    home = os.path.expanduser("~")
    if _is_own(cache):
        yield Path(cache, "rxcandles")
    elif _is_own(home):
        caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
        yield Path(home, caches, "rxcandles")


def _is_own(path: str) -> bool:
    try:
        return os.path.isabs(path) and os.path.isdir(path) and os.stat(path).st_uid == os.geteuid()
    except (OSError, ValueError):  # a NUL in the path
        return False
