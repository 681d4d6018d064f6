"""What is asked and what is answered: the values that faults and the server pass around."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from json import dumps
from math import ceil
from typing import Final, Literal, TypeAlias

import attrs

from rxcandles.model.timeframe import Timeframe, from_datetime
from rxcandles.simulator.market import Served

__all__ = ["JSON", "TEXT", "Answer", "Asked", "Cut", "Logged", "blocked", "error", "opened", "refused"]

JSON: Final = "application/json;charset=UTF-8"
TEXT: Final = "text/plain;charset=UTF-8"

Cut: TypeAlias = Literal["", "before", "headers", "body"]
"""Where a connection is cut: not at all, before the answer, after its headers, or half way in its body."""


@attrs.frozen
class Asked:
    """A request that is about to be answered, as a fault or its ``when`` sees it.

    ``market``, ``timeframe`` and ``count`` are None where the request is not for candles or named none; ``to`` is in
    UTC seconds, rounded up, None where it was not given. ``number`` counts requests from 1. ``page(to, count)`` is
    what the exchange would send for another request for the same candles, None where it knows no such market.
    ``connection`` counts from 1 the connections that clients have opened: two requests of one number came by the same.
    """

    path: str
    number: int
    now: float
    market: str | None = None
    timeframe: Timeframe | None = None
    to: int | None = None
    count: int | None = None
    page: Callable[[float, int], Served | None] = attrs.field(default=lambda _to, _count: None, repr=False)
    connection: int = 0


@attrs.frozen
class Answer:
    """An answer, and what goes wrong while it is sent.

    ``headers`` replace those of the same name; a value of None leaves one out. ``hold`` are seconds, or an event, to
    wait for before anything is sent. ``cut`` says where the connection is reset. An ``endless`` answer repeats its
    body until the client leaves; a ``stalled`` one stops half way in it and waits for that.
    """

    status: int = 200
    body: str | bytes = "[]"
    content_type: str = JSON
    headers: Mapping[str, str | None] = attrs.field(factory=dict)
    hold: float | asyncio.Event | None = None
    cut: Cut = ""
    endless: bool = False
    stalled: bool = False

    @property
    def rows(self) -> list[str]:
        """The candles in the body, each a JSON object; none where it holds no candles."""
        text = self.body if isinstance(self.body, str) else self.body.decode(errors="replace")
        if not text.startswith("[{"):
            return []
        return [f"{{{row}}}" for row in text[2:-2].split("},{")]

    def with_rows(self, rows: Sequence[str]) -> Answer:
        """Return this answer with other candles."""
        return attrs.evolve(self, body=f"[{','.join(rows)}]")


@attrs.frozen
class Logged:
    """One request for candles as it was answered; ``status`` 0 where the connection was cut.

    ``time`` is the server's clock when it arrived, UTC seconds; ``to`` and ``connection`` as in :class:`Asked`. ``ill``
    says whether an ill replica answered, which may have sent the right answer nonetheless.
    """

    time: float
    market: str | None
    timeframe: str
    to: int | None
    count: int | None
    status: int
    rows: int
    connection: int = 0
    ill: bool = False


_UTC: Final = re.compile('"candle_date_time_utc":"([^"]*)"')


def opened(row: str) -> int:
    """Return the open time of a candle (a JSON object) in UTC seconds, 0 where it tells none."""
    found = _UTC.search(row)
    return int(from_datetime(datetime.fromisoformat(found[1]))) if found else 0


def error(status: int, message: str, name: int | str | None = None) -> Answer:
    """Return an error as Upbit words it; ``name`` is a number on its quotation endpoints (seen 2026-09-13)."""
    text = dumps({"error": {"name": status if name is None else name, "message": message}}, separators=(",", ":"))
    return Answer(status, text)


def refused() -> Answer:
    """Return a 429: plain text, no ``Retry-After`` (Upbit, as clients report it; no body recorded since 2024)."""
    return Answer(429, "Too many API requests.", TEXT)


def blocked(seconds: float) -> Answer:
    """Return a 418 that says how long it lasts; the wording is ours, as no such body has been recorded."""
    return error(418, f"Too many API requests. This address is blocked for {ceil(seconds)} seconds.")
