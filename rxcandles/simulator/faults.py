"""Faults on demand. Each is a function that turns the right answer into a wrong one::

sim.faults.add(faults.status(503), times=2)
sim.faults.add(faults.seam(), when=lambda asked: asked.timeframe is not None and asked.timeframe.name == "1m")
sim.faults.add(lambda asked, answer: attrs.evolve(answer, hold=0.5))  # one of your own
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from email.utils import formatdate
from typing import TypeAlias

import attrs

from rxcandles.simulator.answers import JSON, TEXT, Answer, Asked, Cut
from rxcandles.simulator.forms import Form, moved
from rxcandles.util.arguments import check_callable, check_count

__all__ = [
    "Fault",
    "Faults",
    "banned",
    "dated",
    "delay",
    "drop",
    "edit",
    "endless",
    "error_object",
    "future",
    "garbage",
    "high_below_low",
    "html",
    "limited",
    "misaligned",
    "moved",
    "nan",
    "negative_volume",
    "other_market",
    "repeated",
    "revised",
    "seam",
    "stale",
    "stall",
    "status",
    "truncated",
    "unordered",
    "waf",
]

Fault: TypeAlias = Callable[[Asked, Answer], Answer]
"""Turns the right answer to a request into another."""


@attrs.define
class _Planned:
    fault: Fault
    times: int | None
    when: Callable[[Asked], bool] | None


class Faults:
    """The faults of a simulator, applied in the order they were added. Requests over the limit meet none."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []

    def add(self, fault: Fault, times: int | None = None, when: Callable[[Asked], bool] | None = None) -> None:
        """Let ``fault`` befall the next ``times`` requests (None: all) for which ``when`` is true (None: any)."""
        check_callable("fault", fault)
        check_callable("when", when, optional=True)
        self._planned.append(_Planned(fault, None if times is None else check_count("times", times), when))

    def clear(self) -> None:
        """Remove all faults."""
        self._planned.clear()

    def __len__(self) -> int:
        """The number of faults that have not used up their ``times``."""
        return len(self._planned)

    def apply(self, asked: Asked, answer: Answer) -> Answer:
        """Return ``answer`` with every fault that is due."""
        for planned in tuple(self._planned):
            if planned.when is not None and not planned.when(asked):
                continue
            answer = planned.fault(asked, answer)
            if planned.times is not None:
                planned.times -= 1
                if planned.times <= 0:
                    self._planned.remove(planned)
        return answer


# Whole answers.


def status(
    code: int,
    body: str | bytes = "",
    headers: Mapping[str, str | None] | None = None,
    content_type: str = TEXT,
) -> Fault:
    """Answer with any status, body and headers."""
    return lambda _asked, _answer: Answer(code, body, content_type, headers or {})


def error_object(code: int = 400, message: str = "Invalid parameter. Check the given value!") -> Fault:
    """Answer 200 with an error in the body, as Bithumb does."""
    return lambda asked, _answer: attrs.evolve(asked.words.error(code, message), status=200)


def limited(headers: Mapping[str, str | None] | None = None) -> Fault:
    """Answer 429, with further headers such as ``Retry-After`` if given."""

    def refuse(asked: Asked, _answer: Answer) -> Answer:
        answer = asked.words.refused(asked.now)
        return attrs.evolve(answer, headers={**answer.headers, **(headers or {})})

    return refuse


def banned(seconds: float, headers: Mapping[str, str | None] | None = None) -> Fault:
    """Answer 418 and say how long the block lasts, with further ``headers`` if given; the next request is answered."""

    def block(asked: Asked, _answer: Answer) -> Answer:
        answer = asked.words.blocked(seconds, asked.now)
        return attrs.evolve(answer, headers={**answer.headers, **(headers or {})})

    return block


def html() -> Fault:
    """Answer 200 with a page of HTML, as a proxy in the way does."""
    page = "<!DOCTYPE html><html><body><h1>Please wait</h1></body></html>"
    return lambda _asked, _answer: Answer(200, page, "text/html;charset=UTF-8")


def waf() -> Fault:
    """Answer 403 with a page of HTML, as the firewall before an exchange does to what it takes for an attack."""
    page = "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body><h1>403 Forbidden</h1></body>\r\n</html>\r\n"
    return lambda _asked, _answer: Answer(403, page, "text/html")


def garbage() -> Fault:
    """Answer 200 with bytes that are neither JSON nor UTF-8, labelled JSON."""
    return lambda _asked, _answer: Answer(200, b'\x00\xff\xfe[{"market"\x80', JSON)


def dated(off: float | None) -> Fault:
    """Send a ``Date`` that is ``off`` by so many seconds, or None at all (None)."""

    def moved_date(asked: Asked, answer: Answer) -> Answer:
        date = None if off is None else formatdate(int(asked.now + off), usegmt=True)
        return attrs.evolve(answer, headers={**answer.headers, "Date": date})

    return moved_date


# On the way.


def delay(hold: float | asyncio.Event) -> Fault:
    """Hold the answer for some seconds, or until the event is set; a client that leaves ends the wait."""
    return lambda _asked, answer: attrs.evolve(answer, hold=hold)


