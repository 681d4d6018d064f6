"""Read the time zone in a name: of a column, of a file, in a line above the header, or in a column of zones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from rxcandles.model.moments import KST

__all__ = ["Named", "zone_called", "zone_in_words", "zone_named"]

_MOST: Final = timedelta(hours=14)
"""The greatest offset of a zone from UTC."""

_FIXED: Final[Mapping[str, tzinfo | str]] = {
    "kst": KST, "utc": UTC, "gmt": UTC, "jst": "Asia/Tokyo", "hkt": "Asia/Hong_Kong", "sgt": "Asia/Singapore",
    "msk": "Europe/Moscow",
}  # fmt: skip
_PLACES: Final[Mapping[str, tzinfo | str]] = {
    "seoul": KST, "korea": KST, "korean": KST, "kr": KST, "kor": KST, "한국": KST, "한국시간": KST,
    "한국시각": KST, "한국표준시": KST, "서울": KST,
    "tokyo": "Asia/Tokyo", "japan": "Asia/Tokyo", "일본": "Asia/Tokyo", "도쿄": "Asia/Tokyo",
    "shanghai": "Asia/Shanghai", "beijing": "Asia/Shanghai", "hong kong": "Asia/Hong_Kong",
    "singapore": "Asia/Singapore", "london": "Europe/London", "berlin": "Europe/Berlin", "paris": "Europe/Paris",
    "new york": "America/New_York", "newyork": "America/New_York", "chicago": "America/Chicago",
    "los angeles": "America/Los_Angeles", "sydney": "Australia/Sydney",
}  # fmt: skip
_UNCLEAR: Final = frozenset({
    "est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt", "bst", "ist", "cet", "cest", "eet", "eest", "aest", "aedt",
    "wib", "et", "local", "현지", "현지시간", "현지시각",
})  # fmt: skip
"""Names that stand for several zones, or for one that changes."""
_REGION: Final = re.compile(
    r"(?<![a-z])(asia|america|europe|australia|africa|pacific|atlantic|indian|antarctica|us|etc)[/_\-]"
    r"([a-z]+(?:[_ ][a-z]+)?(?:[+-]\d{1,2})?)(?![a-z])",
    re.IGNORECASE,
)
_OFFSET: Final = re.compile(
    r"(?:(?:utc|gmt|kst)[\s_]*(?:([+\-−])[\s_]*)(\d{1,2})(?::?(\d{2}))?(?!\d)"
    r"|(?<=[(\[\s_a-z])([+−])(\d{1,2})(?::?(\d{2}))?(?=[)\]]|$)"
    r"|(?<=[(\[])(-)(\d{1,2})(?::?(\d{2}))?(?=[)\]])"
    r"|(?<=[\s_a-z])(-)(\d{2}):?(\d{2})$)",
    re.IGNORECASE,
)
_LOCAL: Final = re.compile(
    r"local[ _-]?time|(?:한국|현지)\s?(?:시간|시각|표준시)|(?<![^\W_])(?:korea|korean|seoul)(?![^\W_])", re.IGNORECASE
)
_UTC_NUMBER: Final = re.compile(r"(?:utc|gmt)[\s_]*\d{1,2}(?![\d])", re.IGNORECASE)
_AT_THE_ENDS: Final = ("kst", "utc", "gmt", "seoul", "korean", "korea", "한국")
"""Words that are found even if nothing separates them from the rest: ``timeutc``, ``koreantime``."""


@attrs.frozen
class Named:
    """A name, and the zone in it."""

    rest: str
    """The name without its zone."""
    zone: tzinfo | None = None
    unclear: str | None = None
    """The part that names an ambiguous zone."""


def zone_named(name: str) -> Named:
    """Return the zone in a name: ``time (UTC+9)``, ``time_kst``, ``time America/New_York``."""
    if match := _REGION.search(name):
        zone = _of_database("/".join((match[1], match[2].replace(" ", "_"))))
        if zone is None and (shorter := re.match(r"[^\W_]+[/_\-][^\W_]+", match[0])):  # asia_seoul_time
            rest = name[: match.start()] + name[match.start() + shorter.end() :]
            zone = _of_database(re.sub(r"[_\-]", "/", shorter[0], count=1))
            return Named(rest, zone, None if zone is not None else shorter[0])
        return _without(name, match, zone)
    if match := _OFFSET.search(name):
        sign, hours, minutes = next(match.group(at, at + 1, at + 2) for at in (1, 4, 7, 10) if match[at])
        return _without(name, match, _offset(sign, int(hours), int(minutes or 0)))
    if match := _UTC_NUMBER.search(name):
        return _without(name, match, None)
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    for table in (_PLACES, _FIXED):
        for word, place in table.items():
            pattern = word.replace(" ", r"[\s_\-]?")
            if match := re.search(rf"(?<![^\W_]){pattern}(?![^\W_])", spaced, re.IGNORECASE):
                return _without(spaced, match, _zone(place))
    for word in sorted(_UNCLEAR):
        if match := re.search(rf"(?<![^\W_]){word}(?![^\W_])", spaced, re.IGNORECASE):
            return _without(spaced, match, None)
    for word in _AT_THE_ENDS:
        if match := re.search(rf"^{word}|{word}(?:시간|시각|표준시|time)?$", name.strip(), re.IGNORECASE):
            return _without(name.strip(), match, _zone({**_PLACES, **_FIXED}[word]))
    return Named(name)


def zone_in_words(text: str) -> Named:
    """Return the zone in the name of a file or in a line of words; a place alone is ambiguous."""
    if match := _REGION.search(text):
        return zone_named(f"({match[0]})")
    for match in re.finditer(r"(?<![^\W_])(?:(?:utc|gmt)[\s_]?[+\-−]\d{1,2}(?::?\d{2})?(?!\d))", text, re.IGNORECASE):
        named = zone_named(f"({match[0]})")
        if named.zone is not None:
            return named
    for word, zone in _FIXED.items():
        if re.search(rf"(?<![^\W_]){word}(?![^\W_])", text, re.IGNORECASE):
            return Named(text, _zone(zone))
    if match := re.search(
        r"(?i:local[ _-]?time|한국\s?(?:시간|시각|표준시)|(?<![^\W_])(?:korea|korean|seoul)(?![^\W_]))", text
    ):
        return Named(text, unclear=match[0])
    for match in re.finditer(r"(?<![^\W_])[A-Z]{3,4}(?![^\W_])", text):
        if match[0].casefold() in _UNCLEAR:
            return Named(text, unclear=match[0])
    return Named(text)


def zone_called(value: Any) -> tzinfo | None:
    """Return the zone in a value of a column of zones (``KST``, ``Asia/Seoul``, ``+09:00``, ``9``), or None."""
    text = str(value).strip()
    if re.fullmatch(r"[+\-−]?\d{1,6}(?:\.0+)?", text, re.ASCII):
        count = int(float(text.replace("−", "-")))
        if abs(count) <= 14:
            return timezone(timedelta(hours=count)) if count else UTC
        minutes = count / 60 if abs(count) >= 3600 else count
        if minutes % 15 == 0 and abs(minutes) >= 60 and timedelta(minutes=abs(minutes)) <= _MOST:
            return timezone(timedelta(minutes=minutes))
        return None
    if match := re.fullmatch(r"([+\-−])(\d{1,2}):?(\d{2})(?::00)?", text, re.ASCII):
        return _offset(match[1], int(match[2]), int(match[3]))
    if text.casefold() == "z":
        return UTC
    named = zone_named(f"({text})")
    if named.zone is not None and not named.rest.strip("() "):
        return named.zone
    return _of_database(text) if named.unclear is None else None


def _without(name: str, match: re.Match[str], zone: tzinfo | None) -> Named:
    rest = re.sub(r"\(\s*\)|\[\s*\]", "", name[: match.start()] + name[match.end() :])
    rest = re.sub(r"(?i)[\s_\-]*(?:standard[\s_\-]*time|표준시)$", "", rest)
    return Named(rest, zone, None if zone is not None else match[0].strip())


def _offset(sign: str, hours: int, minutes: int) -> tzinfo | None:
    away = timedelta(hours=hours, minutes=minutes)
    if away > _MOST or minutes % 15:
        return None
    if not away:
        return UTC
    return KST if sign == "+" and away == timedelta(hours=9) else timezone(away if sign == "+" else -away)


def _zone(zone: tzinfo | str) -> tzinfo | None:
    return zone if isinstance(zone, tzinfo) else _of_database(zone)


def _of_database(name: str) -> tzinfo | None:
    for spelt in (name, name.title(), name.title().replace("/Gmt", "/GMT"), name.upper()):
        try:
            return ZoneInfo(spelt)
        except (OSError, ValueError, LookupError):  # no such file, no such name, no data
            pass
    return None
