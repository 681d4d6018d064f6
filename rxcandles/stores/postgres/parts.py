"""The rows of a long answer, a part of them in memory at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["Parts"]

SIZE: Final = 5_000
"""Rows of one part."""


class Parts:
    """What a server's cursor has, as a ``Found``; the cursor is closed with the last part, which may be the first."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._rows: deque[Any] = deque()

    def begin(self, sql: str, parameters: Any) -> None:
        """Run the statement, and read the first part."""
        self._cursor.execute(sql, parameters, binary=True)
        self._more()

    @property
    def rowcount(self) -> int:
        """Unknown: -1."""
        return -1

    def _more(self) -> None:
        if self._cursor is not None:
            self._rows.extend(self._cursor.fetchmany(SIZE))
            if len(self._rows) < SIZE:
                self.close()

    def close(self) -> None:
        """Read no more; if that fails, the connection is lost, and the same works when it is closed."""
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None

    def fetchone(self) -> Any:
        """Return the next row; None if there is no more."""
        if not self._rows:
            self._more()
        return self._rows.popleft() if self._rows else None

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row