def drop(cut: Cut = "before") -> Fault:
    """Reset the connection ``before`` the answer, after its ``headers``, or half way in its ``body``.

    The headers promise the whole body.
    """
    return lambda _asked, answer: attrs.evolve(answer, cut=cut)


def endless() -> Fault:
    """Send the body again and again, until the client leaves."""
    return lambda _asked, answer: attrs.evolve(answer, endless=True)


def stall() -> Fault:
    """Send half of the body, then nothing more until the client leaves."""
    return lambda _asked, answer: attrs.evolve(answer, stalled=True)


def truncated() -> Fault:
    """Send only the first half of the JSON, as a whole and sound answer."""
    return lambda _asked, answer: attrs.evolve(answer, body=answer.body[: len(answer.body) // 2])


# Candles that are wrong; a page without candles stays as it is.


def edit(field: str, text: str, index: int = 0) -> Fault:
    """Replace the value of ``field`` in the candle at ``index`` (0: the newest) by ``text``, which is JSON or not.

    Fields are called as Upbit calls them, and are found on every face that sends them.
    """
    return _each_row(lambda form, number, row, count: form.edited(row, field, text) if number == index % count else row)


def other_market(market: str = "KRW-OTHER") -> Fault:
    """Say that all candles are of another market, where they say it at all."""
    return _each_row(lambda form, _number, row, _count: form.edited(row, "market", f'"{market}"'))


def misaligned(seconds: float = 1) -> Fault:
    """Move all candles off the grid, ``seconds`` earlier."""
    return _each_row(lambda form, _number, row, _count: form.moved(row, int(form.opened(row)) - int(seconds)))


def unordered() -> Fault:
    """Send the candles the other way round: oldest first where the exchange sends the newest first."""
    return lambda _asked, answer: answer.with_rows(answer.rows[::-1]) if answer.rows else answer


def repeated() -> Fault:
    """Send the newest candle twice, in the place of the one after it."""

    def double(_asked: Asked, answer: Answer) -> Answer:
        rows = answer.rows
        return answer.with_rows([rows[0], rows[0], *rows[2:]]) if rows else answer

    return double


def future() -> Fault:
    """Move the newest candle to the slot after the one that runs now."""

    def move(asked: Asked, answer: Answer) -> Answer:
        rows = answer.rows
        if not rows or asked.timeframe is None:
            return answer
        following = asked.timeframe.shift(asked.timeframe.floor(asked.now), 1)
        return answer.with_rows([answer.form.moved(rows[0], following), *rows[1:]])

    return move


def nan(field: str = "trade_price") -> Fault:
    """Send ``NaN`` for a field of the newest candle, which JSON does not know."""
    return edit(field, "NaN")


def negative_volume() -> Fault:
    """Send a volume below zero in the newest candle."""
    return edit("candle_acc_trade_volume", "-1.00000000")


def high_below_low() -> Fault:
    """Send a high below the low in the newest candle."""
    return edit("high_price", "0.00000001")


def seam() -> Fault:
    """Include the candle that opens at ``to``: the page repeats the last row of the page before.

    Where the exchange was asked for the oldest from ``since`` on, that is the one before ``since``.
    """

    def include(asked: Asked, answer: Answer) -> Answer:
        if asked.since is not None and asked.count is not None:
            before = asked.page(asked.since, 1)
            more = [] if before is None else answer.form.rows(before.text)
            rows = answer.rows
            return answer.with_rows([*rows[len(rows) == asked.count :], *more]) if rows else answer
        if asked.to is None or asked.count is None:
            return answer
        page = asked.page(asked.to + 1, asked.count)
        return answer if page is None else attrs.evolve(answer, body=page.text)

    return include


def stale(headers: Mapping[str, str | None] | None = None) -> Fault:
    """Answer with the first page of the same market and timeframe again and again, as a careless cache in the way does.

    ``headers`` are added to it: a cache that says what it is sends an ``Age``.
    """
    first: dict[tuple[str | None, str], Answer] = {}

    def kept(asked: Asked, answer: Answer) -> Answer:
        again = first.setdefault((asked.market, str(asked.timeframe)), answer)
        return again if again is answer else attrs.evolve(again, headers={**again.headers, **(headers or {})})

    return kept


def revised(field: str = "candle_acc_trade_volume") -> Fault:
    """Send each candle rightly the first time, and with twice the value of ``field`` whenever it comes again.

    So an exchange does that has corrected its candles since.
    """
    sent: set[tuple[str | None, str, str]] = set()

    def again(asked: Asked, answer: Answer) -> Answer:
        form, rows = answer.form, answer.rows
        keys = [(asked.market, str(asked.timeframe), f"{form.opened(row)}") for row in rows]
        changed = [_doubled(form, row, field) if key in sent else row for key, row in zip(keys, rows, strict=True)]
        sent.update(keys)
        return answer.with_rows(changed) if rows else answer

    return again


def _doubled(form: Form, row: str, field: str) -> str:
    value = form.value(row, field)
    return row if value is None else form.edited(row, field, f"{2 * Decimal(value):.8f}")


def _each_row(change: Callable[[Form, int, str, int], str]) -> Fault:
    def changed(_asked: Asked, answer: Answer) -> Answer:
        rows = answer.rows
        if not rows:
            return answer
        return answer.with_rows([change(answer.form, number, row, len(rows)) for number, row in enumerate(rows)])

    return changed
