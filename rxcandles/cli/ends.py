"""How far back: ways to say it become the ends of a span."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rxcandles.cli.times import ZONE, home
from rxcandles.errors import RequestError
from rxcandles.model import Request
from rxcandles.model.moments import Length, opened
from rxcandles.model.timeframe import Timeframe, from_datetime, to_datetime

__all__ = ["WAYS", "check_length", "check_one", "ends_of", "ends_on"]

WAYS: Final = ("count", "since", "last", "end")
"""The ways to say how far back, of which one is given."""


def ends_of(
    count: int | None = None,
    since: datetime | None = None,
    last: Length | None = None,
    to: datetime | None = None,
    end: datetime | None = None,
    *,
    dashes: str = "--",
) -> dict[str, Any]:
    """Return the ``count``, ``to`` and ``end`` of a request, or ``last`` instead of an end, for :func:`ends_on`.

    ``RequestError`` names those that contradict each other.
    ``dashes`` stand before the names in errors.
    """
    values = dict(zip(WAYS, (count, since, last, end), strict=True))
    if not check_one(values, dashes=dashes):
        alone = "" if to is None else f", and {dashes}until is only the newer end"
        raise RequestError(f"nothing says how far back to go{alone}; give {dashes}since, {dashes}last or {dashes}count")
    newer = datetime.now(UTC) if to is None else to
    if since is not None:
        if since >= newer:
            until = "now" if to is None else f"{dashes}until, {_said(to)}"
            raise RequestError(f"{dashes}since is {_said(since)}, which is not before {until}; give an earlier time")
        end = since
    elif last is not None:
        if not _is_since_1970(last, home(newer)):
            raise RequestError(
                f"{dashes}last is {_said(last)}, back to before 1970, with which time begins here; give less"
            )
        return {"to": to, "last": last}
    return {"count": count, "to": to, "end": end}


def check_length(last: Length, timeframe: Timeframe) -> None:
    """Raise :class:`RequestError` where ``--last`` is shorter than a candle, with what may have been meant."""
    months = last.months or last.seconds / (28 * 86_400)
    short = months < timeframe.months if timeframe.months else not last.months and last.seconds < timeframe.seconds
    if short:
        number = last.text[:-1].strip()
        meant = f"m is minutes: did you mean {number}M, {number} months?" if last.text[-1] == "m" else "give more"
        raise RequestError(f"--last is {last.text}, which is shorter than one {timeframe} candle; {meant}")


def _is_since_1970(last: Length, newer: datetime) -> bool:
    try:
        return from_datetime(last.before(newer)) >= 0
    except (ValueError, OverflowError):
        return False


def check_one(values: Mapping[str, object], *, dashes: str = "--") -> bool:
    """Return whether one of the options is given; raises :class:`RequestError` where several are, by name."""
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        one, other = given[:2]
        *others, last = (dashes + name for name in values if name != "end")  # which is kept for those who know it
        raise RequestError(
            f"{dashes}{one} and {dashes}{other} are both given, {_said(values[one])} and {_said(values[other])}; "
            f"give one of {', '.join(others)} and {last}"
        )
    return bool(given)


def ends_on(timeframe: str, ends: Mapping[str, Any], now: float | None = None) -> dict[str, Any]:
    """Return what ``ends_of`` said as a request takes it: ``last`` is as many candles as it has begun, to the end."""
    if "last" not in ends:
        return dict(ends)
    to, frame = ends["to"], Timeframe.of(timeframe)
    stop = Request("ANY", frame, 1, to, now=now).stop  # whatever the market
    last = ends["last"]
    check_length(last, frame)
    start = opened(frame, stop, last, ZONE.get(), name="--last")
    return {"to": to, "end": to_datetime(start)}


def _said(value: object) -> str:
    if isinstance(value, Length):
        return value.text
    return home(value).isoformat() if isinstance(value, datetime) else str(value)
