"""What is asked and what is answered: the values that faults and the server pass around."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from json import dumps
from math import ceil
from typing import Final, Literal, Protocol, TypeAlias

import attrs

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.forms import UPBIT, Form, opened
from rxcandles.simulator.market import Served

__all__ = [
    "JSON", "TEXT", "Answer", "Asked", "CandleQuery", "Cut", "Logged", "UpbitWords", "Words", "error", "opened",
]  # fmt: skip

JSON: Final = "application/json;charset=UTF-8"
TEXT: Final = "text/plain;charset=UTF-8"

Cut: TypeAlias = Literal["", "before", "headers", "body"]
"""Where a connection is cut: not at all, before the answer, after its headers, or half way in its body."""


class Words(Protocol):
    """How an exchange words what is no page of candles. ``now`` is its clock."""

    def error(self, status: int, message: str) -> Answer:
        """Return an error."""
        ...

    def refused(self, now: float) -> Answer:
        """Return a 429."""
        ...

    def blocked(self, seconds: float, now: float) -> Answer:
        """Return a 418 that says how long it lasts."""
        ...


class UpbitWords:
    """Upbit's."""

    def error(self, status: int, message: str) -> Answer:
        """Return an error whose ``name`` is a number (seen 2026-09-13)."""
        return error(status, message)

    def refused(self, now: float) -> Answer:
        """Return a 429: plain text, no ``Retry-After`` (Upbit, as clients report it; no body recorded since 2024)."""
        return Answer(429, "Too many API requests.", TEXT)

    def blocked(self, seconds: float, now: float) -> Answer:
        """Return a 418 that says how long it lasts; the wording is ours, as no such body has been recorded."""
        return error(418, f"Too many API requests. This address is blocked for {ceil(seconds)} seconds.")


@attrs.frozen
class CandleQuery:
    """A well-formed request for candles: the newest ``count`` before ``to``, or the oldest of them from ``since`` on.

    ``since`` and ``to`` are UTC seconds, None where they were not given. ``converted`` asks for a price in KRW.
    """

    market: str
    timeframe: Timeframe
    to: float | None
    count: int
    converted: bool = False
    since: float | None = None


@attrs.frozen
class Asked:
    """A request that is about to be answered, as a fault or its ``when`` sees it.

    ``market``, ``timeframe`` and ``count`` are None where the request is not for candles or named none; ``to`` is in
    UTC seconds, rounded up, None where it was not given, and so is ``since``, which Upbit does not know. ``number``
    counts requests from 1. ``page(to, count)`` is the newest ``count`` candles before ``to`` as the exchange would send
    them, None where it knows no such market. ``connection`` counts from 1 the connections that clients have opened: two
    requests of one number came by the same. ``words`` are the exchange's own for errors and refusals.
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
    since: int | None = None
    words: Words = attrs.field(factory=UpbitWords, repr=False)


@attrs.frozen
class Answer:
    """An answer, and what goes wrong while it is sent.

    ``headers`` replace those of the same name; a value of None leaves one out. ``hold`` are seconds, or an event, to
    wait for before anything is sent. ``cut`` says where the connection is reset. An ``endless`` answer repeats its
    body until the client leaves; a ``stalled`` one stops half way in it and waits for that. ``form`` is how the
    exchange writes candles.
    """

    status: int = 200
    body: str | bytes = "[]"
    content_type: str = JSON
    headers: Mapping[str, str | None] = attrs.field(factory=dict)
    hold: float | asyncio.Event | None = None
    cut: Cut = ""
    endless: bool = False
    stalled: bool = False
    form: Form = attrs.field(default=UPBIT, repr=False)

    @property
    def rows(self) -> list[str]:
        """The candles in the body, each a JSON text, newest first; none where it holds no candles."""
        return self.form.rows(self.body if isinstance(self.body, str) else self.body.decode(errors="replace"))

    def with_rows(self, rows: Sequence[str]) -> Answer:
        """Return this answer with other candles, given newest first."""
        return attrs.evolve(self, body=self.form.body(rows))


@attrs.frozen
class Logged:
    """One request for candles as it was answered; ``status`` 0 where the connection was cut.

    ``time`` is the server's clock when it arrived, UTC seconds; ``to``, ``since`` and ``connection`` are as in
    :class:`Asked`. ``ill`` says whether an ill replica answered, which may have sent the right answer nonetheless.
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
    since: int | None = None


def error(status: int, message: str, name: int | str | None = None) -> Answer:
    """Return an error as Upbit words it; ``name`` is a number on its quotation endpoints (seen 2026-09-13)."""
    text = dumps({"error": {"name": status if name is None else name, "message": message}}, separators=(",", ":"))
    return Answer(status, text)
