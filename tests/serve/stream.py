"""Server-sent events as a browser takes them apart, and what a page makes of them."""

from __future__ import annotations

import json
from typing import Any

import attrs

from rxcandles import Timeframe

__all__ = ["Event", "Known", "parsed"]


@attrs.frozen
class Event:
    """One event."""

    name: str
    id: str
    data: Any


def parsed(raw: bytes) -> Event | None:
    """Take one event apart; None for a comment alone."""
    assert raw.endswith(b"\n\n")
    fields: dict[str, str] = {}
    for line in raw.decode().strip("\n").split("\n"):
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
    return (
        Event(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
        if "data" in fields
        else None
    )


@attrs.define
class Known:
    """What a page knows of one market: it takes parts as the page's script does."""

    timeframe: Timeframe
    first: int | None = None
    rows: dict[int, tuple[float, ...]] = attrs.field(factory=dict)
    covered: set[int] = attrs.field(factory=set)
    forming: list[float] | None = None

    def take(self, told: dict[str, Any]) -> None:
        """Take an event of the market."""
        self.forming = told["forming"]
        part = told.get("part")
        if part is None:
            return
        if part["whole"]:
            self.first, self.rows, self.covered = part["first"], {}, set()
        assert self.first is not None, "the first part is whole"
        self.rows = {at: row for at, row in self.rows.items() if at < part["first"]}
        self.covered = {at for at in self.covered if at < part["first"]}
        columns = (part[name] for name in ("slot", "open", "high", "low", "close", "volume"))
        for slot, *values in zip(*columns, strict=True):
            self.rows[self.timeframe.shift(part["first"], slot)] = tuple(values)
        for start, stop in part["proven"]:
            self.covered |= {self.timeframe.shift(part["first"], slot) for slot in range(start, stop)}
