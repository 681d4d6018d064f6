"""A transaction on a server: what it waits for, and the mark by which it is known whether it was committed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from rxcandles.stores.postgres.schema import LOCK

if TYPE_CHECKING:
    from rxcandles.stores.postgres.session import Session

__all__ = ["WRITING", "Block", "lock_of"]

WRITING: Final = " ISOLATION LEVEL READ COMMITTED READ WRITE"
"""The kind of a transaction that waits for a lock: each of its statements sees what was committed before it began."""
_MARK: Final = (
    "INSERT INTO sessions (id, mark, at) VALUES (%s, %s, now()) ON CONFLICT (id)"
    " DO UPDATE SET mark = excluded.mark, at = excluded.at"
)
"""Leaves the mark of a transaction, within it."""


def lock_of(series: int | None) -> str:
    """Return the statement that waits for whoever writes to a series; None: to any."""
    if series is None:
        return f"SELECT pg_advisory_xact_lock({LOCK}, 0)"
    return f"SELECT pg_advisory_xact_lock_shared({LOCK}, 0), pg_advisory_xact_lock({LOCK}, {int(series)})"


class Block:
    """A transaction that is under way; ``mark`` is a number of its own, which it leaves behind if it is committed."""

    def __init__(self, session: Session, lock: str) -> None:
        self.mark = int.from_bytes(os.urandom(7))
        self._session = session
        self._lock = lock
        self._open = True

    def commit(self, *, marked: bool = False) -> None:
        """Commit, if that is not done; ``marked``: its mark is written."""
        if self._open:
            if self._lock and not marked:
                self._session.native(_MARK, (self._session.number, self.mark))
            self._open = False
            self._session.commit(self._lock, self.mark)

    def undo(self) -> None:
        """Take back what was written, and be done."""
        if self._open:
            self._open = False
            self._session.native("ROLLBACK")
