"""Options for times, lengths and counts: read in the zone of ``--tz``; errors suggest what may have been meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import click

from rxcandles.cli.times import ZONE
from rxcandles.errors import RequestError
from rxcandles.model.moments import Length, default_zone, read_length, read_time

__all__ = [
    "Word", "count_option", "length_option", "length_said", "patience_said", "time_option", "time_said", "zone_option",
]  # fmt: skip

_TIMES: Final = "write it as 2024-01-31, '2024-01-31 09:00' or '2024-01-31 09:00 KST'"
_LENGTHS: Final = "write it as 90m (minutes), 24h, 30d, 8w, 6M (months) or 2y, up to a hundred years"


def time_said(value: str, tz: tzinfo = UTC) -> datetime:
    """Return the instant that ``value`` gives, in ``tz`` if it names no zone; the error suggests a valid time."""
    try:
        return read_time("time", _printable(value), tz)
    except RequestError as error:
        if "zone" in str(error):
            raise
        raise RequestError(f"{value!r} is not a time; {_meant(_near_time(value))}{_TIMES}") from None


def length_said(value: str) -> Length:
    """Return the length that ``value`` gives: a whole number and s, m, h, d, w, M or y, up to a hundred years."""
    try:
        return read_length("length", _printable(value))
    except RequestError:
        bare = re.fullmatch(r"[0-9]{1,6}", value.strip(), re.ASCII)
        hint = f"did you mean {value.strip()}d (days), or --count {int(value)} (candles)? " if bare else ""
        hint = hint or _meant(_near_length(value))
        raise RequestError(f"{value!r} is not a length of time; {hint}{_LENGTHS}") from None


def patience_said(value: str) -> timedelta:
    """Return a length in seconds; raise RequestError for months and years."""
    length = length_said(value)
    if length.months:
        raise RequestError(f"{value!r} is too long to wait; write 30s, 5m or 2h")
    return timedelta(seconds=length.seconds)


def _printable(value: str) -> str:
    if not value.isprintable():
        raise RequestError("it has a character that can't be printed")
    return value


def _meant(near: str | None) -> str:
    return "" if near is None else f"did you mean {near}? "


def _near_time(value: str) -> str | None:
    text = value.strip()
    near = re.sub(r"[./]", "-", text, count=2)
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", text, re.ASCII)
    near = "-".join(found.groups()) if found else near
    if re.fullmatch(r"\d{4}", near, re.ASCII):
        near += "-01-01"
    elif re.fullmatch(r"\d{4}-\d{1,2}", near, re.ASCII):
        near += "-01"
    near = re.sub(r"-(\d)(?!\d)", r"-0\1", near)
    try:
        read_time("time", near)
    except RequestError:
        return None
    return near if " " not in near else repr(near)


def _near_length(value: str) -> str | None:
    found = re.fullmatch(r"([0-9]{1,6})\s*([A-Za-z]+)", value.strip(), re.ASCII)
    if not found:
        return None
    units = {
        "s": "sec secs second seconds S", "m": "min mins minute minutes", "h": "hr hrs hour hours H",
        "d": "day days D", "w": "wk week weeks W", "M": "mo mon month months mth", "y": "yr yrs year years Y",
    }  # fmt: skip
    for unit, words in units.items():
        if found[2] in words.split() or found[2].lower() in words.split():
            return f"{found[1]}{unit}" if int(found[1]) else None
    return None


def _bad(error: RequestError) -> click.BadParameter:
    return click.BadParameter(str(error))


def time_option(value: str | datetime) -> datetime:
    """Return the instant that an option gives; a time without a zone is in that of ``--tz``."""
    if isinstance(value, datetime):
        return value
    try:
        return time_said(value, ZONE.get())
    except RequestError as error:
        raise _bad(error) from None


def length_option(value: str | Length) -> Length:
    """Return the length that an option gives."""
    if isinstance(value, Length):
        return value
    try:
        return length_said(value)
    except RequestError as error:
        raise _bad(error) from None


def count_option(value: str | int) -> int:
    """Return the number of candles that an option gives; the error suggests how to write it."""
    if isinstance(value, int):
        return value
    if re.fullmatch(r"[+-]?[0-9]{1,15}", value.strip(), re.ASCII):
        return int(value)
    near = re.sub(r"(?<=\d)[,_' ](?=\d{3}(?!\d))", "", value.strip())
    thousands = re.fullmatch(r"([0-9]{1,9})[kK]", near, re.ASCII)
    near = f"{thousands[1]}000" if thousands else near
    try:
        number = float(near) if len(near) <= 20 else -1.0
    except ValueError:
        number = -1.0
    if 1 <= number <= 1e12 and number == int(number):
        raise click.BadParameter(f"{value!r} is not a number of candles; did you mean {int(number)}?")
    hint = f"did you mean --last {near}? " if re.fullmatch(r"[0-9]{1,9}[smhdwMy]", near, re.ASCII) else ""
    raise click.BadParameter(f"{value!r} is not a number of candles; {hint}write a whole number, such as 1000")


class Word(click.Option):
    """An option whose help shows only its first name; the others are older names, which stay valid."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return its line of the help."""
        every, self.opts = self.opts, self.opts[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = every


def _keep_zone(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    try:
        ZONE.set(default_zone(value))
    except RequestError as error:
        raise _bad(error) from None


def zone_option(command: Any) -> Any:
    """Add ``--tz`` to a command, the zone in which times are read and shown; click reads it before the times."""
    return click.option(
        "--tz", metavar="ZONE", is_eager=True, expose_value=False, callback=_keep_zone,
        help="Time zone of the times you give and see: KST, Europe/Berlin.  [default: RXCANDLES_TZ, or UTC]",
    )(command)  # fmt: skip
