"""Read the TOML file of jobs for ``rxcandles run``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs

from rxcandles.cli.ends import WAYS
from rxcandles.cli.place import Place
from rxcandles.cli.time_options import length_said, time_said
from rxcandles.cli.times import ZONE
from rxcandles.cli.wanted import Wanted
from rxcandles.errors import RequestError
from rxcandles.model.advice import USUAL_DB
from rxcandles.stores.opening import check_database
from rxcandles.util.arguments import check_count, check_path, check_rate, refusal, shown

__all__ = ["read_jobs"]

LARGEST: Final = 1_000_000
"""Most bytes of a file of jobs; a larger file is refused."""


DEEPEST: Final = 100
"""Most dots in one line of it."""


def read_jobs(path: str, *, endless: bool = False) -> tuple[list[Wanted], Place]:
    """Return the jobs of a file, and the place for all of them.

    ``endless``: the jobs have no newer end, and may have no older one: they are followed.

    Raises:
        RequestError: the file is missing or invalid; the text names the invalid value and its place.
    """
    import tomllib

    text = _text(check_path("FILE", path))
    # The time of tomllib grows with the square of the number of parts of a dotted name.
    if any(line.count(".") > DEEPEST and not line.lstrip().startswith("#") for line in text.splitlines()):
        raise RequestError(f"{path!r} is not a TOML file of jobs: one line has more than {DEEPEST} dots")
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise RequestError(f"{path!r} is not a TOML file of jobs: its values are nested too deeply") from None
    except ValueError as error:  # also for a number with too many digits
        raise RequestError(f"{path!r} is not a TOML file: {error}") from None
    try:
        return _jobs(content, endless=endless)
    except RequestError as error:
        raise RequestError(f"{path!r}: {error}") from None


def _text(path: str) -> str:
    if not Path(path).is_file():
        raise RequestError(f"there is no file {path!r}; name a TOML file of jobs (rxcandles run --help shows one)")
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    try:
        if len(content) <= LARGEST:
            return content.decode()
    except UnicodeDecodeError:
        pass
    raise RequestError(f"{path!r} is not a TOML file of jobs: it must be UTF-8, and at most {LARGEST:,} bytes")


def _jobs(content: Mapping[str, Any], *, endless: bool) -> tuple[list[Wanted], Place]:
    _check_names("the file", content, ["defaults", "jobs"])
    defaults = content.get("defaults", {})
    if not isinstance(defaults, dict):
        raise refusal("defaults", defaults, "write [defaults] as a table")
    _check_names("[defaults]", defaults, [*_PLACE, *_JOB])
    jobs = content.get("jobs", [])
    if not isinstance(jobs, list) or not jobs or not all(isinstance(each, dict) for each in jobs):
        raise refusal("jobs", jobs, "write one or more tables [[jobs]]")
    place = {name: read(f"defaults.{name}", defaults[name]) for name, read in _PLACE.items() if name in defaults}
    there = Place(**{"db": USUAL_DB, **place})
    wanted = [_wanted(f"jobs[{number}]", job, defaults, there.exchange, endless) for number, job in enumerate(jobs)]
    return wanted, there


def _wanted(where: str, job: Mapping[str, Any], defaults: Mapping[str, Any], exchange: str, endless: bool) -> Wanted:
    _check_names(where, job, _JOB, elsewhere=_PLACE)
    if any(way in job for way in WAYS):
        defaults = {name: value for name, value in defaults.items() if name not in WAYS}
    said = {
        name: read(f"{where if name in job else 'defaults'}.{name}", {**defaults, **job}[name])
        for name, read in _JOB.items()
        if name in job or name in defaults
    }
    until = said.pop("until", None)
    if until is not None:
        if "to" in said:
            raise RequestError(f"{where} has both 'until' and 'to', which mean the same; remove 'to'")
        said["to"] = until
    symbols, timeframes = said.pop("symbols", []), said.pop("timeframes", [])
    try:
        wanted = Wanted(symbols, timeframes, **said, dashes="")
        wanted.check(exchange, endless=endless)
        return wanted
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from None


def _check_names(where: str, found: Iterable[str], known: Iterable[str], elsewhere: Iterable[str] = ()) -> None:
    for name in found:
        if name in known:
            continue
        if name in elsewhere:
            raise RequestError(f"{where} has {name!r}, but it applies to the whole file; move it to [defaults]")
        near = get_close_matches(name, list(known), 1, 0.5)
        raise RequestError(
            f"{where} has {shown(name)}, which is not a known key; "
            + (f"did you mean {near[0]!r}?" if near else f"use {', '.join(known)}")
        )


def _words(name: str, value: object) -> list[str]:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return value
    raise refusal(name, value, 'write a list of texts, such as ["KRW-BTC"]')


def _word(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise refusal(name, value, "write it in quotes")


def _rate(name: str, value: Any) -> float | None:
    return None if value == "none" else check_rate(name, value)


def _moment(name: str, value: object) -> datetime:
    if isinstance(value, str):
        value = _read(partial(time_said, tz=ZONE.get()), name, value)
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=ZONE.get())
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=ZONE.get())
    raise refusal(name, value, "write a time, such as 2024-01-31 or 2024-01-31T09:00:00+09:00")


def _read(read: Callable[[str], Any], name: str, value: object) -> Any:
    try:
        return read(_word(name, value))
    except RequestError as error:
        raise RequestError(f"{name}: {error}") from None


_PLACE: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **{each.name: lambda name, value: value for each in attrs.fields(Place) if each.init},
    "db": check_database, "exchange": _word, "base_url": _word, "name": _word, "rate_limit": _rate,
    "source_address": _word,
}  # fmt: skip
"""Keys of ``[defaults]`` for the place, and how each is read: every option of a connection.

Keys without a reader here are checked where they are used.
"""


_JOB: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "symbols": _words, "timeframes": _words, "count": check_count, "since": _moment,
    "last": partial(_read, length_said), "until": _moment, "to": _moment, "end": _moment,
}  # fmt: skip
"""Keys of a job, and how each is read; errors are found in this order."""
