"""Turn ``--count``, ``--since``, ``--last`` and ``--until`` into the ends of a span."""

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
"""The options that say how far back to go; exactly one is given."""


def ends_of(
    count: int | None = None,
    since: datetime | None = None,
    last: Length | None = None,
    to: datetime | None = None,
    end: datetime | None = None,
    *,
    dashes: str = "--",
) -> dict[str, Any]:
    """Return ``count``, ``to`` and ``end`` of a request; with ``last`` return ``to`` and ``last`` for :func:`ends_on`.

    ``dashes``: text before the names of options in errors.

    Raises:
        RequestError: no option says how far back to go, several do, or they contradict each other.
    """
    values = dict(zip(WAYS, (count, since, last, end), strict=True))
    if not check_one(values, dashes=dashes):
        alone = "" if to is None else f", only the end ({dashes}until)"
        raise RequestError(f"no start is given{alone}; give {dashes}since, {dashes}last or {dashes}count")
    newer = datetime.now(UTC) if to is None else to
    if since is not None:
        if since >= newer:
            until = "now" if to is None else f"{dashes}until, {_said(to)}"
            raise RequestError(f"{dashes}since is {_said(since)}, but it must be before {until}; give an earlier time")
        end = since
    elif last is not None:
        if not _is_since_1970(last, home(newer)):
            raise RequestError(f"{dashes}last is {_said(last)}, which goes back before 1970; give a shorter length")
        return {"to": to, "last": last}
    return {"count": count, "to": to, "end": end}


def check_length(last: Length, timeframe: Timeframe) -> None:
    """Raise :class:`RequestError` if ``--last`` is shorter than one candle; suggest what may have been meant."""
    months = last.months or last.seconds / (28 * 86_400)
    short = months < timeframe.months if timeframe.months else not last.months and last.seconds < timeframe.seconds
    if short:
        number = last.text[:-1].strip()
        meant = (
            f"m is minutes: did you mean {number}M, {number} months?" if last.text[-1] == "m" else "give a longer one"
        )
        raise RequestError(f"--last is {last.text}, which is shorter than one {timeframe} candle; {meant}")


def _is_since_1970(last: Length, newer: datetime) -> bool:
    try:
        return from_datetime(last.before(newer)) >= 0
    except (ValueError, OverflowError):
        return False


def check_one(values: Mapping[str, object], *, dashes: str = "--") -> bool:
    """Return whether one of the options is given; raise :class:`RequestError` if several are."""
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        one, other = given[:2]
        *others, last = (dashes + name for name in values if name != "end")  # an older name; not advertised
        raise RequestError(
            f"{dashes}{one} and {dashes}{other} are both given, {_said(values[one])} and {_said(values[other])}; "
            f"give one of {', '.join(others)} and {last}"
        )
    return bool(given)


def ends_on(timeframe: str, ends: Mapping[str, Any], now: float | None = None) -> dict[str, Any]:
    """Return the result of :func:`ends_of` as arguments of a request: ``last`` becomes the open time of a slot.

    ``now``: seconds UTC; default: the clock.
    """
    if "last" not in ends:
        return dict(ends)
    to, frame = ends["to"], Timeframe.of(timeframe)
    stop = Request("ANY", frame, 1, to, now=now).stop  # the end does not depend on the market
    last = ends["last"]
    check_length(last, frame)
    start = opened(frame, stop, last, ZONE.get(), name="--last")
    return {"to": to, "end": to_datetime(start)}


def _said(value: object) -> str:
    if isinstance(value, Length):
        return value.text
    return home(value).isoformat() if isinstance(value, datetime) else str(value)
