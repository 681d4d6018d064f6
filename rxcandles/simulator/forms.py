"""How an exchange writes candles: what faults and illnesses have to know of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from rxcandles.model.timeframe import from_datetime
from rxcandles.simulator.text import DAY, KST, clock_text, day_text

__all__ = ["UPBIT", "Form", "UpbitForm", "moved", "opened"]

_UTC: Final = re.compile('"candle_date_time_utc":"([^"]*)"')


class Form(Protocol):
    """One exchange's way of writing. Rows are JSON texts and are passed newest first, whatever order they are sent in.

    Fields are called as Upbit calls them, which every face reads.
    """

    def rows(self, body: str) -> list[str]:
        """Return the candles in a body; none where it holds none."""
        ...

    def body(self, rows: Sequence[str]) -> str:
        """Return the body that holds these candles."""
        ...

    def opened(self, row: str) -> float:
        """Return the open time of a candle in UTC seconds, 0 where it tells none."""
        ...

    def moved(self, row: str, open_time: int) -> str:
        """Return a candle with another open time, in UTC seconds."""
        ...

    def edited(self, row: str, field: str, text: str) -> str:
        """Return a candle with another value of ``field``; as it is where the exchange sends no such field."""
        ...

    def value(self, row: str, field: str) -> str | None:
        """Return the digits of a number of a candle; None where the exchange sends no such field."""
        ...


class UpbitForm:
    """Upbit's: objects with names, newest first."""

    def rows(self, body: str) -> list[str]:
        """Return what :meth:`Form.rows` does."""
        return [f"{{{row}}}" for row in body[2:-2].split("},{")] if body.startswith("[{") else []

    def body(self, rows: Sequence[str]) -> str:
        """Return what :meth:`Form.body` does."""
        return f"[{','.join(rows)}]"

    def opened(self, row: str) -> float:
        """Return what :meth:`Form.opened` does."""
        return opened(row)

    def moved(self, row: str, open_time: int) -> str:
        """Return what :meth:`Form.moved` does."""
        return moved(row, open_time)

    def edited(self, row: str, field: str, text: str) -> str:
        """Return what :meth:`Form.edited` does."""
        return re.sub(rf'"{field}":("[^"]*"|[^,}}]*)', lambda _match: f'"{field}":{text}', row)

    def value(self, row: str, field: str) -> str | None:
        """Return what :meth:`Form.value` does."""
        found = re.search(rf'"{field}":"?([^",}}]*)', row)
        return found[1] if found else None


UPBIT: Final = UpbitForm()


def opened(row: str) -> int:
    """Return the open time of a candle (a JSON object) in UTC seconds, 0 where it tells none."""
    found = _UTC.search(row)
    return int(from_datetime(datetime.fromisoformat(found[1]))) if found else 0


def moved(row: str, open_time: int) -> str:
    """Return a candle (a JSON object) with another open time, in UTC seconds."""
    for zone, ahead in (("utc", 0), ("kst", KST)):
        day, second = divmod(open_time + ahead, DAY)
        row = re.sub(
            f'"candle_date_time_{zone}":"[^"]*"',
            f'"candle_date_time_{zone}":"{day_text(day)}{clock_text(second)}"',
            row,
        )
    return row
